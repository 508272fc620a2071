//! Evidence that moves the state, and the one call that pays.

use std::collections::HashSet;
use std::time::Duration;

use super::LedgerSource;
use super::desk::{Desk, Found, all, at, count, ensure, same};
use crate::conformance::proofs::{Statement, say};
use crate::ledger::rules::{self, Situation};
use crate::ledger::{
    Applied, AskDue, AskReason, Binding, Fulfilment, HeldReason, Mismatch, Note, Opened, StoredAttempt,
};
use crate::payment::{CaptureMode, PaymentStatus};
use crate::reference::AttemptReference;

pub(super) async fn the_same_event_pays_once(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let expected = desk.open("order-1").await?;
    let first = desk.hears(&expected, PaymentStatus::Captured).await?;
    same("the first time", &first, &Applied::Now)?;
    let records = desk.timeline(&expected.attempt).await?;
    same(
        "the records",
        &desk.kinds(&expected.attempt).await?,
        &vec!["expected", "opened", "applied", "fulfilment"],
    )?;
    for _ in 0..3 {
        let again = desk.hears(&expected, PaymentStatus::Captured).await?;
        same("again", &again, &Applied::Already)?;
    }
    same("the records", &desk.timeline(&expected.attempt).await?, &records)?;
    same(
        "the state",
        &desk.status(&expected.attempt).await?,
        &PaymentStatus::Captured,
    )?;

    // The same fact by another way leaves one line, however often it comes.
    let asked = Statement::about(&expected, PaymentStatus::Captured)?.heard_as("asked")?;
    for _ in 0..3 {
        same(
            "by another way",
            &desk.tell(&expected.attempt, &asked).await?,
            &Applied::Already,
        )?;
    }
    let kinds = desk.kinds(&expected.attempt).await?;
    same("the last record", &kinds.last().copied(), &Some("heard"))?;
    same("how many", &kinds.len(), &(records.len() + 1))?;

    let right = desk.fulfilment_of(&expected.order).await?;
    same("the right", &right, &Some(Fulfilment::of(&expected)))
}

pub(super) async fn sixty_four_at_once_pay_once(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    for round in 0..10 {
        let expected = desk.open(&format!("order-{round}")).await?;
        let said = Statement::about(&expected, PaymentStatus::Captured)?;
        let verdicts = all((0..64).map(|_| desk.tell(&expected.attempt, &said))).await?;
        same("paid", &count(&Applied::Now, &verdicts), &1)?;
        same("known already", &count(&Applied::Already, &verdicts), &63)?;
        same(
            "the records",
            &desk.kinds(&expected.attempt).await?,
            &vec!["expected", "opened", "applied", "fulfilment"],
        )?;
    }
    Ok(())
}

pub(super) async fn callback_return_and_sweep_at_once_pay_once(source: &dyn LedgerSource) -> Found {
    let desk = &Desk::fresh(source).await?;
    for round in 0..10 {
        let expected = &desk.open(&format!("order-{round}")).await?;
        desk.asked(&expected.attempt, Some(at(3))).await?;
        let callback = &Statement::about(expected, PaymentStatus::Captured)?;
        let answer = &callback.clone().heard_as("asked")?;
        let pending = &Statement::about(expected, PaymentStatus::Pending)?;
        let due = &AskDue {
            gateway: expected.gateway.clone(),
            now: at(4),
            lease: Duration::from_secs(60),
            limit: 10,
        };
        let shopper = async |n: u32| match n % 4 {
            0 => desk.tell(&expected.attempt, callback).await,
            1 => {
                let note = desk.ledger.note(&expected.attempt, Note::Returned, at(4));
                note.await.map_err(say)?;
                desk.tell(&expected.attempt, answer).await
            }
            2 => {
                for attempt in desk.ledger.attempts_to_ask(due).await.map_err(say)? {
                    let next = Some(at(100));
                    let _verdict = desk.tell(attempt.reference(), answer).await?;
                    desk.asked(attempt.reference(), next).await?;
                }
                desk.tell(&expected.attempt, answer).await
            }
            _ => desk.tell(&expected.attempt, pending).await,
        };
        let mut verdicts = all((0..64).map(shopper)).await?;
        // The sweep's own verdict is not among them, so the right is counted where it is kept.
        let kinds = desk.kinds(&expected.attempt).await?;
        same("rights on record", &count(&"fulfilment", &kinds), &1)?;
        same("returns on record", &count(&"returned", &kinds), &1)?;
        ensure(count(&Applied::Now, &verdicts) <= 1, "at most one pays")?;
        verdicts.retain(|verdict| {
            !matches!(
                verdict,
                Applied::Now | Applied::Already | Applied::Older | Applied::Moved
            )
        });
        same("other verdicts", &verdicts, &Vec::new())?;
        same(
            "the state",
            &desk.status(&expected.attempt).await?,
            &PaymentStatus::Captured,
        )?;
    }
    same("held", &desk.held().await?, &0)
}

