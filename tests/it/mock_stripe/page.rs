//! The hosted page, as a browser and a person see it.

use http::Method;
use kessai::mock::MockError;
use kessai::mock::stripe::{Landed, MockStripe, Page, TestCard};
use scraper::{Html, Selector};

use super::shop::{Form, HOUR, Shop, id_of, page_of, store_of};

async fn page_with(shop: &Shop, form: &Form) -> Page {
    shop.mock.shopper().open(&url_of(shop, form).await).await.unwrap()
}

async fn url_of(shop: &Shop, form: &Form) -> String {
    let answer = shop.create(form).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["url"].as_str().unwrap().to_owned()
}

fn attribute(page: &Page, selector: &str, name: &str) -> Vec<String> {
    let html = Html::parse_document(page.html());
    let found = html.select(&Selector::parse(selector).unwrap()).collect::<Vec<_>>();
    found
        .iter()
        .map(|element| element.value().attr(name).unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test]
async fn the_session_chooses_the_language_and_else_the_browser() {
    let shop = Shop::open().await;
    for (locale, browser, lang) in [
        (Some("ja"), "en", "ja"),
        (Some("en"), "ja", "en"),
        (Some("auto"), "ja,en;q=0.5", "ja"),
        (Some("fr"), "ja", "en"),
        (None, "ja", "ja"),
        (None, "en-GB,ja;q=0.9", "en"),
        (None, "fr", "en"),
    ] {
        let url = match locale {
            Some(locale) => url_of(&shop, &Form::valid().with("locale", locale)).await,
            None => url_of(&shop, &Form::valid()).await,
        };
        let page = shop.mock.shopper().language(browser).open(&url).await.unwrap();
        assert_eq!(attribute(&page, "html", "lang"), [lang], "{locale:?} {browser}");
        let words = if lang == "ja" { "カード番号" } else { "Card number" };
        assert!(page.text().contains(words), "{}", page.text());
    }
    let shop = Shop::with(MockStripe::builder().language("ja")).await;
    let page = page_with(&shop, &Form::valid()).await;
    assert!(
        page.text().contains("実在のカードは使えず"),
        "the banner is there in Japanese too"
    );
}

#[tokio::test]
async fn the_page_shows_the_order_and_what_a_browser_fills_in() {
    let shop = Shop::open().await;
    let form = Form::valid()
        .with("line_items[0][price_data][product_data][description]", "First flush")
        .with("line_items[1][quantity]", "1")
        .with("line_items[1][price_data][currency]", "jpy")
        .with("line_items[1][price_data][unit_amount]", "1200000")
        .with("line_items[1][price_data][product_data][name]", "Kyusu");
    let page = page_with(&shop, &form).await;
    for words in [
        "Test gateway: no real card",
        "Kessai Test Store",
        "Sencha",
        "First flush",
        "Quantity 2",
        "¥3,960",
        "Kyusu",
        "¥1,200,000",
        "¥1,203,960",
        "4242 4242 4242 4242",
        "convenience store",
        "closes in 24 h 0 min",
    ] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    assert_eq!(
        attribute(&page, "form.card input", "autocomplete"),
        ["cc-number", "cc-exp", "cc-csc", "cc-name"]
    );
    assert_eq!(
        attribute(&page, "meta[name=viewport]", "content"),
        ["width=device-width, initial-scale=1"]
    );
    assert_eq!(attribute(&page, "a.back", "href"), ["http://127.0.0.1:3000/cancel"]);
    assert_eq!(
        attribute(&page, "script, [onclick], [onload], [style], iframe, img", "src").len(),
        0
    );
    let japanese = shop
        .mock
        .shopper()
        .language("ja")
        .open(&url_of(&shop, &form).await)
        .await
        .unwrap();
    assert!(japanese.text().contains("1,203,960円"), "{}", japanese.text());
}

#[tokio::test]
async fn what_stores_write_is_text_and_never_markup() {
    let shop = Shop::open().await;
    let nasty = "\"><script>alert('1')</script><form action=\"https://evil.example/\"> & \u{202e}txt";
    let form = Form::valid()
        .with("line_items[0][price_data][product_data][name]", nasty)
        .with("line_items[0][price_data][product_data][description]", nasty)
        .with("cancel_url", r#"http://127.0.0.1:3000/c?"><script>x</script>"#);
    let page = page_with(&shop, &form).await;
    assert!(attribute(&page, "script", "src").is_empty());
    assert_eq!(attribute(&page, "form", "action").len(), 2);
    assert!(page.text().contains("<script>alert('1')</script>"), "{}", page.text());
    assert!(!page.html().contains('\u{202e}'));
    assert_eq!(
        attribute(&page, "a.back", "href"),
        [r#"http://127.0.0.1:3000/c?"><script>x</script>"#]
    );
    assert_eq!(
        store_of(page.cancel().await.unwrap()),
        r#"http://127.0.0.1:3000/c?"><script>x</script>"#
    );
}

#[tokio::test]
async fn pages_say_what_a_browser_may_do_with_them() {
    let shop = Shop::open().await;
    let url = url_of(&shop, &Form::valid()).await;
    let path = url::Url::parse(&url).unwrap().path().to_owned();
    let page = shop.call_bare(Method::GET, &path, "", &[]).await.unwrap();
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    for part in [
        "default-src 'none'",
        "style-src 'self'",
        "form-action 'self' http://127.0.0.1:3000;",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"));
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(!page.headers.contains_key("set-cookie"));
    let style = shop.call_bare(Method::GET, "/c/page.css", "", &[]).await.unwrap();
    assert_eq!(
        (style.status, &style.headers["content-type"]),
        (200, &"text/css; charset=utf-8".parse().unwrap())
    );

    // An IPv6 address cannot be named in a policy, so its scheme is.
    let six = url_of(&shop, &Form::valid().with("success_url", "http://[::1]:3000/return")).await;
    let path = url::Url::parse(&six).unwrap().path().to_owned();
    let page = shop.call_bare(Method::GET, &path, "", &[]).await.unwrap();
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("form-action 'self' http:;")
    );
}

#[tokio::test]
async fn a_card_with_a_flaw_is_refused_with_words_and_not_repeated() {
    let shop = Shop::open().await;
    let (attempt, page) = shop.at_page().await;
    for (number, expiry, code, holder, words) in [
        ("", "12/34", "123", "TARO YAMADA", "not a card number"),
        (
            "4242 4242 4242 4241",
            "12/34",
            "123",
            "TARO YAMADA",
            "not a card number",
        ),
        (
            "4111 1111 1111 1111",
            "12/34",
            "123",
            "TARO YAMADA",
            "not one of the test cards",
        ),
        (
            "3530 1113 3330 0000",
            "12/34",
            "123",
            "TARO YAMADA",
            "not one of the test cards",
        ),
        (
            "4242 4242 4242 4242",
            "10/26",
            "123",
            "TARO YAMADA",
            "not a month in the future",
        ),
        (
            "4242 4242 4242 4242",
            "",
            "123",
            "TARO YAMADA",
            "not a month in the future",
        ),
        (
            "4242 4242 4242 4242",
            "12/34",
            "12",
            "TARO YAMADA",
            "three or four digits",
        ),
        (
            "4242 4242 4242 4242",
            "12/34",
            "12x",
            "TARO YAMADA",
            "three or four digits",
        ),
        (
            "4242 4242 4242 4242",
            "12/34",
            "123",
            " ",
            "name on the card is missing",
        ),
    ] {
        let again = page_of(page.type_card(number, expiry, code, holder).await.unwrap());
        assert_eq!(again.status(), 422, "{number}");
        assert!(again.text().contains(words), "{words}: {}", again.text());
        assert!(
            attribute(&again, "form.card input", "value")
                .iter()
                .all(String::is_empty),
            "nothing typed comes back"
        );
        assert!(!again.html().contains("TARO YAMADA") && !again.html().contains("4111 1111 1111 1111"));
    }
    let view = shop.merchant.session(id_of(&attempt)).unwrap();
    assert_eq!(
        (view.payment_intent, view.captured),
        (None, 0),
        "nobody was asked for money"
    );
    store_of(
        page.type_card("4242-4242-4242-4242", "1226", "1234", "太郎")
            .await
            .unwrap(),
    );
}

#[tokio::test]
async fn forms_that_are_not_the_pages_own_do_nothing() {
    let shop = Shop::open().await;
    let (attempt, _) = shop.at_page().await;
    let base = format!("/c/pay/{}", id_of(&attempt));
    for (method, path, body, status) in [
        (Method::POST, base.clone(), "", 404),
        (Method::POST, format!("{base}/pay"), "", 404),
        (Method::POST, format!("{base}/card/x"), "", 404),
        (Method::GET, format!("{base}/card"), "", 404),
        (Method::GET, format!("{base}/later?arrives=true"), "", 404),
        (Method::POST, format!("{base}/later"), "", 400),
        (Method::POST, format!("{base}/later"), "arrives=perhaps", 400),
        (Method::POST, format!("{base}/later"), "arrives=%ff", 400),
        (Method::POST, format!("{base}/card"), "number=%zz", 400),
        (Method::POST, format!("{base}/card"), "number=1&number=2", 400),
        (Method::POST, format!("{base}/secure"), "token=x&answer=pass", 303),
        (Method::POST, format!("{base}/confirm"), "", 400),
        (Method::POST, "/c/pay/cs_test_none/card".to_owned(), "", 404),
        (Method::GET, "/c/pay/cs_test_none".to_owned(), "", 404),
        (Method::GET, "/c/pay/".to_owned(), "", 404),
        (Method::GET, "/c/pay/%00".to_owned(), "", 404),
        (Method::GET, "/favicon.ico".to_owned(), "", 404),
        (Method::GET, "/".to_owned(), "", 200),
    ] {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = shop.call_bare(method.clone(), &path, body, &headers).await.unwrap();
        assert_eq!(answer.status, status, "{method} {path} {body}");
    }
    let view = shop.merchant.session(id_of(&attempt)).unwrap();
    assert_eq!((view.status.as_str(), view.payment_intent), ("open", None));
}

#[tokio::test]
async fn an_older_secure_step_cannot_be_answered() {
    let shop = Shop::open().await;
    let (attempt, page) = shop.at_page().await;
    let first = page_of(page.pay(TestCard::AsksForSecure).await.unwrap());
    let second = page_of(page.pay(TestCard::AsksForSecure).await.unwrap());
    // It shows the newer step instead.
    assert!(page_of(first.answer_secure(true).await.unwrap()).asks_for_secure());
    assert_eq!(shop.merchant.session(id_of(&attempt)).unwrap().status, "open");
    page_of(second.answer_secure(false).await.unwrap());
    let late = page_of(second.answer_secure(true).await.unwrap());
    assert!(!late.asks_for_secure() && late.has_card_form());
    assert_eq!(shop.merchant.session(id_of(&attempt)).unwrap().payment_status, "unpaid");
    assert!(matches!(late.answer_secure(true).await, Err(MockError::NotOffered(_))));
}

#[tokio::test]
async fn the_way_back_leads_to_the_store_and_the_page_stays_open() {
    let shop = Shop::open().await;
    let (attempt, page) = shop.at_page().await;
    let back = store_of(page.cancel().await.unwrap());
    assert!(back.starts_with("http://127.0.0.1:3000/pay/stripe/cancel"), "{back}");
    assert_eq!(shop.merchant.session(id_of(&attempt)).unwrap().status, "open");
    assert!(shop.merchant.events().is_empty(), "the gateway hears nothing of it");
    // The shopper changes his mind.
    store_of(page.pay(TestCard::Succeeds).await.unwrap());
    assert_eq!(shop.merchant.session(id_of(&attempt)).unwrap().payment_status, "paid");

    let none = page_with(&shop, &Form::valid().with("cancel_url", None)).await;
    assert!(matches!(none.cancel().await, Err(MockError::NotOffered(_))));
}

#[tokio::test]
async fn a_used_page_says_so_and_a_second_submit_ends_in_the_store() {
    let shop = Shop::open().await;
    let (attempt, page) = shop.at_page().await;
    let first = store_of(page.pay(TestCard::Succeeds).await.unwrap());
    let again = page.reload().await.unwrap();
    assert!(!again.is_open() && !again.has_card_form());
    assert!(again.text().contains("confirmed"), "{}", again.text());
    assert_eq!(attribute(&again, "a.main", "href"), [first.as_str()]);
    assert!(matches!(
        again.pay(TestCard::Succeeds).await,
        Err(MockError::NotOffered(_))
    ));
    // The old page in another tab: whatever is done there, it ends the same.
    for landed in [
        page.pay(TestCard::Declines).await.unwrap(),
        page.pay(TestCard::AsksForSecure).await.unwrap(),
        page.pay_later(false).await.unwrap(),
    ] {
        assert_eq!(landed.store(), Some(first.as_str()));
    }
    let view = shop.merchant.session(id_of(&attempt)).unwrap();
    assert_eq!((view.payment_status.as_str(), view.captured), ("paid", 3960));
}

#[tokio::test]
async fn an_expired_page_takes_nothing_in_any_way() {
    let shop = Shop::open().await;
    let (attempt, page) = shop.at_page().await;
    let step = page_of(page.pay(TestCard::AsksForSecure).await.unwrap());
    shop.advance(23 * HOUR);
    assert!(page.reload().await.unwrap().is_open());
    shop.advance(HOUR);
    let gone = page.reload().await.unwrap();
    assert!(!gone.is_open());
    assert!(
        gone.text().contains("expired") && gone.text().contains("Back to the store"),
        "{}",
        gone.text()
    );
    for landed in [
        page.pay(TestCard::Succeeds).await.unwrap(),
        page.pay_later(true).await.unwrap(),
        step.answer_secure(true).await.unwrap(),
    ] {
        assert!(landed.page().is_some_and(|page| !page.is_open()));
    }
    let view = shop.merchant.session(id_of(&attempt)).unwrap();
    assert_eq!(
        (view.status.as_str(), view.payment_status.as_str(), view.captured),
        ("expired", "unpaid", 0)
    );
}

#[tokio::test]
async fn the_delayed_method_fits_the_currency_and_can_be_left_out() {
    let shop = Shop::open().await;
    let euro = Form::valid().with("line_items[0][price_data][currency]", "eur");
    let page = page_with(&shop, &euro).await;
    assert!(
        page.text().contains("bank transfer") && page.text().contains("€39.60"),
        "{}",
        page.text()
    );
    let card_only = page_with(&shop, &Form::valid().with("allowed_payment_method_types[0]", "card")).await;
    assert!(matches!(card_only.pay_later(true).await, Err(MockError::NotOffered(_))));
    let later_only = page_with(&shop, &Form::valid().with("excluded_payment_method_types[0]", "card")).await;
    assert!(!later_only.has_card_form() && later_only.is_open());
    assert!(matches!(
        later_only.pay(TestCard::Succeeds).await,
        Err(MockError::NotOffered(_))
    ));
    store_of(later_only.pay_later(true).await.unwrap());
}

#[tokio::test]
async fn what_the_page_does_not_offer_cannot_be_posted_either() {
    let shop = Shop::open().await;
    let card_only = Form::valid().with("allowed_payment_method_types[0]", "card");
    let later_only = Form::valid().with("excluded_payment_method_types[0]", "card");
    let free = Form::valid().with("line_items[0][price_data][unit_amount]", "0");
    let card = "number=4242424242424242&expiry=12%2F34&code=123&holder=x";
    for (form, step, body) in [
        (&card_only, "later", "arrives=true"),
        (&later_only, "card", card),
        (&card_only, "confirm", ""),
        (&free, "card", card),
        (&free, "later", "arrives=true"),
    ] {
        let id = shop.create(form).await.id();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = shop
            .call_bare(Method::POST, &format!("/c/pay/{id}/{step}"), body, &headers)
            .await
            .unwrap();
        assert_eq!(answer.status, 400, "{step}");
        assert_eq!(shop.merchant.session(&id).unwrap().status, "open", "{step}");
    }
}

#[tokio::test]
async fn the_return_address_is_used_as_it_was_given() {
    let shop = Shop::open().await;
    for (given, expected) in [
        (
            "https://shop.example/r?s={CHECKOUT_SESSION_ID}&t={CHECKOUT_SESSION_ID}",
            "https://shop.example/r?s=<id>&t=<id>",
        ),
        ("https://shop.example/r", "https://shop.example/r"),
        // Escaped by a builder, it is no placeholder any more (sheet trap 2).
        (
            "https://shop.example/r?s=%7BCHECKOUT_SESSION_ID%7D",
            "https://shop.example/r?s=%7BCHECKOUT_SESSION_ID%7D",
        ),
        (
            "https://shop.example/戻る?s={CHECKOUT_SESSION_ID}",
            "https://shop.example/%E6%88%BB%E3%82%8B?s=<id>",
        ),
    ] {
        let made = shop.create(&Form::valid().with("success_url", given)).await;
        let page = shop
            .mock
            .shopper()
            .open(made.json()["url"].as_str().unwrap())
            .await
            .unwrap();
        let landed = store_of(page.pay(TestCard::Succeeds).await.unwrap());
        assert_eq!(landed, expected.replace("<id>", &made.id()));
    }
}

#[tokio::test]
async fn a_browser_follows_the_stores_redirect_to_the_page_but_not_for_ever() {
    let shop = Shop::open().await;
    let url = url_of(&shop, &Form::valid()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let to_page = move || async move { axum::response::Redirect::to(&url) };
    let around = || async { axum::response::Redirect::to("/around") };
    let outside = || async { axum::response::Redirect::to("http://shop.example/") };
    let app = axum::Router::new()
        .route("/pay", axum::routing::get(to_page))
        .route("/around", axum::routing::get(around))
        .route("/outside", axum::routing::get(outside));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let shopper = shop.mock.shopper();
    let page = shopper.open(&format!("http://{address}/pay")).await.unwrap();
    assert!(matches!(
        page.pay(TestCard::Succeeds).await.unwrap(),
        Landed::Store { .. }
    ));
    let lost = shopper.open(&format!("http://{address}/around")).await;
    assert!(matches!(lost, Err(MockError::TooManyRedirects(5))));
    let gone = shopper.open(&format!("http://{address}/outside")).await;
    assert!(matches!(gone, Err(MockError::NotLoopback { .. })));
}
