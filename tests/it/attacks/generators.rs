//! Seven ways to spoil messages, over every message of a gateway: replay, swap between two payments, swap between two
//! merchants, drop a field, empty a field, double a field, another order. An eighth changes a field's value.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request};

use super::Gw;
use super::alter::{Altered, Change, altered};
use super::arena::{Arena, Exchanges, Hangs, Open, Paid, Verdict};

const PRICE: u64 = 1776;

/// What was counted, by what was done and what came of it.
#[derive(Default)]
pub struct Counts(BTreeMap<(&'static str, Verdict), usize>);

impl Counts {
    pub fn add(&mut self, what: &'static str, verdict: Verdict) {
        *self.0.entry((what, verdict)).or_default() += 1;
    }

    fn sum(&self, of: impl Fn(Verdict) -> bool) -> usize {
        let counted = self.0.iter().filter(|((_, verdict), _)| of(*verdict));
        counted.map(|(_, count)| count).sum()
    }

    pub fn refused(&self) -> usize {
        self.sum(Verdict::is_negative)
    }

    pub fn accepted(&self) -> usize {
        self.sum(|verdict| !verdict.is_negative())
    }

    pub fn extend(&mut self, more: Self) {
        for (key, count) in more.0 {
            *self.0.entry(key).or_default() += count;
        }
    }
}

pub async fn every_changed_callback_is_refused(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let counts = callbacks(&arena, &arena.buy("EC-1", PRICE).await).await;
    assert!(counts.refused() >= 30 && counts.refused() > counts.accepted());
}

pub async fn callbacks(arena: &Arena, paid: &Paid) -> Counts {
    let mut counts = Counts::default();
    let mut messages = paid.callbacks.clone();
    messages.extend(arena.give_back(paid).await);
    let genuine = tampered(arena, &paid.page, &messages, &mut counts).await;
    let best = genuine.iter().max().copied();
    assert_eq!(best, Some(arena.told_of_money()), "without any question");
    counts
}

/// Each message as it came and changed in every place, at a store that knows nothing yet and can ask nobody. Gives what each does as
/// it came.
pub async fn tampered(arena: &Arena, page: &Open, messages: &[Request<Bytes>], counts: &mut Counts) -> Vec<Verdict> {
    arena.wire.cut();
    let mut genuine = Vec::new();
    for message in messages {
        let verdict = arena.cell(&[page]).await.callback(message).await;
        counts.add("genuine callback", verdict);
        genuine.push(verdict);
        for change in altered(message.body()) {
            let cell = arena.cell(&[page]).await;
            let verdict = cell.callback(&with_body(message, &change.body)).await;
            let told = format!("{:?} of {} in a callback: {verdict:?}", change.change, change.field);
            match arena.gateway {
                // The hash covers every byte.
                Gw::Stripe | Gw::Komoju => assert_eq!(verdict, Verdict::Refused, "{told}"),
                // The hash covers the values in an order of its own: fields may trade places, and empty ones may be missing.
                Gw::Sbps => {
                    let same = change.change == Change::Reorder
                        || (change.was_empty && matches!(change.change, Change::Drop | Change::Empty));
                    let allowed = verdict == Verdict::Refused || (same && verdict == genuine[genuine.len() - 1]);
                    assert!(allowed, "{told}");
                }
                // Nothing is signed, so nothing is believed.
                Gw::Gmopg => assert!(matches!(verdict, Verdict::Refused | Verdict::Nothing), "{told}"),
            }
            counts.add(name_of(change.change), verdict);
        }
        for (header, message) in changed_headers(message) {
            let verdict = arena.cell(&[page]).await.callback(&message).await;
            if header.contains("signature") {
                assert_eq!(verdict, Verdict::Refused, "{header}: {:?}", message.headers());
            }
            if verdict == Verdict::Refused {
                counts.add("header", verdict);
            } else {
                // Other headers say nothing that is read: the message is as good as it was.
                assert_eq!(Some(&verdict), genuine.last(), "{header}");
            }
        }
        for body in cut_and_grown(message.body()) {
            let verdict = arena.cell(&[page]).await.callback(&with_body(message, &body)).await;
            // At the one gateway that signs values and not bytes, what was cut off or put on may be none of the values.
            let same = arena.gateway == Gw::Sbps && Some(&verdict) == genuine.last();
            assert!(verdict.is_negative() || same, "cut or grown: {verdict:?}");
            counts.add("cut or grown", verdict);
        }
    }
    genuine
}

pub async fn every_changed_return_pays_nothing(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let counts = returns(&arena, &arena.buy("EC-1", PRICE).await).await;
    assert!(counts.refused() > 10);
    assert_eq!(counts.accepted(), 0);
}

/// The payment was really made, and nobody can be asked: so nothing is known but what the browser says.
async fn returns(arena: &Arena, paid: &Paid) -> Counts {
    let mut counts = Counts::default();
    arena.wire.cut();
    for change in changed_returns(&paid.back) {
        let cell = arena.cell(&[&paid.page]).await;
        let verdict = cell.back(&change.1).await;
        assert!(
            verdict.is_negative(),
            "{:?} of {}: {verdict:?}",
            change.0.change,
            change.0.field
        );
        if matches!(change.0.field.as_str(), "attempt" | "state") && change.0.change != Change::Reorder {
            assert_eq!(verdict, Verdict::Refused, "{:?} of {}", change.0.change, change.0.field);
        }
        counts.add(name_of(change.0.change), verdict);
    }
    let cell = arena.cell(&[&paid.page]).await;
    let verdict = cell.back(&paid.back).await;
    assert_eq!(verdict, Verdict::Nothing, "the genuine return pays nothing either");
    // With somebody to ask, the very same return finds the payment: the changed ones were about a payment that exists.
    arena.wire.answers(&paid.answers);
    assert_eq!(arena.asking(paid).await.back(&paid.back).await, Verdict::Paid);
    counts
}

pub async fn every_changed_answer_pays_only_what_was_expected(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let counts = answers(&arena, &arena.buy("EC-1", PRICE).await).await;
    assert!(
        counts.refused() >= 4,
        "an answer was changed in what counts, and less than that was noticed"
    );
}

async fn answers(arena: &Arena, paid: &Paid) -> Counts {
    let mut counts = Counts::default();
    let essential = arena.played.essential();
    let back = arena.bare_return(paid.attempt());
    arena.wire.answers(&paid.answers);
    assert_eq!(
        arena.asking(paid).await.back(&back).await,
        Verdict::Paid,
        "the genuine answer pays"
    );
    assert_eq!(
        arena.asking(paid).await.sweep().await,
        Verdict::Paid,
        "the genuine answer pays"
    );
    let (mut met, mut believed) = (Vec::new(), Vec::new());
    for at in 0..paid.answers.0.len() {
        let body = paid.answers.0[at].1.body().clone();
        let mut changed: Vec<(String, &str, Vec<u8>, bool)> = altered(&body)
            .into_iter()
            .map(|change| {
                let counts = counts_much(essential, &change);
                (change.field, name_of(change.change), change.body, counts)
            })
            .collect();
        changed.extend(
            cut_and_grown(&body)
                .into_iter()
                .map(|body| (String::new(), "cut or grown", body, false)),
        );
        for (field, what, body, counts_much) in changed {
            let mut exchanges = paid.answers.clone();
            *exchanges.0[at].1.body_mut() = Bytes::from(body);
            arena.wire.answers(&exchanges);
            let queried = arena.asking(paid).await.back(&back).await;
            let swept = arena.asking(paid).await.sweep().await;
            assert_eq!(queried, swept, "{what} of {field}: both ways end in the same gate");
            if counts_much {
                if queried == Verdict::Paid {
                    believed.push(format!("{what} of {field} in answer {at}"));
                }
                met.push(field.clone());
            }
            counts.add(what, queried);
            counts.add(what, swept);
        }
    }
    assert!(
        believed.is_empty(),
        "{} was paid all the same: {believed:#?}",
        arena.gateway.name()
    );
    for (field, _) in essential {
        assert!(met.iter().any(|met| met == field), "no answer has {field}");
    }
    counts
}

/// Whether a payment hangs on what was changed: on the field being there, or on what it says.
pub fn counts_much(essential: &[(&str, Hangs)], changed: &Altered) -> bool {
    let Some((_, hangs)) = essential.iter().find(|(field, _)| *field == changed.field) else {
        return false;
    };
    match changed.change {
        Change::Reorder => false,
        Change::Drop | Change::Empty => *hangs == Hangs::OnBeingThere,
        Change::Duplicate | Change::Other => true,
    }
}

pub async fn messages_in_any_order_pay_once(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    arena.wire.answers(&paid.answers);
    let mut steps: Vec<usize> = (0..paid.callbacks.len().min(2) + 2).collect();
    let mut orders = Vec::new();
    permutations(&mut steps, 0, &mut orders);
    for order in orders {
        let cell = arena.cell(&[&paid.page]).await;
        let mut paid_by = 0;
        // Everything comes twice, the second time in the same order.
        for step in order.iter().chain(&order) {
            let verdict = match *step {
                0 => cell.back(&paid.back).await,
                1 => cell.sweep().await,
                callback => cell.callback(&paid.callbacks[callback - 2]).await,
            };
            assert_ne!(verdict, Verdict::Held, "{order:?}");
            paid_by += usize::from(verdict == Verdict::Paid);
        }
        assert_eq!(paid_by, 1, "{order:?}");
        assert_eq!(cell.fulfil().await, ["EC-1"], "{order:?}");
    }
}

/// The gateway contradicts itself: notification and return say paid, and when it is asked it says paid, or void. Whatever comes first,
/// the order is paid at most once, and the money is never out of sight.
pub async fn contradicting_news_in_any_order_pays_once_at_most(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    let other = contradicted(&arena, &paid);
    let mut messages = paid.callbacks.clone();
    messages.truncate(2);
    // Two gateways tell by a message that the money went back.
    let mut back = arena.give_back(&paid).await;
    back.truncate(1);
    messages.extend(back);
    let mut steps: Vec<usize> = (0..messages.len() + 3).collect();
    let mut orders = Vec::new();
    permutations(&mut steps, 0, &mut orders);
    let (mut paid_in, mut contradictions) = (0, 0);
    let each = (orders.len() / 120).max(1);
    for order in orders.iter().step_by(each) {
        let cell = arena.cell(&[&paid.page]).await;
        let (mut rights, mut held, mut void_last) = (0, 0, false);
        // In the end the gateway says the truth, if it is asked.
        for step in order.iter().chain(order).chain(&[1]) {
            arena.wire.answers(if *step == 2 { &other } else { &paid.answers });
            let verdict = match *step {
                0 => cell.back(&paid.back).await,
                1 | 2 => cell.sweep().await,
                message => cell.callback(&messages[message - 3]).await,
            };
            if arena.wire.asked() > 0 {
                void_last = *step == 2;
            }
            rights += usize::from(verdict == Verdict::Paid);
            held += usize::from(verdict == Verdict::Held);
        }
        let attempt = cell.attempt(paid.attempt()).await;
        let due = cell.is_due(paid.attempt()).await;
        assert!(rights <= 1, "{order:?}");
        assert_eq!(due, rights == 1, "{order:?}");
        // Nothing came since the gateway said, asked for it, that there is no money: then it is over.
        let seen = due || held > 0 || !attempt.status.is_final() || void_last;
        assert!(seen, "{order:?}: {}", attempt.status);
        assert_eq!(cell.fulfil().await.len(), rights, "{order:?}");
        paid_in += rights;
        contradictions += usize::from(held > 0);
    }
    println!(
        "{}: of {} orders {paid_in} paid, {contradictions} were held for a human",
        gateway.name(),
        orders.len().div_ceil(each)
    );
    assert!(paid_in > 0);
}

/// What is answered about a payment that was let go, in the gateway's own words.
fn contradicted(arena: &Arena, paid: &Paid) -> Exchanges {
    let (says, other) = match arena.gateway {
        Gw::Stripe => ("\"payment_status\":\"paid\"", "\"payment_status\":\"unpaid\""),
        Gw::Komoju => ("\"captured\"", "\"cancelled\""),
        Gw::Sbps => ("<payment_status>2<", "<payment_status>3<"),
        Gw::Gmopg => ("Status=CAPTURE", "Status=VOID"),
    };
    let mut answers = paid.answers.clone();
    let mut changed = 0;
    for (_, answer) in &mut answers.0 {
        let body = String::from_utf8_lossy(answer.body()).replace(": ", ":");
        changed += usize::from(body.contains(says));
        *answer.body_mut() = Bytes::from(body.replace(says, other));
    }
    assert!(changed > 0, "no answer says {says}");
    answers
}

pub async fn a_message_that_comes_again_pays_once(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    arena.wire.answers(&paid.answers);
    let counts = replays(&arena, &paid).await;
    assert_eq!(counts.accepted(), usize::from(gateway == Gw::Sbps) + 1);
}

pub async fn replays(arena: &Arena, paid: &Paid) -> Counts {
    let mut counts = Counts::default();
    let cell = arena.cell(&[&paid.page]).await;
    for _ in 0..20 {
        for callback in &paid.callbacks {
            counts.add("replay", cell.callback(callback).await);
        }
        counts.add("replay", cell.back(&paid.back).await);
        counts.add("replay", cell.sweep().await);
    }
    assert_eq!(cell.fulfil().await.len(), 1);
    counts
}

pub async fn messages_of_another_payment_pay_nothing(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let counts = swapped_payments(&arena).await;
    only_its_own(&counts);
    assert!(counts.refused() >= 8);
}

const SWAPPED: &str = "swap of payments";
/// A message that names its own payment all the same, and moved that one.
const OWN: &str = "of its own payment";

pub fn only_its_own(counts: &Counts) {
    let own = counts.0.iter().filter(|((what, _), _)| *what == OWN);
    assert_eq!(counts.accepted(), own.map(|(_, count)| count).sum::<usize>());
}

/// A cheap order was paid, an expensive one and one of the same price were not.
pub async fn swapped_payments(arena: &Arena) -> Counts {
    let mut counts = Counts::default();
    let cheap = arena.buy("EC-CHEAP", PRICE).await;
    for (order, price) in [("EC-DEAR", 99_000), ("EC-SAME", PRICE)] {
        let victim = arena.page(order, price).await;
        let mut messages: Vec<(bool, Request<Bytes>)> = Vec::new();
        for callback in &cheap.callbacks {
            messages.extend(
                renamed(callback, &cheap.page, &victim)
                    .into_iter()
                    .map(|message| (true, message)),
            );
        }
        messages.extend(
            renamed(&cheap.back, &cheap.page, &victim)
                .into_iter()
                .map(|message| (false, message)),
        );
        // What the gateway gave for the cheap one, under the address of the dear one, and the other way round.
        let own = arena.bare_return(&victim.attempt);
        let mut mixed = with_body(&own, cheap.back.body());
        *mixed.method_mut() = cheap.back.method().clone();
        messages.push((false, mixed));
        let more = cheap.back.uri().query().unwrap_or_default();
        let both = format!("{}&{more}", own.uri());
        messages.push((false, Request::get(both).body(Bytes::new()).unwrap()));
        for (is_callback, message) in messages {
            let cell = arena.cell(&[&victim, &cheap.page]).await;
            // Everything can be asked about, and the truth is that the victim has not been paid.
            arena.wire.live();
            let before = cell.attempt(&victim.attempt).await.status;
            let verdict = if is_callback {
                cell.callback(&message).await
            } else {
                cell.back(&message).await
            };
            let now = cell.attempt(&victim.attempt).await;
            assert_eq!((now.status, now.payment), (before, None), "{:?}", message.body());
            // What is still a message about the cheap one says what it always said, of the cheap one.
            let what = if verdict.is_negative() { SWAPPED } else { OWN };
            counts.add(what, verdict);
            let _ = cell.sweep().await;
            assert!(
                !cell.is_due(&victim.attempt).await,
                "{} {}",
                message.method(),
                message.uri()
            );
            let after = cell.attempt(&victim.attempt).await.status;
            assert!(before == after || !after.is_final(), "{before:?} became {after:?}");
        }
        // The question is about one, the answer about the other.
        arena.wire.live();
        let cell = arena.cell(&[&victim]).await;
        let back = arena.bare_return(&victim.attempt);
        let _ = cell.back(&back).await;
        let asked = arena.wire.take();
        for (at, _) in asked.0.iter().enumerate() {
            for (_, other) in &cheap.answers.0 {
                let mut crossed = asked.clone();
                crossed.0[at].1 = other.clone();
                arena.wire.answers(&crossed);
                let cell = arena.cell(&[&victim, &cheap.page]).await;
                if price == PRICE {
                    // Not every gateway repeats the order in its answers. What is left is that its payment is taken.
                    arena.wire.answers(&cheap.answers);
                    for callback in &cheap.callbacks {
                        let _ = cell.callback(callback).await;
                    }
                    let _ = cell.back(&cheap.back).await;
                    assert!(cell.is_due(cheap.attempt()).await);
                    arena.wire.answers(&crossed);
                    cell.clock.advance(Duration::from_secs(5));
                }
                let verdict = cell.back(&back).await;
                assert!(verdict.is_negative(), "{order} by {:?}: {verdict:?}", other.body());
                counts.add(SWAPPED, verdict);
            }
        }
    }
    counts
}

pub async fn messages_of_another_merchant_pay_nothing(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let counts = swapped_merchants(&arena).await;
    assert_eq!(counts.accepted(), 0);
    assert!(counts.refused() >= 2);
}

/// The thief paid his own account, with every name and number of the victim's.
pub async fn swapped_merchants(arena: &Arena) -> Counts {
    let mut counts = Counts::default();
    let victim = arena.page("EC-1", PRICE).await;
    let (callbacks, back) = arena.steal(&victim.attempt).await;
    arena.wire.live();
    let cell = arena.cell(&[&victim]).await;
    for callback in &callbacks {
        let own = arena.store.account().as_str();
        let his = arena.thief.account().as_str();
        for message in [callback.clone(), replaced(callback, his, own)] {
            let verdict = cell.callback(&message).await;
            assert!(verdict.is_negative(), "{verdict:?}");
            counts.add("swap of merchants", verdict);
        }
    }
    let verdict = cell.back(&back).await;
    assert!(verdict.is_negative(), "{verdict:?}");
    counts.add("swap of merchants", verdict);
    for _ in 0..3 {
        let verdict = cell.sweep().await;
        assert!(verdict.is_negative(), "{verdict:?}");
        counts.add("swap of merchants", verdict);
    }
    assert!(!cell.is_due(&victim.attempt).await);
    counts
}

pub async fn most_of_what_comes_is_refused(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    let mut counts = replays_of(&arena, &paid).await;
    counts.extend(returns(&arena, &paid).await);
    counts.extend(answers(&arena, &paid).await);
    counts.extend(swapped_payments(&arena).await);
    counts.extend(swapped_merchants(&arena).await);
    counts.extend(callbacks(&arena, &paid).await);
    let (refused, accepted) = (counts.refused(), counts.accepted());
    println!(
        "{}: {refused} messages were refused, held or decided nothing; {accepted} were accepted",
        gateway.name()
    );
    for ((what, verdict), count) in &counts.0 {
        println!("  {what:<18} {verdict:?}: {count}");
    }
    assert!(refused >= 30);
    assert!(refused > accepted, "{refused} refused, {accepted} accepted");
}

async fn replays_of(arena: &Arena, paid: &Paid) -> Counts {
    arena.wire.answers(&paid.answers);
    replays(arena, paid).await
}

fn name_of(change: Change) -> &'static str {
    match change {
        Change::Drop => "dropped field",
        Change::Empty => "emptied field",
        Change::Duplicate => "doubled field",
        Change::Other => "changed field",
        Change::Reorder => "moved field",
    }
}

pub fn with_body(message: &Request<Bytes>, body: &[u8]) -> Request<Bytes> {
    let mut changed = message.clone();
    *changed.body_mut() = Bytes::copy_from_slice(body);
    changed.headers_mut().remove("content-length");
    changed
}

/// Each header missing, empty, there twice with the same and with another value, and with another value.
fn changed_headers(message: &Request<Bytes>) -> Vec<(String, Request<Bytes>)> {
    let mut all = Vec::new();
    for (name, value) in message.headers() {
        let other = HeaderValue::from_bytes(&with_another_character(value.as_bytes())).unwrap();
        let mut changed = vec![
            message.clone(),
            message.clone(),
            message.clone(),
            message.clone(),
            message.clone(),
        ];
        changed[0].headers_mut().remove(name);
        changed[1].headers_mut().insert(name, HeaderValue::from_static(""));
        changed[2].headers_mut().append(name, value.clone());
        changed[3].headers_mut().append(name, other.clone());
        changed[4].headers_mut().insert(name, other);
        all.extend(changed.into_iter().map(|message| (name.as_str().to_owned(), message)));
    }
    all
}

/// Another character where a tag begins: behind `v1=`, or at the start.
fn with_another_character(value: &[u8]) -> Vec<u8> {
    let mut changed = value.to_vec();
    let at = value.windows(3).position(|part| part == b"v1=").map_or(0, |at| at + 3);
    if let Some(byte) = changed.get_mut(at) {
        *byte = if *byte == b'0' { b'1' } else { b'0' };
    }
    changed
}

pub fn cut_and_grown(body: &[u8]) -> Vec<Vec<u8>> {
    let step = (body.len() / 16).max(1);
    let mut all: Vec<Vec<u8>> = (0..body.len()).step_by(step).map(|end| body[..end].to_vec()).collect();
    all.push([body, b"}"].concat());
    all.push([b"\xef\xbb\xbf", body].concat());
    all
}

/// Every change of what stands in the address and in the body.
fn changed_returns(back: &Request<Bytes>) -> Vec<(Altered, Request<Bytes>)> {
    let mut all = Vec::new();
    let (path, query) = (
        back.uri().path().to_owned(),
        back.uri().query().unwrap_or_default().to_owned(),
    );
    for change in altered(query.as_bytes()) {
        let mut changed = back.clone();
        let query = String::from_utf8(change.body.clone()).unwrap();
        *changed.uri_mut() = format!("{path}?{query}").parse().unwrap();
        all.push((change, changed));
    }
    for change in altered(back.body()) {
        let changed = with_body(back, &change.body);
        all.push((change, changed));
    }
    all
}

/// A message about one payment with the names of another in place of its own: each alone, and all of them.
pub fn renamed(message: &Request<Bytes>, own: &Open, other: &Open) -> Vec<Request<Bytes>> {
    let names = |page: &Open| {
        let expected = &page.attempt.expected;
        let checkout = page.attempt.checkout.as_ref();
        vec![
            expected.order.as_str().to_owned(),
            expected.attempt.as_str().to_owned(),
            expected.return_token.as_str().to_owned(),
            expected.amount.minor_units().to_string(),
            checkout.map_or_else(|| "no name".to_owned(), |name| name.as_str().to_owned()),
        ]
    };
    let pairs: Vec<(String, String)> = names(own).into_iter().zip(names(other)).collect();
    let mut all = vec![message.clone()];
    for (own, other) in &pairs {
        all.push(replaced(message, own, other));
    }
    all.push(
        pairs
            .iter()
            .fold(message.clone(), |message, (own, other)| replaced(&message, own, other)),
    );
    all
}

pub fn replaced(message: &Request<Bytes>, old: &str, new: &str) -> Request<Bytes> {
    let body = String::from_utf8_lossy(message.body()).replace(old, new);
    let mut changed = with_body(message, body.as_bytes());
    if let Ok(uri) = message.uri().to_string().replace(old, new).parse() {
        *changed.uri_mut() = uri;
    }
    changed
}

pub fn permutations(steps: &mut Vec<usize>, from: usize, all: &mut Vec<Vec<usize>>) {
    if from == steps.len() {
        all.push(steps.clone());
        return;
    }
    for at in from..steps.len() {
        steps.swap(from, at);
        permutations(steps, from + 1, all);
        steps.swap(from, at);
    }
}
