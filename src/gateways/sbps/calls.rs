//! The calls to the API type: what is sent, and how the answer is read. Pure, so that each can be tested as text.
//!
//! XML in `Shift_JIS` under HTTP Basic. The hash runs over the leaf values in document order, then the key, as `Shift_JIS`. Answers
//! carry no hash: trust rests on TLS (sheet, "Status query"). The worked examples are `pub_api_*` in
//! `tests/vectors/sbps.json`.

use std::fmt::Write as _;
use std::time::SystemTime;

use base64ct::{Base64, Encoding};
use bytes::Bytes;
use http::{Response, StatusCode};

use super::config::{Api, Config};
use super::map::{self, Deal};
use super::report::HASH_FIELD;
use super::status::{self, Query};
use crate::charset::{self, CharsetError, Reading};
use crate::error::{Error, ErrorKind, Outcome};
use crate::event::PaymentEvent;
use crate::gateway::RefundReceipt;
use crate::gateways::jst;
use crate::money::Money;
use crate::payment::{GatewayWord, PaymentStatus};
use crate::reference::GatewayReference;
use crate::sign::{JoinedHash, SigningKeys};
use crate::transport::{Call, Repeat, RetryAdvice};
use crate::xml::{Element, escape};

/// The `sps_hashcode` of an API request: over every leaf but the hash itself. For the mock and for tests.
pub fn request_hash(keys: &SigningKeys, document: &[u8]) -> Result<String, CharsetError> {
    let text = charset::decode(document, Reading::Windows31J)?;
    let root = Element::parse(&text).map_err(|_| CharsetError::Malformed)?;
    let leaves = root.leaves();
    hash(keys, leaves.into_iter().filter(|(name, _)| *name != HASH_FIELD))
}

fn hash<'a>(keys: &SigningKeys, leaves: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<String, CharsetError> {
    let joined: String = leaves.into_iter().map(|(_, value)| value.trim()).collect();
    let hash = keys.hash_joined(JoinedHash::Sha1KeyLast, &charset::encode(&joined)?);
    Ok(base16ct::lower::encode_string(&hash))
}

/// An element of a request: a value, or a group around one.
enum Part {
    Leaf(&'static str, String),
    Group(&'static str, &'static str, String),
}

fn document(config: &Config, id: &'static str, parts: &[Part]) -> Result<String, Error> {
    let leaves = parts.iter().map(|part| match part {
        Part::Leaf(name, value) | Part::Group(_, name, value) => (*name, value.as_str()),
    });
    let hash = hash(&config.signing_keys, leaves)
        .map_err(|error| Error::request("a value cannot be sent to this gateway").with_source(error))?;
    let mut document = format!(
        "<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><sps-api-request id=\"{}\">",
        escape(id)
    );
    for part in parts {
        // Writing to a String cannot fail.
        let _ = match part {
            Part::Leaf(name, value) => write!(document, "<{name}>{}</{name}>", escape(value)),
            Part::Group(group, name, value) => {
                write!(document, "<{group}><{name}>{}</{name}></{group}>", escape(value))
            }
        };
    }
    let _ = write!(document, "<{HASH_FIELD}>{hash}</{HASH_FIELD}></sps-api-request>");
    Ok(document)
}

/// `MG01-00101-...`: what became of a payment.
#[derive(Clone, Debug)]
pub(super) struct AskStatus {
    config: Config,
    api: Api,
    query: Query,
    deal: Deal,
    known: PaymentStatus,
    at: SystemTime,
}

impl AskStatus {
    /// `known` is what is known of the deal already.
    pub(super) fn new(
        config: &Config,
        api: &Api,
        (deal, known): (Deal, PaymentStatus),
        at: SystemTime,
    ) -> Result<Self, Error> {
        let query =
            Query::of(&deal.method).ok_or_else(|| Error::request("this payment method cannot be asked about"))?;
        Ok(Self {
            config: config.clone(),
            api: api.clone(),
            query,
            deal,
            known,
            at,
        })
    }
}

impl Call for AskStatus {
    type Reply = PaymentEvent;
    const REPEAT: Repeat = Repeat::Safe;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let mut parts = shop_and_deal(&self.config, &self.deal);
        if self.query == Query::Credit {
            // No card data, masked or not.
            parts.push(Part::Leaf("response_info_type", "0".to_owned()));
            parts.push(Part::Leaf("encrypted_flg", "0".to_owned()));
        }
        parts.push(request_date(self.at)?);
        post(&self.config, &self.api, self.query.id(), &parts)
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(self.query.id(), response)
    }

