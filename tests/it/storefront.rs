//! The storefront example, driven over loopback: the whole flow, and what a shopper, a stranger or a forger can send.

#[path = "../../examples/storefront/browser.rs"]
#[allow(dead_code, reason = "the demonstration uses more of it")]
mod browser;
#[path = "../../examples/storefront/shop/mod.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod shop;
#[path = "../../examples/storefront/wiring.rs"]
#[allow(dead_code, reason = "the demonstration uses more of it")]
mod wiring;

mod ways;

use std::time::Duration;

use kessai::MerchantReference;
use kessai::cashier::CheckoutLimits;
use kessai::mock::stripe::{DeliveryFault, Fault, Landed, Operation, Page, TestCard};
use scraper::{Html, Selector};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::browser::{Browser, Seen};
use self::shop::{Shop, fulfilment};
use self::wiring::{Mocks, StripeSettings};

const PATIENCE: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(24 * 3600);

struct Store {
    mocks: Mocks,
    shop: Shop,
    url: String,
    data: tempfile::TempDir,
    server: JoinHandle<std::io::Result<()>>,
}

impl Drop for Store {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Store {
    async fn open() -> Self {
        let data = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mocks = Mocks::start(2 * DAY, "en").unwrap();
        let shop = wiring::against_mocks(data.path(), &mocks, &url).unwrap();
        let server = tokio::spawn(axum::serve(listener, shop::app(shop.clone())).into_future());
        Self {
            mocks,
            shop,
            url,
            data,
            server,
        }
    }

    fn browser(&self) -> Browser {
        Browser::new(&self.url, "en").unwrap()
    }

    /// A browser with an order, and the payment page it was sent to.
    async fn order(&self) -> (Browser, String, Page) {
        let browser = self.browser();
        browser.choose("gyokuro", "1").await.unwrap();
        let answer = browser.check_out().await.unwrap();
        let order = browser.latest_order().await.unwrap();
        let page = self.payment_page(&answer).await;
        (browser, order, page)
    }

    async fn payment_page(&self, answer: &Seen) -> Page {
        assert_eq!(answer.status, 303, "{}", answer.body);
        let location = answer.location().unwrap();
        assert!(
            location.starts_with(self.mocks.stripe.base_url().as_str()),
            "{location}"
        );
        self.mocks.stripe.shopper().open(location).await.unwrap()
    }

    async fn round(&self) -> u32 {
        self.mocks.quiet(PATIENCE).await.unwrap();
        fulfilment::round(&self.shop).await.unwrap()
    }

    async fn records(&self, order: &str) -> Vec<&'static str> {
        let ledger = self.shop.cashier().ledger();
        let order = MerchantReference::new(order).unwrap();
        let mut kinds = Vec::new();
        for attempt in ledger.attempts_of(&order).await.unwrap() {
            let timeline = ledger.timeline(attempt.reference()).await.unwrap();
            kinds.extend(timeline.iter().map(|record| record.kind.as_str()));
        }
        kinds
    }

    fn sessions_of(&self, order: &str) -> usize {
        let sessions = self.mocks.stripe.merchant().sessions();
        sessions
            .iter()
            .filter(|session| session.client_reference_id.as_deref() == Some(order))
            .count()
    }
}

async fn pay(page: &Page) -> String {
    back(&page.pay(TestCard::Succeeds).await.unwrap())
}

fn back(landed: &Landed) -> String {
    landed.store().expect("back at the store").to_owned()
}

fn select(html: &str, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let page = Html::parse_document(html);
    page.select(&selector)
        .map(|element| element.text().collect::<String>().trim().to_owned())
        .collect()
}

fn values(html: &str, selector: &str, attribute: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let page = Html::parse_document(html);
    page.select(&selector)
        .filter_map(|element| element.attr(attribute).map(str::to_owned))
        .collect()
}

