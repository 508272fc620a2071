//! The hosted page as a person and a browser have it.

use kessai::mock::sbps::{Fault, MockSbps, Operation, TestCard};

use super::shop::{Request, Store, page_of, visit_of};
use crate::support::order;

#[tokio::test]
async fn the_page_is_in_shift_jis_and_speaks_the_browsers_language() {
    let store = Store::open().await;
    let form = store.form(&order("ORD-1")).await;
    let page = store.mock.shopper().open(&form).await.unwrap();
    assert!(page.text().contains("3,960円"), "{}", page.text());
    assert!(page.text().contains("テスト用ゲートウェイ"));
    assert!(page.html().contains("<html lang=\"ja\">"));

    let store = Store::open().await;
    let form = store.form(&order("ORD-1")).await;
    let shopper = store.mock.shopper().language("en-GB, ja;q=0.5");
    let page = shopper.open(&form).await.unwrap();
    assert!(page.text().contains("3,960 yen"), "{}", page.text());
    assert!(page.text().contains("Card number"));

    let store = Store::with(MockSbps::builder().language("en"), |shop| shop).await;
    assert!(store.at_page().await.text().contains("Card number"));
}

#[tokio::test]
async fn the_bytes_of_the_page_are_those_that_its_header_promises() {
    let mock = MockSbps::start().unwrap();
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    let sent = http
        .get(mock.base_url().join("/nowhere").unwrap())
        .header("accept-language", "ja")
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 404);
    assert_eq!(sent.headers()["content-type"], "text/html; charset=Shift_JIS");
    let body = sent.bytes().await.unwrap();
    let wanted = kessai::charset::encode("ページが見つかりません").unwrap();
    assert!(body.windows(wanted.len()).any(|bytes| bytes == &*wanted));
    assert!(std::str::from_utf8(&body).is_err());
}

#[tokio::test]
async fn a_card_that_cannot_be_one_is_sent_back_without_any_result() {
    let store = Store::open().await;
    let page = store.at_page().await;
    for (number, expiry, code, holder) in [
        ("4111 1111 1111 1111", "12/30", "123", "TARO"),
        ("4242 4242 4242 4241", "12/30", "123", "TARO"),
        ("", "12/30", "123", "TARO"),
        ("4242 4242 4242 4242", "10/26", "123", "TARO"),
        ("4242 4242 4242 4242", "13/30", "123", "TARO"),
        ("4242 4242 4242 4242", "12/30", "12", "TARO"),
        ("4242 4242 4242 4242", "12/30", "123", " "),
    ] {
        let again = page_of(page.type_card(number, expiry, code, holder).await.unwrap());
        assert_eq!(again.status(), 422);
        assert!(again.is_open());
        assert!(again.html().contains("role=\"alert\""));
        assert!(number.is_empty() || !again.html().contains(&format!("value=\"{number}\"")));
    }
    store.quiet().await;
    assert!(store.received().is_empty());
    visit_of(page.type_card("4242424242424242", "1230", "123", "山田").await.unwrap());
}

