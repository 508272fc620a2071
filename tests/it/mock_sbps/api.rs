//! The API type, by hand-made requests, and what this crate's client makes of one that breaks.

use std::time::Duration;

use http::Method;
use kessai::charset::{self, Reading};
use kessai::gateways::sbps::request_hash;
use kessai::mock::sbps::{Fault, Merchant, MockSbps, Operation, OrderStatus, TestCard};
use kessai::{CaptureMode, ErrorKind, Gateway, IdempotencyKey, Outcome, PaymentStatus};

use super::shop::{DAY, Store, keys, page_of, visit_of};
use crate::support::{order, yen};

const NOW: &str = "20261123111320";

/// The elements of a request, in order.
#[derive(Clone)]
struct Asked(Vec<(String, String)>);

impl Asked {
    fn new(merchant: &Merchant, own: &[(&str, &str)]) -> Self {
        let shop = [
            ("merchant_id", merchant.merchant_id()),
            ("service_id", merchant.service_id()),
        ];
        let all = shop.iter().chain(own).chain(&[("request_date", NOW)]);
        Self(
            all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some(field) => value.clone_into(&mut field.1),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(own, _)| own != name);
        self
    }

    fn document(&self, id: &str, hash: Option<&str>) -> String {
        let mut inside: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| match name.split_once('/') {
                Some((group, name)) => format!("<{group}><{name}>{value}</{name}></{group}>"),
                None => format!("<{name}>{value}</{name}>"),
            })
            .collect();
        if let Some(hash) = hash {
            inside.push(format!("<sps_hashcode>{hash}</sps_hashcode>"));
        }
        let inside = inside.concat();
        format!("<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><sps-api-request id=\"{id}\">{inside}</sps-api-request>")
    }

    fn signed(&self, id: &str, merchant: &Merchant) -> Vec<u8> {
        let bare = self.document(id, None);
        let hash = request_hash(&keys(merchant), &charset::encode(&bare).unwrap()).unwrap();
        charset::encode(&self.document(id, Some(&hash))).unwrap().into_owned()
    }
}

struct Answer {
    status: u16,
    mime: String,
    text: String,
}

impl Answer {
    fn leaf(&self, name: &str) -> &str {
        let (_, rest) = self.text.split_once(&format!("<{name}>")).unwrap_or_default();
        rest.split_once(&format!("</{name}>")).unwrap_or_default().0
    }

    /// The two characters that say what an error is about; empty if it is none.
    fn error(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text);
        let code = self.leaf("res_err_code");
        assert_eq!(self.leaf("res_result"), if code.is_empty() { "OK" } else { "NG" });
        assert!(code.is_empty() || code.len() == 8, "{code}");
        code.get(3..5).unwrap_or_default().to_owned()
    }
}

async fn send(store: &Store, body: Vec<u8>) -> Answer {
    let merchant = &store.merchant;
    let user = format!("{}{}", merchant.merchant_id(), merchant.service_id());
    send_as(&store.mock, &user, merchant.api_password(), Method::POST, body).await
}

async fn send_as(mock: &MockSbps, user: &str, password: &str, method: Method, body: Vec<u8>) -> Answer {
    use base64ct::{Base64, Encoding};
    let credentials = Base64::encode_string(format!("{user}:{password}").as_bytes());
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    let sent = http
        .request(method, mock.api_url())
        .header("content-type", "text/xml")
        .header("authorization", format!("Basic {credentials}"))
        .timeout(super::shop::PATIENCE)
        .body(body)
        .send()
        .await
        .unwrap();
    let status = sent.status().as_u16();
    let mime = sent.headers().get("content-type").unwrap().to_str().unwrap().to_owned();
    let body = sent.bytes().await.unwrap();
    Answer {
        status,
        mime,
        text: charset::decode(&body, Reading::Windows31J).unwrap().into_owned(),
    }
}

const STATUS: &str = "MG01-00101-101";
const CAPTURE: &str = "ST02-00201-101";
const CANCEL: &str = "ST02-00303-101";
const PART: &str = "ST02-00307-101";

/// A shop with one captured card payment, and its tracking id.
async fn sold() -> (Store, String) {
    let store = Store::open().await;
    visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    let tracking_id = store.there().await.tracking_id.unwrap();
    (store, tracking_id)
}

fn about(store: &Store, tracking_id: &str) -> Asked {
    Asked::new(&store.merchant, &[("tracking_id", tracking_id)])
}

