//! The whole way of a message from a gateway: taken in, verified, judged, applied, acknowledged.

use std::sync::LazyLock;

use kessai::charset::form_body;
use kessai::gateways::sbps::{Channel, report_hash};
use kessai::gateways::{komoju, stripe};
use kessai::sign::SigningKeys;
use kessai::{Ack, Callback, Notification, PaymentStatus, Received, Subject, VerifyError};
use serde_json::{Value, json};

use super::line::{self, now};
use super::shop::{self, ATTEMPT, START, Shop, TOTAL, World};
use super::{vectors, wire};

pub fn callback_stripe(data: &[u8]) {
    static GENUINE: LazyLock<Vec<Genuine>> = LazyLock::new(|| genuine(&shop::STRIPE, &seeds_stripe()));
    callback(&shop::STRIPE, data, &GENUINE, Covers::Body);
}

pub fn callback_komoju(data: &[u8]) {
    static GENUINE: LazyLock<Vec<Genuine>> = LazyLock::new(|| genuine(&shop::KOMOJU, &seeds_komoju()));
    callback(&shop::KOMOJU, data, &GENUINE, Covers::Body);
}

/// Its messages are unsigned: no input is ever a proof.
pub fn callback_gmopg(data: &[u8]) {
    callback(&shop::GMOPG, data, &[], Covers::Body);
}

pub fn callback_sbps(data: &[u8]) {
    static GENUINE: LazyLock<Vec<Genuine>> = LazyLock::new(|| genuine(&shop::SBPS, &seeds_sbps()));
    callback(&shop::SBPS, data, &GENUINE, Covers::Values);
}

/// The same messages at a shop that asks before it believes.
pub fn callback_sbps_asking(data: &[u8]) {
    static GENUINE: LazyLock<Vec<Genuine>> = LazyLock::new(|| genuine(&shop::SBPS_API, &seeds_sbps()));
    callback(&shop::SBPS_API, data, &GENUINE, Covers::Values);
}

/// A message that was made with the key, and what it says.
struct Genuine {
    body: Vec<u8>,
    says: Vec<String>,
}

/// What the signature is over.
#[derive(Clone, Copy, PartialEq)]
enum Covers {
    Body,
    /// The values of a form, one behind the other: their order in the body, and names beside them, are free.
    Values,
}

/// What a gateway makes of a message, in a form that can be compared.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Proven(Box<Notification>),
    Hint(Subject),
    Refused(VerifyError),
}

fn said(received: &Result<Received, VerifyError>) -> Said {
    match received {
        Ok(Received::Proven(proven)) => Said::Proven(Box::new(proven.value().clone())),
        Ok(Received::Hint(subject)) => Said::Hint(subject.clone()),
        Err(error) => Said::Refused(*error),
    }
}

/// The events of a notification without the time of receipt.
fn events(notification: &Notification) -> Vec<String> {
    let mut says: Vec<String> = notification
        .events
        .iter()
        .map(|event| {
            let (id, subject, of) = (&event.id, &event.subject, (&event.account, event.environment));
            let (status, amount) = (event.snapshot.status, event.snapshot.amount);
            format!(
                "{id} {of:?} {subject:?} {status} {amount:?} {:?}",
                event.snapshot.refunded
            )
        })
        .collect();
    says.push(format!("{:?}", notification.failed_try));
    says
}

/// Those of the seeds that the gateway takes as they are.
fn genuine(shop: &Shop, seeds: &[Vec<u8>]) -> Vec<Genuine> {
    let mut found = Vec::new();
    for seed in seeds {
        let Some((request, at)) = wire::request(seed) else {
            continue;
        };
        let body = request.body().to_vec();
        let Ok(callback) = Callback::new(request, at) else {
            continue;
        };
        if let Ok(Received::Proven(proven)) = now(shop.gateway.receive(&callback)) {
            found.push(Genuine {
                body,
                says: events(proven.value()),
            });
        }
    }
    assert!(!found.is_empty(), "no seed is genuine, so nothing would be checked");
    found
}