#[tokio::test]
async fn no_card_number_is_kept_or_printed() {
    let store = Store::open().await;
    let page = store.at_page().await;
    let asked = page_of(page.pay(TestCard::AsksForSecure).await.unwrap());
    assert!(asked.text().contains("3155") && !asked.html().contains("4000002500003155"));
    let visit = visit_of(asked.answer_secure(true).await.unwrap());
    store.quiet().await;
    let mut seen = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        store.mock,
        store.merchant,
        store.merchant.orders(),
        store.merchant.deliveries(),
        page,
        visit
    );
    for body in store.received() {
        seen += &String::from_utf8_lossy(&body);
    }
    seen += &String::from_utf8_lossy(&visit.body);
    for secret in [
        "4000002500003155",
        "4000 0025 0000 3155",
        "TARO YAMADA",
        store.merchant.hash_key(),
        store.merchant.api_password(),
    ] {
        assert!(!seen.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn what_a_store_writes_is_text_on_the_page() {
    let mock = MockSbps::builder()
        .clock(kessai::mock::Clock::stopped_at(crate::support::start()))
        .start()
        .unwrap();
    let shop = mock.merchant();
    let request = Request::valid(&shop)
        .with("item_name", "<script>x</script>\"'&")
        .with("success_url", "http://127.0.0.1:9/s?a=1&b=\"><b>");
    let page = mock
        .shopper()
        .post(&mock.form_url(), request.signed(&shop))
        .await
        .unwrap();
    assert!(!page.html().contains("<script>x"));
    assert!(page.text().contains("<script>x</script>\"'&"));
    let visit = visit_of(page.pay(TestCard::Succeeds).await.unwrap());
    assert_eq!(visit.url, "http://127.0.0.1:9/s?a=1&b=\"><b>");
    assert_eq!(super::shop::field(&visit.body, "item_name"), "<script>x</script>\"'&");
}

#[tokio::test]
async fn only_what_the_order_offers_can_be_done() {
    let store = Store::open().await;
    let page = store.at_page().await;
    assert!(page.pay_later(true).await.is_err());
    assert!(page.pay_by_wallet().await.is_err());
    assert!(page.answer_secure(true).await.is_err());
    assert!(page.back_to_store().is_err());
    // Nor by a form that the page does not have.
    let (_, rest) = page.html().split_once("action=\"/pay/").unwrap();
    let (session, _) = rest.split_once('/').unwrap();
    let step = |name: &str| format!("{}pay/{session}/{name}", store.mock.base_url());
    for (name, body, status) in [
        ("slip", "method=webcvs&arrives=true", 400),
        ("wallet", "method=paypay", 400),
        ("card", "method=credit&number=4242424242424242", 400),
        ("card", "number=%zz", 400),
        ("nothing", "", 400),
    ] {
        let answer = store
            .mock
            .shopper()
            .post(&step(name), body.as_bytes().to_vec())
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{name}");
    }
    // A guessed token answers no question of the bank's.
    let asked = page_of(page.pay(TestCard::AsksForSecure).await.unwrap());
    let guess = store.mock.shopper();
    let still = guess
        .post(&step("secure"), b"token=x&answer=pass".to_vec())
        .await
        .unwrap();
    assert!(still.asks_for_secure());
    let unknown = guess
        .visit(&format!("{}pay/unknown", store.mock.base_url()))
        .await
        .unwrap();
    assert_eq!(unknown.status(), 404);
    store.quiet().await;
    assert!(store.received().is_empty());
    visit_of(asked.answer_secure(true).await.unwrap());
}

#[tokio::test]
async fn several_methods_are_offered_on_one_page() {
    let store = Store::with(MockSbps::builder(), |shop| {
        shop.methods(Vec::<String>::new()).notifications_settle()
    })
    .await;
    let page = store.at_page().await;
    for words in ["クレジットカード", "コンビニ", "ペイジー", "銀行振込", "PayPay"] {
        assert!(page.text().contains(words), "{words}");
    }
    let slip = page_of(page.pay_later(true).await.unwrap());
    assert!(slip.text().contains("2026/11/25"), "{}", slip.text());
    store.quiet().await;
    assert_eq!(super::shop::field(&store.received()[0], "pay_method"), "");
    assert_eq!(super::shop::field(&store.received()[0], "res_pay_method"), "webcvs");
}

#[tokio::test]
async fn a_page_that_breaks_after_the_card_was_taken_does_not_take_it_again() {
    for fault in [Fault::LostReply, Fault::ServerErrorAfterWork] {
        let store = Store::open().await;
        let page = store.at_page().await;
        store.mock.fault(fault.clone()).on(Operation::HostedPage).arm();
        let broken = page.pay(TestCard::Succeeds).await;
        assert!(broken.map_or(true, |landed| landed.store().is_none()), "{fault:?}");
        visit_of(page.pay(TestCard::Succeeds).await.unwrap());
        store.quiet().await;
        assert_eq!(store.received().len(), 1, "{fault:?}");
        store.sweep().await;
        assert_eq!(store.fulfil_all().await, 1);
    }
    for fault in [Fault::LostRequest, Fault::Unavailable] {
        let store = Store::open().await;
        let page = store.at_page().await;
        store.mock.fault(fault.clone()).on(Operation::HostedPage).arm();
        drop(page.pay(TestCard::Succeeds).await);
        store.quiet().await;
        assert!(store.received().is_empty(), "{fault:?}");
    }
}