fn order_about(store: &Store, tracking_id: &str, amount: Option<&str>) -> Asked {
    let mut own = vec![("tracking_id", tracking_id), ("processing_datetime", NOW)];
    own.extend(amount.map(|amount| ("pay_option_manage/amount", amount)));
    Asked::new(&store.merchant, &own)
}

#[tokio::test]
async fn the_status_of_a_card_has_the_recorded_form() {
    let (store, id) = sold().await;
    let own = [
        ("tracking_id", id.as_str()),
        ("response_info_type", "2"),
        ("pay_option_manage/cardbrand_return_flg", "1"),
        ("encrypted_flg", "0"),
    ];
    let answer = send(
        &store,
        Asked::new(&store.merchant, &own).signed(STATUS, &store.merchant),
    )
    .await;
    assert_eq!(answer.error(), "");
    assert_eq!(answer.mime, "text/xml;charset=Shift_JIS");
    assert!(answer.text.contains("<sps-api-response id=\"MG01-00101-101\">"));
    assert_eq!(answer.leaf("cc_number"), "************4242");
    assert_eq!(answer.leaf("cardbrand_code"), "V");
    assert_eq!(
        (answer.leaf("commit_status"), answer.leaf("payment_status")),
        ("1", "2")
    );
    assert_eq!(answer.leaf("res_date"), NOW);
    assert!(!answer.text.contains("sps_hashcode"), "answers carry no hash");
    // Whoever does not ask for the card does not get it.
    let bare = send(&store, about(&store, &id).signed(STATUS, &store.merchant)).await;
    assert!(!bare.text.contains("cc_number") && !bare.text.contains("4242"));
}

#[tokio::test]
async fn nobody_gets_in_without_the_shops_own_password() {
    let (store, id) = sold().await;
    let merchant = &store.merchant;
    let attacker = store.mock.open_merchant("Somebody Else");
    let body = about(&store, &id).signed(STATUS, merchant);
    let user = format!("{}{}", merchant.merchant_id(), merchant.service_id());
    for (user, password) in [
        (user.as_str(), "wrong"),
        (user.as_str(), ""),
        // The hash key is another secret here.
        (user.as_str(), merchant.hash_key()),
        (user.as_str(), attacker.api_password()),
        (merchant.merchant_id(), merchant.api_password()),
        // A published test shop, with its published password.
        ("30132002", "8435dbd48f2249807ec216c3d5ecab714264cc4a"),
    ] {
        let answer = send_as(&store.mock, user, password, Method::POST, body.clone()).await;
        assert_eq!(answer.status, 401, "{user}");
        assert!(answer.text.is_empty());
    }
    let get = send_as(&store.mock, &user, merchant.api_password(), Method::PUT, body.clone()).await;
    assert_eq!(get.status, 405);
    // With the own password, another shop's payment is nobody's.
    let theirs = format!("{}{}", attacker.merchant_id(), attacker.service_id());
    let stolen = Asked::new(&attacker, &[("tracking_id", &id)]).signed(STATUS, &attacker);
    let answer = send_as(&store.mock, &theirs, attacker.api_password(), Method::POST, stolen).await;
    assert_eq!(answer.error(), "12");
    let answer = send_as(&store.mock, &theirs, attacker.api_password(), Method::POST, body).await;
    assert_eq!(answer.error(), "14");
    assert!(merchant.requests().iter().all(|request| request.status == 405));
}

