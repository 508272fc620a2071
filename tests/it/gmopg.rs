//! GMO-PG's wire against its sheet: the shared vectors, the create call, the answers, and what a notification cannot do.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64ct::Encoding as _;
use bytes::Bytes;
use http::Method;
use kessai::gateways::gmopg::{GmoPg, GmoPgBuilder, LinkType};
use kessai::ledger::{Ledger, StoredAttempt};
use kessai::ledgers::MemoryLedger;
use kessai::transport::{RetryPolicy, TransportErrorKind};
use kessai::{
    Addresses, ApiKey, AttemptReference, Callback, CaptureMode, Cashier, CheckoutRequest, Currency, Environment,
    ErrorKind, ExpectedPayment, Gateway, GatewayId, GatewayReference, LineItem, MerchantAccount, MerchantReference,
    Money, OpenError, Outcome, PaymentStatus, Received, Redirect, Standing, SweepPolicy, VerifyError,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::scripted::Scripted;
use crate::support::world::TestClock;
use crate::support::{order, start, yen};

const SHOP: &str = "tshop00099661";
const PASS: &str = "kq7w2x9e";

fn gmo_of(shop: &str, pass: &str) -> GmoPgBuilder {
    GmoPg::builder(
        MerchantAccount::new(shop).unwrap(),
        ApiKey::new(pass).unwrap(),
        "shop01",
        Environment::Sandbox,
        Addresses::new("https://shop.example", "/pay/gmo").unwrap(),
    )
}

fn gmo() -> GmoPgBuilder {
    gmo_of(SHOP, PASS)
}

fn once() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.tries = 1;
    policy
}

fn scripted() -> (GmoPg, Scripted) {
    scripted_as(|gmo| gmo.methods(["credit", "cvs"]))
}

fn scripted_as(set: impl FnOnce(GmoPgBuilder) -> GmoPgBuilder) -> (GmoPg, Scripted) {
    let script = Scripted::new();
    let gateway = set(gmo()).transport(Arc::new(script.clone())).retry(once());
    (gateway.build().unwrap(), script)
}

/// An attempt as it was written down, under a name of the test's choice.
fn attempt(gateway: &GmoPg, name: &str, amount: u64) -> StoredAttempt {
    let request = request("EC-1", amount, CaptureMode::Automatic);
    let mut expected = ExpectedPayment::plan(gateway, &request, start()).unwrap();
    expected.attempt = AttemptReference::new(name).unwrap();
    StoredAttempt::new(expected)
}

fn request(order: &str, amount: u64, capture: CaptureMode) -> CheckoutRequest {
    CheckoutRequest::builder(MerchantReference::new(order).unwrap())
        .item(LineItem::new("Sencha", yen(amount), 1).unwrap())
        .capture(capture)
        .build()
        .unwrap()
}

fn callback(target: &str, body: &str) -> Callback {
    let request = http::Request::post(target).body(Bytes::from(body.to_owned())).unwrap();
    Callback::new(request, start()).unwrap()
}

// ----- vectors -----

/// One shared case, as it stands in its file.
pub fn case(case: &RawValue) -> Result<(), String> {
    let case: Value = serde_json::from_str(case.get()).map_err(|error| format!("is not a case: {error}"))?;
    let valid = judge(&case)?;
    if case["expect"] == if valid { "valid" } else { "invalid" } {
        return Ok(());
    }
    Err(format!("valid is {valid}, and {} was expected", case["expect"]))
}

fn judge(case: &Value) -> Result<bool, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("a text is missing");
    let secret = |name: &str| text(&case["secrets"][name]);
    let (shop, pass, body) = (secret("shop_id")?, secret("shop_pass")?, text(&case["body"])?);
    let sources = case["secrets"]["allowed_sources"].as_array().into_iter().flatten();
    let sources: Vec<IpAddr> = sources.filter_map(|ip| ip.as_str()?.parse().ok()).collect();
    let gateway = gmo_of(&shop, &pass)
        .sources(sources)
        .build()
        .map_err(|error| error.to_string())?;
    match case["kind"].as_str() {
        Some("return") => {
            let order = text(&case["expected"]["order_id"])?;
            let Ok(hint) = gateway.returned(&callback("/pay/gmo/return", &body)) else {
                return Ok(false);
            };
            // What the cashier compares with the attempt that the return URL names.
            Ok(hint.subject.attempt.is_some_and(|named| named.as_str() == order))
        }
        Some("callback") => {
            let expected = &case["expected"];
            let total = expected["amount"].as_u64().unwrap_or(0) + expected["tax"].as_u64().unwrap_or(0);
            let mut stored = attempt(&gateway, &text(&expected["order_id"])?, total);
            stored.payment = expected["access_id"]
                .as_str()
                .map(|id| GatewayReference::new(id).unwrap());
            let mut callback = callback("/pay/gmo/notification", &body);
            if let Some(peer) = case["remote_addr"].as_str().and_then(|ip| ip.parse().ok()) {
                callback = callback.with_peer(peer);
            }
            Ok(gateway.notification_agrees(&callback, &stored).unwrap_or(false))
        }
        Some("request_signature") => {
            // The hash at the end of the link is the one this shop's password gives.
            let segment = body.rsplit('/').next().unwrap_or_default();
            // And the text before it is the request that was meant.
            let carried = segment.split('.').next().unwrap_or_default();
            let meant = text(&case["inputs"]["json"])?;
            if base64ct::Base64::decode_vec(carried).ok().as_deref() != Some(meant.as_bytes()) {
                return Ok(false);
            }
            let signed = callback("/pay/gmo/return", &format!("result={segment}"));
            // Its content is no result, so after the hash it is the payload that is refused.
            Ok(matches!(gateway.returned(&signed), Err(VerifyError::Payload(_))))
        }
        other => Err(format!("a kind that is not known: {other:?}")),
    }
}

#[test]
fn a_case_that_is_turned_around_disagrees() {
    let mut cases: Vec<Value> = serde_json::from_str(include_str!("../vectors/gmopg.json")).unwrap();
    for turned in &mut cases {
        turned["expect"] = json!(if turned["expect"] == "valid" {
            "invalid"
        } else {
            "valid"
        });
        let turned = RawValue::from_string(turned.to_string()).unwrap();
        assert!(case(&turned).is_err(), "{turned}");
    }
}

// ----- checkout -----

