//! The calls, by hand-made requests, and what this crate's client makes of answers that break.

use std::time::Duration;

use kessai::mock::gmopg::{Fault, Merchant, MockGmoPg, Operation, TestCard};
use kessai::{ErrorKind, Gateway, Outcome};
use serde_json::{Value, json};

use super::shop::{Store, visit_of};
use crate::support::order;

async fn post(mock: &MockGmoPg, call: &str, mime: &str, body: String) -> (u16, String) {
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    let sent = http
        .post(format!("{}payment/{call}", mock.base_url()))
        .header("content-type", mime)
        .timeout(crate::support::inbox::PATIENCE)
        .body(body)
        .send()
        .await
        .unwrap();
    (sent.status().as_u16(), sent.text().await.unwrap())
}

/// A link as a store asks for it that does not use this crate.
fn asked(merchant: &Merchant, order_id: &str) -> Value {
    json!({
        "configid": "shop01",
        "geturlparam": { "ShopID": merchant.shop_id(), "ShopPass": merchant.shop_pass() },
        "transaction": {
            "OrderID": order_id, "Amount": "1200", "Tax": 120, "PayMethods": ["credit", "payeasy"],
            "RetUrl": "http://127.0.0.1:9/ret", "CompleteUrl": "http://127.0.0.1:9/done",
            "CancelUrl": "http://127.0.0.1:9/cancel", "ExpireDays": "3",
        },
        "displaysetting": { "Lang": "en" },
        "credit": { "JobCd": "CAPTURE", "Method": "1", "TdFlag": "2", "Tds2Type": "2" },
    })
}

async fn create(mock: &MockGmoPg, body: &Value) -> (u16, Value) {
    let mime = "application/json;charset=utf-8";
    let (status, text) = post(mock, "GetLinkplusUrlPayment.json", mime, body.to_string()).await;
    (status, serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn a_link_is_made_once_and_every_flaw_is_named() {
    let mock = MockGmoPg::start().unwrap();
    let merchant = mock.merchant();
    let (status, link) = create(&mock, &asked(&merchant, "EC-1")).await;
    assert_eq!(status, 200, "{link}");
    let url = link["LinkUrl"].as_str().unwrap();
    let path = format!("/v2/plus/{}/checkout/", merchant.shop_id());
    assert_eq!(url.split_once(&path).unwrap().1.len(), 64);
    assert_eq!(link["OrderID"], "EC-1");
    assert!(link.get("WarnList").is_none());

    let spoilt = |path: &str, value: Value| {
        let mut body = asked(&merchant, "EC-2");
        *body.pointer_mut(path).unwrap() = value;
        body
    };
    for (body, code) in [
        (asked(&merchant, "EC-1"), "E01040010"),
        (asked(&merchant, &"x".repeat(28)), "E01040003"),
        (asked(&merchant, "EC_2"), "E01040013"),
        (asked(&merchant, "注文2"), "E01040013"),
        (asked(&merchant, ""), "EZ1004001"),
        (spoilt("/geturlparam/ShopPass", json!("wrong")), "E01030002"),
        (spoilt("/geturlparam/ShopID", json!("tshop00000000")), "E01030002"),
        (spoilt("/geturlparam", json!(null)), "E01030002"),
        (spoilt("/configid", json!("")), "EZ1004001"),
        (spoilt("/transaction/Amount", json!(0)), "EZ1004001"),
        (spoilt("/transaction/Amount", json!(-5)), "EZ1004001"),
        (spoilt("/transaction/Amount", json!(10_000_000)), "EZ1004001"),
        (spoilt("/transaction/Amount", json!("1,200")), "EZ1004001"),
        (spoilt("/transaction/Amount", json!(1.5)), "EZ1004001"),
        (spoilt("/transaction/Tax", json!("x")), "EZ1004001"),
        (spoilt("/transaction/PayMethods", json!([])), "EZ1004001"),
        (spoilt("/transaction/PayMethods", json!(["cash"])), "EZ1004001"),
        (spoilt("/transaction/RetUrl", json!("javascript:alert(1)")), "EZ1004001"),
        (spoilt("/transaction/ExpireDays", json!("0")), "EZ1004001"),
        (spoilt("/credit/JobCd", json!("CHECK")), "EZ1004001"),
        (spoilt("/credit", json!([])), "EZ1004001"),
    ] {
        let (status, answer) = create(&mock, &body).await;
        assert_eq!((status, &answer[0]["ErrInfo"]), (400, &json!(code)), "{body}");
        assert_eq!(answer[0]["ErrCode"], code[..3], "{body}");
    }
    let mut misplaced = asked(&merchant, "EC-2");
    let id = misplaced.as_object_mut().unwrap().remove("configid").unwrap();
    misplaced["geturlparam"]["configid"] = id;
    assert_eq!(create(&mock, &misplaced).await.0, 400, "trap 3");
    let mut odd = asked(&merchant, "EC-3");
    odd["transaction"]["ErrorRcptMail"] = json!("a@shop.example");
    let (status, warned) = create(&mock, &odd).await;
    assert_eq!((status, &warned["WarnList"][0]["warnCode"]), (200, &json!("EZ4")));
    for (mime, body) in [
        ("text/plain", asked(&merchant, "EC-4").to_string()),
        ("application/json", "{".to_owned()),
        ("application/json", "[]".to_owned()),
    ] {
        assert_eq!(post(&mock, "GetLinkplusUrlPayment.json", mime, body).await.0, 400);
    }
    assert_eq!(merchant.orders().len(), 2);
}

async fn pass(mock: &MockGmoPg, call: &str, fields: &[(&str, &str)]) -> String {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let (status, text) = post(mock, call, "application/x-www-form-urlencoded", body).await;
    assert_eq!(status, 200, "an error of these comes with 200 as well");
    text
}

fn member<'t>(text: &'t str, name: &str) -> &'t str {
    let found = text
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_default()
}

