//! What was published and worked against real stores: "How to Shop for Free Online" (IEEE S&P 2011) and the four values of
//! "Detecting Logic Vulnerabilities in E-commerce Applications" (NDSS 2014). Each is tried at every gateway, with real money.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Request};
use kessai::{Callback, CheckoutRequest, Currency, ExpectedPayment, LineItem, MerchantReference, Money, Redirect};

use super::Gw;
use super::arena::{Arena, Cell, Open, Paid, Verdict};
use super::generators::{replaced, with_body};
use super::verdicts::{tag_of, with_tag};
use crate::support::yen;

const PRICE: u64 = 1776;

/// A shopper who pays this much for an attempt of that much, at the store's own account, with the attempt's own name.
async fn pays_instead(arena: &Arena, victim: &Open, amount: u64) -> Paid {
    let expected = &victim.attempt.expected;
    let page = arena
        .page_as(&arena.store, expected.order.as_str(), amount, |own| {
            own.attempt = expected.attempt.clone();
            own.return_token = expected.return_token.clone();
        })
        .await;
    arena.pay(page).await
}

/// Everything that was sent about it, to the store that expected something else. Gives whether a human will see it.
async fn never_pays(arena: &Arena, cell: &Cell<'_>, victim: &Open, paid: &Paid) -> bool {
    let mut held = false;
    arena.wire.live();
    let own = arena.bare_return(&victim.attempt);
    for _ in 0..2 {
        for callback in &paid.callbacks {
            let verdict = cell.callback(callback).await;
            assert_ne!(verdict, Verdict::Paid);
            held |= verdict == Verdict::Held;
        }
        for back in [&paid.back, &own] {
            let verdict = cell.back(back).await;
            assert_ne!(verdict, Verdict::Paid);
            held |= verdict == Verdict::Held;
        }
        let verdict = cell.sweep().await;
        assert_ne!(verdict, Verdict::Paid);
        held |= verdict == Verdict::Held;
    }
    assert!(!cell.is_due(&victim.attempt).await);
    assert!(cell.fulfil().await.is_empty());
    held
}

pub async fn w11_pay_01_a_price_chosen_in_the_browser(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    // What passes through the browser either has no price in it or is refused when it was changed.
    let page = arena.page("EC-1", PRICE).await;
    match page.redirect.as_ref().unwrap() {
        Redirect::Get(url) => {
            let url = url::Url::parse(url.as_str()).unwrap();
            assert!(url.query_pairs().all(|(_, value)| value != PRICE.to_string()), "{url}");
        }
        Redirect::Post(form) => {
            let fields: Vec<_> = form.fields().collect();
            assert!(fields.contains(&("amount", &PRICE.to_string())));
            // The gateway refuses the form with a lower price under the hash of ours, and takes it as it was.
            assert!(!arena.played.takes(form, &[("amount", &(PRICE / 10).to_string())]).await);
            assert!(!arena.played.takes(form, &[("item_name", "x")]).await);
            assert!(arena.played.takes(form, &[]).await);
        }
    }
    // And if a gateway took the lower price all the same: a tenth was really paid.
    let victim = arena.planned("EC-2", PRICE);
    let paid = pays_instead(&arena, &victim, PRICE / 10).await;
    let cell = arena.cell(&[&victim]).await;
    assert!(never_pays(&arena, &cell, &victim, &paid).await, "nobody would see it");
}