#[tokio::test]
async fn the_create_call_says_what_the_sheet_says_and_its_link_is_kept() {
    let (gateway, script) = scripted();
    let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
        .item(LineItem::new("Sencha", yen(1320), 1).unwrap())
        .email(kessai::Email::new("buyer@example.com").unwrap())
        .locale(kessai::Locale::new("ja-JP").unwrap())
        .build()
        .unwrap();
    let expected = ExpectedPayment::plan(&gateway, &request, start()).unwrap();
    let id = expected.attempt.as_str().to_owned();
    assert!(id.len() <= 27 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    let link = format!(
        "https://stg.link.mul-pay.jp/v2/plus/{SHOP}/checkout/{}",
        "ab".repeat(32)
    );
    script.answer(
        200,
        json!({"OrderID": id, "LinkUrl": link, "ProcessDate": "20261101101500",
        "WarnList": [{"warnCode": "EZ4", "warnInfo": "EZ4136014"}]})
        .to_string(),
    );
    let checkout = gateway.checkout(&expected, &request).await.unwrap();
    assert!(matches!(&checkout.redirect, Redirect::Get(url) if url.as_str() == link));
    assert!(checkout.kept.is_some());

    let sent = script.one_request();
    assert_eq!(sent.uri(), "https://pt01.mul-pay.jp/payment/GetLinkplusUrlPayment.json");
    assert_eq!(sent.headers()["content-type"], "application/json;charset=utf-8");
    let body: Value = serde_json::from_slice(sent.body()).unwrap();
    let back = format!(
        "https://shop.example/pay/gmo/return?attempt={id}&state={}",
        expected.return_token.as_str()
    );
    assert_eq!(
        body,
        json!({
            "configid": "shop01",
            "geturlparam": {"ShopID": SHOP, "ShopPass": PASS},
            "transaction": {"OrderID": id, "Amount": 1320, "Tax": 0, "PayMethods": ["credit", "cvs"], "RetUrl": back,
                "CompleteUrl": back, "CancelUrl": back.replace("/return", "/cancel"),
                "PaymentExpireDate": "202611241113", "ResultSkipFlag": "1"},
            "displaysetting": {"Lang": "ja"},
            "customer": {"MailAddress": "buyer@example.com"},
            "credit": {"JobCd": "CAPTURE", "Method": "1", "TdFlag": "2", "Tds2Type": "2"}
        })
    );
}

#[tokio::test]
async fn what_gmo_cannot_take_is_refused_before_anything_is_written() {
    let (gateway, _) = scripted();
    let euro = LineItem::new("tea", Money::new(100, Currency::EUR), 1).unwrap();
    let euro = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap()).item(euro);
    assert!(gateway.plan(&euro.build().unwrap()).is_err());
    for amount in [10_000_000, 99_999_999, u64::MAX] {
        assert!(
            gateway.plan(&request("EC-1", amount, CaptureMode::Automatic)).is_err(),
            "{amount}"
        );
    }
    for minutes in [0, 9, 61 * 24 * 60] {
        let asked = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
            .item(LineItem::new("tea", yen(100), 1).unwrap())
            .valid_for(Duration::from_secs(minutes * 60));
        if let Ok(asked) = asked.build() {
            assert!(gateway.plan(&asked).is_err(), "{minutes}");
        }
    }
    let plan = gateway.plan(&request("EC-1", 9_999_999, CaptureMode::Automatic));
    assert_eq!(plan.unwrap().valid_for, Duration::from_secs(86_400));
    for minutes in [10, 60 * 24 * 60] {
        let asked = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
            .item(LineItem::new("tea", yen(100), 1).unwrap())
            .valid_for(Duration::from_secs(minutes * 60));
        assert!(gateway.plan(&asked.build().unwrap()).is_ok(), "{minutes}");
    }
}

#[tokio::test]
async fn answers_to_a_create_that_lead_nowhere_are_refused() {
    let (gateway, script) = scripted();
    let request = order("EC-1");
    let expected = ExpectedPayment::plan(&gateway, &request, start()).unwrap();
    let id = expected.attempt.as_str();
    let link = format!("https://stg.link.mul-pay.jp/v2/plus/{SHOP}/checkout/ab");
    let bad_info = |info: &str| json!([{"ErrCode": &info[..3], "ErrInfo": info}]).to_string();
    for (what, status, body, kind, outcome) in [
        (
            "another order",
            200,
            json!({"OrderID": "other", "LinkUrl": link}).to_string(),
            ErrorKind::Protocol,
            Outcome::Unknown,
        ),
        (
            "another host",
            200,
            json!({"OrderID": id, "LinkUrl": "https://evil.example/x"}).to_string(),
            ErrorKind::Protocol,
            Outcome::Unknown,
        ),
        (
            "live host",
            200,
            json!({"OrderID": id, "LinkUrl": link.replace("stg.", "")}).to_string(),
            ErrorKind::Protocol,
            Outcome::Unknown,
        ),
        (
            "no link",
            200,
            json!({"OrderID": id}).to_string(),
            ErrorKind::Protocol,
            Outcome::Unknown,
        ),
        ("HTML", 200, "<html>".to_owned(), ErrorKind::Protocol, Outcome::Unknown),
        (
            "a proxy's 400",
            400,
            "bad request".to_owned(),
            ErrorKind::Protocol,
            Outcome::Unknown,
        ),
        ("500", 500, String::new(), ErrorKind::Unavailable, Outcome::Unknown),
        ("redirect", 302, String::new(), ErrorKind::Protocol, Outcome::Unknown),
        (
            "wrong password",
            400,
            bad_info("E01030002"),
            ErrorKind::Authentication,
            Outcome::Refused,
        ),
        (
            "used order",
            400,
            bad_info("E01040010"),
            ErrorKind::Conflict,
            Outcome::Unknown,
        ),
        (
            "long order",
            400,
            bad_info("E01040003"),
            ErrorKind::Request,
            Outcome::Refused,
        ),
        (
            "input",
            400,
            bad_info("EZ1004001"),
            ErrorKind::Request,
            Outcome::Refused,
        ),
        (
            "running",
            400,
            bad_info("E90010001"),
            ErrorKind::Conflict,
            Outcome::Unknown,
        ),
        (
            "busy",
            400,
            bad_info("E92000001"),
            ErrorKind::RateLimited,
            Outcome::Refused,
        ),
        (
            "new code",
            400,
            bad_info("X99999999"),
            ErrorKind::Protocol,
            Outcome::Unknown,
        ),
        (
            "small letters",
            400,
            json!([{"errCode": "E01", "errInfo": "E01030002"}]).to_string(),
            ErrorKind::Authentication,
            Outcome::Refused,
        ),
    ] {
        script.answer(status, body);
        let error = gateway.checkout(&expected, &request).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{what}");
        assert!(!format!("{error} {error:?}").contains(PASS), "{what}");
    }
    let changed = gateway.checkout(&expected, &order("EC-2")).await.unwrap_err();
    assert_eq!(changed.outcome(), Outcome::NotSent);
}

