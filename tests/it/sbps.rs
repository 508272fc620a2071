//! SBPS's wire: the form, the results and what they are worth, the questions and the orders. The tables are those of the
//! sheet; the vectors are `tests/vectors/sbps.json`.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kessai::charset;
use kessai::gateways::sbps::{Channel, Sbps, SbpsBuilder, ShopId, purchase_hash, report_hash, request_hash};
use kessai::ledger::StoredAttempt;
use kessai::sign::SigningKeys;
use kessai::transport::RetryPolicy;
use kessai::{
    Ack, Addresses, ApiKey, Callback, CaptureMode, CheckoutRequest, ConfigError, Currency, Environment, ErrorKind,
    ExpectedPayment, Gateway, GatewayReference, IdempotencyKey, Judgement, LineItem, MerchantReference, Money, Nonce,
    Outcome, PaymentStatus, PostForm, Redirect, Trust, VerifyError,
};
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::support::scripted::Scripted;
use crate::support::{start, yen};

pub const HASH_KEY: &str = "0f3a7c5e19b24d6880aa5c3e71f2d4b69e8c1a07";
pub const PASSWORD: &str = "basic-word-of-the-api-type";
pub const TRACKING_ID: &str = "80312789324672";
pub const SUMMARY: &str = "ご注文商品一式";

pub fn keys() -> SigningKeys {
    SigningKeys::from_texts([HASH_KEY]).unwrap()
}

/// A shop of the test environment, without a choice of what confirms a payment.
pub fn shop() -> SbpsBuilder {
    shop_with(Environment::Sandbox, HASH_KEY)
}

fn shop_with(environment: Environment, key: &str) -> SbpsBuilder {
    Sbps::builder(
        environment,
        ShopId::new("99661", "001").unwrap(),
        SigningKeys::from_texts([key]).unwrap(),
        Addresses::new("https://shop.example", "/pay/sbps").unwrap(),
    )
}

/// A shop without the API type.
pub fn settling() -> Sbps {
    shop().notifications_settle().build().unwrap()
}

fn once() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.tries = 1;
    policy
}

/// A shop with the API type, over a script.
pub fn asking(script: &Scripted) -> SbpsBuilder {
    shop()
        .api(ApiKey::new(PASSWORD).unwrap())
        .transport(Arc::new(script.clone()))
        .retry(once())
}

pub fn tea(order: &str) -> CheckoutRequest {
    CheckoutRequest::builder(MerchantReference::new(order).unwrap())
        .item(LineItem::new("Sencha 緑茶", yen(1980), 1).unwrap())
        .build()
        .unwrap()
}

fn planned(sbps: &Sbps) -> ExpectedPayment {
    ExpectedPayment::plan(sbps, &tea("EC-1"), start()).unwrap()
}

