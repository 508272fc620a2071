//! What a gateway's API answers, to every question and order that there is. The first line says which one is meant.

use std::time::Duration;

use kessai::{Currency, IdempotencyKey, Money, Nonce, PaymentStatus, Redirect, SweepPolicy, Trust};
use serde_json::{Value, json};

use super::line::{self, now};
use super::shop::{self, ATTEMPT, Shop, TOTAL, World};
use super::wire;

pub fn answer_stripe(data: &[u8]) {
    answer(&shop::STRIPE, data);
}

pub fn answer_komoju(data: &[u8]) {
    answer(&shop::KOMOJU, data);
}

pub fn answer_gmopg(data: &[u8]) {
    answer(&shop::GMOPG, data);
}

pub fn answer_sbps(data: &[u8]) {
    answer(&shop::SBPS_API, data);
}

fn answer(shop: &Shop, data: &[u8]) {
    let Some(end) = data.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    let Some(answers) = wire::answers(&data[end + 1..]) else {
        return;
    };
    line::set(answers.clone());
    let (gateway, attempt, at) = (
        shop.gateway.as_ref(),
        &shop.attempt,
        *shop::START_TIME + Duration::from_secs(600),
    );
    let expected = &attempt.expected;
    let key: IdempotencyKey = "fz0key00000000000000000001".parse().unwrap();
    let (abilities, half) = (gateway.abilities(), Money::new(TOTAL / 2, Currency::JPY));
    // Nothing but a 2xx is ever a yes.
    let any_yes = || {
        assert!(
            answers.iter().any(|answer| answer.status().is_success()),
            "a yes from nowhere"
        );
    };
    match &data[..end] {
        b"status" => {
            if let Ok(event) = now(gateway.status(attempt, at)) {
                any_yes();
                assert_eq!(event.trust(), Trust::StatusQuery);
                let said = event.value();
                assert_eq!((&said.gateway, &said.account), (&gateway.id(), gateway.account()));
                if said
                    .subject
                    .attempt
                    .as_ref()
                    .is_some_and(|named| *named != expected.attempt)
                {
                    assert!(expected.accept(event).is_err(), "another attempt's answer was taken");
                }
            }
            sweep(shop, &answers);
        }
        b"checkout" => {
            if let Ok(checkout) = now(gateway.checkout(expected, &shop.request)) {
                let allowed: Vec<&str> = gateway.pages().iter().collect();
                assert!(
                    checkout
                        .redirect
                        .origins()
                        .iter()
                        .all(|origin| allowed.contains(origin))
                );
                if let Redirect::Get(_) = checkout.redirect {
                    any_yes();
                    let nonce = Nonce::of_policy("abc").unwrap();
                    let reply = checkout.redirect.into_response(&nonce, "Pay");
                    let location = reply.headers().get("location").expect("a link is a header");
                    assert!(location.as_bytes().iter().all(u8::is_ascii_graphic));
                }
            }
        }
        b"expire" => {
            if let Some(expire) = abilities.expire
                && now(expire.expire(attempt, at)).is_ok()
            {
                any_yes();
            }
        }
        b"capture" => {
            if let Some(capture) = abilities.capture
                && now(capture.capture(attempt, None, &key, at)).is_ok()
            {
                any_yes();
            }
        }
        b"void" => {
            if let Some(void) = abilities.void
                && now(void.void(attempt, &key, at)).is_ok()
            {
                any_yes();
            }
        }
        b"refund" | b"refund half" => {
            let amount = (data[..end] == *b"refund half").then_some(half);
            if let Some(refund) = abilities.refund
                && now(refund.refund(attempt, amount, &key, at)).is_ok()
            {
                any_yes();
            }
        }
        _ => {}
    }
    // Each try of each question is bounded, whatever is answered.
    assert!(line::asked().len() <= 40, "asked without end");
}

/// The same answers to the sweep: paid means that one of them said so of this attempt, whole.
fn sweep(shop: &Shop, answers: &[http::Response<bytes::Bytes>]) {
    let at = *shop::START_TIME + Duration::from_secs(600);
    line::set(answers.to_vec());
    let told = now(shop.gateway.status(&shop.attempt, at));
    let pays = told.is_ok_and(|event| {
        let said = &event.value().snapshot;
        said.status == PaymentStatus::Captured && said.amount == Some(shop.attempt.expected.amount)
    });
    line::set(answers.to_vec());
    let world = World::new(shop, at);
    let _ = now(world.cashier.sweep(&SweepPolicy::default())).unwrap();
    assert!(pays || !world.paid(), "paid, and nobody said so");
    assert!(world.is_intact(), "the ledger is broken");
}