#[tokio::test]
async fn a_parameter_link_is_built_without_a_call_and_is_safe_in_an_address() {
    let gateway = gmo()
        .link(LinkType::Parameter)
        .transport(Arc::new(Scripted::new()))
        .build()
        .unwrap();
    let request = order("EC-1");
    let expected = ExpectedPayment::plan(&gateway, &request, start()).unwrap();
    let checkout = gateway.checkout(&expected, &request).await.unwrap();
    let Redirect::Get(url) = &checkout.redirect else {
        panic!("a link")
    };
    let rest = url
        .as_str()
        .strip_prefix(&format!("https://stg.link.mul-pay.jp/v1/plus/{SHOP}/checkout/"))
        .unwrap();
    assert!(
        rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.'),
        "{rest}"
    );
    assert!(!url.as_str().contains(PASS));
    // Whoever sees the address reads it: the order is in it, and nobody's name or address (PAY-09).
    let with_email = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
        .item(LineItem::new("Sencha", yen(1320), 1).unwrap())
        .email(kessai::Email::new("buyer@example.com").unwrap())
        .build()
        .unwrap();
    let planned = ExpectedPayment::plan(&gateway, &with_email, start()).unwrap();
    let Redirect::Get(link) = gateway.checkout(&planned, &with_email).await.unwrap().redirect else {
        panic!("a link")
    };
    let text = link.as_str().rsplit('/').next().unwrap().split('.').next().unwrap();
    let text = String::from_utf8(base64ct::Base64::decode_vec(text).unwrap()).unwrap();
    assert!(text.contains(planned.attempt.as_str()) && !text.contains("buyer") && !text.contains('@'));
    // The same again: it is made anew, so it need not be kept.
    let again = gateway.checkout(&expected, &request).await.unwrap();
    assert!(again.kept.is_none());
    assert!(matches!(&again.redirect, Redirect::Get(other) if other.as_str() == url.as_str()));
}

// ----- notification and return -----

fn note(changes: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("ShopID", SHOP),
        ("ShopPass", "**********"),
        ("AccessID", "5f2c9a1e7b3d40688c11aa02d94e6f73"),
        ("OrderID", "EC20261101-000123"),
        ("Status", "CAPTURE"),
        ("Amount", "1320"),
        ("Tax", "0"),
        ("Currency", "JPN"),
        ("PayType", "0"),
    ];
    for (name, value) in changes {
        fields.retain(|(field, _)| field != name);
        fields.push((name, value));
    }
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

#[tokio::test]
async fn a_notification_is_a_hint_whatever_it_says() {
    let gateway = gmo().build().unwrap();
    for status in ["CAPTURE", "PAYSUCCESS", "SALES", "AUTH", "REQSUCCESS", "???"] {
        let body = note(&[("Status", status)]);
        let received = gateway
            .receive(&callback("/pay/gmo/notification", &body))
            .await
            .unwrap();
        assert!(matches!(received, Received::Hint(_)), "{status}");
    }
}

#[tokio::test]
async fn notifications_that_cannot_be_ours_are_refused() {
    let gateway = gmo().build().unwrap();
    let twice = format!("{}&Status=CAPTURE", note(&[]));
    let disguised = format!("{}&%53tatus=CAPTURE", note(&[]));
    for (what, body) in [
        ("nothing", String::new()),
        ("another shop", note(&[("ShopID", "tshop00000001")])),
        ("no shop", note(&[("ShopID", "")])),
        ("a shop in part", note(&[("ShopID", "tshop0009966")])),
        ("no order", note(&[("OrderID", "")])),
        ("an odd order", note(&[("OrderID", "a%26b")])),
        ("another currency", note(&[("Currency", "USD")])),
        ("a field twice", twice),
        ("a field twice in disguise", disguised),
        ("a broken escape", note(&[("Approve", "%2")])),
        ("JSON", "{\"ShopID\":\"tshop00099661\"}".to_owned()),
    ] {
        let refused = gateway.receive(&callback("/pay/gmo/notification", &body)).await;
        assert!(refused.is_err(), "{what}");
    }
    for method in [http::Method::GET, http::Method::PUT] {
        let mut request = http::Request::new(Bytes::from(note(&[])));
        *request.method_mut() = method.clone();
        *request.uri_mut() = "/pay/gmo/notification".parse().unwrap();
        let refused = gateway.receive(&Callback::new(request, start()).unwrap()).await;
        assert!(refused.is_err(), "{method}");
    }
    let listed = gmo().sources(["192.0.2.10".parse().unwrap()]).build().unwrap();
    let body = note(&[]);
    let message = || callback("/pay/gmo/notification", &body);
    assert!(listed.receive(&message()).await.is_err(), "no peer is told");
    assert!(
        listed
            .receive(&message().with_peer("192.0.2.11".parse().unwrap()))
            .await
            .is_err()
    );
    assert!(
        listed
            .receive(&message().with_peer("192.0.2.10".parse().unwrap()))
            .await
            .is_ok()
    );
}

#[test]
fn replies_are_one_digit() {
    let gateway = gmo().build().unwrap();
    let refusal = VerifyError::Missing("ShopID");
    for (ack, digit) in [
        (kessai::Ack::Done, &b"0"[..]),
        (kessai::Ack::Retry, b"1"),
        (kessai::Ack::Refused, b"1"),
    ] {
        let reply = gateway.acknowledge(Err(&refusal), ack);
        assert_eq!((reply.status().as_u16(), &reply.body()[..]), (200, digit));
    }
}

#[test]
fn a_return_by_two_ways_at_once_or_of_another_shop_is_refused() {
    let gateway = gmo().build().unwrap();
    let cases: Vec<Value> = serde_json::from_str(include_str!("../vectors/gmopg.json")).unwrap();
    let body = cases[0]["body"].as_str().unwrap();
    assert!(gateway.returned(&callback("/pay/gmo/return?a=b", body)).is_ok());
    for (what, target, body) in [
        ("both", format!("/pay/gmo/return?{body}"), body.to_owned()),
        (
            "twice in the body",
            "/pay/gmo/return".to_owned(),
            format!("{body}&{body}"),
        ),
        (
            "twice in the query",
            format!("/pay/gmo/return?{body}&{body}"),
            String::new(),
        ),
        ("empty", "/pay/gmo/return?result=".to_owned(), String::new()),
    ] {
        assert!(gateway.returned(&callback(&target, &body)).is_err(), "{what}");
    }
    let other = gmo_of("tshop00099662", "zz7w2x9e").build().unwrap();
    assert_eq!(
        other.returned(&callback("/pay/gmo/return", body)).err(),
        Some(VerifyError::Mismatch)
    );
    // A reload of the return page carries none, and says nothing.
    let get = http::Request::builder()
        .method(Method::GET)
        .uri("/pay/gmo/return?attempt=a&state=b");
    let reload = Callback::new(get.body(Bytes::new()).unwrap(), start()).unwrap();
    assert_eq!(gateway.returned(&reload).unwrap().subject, kessai::Subject::new());
}