pub type Fields = Vec<(&'static str, String)>;

/// What SBPS reports when the form of this attempt was paid by card, in hash order.
pub fn accepted(expected: &ExpectedPayment) -> Fields {
    let attempt = expected.attempt.as_str();
    [
        ("pay_method", "credit3d2"),
        ("merchant_id", "99661"),
        ("service_id", "001"),
        ("cust_code", attempt),
        ("sps_cust_no", ""),
        ("sps_payment_no", ""),
        ("order_id", attempt),
        ("item_id", "SHOP-ORDER"),
        ("pay_item_id", ""),
        ("item_name", SUMMARY),
        ("tax", ""),
        ("amount", &expected.amount.minor_units().to_string()),
        ("pay_type", "0"),
        ("auto_charge_type", ""),
        ("service_type", "0"),
        ("div_settele", ""),
        ("last_charge_month", ""),
        ("camp_type", ""),
        ("tracking_id", ""),
        ("terminal_type", "0"),
        ("free1", ""),
        ("free2", ""),
        ("free3", ""),
        ("request_date", "20261123110640"),
        ("res_pay_method", "credit3d2"),
        ("res_result", "OK"),
        ("res_tracking_id", TRACKING_ID),
        ("res_sps_cust_no", ""),
        ("res_sps_payment_no", ""),
        ("res_payinfo_key", ""),
        ("res_payment_date", "20261123110700"),
        ("res_err_code", ""),
        ("res_date", "20261123110701"),
        ("limit_second", "600"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

pub fn set(fields: &mut Fields, name: &str, value: &str) {
    let field = fields.iter_mut().find(|(field, _)| *field == name).unwrap();
    value.clone_into(&mut field.1);
}

pub fn with(mut fields: Fields, changes: &[(&str, &str)]) -> Fields {
    for (name, value) in changes {
        set(&mut fields, name, value);
    }
    fields
}

fn borrowed(fields: &Fields) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// The body of a result, hashed for its channel.
pub fn body(channel: Channel, fields: &Fields) -> String {
    let hash = report_hash(&keys(), channel, &borrowed(fields)).unwrap();
    unsigned(fields, &hash)
}

fn unsigned(fields: &Fields, hash: &str) -> String {
    let mut all = borrowed(fields);
    // Not in hash order: SBPS shuffles.
    all.reverse();
    all.push(("sps_hashcode", hash));
    charset::form_body(all).unwrap()
}

pub fn post(path: &str, body: impl Into<Bytes>) -> Callback {
    let request = http::Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.into())
        .unwrap();
    Callback::new(request, start() + Duration::from_secs(62)).unwrap()
}

pub fn notice(fields: &Fields) -> Callback {
    post("/pay/sbps/notification", body(Channel::Notification, fields))
}

/// What the events of a message say, without their ids.
fn said(sbps: &Sbps, callback: &Callback) -> Result<Vec<(PaymentStatus, Option<Money>, String)>, VerifyError> {
    let proven = sbps.verify(callback)?;
    let events = proven.into_events();
    Ok(events
        .into_iter()
        .map(|event| {
            let event = event.into_value();
            let names = format!("{:?}", event.subject);
            (event.snapshot.status, event.snapshot.amount, names)
        })
        .collect())
}

/// Would anything in this message pay the attempt?
fn pays(sbps: &Sbps, expected: &ExpectedPayment, callback: &Callback) -> bool {
    let Ok(proven) = sbps.verify(callback) else {
        return false;
    };
    let attempt = StoredAttempt::new(expected.clone());
    proven
        .into_events()
        .into_iter()
        .any(|event| matches!(attempt.judge(event), Judgement::Accepted(_)))
}

// ----- vectors -----

/// One shared case, as it stands in its file.
pub fn case(case: &RawValue) -> Result<(), String> {
    let case: Value = serde_json::from_str(case.get()).map_err(|error| format!("is not a case: {error}"))?;
    judge(&case)
}

fn judge(case: &Value) -> Result<(), String> {
    let outcome = match case["kind"].as_str() {
        Some("callback") => run_result(case, Channel::Notification),
        Some("return") => run_result(case, Channel::Return),
        Some("request_signature") => run_request(case),
        other => return Err(format!("is of the kind {other:?}, which nothing here runs")),
    };
    match (outcome, case["expect"].as_str()) {
        (Ok(()), Some("valid")) => Ok(()),
        (Err((layer, _)), Some("invalid")) if case["layer"] == layer => Ok(()),
        (got, wanted) => Err(format!("{wanted:?} at {}, and got {got:?}", case["layer"])),
    }
}

type Refused = (&'static str, String);

fn vector_keys(case: &Value) -> SigningKeys {
    SigningKeys::from_texts([case["secrets"]["hash_key"].as_str().unwrap()]).unwrap()
}

fn vector_body(case: &Value) -> Vec<u8> {
    use base64ct::Encoding as _;
    let body = case["body"].as_str().unwrap();
    match case["encoding"].as_str() {
        Some("base64") => base64ct::Base64::decode_vec(body).unwrap(),
        _ => body.as_bytes().to_vec(),
    }
}

fn run_result(case: &Value, channel: Channel) -> Result<(), Refused> {
    let secret = |name: &str| case["secrets"][name].as_str().unwrap();
    let sbps = Sbps::builder(
        Environment::Sandbox,
        ShopId::new(secret("merchant_id"), secret("service_id")).unwrap(),
        vector_keys(case),
        Addresses::new("https://shop.example", "/pay/sbps").unwrap(),
    )
    .notifications_settle()
    .build()
    .unwrap();
    let mut request = http::Request::post("/pay/sbps/notification");
    for (name, value) in case["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    let now: SystemTime = UNIX_EPOCH + Duration::from_secs(case["now"].as_u64().unwrap());
    let callback = Callback::new(request.body(Bytes::from(vector_body(case))).unwrap(), now).unwrap();
    let layer = |error: VerifyError| {
        let layer = match error {
            VerifyError::Missing(_) | VerifyError::Malformed(_) => "format",
            VerifyError::Mismatch => "signature",
            VerifyError::Payload(_) => "identity",
            _ => "other",
        };
        (layer, error.to_string())
    };
    let report = sbps.report(&callback, channel).map_err(layer)?;
    assert_eq!(report.trust(), Trust::KeyedHash);
    let report = report.into_value();
    match channel {
        Channel::Notification => drop(sbps.verify(&callback).map_err(layer)?),
        Channel::Return => drop(sbps.returned(&callback).map_err(layer)?),
    }
    let expected = &case["expected"];
    if expected["order_id"] != report.value("order_id")
        || expected["amount"].as_u64() != report.value("amount").parse().ok()
    {
        return Err(("context", "another order or amount".to_owned()));
    }
    let Some(parsed) = case["parsed"].as_object() else {
        return Ok(());
    };
    for (name, wanted) in parsed {
        let got: Value = match name.as_str() {
            "amount" => report.value("amount").parse::<u64>().unwrap().into(),
            "currency" => "JPY".into(),
            "tracking_id" => report.value("res_tracking_id").into(),
            "status" => format!("{:?}", report.means(CaptureMode::Automatic)).into(),
            field => report.value(field).into(),
        };
        if got != *wanted {
            return Err(("parsed", format!("{name}: wanted {wanted}, got {got}")));
        }
    }
    Ok(())
}

fn run_request(case: &Value) -> Result<(), Refused> {
    let keys = vector_keys(case);
    let sent = vector_body(case);
    let (made, stated) = if case["channel"] == "A01-1" {
        let inputs: Vec<(&str, &str)> = case["inputs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .collect();
        let made = purchase_hash(&keys, &inputs);
        let text = String::from_utf8(sent.clone()).unwrap();
        let (rest, stated) = text.rsplit_once("&sps_hashcode=").unwrap();
        // What a browser posts for these inputs is the body of the vector, byte for byte.
        let posted = charset::form_body(inputs).unwrap();
        if posted != rest {
            return Err(("body", posted));
        }
        (made, stated.to_owned())
    } else {
        let made = request_hash(&keys, &sent).map_err(|error| ("format", error.to_string()))?;
        let text = String::from_utf8(sent).unwrap();
        let stated = text.split("<sps_hashcode>").nth(1).unwrap();
        (made, stated.split('<').next().unwrap().to_owned())
    };
    if case["signature_expected"] != made.as_str() {
        return Err(("made", made));
    }
    if made == stated {
        Ok(())
    } else {
        Err(("signature", stated))
    }
}

#[test]
fn a_vector_that_is_turned_around_disagrees() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../vectors/sbps.json")).unwrap();
    for mut case in cases {
        assert_eq!(judge(&case), Ok(()));
        let turned = if case["expect"] == "valid" { "invalid" } else { "valid" };
        case["expect"] = turned.into();
        assert!(judge(&case).is_err(), "{}", case["name"]);
    }
}

// ----- the form -----

fn form_of(sbps: &Sbps, expected: &ExpectedPayment, request: &CheckoutRequest) -> PostForm {
    sbps.purchase_form(expected, request).unwrap()
}

#[tokio::test]
async fn the_form_has_every_field_in_the_order_of_the_table_and_its_hash() {
    let sbps = settling();
    let expected = planned(&sbps);
    let checkout = sbps.checkout(&expected, &tea("EC-1")).await.unwrap();
    let Redirect::Post(form) = &checkout.redirect else {
        panic!("a form was expected")
    };
    assert!(!checkout.confirmed);
    assert_eq!(checkout.expires_at, Some(start() + Duration::from_secs(600)));
    assert_eq!(
        form.target().as_str(),
        "https://stbfep.sps-system.com/f01/FepBuyInfoReceive.do"
    );
    assert_eq!(form.charset(), "Shift_JIS");
    let (attempt, state) = (expected.attempt.as_str(), expected.return_token.as_str());
    let came_back = format!("https://shop.example/pay/sbps/return?attempt={attempt}&state={state}");
    let cancelled = format!("https://shop.example/pay/sbps/cancel?attempt={attempt}&state={state}");
    let wanted = [
        ("pay_method", "credit3d2"),
        ("merchant_id", "99661"),
        ("service_id", "001"),
        ("cust_code", attempt),
        ("sps_cust_no", ""),
        ("sps_payment_no", ""),
        ("order_id", attempt),
        ("item_id", "SHOP-ORDER"),
        ("pay_item_id", ""),
        ("item_name", SUMMARY),
        ("tax", ""),
        ("amount", "1980"),
        ("pay_type", "0"),
        ("auto_charge_type", ""),
        ("service_type", "0"),
        ("div_settele", ""),
        ("last_charge_month", ""),
        ("camp_type", ""),
        ("tracking_id", ""),
        ("terminal_type", "0"),
        ("success_url", &came_back),
        ("cancel_url", &cancelled),
        ("error_url", &came_back),
        ("pagecon_url", "https://shop.example/pay/sbps/notification"),
        ("free1", ""),
        ("free2", ""),
        ("free3", ""),
        ("free_csv", ""),
        ("request_date", "20261123111320"),
        ("limit_second", "600"),
    ];
    let got: Vec<_> = form.fields().collect();
    let (last, fields) = got.split_last().unwrap();
    assert_eq!(fields, wanted);
    assert_eq!(*last, ("sps_hashcode", purchase_hash(&keys(), &wanted).as_str()));
    // The same attempt gives the same form, whenever it is asked for.
    assert_eq!(form, &form_of(&sbps, &expected, &tea("EC-1")));
    // Another request is not the one that was written down.
    assert!(sbps.purchase_form(&expected, &tea("EC-2")).is_err());
    let page = form.page(&Nonce::of_policy("n0").unwrap(), "Pay");
    assert!(page.is_ascii() && page.contains("accept-charset=\"Shift_JIS\""));
}

#[test]
fn lines_are_sent_row_by_row_and_posted_as_they_were_signed() {
    let sbps = shop().notifications_settle().details().build().unwrap();
    let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
        .item(LineItem::new("表ソ能 & 茶", yen(440), 2).unwrap())
        .item(LineItem::new("cup", yen(100), 1).unwrap())
        .build()
        .unwrap();
    let expected = ExpectedPayment::plan(&sbps, &request, start()).unwrap();
    let form = form_of(&sbps, &expected, &request);
    let fields: Vec<_> = form.fields().collect();
    let at = fields.iter().position(|(name, _)| *name == "free_csv").unwrap();
    let rows = [
        ("dtl_rowno", "1"),
        ("dtl_item_id", "LINE-1"),
        ("dtl_item_name", "表ソ能 & 茶"),
        ("dtl_item_count", "2"),
        ("dtl_tax", ""),
        ("dtl_amount", "880"),
        ("dtl_free1", ""),
        ("dtl_free2", ""),
        ("dtl_free3", ""),
        ("dtl_rowno", "2"),
        ("dtl_item_id", "LINE-2"),
        ("dtl_item_name", "cup"),
        ("dtl_item_count", "1"),
        ("dtl_tax", ""),
        ("dtl_amount", "100"),
        ("dtl_free1", ""),
        ("dtl_free2", ""),
        ("dtl_free3", ""),
    ];
    assert_eq!(fields[at + 1..at + 19], rows);
    assert_eq!(fields[at + 19].0, "request_date");
    let posted = charset::form_body(fields.iter().copied()).unwrap();
    assert!(
        posted.contains("dtl_item_name=%95%5C%83%5C%94%5C+%26+%92%83&"),
        "{posted}"
    );
}

#[test]
fn requests_that_sbps_cannot_take_are_refused_before_anything_is_written() {
    let of = |total: Money| CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap()).total(total);
    let plain = settling();
    for request in [
        of(Money::new(1980, Currency::USD)),
        of(Money::new(1980, Currency::KWD)),
        of(yen(10_000_000)),
        of(yen(u64::MAX)),
        of(yen(1980)).capture(CaptureMode::Manual),
        of(yen(1980)).valid_for(Duration::ZERO),
        of(yen(1980)).valid_for(Duration::from_millis(999)),
        of(yen(1980)).valid_for(Duration::from_secs(10_000)),
    ] {
        let request = request.build().unwrap();
        assert!(ExpectedPayment::plan(&plain, &request, start()).is_err(), "{request:?}");
    }
    for request in [
        of(yen(1)),
        of(yen(9_999_999)),
        of(yen(5)).valid_for(Duration::from_secs(9999)),
        of(yen(5)).valid_for(Duration::from_secs(1)),
    ] {
        assert!(ExpectedPayment::plan(&plain, &request.build().unwrap(), start()).is_ok());
    }
    let detailed = shop().notifications_settle().details().build().unwrap();
    for name in [
        "🍵",
        "Thé",
        "¥100 cup",
        "한국",
        "茶～限定",
        "茶－",
        "￠",
        "a\u{301c}",
        "see https://evil.example/",
        "a//b",
        " cup",
        "cup ",
        "あいうえおかきくけこさしすせそたちつてとな",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmno",
    ] {
        let item = LineItem::new(name, yen(1), 1).unwrap();
        let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
            .item(item)
            .build();
        assert!(
            ExpectedPayment::plan(&detailed, &request.unwrap(), start()).is_err(),
            "{name}"
        );
    }
    for name in ["表ソ能ポ", "ｶﾌﾟ", "①髙﨑", "あいうえおかきくけこさしすせそたちつてと"]
    {
        let item = LineItem::new(name, yen(1), 1).unwrap();
        let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
            .item(item)
            .build();
        assert!(
            ExpectedPayment::plan(&detailed, &request.unwrap(), start()).is_ok(),
            "{name}"
        );
    }
    for (price, count, taken) in [(1, 1_000_000, false), (1, 999_999, true), (9_999_999, 1, true)] {
        let many = LineItem::new("cup", yen(price), count).unwrap();
        let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
            .item(many)
            .build();
        let planned = ExpectedPayment::plan(&detailed, &request.unwrap(), start());
        assert_eq!(planned.is_ok(), taken, "{count} of {price} yen");
    }
}

// ----- settings -----

#[test]
fn what_confirms_a_payment_has_to_be_chosen() {
    let api = || ApiKey::new(PASSWORD).unwrap();
    assert!(matches!(shop().build(), Err(ConfigError::Choice { .. })));
    assert!(matches!(
        shop().api(api()).methods(["rakuten"]).build(),
        Err(ConfigError::Choice { .. })
    ));
    assert!(matches!(
        shop().api(api()).methods(["credit3d2", "payeasy"]).build(),
        Err(ConfigError::Choice { .. })
    ));
    assert!(matches!(
        shop().api(api()).methods(Vec::<String>::new()).build(),
        Err(ConfigError::Choice { .. })
    ));
    assert!(
        shop()
            .api(api())
            .methods(["credit3d2", "webcvs", "paypay"])
            .build()
            .is_ok()
    );
    assert!(shop().notifications_settle().methods(["rakuten"]).build().is_ok());
    assert!(
        shop()
            .notifications_settle()
            .methods(Vec::<String>::new())
            .build()
            .is_ok()
    );
    assert!(shop().notifications_settle().api(api()).build().is_ok());
    // Nothing can be asked, captured or refunded without the API type.
    let abilities = settling();
    let abilities = abilities.abilities();
    assert!(abilities.capture.is_none() && abilities.void.is_none() && abilities.refund.is_none());
}

#[test]
fn settings_that_cannot_be_right_are_refused() {
    for (merchant, service) in [
        ("", "001"),
        ("99661", ""),
        ("996611", "001"),
        ("99661", "0011"),
        ("9966a", "001"),
        ("９", "1"),
    ] {
        assert!(ShopId::new(merchant, service).is_err(), "{merchant} {service}");
    }
    for key in ["0f3a7c5e19b24d6880aa5c3e71f2d4b69e8c1a0", "0123456789abcdef"] {
        assert!(
            shop_with(Environment::Sandbox, key)
                .notifications_settle()
                .build()
                .is_err(),
            "{key}"
        );
    }
    let published = "8435dbd48f2249807ec216c3d5ecab714264cc4a";
    assert!(
        shop_with(Environment::Sandbox, published)
            .notifications_settle()
            .build()
            .is_ok()
    );
    for key in [published, &published.to_uppercase()] {
        assert!(matches!(
            shop_with(Environment::Live, key).notifications_settle().build(),
            Err(ConfigError::Environment { .. })
        ));
    }
    for name in [
        "",
        "order",
        "ご注文～",
        " ご注文",
        "ご注文/1",
        "ご:注文",
        "注文🍵",
        "ご\u{7}注文",
        "あいうえおかきくけこさしすせそたちつてとな",
    ] {
        assert!(
            shop().notifications_settle().item_name(name).build().is_err(),
            "{name:?}"
        );
    }
    for id in ["", "a b", "a/b", "注文", &"x".repeat(33)] {
        assert!(shop().notifications_settle().item_id(id).build().is_err(), "{id:?}");
    }
    for method in ["", "Credit", "credit,webcvs", "1credit", "credit 3d"] {
        assert!(
            shop().notifications_settle().methods([method]).build().is_err(),
            "{method:?}"
        );
    }
    // Just within the bounds, and one more.
    let named = |count: usize| (0..count).map(|number| format!("method{number}"));
    assert!(shop().notifications_settle().item_id("x".repeat(32)).build().is_ok());
    assert!(shop().notifications_settle().item_name("注".repeat(20)).build().is_ok());
    assert!(shop().notifications_settle().methods(named(30)).build().is_ok());
    assert!(shop().notifications_settle().methods(named(31)).build().is_err());
    for (length, fits) in [(30, true), (31, false)] {
        let method = "m".repeat(length);
        assert_eq!(shop().notifications_settle().methods([method]).build().is_ok(), fits);
    }
    for (length, fits) in [(100, true), (101, false)] {
        let sbps = shop().api(ApiKey::new(PASSWORD).unwrap()).api_user("u".repeat(length));
        assert_eq!(sbps.build().is_ok(), fits, "{length}");
    }
    for form in [
        "",
        "fep.example",
        "http://fep.example/x",
        "https://user@fep.example/x",
        "https://fep.example/x?y=1",
        "https://fep.sps-system.com/f01/FepBuyInfoReceive.do",
    ] {
        assert!(
            shop().notifications_settle().form_url(form).build().is_err(),
            "{form:?}"
        );
    }
    let live = || shop_with(Environment::Live, HASH_KEY).notifications_settle();
    for form in [
        "http://127.0.0.1:1/f01",
        "https://localhost/f01",
        "https://stbfep.sps-system.com/f01/FepBuyInfoReceive.do",
    ] {
        assert!(
            matches!(live().form_url(form).build(), Err(ConfigError::Environment { .. })),
            "{form}"
        );
    }
    assert!(live().form_url("https://pay.shop-agency.example/f01").build().is_ok());
    for user in ["", "a:b", "a b", "あ"] {
        let sbps = shop().api(ApiKey::new(PASSWORD).unwrap()).api_user(user).build();
        assert!(sbps.is_err(), "{user:?}");
    }
    assert!(
        shop()
            .api(ApiKey::new(PASSWORD).unwrap())
            .api_endpoint("http://api.example/x")
            .build()
            .is_err()
    );
}

#[test]
fn nothing_secret_prints() {
    let canary = "canary0f3a7c5e19b24d6880aa5c3e71f2d4b69e8c1a07";
    let builder = || shop_with(Environment::Sandbox, canary).api(ApiKey::new("canary-of-the-api").unwrap());
    let sbps = builder().build().unwrap();
    let expected = ExpectedPayment::plan(&sbps, &tea("EC-1"), start()).unwrap();
    let form = sbps.purchase_form(&expected, &tea("EC-1")).unwrap();
    let callback = notice(&with(accepted(&expected), &[]));
    let report = settling().report(&callback, Channel::Notification).unwrap();
    for shown in [
        format!("{sbps:?}"),
        format!("{:?}", builder()),
        format!("{form:?}"),
        format!("{report:?}"),
    ] {
        assert!(!shown.contains("canary"), "{shown}");
        assert!(
            !shown.contains("sps_hashcode") && !shown.contains(expected.attempt.as_str()),
            "{shown}"
        );
    }
}

// ----- results -----

#[test]
fn every_result_means_what_the_table_says() {
    use PaymentStatus as S;
    let table = [
        ("credit3d2", "OK", S::Captured, S::Authorized),
        ("credit", "OK", S::Captured, S::Authorized),
        ("paypay", "OK", S::Captured, S::Authorized),
        ("rakuten", "OK", S::Captured, S::Authorized),
        ("applepay", "OK", S::Captured, S::Authorized),
        ("webcvs", "OK", S::Pending, S::Pending),
        ("payeasy", "OK", S::Pending, S::Pending),
        ("banktransfer", "OK", S::Pending, S::Pending),
        ("webcvs", "PY", S::Captured, S::Captured),
        ("webcvs", "CN", S::Expired, S::Expired),
        ("credit3d2", "NG", S::Failed, S::Failed),
        ("webcvs", "NG", S::Failed, S::Failed),
        // In no row of the table.
        ("credit3d2", "PY", S::Unknown, S::Unknown),
        ("credit3d2", "CN", S::Unknown, S::Unknown),
        ("newpay", "OK", S::Unknown, S::Unknown),
        ("newpay", "PY", S::Unknown, S::Unknown),
    ];
    for (method, result, automatic, manual) in table {
        for (capture, wanted) in [(CaptureMode::Automatic, automatic), (CaptureMode::Manual, manual)] {
            let sbps = shop()
                .notifications_settle()
                .methods([method])
                .capture(capture)
                .build()
                .unwrap();
            let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
                .total(yen(1980))
                .capture(capture)
                .build()
                .unwrap();
            let expected = ExpectedPayment::plan(&sbps, &request, start()).unwrap();
            let changes = [
                ("pay_method", method),
                ("res_pay_method", method),
                ("res_result", result),
            ];
            let fields = with(accepted(&expected), &changes);
            let got = said(&sbps, &notice(&fields)).unwrap();
            assert_eq!(got.len(), 1);
            assert_eq!((got[0].0, got[0].1), (wanted, Some(yen(1980))), "{method} {result}");
            let paid = wanted == S::Captured || (wanted == S::Authorized && capture == CaptureMode::Manual);
            assert_eq!(pays(&sbps, &expected, &notice(&fields)), paid, "{method} {result}");
            // A shop that asks is told by none of these that anything was paid.
            if ["credit", "credit3d2", "paypay", "webcvs"].contains(&method) {
                let asking = asking(&Scripted::new())
                    .methods([method])
                    .capture(capture)
                    .build()
                    .unwrap();
                assert!(!pays(&asking, &expected, &notice(&fields)), "{method} {result}");
            }
        }
    }
    let rakuten = shop().notifications_settle().methods(["rakuten"]).build().unwrap();
    let expected = planned(&rakuten);
    for code in ["R01", "R02", "R03"] {
        let changes = [
            ("pay_method", "rakuten"),
            ("res_pay_method", "rakuten"),
            ("res_payinfo_key", code),
        ];
        let fields = with(accepted(&expected), &changes);
        assert_eq!(said(&rakuten, &notice(&fields)).unwrap()[0].0, S::Unknown, "{code}");
    }
}

#[test]
fn a_shop_that_asks_takes_an_accepted_result_as_a_reason_to_ask() {
    let sbps = asking(&Scripted::new()).build().unwrap();
    let expected = planned(&sbps);
    let proven = sbps.verify(&notice(&accepted(&expected))).unwrap();
    assert_eq!(proven.trust(), Trust::KeyedHash);
    let events: Vec<_> = proven
        .into_events()
        .into_iter()
        .map(kessai::Verified::into_value)
        .collect();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].snapshot.status, PaymentStatus::Pending);
    assert_eq!(events[0].subject.payment.as_ref().unwrap().as_str(), TRACKING_ID);
    assert_eq!(
        events[0].subject.checkout.as_ref().unwrap().as_str(),
        "80312789324672/credit3d2/1980"
    );
    assert_eq!(events[1].snapshot.status, PaymentStatus::Unknown);
    assert_eq!(events[1].snapshot.amount, None);
    assert_ne!(events[0].id, events[1].id);
}

#[test]
fn results_that_are_no_results_are_refused() {
    let sbps = settling();
    let expected = planned(&sbps);
    let genuine = accepted(&expected);
    for (field, value) in [
        ("merchant_id", "99662"),
        ("merchant_id", ""),
        ("merchant_id", "996610"),
        ("service_id", "002"),
        ("service_id", ""),
        ("res_result", ""),
        ("res_result", "ok"),
        ("res_result", "OKOK"),
        ("res_result", "Ok"),
        ("res_result", "O K"),
        ("res_result", "XPY"),
        ("res_result", "PYX"),
        ("res_result", "1"),
        ("res_result", "0"),
        ("res_result", "true"),
        ("res_result", "XX"),
        ("amount", ""),
        ("amount", "0"),
        ("amount", "01980"),
        ("amount", "-1980"),
        ("amount", "1,980"),
        ("amount", "1980.00"),
        ("amount", "19800000"),
        ("amount", "１９８０"),
        ("order_id", ""),
        ("order_id", "EC 1"),
    ] {
        let refused = sbps.verify(&notice(&with(genuine.clone(), &[(field, value)])));
        assert!(matches!(refused, Err(VerifyError::Payload(_))), "{field} {value:?}");
    }
    let body = body(Channel::Notification, &genuine);
    let hash = body.rsplit('=').next().unwrap().to_owned();
    for (body, why) in [
        (String::new(), "missing"),
        ("sps_hashcode=".to_owned(), "empty"),
        (body.replace(&hash, &hash[1..]), "short"),
        (body.replace(&hash, &format!("{hash}0")), "long"),
        (body.replace(&hash, &format!("G{}", &hash[1..])), "not hex"),
        (body.replace("sps_hashcode", "sps_hashcodes"), "another name"),
        (format!("{body}&amount=1980"), "twice"),
        (format!("{body}&sps_hashcode={hash}"), "hash twice"),
        (format!("{body}&%61mount=1980"), "twice, escaped"),
        (format!("{body}&x=%"), "broken escape"),
        (format!("{body}&x=%zz"), "broken escape"),
        (
            format!("amount=%81&{}", body.replace("amount=1980&", "")),
            "broken charset",
        ),
    ] {
        let refused = sbps.verify(&post("/pay/sbps/notification", body));
        assert!(
            matches!(refused, Err(VerifyError::Missing(_) | VerifyError::Malformed(_))),
            "{why}: {refused:?}"
        );
    }
    let get = http::Request::get("/pay/sbps/notification")
        .body(Bytes::from(body.clone()))
        .unwrap();
    assert!(sbps.verify(&Callback::new(get, start()).unwrap()).is_err());
    // The hash of the other channel, another key, no key.
    let returned = report_hash(&keys(), Channel::Return, &borrowed(&genuine)).unwrap();
    let other = SigningKeys::from_texts(["1f3a7c5e19b24d6880aa5c3e71f2d4b69e8c1a07"]).unwrap();
    let foreign = report_hash(&other, Channel::Notification, &borrowed(&genuine)).unwrap();
    for hash in [returned, foreign, "0".repeat(40)] {
        let refused = sbps.verify(&post("/pay/sbps/notification", unsigned(&genuine, &hash)));
        assert_eq!(refused.err(), Some(VerifyError::Mismatch), "{hash}");
    }
}

#[test]
fn every_flipped_byte_is_refused_or_was_not_covered_and_changes_nothing() {
    let sbps = settling();
    let expected = planned(&sbps);
    let genuine = body(Channel::Notification, &accepted(&expected));
    let honest = said(&sbps, &post("/", genuine.clone())).unwrap();
    let mut refused = 0;
    for at in 0..genuine.len() {
        for bit in [0x01, 0x20] {
            let mut bytes = genuine.clone().into_bytes();
            bytes[at] ^= bit;
            match said(&sbps, &post("/", bytes)) {
                Err(_) => refused += 1,
                // The name of an empty field, or the case of a hex digit.
                Ok(got) => assert_eq!(got, honest, "byte {at}, bit {bit}"),
            }
        }
    }
    println!(
        "{refused} of {} flips refused, the others change nothing",
        genuine.len() * 2
    );
    // Of the values, every single flip is refused.
    for (name, value) in accepted(&expected).iter().filter(|(_, value)| !value.is_empty()) {
        let place = format!(
            "{name}={}",
            charset::form_body([("v", value.as_str())]).unwrap().split_off(2)
        );
        let from = if genuine.starts_with(&place) {
            0
        } else {
            genuine.find(&format!("&{place}")).unwrap() + 1
        };
        for at in from + name.len() + 1..from + place.len() {
            let mut bytes = genuine.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(said(&sbps, &post("/", bytes)).is_err(), "{name}, byte {at}");
        }
    }
}

#[test]
fn order_of_fields_missing_empty_ones_and_foreign_ones_do_not_matter() {
    let sbps = settling();
    let expected = planned(&sbps);
    let genuine = body(Channel::Notification, &accepted(&expected));
    let honest = said(&sbps, &post("/", genuine.clone())).unwrap();
    let mut pairs: Vec<&str> = genuine.split('&').collect();
    for turn in 1..pairs.len() {
        pairs.rotate_left(1);
        let stride: Vec<&str> = (0..pairs.len()).map(|n| pairs[(n * 11 + turn) % pairs.len()]).collect();
        assert_eq!(pairs.len() % 11, 2, "the stride reaches every pair");
        assert_eq!(said(&sbps, &post("/", stride.join("&"))).unwrap(), honest);
    }
    let without_empty: Vec<&str> = pairs.iter().copied().filter(|pair| !pair.ends_with('=')).collect();
    assert!(without_empty.len() < pairs.len());
    assert_eq!(said(&sbps, &post("/", without_empty.join("&"))).unwrap(), honest);
    assert_eq!(
        said(&sbps, &post("/", format!("{genuine}&new_field=1&amount2=5"))).unwrap(),
        honest
    );
    // White space around a value is not hashed.
    assert_eq!(
        said(&sbps, &post("/", genuine.replace("amount=1980", "amount=+1980+"))).unwrap(),
        honest
    );
}

// ----- what the hash does not show -----

/// Moves up to `count` characters over the boundary behind field `at`, to the right or to the left; empty fields on the way
/// are jumped over or filled, as told.
fn moved(fields: &Fields, at: usize, to: usize, count: usize) -> Option<Fields> {
    let mut fields = fields.clone();
    let value = fields[at].1.clone();
    let cut: usize = if at < to {
        let keep = value.chars().count().checked_sub(count)?;
        value.chars().take(keep).map(char::len_utf8).sum()
    } else {
        (value.chars().count() >= count).then_some(())?;
        value.chars().take(count).map(char::len_utf8).sum()
    };
    let (left, right) = value.split_at(cut);
    if at < to {
        // Everything between has to be empty, or the text would change.
        fields[at + 1..to]
            .iter()
            .all(|(_, value)| value.is_empty())
            .then_some(())?;
        let grown = format!("{right}{}", fields[to].1);
        left.clone_into(&mut fields[at].1);
        fields[to].1 = grown;
    } else {
        fields[to + 1..at]
            .iter()
            .all(|(_, value)| value.is_empty())
            .then_some(())?;
        fields[to].1.push_str(left);
        right.clone_into(&mut fields[at].1);
    }
    Some(fields)
}

#[test]
fn moving_characters_between_neighbouring_fields_never_pays() {
    let script = Scripted::new();
    for (sbps, settles) in [(settling(), true), (asking(&script).build().unwrap(), false)] {
        let expected = planned(&sbps);
        let honest = accepted(&expected);
        let tag = report_hash(&keys(), Channel::Notification, &borrowed(&honest)).unwrap();
        assert_eq!(pays(&sbps, &expected, &notice(&honest)), settles);
        let (mut tried, mut refused) = (0, 0);
        for at in 0..honest.len() {
            for to in at.saturating_sub(12)..(at + 12).min(honest.len()) {
                for count in 1..=14 {
                    let Some(variant) = (at != to).then(|| moved(&honest, at, to, count)).flatten() else {
                        continue;
                    };
                    // The hash is the same: that is the weakness.
                    let same = report_hash(&keys(), Channel::Notification, &borrowed(&variant)).unwrap();
                    assert_eq!(same, tag);
                    let callback = notice(&variant);
                    let paid = pays(&sbps, &expected, &callback);
                    // Behind the tracking id nothing is about money, and three of these fields are optional.
                    let news = said(&sbps, &callback).map(|said| said[0].clone());
                    let unchanged = ["amount", "order_id", "res_result", "res_tracking_id", "res_pay_method"]
                        .iter()
                        .all(|name| value(&variant, name) == value(&honest, name));
                    assert!(!paid || unchanged, "{} to {}", honest[at].0, honest[to].0);
                    tried += 1;
                    refused += usize::from(news.is_err());
                }
            }
        }
        println!("{tried} moves tried, {refused} refused, the others never pay");
        assert!(tried > 200, "{tried}");
    }
}

fn value<'f>(fields: &'f Fields, name: &str) -> &'f str {
    &fields.iter().find(|(field, _)| *field == name).unwrap().1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any number of moves: whatever is still taken as an answer to our form says the same as the honest message.
    #[test]
    fn one_text_is_read_in_one_way_only(moves in proptest::collection::vec((0_usize..34, 0_usize..34, 1_usize..16), 1..8)) {
        let sbps = settling();
        let expected = planned(&sbps);
        let honest = accepted(&expected);
        let mut variant = honest.clone();
        for (at, to, count) in moves {
            if at != to && let Some(next) = moved(&variant, at, to, count) {
                variant = next;
            }
        }
        let callback = notice(&variant);
        if pays(&sbps, &expected, &callback) {
            let got = said(&sbps, &callback).unwrap();
            let wanted = said(&sbps, &notice(&honest)).unwrap();
            prop_assert_eq!(got, wanted);
        }
    }

    #[test]
    fn nothing_that_comes_in_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let sbps = settling();
        let _ = sbps.verify(&post("/pay/sbps/notification", bytes.clone()));
        let _ = sbps.returned(&post("/pay/sbps/return", bytes));
    }

    #[test]
    fn nothing_that_is_signed_panics(values in proptest::collection::vec("[ -~あ-ん]{0,20}", 34)) {
        let sbps = settling();
        let expected = planned(&sbps);
        let mut fields = accepted(&expected);
        for (field, value) in fields.iter_mut().zip(values) {
            field.1 = value;
        }
        set(&mut fields, "merchant_id", "99661");
        set(&mut fields, "service_id", "001");
        set(&mut fields, "res_result", "OK");
        prop_assert!(!pays(&sbps, &expected, &notice(&fields)));
    }
}