pub async fn w11_pay_07_a_return_address_chosen_in_the_browser(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    // The gateway led back, and sent, to the configured addresses.
    assert_eq!(paid.back.uri().path(), arena.path("return"));
    assert!(
        paid.callbacks
            .iter()
            .all(|callback| callback.uri().path() == arena.path("notification"))
    );
    // Whatever a browser claims about where it is, nothing of it is repeated.
    let mut hostile = paid.back.clone();
    *hostile.method_mut() = http::Method::POST;
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("origin", "https://evil.example"),
        ("referer", "https://evil.example/pay"),
    ] {
        hostile.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let target = format!(
        "{}&return_url=https://evil.example&notify_url=https://evil.example",
        hostile.uri()
    );
    *hostile.uri_mut() = target.parse().unwrap();
    arena.wire.answers(&paid.answers);
    let cell = arena.asking(&paid).await;
    let page = cell.page(&hostile).await.unwrap();
    let onward = page.see_other.expect("a POST is turned into a GET");
    let location = onward.headers()["location"].to_str().unwrap().to_owned();
    let expected = &paid.attempt().expected;
    let (attempt, token) = (expected.attempt.as_str(), expected.return_token.as_str());
    assert_eq!(onward.status(), 303);
    assert_eq!(
        location,
        format!("{}?attempt={attempt}&state={token}", arena.path("return")),
        "our own two values and nothing else (PAY-09)"
    );
    assert!(!format!("{onward:?}{location}").contains("evil"));
    for callback in &paid.callbacks {
        let mut hostile = callback.clone();
        hostile
            .headers_mut()
            .insert("host", HeaderValue::from_static("evil.example"));
        let reply = cell.reply(&hostile).await;
        assert!(!format!("{reply:?}").contains("evil"));
    }
}

pub async fn w11_pay_13_a_paid_order_named_for_another_in_the_last_step(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let cheap = arena.buy("EC-CHEAP", 100).await;
    let dear = arena.page("EC-DEAR", 99_000).await;
    let cell = arena.cell(&[&dear, &cheap.page]).await;
    arena.wire.live();
    let own = arena.bare_return(&dear.attempt);
    let theirs = cheap.back.uri().query().unwrap_or_default().to_owned();
    let ours = own.uri().query().unwrap().to_owned();
    for query in [
        ours.clone(),
        format!("{ours}&{theirs}"),
        format!("{theirs}&{ours}"),
        theirs.replace(cheap.attempt().reference().as_str(), dear.attempt.reference().as_str()),
    ] {
        let mut mixed = cheap.back.clone();
        *mixed.uri_mut() = format!("{}?{query}", arena.path("return")).parse().unwrap();
        let _ = cell.back(&mixed).await;
        assert!(!cell.is_due(&dear.attempt).await, "{query}");
    }
    for callback in &cheap.callbacks {
        let _ = cell.callback(callback).await;
    }
    let _ = cell.sweep().await;
    let _ = cell.sweep().await;
    assert_eq!(cell.fulfil().await, ["EC-CHEAP"], "the cheap one was paid, once");
}

pub async fn w11_pay_23_a_certificate_address_in_the_message(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/cert.pem", listener.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let server = tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    arena.wire.live();
    let cell = arena.cell(&[&paid.page]).await;
    for callback in &paid.callbacks {
        for address in [
            address.as_str(),
            "file:///etc/passwd",
            "http://169.254.169.254/",
            "https://gateway.example.evil/c",
        ] {
            let mut named = callback.clone();
            for name in ["x-cert-url", "paypal-cert-url", "signing-cert-url", "jku", "x5u"] {
                named
                    .headers_mut()
                    .insert(name, HeaderValue::from_str(address).unwrap());
            }
            // What the named certificate would sign: another body under the old tag.
            let body = String::from_utf8_lossy(callback.body()).replace("1776", "17760");
            let body = if body.trim_start().starts_with('{') {
                body.replacen('{', &format!("{{\"SigningCertURL\":\"{address}\","), 1)
            } else {
                format!("{body}&SigningCertURL={address}&certificateUrl={address}")
            };
            let verdict = cell.callback(&with_body(&named, body.as_bytes())).await;
            assert!(verdict.is_negative(), "{verdict:?}");
        }
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0, "nobody fetched anything");
    assert_eq!(arena.wire.asked(), 0, "and nobody was asked");
    assert!(!cell.is_due(paid.attempt()).await);
    server.abort();
}

pub async fn w11_pay_25_a_genuine_payment_of_a_lower_amount(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let victim = arena.planned("EC-1", 23_775);
    // An order of 237.75 was shown as paid after 0.05.
    let paid = pays_instead(&arena, &victim, 5.max(least(gateway))).await;
    let cell = arena.cell(&[&victim]).await;
    assert!(never_pays(&arena, &cell, &victim, &paid).await, "nobody would see it");
}