#[test]
fn a_shopper_who_left_before_paying_is_seen_by_either_sign() {
    let gateway = gmo().build().unwrap();
    let cases: Vec<Value> = serde_json::from_str(include_str!("../vectors/gmopg.json")).unwrap();
    let body = |name: &str| {
        let case = cases.iter().find(|case| case["name"] == name).unwrap();
        case["body"].as_str().unwrap().to_owned()
    };
    let cancelled = |target: &str, body: &str| gateway.returned(&callback(target, body)).unwrap().cancelled;
    let (paid, left) = (body("ret_paysuccess_capture"), body("ret_paystart_left_page"));
    let address = "/pay/gmo/cancel".to_owned();
    for (target, body, expected) in [
        ("/pay/gmo/return", &paid, false),
        ("/pay/gmo/return", &left, true),
        (&address, &paid, true),
        (&address, &left, true),
        ("/pay/gmo/return", &String::new(), false),
        (&address, &String::new(), true),
    ] {
        assert_eq!(cancelled(target, body), expected, "{target} {body}");
    }
}

// ----- status -----

const RECORDED: &str = "Status=CAPTURE&ProcessDate=20261101101639&JobCd=CAPTURE&AccessID=5f2c9a1e7b3d40688c11aa02d94e6f73&\
                        AccessPass=4099664bd4b110800e09805539d1d7b5&ItemCode=0000990&Amount=1320&Tax=0&SiteID=&MemberID=&\
                        CardNo=&Expire=&Method=1&PayTimes=&Forward=2a99662&TranID=2611011016311111111111878654&\
                        Approve= 019292&ClientField1=&PayType=0&CvsCode=&PaymentTerm=&Currency=JPN";
const NO_SUCH_ORDER: &str = "ErrCode=M01&ErrInfo=M01004002";

#[tokio::test]
async fn every_word_of_the_status_table_is_read_as_the_sheet_says() {
    let (gateway, script) = scripted_as(|gmo| gmo);
    let stored = attempt(&gateway, "EC20261101-000123", 1320);
    for (word, status) in [
        ("UNPROCESSED", PaymentStatus::Created),
        ("AUTHENTICATED", PaymentStatus::RequiresAction),
        ("AUTHPROCESS", PaymentStatus::Pending),
        ("TRADING", PaymentStatus::Pending),
        ("REQSALES", PaymentStatus::Pending),
        ("REQSUCCESS", PaymentStatus::Pending),
        ("CHECK", PaymentStatus::Created),
        ("AUTH", PaymentStatus::Authorized),
        ("SAUTH", PaymentStatus::Authorized),
        ("CAPTURE", PaymentStatus::Captured),
        ("SALES", PaymentStatus::Captured),
        ("PAYSUCCESS", PaymentStatus::Captured),
        ("VOID", PaymentStatus::Cancelled),
        ("RETURN", PaymentStatus::Refunded),
        ("RETURNX", PaymentStatus::Refunded),
        ("CANCEL", PaymentStatus::Cancelled),
        ("STOP", PaymentStatus::Cancelled),
        ("FORCECANCEL", PaymentStatus::Cancelled),
        ("PAYCANCEL", PaymentStatus::Cancelled),
        ("PAYFAIL", PaymentStatus::Failed),
        ("EXPIRED", PaymentStatus::Expired),
        ("INVOICE", PaymentStatus::Pending),
        ("SHIPPED", PaymentStatus::Pending),
        ("SOMETHING", PaymentStatus::Unknown),
    ] {
        script.answer(200, RECORDED.replace("Status=CAPTURE", &format!("Status={word}")));
        let event = gateway.status(&stored, start()).await.unwrap();
        assert_eq!(event.value().snapshot.status, status, "{word}");
        assert_eq!(event.value().snapshot.amount, Some(yen(1320)), "{word}");
        assert_eq!(event.value().subject.attempt.as_ref(), Some(stored.reference()));
    }
    let sent = script.requests();
    let body = format!("ShopID={SHOP}&ShopPass={PASS}&OrderID=EC20261101-000123&PayType=0");
    assert_eq!(
        (sent[0].uri().path(), &sent[0].body()[..]),
        ("/payment/SearchTradeMulti.idPass", body.as_bytes())
    );
}

#[tokio::test]
async fn each_offered_method_is_asked_until_one_knows_the_order() {
    let (gateway, script) = scripted();
    let stored = attempt(&gateway, "EC20261101-000123", 1320);
    script
        .answer(200, NO_SUCH_ORDER)
        .answer(200, RECORDED.replace("PayType=0", "PayType=3"));
    let event = gateway.status(&stored, start()).await.unwrap();
    assert_eq!(event.value().snapshot.status, PaymentStatus::Captured);
    let bodies: Vec<_> = script.requests().into_iter().map(http::Request::into_body).collect();
    assert!(bodies[0].ends_with(b"PayType=0") && bodies[1].ends_with(b"PayType=3"));

    for (later, status) in [
        (0, PaymentStatus::Created),
        (24 * 3600 + 3599, PaymentStatus::Created),
        (25 * 3600, PaymentStatus::Expired),
    ] {
        script.answer(200, NO_SUCH_ORDER).answer(200, NO_SUCH_ORDER);
        let event = gateway
            .status(&stored, start() + Duration::from_secs(later))
            .await
            .unwrap();
        assert_eq!(event.value().snapshot.status, status, "{later}");
    }
}

