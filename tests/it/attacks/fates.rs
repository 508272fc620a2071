//! The seven ways to spoil messages, over those of pages that came to another end than a card that is taken at once: paid at a till
//! days later, lapsed, declined, closed, disputed.

use http::Request;

use super::Gw;
use super::arena::{Arena, Fate, Open, Verdict};
use super::generators::{Counts, permutations, renamed, replaced, tampered};

const PRICE: u64 = 1776;

/// The pages and messages of each end that this gateway tells of.
async fn every(arena: &Arena) -> Vec<(Fate, Open, Vec<Request<bytes::Bytes>>)> {
    let mut all = Vec::new();
    for (number, fate) in Fate::ALL.into_iter().enumerate() {
        let page = arena.page(&format!("EC-{number}"), PRICE).await;
        if let Some(messages) = arena.live(&page, fate).await
            && !messages.is_empty()
        {
            all.push((fate, page, messages));
        }
    }
    let told = all.iter().filter(|(fate, ..)| *fate == Fate::Later).count();
    assert_eq!(told, 1, "every gateway tells of money that came later");
    all
}

fn has_money(fate: Fate) -> bool {
    matches!(fate, Fate::Later | Fate::Disputed)
}

pub async fn messages_of_every_end_are_refused_when_changed(gateway: Gw) {
    changed(&Arena::open(gateway).await).await;
}

pub async fn changed(arena: &Arena) {
    let mut counts = Counts::default();
    for (fate, page, messages) in every(arena).await {
        let genuine = tampered(arena, &page, &messages, &mut counts).await;
        let best = genuine.iter().max().copied().unwrap();
        if has_money(fate) {
            assert_eq!(best, arena.told_of_money(), "{fate:?}: {genuine:?}");
        } else {
            assert!(best < Verdict::Paid, "{fate:?}: {genuine:?}");
        }
        println!(
            "{}, {fate:?}: {} messages, {genuine:?}",
            arena.gateway.name(),
            messages.len()
        );
    }
    let (refused, accepted) = (counts.refused(), counts.accepted());
    println!("{}: {refused} refused, {accepted} accepted", arena.gateway.name());
    assert!(refused >= 30 && refused > accepted);
}

/// In every order, and each of them twice.
pub async fn messages_of_every_end_pay_once_or_never_in_any_order(gateway: Gw) {
    in_any_order(&Arena::open(gateway).await).await;
}

pub async fn in_any_order(arena: &Arena) {
    for (fate, page, messages) in every(arena).await {
        let mut orders = Vec::new();
        permutations(&mut (0..messages.len().min(5)).collect(), 0, &mut orders);
        for order in orders {
            arena.wire.cut();
            let cell = arena.cell(&[&page]).await;
            let mut paid = 0;
            for message in order.iter().chain(&order) {
                paid += usize::from(cell.callback(&messages[*message]).await == Verdict::Paid);
            }
            // What was not believed is asked about.
            arena.wire.live();
            paid += usize::from(cell.sweep().await == Verdict::Paid);
            let fulfilled = cell.fulfil().await.len();
            assert_eq!(fulfilled, paid, "{fate:?} {order:?}");
            match fate {
                Fate::Later => assert_eq!(fulfilled, 1, "{fate:?} {order:?}"),
                // Whoever hears of the money first ships before the bank takes it back.
                Fate::Disputed => assert!(fulfilled <= 1, "{fate:?} {order:?}"),
                Fate::Lapsed | Fate::Declined | Fate::Closed => assert_eq!(fulfilled, 0, "{fate:?} {order:?}"),
            }
        }
    }
}

/// Neither for another order of the same shop, nor from another shop.
pub async fn messages_of_every_end_pay_for_nothing_else(gateway: Gw) {
    for_nothing_else(&Arena::open(gateway).await).await;
}

pub async fn for_nothing_else(arena: &Arena) {
    let mut tried = 0;
    for (fate, page, messages) in every(arena).await {
        for price in [PRICE, 99_000] {
            let victim = arena.page(&format!("EC-VICTIM-{fate:?}-{price}"), price).await;
            for message in messages.iter().flat_map(|message| renamed(message, &page, &victim)) {
                arena.wire.live();
                let cell = arena.cell(&[&victim, &page]).await;
                let _ = cell.callback(&message).await;
                let _ = cell.sweep().await;
                assert!(!cell.is_due(&victim.attempt).await, "{fate:?}: {:?}", message.body());
                tried += 1;
            }
        }
        let victim = arena.page(&format!("EC-STOLEN-{fate:?}"), PRICE).await;
        let (his, own) = (arena.thief.account().as_str(), arena.store.account().as_str());
        for message in arena.steal_by(&victim.attempt, fate).await {
            for message in [message.clone(), replaced(&message, his, own)] {
                let cell = arena.cell(&[&victim]).await;
                let verdict = cell.callback(&message).await;
                assert!(verdict.is_negative(), "{fate:?}: {verdict:?}");
                let _ = cell.sweep().await;
                assert!(!cell.is_due(&victim.attempt).await, "{fate:?}");
                tried += 1;
            }
        }
    }
    assert!(tried >= 30, "only {tried}");
}
