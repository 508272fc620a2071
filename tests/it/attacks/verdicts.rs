//! Entries of the catalogue at every gateway, each with its own verdict.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use kessai::ledgers::MemoryLedger;
use kessai::transport::TransportErrorKind;
use kessai::{Callback, Ledger, Standing, SweepPolicy};

use super::Gw;
use super::alter::{Shape, fields, shape_of, with_value};
use super::arena::{Arena, Cell, Paid, Verdict};
use super::generators::with_body;
use crate::support::told::Told;

const PRICE: u64 = 1776;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub async fn pay_12_a_return_without_a_payment_pays_nothing(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let page = arena.page("EC-1", PRICE).await;
    let own = arena.bare_return(&page.attempt);
    for more in [
        "",
        "&status=paid",
        "&payment_status=paid&redirect_status=succeeded",
        "&result=OK&res_result=OK&Status=CAPTURE",
        "&success=true&paid=1&amount=1776&currency=jpy",
        "&session_status=completed&session_id=cs_1",
    ] {
        for posted in [false, true] {
            let cell = arena.cell(&[&page]).await;
            arena.wire.live();
            let request = if posted {
                let mut request = with_body(&own, more.trim_start_matches('&').as_bytes());
                *request.method_mut() = http::Method::POST;
                request
            } else {
                Request::get(format!("{}{more}", own.uri())).body(Bytes::new()).unwrap()
            };
            let before = cell.attempt(&page.attempt).await.status;
            let shown = cell.page(&request).await.unwrap();
            assert_ne!(shown.standing, Standing::Paid, "{more}");
            assert!(!cell.is_due(&page.attempt).await, "{more}");
            assert!(!cell.attempt(&page.attempt).await.status.is_final() || before.is_final());
            let asked = arena.wire.asked();
            // The same browser again, at once: no second question.
            let _ = cell.page(&request).await;
            assert_eq!(arena.wire.asked(), asked, "{more}");
            // Nor does the sweep find anything that was not paid.
            assert_ne!(cell.sweep().await, Verdict::Paid, "{more}");
            assert!(!cell.is_due(&page.attempt).await, "{more}");
        }
    }
}

pub async fn pay_17_bad_news_without_proof_changes_nothing(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    let expected = &paid.attempt().expected;
    let (attempt, token) = (expected.attempt.as_str(), expected.return_token.as_str());
    let mut bad = Vec::new();
    for words in [
        "",
        "&status=failed",
        "&result=NG&res_result=NG",
        "&payment_status=cancelled&error=expired",
    ] {
        let target = format!("{}?attempt={attempt}&state={token}{words}", arena.path("cancel"));
        bad.push(Request::get(target).body(Bytes::new()).unwrap());
    }
    let mut forged = Vec::new();
    for callback in &paid.callbacks {
        for (good, evil) in [
            ("paid", "unpaid"),
            ("complete", "expired"),
            ("captured", "cancelled"),
            ("OK", "NG"),
            ("CAPTURE", "VOID"),
        ] {
            let body = String::from_utf8_lossy(callback.body()).replace(good, evil);
            forged.push(with_body(callback, body.as_bytes()));
        }
    }
    // Nobody can be asked, so that only the messages speak.
    let cell = arena.cell(&[&paid.page]).await;
    arena.wire.cut();
    for request in &bad {
        assert!(cell.back(request).await.is_negative());
        cell.clock.advance(Duration::from_secs(5));
    }
    for request in forged
        .iter()
        .filter(|request| !paid.callbacks.iter().any(|own| own.body() == request.body()))
    {
        assert!(cell.callback(request).await.is_negative());
    }
    assert!(!cell.attempt(paid.attempt()).await.status.is_final());
    // The money was not lost by it, and once it is on record nothing of this takes it away.
    arena.wire.answers(&paid.answers);
    for callback in &paid.callbacks {
        let _ = cell.callback(callback).await;
    }
    let _ = cell.sweep().await;
    assert!(cell.is_due(paid.attempt()).await);
    let status = cell.attempt(paid.attempt()).await.status;
    for request in &bad {
        assert!(cell.back(request).await.is_negative());
        // What the gateway itself could not have written is no return, and shown as that.
        let shown = cell.page(request).await.unwrap().standing;
        assert!(matches!(shown, Standing::Paid | Standing::Unknown), "{shown:?}");
    }
    for request in &forged {
        let _ = cell.callback(request).await;
    }
    assert_eq!(cell.attempt(paid.attempt()).await.status, status);
    assert_eq!(cell.fulfil().await.len(), 1);
}