#[tokio::test]
async fn answers_that_are_not_about_this_order_or_not_readable_are_no_answer() {
    let (gateway, script) = scripted();
    let stored = attempt(&gateway, "EC20261101-000123", 1320);
    for (what, status, body) in [
        ("another order", 200, format!("OrderID=EC20261101-000124&{RECORDED}")),
        (
            "another currency",
            200,
            RECORDED.replace("Currency=JPN", "Currency=USD"),
        ),
        ("another method", 200, RECORDED.replace("PayType=0", "PayType=3")),
        ("no status", 200, RECORDED.replace("Status=CAPTURE&", "")),
        ("a status twice", 200, format!("{RECORDED}&Status=AUTH")),
        ("nothing", 200, String::new()),
        ("HTML", 200, "<html><body>maintenance</body></html>".to_owned()),
        ("500", 500, RECORDED.to_owned()),
        ("302", 302, String::new()),
        (
            "the recorded complaint",
            200,
            "ErrCode=M01|M01|M01&ErrInfo=M01051005|M01051011|M01004002".to_owned(),
        ),
        ("wrong password", 200, "ErrCode=E01&ErrInfo=E01030002".to_owned()),
        ("busy", 200, "ErrCode=E92&ErrInfo=E92000001".to_owned()),
        ("a new code", 200, "ErrCode=ZZZ&ErrInfo=ZZZ000001".to_owned()),
    ] {
        script.answer(status, body);
        assert!(gateway.status(&stored, start()).await.is_err(), "{what}");
    }
}

#[tokio::test]
async fn amounts_count_with_their_tax_and_unreadable_ones_are_no_amounts() {
    let (gateway, script) = scripted();
    let stored = attempt(&gateway, "EC20261101-000123", 1320);
    for (amount, tax, told) in [
        ("1200", "120", Some(1320)),
        ("1320", "", Some(1320)),
        ("1320", "0", Some(1320)),
        ("1", "0", Some(1)),
        ("", "0", None),
        ("1,320", "0", None),
        ("-1320", "0", None),
        ("13200000", "0", None),
        ("1320", "x", None),
        ("1320", "\u{ff10}", None),
    ] {
        script.answer(
            200,
            RECORDED.replace("Amount=1320&Tax=0", &format!("Amount={amount}&Tax={tax}")),
        );
        let event = gateway.status(&stored, start()).await.unwrap();
        assert_eq!(event.value().snapshot.amount, told.map(yen), "{amount} and {tax}");
    }
    // A part went back: of money that was seen whole before, and of no other.
    let smaller = RECORDED.replace("Amount=1320", "Amount=1000");
    let mut paid = stored.clone();
    paid.status = PaymentStatus::Captured;
    script.answer(200, &*smaller);
    let event = gateway.status(&paid, start()).await.unwrap().into_value();
    assert_eq!(event.snapshot.status, PaymentStatus::PartiallyRefunded);
    assert_eq!(
        (event.snapshot.amount, event.snapshot.refunded),
        (Some(yen(1320)), Some(yen(320)))
    );
    script.answer(200, &*smaller);
    let event = gateway.status(&stored, start()).await.unwrap().into_value();
    assert_eq!(
        (event.snapshot.status, event.snapshot.amount),
        (PaymentStatus::Captured, Some(yen(1000)))
    );
    // The rest went back behind the part.
    script.answer(200, smaller.replace("Status=CAPTURE", "Status=RETURN"));
    let event = gateway.status(&paid, start()).await.unwrap().into_value();
    assert_eq!(
        (event.snapshot.status, event.snapshot.amount),
        (PaymentStatus::Refunded, Some(yen(1320)))
    );
    // Nothing went back.
    script.answer(200, RECORDED);
    let event = gateway.status(&paid, start()).await.unwrap().into_value();
    assert_eq!(
        (event.snapshot.status, event.snapshot.refunded),
        (PaymentStatus::Captured, None)
    );
}

fn deal(status: &str, pay_type: &str, access: char) -> String {
    RECORDED
        .replace("Status=CAPTURE", &format!("Status={status}"))
        .replace("PayType=0", &format!("PayType={pay_type}"))
        .replace("5f2c9a1e7b3d40688c11aa02d94e6f73", &access.to_string().repeat(32))
}

#[tokio::test]
async fn a_deal_that_was_begun_and_left_ends_with_its_page() {
    let (gateway, script) = scripted_as(|gmo| gmo);
    let stored = attempt(&gateway, "EC20261101-000123", 1320);
    for (word, open) in [
        ("UNPROCESSED", PaymentStatus::Created),
        ("CHECK", PaymentStatus::Created),
        ("AUTHENTICATED", PaymentStatus::RequiresAction),
    ] {
        for (later, status) in [(0, open), (24 * 3600 + 3599, open), (25 * 3600, PaymentStatus::Expired)] {
            script.answer(200, deal(word, "0", 'a'));
            let at = start() + Duration::from_secs(later);
            let event = gateway.status(&stored, at).await.unwrap().into_value();
            assert_eq!(event.snapshot.status, status, "{word} {later}");
        }
    }
    // What is under way at somebody else's is not over with the page, and money never is.
    for (word, status) in [
        ("AUTHPROCESS", PaymentStatus::Pending),
        ("REQSUCCESS", PaymentStatus::Pending),
        ("CAPTURE", PaymentStatus::Captured),
        ("PAID", PaymentStatus::Unknown),
    ] {
        script.answer(200, deal(word, "0", 'a'));
        let at = start() + Duration::from_secs(90 * 24 * 3600);
        let event = gateway.status(&stored, at).await.unwrap().into_value();
        assert_eq!(event.snapshot.status, status, "{word}");
    }
}

#[tokio::test]
async fn closing_ends_what_has_not_begun_and_no_more() {
    let (gateway, script) = scripted_as(|gmo| gmo);
    let stored = attempt(&gateway, "EC20261101-000123", 1320);
    let closed = json!({"OrderID": "EC20261101-000123", "Status": "x"}).to_string();
    let expire = gateway.abilities().expire.unwrap();
    for (answer, status) in [
        (NO_SUCH_ORDER.to_owned(), PaymentStatus::Expired),
        (deal("UNPROCESSED", "0", 'a'), PaymentStatus::Expired),
        // Somebody may be at the bank.
        (deal("AUTHENTICATED", "0", 'a'), PaymentStatus::RequiresAction),
        (deal("REQSUCCESS", "0", 'a'), PaymentStatus::Pending),
        (deal("AUTH", "0", 'a'), PaymentStatus::Authorized),
        (deal("CAPTURE", "0", 'a'), PaymentStatus::Captured),
        (deal("PAID", "0", 'a'), PaymentStatus::Unknown),
    ] {
        script.answer(200, &*closed).answer(200, &*answer);
        let event = expire.expire(&stored, start()).await.unwrap().into_value();
        assert_eq!(event.snapshot.status, status, "{answer}");
    }
    // What was not closed is not over.
    script.answer(400, json!([{"ErrCode": "EZ1", "ErrInfo": "EZ1004001"}]).to_string());
    assert!(expire.expire(&stored, start()).await.is_err());
}