pub(super) async fn older_news_changes_nothing(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let paid = desk.paid("order-1").await?;
    let older = [
        PaymentStatus::Created,
        PaymentStatus::Pending,
        PaymentStatus::RequiresAction,
        PaymentStatus::Authorized,
        PaymentStatus::Failed,
        PaymentStatus::Cancelled,
        PaymentStatus::Expired,
    ];
    let before = desk.kinds(&paid.attempt).await?.len();
    for _ in 0..2 {
        for status in older {
            same(status.as_str(), &desk.hears(&paid, status).await?, &Applied::Older)?;
            same(
                "the state",
                &desk.status(&paid.attempt).await?,
                &PaymentStatus::Captured,
            )?;
        }
    }
    let kinds = desk.kinds(&paid.attempt).await?;
    same("one line for each", &count(&"heard", &kinds), &older.len())?;
    same("and nothing else", &kinds.len(), &(before + older.len()))?;
    same("held", &desk.held().await?, &0)?;
    let right = desk.fulfilment_of(&paid.order).await?;
    same("the right", &right, &Some(Fulfilment::of(&paid)))
}

pub(super) async fn an_authorization_pays_where_the_store_captures_later(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let automatic = desk.open("order-1").await?;
    let verdict = desk.hears(&automatic, PaymentStatus::Authorized).await?;
    same("where capture is automatic", &verdict, &Applied::Moved)?;
    desk.is_not_to_be_fulfilled(&automatic.order).await?;
    same(
        "then captured",
        &desk.hears(&automatic, PaymentStatus::Captured).await?,
        &Applied::Now,
    )?;

    let mut manual = desk.gateway.expected("order-2", at(0))?;
    manual.capture = CaptureMode::Manual;
    desk.write(&manual).await?;
    same(
        "where it is manual",
        &desk.hears(&manual, PaymentStatus::Authorized).await?,
        &Applied::Now,
    )?;
    same(
        "then captured",
        &desk.hears(&manual, PaymentStatus::Captured).await?,
        &Applied::Moved,
    )?;
    same("rights", &count(&"fulfilment", &desk.kinds(&manual.attempt).await?), &1)
}

pub(super) async fn a_refund_after_payment_moves_the_state_and_keeps_the_right(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let paid = desk.paid("order-1").await?;
    for status in [
        PaymentStatus::PartiallyRefunded,
        PaymentStatus::Refunded,
        PaymentStatus::Disputed,
    ] {
        same(status.as_str(), &desk.hears(&paid, status).await?, &Applied::Moved)?;
        same("the state", &desk.status(&paid.attempt).await?, &status)?;
        same(
            "money again",
            &desk.hears(&paid, PaymentStatus::Captured).await?,
            &Applied::Older,
        )?;
    }
    let right = desk.fulfilment_of(&paid.order).await?;
    same("the right", &right, &Some(Fulfilment::of(&paid)))
}

pub(super) async fn evidence_may_come_before_the_answer_to_the_checkout(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let expected = desk.written("order-1").await?;
    same(
        "the callback",
        &desk.hears(&expected, PaymentStatus::Captured).await?,
        &Applied::Now,
    )?;
    let said = Statement::about(&expected, PaymentStatus::Captured)?;
    let stored = desk.stored(&expected.attempt).await?;
    same(
        "the names",
        &(stored.checkout, stored.payment),
        &(said.checkout.clone(), said.payment.clone()),
    )?;

    let mut opened = Opened {
        checkout: Some(Statement::page_of(&desk.written("order-2").await?.attempt)?),
        ..Opened::default()
    };
    let binding = desk
        .ledger
        .opened(&expected.attempt, &opened, at(3))
        .await
        .map_err(say)?;
    same("another page", &binding, &Binding::Conflict)?;
    opened.checkout = said.checkout;
    let binding = desk
        .ledger
        .opened(&expected.attempt, &opened, at(3))
        .await
        .map_err(say)?;
    same("the same page", &binding, &Binding::Now)?;
    let stored = desk.stored(&expected.attempt).await?;
    same(
        "the state",
        &(stored.status, stored.opened),
        &(PaymentStatus::Captured, true),
    )?;
    same("nothing to ask about", &stored.next_ask, &None)
}