pub async fn s14_order_total(gateway: Gw) {
    other_totals(&Arena::open(gateway).await).await;
}

pub async fn other_totals(arena: &Arena) {
    for amount in [PRICE - 1, PRICE + 1, PRICE * 10, least(arena.gateway)] {
        let victim = arena.planned(&format!("EC-{amount}"), PRICE);
        let paid = pays_instead(arena, &victim, amount).await;
        let cell = arena.cell(&[&victim]).await;
        assert!(
            never_pays(arena, &cell, &victim, &paid).await,
            "nobody would see {amount}"
        );
    }
}

pub async fn s14_currency(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
        .total(Money::new(PRICE, Currency::USD))
        .build()
        .unwrap();
    let planned = ExpectedPayment::plan(&*arena.store, &request, arena.clock.now());
    if matches!(gateway, Gw::Sbps | Gw::Gmopg) {
        let refused = planned.expect_err("it takes yen only");
        assert!(refused.to_string().contains("another currency"), "{refused}");
        return another_currency_in_a_message(&arena).await;
    }
    let mut expected = planned.unwrap();
    let victim = arena.planned("EC-1", PRICE);
    expected.attempt = victim.attempt.expected.attempt.clone();
    expected.return_token = victim.attempt.expected.return_token.clone();
    let page = arena.page_of(expected, &request).await;
    // The same number in another currency, really paid.
    let paid = arena.pay(page).await;
    let cell = arena.cell(&[&victim]).await;
    assert!(never_pays(&arena, &cell, &victim, &paid).await, "nobody would see it");
}

/// A payment that is genuine but for a currency that is named beside it, by the notification and by the answer to a question.
async fn another_currency_in_a_message(arena: &Arena) {
    let paid = arena.buy("EC-2", PRICE).await;
    arena.wire.answers(&paid.answers);
    assert_eq!(arena.asking(&paid).await.sweep().await, Verdict::Paid, "in yen it pays");
    for currency in ["USD", "JPY", "jpn"] {
        for callback in &paid.callbacks {
            let cell = arena.cell(&[&paid.page]).await;
            arena.wire.cut();
            let verdict = cell.callback(&in_currency(callback, currency)).await;
            if arena.gateway == Gw::Gmopg {
                assert_eq!(verdict, Verdict::Refused, "{currency}");
                continue;
            }
            // This one has no such field in its documents, and no hash covers it: it is read by nobody, and the money is yen.
            assert_eq!(verdict, arena.told_of_money(), "{currency}");
            arena.wire.answers(&paid.answers);
            assert_eq!(cell.sweep().await, Verdict::Paid);
            let right = cell.cashier.next_fulfilment().await.unwrap().unwrap();
            assert_eq!(right.amount, yen(PRICE), "{currency}");
        }
        if arena.gateway == Gw::Gmopg {
            let mut answers = paid.answers.clone();
            for (_, answer) in &mut answers.0 {
                let body = String::from_utf8_lossy(answer.body()).replace("Currency=JPN", "");
                *answer.body_mut() = Bytes::from(format!("{body}&Currency={currency}"));
            }
            arena.wire.answers(&answers);
            let cell = arena.asking(&paid).await;
            assert!(cell.sweep().await.is_negative(), "{currency}");
            assert!(!cell.is_due(paid.attempt()).await);
        }
    }
}

fn in_currency(callback: &Request<Bytes>, currency: &str) -> Request<Bytes> {
    let body = String::from_utf8_lossy(callback.body()).replace("Currency=JPN&", "");
    with_body(callback, format!("{body}&Currency={currency}").as_bytes())
}