#[tokio::test]
async fn a_try_without_money_under_one_method_does_not_hide_another_method() {
    let (gateway, script) = scripted();
    let stored = attempt(&gateway, "EC20261101-000123", 1320);
    let failed = format!("{}&ErrCode=42G&ErrInfo=42G020000", deal("UNPROCESSED", "0", 'a'));
    let slip = |status| deal(status, "3", 'b');
    for (by_card, by_slip, status) in [
        (failed.clone(), slip("PAYSUCCESS"), PaymentStatus::Captured),
        (failed.clone(), slip("REQSUCCESS"), PaymentStatus::Pending),
        (failed.clone(), NO_SUCH_ORDER.to_owned(), PaymentStatus::Failed),
        (
            deal("UNPROCESSED", "0", 'a'),
            slip("PAYSUCCESS"),
            PaymentStatus::Captured,
        ),
        (deal("UNPROCESSED", "0", 'a'), slip("EXPIRED"), PaymentStatus::Created),
        (
            deal("AUTHENTICATED", "0", 'a'),
            slip("REQSUCCESS"),
            PaymentStatus::RequiresAction,
        ),
        (deal("PAID", "0", 'a'), slip("REQSUCCESS"), PaymentStatus::Unknown),
        (NO_SUCH_ORDER.to_owned(), slip("EXPIRED"), PaymentStatus::Expired),
    ] {
        script.answer(200, &*by_card).answer(200, &*by_slip);
        let event = gateway.status(&stored, start()).await.unwrap().into_value();
        assert_eq!(event.snapshot.status, status, "{by_card} {by_slip}");
        assert_eq!(script.requests().len(), 2);
        // A name is bound with money alone, so that the next try finds the place free.
        assert_eq!(
            event.subject.payment.is_some(),
            status.has_money(),
            "{by_card} {by_slip}"
        );
    }
    // Money ends the asking; a method that gives no answer leaves it open.
    script.answer(200, RECORDED);
    assert!(gateway.status(&stored, start()).await.is_ok());
    assert_eq!(script.requests().len(), 1);
    script.answer(200, &*failed).fail(TransportErrorKind::Timeout);
    let error = gateway.status(&stored, start()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);

    // Once a name is bound, every answer is held against it, and the deal of that name speaks before others.
    let mut bound = stored.clone();
    bound.payment = Some(GatewayReference::new("a".repeat(32)).unwrap());
    script.requests();
    script
        .answer(200, deal("VOID", "0", 'a'))
        .answer(200, slip("REQSUCCESS"));
    let event = gateway.status(&bound, start()).await.unwrap().into_value();
    assert_eq!(event.snapshot.status, PaymentStatus::Cancelled);
    assert_eq!(event.subject.payment, bound.payment);
    script.answer(200, failed).answer(200, slip("PAYSUCCESS"));
    let event = gateway.status(&bound, start()).await.unwrap().into_value();
    assert_eq!(event.subject.payment.unwrap().as_str(), "b".repeat(32));

    // A deal that was called off had money once, so its name counts also where nothing was bound yet.
    script.answer(200, deal("VOID", "0", 'a')).answer(200, NO_SUCH_ORDER);
    let event = gateway.status(&stored, start()).await.unwrap().into_value();
    assert_eq!(event.snapshot.status, PaymentStatus::Cancelled);
    assert_eq!(event.subject.payment, bound.payment);
}

#[tokio::test]
async fn a_sale_that_was_called_off_went_back() {
    let (gateway, script) = scripted_as(|gmo| gmo);
    let mut stored = attempt(&gateway, "EC20261101-000123", 1320);
    for word in ["VOID", "CANCEL", "PAYCANCEL"] {
        for (known, status) in [
            (PaymentStatus::Created, PaymentStatus::Cancelled),
            (PaymentStatus::Authorized, PaymentStatus::Cancelled),
            (PaymentStatus::Captured, PaymentStatus::Refunded),
            (PaymentStatus::PartiallyRefunded, PaymentStatus::Refunded),
        ] {
            stored.status = known;
            script.answer(200, deal(word, "0", 'a'));
            let event = gateway.status(&stored, start()).await.unwrap().into_value();
            assert_eq!(event.snapshot.status, status, "{word} {known}");
            assert_eq!(event.snapshot.amount, Some(yen(1320)));
        }
    }
}

// ----- expire, capture, void, refund -----

const CHANGED: &str = "AccessID=5f2c9a1e7b3d40688c11aa02d94e6f73&AccessPass=4099664bd4b110800e09805539d1d7b5&\
                       Forward=2a99662&Approve=019292&TranID=2611011016311111111111878655&TranDate=20261101111639";