// --- the flow --------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_shopper_buys_and_sees_the_order_paid_and_sent_however_often_the_page_is_loaded() {
    let store = Store::open().await;
    let browser = store.browser();
    let shelf = browser.get("/").await.unwrap();
    assert_eq!(select(&shelf.body, ".card h2").len(), 6);
    browser.choose("sencha", "1").await.unwrap();
    browser.choose("hojicha", "2").await.unwrap();
    let basket = browser.get("/basket").await.unwrap();
    assert_eq!(select(&basket.body, "[data-test=total]"), ["¥4,280"]);

    let answer = browser.check_out().await.unwrap();
    let token = browser.form_token().await.unwrap();
    assert!(
        !answer.location().unwrap().contains(&token),
        "the shop's token went to the gateway"
    );
    let page = store.payment_page(&answer).await;
    assert!(page.text().contains("4,280") && !page.html().contains(&token));
    let order = browser.latest_order().await.unwrap();

    let address = pay(&page).await;
    let seen = browser.get(&address).await.unwrap();
    assert_eq!(seen.status, 200);
    assert!(
        matches!(seen.standing(), Some("paid" | "shipped")),
        "{:?}",
        seen.standing()
    );
    assert_eq!(store.round().await, 1);
    for _ in 0..3 {
        let seen = browser.get(&address).await.unwrap();
        assert_eq!((seen.status, seen.standing()), (200, Some("shipped")));
        assert_eq!(select(&seen.body, "[data-test=order]"), [order.as_str()]);
    }
    assert_eq!(store.round().await, 0, "reloading ships nothing");
    let shipped = store
        .records(&order)
        .await
        .iter()
        .filter(|kind| **kind == "fulfilled")
        .count();
    assert_eq!(shipped, 1);
    let basket = browser.get("/basket").await.unwrap();
    assert_eq!(
        select(&basket.body, "[data-test=empty]").len(),
        1,
        "the basket is emptied by what was paid"
    );
}

#[tokio::test]
async fn giving_up_offers_to_pay_again_and_leads_to_the_same_page() {
    let store = Store::open().await;
    let (browser, order, page) = store.order().await;
    let seen = browser.get(&back(&page.cancel().await.unwrap())).await.unwrap();
    assert_eq!((seen.status, seen.standing()), (200, Some("cancelled")));
    assert_eq!(select(&seen.body, "[data-test=pay]"), ["Pay again"]);
    let again = browser.post(&format!("/orders/{order}/pay"), &[]).await.unwrap();
    let page = store.payment_page(&again).await;
    assert_eq!(store.sessions_of(&order), 1);
    pay(&page).await;
    assert_eq!(store.round().await, 1);
    let seen = browser.get(&format!("/orders/{order}")).await.unwrap();
    assert_eq!(seen.standing(), Some("shipped"));
    assert!(select(&seen.body, "[data-test=pay]").is_empty());
    // And a button from an old tab leads to the order, not to a second payment.
    let late = browser.post(&format!("/orders/{order}/pay"), &[]).await.unwrap();
    assert_eq!(
        (late.status, late.location()),
        (303, Some(format!("/orders/{order}").as_str()))
    );
}

#[tokio::test]
async fn pressing_the_button_many_times_at_once_is_one_order_and_one_page() {
    let store = Store::open().await;
    let browser = store.browser();
    browser.choose("sencha", "1").await.unwrap();
    let (a, b, c, d) = tokio::join!(
        browser.check_out(),
        browser.check_out(),
        browser.check_out(),
        browser.check_out()
    );
    let answers = [a.unwrap(), b.unwrap(), c.unwrap(), d.unwrap()];
    let order = browser.latest_order().await.unwrap();
    let list = browser.get("/orders").await.unwrap();
    assert_eq!(values(&list.body, ".orders a", "href"), [format!("/orders/{order}")]);
    assert_eq!(store.sessions_of(&order), 1);
    let page = answers[0].location().unwrap();
    for answer in &answers {
        assert_eq!((answer.status, answer.location()), (303, Some(page)));
    }
}

#[tokio::test]
async fn a_browser_that_opens_page_after_page_is_asked_to_wait_and_keeps_its_order() {
    let store = Store::open().await;
    let browser = store.browser();
    let mut opened = 0;
    let late = loop {
        // Each time something more in the basket, which makes it another order; 20 of a kind at most.
        let article = if opened < 15 { "matcha" } else { "gyokuro" };
        browser.choose(article, "1").await.unwrap();
        let answer = browser.check_out().await.unwrap();
        if answer.status != 303 {
            break answer;
        }
        opened += 1;
        assert!(opened <= 40, "never asked to wait");
    };
    assert_eq!(opened, CheckoutLimits::default().per_client);
    assert_eq!(late.status, 429);
    let wait: u64 = late.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(
        (1..=CheckoutLimits::default().window.as_secs()).contains(&wait),
        "{wait}"
    );
    assert!(late.body.contains("Your order is kept"), "{}", late.body);
    let order = browser.latest_order().await.unwrap();
    assert_eq!(store.sessions_of(&order), 0);
    assert!(store.records(&order).await.is_empty());
    // Somebody else is not made to wait for it.
    let (_, other, _) = store.order().await;
    assert_eq!(store.sessions_of(&other), 1);
}