/// The browser sees two hashes: that of the purchase request and that of its own return. Neither is the hash of a
/// notification that could pay.
#[test]
fn no_hash_that_a_browser_sees_pays_anything() {
    let sbps = settling();
    let expected = planned(&sbps);
    let honest = accepted(&expected);
    let form = form_of(&sbps, &expected, &tea("EC-1"));
    let of_form = form.fields().last().unwrap().1.to_owned();
    let of_return = report_hash(&keys(), Channel::Return, &borrowed(&honest)).unwrap();
    for hash in [&of_form, &of_return] {
        assert!(!pays(&sbps, &expected, &post("/", unsigned(&honest, hash))));
    }
    // A shopper pays less by moving the last digit of the amount behind it. The genuine report says so; the hash of the
    // return, from which that of the notification could be had if all were ASCII, is another one.
    let cheap = with(honest.clone(), &[("amount", "198"), ("auto_charge_type", "0")]);
    assert!(!pays(&sbps, &expected, &notice(&cheap)));
    let of_cheap_return = report_hash(&keys(), Channel::Return, &borrowed(&cheap)).unwrap();
    assert!(!pays(&sbps, &expected, &post("/", unsigned(&honest, &of_cheap_return))));
    // The text of a purchase request read as a result: the addresses have to go somewhere, and nowhere do they fit.
    let text: String = form.fields().map(|(_, value)| value).collect();
    let tail = text.split("https://").nth(1).unwrap();
    for field in [
        "res_payinfo_key",
        "free1",
        "free2",
        "pay_item_id",
        "res_err_code",
        "camp_type",
        "tracking_id",
    ] {
        for address in [&format!("https://{tail}"), "https://a.b", "//a"] {
            let variant = with(honest.clone(), &[(field, address)]);
            assert!(!pays(&sbps, &expected, &notice(&variant)), "{field}");
        }
    }
    // A message without the item name is ASCII throughout, so its hash is seen by browsers. It pays nothing.
    for name in ["", "SHOP-ORDER", "ご注文商品", "ご注文商品一式1"] {
        assert!(
            !pays(&sbps, &expected, &notice(&with(honest.clone(), &[("item_name", name)]))),
            "{name}"
        );
    }
}