fn callback(shop: &Shop, data: &[u8], genuine: &[Genuine], covers: Covers) {
    let Some((request, at)) = wire::request(data) else {
        return;
    };
    line::set(Vec::new());
    let Ok(callback) = Callback::new(request.clone(), at) else {
        return;
    };
    let received = now(shop.gateway.receive(&callback));
    let said_now = said(&received);

    // Nothing that nobody signed is proven.
    if let Said::Proven(notification) = &said_now {
        let says = events(notification);
        let body = request.body();
        match covers {
            Covers::Body => {
                let known = genuine.iter().any(|known| known.body == *body && known.says == says);
                assert!(known, "proven, and nobody made it: {says:?}");
            }
            Covers::Values => {
                // A digit that moved from one value to the next leaves the hash as it was: such a report is told as odd, and what
                // it means is unknown.
                let odd = notification.failed_try.is_none()
                    && notification.events.iter().all(|event| {
                        event.id.as_str().contains(":odd:") && event.snapshot.status == PaymentStatus::Unknown
                    });
                let known = odd || genuine.iter().any(|known| known.says == says);
                assert!(known, "proven, and it says what nobody said: {says:?}");
            }
        }
    }

    // What is not signed changes nothing: where it came to, a header that nobody asked for, a field that is not covered.
    let mut elsewhere = request.clone();
    *elsewhere.uri_mut() = http::Uri::from_static("/other?amount=1&status=CAPTURE");
    elsewhere
        .headers_mut()
        .append("x-amount", http::HeaderValue::from_static("1"));
    if covers == Covers::Values && !request.body().is_empty() {
        let mut body = request.body().to_vec();
        body.extend_from_slice(b"&x_amount_x=1");
        *elsewhere.body_mut() = body.into();
    }
    if let Ok(elsewhere) = Callback::new(elsewhere, at) {
        let there = said(&now(shop.gateway.receive(&elsewhere)));
        let doubled = matches!(there, Said::Refused(VerifyError::Malformed(_)));
        assert!(there == said_now || doubled, "{said_now:?} became {there:?}");
    }

    let world = World::new(shop, at);
    let before = world.head();
    let reply = now(world.cashier.callback(&shop.id(), callback.clone()));
    let after = world.head();
    match &received {
        Err(error) => {
            assert_eq!(before, after, "a refused message left a trace");
            let wanted = shop.gateway.acknowledge(Err(error), Ack::Refused);
            assert_eq!((reply.status(), reply.body()), (wanted.status(), wanted.body()));
        }
        Ok(Received::Hint(_)) => assert_eq!(before, after, "a hint left a trace"),
        Ok(Received::Proven(_)) => {}
    }
    if world.paid() {
        let Said::Proven(notification) = &said_now else {
            panic!("paid by {said_now:?}");
        };
        let pays = notification.events.iter().any(|event| {
            let amount = event.snapshot.amount == Some(shop.attempt.expected.amount);
            amount && shop.attempt.expected.capture.is_paid_by(event.snapshot.status)
        });
        assert!(pays, "paid by {said_now:?}");
    }
    // The same once more changes nothing.
    let again = now(world.cashier.callback(&shop.id(), callback));
    assert_eq!((again.status(), again.body()), (reply.status(), reply.body()));
    assert_eq!(world.head(), after, "a delivery that came twice counted twice");
    if before != after {
        assert!(world.is_intact(), "the ledger is broken");
    }
    assert!(line::asked().is_empty(), "a callback made us ask");
}

// ----- seeds -----

pub fn seeds_stripe() -> Vec<Vec<u8>> {
    let session = |status: &str, payment_status: &str| {
        json!({
            "id": shop::STRIPE_SESSION, "object": "checkout.session", "mode": "payment", "livemode": false, "status": status,
            "payment_status": payment_status, "amount_total": TOTAL, "currency": "jpy", "client_reference_id": "EC-7",
            "metadata": {"order_id": "EC-7", "attempt_id": ATTEMPT}, "payment_intent": "pi_1",
        })
    };
    let charge = json!({
        "id": "ch_1", "object": "charge", "amount": TOTAL, "amount_refunded": 500, "currency": "jpy", "livemode": false,
        "payment_intent": "pi_1", "refunded": false, "disputed": false, "status": "succeeded",
        "metadata": {"order_id": "EC-7", "attempt_id": ATTEMPT},
    });
    let intent = json!({
        "id": "pi_1", "object": "payment_intent", "amount": TOTAL, "currency": "jpy", "livemode": false,
        "status": "requires_payment_method", "metadata": {"order_id": "EC-7", "attempt_id": ATTEMPT},
    });
    let mut seeds: Vec<Vec<u8>> = [
        ("checkout.session.completed", session("complete", "paid")),
        ("checkout.session.completed", session("complete", "unpaid")),
        ("checkout.session.async_payment_succeeded", session("complete", "paid")),
        ("checkout.session.async_payment_failed", session("complete", "unpaid")),
        ("checkout.session.expired", session("expired", "unpaid")),
        ("charge.refunded", charge),
        ("payment_intent.payment_failed", intent),
        ("customer.created", json!({"id": "cus_1", "object": "customer"})),
    ]
    .into_iter()
    .map(|(kind, object)| {
        let body = json!({
            "id": "evt_1", "object": "event", "type": kind, "created": START, "livemode": false,
            "api_version": "2026-10-28.endive", "data": {"object": object},
        })
        .to_string();
        let keys = SigningKeys::from_texts([shop::STRIPE_KEY]).unwrap();
        let header = stripe::signature_header(&keys, *shop::START_TIME, body.as_bytes());
        wire::post(
            "/pay/stripe/notification",
            START,
            &[("stripe-signature", &header)],
            body.as_bytes(),
        )
    })
    .collect();
    seeds.extend(vectors::callbacks("stripe.json", "/pay/stripe/notification"));
    seeds.extend(vectors::callbacks("stripe-own.json", "/pay/stripe/notification"));
    seeds
}

