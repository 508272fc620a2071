//! Several ways to pay: chosen at checkout, changed afterwards, each with messages and returns of its own.

use kessai::GatewayId;
use kessai::charset::form_body;
use kessai::mock::{TestCard, gmopg, komoju, sbps};

use super::*;
use crate::storefront::browser::Onward;

/// What the shopper reads and what the form sends.
async fn offered(store: &Store, lang: &'static str) -> (Vec<String>, Vec<String>, Vec<String>) {
    let browser = Browser::new(&store.url, lang).unwrap();
    browser.choose("sencha", "1").await.unwrap();
    let page = browser.get("/checkout").await.unwrap().body;
    (
        select(&page, ".ways label"),
        values(&page, ".ways input[type=radio]", "value"),
        values(&page, ".ways input[checked]", "value"),
    )
}

impl Store {
    /// An order by this way, and the answer that leads to its payment page.
    async fn order_by(&self, way: &str) -> (Browser, String, Seen) {
        let browser = self.browser();
        browser.choose("gyokuro", "1").await.unwrap();
        let answer = browser.check_out_by(way).await.unwrap();
        let order = browser.latest_order().await.unwrap();
        (browser, order, answer)
    }

    async fn komoju_page(&self, answer: &Seen) -> komoju::Page {
        assert_eq!(answer.status, 303, "{}", answer.body);
        self.mocks
            .komoju
            .shopper()
            .open(answer.location().unwrap())
            .await
            .unwrap()
    }

    async fn gmopg_page(&self, answer: &Seen) -> gmopg::Page {
        assert_eq!(answer.status, 303, "{}", answer.body);
        let page = self
            .mocks
            .gmopg
            .shopper()
            .visit(answer.location().unwrap())
            .await
            .unwrap();
        assert!(page.is_open(), "{}", page.text());
        page
    }

    async fn sbps_page(&self, answer: &Seen) -> sbps::Page {
        let Onward { target, fields, .. } = answer.onward().expect("a form");
        let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let body = form_body(fields).unwrap().into_bytes();
        let page = self.mocks.sbps.shopper().post(&target, body).await.unwrap();
        assert!(page.is_open(), "{:?}", page.refused());
        page
    }

    async fn standing(&self, browser: &Browser, order: &str) -> String {
        let seen = browser.get(&format!("/orders/{order}")).await.unwrap();
        seen.standing().unwrap_or_default().to_owned()
    }