#[test]
fn a_result_that_is_not_an_answer_to_our_form_pays_nothing_and_another_amount_is_held() {
    let sbps = settling();
    let expected = planned(&sbps);
    let honest = accepted(&expected);
    for (field, value) in [
        ("pay_method", "paypay"),
        ("cust_code", "CUST000042"),
        ("sps_cust_no", "1"),
        ("sps_payment_no", "1"),
        ("item_id", "OTHER"),
        ("pay_item_id", "1"),
        ("tax", "0"),
        ("tax", "180"),
        ("pay_type", "2"),
        ("pay_type", ""),
        ("auto_charge_type", "0"),
        ("service_type", "1"),
        ("div_settele", "0"),
        ("last_charge_month", "202611"),
        ("camp_type", "0"),
        ("tracking_id", TRACKING_ID),
        ("terminal_type", "1"),
        ("free1", "0"),
        ("free3", "x"),
        ("request_date", "2026112311064"),
        ("request_date", "202611231106400"),
        ("res_pay_method", "paypay"),
        ("res_pay_method", "0credit3d2"),
        ("res_tracking_id", ""),
        ("res_tracking_id", "8031278932467"),
        ("res_tracking_id", "803127893246720"),
        ("res_tracking_id", "8031278932467a"),
        ("res_sps_cust_no", "1"),
        ("res_sps_payment_no", "12"),
        ("res_payinfo_key", "123456789012345678901234567890123"),
        ("res_payment_date", "1"),
        ("res_err_code", "1101"),
        ("res_date", ""),
        ("limit_second", "10000"),
        ("limit_second", "x"),
    ] {
        let callback = notice(&with(honest.clone(), &[(field, value)]));
        assert!(!pays(&sbps, &expected, &callback), "{field} {value:?}");
        let got = said(&sbps, &callback).unwrap();
        assert_eq!((got.len(), got[0].0), (1, PaymentStatus::Unknown), "{field} {value:?}");
    }
    // Our attempts have one alphabet and one length. Another one would leave room for more than one reading.
    let ours = expected.attempt.as_str();
    for other in [
        &ours[1..],
        &format!("{ours}a"),
        &ours.to_uppercase(),
        &format!("{}-", &ours[1..]),
        &format!("{}A", &ours[1..]),
    ] {
        let callback = notice(&with(honest.clone(), &[("order_id", other), ("cust_code", other)]));
        let got = said(&sbps, &callback).unwrap();
        assert_eq!((got.len(), got[0].0), (1, PaymentStatus::Unknown), "{other}");
    }
    // The only method may be left out, as in the published sample.
    assert!(pays(
        &sbps,
        &expected,
        &notice(&with(honest.clone(), &[("res_pay_method", "")]))
    ));
    for (amount, odd) in [("1979", ""), ("1981", ""), ("198", "0"), ("1", ""), ("9999999", "")] {
        let fields = with(honest.clone(), &[("amount", amount), ("auto_charge_type", odd)]);
        let proven = sbps.verify(&notice(&fields)).unwrap();
        let attempt = StoredAttempt::new(expected.clone());
        let judged = attempt.judge(proven.into_events().remove(0));
        assert!(matches!(judged, Judgement::Contradiction(_)), "{amount}: {judged:?}");
    }
}

