//! GMO-PG on the bench: its notifications are unsigned, so none of them proves anything.

use std::sync::Arc;
use std::time::SystemTime;

use base64ct::{Base64, Encoding};
use kessai::gateways::gmopg::GmoPg;
use kessai::ledger::StoredAttempt;
use kessai::{Addresses, ApiKey, CheckoutRequest, Environment, ExpectedPayment, Gateway, MerchantAccount};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Answer, From, Message, Player, Says, Script, Skip, once, tea, transport};

const FORM: &str = "application/x-www-form-urlencoded";
const SHOP: &str = "tshop00099661";
const PASS: &str = "kq7w2x9e";
const ACCESS: &str = "5f2c9a1e7b3d40688c11aa02d94e6f73";

pub struct GmopgPlayer;

fn word(says: Says) -> &'static str {
    match says {
        Says::Pending => "REQSUCCESS",
        Says::Failed => "PAYFAIL",
        Says::UnknownWord => "GOLD",
        _ => "CAPTURE",
    }
}

impl Player for GmopgPlayer {
    fn gateway(&self, script: &Script) -> Result<Arc<dyn Gateway>, String> {
        let gmopg = GmoPg::builder(
            MerchantAccount::new(SHOP).unwrap(),
            ApiKey::new(PASS).unwrap(),
            "shop01",
            Environment::Sandbox,
            Addresses::new("https://shop.example", "/pay/gmo").unwrap(),
        );
        let gmopg = gmopg.transport(transport(script)).retry(once()).build();
        Ok(Arc::new(gmopg.map_err(|error| error.to_string())?))
    }

    fn secrets(&self) -> Vec<String> {
        vec![PASS.to_owned()]
    }

    fn request(&self, order: &str) -> Result<CheckoutRequest, String> {
        Ok(tea(order))
    }

    fn created(&self, expected: &ExpectedPayment) -> Option<Answer> {
        let token = "0".repeat(64);
        let body = json!({
            "OrderID": expected.attempt.as_str(),
            "LinkUrl": format!("https://stg.link.mul-pay.jp/v2/plus/{SHOP}/checkout/{token}"),
            "ProcessDate": "20261123111500",
        });
        Some(Answer::ok("application/json", body.to_string()))
    }

    fn message(&self, about: &ExpectedPayment, says: Says, from: From, _at: SystemTime) -> Result<Message, Skip> {
        let shop = match from {
            From::OtherMerchant => "tshop00011111",
            From::Yesterday => return Err(Skip("a notification is unsigned, so its time is as good as any")),
            From::Gateway => SHOP,
        };
        let amount = match says {
            Says::OtherAmount => "1".to_owned(),
            Says::NoAmount => String::new(),
            _ => about.amount.minor_units().to_string(),
        };
        let attempt = about.attempt.as_str();
        let body = format!(
            "ShopID={shop}&ShopPass=**********&AccessID={ACCESS}&AccessPass=********************************&OrderID={attempt}\
             &Status={}&JobCd=CAPTURE&Amount={amount}&Tax=0&Currency=JPN&PayType=0",
            word(says)
        );
        Ok(Message::post(FORM, body))
    }

    fn returned(&self, about: &ExpectedPayment, forged: bool) -> Result<Message, Skip> {
        let result = json!({"transactionresult": {
            "AccessID": ACCESS, "AccessPass": "*".repeat(32), "OrderID": about.attempt.as_str(), "Result": "PAYSUCCESS",
            "Processdate": "20261123111500", "ErrCode": null, "ErrInfo": null, "Paymethod": "credit",
        }});
        let text = Base64::encode_string(result.to_string().as_bytes());
        let pass = if forged { "somebody" } else { PASS };
        let hash = base16ct::lower::encode_string(&Sha256::digest(format!("{text}{pass}")));
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("result", &format!("{text}.{hash}"))
            .finish();
        let mut message = Message::post(FORM, form);
        "/pay/gmo/return".clone_into(&mut message.target);
        Ok(message)
    }

    fn status(&self, about: &StoredAttempt, says: Says) -> Result<Vec<Answer>, Skip> {
        let amount = match says {
            Says::OtherAmount => "1".to_owned(),
            Says::NoAmount => String::new(),
            _ => about.expected.amount.minor_units().to_string(),
        };
        let order = if says == Says::OtherAttempt {
            "OrderID=EC20261101-000999&"
        } else {
            ""
        };
        let body = format!(
            "{order}Status={}&ProcessDate=20261123111500&JobCd=CAPTURE&AccessID={ACCESS}&AccessPass={}&Amount={amount}&Tax=0\
             &PayType=0&Currency=JPN",
            word(says),
            "4099664bd4b110800e09805539d1d7b5"
        );
        Ok(vec![Answer::ok("text/plain;charset=Windows-31J", body)])
    }
}