#[tokio::test]
async fn every_mistake_in_a_question_has_its_code() {
    let (store, id) = sold().await;
    let good = about(&store, &id);
    let shop = &store.merchant;
    let future = "20261123110320";
    let cases = [
        (good.clone().without("tracking_id"), "03"),
        (good.clone().without("merchant_id"), "03"),
        (good.clone().without("request_date"), "03"),
        (good.clone().with("tracking_id", ""), "03"),
        (good.clone().with("merchant_id", "30132"), "14"),
        (good.clone().with("service_id", "002"), "14"),
        (good.clone().with("tracking_id", "80312789324672"), "12"),
        (good.clone().with("tracking_id", "8031278932467x"), "04"),
        (good.clone().with("tracking_id", "803127893246721"), "05"),
        (good.clone().with("request_date", "20261332000000"), "06"),
        (good.clone().with("request_date", future), ""),
        (good.clone().with("request_date", "20261123110319"), "10"),
        // UTC in place of Japan's time.
        (good.clone().with("request_date", "20261123021320"), "10"),
        (
            good.clone()
                .with("request_date", "20261123110319")
                .with("limit_second", "601"),
            "",
        ),
        (good.clone().with("limit_second", "x"), "04"),
        // Out of the table's order, not in the table at all, and twice.
        (good.clone().with("encrypted_flg", "0"), "00"),
        (good.clone().with("order_id", "EC-1"), "00"),
        (Asked::new(shop, &[("tracking_id", &id), ("tracking_id", &id)]), "00"),
        (Asked::new(shop, &[("tracking_id", &id), ("encrypted_flg", "1")]), "07"),
        (
            Asked::new(shop, &[("tracking_id", &id), ("response_info_type", "3")]),
            "07",
        ),
        (
            Asked::new(shop, &[("tracking_id", &id), ("response_info_type", "12")]),
            "05",
        ),
        (
            Asked::new(shop, &[("sps_transaction_id", "B30132002ST01"), ("tracking_id", &id)]),
            "11",
        ),
    ];
    for (index, (asked, wanted)) in cases.into_iter().enumerate() {
        let answer = send(&store, asked.signed(STATUS, shop)).await;
        assert_eq!(answer.error(), wanted, "{index}: {}", answer.text);
    }
    let unsigned = good.document(STATUS, None);
    assert_eq!(send(&store, unsigned.into_bytes()).await.error(), "03");
    for hash in [
        "0".repeat(40),
        "x".to_owned(),
        // That of a purchase request, over the same values.
        kessai::gateways::sbps::purchase_hash(&keys(&store.mock.open_merchant("Else")), &[]),
    ] {
        let body = good.document(STATUS, Some(&hash)).into_bytes();
        assert_eq!(send(&store, body).await.error(), "09");
    }
    for id in ["", "MG01-00101-999", "ST02-00305-101", "MG01-00101-101 "] {
        let answer = send(&store, good.signed(id, shop)).await;
        assert_eq!(answer.error(), "02", "{id}");
    }
    let body = good.signed(STATUS, shop);
    let text = String::from_utf8(body).unwrap();
    for broken in [
        String::new(),
        "{}".to_owned(),
        text[..text.len() - 3].to_owned(),
        text.replace("sps-api-request", "sps-api-response"),
        text.replace("<?xml", "<!DOCTYPE x><?xml"),
        text.replace("</tracking_id>", "&x;</tracking_id>"),
    ] {
        assert_eq!(
            send(&store, broken.clone().into_bytes()).await.error(),
            "00",
            "{broken}"
        );
    }
    assert_eq!(send(&store, vec![0xff, 0xfe]).await.error(), "00");
}

#[tokio::test]
async fn an_order_that_the_state_does_not_allow_is_refused_and_changes_nothing() {
    let (store, id) = sold().await;
    let shop = &store.merchant;
    let order = |amount| order_about(&store, &id, amount);
    for (request, asked, wanted) in [
        (CAPTURE, order(None), "37"),
        (PART, order(Some("3961")), "K1"),
        (PART, order(Some("0")), "07"),
        (PART, order(None), "03"),
        (PART, order(Some("1.5")), "04"),
        (PART, order(Some("10000000")), "05"),
        (CANCEL, order(Some("100")), "00"),
        (CANCEL, order(None).without("processing_datetime"), "03"),
        (CANCEL, order(None).with("processing_datetime", "20260230000000"), "06"),
    ] {
        let answer = send(&store, asked.signed(request, shop)).await;
        assert_eq!(answer.error(), wanted, "{request}");
    }
    let there = store.there().await;
    assert_eq!((there.status, there.refunded), (OrderStatus::Captured, 0));
    assert_eq!(send(&store, order(None).signed(CANCEL, shop)).await.error(), "");
    for (request, asked) in [(CANCEL, order(None)), (PART, order(Some("1")))] {
        assert_eq!(
            send(&store, asked.signed(request, shop)).await.error(),
            "46",
            "{request}"
        );
    }
}