#[test]
fn the_six_characters_of_two_readings_verify_in_either() {
    let sbps = settling();
    let expected = planned(&sbps);
    let windows = with(accepted(&expected), &[("free1", "～－∥￠￡￢")]);
    assert!(sbps.verify(&notice(&windows)).is_ok());
    // Hashed by a system that reads the same bytes as JIS does.
    let jis = with(
        windows.clone(),
        &[("free1", "\u{301c}\u{2212}\u{2016}\u{a2}\u{a3}\u{ac}")],
    );
    let hash = report_hash(&keys(), Channel::Notification, &borrowed(&jis)).unwrap();
    let body = unsigned(&windows, &hash);
    assert!(sbps.verify(&post("/", body.clone())).is_ok());
    // A mixture of the two is neither.
    let mixed = with(windows.clone(), &[("free1", "\u{301c}－∥￠￡￢")]);
    let hash = report_hash(&keys(), Channel::Notification, &borrowed(&mixed)).unwrap();
    assert_eq!(
        sbps.verify(&post("/", unsigned(&windows, &hash))).err(),
        Some(VerifyError::Mismatch)
    );
    let honest = accepted(&expected);
    let hash = report_hash(&keys(), Channel::Notification, &borrowed(&jis)).unwrap();
    assert_eq!(
        sbps.verify(&post("/", unsigned(&honest, &hash))).err(),
        Some(VerifyError::Mismatch)
    );
}