#[tokio::test]
async fn capture_void_and_refund_ask_first_and_never_repeat() {
    let (gateway, script) = scripted_as(GmoPgBuilder::partial_refunds);
    let stored = attempt(&gateway, "EC20261101-000123", 1320);
    let key = kessai::IdempotencyKey::random().unwrap();
    let authorized = RECORDED
        .replace("Status=CAPTURE", "Status=AUTH")
        .replace("JobCd=CAPTURE", "JobCd=AUTH");
    let abilities = gateway.abilities();
    let sent = || {
        let request = script.requests().pop().unwrap();
        (
            request.uri().path().to_owned(),
            String::from_utf8(request.body().to_vec()).unwrap(),
        )
    };

    script.answer(200, &*authorized).answer(200, CHANGED);
    abilities
        .capture
        .unwrap()
        .capture(&stored, None, &key, start())
        .await
        .unwrap();
    let (path, body) = sent();
    assert_eq!(path, "/payment/AlterTran.idPass");
    assert!(
        body.ends_with("&JobCd=SALES&Amount=1320&Tax=0")
            && body.contains("AccessPass=4099664bd4b110800e09805539d1d7b5")
    );

    script.answer(200, &*authorized).answer(200, CHANGED);
    abilities.void.unwrap().void(&stored, &key, start()).await.unwrap();
    assert!(sent().1.ends_with("&JobCd=VOID"));

    script.answer(200, RECORDED).answer(200, CHANGED);
    let receipt = abilities
        .refund
        .unwrap()
        .refund(&stored, Some(yen(320)), &key, start())
        .await
        .unwrap();
    assert_eq!(receipt.reference.as_str(), "2611011016311111111111878655");
    let (path, body) = sent();
    assert_eq!(path, "/payment/ChangeTran.idPass");
    assert!(body.ends_with("&JobCd=CAPTURE&Amount=1000&Tax=0"), "{body}");

    let impossible = "ErrCode=E11&ErrInfo=E11010003";
    script
        .answer(200, RECORDED)
        .answer(200, impossible)
        .answer(200, impossible)
        .answer(200, CHANGED);
    abilities
        .refund
        .unwrap()
        .refund(&stored, None, &key, start())
        .await
        .unwrap();
    let jobs: Vec<String> = script
        .requests()
        .iter()
        .skip(1)
        .map(|request| {
            let body = String::from_utf8(request.body().to_vec()).unwrap();
            body.split_once("&JobCd=").unwrap().1.to_owned()
        })
        .collect();
    assert_eq!(jobs, ["VOID", "RETURN&Amount=1320&Tax=0", "RETURNX&Amount=1320&Tax=0"]);

    // A lost reply is unknown: the next way back is not tried.
    script.answer(200, RECORDED).fail(TransportErrorKind::Timeout);
    let error = abilities
        .refund
        .unwrap()
        .refund(&stored, None, &key, start())
        .await
        .unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(script.requests().len(), 2);

    let smaller = RECORDED.replace("Amount=1320", "Amount=1000");
    let mut reduced = stored.clone();
    reduced.status = PaymentStatus::PartiallyRefunded;
    reduced.payment = Some(GatewayReference::new("5f2c9a1e7b3d40688c11aa02d94e6f73").unwrap());
    for (what, stored, deal, amount, asked) in [
        ("more than there was", &stored, RECORDED, Some(yen(1321)), 0),
        ("nothing", &stored, RECORDED, Some(yen(0)), 0),
        ("dollars", &stored, RECORDED, Some(Money::new(1320, Currency::USD)), 0),
        (
            "a part in dollars",
            &stored,
            RECORDED,
            Some(Money::new(320, Currency::USD)),
            0,
        ),
        ("more than is left", &reduced, &*smaller, Some(yen(1001)), 1),
        ("what is not captured", &stored, &*authorized, None, 1),
    ] {
        script.answer(200, deal).answer(200, CHANGED);
        let refused = abilities.refund.unwrap().refund(stored, amount, &key, start()).await;
        assert_eq!(refused.unwrap_err().outcome(), Outcome::NotSent, "{what}");
        assert_eq!(script.requests().len(), asked, "{what}");
        script.clear();
    }
    script.answer(200, &*authorized);
    assert!(
        abilities
            .capture
            .unwrap()
            .capture(&stored, Some(yen(1)), &key, start())
            .await
            .is_err()
    );
    script.answer(200, RECORDED);
    assert!(abilities.void.unwrap().void(&stored, &key, start()).await.is_err());
}

#[tokio::test]
async fn refunds_in_parts_have_to_be_allowed() {
    let (gateway, script) = scripted_as(|gmo| gmo);
    let stored = attempt(&gateway, "EC20261101-000123", 1320);
    let key = kessai::IdempotencyKey::random().unwrap();
    let refund = gateway.abilities().refund.unwrap();
    let error = refund.refund(&stored, Some(yen(320)), &key, start()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(script.requests().is_empty());
    script.answer(200, RECORDED).answer(200, CHANGED);
    assert!(refund.refund(&stored, Some(yen(1320)), &key, start()).await.is_ok());
}

#[tokio::test]
async fn orders_are_about_the_deal_of_the_attempt_and_no_other() {
    let (gateway, script) = scripted_as(|gmo| gmo);
    let stored = attempt(&gateway, "EC20261101-000123", 1320);
    let mut bound = stored.clone();
    bound.payment = Some(GatewayReference::new("a".repeat(32)).unwrap());
    let key = kessai::IdempotencyKey::random().unwrap();
    let abilities = gateway.abilities();
    let (capture, void, refund) = (
        abilities.capture.unwrap(),
        abilities.void.unwrap(),
        abilities.refund.unwrap(),
    );
    // Another deal than the bound one; and before one is bound, one of another sum.
    let other_sum = |word| deal(word, "0", 'b').replace("Amount=1320", "Amount=132");
    for (stored, authorized, sold) in [
        (&bound, deal("AUTH", "0", 'b'), deal("CAPTURE", "0", 'b')),
        (&stored, other_sum("AUTH"), other_sum("CAPTURE")),
    ] {
        script.answer(200, &*authorized);
        assert!(capture.capture(stored, None, &key, start()).await.is_err());
        script.answer(200, &*authorized);
        assert!(void.void(stored, &key, start()).await.is_err());
        script.answer(200, &*sold);
        let error = refund.refund(stored, None, &key, start()).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotSent);
        let paths: Vec<_> = script
            .requests()
            .iter()
            .map(|sent| sent.uri().path().to_owned())
            .collect();
        assert_eq!(paths, ["/payment/SearchTradeMulti.idPass"; 3]);
    }
    let changed = CHANGED.replace("5f2c9a1e7b3d40688c11aa02d94e6f73", &"a".repeat(32));
    script.answer(200, deal("CAPTURE", "0", 'a')).answer(200, changed);
    assert!(refund.refund(&bound, None, &key, start()).await.is_ok());
}

// ----- the desk -----

fn desk() -> (Cashier, Scripted, TestClock) {
    let (gateway, script) = scripted();
    let clock = TestClock::new();
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let cashier = Cashier::builder_over(ledger)
        .gateway(gateway)
        .clock(clock.clone())
        .build()
        .unwrap();
    (cashier, script, clock)
}