pub fn seeds_komoju() -> Vec<Vec<u8>> {
    let payment = |status: &str, refunded: u64| {
        json!({
            "id": "b3kq0x8d2m5n7p1r4t6v8w0y2", "resource": "payment", "status": status, "amount": TOTAL, "tax": 0,
            "payment_details": {"type": "credit_card"}, "payment_method_fee": 0, "total": TOTAL, "currency": "JPY",
            "external_order_num": ATTEMPT, "amount_refunded": refunded, "session": shop::KOMOJU_SESSION,
            "refunds": if refunded > 0 { json!([{"id": "r1", "chargeback": false}]) } else { json!([]) },
        })
    };
    let mut seeds: Vec<Vec<u8>> = [
        ("payment.captured", payment("captured", 0)),
        ("payment.authorized", payment("authorized", 0)),
        ("payment.refunded", payment("refunded", TOTAL)),
        ("payment.refund.created", payment("captured", 100)),
        ("payment.failed", payment("failed", 0)),
        ("payment.expired", payment("expired", 0)),
        ("payment.cancelled", payment("cancelled", 0)),
        ("ping", Value::Null),
    ]
    .into_iter()
    .map(|(kind, data)| {
        let body = json!({
            "id": "evt3f9a0c2b7d1e", "type": kind, "resource": "event", "data": data, "created_at": "2026-11-23T02:15:00Z",
        })
        .to_string();
        let keys = SigningKeys::from_texts([shop::KOMOJU_KEY]).unwrap();
        let tag = komoju::signature_header(&keys, body.as_bytes());
        wire::post("/pay/komoju/notification", START, &[("x-komoju-signature", &tag)], body.as_bytes())
    })
    .collect();
    seeds.extend(vectors::callbacks("komoju.json", "/pay/komoju/notification"));
    seeds
}

pub fn seeds_gmopg() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = ["CAPTURE", "AUTH", "REQSUCCESS", "PAYFAIL", "GOLD"]
        .into_iter()
        .map(|status| {
            let body = format!(
                "ShopID={}&ShopPass=**********&AccessID=5f2c9a1e7b3d40688c11aa02d94e6f73&OrderID={ATTEMPT}&Status={status}\
                 &JobCd=CAPTURE&Amount={TOTAL}&Tax=0&Currency=JPN&PayType=0&CustomerName=%95%5C+%83%5C",
                shop::GMOPG_SHOP
            );
            wire::post("/pay/gmopg/notification", START, &[FORM], body.as_bytes())
        })
        .collect();
    seeds.extend(vectors::callbacks("gmopg.json", "/pay/gmopg/notification"));
    seeds
}

pub const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

pub fn seeds_sbps() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        report(&[], Channel::Notification),
        report(
            &[("res_result", "NG"), ("res_tracking_id", ""), ("res_payment_date", "")],
            Channel::Notification,
        ),
        report(
            &[("res_pay_method", "webcvs"), ("pay_method", "webcvs")],
            Channel::Notification,
        ),
        report(&[("res_result", "AU")], Channel::Notification),
        report(&[("amount", "1")], Channel::Notification),
        report(&[("item_name", "表〜−ソ")], Channel::Notification),
        report(&[], Channel::Return),
    ]
    .into_iter()
    .map(|body| wire::post("/pay/sbps/notification", START, &[FORM], body.as_bytes()))
    .collect();
    seeds.extend(vectors::callbacks("sbps.json", "/pay/sbps/notification"));
    seeds
}

/// What SBPS reports when the form of the attempt was paid by card, with changes.
pub fn report(changes: &[(&str, &str)], channel: Channel) -> String {
    let total = TOTAL.to_string();
    let fields = [
        ("pay_method", "credit3d2"),
        ("merchant_id", "99661"),
        ("service_id", "001"),
        ("cust_code", ATTEMPT),
        ("sps_cust_no", ""),
        ("sps_payment_no", ""),
        ("order_id", ATTEMPT),
        ("item_id", "SHOP-ORDER"),
        ("pay_item_id", ""),
        ("item_name", "ご注文商品一式"),
        ("tax", ""),
        ("amount", &total),
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
        ("res_tracking_id", shop::SBPS_TRACKING),
        ("res_sps_cust_no", ""),
        ("res_sps_payment_no", ""),
        ("res_payinfo_key", ""),
        ("res_payment_date", "20261123110700"),
        ("res_err_code", ""),
        ("res_date", "20261123110701"),
        ("limit_second", "600"),
    ]
    .map(|(name, value)| {
        let change = changes.iter().find(|(changed, _)| *changed == name);
        (name, change.map_or(value, |(_, value)| value))
    });
    let keys = SigningKeys::from_texts([shop::SBPS_KEY]).unwrap();
    // The two characters that only one of the readings has are written as the other one when they travel.
    let hash = report_hash(&keys, channel, &fields).unwrap_or_default();
    let travels = |text: &str| text.replace('\u{301c}', "\u{ff5e}").replace('\u{2212}', "\u{ff0d}");
    let fields: Vec<(&str, String)> = fields.iter().map(|(name, value)| (*name, travels(value))).collect();
    let pairs = fields.iter().map(|(name, value)| (*name, value.as_str()));
    form_body(pairs.chain([("sps_hashcode", hash.as_str())])).unwrap()
}
