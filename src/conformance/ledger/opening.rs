//! Binding the gateway's names, finding by them, and closing what never came to be.

use std::time::Duration;

use super::LedgerSource;
use super::desk::{Desk, Found, at, ensure, refused, same};
use crate::conformance::proofs::{Statement, say};
use crate::event::Subject;
use crate::ledger::{Applied, Asked, Binding, CloseReason, Cue, Note, Opened, RecordKind};
use crate::payment::PaymentStatus;
use crate::redirect::{AllowedOrigins, KeptLink, RedirectUrl};
use crate::reference::{FulfilmentKey, GatewayId, GatewayReference, MerchantAccount};

pub(super) async fn a_checkout_is_bound_once_and_for_ever(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let (one, two) = (desk.written("order-1").await?, desk.written("order-2").await?);
    let opened = Opened {
        checkout: Some(name("page-1")?),
        payment: Some(name("pay-1")?),
        expires_at: Some(at(77)),
        link: None,
    };
    let bind = |attempt, opened: Opened| {
        let ledger = desk.ledger.clone();
        async move { ledger.opened(attempt, &opened, at(1)).await.map_err(say) }
    };
    same("the first", &bind(&one.attempt, opened.clone()).await?, &Binding::Now)?;
    let after_first = desk.timeline(&one.attempt).await?;
    same(
        "the same",
        &bind(&one.attempt, opened.clone()).await?,
        &Binding::Already,
    )?;
    let stored = desk.stored(&one.attempt).await?;
    same("the end of the page", &stored.expires_at, &at(77))?;
    ensure(stored.opened, "it is opened")?;

    for (what, attempt, changed) in [
        (
            "another page",
            &one.attempt,
            Opened {
                checkout: Some(name("page-2")?),
                ..opened.clone()
            },
        ),
        (
            "another payment",
            &one.attempt,
            Opened {
                payment: Some(name("pay-2")?),
                ..opened.clone()
            },
        ),
        ("both of another attempt", &two.attempt, opened.clone()),
        (
            "the page of another attempt",
            &two.attempt,
            Opened {
                payment: None,
                ..opened.clone()
            },
        ),
        (
            "the payment of another attempt",
            &two.attempt,
            Opened {
                checkout: Some(name("page-2")?),
                ..opened.clone()
            },
        ),
    ] {
        same(what, &bind(attempt, changed).await?, &Binding::Conflict)?;
    }
    same("its records", &desk.timeline(&one.attempt).await?, &after_first)?;
    let untouched = desk.stored(&two.attempt).await?;
    let names = (untouched.opened, untouched.checkout, untouched.payment);
    same("the other attempt", &names, &(false, None, None))?;

    // A page and a payment may be called the same; they are two worlds.
    let crossed = Opened {
        checkout: Some(name("pay-1")?),
        payment: Some(name("page-1")?),
        expires_at: None,
        link: None,
    };
    same("crossed names", &bind(&two.attempt, crossed).await?, &Binding::Now)?;
    let stored = desk.stored(&two.attempt).await?;
    same("the end that was asked for", &stored.expires_at, &two.expires_at)
}

pub(super) async fn a_link_that_comes_only_once_is_kept(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let expected = desk.written("order-1").await?;
    let link = |text: &str| {
        let allowed = AllowedOrigins::new(["https://pay.example"]).map_err(say)?;
        let url = RedirectUrl::new(text, &allowed).map_err(say)?;
        Ok::<_, String>(KeptLink::of(&url))
    };
    let first = link("https://pay.example/checkout/once#part")?;
    for (what, told, kept) in [
        ("no link", None, None),
        ("the first", Some(first.clone()), Some(first.clone())),
        (
            "another",
            Some(link("https://pay.example/checkout/twice")?),
            Some(first.clone()),
        ),
        ("none again", None, Some(first)),
    ] {
        // Every time with a name of its own that is new, so that there is something to write.
        let opened = Opened {
            checkout: (what == "the first").then(|| name("page-1")).transpose()?,
            link: told,
            ..Opened::default()
        };
        let _ = desk
            .ledger
            .opened(&expected.attempt, &opened, at(1))
            .await
            .map_err(say)?;
        same(what, &desk.stored(&expected.attempt).await?.link, &kept)?;
    }
    Ok(())
}