async fn opened(cashier: &Cashier, script: &Scripted) -> StoredAttempt {
    // The attempt's name is random, so the script cannot know it before: the first answer is lost.
    script.fail(TransportErrorKind::Timeout);
    let request = request("EC-1", 1320, CaptureMode::Automatic);
    assert!(matches!(
        cashier.open(&request, &GatewayId::GMOPG).await,
        Err(OpenError::Gateway(_))
    ));
    let sent = script.requests();
    let sent: Value = serde_json::from_slice(sent[0].body()).unwrap();
    let name = sent["transaction"]["OrderID"].as_str().unwrap();
    let attempt = AttemptReference::new(name).unwrap();
    cashier.ledger().attempt(&attempt).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_notification_alone_never_pays_and_the_answer_to_our_question_does() {
    let (cashier, script, clock) = desk();
    let attempt = opened(&cashier, &script).await;
    let body = note(&[("OrderID", attempt.reference().as_str())]);
    for _ in 0..3 {
        let reply = cashier
            .callback(&GatewayId::GMOPG, callback("/pay/gmo/notification", &body))
            .await;
        assert_eq!(&reply.body()[..], b"0");
    }
    assert!(cashier.next_fulfilment().await.unwrap().is_none());
    assert!(script.requests().is_empty(), "a notification causes no call by itself");

    script.answer(200, RECORDED);
    assert_eq!(cashier.sweep(&SweepPolicy::default()).await.unwrap().paid, 1);
    let due = cashier.next_fulfilment().await.unwrap().unwrap();
    assert_eq!(due.amount, yen(1320));
    assert!(due.done().await.unwrap());
    clock.advance(Duration::from_secs(60));
    let _ = cashier
        .callback(&GatewayId::GMOPG, callback("/pay/gmo/notification", &body))
        .await;
    assert!(cashier.next_fulfilment().await.unwrap().is_none());
}

#[tokio::test]
async fn money_of_another_amount_is_held() {
    for body in [
        RECORDED.replace("Amount=1320", "Amount=1"),
        RECORDED.replace("Tax=0", "Tax=1"),
    ] {
        let (cashier, script, clock) = desk();
        let _ = opened(&cashier, &script).await;
        clock.advance(Duration::from_secs(180));
        script.answer(200, body);
        assert_eq!(cashier.sweep(&SweepPolicy::default()).await.unwrap().held(), 1);
        assert!(cashier.next_fulfilment().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_signed_return_of_another_attempt_is_no_return_of_this_one() {
    let (cashier, script, _) = desk();
    let attempt = opened(&cashier, &script).await;
    let target = format!(
        "/pay/gmo/return?attempt={}&state={}",
        attempt.reference(),
        attempt.expected.return_token.as_str()
    );
    let cases: Vec<Value> = serde_json::from_str(include_str!("../vectors/gmopg.json")).unwrap();
    let foreign = cases[0]["body"].as_str().unwrap();
    let page = cashier.returned(&GatewayId::GMOPG, callback(&target, foreign)).await;
    assert_eq!(page.standing, Standing::Unknown);
    let forged = cashier
        .returned(&GatewayId::GMOPG, callback(&target, "result=e30.00"))
        .await;
    assert_eq!(forged.standing, Standing::Unknown);
    assert!(script.requests().is_empty());

    script.answer(200, NO_SUCH_ORDER).answer(200, NO_SUCH_ORDER);
    let bare = cashier.returned(&GatewayId::GMOPG, callback(&target, "")).await;
    assert_eq!(bare.attempt.as_ref(), Some(attempt.reference()));
    assert!(bare.see_other.is_some());
}

#[tokio::test]
async fn a_lost_link_is_closed_and_another_page_is_made() {
    let (cashier, script, _) = desk();
    let attempt = opened(&cashier, &script).await;
    let request = request("EC-1", 1320, CaptureMode::Automatic);
    let used = json!([{"ErrCode": "E01", "ErrInfo": "E01040010"}]).to_string();
    // The second try is told that the order is used; the page is closed, and the next one fails to be made here.
    script
        .answer(400, used)
        .answer(
            200,
            json!({"OrderID": attempt.reference().as_str(), "Status": "x"}).to_string(),
        )
        .answer(200, NO_SUCH_ORDER)
        .answer(200, NO_SUCH_ORDER)
        .fail(TransportErrorKind::Connect);
    assert!(cashier.open(&request, &GatewayId::GMOPG).await.is_err());
    let attempts = cashier.ledger().attempts_of(request.order()).await.unwrap();
    assert_eq!(attempts.len(), 2, "the second attempt was made");
    assert_eq!(attempts[0].status, PaymentStatus::Expired);
    let paths: Vec<_> = script
        .requests()
        .iter()
        .map(|request| request.uri().path().to_owned())
        .collect();
    assert_eq!(paths[1], "/payment/RejectLinkplusUrlPayment.json");
}

#[tokio::test]
async fn a_page_that_was_begun_and_left_can_be_given_up() {
    let (cashier, script, _) = desk();
    let attempt = opened(&cashier, &script).await;
    let request = request("EC-1", 1320, CaptureMode::Automatic);
    let used = json!([{"ErrCode": "E01", "ErrInfo": "E01040010"}]).to_string();
    script
        .answer(400, used)
        .answer(
            200,
            json!({"OrderID": attempt.reference().as_str(), "Status": "x"}).to_string(),
        )
        .answer(200, deal("UNPROCESSED", "0", 'a'))
        .answer(200, NO_SUCH_ORDER)
        .fail(TransportErrorKind::Connect);
    assert!(cashier.open(&request, &GatewayId::GMOPG).await.is_err());
    let attempts = cashier.ledger().attempts_of(request.order()).await.unwrap();
    assert_eq!(attempts.len(), 2, "the second attempt was made");
    assert_eq!(attempts[0].status, PaymentStatus::Expired);
}

#[tokio::test]
async fn a_card_that_was_begun_leaves_room_for_a_slip_that_pays() {
    let (cashier, script, clock) = desk();
    let _ = opened(&cashier, &script).await;
    for (by_card, by_slip, paid) in [
        ("UNPROCESSED", NO_SUCH_ORDER.to_owned(), 0),
        ("UNPROCESSED", deal("REQSUCCESS", "3", 'b'), 0),
        ("UNPROCESSED", deal("PAYSUCCESS", "3", 'b'), 1),
    ] {
        clock.advance(Duration::from_secs(6 * 3600));
        script.answer(200, deal(by_card, "0", 'a')).answer(200, by_slip);
        let swept = cashier.sweep(&SweepPolicy::default()).await.unwrap();
        assert_eq!((swept.paid, swept.held()), (paid, 0));
    }
    assert!(cashier.next_fulfilment().await.unwrap().is_some());
}

#[test]
fn random_messages_neither_prove_nor_panic() {
    use proptest::prelude::*;
    let gateway = gmo().build().unwrap();
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(512)
    };
    proptest!(config, |(body in prop::collection::vec(any::<u8>(), 0..400), query in "[ -~&&[^\"<>\\\\^`{|}]]{0,80}")| {
        let target = format!("/pay/gmo/return?{}", query.replace(['#', ' '], ""));
        if let Ok(request) = http::Request::post(target).body(Bytes::from(body)) {
            let callback = Callback::new(request, SystemTime::UNIX_EPOCH).unwrap();
            let hint = gateway.returned(&callback);
            prop_assert!(hint.is_err() || hint.unwrap().subject == kessai::Subject::new());
            prop_assert!(gateway.read_notification(&callback).is_err());
        }
    });
}