// ----- seeds -----

const JSON: (&str, &str) = ("content-type", "application/json");
const DATED: [(&str, &str); 3] = [
    JSON,
    ("date", "Mon, 23 Nov 2026 02:13:20 GMT"),
    ("retry-after", "Mon, 23 Nov 2026 02:13:21 GMT"),
];

fn seeds(questions: &[&str], answers: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for question in questions {
        for answer in answers {
            seeds.push([question.as_bytes(), b"\n", answer].concat());
        }
    }
    seeds
}

const ALL: [&str; 7] = [
    "status",
    "checkout",
    "expire",
    "capture",
    "void",
    "refund",
    "refund half",
];

pub fn seeds_stripe() -> Vec<Vec<u8>> {
    let session = |status: &str, payment_status: &str, intent: Value| {
        json!({
            "id": shop::STRIPE_SESSION, "object": "checkout.session", "mode": "payment", "livemode": false, "status": status,
            "payment_status": payment_status, "amount_total": TOTAL, "currency": "jpy", "client_reference_id": "EC-7",
            "metadata": {"order_id": "EC-7", "attempt_id": ATTEMPT}, "payment_intent": intent, "expires_at": 1_795_486_400_u64,
            "url": format!("https://checkout.stripe.com/c/pay/{}#fid", shop::STRIPE_SESSION),
        })
    };
    let intent = |status: &str, refunded: u64| {
        json!({
            "id": "pi_1", "object": "payment_intent", "status": status, "amount": TOTAL, "currency": "jpy", "livemode": false,
            "latest_charge": {"id": "ch_1", "amount": TOTAL, "amount_refunded": refunded, "currency": "jpy",
                "refunded": refunded == TOTAL, "disputed": false},
        })
    };
    let refund = json!({"id": "re_1", "object": "refund", "amount": TOTAL, "currency": "jpy", "status": "succeeded", "payment_intent": "pi_1"});
    let error =
        json!({"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No such session"}});
    let said = |status, body: &Value| wire::said(status, &[JSON, ("request-id", "req_1")], body.to_string().as_bytes());
    let paid = said(200, &session("complete", "paid", intent("succeeded", 0)));
    let answers = [
        paid.clone(),
        said(200, &session("complete", "paid", intent("succeeded", 100))),
        said(200, &session("open", "unpaid", Value::Null)),
        said(200, &session("expired", "unpaid", Value::Null)),
        said(200, &intent("requires_capture", 0)),
        said(200, &refund),
        said(404, &error),
        wire::several(&[wire::said(429, &DATED, error.to_string().as_bytes()), paid]),
    ];
    seeds(&ALL, &answers)
}

pub fn seeds_komoju() -> Vec<Vec<u8>> {
    let payment = |status: &str, refunded: u64| {
        json!({
            "id": "b3kq0x8d2m5n7p1r4t6v8w0y2", "resource": "payment", "status": status, "amount": TOTAL, "tax": 0,
            "payment_details": {"type": "credit_card"}, "payment_method_fee": 0, "total": TOTAL, "currency": "JPY",
            "external_order_num": ATTEMPT, "amount_refunded": refunded, "session": shop::KOMOJU_SESSION,
            "refunds": if refunded > 0 { json!([{"id": "r1", "chargeback": true}]) } else { Value::Null },
        })
    };
    let session = |status: &str, payment: Value| {
        json!({
            "id": shop::KOMOJU_SESSION, "resource": "session", "mode": "payment", "amount": TOTAL, "currency": "JPY",
            "status": status, "expired": false, "external_order_num": ATTEMPT, "payment": payment,
            "session_url": format!("https://komoju.com/sessions/{}", shop::KOMOJU_SESSION),
        })
    };
    let error = json!({"error": {"code": "not_found", "message": "no", "param": "id"}});
    let said = |status, body: &Value| wire::said(status, &[JSON], body.to_string().as_bytes());
    let paid = said(200, &session("completed", payment("captured", 0)));
    let answers = [
        paid.clone(),
        said(200, &session("completed", payment("refunded", TOTAL))),
        said(200, &session("pending", Value::Null)),
        said(200, &session("cancelled", Value::Null)),
        said(200, &payment("authorized", 0)),
        said(422, &error),
        wire::several(&[wire::said(503, &DATED, b""), paid.clone(), paid]),
    ];
    seeds(&ALL, &answers)
}