pub async fn pay_18_a_callback_without_proof_pays_nothing(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    arena.wire.cut();
    for callback in &paid.callbacks {
        let mut bare = without_tag(callback);
        let cell = arena.cell(&[&paid.page]).await;
        let verdict = cell.callback(&bare).await;
        if gateway == Gw::Gmopg {
            assert_eq!(verdict, Verdict::Nothing, "it has no tag, and is a hint");
        } else {
            assert_eq!(verdict, Verdict::Refused);
        }
        bare.headers_mut()
            .insert("authorization", HeaderValue::from_static("Bearer x"));
        assert!(cell.callback(&bare).await.is_negative());
        assert!(!cell.is_due(paid.attempt()).await);
        assert!(cell.fulfil().await.is_empty());
    }
}

pub async fn pay_19_a_tag_that_is_not_whole_proves_nothing(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    arena.wire.cut();
    if gateway == Gw::Gmopg {
        // The one tag it has comes by the browser, and is not worth more than a question.
        return gmopg_result(&arena, &paid).await;
    }
    only_whole_tags(&arena, &paid).await;
}

pub async fn only_whole_tags(arena: &Arena, paid: &Paid) {
    for callback in &paid.callbacks {
        let tag = tag_of(callback);
        let mut tags: Vec<Vec<u8>> = (0..tag.len()).map(|end| tag[..end].to_vec()).collect();
        tags.push([tag.as_slice(), b"0"].concat());
        tags.push([b"0", tag.as_slice()].concat());
        for changed in tags {
            let cell = arena.cell(&[&paid.page]).await;
            let verdict = cell.callback(&with_tag(callback, &changed)).await;
            assert_eq!(verdict, Verdict::Refused, "{:?}", String::from_utf8_lossy(&changed));
        }
        let cell = arena.cell(&[&paid.page]).await;
        assert_ne!(
            cell.callback(&with_tag(callback, &tag)).await,
            Verdict::Refused,
            "the whole tag is enough"
        );
        assert!(tag.len() >= 40);
    }
}

async fn gmopg_result(arena: &Arena, paid: &Paid) {
    let body = paid.back.body().clone();
    let own = fields(Shape::Form, &body)
        .into_iter()
        .find(|field| field.name == "result");
    let field = own.expect("a return of this gateway has a result");
    let result = field.value(&body).to_vec();
    let tag = result.iter().position(|byte| *byte == b'.').unwrap_or(result.len() / 2);
    for end in (0..result.len()).step_by(7).chain([tag, result.len() - 1]) {
        let cell = arena.cell(&[&paid.page]).await;
        let changed = with_value(&body, &field, &result[..end]);
        let verdict = cell.back(&with_body(&paid.back, &changed)).await;
        assert_eq!(verdict, Verdict::Refused, "cut at {end}");
    }
}

pub async fn pay_32_another_gateways_messages_pay_nothing(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let victim = arena.page("EC-1", PRICE).await;
    for other in Gw::ALL.iter().filter(|other| **other != gateway) {
        let foreign = Arena::open(*other).await;
        let paid = foreign.buy("EC-1", PRICE).await;
        let cell = arena.cell(&[&victim]).await;
        arena.wire.live();
        for callback in &paid.callbacks {
            assert!(cell.callback(callback).await.is_negative(), "{other:?}");
            // The same with the victim's name in it.
            let body = String::from_utf8_lossy(callback.body())
                .replace(paid.attempt().reference().as_str(), victim.attempt.reference().as_str());
            assert!(
                cell.callback(&with_body(callback, body.as_bytes())).await.is_negative(),
                "{other:?}"
            );
        }
        assert_eq!(cell.back(&paid.back).await, Verdict::Refused, "{other:?}");
        // The answer of another gateway to our question.
        for (_, answer) in &paid.answers.0 {
            arena.wire.always(answer.clone());
            cell.clock.advance(Duration::from_secs(5));
            let back = arena.bare_return(&victim.attempt);
            assert!(cell.back(&back).await.is_negative(), "{other:?}");
            assert!(cell.sweep().await.is_negative(), "{other:?}");
        }
        assert!(!cell.is_due(&victim.attempt).await, "{other:?}");
    }
}