#[tokio::test]
async fn a_lost_message_and_a_closed_tab_are_made_good_by_the_sweep() {
    let store = Store::open().await;
    let dropped = store
        .mocks
        .stripe
        .delivery_fault(DeliveryFault::Dropped)
        .times(20)
        .arm();
    let (browser, order, page) = store.order().await;
    pay(&page).await;
    assert_eq!(store.round().await, 0);
    assert!(dropped.hits() > 0);
    let path = format!("/orders/{order}");
    assert_eq!(browser.get(&path).await.unwrap().standing(), Some("unpaid"));
    store.mocks.clock.advance(Duration::from_secs(180));
    assert_eq!(store.round().await, 1);
    assert_eq!(browser.get(&path).await.unwrap().standing(), Some("shipped"));
}

#[tokio::test]
async fn a_page_that_waits_looks_again_by_itself_and_one_that_is_certain_does_not() {
    let store = Store::open().await;
    let (browser, order, page) = store.order().await;
    let address = back(&page.pay_later(false).await.unwrap());
    store.mocks.quiet(PATIENCE).await.unwrap();
    let seen = browser.get(&address).await.unwrap();
    assert_eq!(seen.standing(), Some("pending"));
    assert_eq!(values(&seen.body, "meta[http-equiv=refresh]", "content"), ["15"]);
    assert!(select(&seen.body, "[data-test=pay]").is_empty(), "nobody pays twice");
    store.mocks.clock.advance(Duration::from_secs(3 * 24 * 3600));
    assert_eq!(store.round().await, 0);
    let seen = browser.get(&format!("/orders/{order}")).await.unwrap();
    assert_eq!(seen.standing(), Some("declined"));
    assert!(values(&seen.body, "meta[http-equiv=refresh]", "content").is_empty());
}

#[tokio::test]
async fn an_expired_page_is_said_so_and_paying_again_opens_a_new_one() {
    let store = Store::open().await;
    let (browser, order, _) = store.order().await;
    store.mocks.clock.advance(Duration::from_secs(2 * 3600));
    store.mocks.quiet(PATIENCE).await.unwrap();
    let seen = browser.get(&format!("/orders/{order}")).await.unwrap();
    assert_eq!(seen.standing(), Some("expired"));
    let again = browser.post(&format!("/orders/{order}/pay"), &[]).await.unwrap();
    pay(&store.payment_page(&again).await).await;
    assert_eq!(store.round().await, 1);
    assert_eq!(store.sessions_of(&order), 2);
}

#[tokio::test]
async fn a_cross_site_post_of_the_return_becomes_a_get_of_our_own() {
    let store = Store::open().await;
    let (browser, _, page) = store.order().await;
    let address = pay(&page).await;
    let posted = browser.post_bare(&address, &[("anything", "paid=1")]).await.unwrap();
    assert_eq!(posted.status, 303);
    let seen = browser.get(posted.location().unwrap()).await.unwrap();
    assert!(matches!(seen.standing(), Some("paid" | "shipped")));
}

// --- whose order -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_return_shows_an_order_only_to_the_browser_that_placed_it() {
    let store = Store::open().await;
    let (_, order, page) = store.order().await;
    let address = pay(&page).await;
    let stranger = store.browser();
    stranger.get("/").await.unwrap();
    let shown = stranger.get(&address).await.unwrap();
    let wrong = address.replace("attempt=", "attempt=x");
    let unknown = stranger.get(&wrong).await.unwrap();
    assert_eq!((shown.status, shown.standing()), (404, Some("unknown")));
    assert!(!shown.body.contains(&order));
    assert_eq!(
        shown.body, unknown.body,
        "whether the order exists can be told from the page"
    );
}

