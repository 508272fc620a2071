//! SB Payment Service without its API: nobody can be asked, so a signed notification settles a payment by itself. What the other
//! tests show of it with somebody to ask is shown here of the signature alone.

use bytes::Bytes;
use http::Request;

use super::arena::{Arena, Verdict};
use super::generators::{callbacks, only_its_own, replays, swapped_merchants, swapped_payments};
use super::{fates, findings, verdicts};

const PRICE: u64 = 1776;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn most_of_what_comes_is_refused() {
    let arena = Arena::settling().await;
    let paid = arena.buy("EC-1", PRICE).await;
    let mut counts = callbacks(&arena, &paid).await;
    assert!(counts.refused() >= 30);
    let swaps = swapped_payments(&arena).await;
    only_its_own(&swaps);
    counts.extend(swaps);
    let stolen = swapped_merchants(&arena).await;
    assert_eq!(stolen.accepted(), 0);
    counts.extend(stolen);
    let again = replays(&arena, &paid).await;
    assert_eq!(again.accepted(), 1);
    counts.extend(again);
    let (refused, accepted) = (counts.refused(), counts.accepted());
    println!("sbps without its API: {refused} refused, {accepted} accepted");
    assert!(refused > accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_every_end_are_refused_when_changed() {
    fates::changed(&Arena::settling().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_every_end_pay_once_or_never_in_any_order() {
    fates::in_any_order(&Arena::settling().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_every_end_pay_for_nothing_else() {
    fates::for_nothing_else(&Arena::settling().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_is_not_whole_proves_nothing() {
    let arena = Arena::settling().await;
    let paid = arena.buy("EC-1", PRICE).await;
    verdicts::only_whole_tags(&arena, &paid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_replays_pay_once() {
    verdicts::a_thousand_replays(&Arena::settling().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_days_later_pays_nothing_more() {
    verdicts::days_later(&Arena::settling().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_amount_is_held() {
    findings::other_totals(&Arena::settling().await).await;
}

/// The browser's copy of a result is signed too, by a hash over other bytes. It is no notification, and settles nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_browsers_copy_of_a_result_settles_nothing() {
    let arena = Arena::settling().await;
    let paid = arena.buy("EC-1", PRICE).await;
    let cell = arena.cell(&[&paid.page]).await;
    let mut as_callback: Request<Bytes> = paid.back.clone();
    *as_callback.uri_mut() = arena.path("notification").parse().unwrap();
    assert_eq!(cell.callback(&as_callback).await, Verdict::Refused);
    for _ in 0..3 {
        assert!(cell.back(&paid.back).await.is_negative());
        assert!(cell.sweep().await.is_negative());
    }
    assert!(!cell.is_due(paid.attempt()).await);
    assert_eq!(cell.callback(&paid.callbacks[0]).await, Verdict::Paid, "this one does");
}