#[test]
fn a_retiring_hash_key_still_verifies_and_says_so() {
    let both = SigningKeys::from_texts(["1f3a7c5e19b24d6880aa5c3e71f2d4b69e8c1a07", HASH_KEY]).unwrap();
    let shop = ShopId::new("99661", "001").unwrap();
    let addresses = Addresses::new("https://shop.example", "/pay/sbps").unwrap();
    let sbps = Sbps::builder(Environment::Sandbox, shop, both, addresses)
        .notifications_settle()
        .build()
        .unwrap();
    let expected = planned(&sbps);
    let proven = sbps.verify(&notice(&accepted(&expected))).unwrap();
    assert!(proven.key().unwrap().is_retiring());
}

#[test]
fn acknowledgements_are_exact_and_refusals_look_alike() {
    let sbps = settling();
    let table = [
        (Ack::Done, "OK,"),
        (Ack::Retry, "NG,try again"),
        (Ack::Refused, "NG,refused"),
    ];
    for (ack, wanted) in table {
        for refusal in [
            VerifyError::Missing("x"),
            VerifyError::Mismatch,
            VerifyError::Payload("z"),
        ] {
            let reply = sbps.acknowledge(Err(&refusal), ack);
            assert_eq!((reply.status().as_u16(), &reply.body()[..]), (200, wanted.as_bytes()));
            assert_eq!(reply.headers()["content-type"], "text/plain; charset=Shift_JIS");
            assert!(wanted.is_ascii());
        }
    }
}

// ----- the return -----

#[test]
fn a_return_names_its_attempt_if_its_own_hash_is_right_and_nothing_else() {
    let sbps = settling();
    let expected = planned(&sbps);
    let honest = accepted(&expected);
    let hint = sbps
        .returned(&post("/pay/sbps/return", body(Channel::Return, &honest)))
        .unwrap();
    assert_eq!(hint.subject.attempt.as_ref(), Some(&expected.attempt));
    assert!(!hint.cancelled);
    for bare in ["", "x=1"] {
        let hint = sbps
            .returned(&post("/pay/sbps/cancel?attempt=a&state=b", bare))
            .unwrap();
        assert!(hint.cancelled && hint.subject == kessai::Subject::new());
    }
    let get = http::Request::get("/pay/sbps/return?attempt=a&state=b")
        .body(Bytes::new())
        .unwrap();
    assert!(sbps.returned(&Callback::new(get, start()).unwrap()).is_ok());
    for refused in [
        body(Channel::Notification, &honest),
        body(Channel::Return, &honest).replace("amount=1980", "amount=1981"),
        body(Channel::Return, &with(honest.clone(), &[("merchant_id", "99662")])),
        body(Channel::Return, &with(honest.clone(), &[("order_id", "")])),
        format!("{}&amount=1", body(Channel::Return, &honest)),
        "sps_hashcode=".to_owned(),
        "a=%".to_owned(),
    ] {
        assert!(
            sbps.returned(&post("/pay/sbps/return", refused.clone())).is_err(),
            "{refused}"
        );
    }
}

// ----- the API type -----

pub fn answer(id: &str, inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"Shift_JIS\" ?>\n<sps-api-response id=\"{id}\">\n{inside}</sps-api-response>"
    )
}

pub fn credit(commit: &str, payment: &str) -> String {
    answer(
        "MG01-00101-101",
        &format!(
            "<res_result>OK</res_result><res_sps_transaction_id>B99661001MG010010110100361052482</res_sps_transaction_id>\
             <res_status>0</res_status><res_pay_method_info><res_pay_method_info_detail><dealings_type>10</dealings_type>\
             </res_pay_method_info_detail><commit_status>{commit}</commit_status><payment_status>{payment}</payment_status>\
             </res_pay_method_info><res_process_date>20261123110800</res_process_date><res_err_code></res_err_code>\
             <res_date>20261123110801</res_date>"
        ),
    )
}

fn reported(expected: &ExpectedPayment, deal: &str) -> StoredAttempt {
    let mut attempt = StoredAttempt::new(expected.clone());
    attempt.checkout = Some(GatewayReference::new(deal).unwrap());
    attempt.payment = Some(GatewayReference::new(TRACKING_ID).unwrap());
    attempt
}