    fn reply(&self, response: Response<Bytes>) -> Result<PaymentEvent, Error> {
        let answer = success(self.query.id(), &response)?;
        let commit = answer.leaf(&["res_pay_method_info", "commit_status"]);
        let payment = answer.leaf(&["res_pay_method_info", "payment_status"]);
        let status = match status::answered(self.query, commit, payment) {
            // One order lets go of an authorization and gives a sale back, so the word may stand for either.
            PaymentStatus::Cancelled if self.query != Query::Konbini => self.known.called_off(),
            status => status,
        };
        let word = format!("{}/{}", commit.unwrap_or("-"), payment.unwrap_or("-"));
        map::status_event(&self.deal, (status, &word), &self.config, self.at)
            .ok_or_else(|| Error::protocol("the answer cannot be read as a status"))
    }
}

/// What can be ordered. SBPS knows no idempotency key, so none of these is ever sent twice by itself.
#[derive(Clone, Debug)]
pub(super) struct Order {
    config: Config,
    api: Api,
    deal: Deal,
    at: SystemTime,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Sales, of all or of less.
    Capture(Option<Money>),
    /// Lets an authorization go, or gives everything back.
    Cancel,
    /// Gives a part back.
    Return(Money),
}

impl Order {
    pub(super) fn new(config: &Config, api: &Api, deal: Deal, what: What, at: SystemTime) -> Result<Self, Error> {
        // The request ids of other methods are known, their elements are not.
        if Query::of(&deal.method) != Some(Query::Credit) {
            return Err(Error::request("only card payments can be changed through the API"));
        }
        Ok(Self {
            config: config.clone(),
            api: api.clone(),
            deal,
            at,
            what,
        })
    }

    fn id(&self) -> &'static str {
        match self.what {
            What::Capture(_) => "ST02-00201-101",
            What::Cancel => "ST02-00303-101",
            What::Return(_) => "ST02-00307-101",
        }
    }
}

impl Call for Order {
    /// SBPS's name for what was done; its form differs by request, so it may be missing.
    type Reply = Option<RefundReceipt>;
    const REPEAT: Repeat = Repeat::Never;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let mut parts = shop_and_deal(&self.config, &self.deal);
        let now = jst::digits(self.at).ok_or_else(|| Error::request("the time cannot be written"))?;
        parts.push(Part::Leaf("processing_datetime", now));
        if let What::Capture(Some(amount)) | What::Return(amount) = self.what {
            parts.push(Part::Group(
                "pay_option_manage",
                "amount",
                amount.minor_units().to_string(),
            ));
        }
        parts.push(request_date(self.at)?);
        post(&self.config, &self.api, self.id(), &parts)
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(self.id(), response)
    }

    fn reply(&self, response: Response<Bytes>) -> Result<Option<RefundReceipt>, Error> {
        let answer = success(self.id(), &response)?;
        let reference = answer
            .leaf(&["res_sps_transaction_id"])
            .and_then(|id| GatewayReference::new(id).ok());
        Ok(reference.map(|reference| RefundReceipt::new(reference, GatewayWord::new("OK"))))
    }
}

/// The first elements of every request. `sps_transaction_id` is left out: it is not known for deals of the link type.
fn shop_and_deal(config: &Config, deal: &Deal) -> Vec<Part> {
    vec![
        Part::Leaf("merchant_id", config.shop.merchant_id().to_owned()),
        Part::Leaf("service_id", config.shop.service_id().to_owned()),
        Part::Leaf("tracking_id", deal.tracking_id.clone()),
    ]
}

fn request_date(at: SystemTime) -> Result<Part, Error> {
    let digits = jst::digits(at).ok_or_else(|| Error::request("the time cannot be written"))?;
    Ok(Part::Leaf("request_date", digits))
}

fn post(config: &Config, api: &Api, id: &'static str, parts: &[Part]) -> Result<http::Request<Bytes>, Error> {
    let document = document(config, id, parts)?;
    let credentials = Base64::encode_string(format!("{}:{}", api.user, api.password.expose()).as_bytes());
    let mut authorization = http::HeaderValue::try_from(format!("Basic {credentials}"))
        .map_err(|_| Error::config("the API password cannot be put into a header"))?;
    authorization.set_sensitive(true);
    // Every value of ours is ASCII, so the text is its own Shift_JIS.
    http::Request::post(&api.endpoint)
        .header("Content-Type", "text/xml")
        .header("Authorization", authorization)
        .body(Bytes::from(document))
        .map_err(|error| Error::config("the request cannot be formed").with_source(error))
}

fn read(id: &str, response: &Response<Bytes>) -> Option<Element> {
    let text = charset::decode(response.body(), Reading::Windows31J).ok()?;
    let root = Element::parse(&text).ok()?;
    // The answer names the question (PAY-42).
    (root.name() == "sps-api-response" && root.attribute("id") == Some(id)).then_some(root)
}

