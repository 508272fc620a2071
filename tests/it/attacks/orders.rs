//! Answers to what a store orders: a page, a capture, a void, a refund. Changed in every place, cut, grown and swapped with those of
//! another payment, they are an error whose outcome is open or refused, or they mean what they meant before.

use bytes::Bytes;
use http::Response;
use kessai::ledger::{Binding, Opened, StoredAttempt};
use kessai::{
    CaptureMode, CheckoutRequest, Error, ExpectedPayment, IdempotencyKey, MerchantReference, Outcome, Redirect,
};

use super::Gw;
use super::alter::{Change, altered};
use super::arena::{Arena, Exchanges, Hangs, Open};
use super::generators::{counts_much, cut_and_grown};
use crate::support::yen;

const PRICE: u64 = 1776;

#[derive(Debug, Default)]
struct Tally {
    /// The outcome is open.
    unknown: usize,
    refused: usize,
    /// It was not sent at all: what is asked first was bent.
    not_sent: usize,
    /// It means what it meant.
    same: usize,
}

impl Tally {
    fn error(&mut self, error: &Error) {
        match error.outcome() {
            Outcome::Unknown => self.unknown += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::NotSent => self.not_sent += 1,
        }
    }
}

pub async fn changed_answers_to_orders_are_no_success_of_something_else(gateway: Gw) {
    let arena = Arena::on_demand(gateway).await;
    let mut tally = Tally::default();
    // One gateway's page is a form that is made here: nothing is answered.
    if gateway != Gw::Sbps {
        pages(&arena, &mut tally).await;
        assert_eq!(tally.not_sent, 0, "the call was sent, so it is not known to be undone");
    }
    for what in [Order::Capture, Order::Refund, Order::Void] {
        orders(&arena, what, &mut tally).await;
    }
    println!("{}, answers to orders: {tally:?}", gateway.name());
    let errors = tally.unknown + tally.refused + tally.not_sent;
    assert!(errors >= 30, "{tally:?}");
}

/// A request that is captured later.
fn later(order: &str) -> CheckoutRequest {
    CheckoutRequest::builder(MerchantReference::new(order).unwrap())
        .total(yen(PRICE))
        .capture(CaptureMode::Manual)
        .build()
        .unwrap()
}

async fn page(arena: &Arena, order: &str) -> (CheckoutRequest, Open, Exchanges) {
    let request = later(order);
    let expected = ExpectedPayment::plan(&*arena.store, &request, arena.clock.now()).unwrap();
    let page = arena.page_of(expected, &request).await;
    (request, page, arena.wire.take())
}

fn with(answer: &Response<Bytes>, body: Vec<u8>) -> Response<Bytes> {
    let mut changed = answer.clone();
    *changed.body_mut() = Bytes::from(body);
    changed
}

fn address(redirect: &Redirect) -> &str {
    match redirect {
        Redirect::Get(url) => url.as_str(),
        Redirect::Post(_) => panic!("a link was expected"),
    }
}

/// What the page itself is, and cannot be told from another that the gateway might have made.
const NAMES: [&str; 6] = ["id", "url", "session_url", "expires_at", "payment_intent", "LinkUrl"];

async fn pages(arena: &Arena, tally: &mut Tally) {
    let (request, own, exchanges) = page(arena, "EC-1").await;
    let (_, other, others) = page(arena, "EC-2").await;
    let expected = &own.attempt.expected;
    let genuine = own.redirect.as_ref().map(address);
    let answer = &exchanges.0.last().unwrap().1;
    let mut changed: Vec<(String, Option<Change>, Vec<u8>)> = altered(answer.body())
        .into_iter()
        .map(|change| (change.field, Some(change.change), change.body))
        .collect();
    let cut = cut_and_grown(answer.body());
    changed.extend(cut.into_iter().map(|body| ("cut or grown".to_owned(), None, body)));
    changed.push((
        "of another".to_owned(),
        None,
        others.0.last().unwrap().1.body().to_vec(),
    ));
    for (field, change, body) in changed {
        arena.wire.always(with(answer, body));
        let told = format!("{change:?} of {field}");
        match arena.store.checkout(expected, &request).await {
            Err(error) => tally.error(&error),
            Ok(checkout) => {
                let same = checkout.reference == own.attempt.checkout && Some(address(&checkout.redirect)) == genuine;
                let is_name = NAMES.iter().any(|name| *name == field);
                // Not every gateway repeats the order. What is left is that another's page is bound to the other already.
                let cell = arena.cell(&[&other]).await;
                let ledger = cell.cashier.ledger();
                let _ = ledger.expect(expected).await.unwrap();
                let opened = Opened {
                    checkout: checkout.reference.clone(),
                    payment: checkout.payment.clone(),
                    ..Opened::default()
                };
                let bound = ledger
                    .opened(&expected.attempt, &opened, arena.clock.now())
                    .await
                    .unwrap();
                if field == "of another" {
                    assert_eq!(bound, Binding::Conflict, "{told}");
                    tally.refused += 1;
                    continue;
                }
                assert!(same || is_name, "{told}: {checkout:?}");
                assert_ne!(
                    checkout.reference.as_ref(),
                    other.attempt.checkout.as_ref().or(Some(&none())),
                    "{told}"
                );
                tally.same += 1;
            }
        }
    }
}