/// Paid genuinely, with the name of another order put where the message names its own.
pub async fn s14_order_id(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let cheap = arena.buy("EC-CHEAP", PRICE).await;
    let victim = arena.page("EC-DEAR", PRICE).await;
    let (own, other) = (cheap.attempt(), &victim.attempt);
    let names = [
        (own.expected.order.as_str(), other.expected.order.as_str()),
        (own.reference().as_str(), other.reference().as_str()),
    ];
    let mut tried = 0;
    for callback in &cheap.callbacks {
        for (own, other) in names {
            let renamed = replaced(callback, own, other);
            if renamed.body() == callback.body() {
                continue;
            }
            tried += 1;
            let cell = arena.cell(&[&victim, &cheap.page]).await;
            arena.wire.live();
            let verdict = cell.callback(&renamed).await;
            // What is signed is refused. An unsigned message is a hint about the order that it names, which was not paid.
            if gateway == Gw::Gmopg {
                assert_eq!(verdict, Verdict::Nothing, "{own}");
            } else {
                assert_eq!(verdict, Verdict::Refused, "{own}");
            }
            let _ = cell.sweep().await;
            assert!(!cell.is_due(&victim.attempt).await, "{own}");
        }
    }
    assert!(tried > 0, "no message names an order");
    // The answer to a question about one order, naming another.
    for (own, other) in names {
        let mut answers = cheap.answers.clone();
        for (_, answer) in &mut answers.0 {
            let body = String::from_utf8_lossy(answer.body()).replace(own, other);
            *answer.body_mut() = Bytes::from(body);
        }
        let same = answers.0.iter().zip(&cheap.answers.0);
        if same.into_iter().all(|(one, other)| one.1.body() == other.1.body()) {
            continue;
        }
        arena.wire.answers(&answers);
        let cell = arena.asking(&cheap).await;
        let verdict = cell.sweep().await;
        if own == cheap.attempt().reference().as_str() {
            assert!(verdict.is_negative(), "{own}: {verdict:?}");
        }
        assert!(cell.fulfil().await.iter().all(|order| order != "EC-DEAR"));
    }
}

pub async fn w11_pay_26_the_right_amount_to_the_shoppers_own_account(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let victim = arena.page("EC-1", PRICE).await;
    let (callbacks, back) = arena.steal(&victim.attempt).await;
    let cell = arena.cell(&[&victim]).await;
    arena.wire.live();
    for callback in &callbacks {
        let verdict = cell.callback(callback).await;
        assert!(verdict.is_negative(), "{verdict:?}");
    }
    assert!(cell.back(&back).await.is_negative());
    assert!(cell.back(&arena.bare_return(&victim.attempt)).await.is_negative());
    assert!(cell.sweep().await.is_negative());
    assert!(!cell.is_due(&victim.attempt).await);
    // The same messages are worth something to the one they were made for.
    for callback in callbacks {
        let callback = Callback::new(callback, arena.clock.now()).unwrap();
        assert!(arena.thief.receive(&callback).await.is_ok());
    }
}

/// A genuine message of the store's own payment, with the thief's account where it names the store's, and the thief's with the store's:
/// the value itself counts, also where the rest is right.
pub async fn s14_merchant_id(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    let (callbacks, _) = arena.steal(paid.attempt()).await;
    let (own, his) = (arena.store.account().as_str(), arena.thief.account().as_str());
    arena.wire.cut();
    let mut changed = Vec::new();
    if matches!(gateway, Gw::Sbps | Gw::Gmopg) {
        // Named in the message. One account of two numbers is two fields.
        let parts = |account: &str| -> Vec<String> { account.split('-').map(str::to_owned).collect() };
        for (messages, from, to) in [(&paid.callbacks, own, his), (&callbacks, his, own)] {
            for message in messages {
                let named = parts(from).into_iter().zip(parts(to));
                let renamed = named.fold(message.clone(), |message, (from, to)| replaced(&message, &from, &to));
                assert_ne!(renamed.body(), message.body(), "it names {from}");
                changed.push((renamed, to == own));
            }
        }
    } else {
        // Named by the key alone: each message under the tag of the other's.
        assert!(
            paid.callbacks
                .iter()
                .zip(&callbacks)
                .all(|(own, his)| own.body() != his.body())
        );
        for (own, his) in paid.callbacks.iter().zip(&callbacks) {
            changed.push((with_tag(own, &tag_of(his)), false));
            changed.push((with_tag(his, &tag_of(own)), false));
        }
    }
    assert!(changed.len() >= 2);
    for (message, ours) in changed {
        let cell = arena.cell(&[&paid.page]).await;
        let verdict = cell.callback(&message).await;
        // Unsigned, under the store's own number: a hint like any other, and nothing is believed of it.
        if gateway == Gw::Gmopg && ours {
            assert_eq!(verdict, Verdict::Nothing);
        } else {
            assert_eq!(verdict, Verdict::Refused, "{:?}", message.body());
        }
        assert!(!cell.is_due(paid.attempt()).await);
    }
}