#[tokio::test]
async fn sales_on_demand_can_be_taken_once_and_not_above_what_was_authorized() {
    let store = Store::with(MockSbps::builder(), |shop| shop).await;
    store.merchant.sell_on_demand();
    visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    let id = store.there().await.tracking_id.unwrap();
    let shop = &store.merchant;
    let order = |amount| order_about(&store, &id, amount);
    for (request, asked, wanted) in [
        (PART, order(Some("100")), "K0"),
        (CAPTURE, order(Some("3961")), "79"),
        (CAPTURE, order(Some("3960")), ""),
        (CAPTURE, order(None), "41"),
        (CANCEL, order(None), ""),
        (CAPTURE, order(None), "46"),
    ] {
        assert_eq!(
            send(&store, asked.signed(request, shop)).await.error(),
            wanted,
            "{request}"
        );
    }
}

#[tokio::test]
async fn after_the_third_month_nothing_can_be_changed_any_more() {
    for on_demand in [true, false] {
        let store = Store::with(MockSbps::builder(), |shop| shop).await;
        if on_demand {
            store.merchant.sell_on_demand();
        }
        visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
        let id = store.there().await.tracking_id.unwrap();
        let shop = &store.merchant;
        let (request, amount, error) = if on_demand {
            (CAPTURE, None, "42")
        } else {
            (PART, Some("100"), "56")
        };
        let order = order_about(&store, &id, amount);
        // From 23 November until the end of February is in time, the first of March is not.
        store.advance(DAY * 97);
        let open = store.there().await;
        assert_eq!((open.captured, open.refunded), (if on_demand { 0 } else { 3960 }, 0));
        if !on_demand {
            let in_time = order.clone().with("request_date", "20270228111320");
            assert_eq!(send(&store, in_time.signed(request, shop)).await.error(), "");
        }
        store.advance(DAY);
        let late = order.with("request_date", "20270301111320");
        assert_eq!(send(&store, late.signed(request, shop)).await.error(), error);
    }
}

#[tokio::test]
async fn a_question_for_another_method_does_not_find_the_payment() {
    let store = Store::with(MockSbps::builder(), |shop| shop.methods(["webcvs"])).await;
    page_of(store.at_page().await.pay_later(true).await.unwrap());
    let id = store.there().await.tracking_id.unwrap();
    let shop = &store.merchant;
    let good = about(&store, &id);
    for (request, wanted) in [(STATUS, "12"), ("MG01-00101-311", "12"), ("MG01-00101-701", "")] {
        assert_eq!(
            send(&store, good.signed(request, shop)).await.error(),
            wanted,
            "{request}"
        );
    }
    for request in [CAPTURE, CANCEL] {
        let asked = order_about(&store, &id, None);
        assert_eq!(
            send(&store, asked.signed(request, shop)).await.error(),
            "12",
            "{request}"
        );
    }
    assert_eq!(send_status(&store, &id).await, "1");
    store.advance(DAY * 2);
    let paid = good.with("request_date", "20261125111320");
    let answer = send(&store, paid.signed("MG01-00101-701", shop)).await;
    assert_eq!(answer.leaf("payment_status"), "3");
}

async fn send_status(store: &Store, id: &str) -> String {
    let body = about(store, id).signed("MG01-00101-701", &store.merchant);
    send(store, body).await.leaf("payment_status").to_owned()
}