#[tokio::test]
async fn a_deal_is_found_under_its_own_method_and_shop_only() {
    let mock = MockGmoPg::start().unwrap();
    let merchant = mock.merchant();
    let other = mock.open_merchant("Another");
    let (_, link) = create(&mock, &asked(&merchant, "EC-1")).await;
    let search = |merchant: Merchant, order: &'static str, pay_type: &'static str| {
        let mock = &mock;
        async move {
            let fields = [
                ("ShopID", merchant.shop_id()),
                ("ShopPass", merchant.shop_pass()),
                ("OrderID", order),
                ("PayType", pay_type),
            ];
            pass(mock, "SearchTradeMulti.idPass", &fields).await
        }
    };
    let unused = "ErrCode=M01&ErrInfo=M01004002";
    assert_eq!(search(merchant.clone(), "EC-1", "0").await, unused, "not opened yet");
    let page = mock.shopper().visit(link["LinkUrl"].as_str().unwrap()).await.unwrap();
    assert!(page.text().contains("1,320 yen"), "{}", page.text());
    let done = page.pay(TestCard::Succeeds).await.unwrap();
    // Without ResultSkipFlag there is a page of the gateway's own in between.
    let visit = done.page().unwrap().back_to_store().unwrap();
    assert_eq!(visit.url, "http://127.0.0.1:9/done");

    let found = search(merchant.clone(), "EC-1", "0").await;
    for (name, value) in [
        ("Status", "CAPTURE"),
        ("Amount", "1200"),
        ("Tax", "120"),
        ("Currency", "JPN"),
        ("PayType", "0"),
        ("CardNo", ""),
    ] {
        assert_eq!(member(&found, name), value, "{found}");
    }
    assert!(!found.contains("OrderID"), "the recorded answer has none");
    assert_eq!(member(&found, "AccessPass").len(), 32);
    for refused in [
        search(merchant.clone(), "EC-1", "3").await,
        search(merchant.clone(), "EC-1", "").await,
        search(merchant.clone(), "EC-9", "0").await,
        search(other, "EC-1", "0").await,
    ] {
        assert_eq!(refused, unused);
    }
    let nobody = [("ShopID", "tshop00000000"), ("ShopPass", "x"), ("OrderID", "EC-1")];
    assert_eq!(
        member(&pass(&mock, "SearchTrade.idPass", &nobody).await, "ErrInfo"),
        "E01030002"
    );
    let own = [
        ("ShopID", merchant.shop_id()),
        ("ShopPass", merchant.shop_pass()),
        ("OrderID", "EC-1"),
    ];
    assert_eq!(
        member(&pass(&mock, "SearchTrade.idPass", &own).await, "OrderID"),
        "EC-1"
    );
}

#[tokio::test]
async fn a_deal_changes_only_by_its_own_password_and_in_its_state() {
    let store = Store::open().await;
    visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    let (merchant, mock) = (&store.merchant, &store.mock);
    let shop = [("ShopID", merchant.shop_id()), ("ShopPass", merchant.shop_pass())];
    let order_id = store.there().await.order_id;
    let found = [shop.as_slice(), &[("OrderID", order_id.as_str())]].concat();
    let found = pass(mock, "SearchTrade.idPass", &found).await;
    let (id, secret) = (member(&found, "AccessID"), member(&found, "AccessPass"));
    let stars = "*".repeat(32);
    for (call, pass_word, own, code) in [
        (
            "AlterTran.idPass",
            stars.as_str(),
            &[("JobCd", "VOID")][..],
            "M01004002",
        ),
        (
            "AlterTran.idPass",
            secret,
            &[("JobCd", "SALES"), ("Amount", "3960")],
            "E11010003",
        ),
        ("AlterTran.idPass", secret, &[("JobCd", "RETURNX")], "E11010003"),
        ("AlterTran.idPass", secret, &[("JobCd", "")], "E01010001"),
        ("AlterTran.idPass", secret, &[("JobCd", "STEAL")], "E01010001"),
        (
            "ChangeTran.idPass",
            secret,
            &[("JobCd", "AUTH"), ("Amount", "1")],
            "E01010001",
        ),
        (
            "ChangeTran.idPass",
            secret,
            &[("JobCd", "CAPTURE"), ("Amount", "0")],
            "E01010001",
        ),
        (
            "ChangeTran.idPass",
            secret,
            &[("JobCd", "CAPTURE"), ("Amount", "x")],
            "E01010001",
        ),
        ("ChangeTran.idPass", secret, &[("JobCd", "CAPTURE")], "E01010001"),
    ] {
        let access = [("AccessID", id), ("AccessPass", pass_word)];
        let answer = pass(mock, call, &[shop.as_slice(), &access, own].concat()).await;
        assert_eq!(member(&answer, "ErrInfo"), code, "{call} {own:?}");
    }
    assert_eq!(store.there().await.taken, 3960);
}

