//! What `POST /sessions` takes (KOMOJU sheet, "Create hosted payment", 2026-11-23).

use serde_json::{Map, Value};
use url::Url;

use super::error::ApiError;
use super::objects::{Ask, Way};

/// Default and maximum of a session's life.
const DAY: i64 = 86_400;

const FIELDS: &[&str] = &[
    "mode",
    "amount",
    "currency",
    "return_url",
    "email",
    "expires_in_seconds",
    "external_customer_id",
    "payment_types",
    "default_locale",
    "line_items",
    "metadata",
    "payment_data",
    "fraud_details",
];

const PAYMENT_DATA: &[&str] = &[
    "external_order_num",
    "capture",
    "amount",
    "currency",
    "name",
    "name_kana",
    "mcc",
    "intent",
    "statement_descriptor",
    "billing_address",
    "shipping_address",
];

const FRAUD_DETAILS: &[&str] = &[
    "customer_ip",
    "customer_email",
    "browser_language",
    "browser_user_agent",
];

/// Types that the sheet has seen and that are not played: refused as not enabled for this account.
const NOT_PLAYED: &[&str] = &[
    "paypay",
    "rakutenpay",
    "linepay",
    "merpay",
    "alipay",
    "wechatpay",
    "paidy",
    "web_money",
    "net_cash",
    "bit_cash",
];