#[tokio::test]
async fn a_return_with_anything_wrong_in_it_shows_nothing_and_changes_nothing() {
    let store = Store::open().await;
    let (browser, mine, page) = store.order().await;
    let (_, theirs, their_page) = store.order().await;
    let address = back(&page.cancel().await.unwrap()).replace("/cancel?", "/return?");
    let their_address = pay(&their_page).await;
    store.round().await;
    let value = |address: &str, name: &str| {
        let url = url::Url::parse(address).unwrap();
        url.query_pairs()
            .find(|(found, _)| found == name)
            .unwrap()
            .1
            .into_owned()
    };
    let before = store.records(&mine).await;
    let base = address.split('?').next().unwrap();
    let (attempt, state) = (value(&address, "attempt"), value(&address, "state"));
    let (their_attempt, their_state) = (value(&their_address, "attempt"), value(&their_address, "state"));
    for query in [
        String::new(),
        format!("attempt={attempt}"),
        format!("state={state}"),
        format!("attempt={attempt}&state="),
        format!("attempt={attempt}&state={their_state}"),
        format!("attempt={their_attempt}&state={state}"),
        format!("attempt={attempt}&state={state}&state={state}"),
        format!("attempt={attempt}&attempt={their_attempt}&state={state}"),
        format!("attempt={attempt}&state={state}%00"),
        format!("attempt={attempt}&state={}", &state[1..]),
        format!("attempt={their_attempt}&state={their_state}"),
        format!("order={mine}&paid=true&status=succeeded"),
        "%ff%fe=%zz".to_owned(),
    ] {
        let seen = browser.get(&format!("{base}?{query}")).await.unwrap();
        assert_eq!((seen.status, seen.standing()), (404, Some("unknown")), "{query}");
        assert!(!seen.body.contains(&mine) && !seen.body.contains(&theirs), "{query}");
    }
    assert_eq!(store.records(&mine).await, before);
    assert_eq!(store.round().await, 0);
}

#[tokio::test]
async fn orders_that_do_not_exist_and_orders_of_others_are_the_same_404() {
    let store = Store::open().await;
    let (_, order, _) = store.order().await;
    let stranger = store.browser();
    stranger.get("/").await.unwrap();
    let theirs = stranger.get(&format!("/orders/{order}")).await.unwrap();
    assert_eq!(theirs.status, 404);
    assert!(!theirs.body.contains(&order));
    let long = format!("/orders/{}", "x".repeat(3000));
    for path in [
        "/orders/T20261123-BBBBBBBB",
        "/orders/..%2F",
        "/orders/%00",
        "/orders/%E3%81%82",
        long.as_str(),
    ] {
        let missing = stranger.get(path).await.unwrap();
        assert_eq!(missing.status, 404, "{path}");
    }
    let missing = stranger.get("/orders/T20261123-BBBBBBBB").await.unwrap();
    assert_eq!(missing.body, theirs.body);
    let pay = stranger.post(&format!("/orders/{order}/pay"), &[]).await.unwrap();
    assert_eq!((pay.status, pay.location()), (404, None));
}

// --- forms -----------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_form_without_the_shops_own_token_is_refused_and_does_nothing() {
    let store = Store::open().await;
    let browser = store.browser();
    browser.choose("sencha", "1").await.unwrap();
    let other = store.browser();
    let foreign = other.form_token().await.unwrap();
    let own = browser.form_token().await.unwrap();
    let delivery = [("name", "A"), ("email", "a@shopper.example"), ("address", "B")];
    for token in ["", "0", foreign.as_str(), &own[1..], &own.to_uppercase()] {
        let mut fields = vec![("form_token", token)];
        fields.extend(delivery);
        let seen = browser.post_bare("/checkout", &fields).await.unwrap();
        assert_eq!((seen.status, seen.location()), (403, None), "{token:?}");
        let fields = [("form_token", token), ("article", "kyusu"), ("quantity", "9")];
        assert_eq!(browser.post_bare("/basket", &fields).await.unwrap().status, 403);
    }
    let missing = browser.post_bare("/checkout", &delivery).await.unwrap();
    assert_eq!(missing.status, 422);
    assert!(browser.latest_order().await.is_err(), "an order was placed");
    assert_eq!(
        select(&browser.get("/basket").await.unwrap().body, ".basket li").len(),
        1
    );
    assert!(store.mocks.stripe.requests().is_empty(), "the gateway was called");
}