pub(super) async fn what_says_too_little_is_asked_about(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let expected = desk.open("order-1").await?;
    let before = desk.timeline(&expected.attempt).await?;
    for status in [
        PaymentStatus::Authorized,
        PaymentStatus::Captured,
        PaymentStatus::PartiallyRefunded,
        PaymentStatus::Refunded,
        PaymentStatus::Disputed,
    ] {
        let without = Statement::about(&expected, status)?.but(|said| said.amount = None);
        let verdict = desk.tell(&expected.attempt, &without).await?;
        same(status.as_str(), &verdict, &Applied::Ask(AskReason::AmountMissing))?;
    }
    let verdict = desk.hears(&expected, PaymentStatus::Unknown).await?;
    same("unknown", &verdict, &Applied::Ask(AskReason::StatusUnknown))?;
    // That each was heard is on record, once, and it names nothing that would be bound.
    let again = desk.hears(&expected, PaymentStatus::Unknown).await?;
    same("once more", &again, &Applied::Ask(AskReason::StatusUnknown))?;
    let kinds = desk.kinds(&expected.attempt).await?;
    let (old, new) = kinds.split_at(before.len().min(kinds.len()));
    same("the records before", &old.len(), &before.len())?;
    same("the records", &new.to_vec(), &vec!["heard"; 6])?;
    // Nor does it hide what the same words say with another sum.
    let other = Statement::about(&expected, PaymentStatus::Captured)?
        .but(|said| said.amount = said.amount.and_then(|amount| amount.checked_add(amount).ok()));
    let held = Applied::Held(HeldReason::Mismatch(Mismatch::Amount));
    same("another sum", &desk.tell(&expected.attempt, &other).await?, &held)?;
    same("is listed", &desk.held().await?, &1)?;
    same(
        "the state",
        &desk.status(&expected.attempt).await?,
        &PaymentStatus::Created,
    )?;
    desk.is_not_to_be_fulfilled(&expected.order).await?;
    // An end without money needs no amount.
    let ended = Statement::about(&expected, PaymentStatus::Expired)?.but(|said| said.amount = None);
    same("expired", &desk.tell(&expected.attempt, &ended).await?, &Applied::Moved)
}

/// Every sequence of four out of these, repetitions included, on an attempt of its own.
const HEARD: [PaymentStatus; 5] = [
    PaymentStatus::Pending,
    PaymentStatus::Captured,
    PaymentStatus::Failed,
    PaymentStatus::PartiallyRefunded,
    PaymentStatus::Unknown,
];

pub(super) async fn every_order_of_events_ends_as_the_rules_say(source: &dyn LedgerSource) -> Found {
    let desk = &Desk::fresh(source).await?;
    let mut sequences: Vec<Vec<PaymentStatus>> = vec![Vec::new()];
    for _ in 0..4 {
        let longer =
            |sequence: Vec<PaymentStatus>| HEARD.map(|status| sequence.iter().copied().chain([status]).collect());
        sequences = sequences.into_iter().flat_map(longer).collect();
    }
    let run = async |(number, sequence): (usize, Vec<PaymentStatus>)| {
        let found = hear_in_order(desk, &format!("order-{number}"), &sequence).await;
        found.map_err(|found| format!("{sequence:?}: {found}"))
    };
    same("how many", &sequences.len(), &625)?;
    all(sequences.into_iter().enumerate().map(run)).await.map(drop)
}

async fn hear_in_order(desk: &Desk, order: &str, sequence: &[PaymentStatus]) -> Found {
    let expected = desk.open(order).await?;
    let mut model = Model::new(&desk.stored(&expected.attempt).await?);
    let mut records = vec!["expected", "opened"];
    for status in sequence {
        let said = Statement::about(&expected, *status)?;
        let wanted = model.hear(desk, &said, &mut records)?;
        same(status.as_str(), &desk.tell(&expected.attempt, &said).await?, &wanted)?;
    }
    let stored = desk.stored(&expected.attempt).await?;
    same("the state", &stored.status, &model.attempt.status)?;
    same("the payment's name", &stored.payment, &model.attempt.payment)?;
    same("the records", &desk.kinds(&expected.attempt).await?, &records)?;
    let right = desk.fulfilment_of(&expected.order).await?;
    same("the right", &right.map(|right| right.attempt), &model.paid_by)?;

    // The same in plain words, so that the rules do not only agree with themselves: it is paid if, and only if, money
    // was the first end that was heard of.
    let ends = |status: &&PaymentStatus| status.is_final();
    let first_end = sequence.iter().find(ends);
    same(
        "paid",
        &model.paid_by.is_some(),
        &(first_end == Some(&PaymentStatus::Captured)),
    )
}

/// A ledger of one attempt, made of nothing but the rules.
struct Model {
    attempt: StoredAttempt,
    paid_by: Option<AttemptReference>,
    heard: HashSet<String>,
}

impl Model {
    fn new(attempt: &StoredAttempt) -> Self {
        Self {
            attempt: attempt.clone(),
            paid_by: None,
            heard: HashSet::new(),
        }
    }

    fn hear(&mut self, desk: &Desk, said: &Statement, records: &mut Vec<&'static str>) -> Result<Applied, String> {
        let event = desk.gateway.prove(said, at(2))?;
        let heard_as = rules::heard_as(&self.attempt, event.value()).into_owned();
        let judgement = self.attempt.judge(event);
        let situation = Situation {
            attempt: &self.attempt,
            paid_by: self.paid_by.as_ref(),
            transaction_of: None,
            heard_before: self.heard.contains(&heard_as),
        };
        let decision = rules::decide(situation, &judgement);
        records.extend(decision.records.iter().map(crate::ledger::RecordKind::as_str));
        self.heard.insert(heard_as);
        if decision.fulfilment.is_some() {
            self.paid_by = Some(self.attempt.reference().clone());
        }
        self.attempt.status = decision.status.unwrap_or(self.attempt.status);
        self.attempt.checkout = self.attempt.checkout.take().or(decision.bind_checkout);
        self.attempt.payment = self.attempt.payment.take().or(decision.bind_payment);
        Ok(decision.verdict)
    }
}