/// Reads the body, or says which field is wrong.
pub(super) fn read(body: &Map<String, Value>) -> Result<Ask, ApiError> {
    only(body, FIELDS, "")?;
    match text(body, "mode", "mode")? {
        None | Some("payment") => {}
        Some("customer" | "customer_payment") => {
            return Err(ApiError::unprocessable("mode", "This simulator plays payments only."));
        }
        Some(_) => {
            return Err(ApiError::unprocessable(
                "mode",
                "mode is payment, customer or customer_payment.",
            ));
        }
    }
    let amount = whole(body, "amount", "amount")?.ok_or_else(|| ApiError::missing("amount"))?;
    let currency = currency(body, "currency")?.ok_or_else(|| ApiError::missing("currency"))?;
    let return_url = text(body, "return_url", "return_url")?.ok_or_else(|| ApiError::missing("return_url"))?;
    let absolute = Url::parse(return_url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !absolute || !return_url.is_ascii() {
        return Err(ApiError::unprocessable(
            "return_url",
            "return_url is an absolute address.",
        ));
    }
    if text(body, "email", "email")?.is_some_and(|email| !email.trim_matches('@').contains('@')) {
        return Err(ApiError::unprocessable("email", "email is an address."));
    }
    text(body, "external_customer_id", "external_customer_id")?;
    let lives = match whole(body, "expires_in_seconds", "expires_in_seconds")? {
        None => DAY,
        Some(seconds) => i64::try_from(seconds)
            .ok()
            .filter(|seconds| *seconds <= DAY)
            .ok_or_else(|| ApiError::unprocessable("expires_in_seconds", "A session lives 86400 seconds at most."))?,
    };
    let locale = match text(body, "default_locale", "default_locale")? {
        None => None,
        Some("ja") => Some("ja"),
        Some("en") => Some("en"),
        Some("ko") => Some("ko"),
        Some(_) => {
            return Err(ApiError::unprocessable(
                "default_locale",
                "default_locale is ja, en or ko.",
            ));
        }
    };
    if let Some(details) = object(body, "fraud_details")? {
        only(details, FRAUD_DETAILS, "fraud_details.")?;
    }
    let empty = Map::new();
    let data = object(body, "payment_data")?.unwrap_or(&empty);
    let manual = read_payment_data(data, amount, &currency)?;
    let order = text(data, "external_order_num", "payment_data.external_order_num")?;
    Ok(Ask {
        ways: ways(body, &currency)?,
        metadata: metadata(body)?,
        line_items: line_items(body)?,
        amount,
        currency,
        return_url: return_url.to_owned(),
        locale,
        lives,
        manual,
        order: order.map(str::to_owned),
        payment_data: Value::Object(data.clone()),
    })
}

/// The amount of a refund: nothing means the rest.
pub(super) fn read_refund(body: &Map<String, Value>) -> Result<Option<u64>, ApiError> {
    only(body, &["amount", "description"], "")?;
    text(body, "description", "description")?;
    whole(body, "amount", "amount")
}

/// A body that says nothing.
pub(super) fn read_nothing(body: &Map<String, Value>) -> Result<(), ApiError> {
    only(body, &[], "")
}

/// Whether to authorize only.
fn read_payment_data(data: &Map<String, Value>, amount: u64, currency_asked: &str) -> Result<bool, ApiError> {
    only(data, PAYMENT_DATA, "payment_data.")?;
    // Two sums that disagree would make the page lie.
    if whole(data, "amount", "payment_data.amount")?.is_some_and(|inner| inner != amount) {
        return Err(ApiError::unprocessable(
            "payment_data.amount",
            "This is another amount than the session's.",
        ));
    }
    if currency(data, "currency")?.is_some_and(|inner| inner != currency_asked) {
        return Err(ApiError::unprocessable(
            "payment_data.currency",
            "This is another currency than the session's.",
        ));
    }
    match text(data, "capture", "payment_data.capture")? {
        None | Some("auto") => Ok(false),
        Some("manual") => Ok(true),
        Some(_) => Err(ApiError::unprocessable(
            "payment_data.capture",
            "capture is auto or manual.",
        )),
    }
}

/// All that this account has, unless the store names some. Slips are paid in yen.
fn ways(body: &Map<String, Value>, currency: &str) -> Result<Vec<Way>, ApiError> {
    let offered = |way: &Way| currency == "JPY" || !way.is_slip();
    let refused = |message: String| ApiError::unprocessable("payment_types", message);
    let named = match body.get("payment_types") {
        None | Some(Value::Null) => return Ok(Way::ALL.into_iter().filter(offered).collect()),
        Some(Value::Array(named)) => named,
        Some(_) => return Err(refused("payment_types is an array.".to_owned())),
    };
    let mut ways = Vec::new();
    for name in named {
        let name = name
            .as_str()
            .ok_or_else(|| refused("A payment type is text.".to_owned()))?;
        match Way::named(name) {
            Some(way) if !offered(&way) => return Err(refused(format!("{name} takes JPY only."))),
            Some(way) if !ways.contains(&way) => ways.push(way),
            Some(_) => {}
            None if NOT_PLAYED.contains(&name) => return Err(refused(format!("{name} is not enabled."))),
            None => return Err(refused("There is no such payment type.".to_owned())),
        }
    }
    if ways.is_empty() {
        return Err(refused("No way to pay is left.".to_owned()));
    }
    Ok(ways)
}

/// Keys of 30 characters at most, values of 2000.
fn metadata(body: &Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    let Some(metadata) = object(body, "metadata")? else {
        return Ok(Map::new());
    };
    for (key, value) in metadata {
        let fits = value.as_str().is_some_and(|value| value.chars().count() <= 2000);
        if key.chars().count() > 30 || !fits {
            let message = "Keys have 30 characters at most, values are text of 2000 at most.";
            return Err(ApiError::unprocessable("metadata", message));
        }
    }
    Ok(metadata.clone())
}

fn line_items(body: &Map<String, Value>) -> Result<Vec<Value>, ApiError> {
    let refused = || ApiError::unprocessable("line_items", "line_items is an array of objects.");
    match body.get("line_items") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) if items.iter().all(Value::is_object) => Ok(items.clone()),
        Some(_) => Err(refused()),
    }
}

fn currency(body: &Map<String, Value>, name: &str) -> Result<Option<String>, ApiError> {
    let given = text(body, name, name)?;
    match given {
        Some(code) if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            Err(ApiError::unprocessable(name, "A currency has three capital letters."))
        }
        given => Ok(given.map(str::to_owned)),
    }
}

fn only(body: &Map<String, Value>, known: &[&str], inside: &str) -> Result<(), ApiError> {
    match body.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let name = format!("{inside}{name}");
            Err(ApiError::unprocessable(&name, "There is no such field."))
        }
    }
}

fn text<'b>(body: &'b Map<String, Value>, name: &str, param: &str) -> Result<Option<&'b str>, ApiError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(ApiError::unprocessable(param, "This is text.")),
    }
}

/// A whole number above nothing.
fn whole(body: &Map<String, Value>, name: &str, param: &str) -> Result<Option<u64>, ApiError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) if number > 0 => Ok(Some(number)),
            _ => Err(ApiError::unprocessable(param, "This is a whole number above 0.")),
        },
    }
}

fn object<'b>(body: &'b Map<String, Value>, name: &str) -> Result<Option<&'b Map<String, Value>>, ApiError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(ApiError::unprocessable(name, "This is an object.")),
    }
}