const DEAL: &str = "80312789324672/credit3d2/1980";

#[tokio::test]
async fn the_status_question_is_sent_as_the_sheet_says() {
    let script = Scripted::new();
    let sbps = asking(&script)
        .methods(["credit3d2", "paypay", "webcvs"])
        .build()
        .unwrap();
    let expected = planned(&sbps);
    script.answer(200, credit("1", "2"));
    let event = sbps.status(&reported(&expected, DEAL), start()).await.unwrap();
    assert_eq!(event.trust(), Trust::StatusQuery);
    let said = event.value();
    assert_eq!(said.snapshot.status, PaymentStatus::Captured);
    assert_eq!(said.snapshot.amount, Some(yen(1980)));
    assert_eq!(said.subject.payment.as_ref().unwrap().as_str(), TRACKING_ID);
    let sent = script.one_request();
    assert_eq!(sent.method(), "POST");
    assert_eq!(sent.uri(), "https://stbfep.sps-system.com/api/xmlapi.do");
    assert_eq!(sent.headers()["content-type"], "text/xml");
    // 99661001:basic-word-of-the-api-type
    assert_eq!(
        sent.headers()["authorization"],
        "Basic OTk2NjEwMDE6YmFzaWMtd29yZC1vZi10aGUtYXBpLXR5cGU="
    );
    assert!(sent.headers()["authorization"].is_sensitive());
    let sent = String::from_utf8(sent.body().to_vec()).unwrap();
    let hash = request_hash(&keys(), sent.as_bytes()).unwrap();
    assert_eq!(
        sent,
        format!(
            "<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><sps-api-request id=\"MG01-00101-101\">\
             <merchant_id>99661</merchant_id><service_id>001</service_id><tracking_id>80312789324672</tracking_id>\
             <response_info_type>0</response_info_type><encrypted_flg>0</encrypted_flg>\
             <request_date>20261123111320</request_date><sps_hashcode>{hash}</sps_hashcode></sps-api-request>"
        )
    );
    for (method, id) in [("paypay", "MG01-00101-311"), ("webcvs", "MG01-00101-701")] {
        let inside =
            "<res_result>OK</res_result><res_pay_method_info><payment_status>3</payment_status></res_pay_method_info>";
        script.answer(200, answer(id, inside));
        let deal = format!("{TRACKING_ID}/{method}/1980");
        let event = sbps.status(&reported(&expected, &deal), start()).await.unwrap();
        assert_eq!(event.value().snapshot.status, PaymentStatus::Captured);
        let sent = String::from_utf8(script.one_request().body().to_vec()).unwrap();
        assert!(
            sent.contains(&format!("id=\"{id}\"")) && !sent.contains("encrypted_flg"),
            "{sent}"
        );
    }
}

type Rows = &'static [(&'static str, PaymentStatus)];

#[tokio::test]
async fn every_row_of_the_status_tables_is_read_as_the_sheet_says() {
    use PaymentStatus as S;
    let script = Scripted::new();
    let sbps = asking(&script)
        .methods(["credit3d2", "paypay", "webcvs"])
        .build()
        .unwrap();
    let expected = planned(&sbps);
    for (commit, payment, wanted) in [
        ("0", "1", S::Pending),
        ("1", "1", S::Authorized),
        ("1", "2", S::Captured),
        ("1", "3", S::Cancelled),
        ("1", "4", S::Refunded),
        ("2", "1", S::Cancelled),
        ("2", "2", S::Cancelled),
        ("3", "", S::Cancelled),
        // In no row: neither paid nor failed.
        ("0", "2", S::Unknown),
        ("1", "", S::Unknown),
        ("1", "0", S::Unknown),
        ("1", "5", S::Unknown),
        ("1", "02", S::Unknown),
        ("1", "2.0", S::Unknown),
        ("1", "+2", S::Unknown),
        ("1", "22", S::Unknown),
        ("1", "captured", S::Unknown),
        ("01", "2", S::Unknown),
        ("true", "2", S::Unknown),
        ("1", "2 2", S::Unknown),
        ("4", "2", S::Unknown),
        ("", "2", S::Unknown),
        ("", "", S::Unknown),
    ] {
        script.answer(200, credit(commit, payment));
        let event = sbps.status(&reported(&expected, DEAL), start()).await.unwrap();
        assert_eq!(event.value().snapshot.status, wanted, "{commit}/{payment}");
    }
    let tables: [(&str, &str, Rows); 2] = [
        (
            "paypay",
            "MG01-00101-311",
            &[
                ("0", S::Pending),
                ("1", S::Authorized),
                ("2", S::Authorized),
                ("3", S::Captured),
                ("4", S::Cancelled),
                ("5", S::Refunded),
                ("9", S::Unknown),
                ("6", S::Unknown),
            ],
        ),
        (
            "webcvs",
            "MG01-00101-701",
            &[
                ("1", S::Pending),
                ("2", S::Pending),
                ("3", S::Captured),
                ("4", S::Unknown),
                ("9", S::Cancelled),
                ("0", S::Unknown),
                ("", S::Unknown),
            ],
        ),
    ];
    for (method, id, rows) in tables {
        for (payment, wanted) in rows {
            let inside = format!(
                "<res_result>OK</res_result><res_pay_method_info><payment_status>{payment}</payment_status></res_pay_method_info>"
            );
            script.answer(200, answer(id, &inside));
            let deal = format!("{TRACKING_ID}/{method}/1980");
            let event = sbps.status(&reported(&expected, &deal), start()).await.unwrap();
            assert_eq!(event.value().snapshot.status, *wanted, "{method} {payment}");
        }
    }
}

#[tokio::test]
async fn a_sale_that_was_called_off_went_back() {
    use PaymentStatus as S;
    let script = Scripted::new();
    let sbps = asking(&script)
        .methods(["credit3d2", "paypay", "webcvs"])
        .build()
        .unwrap();
    let mut attempt = reported(&planned(&sbps), DEAL);
    for (commit, payment) in [("1", "3"), ("2", "2"), ("3", "")] {
        for (known, wanted) in [
            (S::Pending, S::Cancelled),
            (S::Authorized, S::Cancelled),
            (S::Captured, S::Refunded),
            (S::PartiallyRefunded, S::Refunded),
        ] {
            attempt.status = known;
            script.answer(200, credit(commit, payment));
            let event = sbps.status(&attempt, start()).await.unwrap();
            assert_eq!(event.value().snapshot.status, wanted, "{known} {commit}/{payment}");
            assert_eq!(event.value().snapshot.amount, Some(yen(1980)));
        }
    }
    // What was paid at a shop's counter does not go back by a word of the query.
    let mut slip = reported(&attempt.expected, "80312789324672/webcvs/1980");
    slip.status = S::Captured;
    let inside =
        "<res_result>OK</res_result><res_pay_method_info><payment_status>9</payment_status></res_pay_method_info>";
    script.answer(200, answer("MG01-00101-701", inside));
    let event = sbps.status(&slip, start()).await.unwrap();
    assert_eq!(event.value().snapshot.status, S::Cancelled);
}