#[tokio::test]
async fn what_breaks_on_the_way_is_an_error_and_never_a_payment() {
    let store = Store::open().await;
    visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    let attempt = store.attempt().await;
    let now = store.mock.clock().now();
    let elsewhere = url::Url::parse("http://127.0.0.1:9/").unwrap();
    let cases = [
        (Fault::LostReply, ErrorKind::Transport),
        (Fault::LostRequest, ErrorKind::Transport),
        (Fault::ServerError, ErrorKind::Unavailable),
        (Fault::ServerErrorAfterWork, ErrorKind::Unavailable),
        (Fault::Unavailable, ErrorKind::Unavailable),
        (Fault::BrokenOff, ErrorKind::Transport),
        (Fault::HtmlPage, ErrorKind::Protocol),
        (Fault::Truncated, ErrorKind::Protocol),
        (Fault::Swapped, ErrorKind::Protocol),
        (Fault::HugeBody(2_000_000), ErrorKind::Protocol),
        (Fault::Redirect(elsewhere), ErrorKind::Protocol),
        (Fault::Refused("80"), ErrorKind::Unavailable),
        (Fault::Refused("09"), ErrorKind::Authentication),
        (Fault::Refused("10"), ErrorKind::Request),
        (Fault::Refused("12"), ErrorKind::NotFound),
    ];
    for (fault, kind) in cases {
        let armed = store.mock.fault(fault.clone()).on(Operation::Status).arm();
        let error = store.sbps.status(&attempt, now).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}: {error}");
        assert_eq!(armed.hits(), 1, "{fault:?}");
    }
    for slow in [
        Fault::Delay(Duration::from_millis(100)),
        Fault::Drip {
            bytes: 64,
            pause: Duration::from_millis(2),
        },
    ] {
        let armed = store.mock.fault(slow).arm();
        let event = store.sbps.status(&attempt, now).await.unwrap();
        assert_eq!(event.value().snapshot.status, PaymentStatus::Captured);
        assert_eq!(armed.hits(), 1);
    }
    // The sweep goes on with the next round.
    store.mock.fault(Fault::HtmlPage).arm();
    store.sweep().await;
    assert_eq!(store.fulfil_all().await, 0);
    store.advance(DAY);
    store.sweep().await;
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn a_refund_whose_answer_was_lost_was_made_and_is_not_made_again() {
    for fault in [
        Fault::LostReply,
        Fault::ServerErrorAfterWork,
        Fault::RefusedAfterWork("80"),
    ] {
        let key = IdempotencyKey::new("op-1").unwrap();
        let store = Store::open().await;
        let attempt = store.paid().await;
        let now = store.mock.clock().now();
        store.mock.fault(fault.clone()).on(Operation::Cancel).arm();
        let refund = store.sbps.abilities().refund.unwrap();
        let error = refund.refund(&attempt, None, &key, now).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{fault:?}");
        assert_eq!(store.there().await.refunded, 3960);
        let again = refund.refund(&attempt, None, &key, now).await.unwrap_err();
        assert_eq!((again.kind(), again.outcome()), (ErrorKind::Conflict, Outcome::Refused));
        assert_eq!(store.there().await.refunded, 3960);
    }
}

#[tokio::test]
async fn a_capture_that_never_arrived_was_not_made() {
    let key = IdempotencyKey::new("op-1").unwrap();
    let store = Store::with(MockSbps::builder(), |shop| shop.capture(CaptureMode::Manual)).await;
    store.merchant.sell_on_demand();
    let request = kessai::CheckoutRequest::builder(kessai::MerchantReference::new("ORD-1").unwrap())
        .total(yen(3960))
        .capture(CaptureMode::Manual)
        .build()
        .unwrap();
    let page = store.mock.shopper().open(&store.form(&request).await).await.unwrap();
    visit_of(page.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    store.sweep().await;
    let (attempt, now) = (store.attempt().await, store.mock.clock().now());
    let capture = store.sbps.abilities().capture.unwrap();
    for fault in [Fault::LostRequest, Fault::ServerError, Fault::Refused("96")] {
        store.mock.fault(fault.clone()).on(Operation::Capture).arm();
        let error = capture.capture(&attempt, None, &key, now).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{fault:?}");
        assert_eq!(store.there().await.status, OrderStatus::Authorized);
    }
    capture.capture(&attempt, None, &key, now).await.unwrap();
    assert_eq!(store.there().await.status, OrderStatus::Captured);
}

#[tokio::test]
async fn keys_that_were_changed_open_nothing_and_sign_nothing() {
    let (store, id) = sold().await;
    let (before, after) = (&store.merchant, store.merchant.change_keys());
    assert_ne!(before.hash_key(), after.hash_key());
    assert_ne!(before.api_password(), after.api_password());
    let user = format!("{}{}", after.merchant_id(), after.service_id());
    let ask = |password: String, signed_by: Merchant| {
        let (store, user) = (&store, user.clone());
        let body = about(store, &id).signed(STATUS, &signed_by);
        async move { send_as(&store.mock, &user, &password, Method::POST, body).await }
    };
    let old = ask(before.api_password().to_owned(), after.clone()).await;
    assert_eq!(old.status, 401);
    let old = ask(after.api_password().to_owned(), before.clone()).await;
    assert_ne!(old.error(), "", "{}", old.text);
    let new = ask(after.api_password().to_owned(), after.clone()).await;
    assert_eq!((new.status, new.error().as_str()), (200, ""), "{}", new.text);
    // A form that was signed before the change is refused, and one that is made after it is not.
    let form = store.form(&order("ORD-2")).await;
    assert!(!store.mock.shopper().open(&form).await.unwrap().is_open());
}