pub(super) async fn a_name_of_one_account_says_nothing_about_another(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let ours = desk.open("order-1").await?;
    let page = Statement::page_of(&ours.attempt)?;
    let opened = Opened {
        checkout: Some(page.clone()),
        ..Opened::default()
    };

    let mut other_account = desk.gateway.expected("order-2", at(0))?;
    other_account.account = MerchantAccount::new("acct-other").map_err(say)?;
    let mut other_gateway = desk.gateway.expected("order-3", at(0))?;
    other_gateway.gateway = GatewayId::from_static("other");
    for other in [&other_account, &other_gateway] {
        desk.write(other).await?;
        let binding = desk.ledger.opened(&other.attempt, &opened, at(1)).await.map_err(say)?;
        same("the same name elsewhere", &binding, &Binding::Now)?;
    }

    let subject = Subject::new().with_checkout(Some(page));
    for expected in [&ours, &other_account, &other_gateway] {
        let found = desk.ledger.find(&expected.gateway, &expected.account, &subject);
        let found = found.await.map_err(say)?.map(|found| found.reference().clone());
        same("who is found", &found, &Some(expected.attempt.clone()))?;
    }
    let nobody = MerchantAccount::new("acct-nobody").map_err(say)?;
    let found = desk.ledger.find(&ours.gateway, &nobody, &subject).await.map_err(say)?;
    ensure(found.is_none(), "an account without attempts has none")
}

pub(super) async fn an_attempt_is_found_by_each_of_its_names(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let (one, two) = (desk.paid("order-1").await?, desk.paid("order-2").await?);
    let said = Statement::about(&one, PaymentStatus::Captured)?;
    let about_two = Statement::about(&two, PaymentStatus::Captured)?;
    let find = |account, subject: Subject| {
        let (ledger, gateway) = (desk.ledger.clone(), one.gateway.clone());
        async move {
            let found = ledger.find(&gateway, account, &subject).await.map_err(say)?;
            Ok::<_, String>(found.map(|found| found.reference().clone()))
        }
    };
    let account = &one.account;
    let stranger = MerchantAccount::new("acct-stranger").map_err(say)?;
    let nobody = Some(desk.gateway.expected("order-9", at(0))?.attempt);
    let ours = || Subject::new().with_attempt(Some(one.attempt.clone()));
    for (what, account, subject) in [
        ("our attempt", account, ours()),
        ("the page", account, Subject::new().with_checkout(said.checkout.clone())),
        (
            "the payment",
            account,
            Subject::new().with_payment(said.payment.clone()),
        ),
        (
            "our attempt before the others",
            account,
            ours()
                .with_checkout(about_two.checkout.clone())
                .with_payment(about_two.payment.clone()),
        ),
        (
            "the page before the payment",
            account,
            Subject::new()
                .with_checkout(said.checkout.clone())
                .with_payment(about_two.payment.clone()),
        ),
        ("our attempt, paid to a stranger", &stranger, ours()),
        (
            "the page, beside an attempt that nobody knows",
            account,
            Subject::new()
                .with_attempt(nobody.clone())
                .with_checkout(said.checkout.clone()),
        ),
    ] {
        same(what, &find(account, subject).await?, &Some(one.attempt.clone()))?;
    }
    for (what, account, subject) in [
        ("nothing at all", account, Subject::new()),
        ("an order alone", account, Subject::new().with_order(said.order.clone())),
        (
            "an attempt that nobody knows",
            account,
            Subject::new().with_attempt(nobody),
        ),
        (
            "a page that nobody knows",
            account,
            Subject::new().with_checkout(Some(name("page-0")?)),
        ),
        (
            "a stranger's page",
            &stranger,
            Subject::new().with_checkout(said.checkout),
        ),
        (
            "a stranger's payment",
            &stranger,
            Subject::new().with_payment(said.payment),
        ),
    ] {
        same(what, &find(account, subject).await?, &None)?;
    }
    Ok(())
}