#[tokio::test]
async fn every_refusal_of_the_sheet_has_its_kind_and_outcome() {
    use ErrorKind as K;
    let script = Scripted::new();
    let sbps = asking(&script).build().unwrap();
    let attempt = reported(&planned(&sbps), DEAL);
    let ng = |code: &str| {
        let inside = format!("<res_result>NG</res_result><res_err_code>{code}</res_err_code>");
        (200, answer("MG01-00101-101", &inside))
    };
    let (refused, unknown) = (Outcome::Refused, Outcome::Unknown);
    let ok = "<res_result>OK</res_result>";
    let table: Vec<((u16, String), ErrorKind, Outcome)> = vec![
        (ng("10100001"), K::Request, refused),
        (ng("10103001"), K::Request, refused),
        (ng("10107001"), K::Request, refused),
        (ng("10109001"), K::Authentication, refused),
        (ng("10110001"), K::Request, refused),
        (ng("10111001"), K::NotFound, refused),
        (ng("10112001"), K::NotFound, refused),
        (ng("99914001"), K::Authentication, refused),
        (ng("10121999"), K::Declined, refused),
        (ng("10124999"), K::Declined, refused),
        (ng("10161999"), K::Declined, refused),
        (ng("10137999"), K::Conflict, refused),
        (ng("10141999"), K::Conflict, refused),
        (ng("10152999"), K::Conflict, refused),
        (ng("101K0999"), K::Conflict, refused),
        (ng("101K1999"), K::Conflict, refused),
        (ng("10180999"), K::Unavailable, unknown),
        (ng("99992999"), K::Unavailable, unknown),
        (ng("10196999"), K::Conflict, unknown),
        (ng("10197999"), K::Conflict, unknown),
        (ng("10193999"), K::Protocol, unknown),
        (ng("101"), K::Protocol, unknown),
        (ng(""), K::Protocol, unknown),
        ((200, answer("MG01-00101-101", "")), K::Protocol, unknown),
        (
            (200, answer("MG01-00101-101", "<res_result>ok</res_result>")),
            K::Protocol,
            unknown,
        ),
        (
            (
                200,
                answer(
                    "MG01-00101-101",
                    "<res_result>OK</res_result><res_result>NG</res_result>",
                ),
            ),
            K::Protocol,
            unknown,
        ),
        ((200, answer("ST02-00303-101", ok)), K::Protocol, unknown),
        (
            (
                200,
                format!("<sps-api-request id=\"MG01-00101-101\">{ok}</sps-api-request>"),
            ),
            K::Protocol,
            unknown,
        ),
        (
            (200, format!("<!DOCTYPE x []>{}", answer("MG01-00101-101", ok))),
            K::Protocol,
            unknown,
        ),
        ((200, "<html>maintenance</html>".to_owned()), K::Protocol, unknown),
        ((200, "not xml \u{e9}".to_owned()), K::Protocol, unknown),
        ((200, String::new()), K::Protocol, unknown),
        ((200, answer("MG01-00101-101", &"<a>".repeat(50))), K::Protocol, unknown),
        ((302, String::new()), K::Protocol, unknown),
        ((401, String::new()), K::Authentication, refused),
        ((403, String::new()), K::Authentication, refused),
        ((404, String::new()), K::Protocol, unknown),
        ((429, String::new()), K::RateLimited, refused),
        ((500, String::new()), K::Unavailable, unknown),
        ((503, "<html></html>".to_owned()), K::Unavailable, unknown),
    ];
    for ((status, body), kind, outcome) in table {
        script.answer(status, body.clone());
        let error = sbps.status(&attempt, start()).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{status} {body}");
        script.requests();
    }
    // What cannot be asked is not sent.
    for deal in [
        "80312789324672/payeasy/1980",
        "80312789324672",
        "x/credit3d2/1980",
        "80312789324672/credit3d2/01",
        "80312789324672/credit3d2/1/2",
    ] {
        let error = sbps
            .status(&reported(&attempt.expected, deal), start())
            .await
            .unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotSent, "{deal}");
    }
    let unreported = StoredAttempt::new(attempt.expected.clone());
    assert_eq!(
        sbps.status(&unreported, start()).await.unwrap_err().outcome(),
        Outcome::NotSent
    );
    assert_eq!(
        settling().status(&attempt, start()).await.unwrap_err().kind(),
        K::Config
    );
    assert!(script.requests().is_empty());
}

#[tokio::test]
async fn capture_void_and_refund_send_what_the_sheet_says() {
    let script = Scripted::new();
    let plain = asking(&script).build().unwrap();
    let in_parts = asking(&script).partial_refunds().build().unwrap();
    let expected = planned(&plain);
    let attempt = reported(&expected, DEAL);
    let key = IdempotencyKey::new("op-1").unwrap();
    let ok =
        "<res_result>OK</res_result><res_sps_transaction_id>B99661001ST020020110100361052543</res_sps_transaction_id>";
    let begins = |id: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><sps-api-request id=\"{id}\"><merchant_id>99661</merchant_id>\
             <service_id>001</service_id><tracking_id>80312789324672</tracking_id>\
             <processing_datetime>20261123111320</processing_datetime>"
        )
    };
    let check = |id: &str, amount: Option<&str>| {
        let sent = String::from_utf8(script.one_request().body().to_vec()).unwrap();
        let hash = request_hash(&keys(), sent.as_bytes()).unwrap();
        let amount = amount.map_or(String::new(), |amount| {
            format!("<pay_option_manage><amount>{amount}</amount></pay_option_manage>")
        });
        let wanted = format!(
            "{}{amount}<request_date>20261123111320</request_date><sps_hashcode>{hash}</sps_hashcode></sps-api-request>",
            begins(id)
        );
        assert_eq!(sent, wanted);
    };
    let abilities = plain.abilities();
    assert!(abilities.expire.is_none());
    let (capture, void, refund) = (
        abilities.capture.unwrap(),
        abilities.void.unwrap(),
        abilities.refund.unwrap(),
    );

    script.answer(200, answer("ST02-00201-101", ok));
    capture.capture(&attempt, None, &key, start()).await.unwrap();
    check("ST02-00201-101", None);
    script.answer(200, answer("ST02-00201-101", ok));
    capture.capture(&attempt, Some(yen(1500)), &key, start()).await.unwrap();
    check("ST02-00201-101", Some("1500"));
    let ask_and = |payment: &str| {
        script.answer(200, credit("1", payment));
        script.answer(200, answer("ST02-00303-101", ok));
    };
    ask_and("1");
    void.void(&attempt, &key, start()).await.unwrap();
    let sent: Vec<String> = script
        .requests()
        .iter()
        .map(|sent| String::from_utf8(sent.body().to_vec()).unwrap())
        .collect();
    assert!(sent[0].contains("id=\"MG01-00101-101\"") && sent[1].starts_with(&begins("ST02-00303-101")));
    // The same order would send money back, which is no void: only what is merely authorized is let go.
    for (payment, outcome) in [
        ("2", Outcome::NotSent),
        ("3", Outcome::NotSent),
        ("4", Outcome::NotSent),
        ("9", Outcome::NotSent),
    ] {
        ask_and(payment);
        let error = void.void(&attempt, &key, start()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Conflict, outcome),
            "{payment}"
        );
        assert_eq!(script.requests().len(), 1, "{payment}");
        script.clear();
    }
    script.fail(kessai::transport::TransportErrorKind::Timeout);
    assert!(void.void(&attempt, &key, start()).await.is_err());
    assert_eq!(script.requests().len(), 1, "without an answer nothing is ordered");
    for whole in [None, Some(yen(1980))] {
        script.answer(200, answer("ST02-00303-101", ok));
        let receipt = refund.refund(&attempt, whole, &key, start()).await.unwrap();
        assert_eq!(receipt.reference.as_str(), "B99661001ST020020110100361052543");
        check("ST02-00303-101", None);
    }
    script.answer(200, answer("ST02-00307-101", ok));
    let refund_part = in_parts.abilities().refund.unwrap();
    let _ = refund_part
        .refund(&attempt, Some(yen(500)), &key, start())
        .await
        .unwrap();
    check("ST02-00307-101", Some("500"));

    // Not without being allowed, not more than was paid, not in another currency, not for a slip: nothing is sent.
    assert!(refund.refund(&attempt, Some(yen(500)), &key, start()).await.is_err());
    for amount in [yen(1981), yen(0), Money::new(500, Currency::USD)] {
        assert!(refund_part.refund(&attempt, Some(amount), &key, start()).await.is_err());
        assert!(capture.capture(&attempt, Some(amount), &key, start()).await.is_err());
    }
    let slip = reported(&expected, "80312789324672/webcvs/1980");
    assert!(void.void(&slip, &key, start()).await.is_err());
    assert!(
        void.void(&StoredAttempt::new(expected.clone()), &key, start())
            .await
            .is_err()
    );
    assert!(script.requests().is_empty());

    // An answer to another question is no success, and a lost one is not sent again.
    script.answer(200, credit("1", "1"));
    script.answer(200, answer("ST02-00201-101", ok));
    assert!(void.void(&attempt, &key, start()).await.is_err());
    script.requests();
    script.fail(kessai::transport::TransportErrorKind::Timeout);
    let lost = refund_part
        .refund(&attempt, Some(yen(500)), &key, start())
        .await
        .unwrap_err();
    assert_eq!((lost.outcome(), script.requests().len()), (Outcome::Unknown, 1));
}

#[tokio::test]
async fn random_answers_never_panic() {
    let script = Scripted::new();
    let sbps = asking(&script).build().unwrap();
    let attempt = reported(&planned(&sbps), DEAL);
    let genuine = credit("1", "2");
    for at in (0..genuine.len()).filter(|at| genuine.is_char_boundary(*at)) {
        script.answer(200, &genuine[..at]);
        assert!(sbps.status(&attempt, start()).await.is_err(), "cut at {at}");
    }
}