#[tokio::test]
async fn a_form_from_another_site_or_under_another_name_is_refused_even_with_the_token() {
    let store = Store::open().await;
    let browser = store.browser();
    browser.choose("sencha", "1").await.unwrap();
    let token = browser.form_token().await.unwrap();
    let client = reqwest::Client::new();
    let (browser, token) = (&browser, &token);
    let send = |site: &'static str| {
        let request = client
            .post(format!("{}/basket", store.url))
            .header("cookie", browser.cookies())
            .header("sec-fetch-site", site)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("form_token={token}&article=sencha&quantity=2"));
        async move { request.send().await.unwrap().status() }
    };
    for site in ["cross-site", "same-site", "none"] {
        assert_eq!(send(site).await, 403, "{site}");
        assert_eq!(total(browser).await, "¥2,120", "{site}");
    }
    send("same-origin").await;
    assert_eq!(total(browser).await, "¥3,740", "what the others would have done");
    let renamed = client.get(&store.url).header("host", "evil.example");
    assert_eq!(renamed.send().await.unwrap().status(), 421);
}

async fn total(browser: &Browser) -> String {
    let basket = browser.get("/basket").await.unwrap();
    select(&basket.body, "[data-test=total]").pop().unwrap()
}

#[tokio::test]
async fn prices_come_from_the_catalogue_whatever_the_form_says() {
    let store = Store::open().await;
    let browser = store.browser();
    for (article, quantity, status) in [
        ("sencha", "-1", 422),
        ("sencha", "4294967296", 422),
        ("sencha", "1e3", 422),
        ("sencha", "", 422),
        ("gold", "1", 404),
        ("", "1", 404),
    ] {
        let fields = [("article", article), ("quantity", quantity)];
        let seen = browser.post("/basket", &fields).await.unwrap();
        assert_eq!(seen.status, status, "{article} {quantity}");
    }
    let fields = [
        ("article", "sencha"),
        ("quantity", "4000000000"),
        ("more", "true"),
        ("price", "1"),
        ("yen", "1"),
        ("amount", "1"),
        ("total", "1"),
    ];
    assert_eq!(browser.post("/basket", &fields).await.unwrap().status, 303);
    assert_eq!(browser.post("/basket", &fields).await.unwrap().status, 303);
    let basket = browser.get("/basket").await.unwrap();
    assert_eq!(
        select(&basket.body, "[data-test=total]"),
        ["¥32,400"],
        "20 of them at most, at ¥1,620"
    );
    browser.check_out().await.unwrap();
    let sessions = store.mocks.stripe.merchant().sessions();
    assert_eq!((sessions[0].amount, sessions[0].currency.as_str()), (32_400, "jpy"));
}

#[tokio::test]
async fn what_is_typed_is_checked_and_shown_escaped() {
    let store = Store::open().await;
    let browser = store.browser();
    browser.choose("sencha", "1").await.unwrap();
    let hostile = "\"><script>alert(1)</script>";
    let fields = [("name", hostile), ("email", "not an address"), ("address", hostile)];
    let seen = browser.post("/checkout", &fields).await.unwrap();
    assert_eq!(seen.status, 422);
    assert!(!seen.body.contains("<script"));
    assert_eq!(values(&seen.body, "input[name=name]", "value"), [hostile]);
    assert_eq!(values(&seen.body, "[aria-invalid]", "name"), ["email"]);
    let long = "x".repeat(81);
    for (name, address) in [("", "B"), ("A", " \n "), (long.as_str(), "B"), ("A\u{7}", "B")] {
        let fields = [("name", name), ("email", "a@shopper.example"), ("address", address)];
        assert_eq!(
            browser.post("/checkout", &fields).await.unwrap().status,
            422,
            "{name:?}"
        );
    }
    let fields = [("name", hostile), ("email", "a@shopper.example"), ("address", hostile)];
    assert_eq!(browser.post("/checkout", &fields).await.unwrap().status, 303);
    let order = browser.latest_order().await.unwrap();
    let seen = browser.get(&format!("/orders/{order}")).await.unwrap();
    assert!(!seen.body.contains("<script") && seen.body.contains("&lt;script&gt;"));
}

#[tokio::test]
async fn a_card_number_typed_into_the_shop_is_refused_and_not_shown_again() {
    let store = Store::open().await;
    let browser = store.browser();
    browser.choose("sencha", "1").await.unwrap();
    let card = "4242 4242 4242 4242";
    for field in ["name", "address"] {
        let mut fields = vec![("name", "A"), ("email", "a@shopper.example"), ("address", "B")];
        for pair in &mut fields {
            if pair.0 == field {
                pair.1 = card;
            }
        }
        let seen = browser.post("/checkout", &fields).await.unwrap();
        assert_eq!(seen.status, 422, "{field}");
        assert!(!seen.body.contains("4242"), "{field}");
    }
    assert!(browser.latest_order().await.is_err());
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let store = Store::open().await;
    let browser = store.browser();
    let large = "x".repeat(20_000);
    let seen = browser.post("/checkout", &[("name", &large)]).await.unwrap();
    assert_eq!(seen.status, 413);
    let client = reqwest::Client::new();
    let request = client
        .post(format!("{}/pay/stripe/notification", store.url))
        .header("stripe-signature", "t=1,v1=00")
        .body("x".repeat(70_000));
    assert_eq!(request.send().await.unwrap().status(), 413);
}