/// The basket is changed while the shopper is on the payment page, and changed back (PAY-46).
pub async fn w11_pay_46_an_order_changed_after_the_redirect(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let basket = |quantity: u32| {
        CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
            .item(LineItem::new("Sencha", yen(PRICE / 2), quantity).unwrap())
            .build()
            .unwrap()
    };
    let sold = basket(2);
    let expected = ExpectedPayment::plan(&*arena.store, &sold, arena.clock.now()).unwrap();
    let page = arena.page_of(expected, &sold).await;
    let paid = arena.pay(page).await;
    for way in ["callback", "return", "sweep"] {
        arena.wire.answers(&paid.answers);
        let cell = arena.asking(&paid).await;
        let _ = match way {
            "callback" => {
                for callback in &paid.callbacks {
                    let _ = cell.callback(callback).await;
                }
                // Where a message is a reason to ask and no more, it is asked.
                cell.sweep().await
            }
            "return" => cell.back(&paid.back).await,
            _ => cell.sweep().await,
        };
        let right = cell.cashier.next_fulfilment().await.unwrap().expect(way);
        // What was paid for is what was sold, whatever the order has become. The store compares before it ships: the order as it
        // stands now is held, and the same order restored is accepted.
        assert_eq!(
            (right.content.clone(), right.amount),
            (sold.content(), yen(PRICE)),
            "{way}"
        );
        assert_ne!(basket(20).content(), right.content, "{way}");
        let other = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
            .item(LineItem::new("Gyokuro", yen(PRICE / 2), 2).unwrap());
        assert_ne!(other.build().unwrap().content(), right.content, "the same price, {way}");
        assert_eq!(basket(2).content(), right.content, "{way}");
        assert!(right.done().await.unwrap());
    }
}

pub async fn w11_pay_27_one_payment_for_many_orders(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-PAID", PRICE).await;
    let victims: Vec<Open> = (0..20).map(|at| arena.planned(&format!("EC-{at}"), PRICE)).collect();
    let mut pages: Vec<&Open> = victims.iter().collect();
    pages.push(&paid.page);
    let cell = arena.cell(&pages).await;
    arena.wire.live();
    for victim in &victims {
        let expected = &victim.attempt.expected;
        for callback in &paid.callbacks {
            let _ = cell.callback(callback).await;
            let body = String::from_utf8_lossy(callback.body())
                .replace(paid.attempt().reference().as_str(), expected.attempt.as_str())
                .replace("EC-PAID", expected.order.as_str());
            let _ = cell.callback(&with_body(callback, body.as_bytes())).await;
        }
        let own = arena.bare_return(&victim.attempt);
        let mut with_theirs = with_body(&own, paid.back.body());
        *with_theirs.method_mut() = paid.back.method().clone();
        let _ = cell.back(&with_theirs).await;
        let _ = cell
            .back(&Request::get(own.uri().clone()).body(Bytes::new()).unwrap())
            .await;
        assert!(!cell.is_due(&victim.attempt).await);
    }
    let _ = cell.sweep().await;
    let _ = cell.sweep().await;
    assert_eq!(cell.fulfil().await, ["EC-PAID"]);
}

/// The least that a simulator takes.
fn least(gateway: Gw) -> u64 {
    match gateway {
        Gw::Stripe | Gw::Komoju => 100,
        Gw::Sbps | Gw::Gmopg => 1,
    }
}