    /// Posts a message to a gateway's address, as anybody can.
    async fn tell(&self, gateway: &str, header: Option<(&str, &str)>, body: Vec<u8>) -> (u16, String) {
        let client = reqwest::Client::new();
        let mut request = client
            .post(format!("{}/pay/{gateway}/notification", self.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

fn visit(landed: &sbps::Landed) -> sbps::Visit {
    landed.store().expect("back at the store").clone()
}

async fn returns(browser: &Browser, visit: &sbps::Visit) -> Seen {
    browser
        .come_from_elsewhere(&visit.url, visit.body.clone())
        .await
        .unwrap()
}

#[tokio::test]
async fn the_checkout_offers_every_gateway_by_name_and_the_first_one_is_chosen() {
    let store = Store::open().await;
    let (names, ways, chosen) = offered(&store, "en").await;
    assert_eq!(ways, ["stripe", "sbps", "gmopg", "komoju"]);
    assert_eq!(chosen, ["stripe"]);
    assert_eq!(
        names,
        [
            "Card (Stripe)",
            "Card or convenience store (SB Payment Service)",
            "Card or convenience store (GMO Payment Gateway)",
            "Card or convenience store (KOMOJU)"
        ]
    );
    let (names, ..) = offered(&store, "ja").await;
    assert_eq!(
        names,
        [
            "クレジットカード（Stripe）",
            "クレジットカード・コンビニ（SBペイメントサービス）",
            "クレジットカード・コンビニ（GMOペイメントゲートウェイ）",
            "クレジットカード・コンビニ（KOMOJU）"
        ]
    );
    let japanese = Browser::new(&store.url, "ja").unwrap();
    japanese.choose("gyokuro", "1").await.unwrap();
    assert_eq!(total(&japanese).await, "3,480円");
}

#[tokio::test]
async fn with_one_gateway_there_is_nothing_to_choose() {
    let data = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let settings = StripeSettings {
        api_key: "sk_test_0123456789abcdef".to_owned(),
        signing_secret: "whsec_0123456789abcdef".to_owned(),
        public_url: url.clone(),
    };
    let shop = wiring::against_stripe(data.path(), settings).unwrap();
    let server = tokio::spawn(axum::serve(listener, shop::app(shop)).into_future());
    let browser = Browser::new(&url, "en").unwrap();
    browser.choose("sencha", "1").await.unwrap();
    let page = browser.get("/checkout").await.unwrap();
    assert_eq!(select(&page.body, "[data-test=pay]").len(), 1);
    assert!(values(&page.body, "[name=way]", "value").is_empty());
    for path in ["/pay/komoju/notification", "/pay/sbps/notification"] {
        assert_eq!(browser.post_bare(path, &[]).await.unwrap().status, 404, "{path}");
    }
    server.abort();
}

#[tokio::test]
async fn a_way_that_is_not_offered_is_refused_and_places_nothing() {
    let store = Store::open().await;
    let browser = store.browser();
    browser.choose("sencha", "1").await.unwrap();
    for way in ["", "paypal", "STRIPE", "stripe ", "../stripe", "stripe\0"] {
        let seen = browser.check_out_by(way).await.unwrap();
        assert_eq!((seen.status, seen.location()), (422, None), "{way:?}");
    }
    assert!(browser.latest_order().await.is_err());
    let (browser, order, _) = store.order_by("komoju").await;
    let seen = browser
        .post(&format!("/orders/{order}/pay"), &[("way", "paypal")])
        .await;
    assert_eq!(seen.unwrap().status, 422);
}

#[tokio::test]
async fn a_card_payment_at_komoju_ships_once() {
    let store = Store::open().await;
    let (browser, order, answer) = store.order_by("komoju").await;
    let page = store.komoju_page(&answer).await;
    let address = back(&page.pay(TestCard::Succeeds).await.unwrap());
    assert_eq!(store.round().await, 1);
    for _ in 0..2 {
        let seen = browser.get(&address).await.unwrap();
        assert_eq!((seen.status, seen.standing()), (200, Some("shipped")));
        assert_eq!(values(&seen.body, "[data-test=way]", "data-way"), ["komoju"]);
    }
    assert_eq!(store.round().await, 0);
    assert_eq!(store.standing(&browser, &order).await, "shipped");
    assert_eq!(store.sessions_of(&order), 0, "Stripe has nothing to do with it");
}

#[tokio::test]
async fn a_card_payment_at_sbps_goes_by_form_and_ships_once() {
    let store = Store::open().await;
    let (browser, order, answer) = store.order_by("sbps").await;
    assert_eq!(answer.status, 200);
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    let target = store.mocks.sbps.base_url().origin().ascii_serialization();
    assert!(policy.contains(&format!("form-action {target}")), "{policy}");
    let page = store.sbps_page(&answer).await;
    let visit = visit(&page.pay(TestCard::Succeeds).await.unwrap());
    assert_eq!(store.round().await, 1);
    for _ in 0..2 {
        let seen = returns(&browser, &visit).await;
        assert_eq!((seen.status, seen.standing()), (200, Some("shipped")));
        assert_eq!(values(&seen.body, "[data-test=way]", "data-way"), ["sbps"]);
    }
    assert_eq!(store.round().await, 0);
    assert_eq!(store.standing(&browser, &order).await, "shipped");
}

#[tokio::test]
async fn a_card_payment_at_gmopg_is_reported_unsigned_asked_about_and_ships_once() {
    let store = Store::open().await;
    let (browser, order, answer) = store.order_by("gmopg").await;
    let page = store.gmopg_page(&answer).await;
    let visit = visit(&page.pay(TestCard::Succeeds).await.unwrap());
    assert_eq!(store.round().await, 1);
    for _ in 0..2 {
        let seen = returns(&browser, &visit).await;
        assert_eq!((seen.status, seen.standing()), (200, Some("shipped")));
        assert_eq!(values(&seen.body, "[data-test=way]", "data-way"), ["gmopg"]);
    }
    let mut changed = visit.clone();
    let at = changed.body.len() - 1;
    changed.body[at] ^= 1;
    let refused = browser.come_from_elsewhere(&changed.url, changed.body).await;
    assert!(refused.err().expect("refused").to_string().contains("404"));
    assert_eq!(store.round().await, 0);
    assert_eq!(store.standing(&browser, &order).await, "shipped");
}

#[tokio::test]
async fn a_message_of_gmopg_with_every_field_right_pays_nothing() {
    let store = Store::open().await;
    let (browser, order, answer) = store.order_by("gmopg").await;
    let page = store.gmopg_page(&answer).await;
    // A slip is taken, and the message about it is changed on the way to say that it is paid.
    let lie = store.mocks.gmopg.delivery_fault(gmopg::DeliveryFault::SaysPaid).arm();
    page.pay_later(true).await.unwrap();
    assert_eq!(store.round().await, 0);
    assert_eq!(lie.hits(), 1);
    assert_eq!(store.standing(&browser, &order).await, "pending");
    assert!(!store.records(&order).await.contains(&"fulfilment"));
    store.mocks.clock.advance(2 * DAY);
    assert_eq!(store.round().await, 1, "until it is");
}

#[tokio::test]
async fn the_form_for_sbps_holds_what_was_ordered_and_nothing_of_the_shops_own() {
    let store = Store::open().await;
    let browser = Browser::new(&store.url, "ja").unwrap();
    browser.choose("chasen", "1").await.unwrap();
    let token = browser.form_token().await.unwrap();
    let answer = browser.check_out_by("sbps").await.unwrap();
    assert!(answer.body.is_ascii());
    for own in [token.as_str(), browser.cookies().split_once('=').unwrap().1] {
        assert!(!answer.body.contains(own));
    }
    let Onward { charset, fields, .. } = answer.onward().unwrap();
    assert_eq!(charset, "Shift_JIS");
    let value = |name: &str| fields.iter().find(|(found, _)| found == name).unwrap().1.clone();
    assert_eq!(value("amount"), "2700");
    assert_eq!(value("dtl_item_name"), "茶筅 表ソ能 数穂");
    for (name, value) in &fields {
        assert!(
            !value.contains("hanako") && !value.contains("花子") && !value.contains("京都"),
            "{name}"
        );
    }
    // 表, ソ and 能 end in 0x5C in this charset.
    let pairs = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    assert!(form_body(pairs).unwrap().contains("%95%5C%83%5C%94%5C"));
    let page = store.sbps_page(&answer).await;
    assert!(page.text().contains("表ソ能"), "{}", page.text());
}

#[tokio::test]
async fn what_sbps_posts_back_stays_out_of_the_address_and_a_changed_one_shows_nothing() {
    let store = Store::open().await;
    let (browser, order, answer) = store.order_by("sbps").await;
    let page = store.sbps_page(&answer).await;
    let visit = visit(&page.pay(TestCard::Succeeds).await.unwrap());
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let post = |url: String, body: Vec<u8>| {
        let request = client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        async move { request.send().await.unwrap() }
    };
    let answer = post(visit.url.clone(), visit.body.clone()).await;
    assert_eq!(answer.status(), 303);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(visit.url.ends_with(&location), "{location}");
    assert!(
        !answer.headers().contains_key("set-cookie"),
        "the shopper's session is kept"
    );
    let mut changed = visit.body.clone();
    let at = changed.len() - 1;
    changed[at] ^= 1;
    let answer = post(visit.url.clone(), changed).await;
    assert_eq!(answer.status(), 404);
    assert!(!answer.text().await.unwrap().contains(&order));
    // Another gateway's address is nobody's return of this.
    let elsewhere = visit.url.replace("/pay/sbps/", "/pay/komoju/");
    let seen = browser.get(&elsewhere).await.unwrap();
    assert_eq!((seen.status, seen.standing()), (404, Some("unknown")));
}

#[tokio::test]
async fn slips_are_pending_until_they_are_paid_days_later() {
    let store = Store::open().await;
    let (at_komoju, first, answer) = store.order_by("komoju").await;
    let slip = store.komoju_page(&answer).await.pay_later(true).await.unwrap();
    let address = back(&slip.page().expect("a slip").to_store().await.unwrap());
    let (at_sbps, second, answer) = store.order_by("sbps").await;
    let slip = store.sbps_page(&answer).await.pay_later(true).await.unwrap();
    let visit = slip.page().expect("a slip").back_to_store().unwrap();
    assert_eq!(store.round().await, 0);
    let seen = [at_komoju.get(&address).await.unwrap(), returns(&at_sbps, &visit).await];
    for seen in seen {
        assert_eq!((seen.status, seen.standing()), (200, Some("pending")));
        assert!(select(&seen.body, "[data-test=pay]").is_empty(), "nobody pays twice");
    }
    store.mocks.clock.advance(DAY);
    assert_eq!(store.round().await, 0, "a day later nobody was at the counter yet");
    store.mocks.clock.advance(DAY);
    assert_eq!(store.round().await, 2);
    assert_eq!(store.standing(&at_komoju, &first).await, "shipped");
    assert_eq!(store.standing(&at_sbps, &second).await, "shipped");
}

#[tokio::test]
async fn slips_that_nobody_pays_end_and_the_order_can_be_paid_otherwise() {
    let store = Store::open().await;
    for way in ["komoju", "sbps"] {
        let (browser, order, answer) = store.order_by(way).await;
        if way == "komoju" {
            store.komoju_page(&answer).await.pay_later(false).await.unwrap();
        } else {
            store.sbps_page(&answer).await.pay_later(false).await.unwrap();
        }
        assert_eq!(store.round().await, 0, "{way}");
        assert_eq!(store.standing(&browser, &order).await, "pending", "{way}");
        store.mocks.clock.advance(4 * DAY);
        assert_eq!(store.round().await, 0, "{way}");
        assert_eq!(store.standing(&browser, &order).await, "expired", "{way}");
        let path = format!("/orders/{order}/pay");
        let answer = browser.post(&path, &[("way", "stripe")]).await.unwrap();
        pay(&store.payment_page(&answer).await).await;
        assert_eq!(store.round().await, 1, "{way}");
    }
}

#[tokio::test]
async fn a_lost_message_is_made_good_by_the_sweep_where_one_can_ask_and_by_the_merchant_screen_where_not() {
    let store = Store::open().await;
    let lost = [
        store.mocks.komoju.delivery_fault(komoju::DeliveryFault::Dropped).arm(),
        store.mocks.sbps.delivery_fault(sbps::DeliveryFault::Dropped).arm(),
    ];
    let (at_komoju, first, answer) = store.order_by("komoju").await;
    store.komoju_page(&answer).await.pay(TestCard::Succeeds).await.unwrap();
    let (at_sbps, second, answer) = store.order_by("sbps").await;
    store.sbps_page(&answer).await.pay(TestCard::Succeeds).await.unwrap();
    assert_eq!(store.round().await, 0);
    assert!(lost.iter().all(|lost| lost.hits() > 0));
    store.mocks.clock.advance(Duration::from_secs(180));
    assert_eq!(store.round().await, 1, "KOMOJU can be asked");
    assert_eq!(store.standing(&at_komoju, &first).await, "shipped");
    assert_eq!(store.standing(&at_sbps, &second).await, "unpaid");
    let merchant = store.mocks.sbps.merchant();
    let undelivered = merchant.undelivered();
    assert_eq!(undelivered.len(), 1);
    merchant.resend(&undelivered[0].0).unwrap();
    assert_eq!(store.round().await, 1);
    assert_eq!(store.standing(&at_sbps, &second).await, "shipped");
}

#[tokio::test]
async fn messages_that_are_not_the_gateways_are_refused_by_each_in_its_own_words() {
    let store = Store::open().await;
    let (_, first, answer) = store.order_by("komoju").await;
    store.komoju_page(&answer).await.pay(TestCard::Succeeds).await.unwrap();
    let (_, second, answer) = store.order_by("sbps").await;
    store.sbps_page(&answer).await.pay(TestCard::Succeeds).await.unwrap();
    assert_eq!(store.round().await, 2);
    let before = [store.records(&first).await, store.records(&second).await];

    let komoju = store.mocks.komoju.merchant().deliveries();
    let komoju = komoju.iter().rfind(|delivery| delivery.acknowledged()).unwrap();
    let sbps = store.mocks.sbps.merchant().deliveries().pop().unwrap();
    let signature = ("x-komoju-signature", komoju.signature.as_str());
    // Another amount of the same length.
    let changed = |body: &[u8]| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains("3480"), "{text}");
        text.replace("3480", "3481").into_bytes()
    };
    for (what, header, body) in [
        ("without a signature", None, komoju.body.to_vec()),
        ("with another body", Some(signature), changed(&komoju.body)),
        ("with nothing", Some(signature), Vec::new()),
        ("of another gateway", Some(signature), sbps.body.clone()),
    ] {
        assert_eq!(store.tell("komoju", header, body).await, (401, String::new()), "{what}");
    }
    for (what, body) in [
        ("with another body", changed(&sbps.body)),
        ("with nothing", Vec::new()),
        ("of another gateway", komoju.body.to_vec()),
    ] {
        let answer = store.tell("sbps", None, body).await;
        assert_eq!(answer, (200, "NG,refused".to_owned()), "{what}");
    }
    let genuine = store.tell("komoju", Some(signature), komoju.body.to_vec()).await;
    assert_eq!(genuine.0, 200, "the genuine one again is taken");
    let genuine = store.tell("sbps", None, sbps.body.clone()).await;
    assert_eq!(genuine, (200, "OK,".to_owned()), "the genuine one again is taken");
    assert_eq!(store.round().await, 0);
    let fulfilled = |records: &[&str]| records.iter().filter(|kind| **kind == "fulfilled").count();
    for (before, order) in before.iter().zip([&first, &second]) {
        let after = store.records(order).await;
        assert_eq!((fulfilled(before), fulfilled(&after)), (1, 1));
    }
}

#[tokio::test]
async fn a_digit_moved_between_the_fields_of_sbps_pays_nothing() {
    let store = Store::open().await;
    let moved = store.mocks.sbps.delivery_fault(sbps::DeliveryFault::MovedDigit).arm();
    let (browser, order, answer) = store.order_by("sbps").await;
    store.sbps_page(&answer).await.pay(TestCard::Succeeds).await.unwrap();
    assert_eq!(store.round().await, 0);
    assert!(moved.hits() > 0);
    assert_ne!(store.standing(&browser, &order).await, "shipped");
    assert!(!store.records(&order).await.contains(&"fulfilment"));
}

#[tokio::test]
async fn taking_another_way_closes_the_first_page() {
    let store = Store::open().await;
    for (first, second) in [("komoju", "stripe"), ("stripe", "komoju")] {
        let (browser, order, answer) = store.order_by(first).await;
        let page = store.any_link(&answer).await;
        let path = format!("/orders/{order}/pay");
        let answer = browser.post(&path, &[("way", second)]).await.unwrap();
        assert!(!page.reload().await.unwrap().is_open(), "{first}");
        assert!(
            page.pay(TestCard::Succeeds)
                .await
                .map_or(true, |landed| landed.store().is_none())
        );
        let page = store.any_link(&answer).await;
        // Without a choice the button leads to the way that was chosen last.
        let again = browser.post(&path, &[]).await.unwrap();
        assert_eq!(again.location(), answer.location());
        pay(&page).await;
        assert_eq!(store.round().await, 1, "{first}");
        let seen = browser.get(&format!("/orders/{order}")).await.unwrap();
        assert_eq!(values(&seen.body, "[data-test=way]", "data-way"), [second]);
    }
}

impl Store {
    /// The page of a gateway that takes links.
    async fn any_link(&self, answer: &Seen) -> Page {
        let location = answer.location().unwrap();
        if location.starts_with(self.mocks.stripe.base_url().as_str()) {
            self.payment_page(answer).await
        } else {
            self.komoju_page(answer).await
        }
    }
}

#[tokio::test]
async fn a_page_that_cannot_be_closed_keeps_the_order_and_nobody_is_led_to_a_second_one() {
    let store = Store::open().await;
    let (browser, order, answer) = store.order_by("sbps").await;
    let page = store.sbps_page(&answer).await;
    let path = format!("/orders/{order}/pay");
    for way in ["stripe", "komoju"] {
        let seen = browser.post(&path, &[("way", way)]).await.unwrap();
        assert_eq!((seen.status, seen.standing()), (200, Some("confirming")), "{way}");
        assert_eq!(seen.location(), None);
        assert_eq!(values(&seen.body, ".ways input[checked]", "value"), ["sbps"]);
    }
    assert_eq!(store.sessions_of(&order), 0);
    assert!(store.mocks.komoju.merchant().sessions().is_empty());
    // The first one can be paid, and then nothing else.
    page.pay(TestCard::Succeeds).await.unwrap();
    assert_eq!(store.round().await, 1);
    let late = browser.post(&path, &[("way", "stripe")]).await.unwrap();
    assert_eq!(late.location(), Some(format!("/orders/{order}").as_str()));
}

#[tokio::test]
async fn an_order_given_up_at_sbps_can_be_paid_elsewhere_once_its_form_is_over() {
    let store = Store::open().await;
    let (browser, order, answer) = store.order_by("sbps").await;
    let page = store.sbps_page(&answer).await;
    let seen = returns(&browser, &visit(&page.cancel().await.unwrap())).await;
    assert_eq!((seen.status, seen.standing()), (200, Some("cancelled")));
    let path = format!("/orders/{order}/pay");
    let seen = browser.post(&path, &[("way", "komoju")]).await.unwrap();
    assert_eq!(
        seen.standing(),
        Some("confirming"),
        "SBPS cannot be asked whether it is over"
    );
    store.mocks.clock.advance(Duration::from_secs(3 * 3600));
    let answer = browser.post(&path, &[("way", "komoju")]).await.unwrap();
    store.komoju_page(&answer).await.pay(TestCard::Succeeds).await.unwrap();
    assert_eq!(store.round().await, 1);
    assert_eq!(store.standing(&browser, &order).await, "shipped");
}

#[tokio::test]
async fn two_ways_at_once_open_one_page_at_most() {
    let store = Store::open().await;
    let browser = store.browser();
    browser.choose("matcha", "1").await.unwrap();
    let (one, other) = tokio::join!(browser.check_out_by("stripe"), browser.check_out_by("komoju"));
    let answers = [one.unwrap(), other.unwrap()];
    assert!(answers.iter().all(|answer| answer.status < 500 || answer.status == 503));
    let mut open = 0;
    for answer in answers.iter().filter(|answer| answer.status == 303) {
        if answer.location().unwrap().starts_with("http") && store.any_link(answer).await.is_open() {
            open += 1;
        }
    }
    assert!(open <= 1, "{open} pages of one order can be paid");
    let list = browser.get("/orders").await.unwrap();
    assert_eq!(values(&list.body, ".orders a", "href").len(), 1);
    let order = MerchantReference::new(browser.latest_order().await.unwrap()).unwrap();
    let attempts = store.shop.cashier().ledger().attempts_of(&order).await.unwrap();
    let known = [GatewayId::STRIPE, GatewayId::KOMOJU];
    assert!(attempts.iter().all(|attempt| known.contains(&attempt.expected.gateway)));
}