pub fn seeds_gmopg() -> Vec<Vec<u8>> {
    let deal = |status: &str, amount: u64| {
        format!(
            "OrderID={ATTEMPT}&Status={status}&ProcessDate=20261123111500&JobCd=CAPTURE&AccessID=5f2c9a1e7b3d40688c11aa02d94e6f73\
             &AccessPass=4099664bd4b110800e09805539d1d7b5&ItemCode=0000990&Amount={amount}&Tax=0&SiteID=&MemberID=&Method=1\
             &Forward=2a99662&TranID=2611011016311111111111878654&Approve= 019292&ClientField1=\u{8868}&PayType=0&Currency=JPN"
        )
    };
    let changed = "AccessID=5f2c9a1e7b3d40688c11aa02d94e6f73&AccessPass=4099664bd4b110800e09805539d1d7b5&Forward=2a99662\
                   &Approve=019292&TranID=2611011016311111111111878655&TranDate=20261101111639";
    let link = json!({
        "OrderID": ATTEMPT, "ProcessDate": "20261123111500",
        "LinkUrl": format!("https://stg.link.mul-pay.jp/v2/plus/{}/checkout/{}", shop::GMOPG_SHOP, "ab".repeat(32)),
    });
    let errors = json!([{"ErrCode": "EZ4", "ErrInfo": "EZ4136014"}, {"errCode": "M01", "errInfo": "M01004002"}]);
    let text = |body: &str| {
        wire::said(
            200,
            &[("content-type", "text/plain;charset=Windows-31J")],
            body.as_bytes(),
        )
    };
    let said = |status, body: &Value| wire::said(status, &[JSON], body.to_string().as_bytes());
    let answers = [
        text(&deal("CAPTURE", TOTAL)),
        text(&deal("UNPROCESSED", TOTAL)),
        text("ErrCode=M01&ErrInfo=M01004002"),
        text("ErrCode=E11|E01&ErrInfo=E11010003|E01390002"),
        wire::several(&[text(&deal("AUTH", TOTAL)), text(changed)]),
        wire::several(&[
            text(&deal("CAPTURE", TOTAL)),
            text("ErrCode=E11&ErrInfo=E11010003"),
            text(changed),
        ]),
        said(200, &link),
        said(400, &errors),
        wire::several(&[
            said(200, &json!({"OrderID": ATTEMPT})),
            text("ErrCode=M01&ErrInfo=M01004002"),
        ]),
    ];
    seeds(&ALL, &answers)
}

pub fn seeds_sbps() -> Vec<Vec<u8>> {
    let document = |id: &str, inside: &str| {
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"Shift_JIS\" ?>\n<sps-api-response id=\"{id}\">\n{inside}</sps-api-response>"
        );
        wire::said(200, &[("content-type", "text/xml")], xml.as_bytes())
    };
    let credit = |commit: &str, payment: &str| {
        document(
            "MG01-00101-101",
            &format!(
                "<res_result>OK</res_result><res_sps_transaction_id>B99661001MG010010110100361052482</res_sps_transaction_id>\
                 <res_status>0</res_status><res_pay_method_info><res_pay_method_info_detail><dealings_type>10</dealings_type>\
                 </res_pay_method_info_detail><commit_status>{commit}</commit_status><payment_status>{payment}</payment_status>\
                 </res_pay_method_info><res_process_date>20261123110800</res_process_date><res_err_code></res_err_code>\
                 <res_date>20261123110801</res_date>"
            ),
        )
    };
    let done = |id: &str| {
        document(
            id,
            "<res_result>OK</res_result><res_sps_transaction_id>B99661001ST020020110100361052482</res_sps_transaction_id>\
             <res_process_date>20261123110800</res_process_date><res_err_code></res_err_code><res_date>20261123110801</res_date>",
        )
    };
    let answers = [
        credit("1", "2"),
        credit("1", "&#x31;"),
        credit("0", "<![CDATA[1]]>"),
        credit("7", "&lt;&amp;&gt;"),
        document(
            "MG01-00101-101",
            "<res_result>NG</res_result><res_err_code>10123999</res_err_code><!-- no -->",
        ),
        done("ST02-00201-101"),
        done("ST02-00303-101"),
        done("ST02-00307-101"),
        document("x", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>"),
        wire::said(500, &DATED, b""),
    ];
    seeds(&ALL, &answers)
}