fn none() -> kessai::GatewayReference {
    kessai::GatewayReference::new("no-page").unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Capture,
    Refund,
    Void,
}

impl Order {
    /// What binds an answer to the payment that was named in the question, or says that it was done.
    fn essential(self, gateway: Gw) -> &'static [(&'static str, Hangs)] {
        match (gateway, self) {
            (Gw::Stripe, Self::Refund) => &[("payment_intent", Hangs::OnItsValue)],
            (Gw::Stripe | Gw::Komoju, _) => &[("id", Hangs::OnBeingThere)],
            (Gw::Gmopg, _) => &[("AccessID", Hangs::OnBeingThere)],
            (Gw::Sbps, _) => &[("res_result", Hangs::OnBeingThere)],
        }
    }

    async fn send(self, arena: &Arena, attempt: &StoredAttempt) -> Result<(), Error> {
        let (can, at) = (arena.store.abilities(), arena.clock.now());
        let key = IdempotencyKey::new(format!("kessai-{self:?}-{}", attempt.reference())).unwrap();
        match self {
            Self::Capture => can.capture.unwrap().capture(attempt, None, &key, at).await,
            Self::Void => can.void.unwrap().void(attempt, &key, at).await,
            Self::Refund => can.refund.unwrap().refund(attempt, None, &key, at).await.map(drop),
        }
    }
}

/// A payment as the ledger knows it, and the answers to this order about it.
async fn ordered(arena: &Arena, what: Order, order: &str) -> (StoredAttempt, Exchanges) {
    let (_, page, _) = page(arena, order).await;
    let paid = arena.pay(page).await;
    arena.wire.live();
    let cell = arena.cell(&[&paid.page]).await;
    for callback in &paid.callbacks {
        let _ = cell.callback(callback).await;
    }
    let _ = cell.sweep().await;
    let attempt = cell.attempt(paid.attempt()).await;
    if what == Order::Refund {
        Order::Capture.send(arena, &attempt).await.unwrap();
    }
    arena.wire.live();
    what.send(arena, &attempt).await.unwrap();
    (attempt, arena.wire.take())
}

async fn orders(arena: &Arena, what: Order, tally: &mut Tally) {
    let essential = what.essential(arena.gateway);
    let (attempt, exchanges) = ordered(arena, what, &format!("EC-{what:?}-1")).await;
    let (_, others) = ordered(arena, what, &format!("EC-{what:?}-2")).await;
    arena.wire.answers(&exchanges);
    what.send(arena, &attempt).await.expect("as it was");
    let last = exchanges.0.len() - 1;
    let mut met = 0;
    for at in 0..=last {
        let answer = exchanges.0[at].1.clone();
        let mut changed: Vec<(String, bool, Vec<u8>)> = altered(answer.body())
            .into_iter()
            .map(|change| {
                let hangs = at == last && counts_much(essential, &change);
                (format!("{:?} of {}", change.change, change.field), hangs, change.body)
            })
            .collect();
        let cut = cut_and_grown(answer.body());
        changed.extend(cut.into_iter().map(|body| ("cut or grown".to_owned(), false, body)));
        // One gateway's answers repeat nothing of the question: they are bound by the connection alone (PAY-55).
        let bound = at == last && arena.gateway != Gw::Sbps;
        changed.push(("of another".to_owned(), bound, others.0[at].1.body().to_vec()));
        for (told, hangs, body) in changed {
            let mut bent = exchanges.clone();
            bent.0[at].1 = with(&answer, body);
            arena.wire.answers(&bent);
            let sent = what.send(arena, &attempt).await;
            met += usize::from(hangs);
            if let Err(error) = sent {
                assert!(
                    at < last || error.outcome() != Outcome::NotSent,
                    "{what:?}, {told}: it was sent"
                );
                tally.error(&error);
            } else {
                assert!(!hangs, "{what:?}, {told} in answer {at} is a success all the same");
                tally.same += 1;
            }
        }
    }
    assert!(met > 0, "{what:?}: nothing that counts was changed");
}