pub async fn pay_33_a_thousand_replays_pay_once(gateway: Gw) {
    a_thousand_replays(&Arena::open(gateway).await).await;
}

pub async fn a_thousand_replays(arena: &Arena) {
    let paid = arena.buy("EC-1", PRICE).await;
    arena.wire.answers(&paid.answers);
    let cell = arena.cell(&[&paid.page]).await;
    let mut rights = 0;
    for _ in 0..10 {
        for _ in 0..100 {
            for callback in &paid.callbacks {
                let _ = cell.reply(callback).await;
            }
        }
        let _ = cell.sweep().await;
        let _ = cell.back(&paid.back).await;
        rights += cell.fulfil().await.len();
    }
    assert_eq!(rights, 1);
}

pub async fn pay_34_a_message_days_later_pays_nothing_more(gateway: Gw) {
    days_later(&Arena::open(gateway).await).await;
}

/// Gateways repeat themselves for days, and what they repeat is fresh: another id, another time, another tag. It is taken as the
/// first one was, so that it stops coming, and pays nothing. Whoever hears it may have been started anew since.
pub async fn days_later(arena: &Arena) {
    let paid = arena.buy("EC-1", PRICE).await;
    arena.wire.answers(&paid.answers);
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let cell = arena
        .cell_over(Arc::clone(&ledger), Told::default(), &[&paid.page])
        .await;
    let mut taken = Vec::new();
    for callback in &paid.callbacks {
        let reply = cell.reply(callback).await;
        taken.push((reply.status(), reply.into_body()));
    }
    let _ = cell.sweep().await;
    assert_eq!(cell.fulfil().await.len(), 1);
    let status = cell.attempt(paid.attempt()).await.status;
    let mut number = 0;
    for wait in [DAY / 24, DAY * 4, DAY * 100] {
        let told = Told::default();
        let cell = arena.cell_over(Arc::clone(&ledger), told.clone(), &[&paid.page]).await;
        cell.clock.advance(wait);
        let mut replayed = 0;
        for (callback, taken) in paid.callbacks.iter().zip(&taken) {
            // As it was caught, and as a gateway would send it now.
            assert!(cell.callback(callback).await.is_negative());
            let _ = told.take();
            number += 1;
            let now = cell.clock.now();
            let Some(again) = arena.played.again(callback, number, now) else {
                assert_eq!(arena.gateway, Gw::Gmopg, "it signs nothing");
                continue;
            };
            assert_ne!(again.body(), callback.body());
            let reply = cell.reply(&again).await;
            assert_eq!((reply.status(), reply.into_body()), *taken, "after {wait:?}");
            replayed += told
                .take()
                .iter()
                .filter(|name| **name == "payment.callback.replayed")
                .count();
            assert!(cell.callback(&again).await.is_negative());
        }
        if arena.told_of_money() == Verdict::Paid {
            assert!(replayed > 0, "it is told as what it is");
        }
        assert!(cell.back(&paid.back).await.is_negative());
        assert!(cell.sweep().await.is_negative());
        assert_eq!(cell.attempt(paid.attempt()).await.status, status);
        assert!(cell.fulfil().await.is_empty());
    }
}

pub async fn pay_40_refusals_look_alike(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    arena.wire.cut();
    let callback = &paid.callbacks[0];
    let cell = arena.cell(&[&paid.page]).await;
    let mut wrong_method = callback.clone();
    *wrong_method.method_mut() = http::Method::GET;
    let mut requests = vec![
        wrong_method,
        with_body(callback, b""),
        with_body(callback, b"{}"),
        with_body(callback, b"\xff\xfe\xfd"),
        with_body(callback, b"<a/>"),
        with_body(callback, &[b'['; 1_000]),
        with_body(callback, b"a=1&a=2"),
        with_body(callback, &[b'a'; 70_000]),
    ];
    for method in [http::Method::PUT, http::Method::HEAD] {
        let mut other = callback.clone();
        *other.method_mut() = method;
        requests.push(other);
    }
    for encoding in ["gzip", "br"] {
        let mut other = callback.clone();
        other
            .headers_mut()
            .insert("content-encoding", HeaderValue::from_static(encoding));
        requests.push(other);
    }
    if gateway != Gw::Gmopg {
        let tag = tag_of(callback);
        requests.push(without_tag(callback));
        requests.push(with_tag(callback, &tag[..tag.len() - 1]));
        requests.push(with_tag(callback, b""));
        requests.push(with_body(callback, &[callback.body(), b"0".as_slice()].concat()));
    }
    // Of another merchant, genuinely signed or as genuinely unsigned.
    requests.extend(arena.steal(paid.attempt()).await.0);
    arena.wire.cut();
    // What is too large or compressed does not even reach the desk: it is refused by its size or its encoding, which the sender knows.
    let before = requests.len();
    requests.retain(|request| kessai::Callback::new(request.clone(), cell.clock.now()).is_ok());
    assert_eq!(before - requests.len(), 3);
    let mut replies = BTreeSet::new();
    for request in &requests {
        let reply = cell.reply(request).await;
        let headers: Vec<_> = reply
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {value:?}"))
            .collect();
        replies.insert((reply.status().as_u16(), headers, reply.into_body()));
    }
    assert_eq!(replies.len(), 1, "{replies:?}");
    let genuine = cell.reply(callback).await;
    let (status, _, body) = replies.pop_first().unwrap();
    assert_ne!(
        (genuine.status().as_u16(), genuine.body()),
        (status, &body),
        "a genuine one is answered otherwise"
    );
    assert!(requests.len() >= 10, "{}", requests.len());
}

