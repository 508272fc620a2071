//! SB Payment Service on the bench, in both ways of confirming a payment.

use std::sync::Arc;
use std::time::SystemTime;

use kessai::charset::form_body;
use kessai::gateways::sbps::{Channel, report_hash};
use kessai::ledger::StoredAttempt;
use kessai::sign::SigningKeys;
use kessai::{CheckoutRequest, ExpectedPayment, Gateway, GatewayReference};

use super::{Answer, From, Message, Player, Says, Script, Skip, once, tea, transport};
use crate::sbps::{HASH_KEY, PASSWORD, TRACKING_ID, accepted, asking, credit, shop, with};
use crate::support::scripted::Scripted;

const FORM: &str = "application/x-www-form-urlencoded";

pub struct SbpsPlayer {
    pub settles: bool,
}

fn body(about: &ExpectedPayment, says: Says, channel: Channel, key: &str) -> String {
    let amount = if says == Says::OtherAmount {
        1
    } else {
        about.amount.minor_units()
    };
    let mut fields = with(accepted(about), &[("amount", &amount.to_string())]);
    match says {
        Says::Failed => {
            fields = with(
                fields,
                &[("res_result", "NG"), ("res_tracking_id", ""), ("res_payment_date", "")],
            );
        }
        Says::UnknownWord => fields = with(fields, &[("res_result", "AU")]),
        _ => {}
    }
    let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let keys = SigningKeys::from_texts([key]).unwrap();
    let hash = report_hash(&keys, channel, &pairs).unwrap();
    form_body(pairs.into_iter().chain([("sps_hashcode", hash.as_str())])).unwrap()
}

impl Player for SbpsPlayer {
    fn gateway(&self, script: &Script) -> Result<Arc<dyn Gateway>, String> {
        let builder = if self.settles {
            shop().notifications_settle()
        } else {
            asking(&Scripted::new()).transport(transport(script)).retry(once())
        };
        Ok(Arc::new(builder.build().map_err(|error| error.to_string())?))
    }

    fn secrets(&self) -> Vec<String> {
        vec![HASH_KEY.to_owned(), PASSWORD.to_owned()]
    }

    fn request(&self, order: &str) -> Result<CheckoutRequest, String> {
        Ok(tea(order))
    }

    fn created(&self, _expected: &ExpectedPayment) -> Option<Answer> {
        None
    }

    fn message(&self, about: &ExpectedPayment, says: Says, from: From, _at: SystemTime) -> Result<Message, Skip> {
        let key = match from {
            From::OtherMerchant => "00000000000000000000aaaaaaaaaaaaaaaaaaaa",
            From::Yesterday => {
                return Err(Skip(
                    "a result has no time that limits its life; a replay is known already",
                ));
            }
            From::Gateway => HASH_KEY,
        };
        match says {
            Says::Pending => Err(Skip("a slip has a method of its own, which this shop does not offer")),
            Says::NoAmount => Err(Skip(
                "a result without an amount has another hash, which is tried by dropping fields",
            )),
            _ => Ok(Message::post(FORM, body(about, says, Channel::Notification, key))),
        }
    }

    fn returned(&self, about: &ExpectedPayment, forged: bool) -> Result<Message, Skip> {
        let key = if forged {
            "00000000000000000000aaaaaaaaaaaaaaaaaaaa"
        } else {
            HASH_KEY
        };
        let mut message = Message::post(FORM, body(about, Says::Paid, Channel::Return, key));
        "/pay/sbps/return".clone_into(&mut message.target);
        Ok(message)
    }

    fn status(&self, about: &StoredAttempt, says: Says) -> Result<Vec<Answer>, Skip> {
        if self.settles {
            return Err(Skip("this shop has no API type: nobody can be asked"));
        }
        let _ = about;
        let answer = match says {
            Says::Paid => credit("1", "2"),
            Says::Pending => credit("0", "1"),
            Says::UnknownWord => credit("7", "7"),
            Says::Failed => return Err(Skip("a refused card has no deal to be asked about")),
            _ => {
                return Err(Skip(
                    "the answer repeats neither order nor amount: both hang on the tracking id",
                ));
            }
        };
        Ok(vec![Answer::ok("text/xml", answer)])
    }

    fn bound(&self, mut attempt: StoredAttempt) -> StoredAttempt {
        let deal = format!("{TRACKING_ID}/credit3d2/{}", attempt.expected.amount.minor_units());
        attempt.checkout = Some(GatewayReference::new(deal).unwrap());
        attempt.payment = Some(GatewayReference::new(TRACKING_ID).unwrap());
        attempt
    }
}