#[tokio::test]
async fn an_answer_that_breaks_is_of_unknown_outcome_and_never_a_status() {
    let store = Store::open().await;
    visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    let attempt = store.attempt().await;
    for (fault, kind) in [
        (Fault::LostReply, ErrorKind::Transport),
        (Fault::LostRequest, ErrorKind::Transport),
        (Fault::ServerError, ErrorKind::Unavailable),
        (Fault::ServerErrorAfterWork, ErrorKind::Unavailable),
        (Fault::Unavailable, ErrorKind::Unavailable),
        (Fault::HtmlPage, ErrorKind::Protocol),
        (Fault::Refused("E90010001"), ErrorKind::Conflict),
        (Fault::Refused("E92000001"), ErrorKind::RateLimited),
        (Fault::Refused("E99999999"), ErrorKind::Unavailable),
        (Fault::Refused("ZZ9000001"), ErrorKind::Protocol),
        (Fault::BrokenOff, ErrorKind::Transport),
        (Fault::HugeBody(3 << 20), ErrorKind::Protocol),
        (Fault::Swapped, ErrorKind::Protocol),
    ] {
        let armed = store.mock.fault(fault.clone()).on(Operation::Search).arm();
        let answer = store.gmopg.status(&attempt, store.mock.clock().now()).await;
        assert_eq!(armed.hits(), 1, "{fault:?}");
        let error = answer.expect_err("broken");
        assert_eq!(error.kind(), kind, "{fault:?}: {error}");
        if !matches!(fault, Fault::Refused(_)) {
            assert_eq!(error.outcome(), Outcome::Unknown, "{fault:?}");
        }
    }
    for fault in [
        Fault::Delay(Duration::from_millis(20)),
        Fault::Drip {
            bytes: 64,
            pause: Duration::from_millis(1),
        },
    ] {
        store.mock.fault(fault).on(Operation::Search).arm();
        let answer = store.gmopg.status(&attempt, store.mock.clock().now()).await;
        assert!(answer.is_ok(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_link_that_may_exist_is_never_called_refused() {
    for (fault, outcome) in [
        (Fault::LostReply, Outcome::Unknown),
        (Fault::ServerErrorAfterWork, Outcome::Unknown),
        (Fault::RefusedAfterWork("E90010001"), Outcome::Unknown),
        (Fault::Truncated, Outcome::Unknown),
        (Fault::Swapped, Outcome::Unknown),
        (Fault::Refused("EZ1004001"), Outcome::Refused),
    ] {
        let store = Store::open().await;
        store.mock.fault(fault.clone()).on(Operation::Create).arm();
        let opened = store.cashier.open(&order("ORD-1"), &kessai::GatewayId::GMOPG).await;
        let error = opened.expect_err("broken");
        let attempt = store.attempt().await;
        let open = !attempt.status.is_final();
        assert_eq!(open, outcome == Outcome::Unknown, "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn a_password_that_was_changed_is_nobodys() {
    let mock = MockGmoPg::start().unwrap();
    let before = mock.merchant();
    let (_, link) = create(&mock, &asked(&before, "EC-1")).await;
    let after = before.change_pass();
    assert_eq!(before.shop_id(), after.shop_id());
    assert_ne!(before.shop_pass(), after.shop_pass());
    let page = mock.shopper().visit(link["LinkUrl"].as_str().unwrap()).await.unwrap();
    let _ = page.pay(TestCard::Succeeds).await.unwrap();
    let search = |shop: Merchant| {
        let mock = &mock;
        async move {
            let fields = [
                ("ShopID", shop.shop_id()),
                ("ShopPass", shop.shop_pass()),
                ("OrderID", "EC-1"),
                ("PayType", "0"),
            ];
            pass(mock, "SearchTradeMulti.idPass", &fields).await
        }
    };
    let (old, new) = (search(before).await, search(after).await);
    assert!(member(&old, "ErrCode").starts_with('E'), "{old}");
    assert_eq!(member(&new, "Status"), "CAPTURE", "{new}");
}