pub(super) async fn closing_ends_only_what_was_never_opened(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    for (order, why) in [("order-1", CloseReason::NotSent), ("order-2", CloseReason::Refused)] {
        let unopened = desk.written(order).await?;
        desk.ledger.close(&unopened.attempt, why, at(1)).await.map_err(say)?;
        desk.ledger.close(&unopened.attempt, why, at(2)).await.map_err(say)?;
        same(
            "the state",
            &desk.status(&unopened.attempt).await?,
            &PaymentStatus::Failed,
        )?;
        let last = desk.timeline(&unopened.attempt).await?.pop().map(|record| record.kind);
        let refused = why == CloseReason::Refused;
        same("the record", &last, &Some(RecordKind::Closed { refused }))?;
        same("the records", &desk.kinds(&unopened.attempt).await?.len(), &2)?;
        desk.written_at(order, at(3)).await?;
        let late = desk.hears(&unopened, PaymentStatus::Captured).await?;
        same("money for it", &late, &Applied::Held(crate::ledger::HeldReason::Late))?;
    }

    let opened = desk.open("order-3").await?;
    let heard = desk.written("order-4").await?;
    let _moved = desk.hears(&heard, PaymentStatus::Pending).await?;
    let paid = desk.paid("order-5").await?;
    let cancelled = desk.open("order-6").await?;
    let _moved = desk.hears(&cancelled, PaymentStatus::Cancelled).await?;
    for (expected, status) in [
        (&opened, PaymentStatus::Created),
        (&heard, PaymentStatus::Pending),
        (&paid, PaymentStatus::Captured),
        (&cancelled, PaymentStatus::Cancelled),
    ] {
        let before = desk.timeline(&expected.attempt).await?;
        let close = desk.ledger.close(&expected.attempt, CloseReason::Refused, at(4));
        close.await.map_err(say)?;
        same("the state", &desk.status(&expected.attempt).await?, &status)?;
        same("the records", &desk.timeline(&expected.attempt).await?, &before)?;
    }
    Ok(())
}

pub(super) async fn a_page_that_comes_after_the_end_is_not_bound(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let opened = Opened {
        checkout: Some(name("page-1")?),
        payment: Some(name("pay-1")?),
        expires_at: Some(at(77)),
        link: None,
    };
    let closed = desk.written("order-1").await?;
    let close = desk.ledger.close(&closed.attempt, CloseReason::Refused, at(1));
    close.await.map_err(say)?;
    let cancelled = desk.written("order-2").await?;
    let _moved = desk.hears(&cancelled, PaymentStatus::Cancelled).await?;
    for (over, opened) in [(&closed, &opened), (&cancelled, &Opened::default())] {
        let (before, records) = (desk.stored(&over.attempt).await?, desk.timeline(&over.attempt).await?);
        let binding = desk.ledger.opened(&over.attempt, opened, at(2)).await.map_err(say)?;
        same("a page that comes too late", &binding, &Binding::Over)?;
        let after = desk.stored(&over.attempt).await?;
        let names = (after.opened, after.checkout, after.payment, after.expires_at);
        let unchanged = (before.opened, before.checkout, before.payment, before.expires_at);
        same("the attempt", &names, &unchanged)?;
        same("the records", &desk.timeline(&over.attempt).await?, &records)?;
    }
    // The name of that page is as free as before.
    let free = desk.written("order-4").await?;
    let binding = desk.ledger.opened(&free.attempt, &opened, at(2)).await.map_err(say)?;
    same("the names that were not bound", &binding, &Binding::Now)
}

pub(super) async fn nothing_can_be_done_to_an_attempt_that_is_not_there(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let nobody = desk.gateway.expected("order-1", at(0))?;
    let attempt = &nobody.attempt;
    let ledger = &desk.ledger;
    refused("opening", &ledger.opened(attempt, &Opened::default(), at(1)).await)?;
    refused("closing", &ledger.close(attempt, CloseReason::NotSent, at(1)).await)?;
    refused("a note", &ledger.note(attempt, Note::Returned, at(1)).await)?;
    let asked = Asked {
        answered: true,
        next: Some(at(2)),
    };
    let unknown = crate::ledger::StoredAttempt::new(nobody.clone());
    refused("asking", &ledger.asked(&unknown, &asked, at(1)).await)?;
    refused("a message", &ledger.make_due(attempt, Cue::Proven, at(1)).await)?;
    refused("done", &ledger.done(&FulfilmentKey::of(attempt), at(1)).await)?;
    let said = Statement::about(&nobody, PaymentStatus::Captured)?;
    let event = desk.gateway.prove(&said, at(1))?;
    let judgement = unknown.judge(event);
    refused("applying", &ledger.apply(&judgement, at(1)).await)?;

    ensure(ledger.attempt(attempt).await.map_err(say)?.is_none(), "it is not there")?;
    same("records", &desk.timeline(attempt).await?.len(), &0)?;
    let right = ledger
        .next_fulfilment(at(1), Duration::from_secs(1))
        .await
        .map_err(say)?;
    same("rights", &right, &None)?;
    // And the others do not suffer for it.
    desk.paid("order-2").await.map(drop)
}

fn name(text: &str) -> Result<GatewayReference, String> {
    GatewayReference::new(text).map_err(say)
}