pub async fn pay_41_a_message_cannot_change_a_setting(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    arena.wire.cut();
    let genuine = arena.cell(&[&paid.page]).await.callback(&paid.callbacks[0]).await;
    let settings = |gateway: &dyn kessai::Gateway| format!("{gateway:?} {:?} {:?}", gateway.account(), gateway.pages());
    let before = settings(&*arena.store);
    let names = [
        "api_key",
        "signing_keys",
        "signing_secret",
        "webhook_secret",
        "endpoint",
        "pages",
        "account",
        "merchant_id",
        "service_id",
        "hash_key",
        "shop_id",
        "shop_pass",
        "environment",
        "form_url",
        "notification_url",
        "tolerance",
    ];
    let form: Vec<String> = names.iter().map(|name| format!("{name}=evil")).collect();
    let json: Vec<String> = names.iter().map(|name| format!("\"{name}\":\"evil\"")).collect();
    let bodies = [form.join("&"), format!("{{{}}}", json.join(","))];
    let cell = arena.cell(&[&paid.page]).await;
    for body in bodies {
        for path in ["notification", "return", "cancel", "settings", "config"] {
            let mut forged = with_body(&paid.callbacks[0], body.as_bytes());
            *forged.uri_mut() = format!("{}?{}", arena.path(path), form.join("&")).parse().unwrap();
            assert_eq!(cell.callback(&forged).await, Verdict::Refused, "{path}");
            assert_eq!(cell.back(&forged).await, Verdict::Refused, "{path}");
        }
    }
    assert_eq!(settings(&*arena.store), before);
    // What was genuine before still is, and under the same keys.
    assert_eq!(cell.callback(&paid.callbacks[0]).await, genuine);
    assert_ne!(genuine, Verdict::Refused);
}

pub async fn pay_43_no_usable_answer_decides_nothing(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    let back = arena.bare_return(paid.attempt());
    let cell = arena.asking(&paid).await;
    let before = cell.attempt(paid.attempt()).await.status;
    let mut troubles: Vec<Box<dyn Fn() + Send + Sync>> = Vec::new();
    for kind in [
        TransportErrorKind::Connect,
        TransportErrorKind::Timeout,
        TransportErrorKind::Broken,
        TransportErrorKind::Reply,
    ] {
        let wire = arena.wire.clone();
        troubles.push(Box::new(move || wire.fails(kind)));
    }
    for (status, body) in [
        (429, "{}"),
        (500, "oops"),
        (503, "<html>maintenance</html>"),
        (502, ""),
        (200, "<html><body>Back soon</body></html>"),
        (200, ""),
        (200, "[]"),
        (200, "{}"),
        (200, "{\"data\":[]}"),
        (200, "null"),
        (301, ""),
    ] {
        let wire = arena.wire.clone();
        let answer = Response::builder().status(status).body(Bytes::from(body)).unwrap();
        troubles.push(Box::new(move || wire.always(answer.clone())));
    }
    for trouble in &troubles {
        trouble();
        cell.clock.advance(Duration::from_secs(5));
        assert_eq!(cell.back(&back).await, Verdict::Nothing);
        trouble();
        assert_eq!(cell.sweep().await, Verdict::Nothing);
        assert!(arena.wire.asked() > 0, "it was asked");
        let attempt = cell.attempt(paid.attempt()).await;
        assert_eq!(attempt.status, before);
        assert!(attempt.next_ask.is_some(), "it will be asked again");
    }
    arena.wire.answers(&paid.answers);
    assert_eq!(cell.sweep().await, Verdict::Paid, "the truth is found out afterwards");
}