// --- the gateway's messages ------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_message_that_is_not_the_gateways_is_refused_without_a_word() {
    let store = Store::open().await;
    let (_, order, page) = store.order().await;
    pay(&page).await;
    store.mocks.quiet(PATIENCE).await.unwrap();
    let genuine = store.mocks.stripe.merchant().deliveries();
    let genuine = genuine.first().unwrap();
    let records = store.records(&order).await.len();
    let client = reqwest::Client::new();
    let mut altered = genuine.body.to_vec();
    altered[10] ^= 1;
    for (signature, body) in [
        ("", genuine.body.to_vec()),
        ("t=1,v1=00", genuine.body.to_vec()),
        (genuine.signature.as_str(), altered),
        (genuine.signature.as_str(), Vec::new()),
    ] {
        let request = client
            .post(format!("{}/pay/stripe/notification", store.url))
            .header("stripe-signature", signature)
            .body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.text().await.unwrap(), "");
    }
    assert_eq!(store.records(&order).await.len(), records);
    let get = client.get(format!("{}/pay/stripe/notification", store.url));
    assert_eq!(get.send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn an_order_that_was_edited_after_it_was_paid_for_is_not_shipped() {
    let store = Store::open().await;
    let (browser, order, page) = store.order().await;
    let book = rusqlite::Connection::open(store.data.path().join("book.sqlite")).unwrap();
    let edited = book
        .execute(
            "UPDATE order_lines SET quantity = 20 WHERE reference = ? AND position = 1",
            [&order],
        )
        .unwrap();
    assert_eq!(edited, 1);
    pay(&page).await;
    assert_eq!(store.round().await, 0);
    let seen = browser.get(&format!("/orders/{order}")).await.unwrap();
    assert_eq!(seen.standing(), Some("paid"));
    assert!(!store.records(&order).await.contains(&"fulfilled"));
}

#[tokio::test]
async fn money_that_went_back_before_the_parcel_left_keeps_the_parcel_here_and_waits_for_a_person() {
    let store = Store::open().await;
    let (browser, order, page) = store.order().await;
    pay(&page).await;
    store.mocks.quiet(PATIENCE).await.unwrap();
    let session = store.mocks.stripe.merchant().sessions()[0].id.clone();
    store.mocks.stripe.merchant().refund(&session, None).unwrap();
    assert_eq!(store.round().await, 0);
    let seen = browser.get(&format!("/orders/{order}")).await.unwrap();
    assert_eq!(seen.standing(), Some("refunded"));
    let seen = browser.get(&store.shop.operator_path()).await.unwrap();
    assert_eq!(values(&seen.body, "[data-test=attempt]", "data-status"), ["refunded"]);
    assert!(!store.records(&order).await.contains(&"fulfilled"));
}

#[tokio::test]
async fn a_paid_order_is_shipped_at_once_by_the_loop_beside_the_pages() {
    let store = Store::open().await;
    let work = tokio::spawn(fulfilment::run(store.shop.clone()));
    let (browser, order, page) = store.order().await;
    pay(&page).await;
    let path = format!("/orders/{order}");
    let start = std::time::Instant::now();
    // Far less than the loop waits between two sweeps: it was the message that rang.
    while browser.get(&path).await.unwrap().standing() != Some("shipped") {
        assert!(start.elapsed() < Duration::from_secs(8), "it was not shipped");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    work.abort();
}

#[tokio::test]
async fn when_the_gateway_cannot_be_asked_the_page_says_nothing_that_it_does_not_know() {
    let store = Store::open().await;
    let (browser, _, page) = store.order().await;
    let cancelled = back(&page.cancel().await.unwrap());
    let returned = cancelled.replace("/cancel?", "/return?");
    let down = store
        .mocks
        .stripe
        .fault(Fault::Unavailable)
        .on(Operation::RetrieveSession)
        .times(50)
        .arm();
    let seen = browser.get(&returned).await.unwrap();
    assert_eq!((seen.status, seen.standing()), (200, Some("confirming")));
    assert_eq!(values(&seen.body, "meta[http-equiv=refresh]", "content"), ["3"]);
    let seen = browser.get(&cancelled).await.unwrap();
    assert_eq!(seen.standing(), Some("cancelled"));
    assert!(!seen.body.contains("Nothing was charged"), "nobody knows that yet");
    assert!(down.hits() > 0);
    down.disarm();
    store.mocks.clock.advance(Duration::from_secs(5));
    let seen = browser.get(&cancelled).await.unwrap();
    assert!(seen.body.contains("Nothing was charged"));
}

#[tokio::test]
async fn an_unreachable_gateway_at_checkout_keeps_the_order_and_says_so() {
    let store = Store::open().await;
    let browser = store.browser();
    browser.choose("chasen", "1").await.unwrap();
    let lost = store
        .mocks
        .stripe
        .fault(Fault::LostReply)
        .on(Operation::CreateSession)
        .times(50)
        .arm();
    let seen = browser.check_out().await.unwrap();
    assert_eq!((seen.status, seen.standing()), (503, Some("no-page")));
    lost.disarm();
    let order = browser.latest_order().await.unwrap();
    let again = browser.post(&format!("/orders/{order}/pay"), &[]).await.unwrap();
    pay(&store.payment_page(&again).await).await;
    assert_eq!(store.round().await, 1);
    assert_eq!(
        store.sessions_of(&order),
        1,
        "the page that was opened and not heard of is the one that was paid"
    );
}

// --- every page ------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn no_page_has_a_card_field_or_a_script_and_every_page_has_its_headers() {
    let store = Store::open().await;
    let (browser, order, page) = store.order().await;
    let cancelled = back(&page.cancel().await.unwrap());
    let returned = pay(&page).await;
    store.round().await;
    browser.choose("sencha", "1").await.unwrap();
    let refused = browser
        .post("/checkout", &[("name", ""), ("email", "x"), ("address", "")])
        .await;
    let own_order = format!("/orders/{order}");
    let operator = store.shop.operator_path();
    let mut pages = vec![
        ("a refused checkout".to_owned(), refused.unwrap()),
        (
            "a foreign form".to_owned(),
            browser.post_bare("/basket", &[("form_token", "")]).await.unwrap(),
        ),
    ];
    for lang in ["ja", "en"] {
        for path in [
            "/",
            "/basket",
            "/checkout",
            "/orders",
            &own_order,
            &operator,
            "/nowhere",
            "/orders/none",
            &returned,
            &cancelled,
            "/pay/stripe/return",
            "/shop.css",
            "/goods/sencha.svg",
            "/goods/none.svg",
        ] {
            let glue = if path.contains('?') { '&' } else { '?' };
            let seen = browser.get(&format!("{path}{glue}lang={lang}")).await.unwrap();
            pages.push((format!("{path} in {lang}"), seen));
        }
    }
    let Mocks {
        stripe,
        sbps,
        gmopg,
        komoju,
        ..
    } = &store.mocks;
    let origins = [stripe.base_url(), sbps.base_url(), gmopg.base_url(), komoju.base_url()];
    let origins = origins.map(|url| url.origin().ascii_serialization());
    let targets = origins.join(" ");
    let marks = [
        "cc-", "card", "cvc", "cvv", "csc", "pan", "expiry", "expir", "security", "number",
    ];
    for (path, seen) in &pages {
        let header = |name: &str| seen.headers.get(name).map_or("", |value| value.to_str().unwrap());
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{path}");
        assert!(
            policy.contains(&format!("form-action 'self' {targets};")),
            "{path}: {policy}"
        );
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"),
            "{path}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert!(
            matches!(header("referrer-policy"), "same-origin" | "no-referrer"),
            "{path}"
        );
        let kept = seen.status == 200 && (path.contains("/goods/") || path.contains(".css"));
        let cache = if kept { "public, max-age=3600" } else { "no-store" };
        assert_eq!(header("cache-control"), cache, "{path}");

        if !header("content-type").starts_with("text/html") {
            continue;
        }
        assert!(seen.body.len() > 1000, "{path}: a page");
        assert!(
            select(&seen.body, "script, iframe, object, embed, style").is_empty(),
            "{path}"
        );
        for attribute in ["name", "autocomplete", "id", "data-stripe"] {
            for value in values(&seen.body, "input, select, textarea, button", attribute) {
                let value = value.to_lowercase();
                assert!(
                    !marks.iter().any(|mark| value.contains(mark)),
                    "{path}: {attribute}={value}"
                );
            }
        }
        let page = Html::parse_document(&seen.body);
        for element in page.select(&Selector::parse("*").unwrap()) {
            for (name, value) in element.value().attrs() {
                assert!(!name.starts_with("on") && name != "style", "{path}: {name}");
                assert!(
                    !value.to_lowercase().starts_with("javascript:"),
                    "{path}: {name}={value}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_session_cookie_is_out_of_reach_of_scripts_and_of_other_sites() {
    let store = Store::open().await;
    let seen = store.browser().get("/").await.unwrap();
    let cookie = seen.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("session=") && cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"));
    let again = store.browser();
    again.get("/").await.unwrap();
    assert!(
        !again.get("/").await.unwrap().headers.contains_key("set-cookie"),
        "set once"
    );
}

#[tokio::test]
async fn the_language_is_the_browsers_until_the_shopper_chooses() {
    let store = Store::open().await;
    let browser = Browser::new(&store.url, "fr, ja;q=0.5, en;q=0.4").unwrap();
    let lang = |seen: &Seen| values(&seen.body, "html", "lang").pop().unwrap();
    assert_eq!(lang(&browser.get("/").await.unwrap()), "ja");
    assert_eq!(lang(&browser.get("/?lang=en").await.unwrap()), "en");
    assert_eq!(lang(&browser.get("/basket").await.unwrap()), "en");
    assert_eq!(lang(&browser.get("/?lang=xx").await.unwrap()), "en");
    browser.choose("sencha", "1").await.unwrap();
    let page = store.payment_page(&browser.check_out().await.unwrap()).await;
    assert_eq!(
        values(page.html(), "html", "lang"),
        ["en"],
        "the payment page speaks the language too"
    );
}

#[tokio::test]
async fn the_operator_sees_every_attempt_with_its_timeline_and_nobody_else_sees_anything() {
    let store = Store::open().await;
    let (browser, order, page) = store.order().await;
    pay(&page).await;
    let (_, unpaid, _) = store.order().await;
    store.round().await;
    let path = store.shop.operator_path();
    let seen = browser.get(&path).await.unwrap();
    assert_eq!(seen.status, 200);
    assert_eq!(
        values(&seen.body, "[data-test=attempt]", "data-order"),
        [unpaid.as_str(), order.as_str()]
    );
    assert_eq!(
        values(&seen.body, "[data-test=attempt]", "data-status"),
        ["created", "captured"]
    );
    let kinds = values(&seen.body, &format!("[data-order={order}] .timeline li"), "class");
    assert_eq!(kinds, store.records(&order).await);
    for kind in ["expected", "opened", "applied", "fulfilment", "fulfilled"] {
        assert!(kinds.iter().any(|found| found == kind), "{kind} in {kinds:?}");
    }
    for personal in ["山田", "hanako", "shopper.example", "京都"] {
        assert!(!seen.body.contains(personal), "{personal}");
    }
    for wrong in [
        "/operator",
        "/operator/",
        "/operator/0",
        &path[..path.len() - 1],
        &format!("{path}0"),
    ] {
        let seen = browser.get(wrong).await.unwrap();
        assert_eq!(seen.status, 404, "{wrong}");
        assert!(
            !seen.body.contains(&order) && !seen.body.contains("timeline"),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn live_keys_are_refused() {
    let settings = |api_key: &str, public_url: &str| StripeSettings {
        api_key: api_key.to_owned(),
        signing_secret: "whsec_0123456789abcdef".to_owned(),
        public_url: public_url.to_owned(),
    };
    for (key, url) in [
        ("sk_live_0123456789abcdef", "https://shop.example"),
        ("rk_live_0123456789abcdef", "https://shop.example"),
        ("pk_test_0123456789abcdef", "https://shop.example"),
        ("sk_test_0123456789abcdef", "http://shop.example"),
        ("sk_test_0123456789abcdef", "https://shop.example/path"),
    ] {
        let data = tempfile::tempdir().unwrap();
        assert!(
            wiring::against_stripe(data.path(), settings(key, url)).is_err(),
            "{key} at {url}"
        );
    }
    let data = tempfile::tempdir().unwrap();
    let shop = wiring::against_stripe(
        data.path(),
        settings("sk_test_0123456789abcdef", "https://shop.example"),
    );
    assert!(!shop.unwrap().is_rehearsal());
}