/// Reads a 200 whose result is `OK`, or turns anything else into an error.
fn success(id: &str, response: &Response<Bytes>) -> Result<Element, Error> {
    match response.status().as_u16() {
        200 => {}
        401 | 403 => {
            let message = "the gateway refused the API user or its password";
            return Err(Error::new(ErrorKind::Authentication, Outcome::Refused, message));
        }
        429 => {
            let message = "the gateway asks for fewer requests";
            return Err(Error::new(ErrorKind::RateLimited, Outcome::Refused, message));
        }
        500..=599 => {
            return Err(Error::new(
                ErrorKind::Unavailable,
                Outcome::Unknown,
                "the gateway has trouble",
            ));
        }
        _ => return Err(Error::protocol("the gateway answered with an unexpected status")),
    }
    let answer = read(id, response).ok_or_else(|| Error::protocol("the answer is not of the documented form"))?;
    match answer.leaf(&["res_result"]) {
        Some("OK") => Ok(answer),
        Some("NG") => Err(refusal(answer.leaf(&["res_err_code"]))),
        _ => Err(Error::protocol("the answer has no result")),
    }
}

/// The two characters of an error code that say what it is about: method (3), type (2), item (3).
fn error_type(code: Option<&str>) -> Option<&str> {
    code.filter(|code| code.len() == 8)?.get(3..5)
}

/// "Retry only system types (80-92)" (sheet, "Errors").
fn is_system_trouble(code: Option<&str>) -> bool {
    error_type(code)
        .and_then(|kind| kind.parse::<u8>().ok())
        .is_some_and(|kind| (80..=92).contains(&kind))
}

/// The table of the sheet's "Errors".
fn refusal(code: Option<&str>) -> Error {
    use ErrorKind as K;
    let (kind, outcome, message) = match error_type(code) {
        Some("00" | "01" | "02" | "03" | "04" | "05" | "06" | "07") => {
            (K::Request, Outcome::Refused, "the gateway refused the request")
        }
        Some("09") => (K::Authentication, Outcome::Refused, "the gateway refused the hash"),
        Some("10") => (
            K::Request,
            Outcome::Refused,
            "the gateway finds the request too old; compare the clocks",
        ),
        Some("11" | "12") => (
            K::NotFound,
            Outcome::Refused,
            "the gateway does not know what was asked about",
        ),
        Some("14") => (
            K::Authentication,
            Outcome::Refused,
            "the gateway does not know the shop",
        ),
        Some("21" | "22" | "23" | "24" | "25" | "26" | "27" | "61") => {
            (K::Declined, Outcome::Refused, "the payment was declined")
        }
        Some("37" | "41" | "42" | "46" | "52" | "56" | "79" | "K0" | "K1") => (
            K::Conflict,
            Outcome::Refused,
            "the payment is in a state that does not allow this",
        ),
        // After a lost answer this usually means that the first one was taken.
        Some("96" | "97") => (K::Conflict, Outcome::Unknown, "the request came twice"),
        _ if is_system_trouble(code) => (K::Unavailable, Outcome::Unknown, "the gateway has trouble"),
        _ => (
            K::Protocol,
            Outcome::Unknown,
            "the gateway refused with a code that is not in its list",
        ),
    };
    Error::new(kind, outcome, message).with_code(code)
}

fn advice(id: &str, response: &Response<Bytes>) -> RetryAdvice {
    let again = match response.status() {
        StatusCode::OK => read(id, response).is_some_and(|answer| is_system_trouble(answer.leaf(&["res_err_code"]))),
        status => status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
    };
    if again { RetryAdvice::Again } else { RetryAdvice::Stop }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_a_busy_gateway_is_asked_again() {
        let trouble = |code: &str| {
            format!(
                "<sps-api-response id=\"MG01-00101-101\"><res_result>NG</res_result><res_err_code>{code}</res_err_code>\
                 </sps-api-response>"
            )
        };
        for (status, body, again) in [
            (200, trouble("10179001"), RetryAdvice::Stop),
            (200, trouble("10180001"), RetryAdvice::Again),
            (200, trouble("10192001"), RetryAdvice::Again),
            (200, trouble("10193001"), RetryAdvice::Stop),
            (200, "busy".to_owned(), RetryAdvice::Stop),
            (301, String::new(), RetryAdvice::Stop),
            (400, String::new(), RetryAdvice::Stop),
            (403, String::new(), RetryAdvice::Stop),
            (429, String::new(), RetryAdvice::Again),
            (500, String::new(), RetryAdvice::Again),
            (503, String::new(), RetryAdvice::Again),
        ] {
            let answer = Response::builder()
                .status(status)
                .body(Bytes::from(body.clone()))
                .unwrap();
            assert_eq!(advice("MG01-00101-101", &answer), again, "{status} {body}");
        }
    }
}