pub async fn pay_45_callback_return_and_sweep_at_once_pay_once(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    arena.wire.answers(&paid.answers);
    let cell = arena.cell(&[&paid.page]).await;
    let mut tasks = Vec::new();
    for task in 0..48 {
        let (cashier, now, paid) = (cell.cashier.clone(), cell.clock.now(), paid.clone());
        let store = arena.store.id();
        tasks.push(tokio::spawn(async move {
            let hand = |request: &Request<Bytes>| Callback::new(request.clone(), now).unwrap();
            match task % 3 {
                0 => {
                    for callback in &paid.callbacks {
                        let _ = cashier.callback(&store, hand(callback)).await;
                    }
                }
                1 => drop(cashier.returned(&store, hand(&paid.back)).await),
                _ => drop(cashier.sweep(&SweepPolicy::default()).await.unwrap()),
            }
            let mut rights = 0;
            while let Some(due) = cashier.next_fulfilment().await.unwrap() {
                rights += 1;
                assert!(due.done().await.unwrap());
            }
            rights
        }));
    }
    let mut rights = 0;
    for task in tasks {
        rights += task.await.unwrap();
    }
    let _ = cell.sweep().await;
    rights += cell.fulfil().await.len();
    assert_eq!(rights, 1);
}

/// A hash that a browser sees or that covers no secret the gateway keeps to itself settles nothing: it is asked about first.
async fn hint_then_question(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    let cell: Cell<'_> = arena.cell(&[&paid.page]).await;
    arena.wire.cut();
    for _ in 0..3 {
        for callback in &paid.callbacks {
            assert_ne!(cell.callback(callback).await, Verdict::Paid);
        }
        assert!(!cell.is_due(paid.attempt()).await);
        assert_eq!(arena.wire.asked(), 0, "nothing is asked before the reply");
    }
    arena.wire.answers(&paid.answers);
    assert_eq!(cell.sweep().await, Verdict::Paid);
}

#[tokio::test]
async fn pay_24_sbps_a_keyed_sha1_is_asked_about_before_anything_is_paid() {
    hint_then_question(Gw::Sbps).await;
}

#[tokio::test]
async fn pay_39_gmopg_an_unsigned_notification_is_asked_about_before_anything_is_paid() {
    hint_then_question(Gw::Gmopg).await;
}

pub fn signature_header(message: &Request<Bytes>) -> Option<http::HeaderName> {
    let mut names = message.headers().keys();
    names.find(|name| name.as_str().contains("signature")).cloned()
}

pub fn tag_of(message: &Request<Bytes>) -> Vec<u8> {
    if let Some(name) = signature_header(message) {
        let value = message.headers()[name].as_bytes();
        // What follows the tag is of a scheme that proves nothing here (`v0`), and nobody reads it.
        let end = value.windows(4).position(|part| part == b",v0=");
        return value[..end.unwrap_or(value.len())].to_vec();
    }
    let fields = fields(shape_of(message.body()), message.body());
    let field = fields.into_iter().find(|field| field.name == "sps_hashcode").unwrap();
    field.value(message.body()).to_vec()
}

pub fn with_tag(message: &Request<Bytes>, tag: &[u8]) -> Request<Bytes> {
    if let Some(name) = signature_header(message) {
        let mut changed = message.clone();
        changed
            .headers_mut()
            .insert(name, HeaderValue::from_bytes(tag).unwrap());
        return changed;
    }
    let fields = fields(shape_of(message.body()), message.body());
    let field = fields.into_iter().find(|field| field.name == "sps_hashcode").unwrap();
    with_body(message, &with_value(message.body(), &field, tag))
}

fn without_tag(message: &Request<Bytes>) -> Request<Bytes> {
    if let Some(name) = signature_header(message) {
        let mut changed = message.clone();
        changed.headers_mut().remove(name);
        return changed;
    }
    let body = String::from_utf8_lossy(message.body()).into_owned();
    let pairs: Vec<&str> = body
        .split('&')
        .filter(|pair| !pair.starts_with("sps_hashcode="))
        .collect();
    with_body(message, pairs.join("&").as_bytes())
}
