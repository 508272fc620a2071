//! SB Payment Service: a payment that no notification ever named cannot be asked about, so it is not found. It has to be seen (PAY-69).

use std::time::Duration;

use kessai::report::{Format, Window};
use kessai::{PaymentStatus, Standing};

use super::Gw;
use super::arena::{Arena, Verdict};

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_no_notification_named_stays_open_and_is_seen() {
    let arena = Arena::open(Gw::Sbps).await;
    let paid = arena.buy("EC-1", 1776).await;
    let cell = arena.cell(&[&paid.page]).await;
    arena.wire.live();
    let start = cell.clock.now();
    // The shopper is told what is true: nobody knows yet.
    assert_eq!(cell.page(&paid.back).await.unwrap().standing, Standing::AskAgain);
    let open = cell.cashier.open_attempts(0, 10).await.unwrap();
    assert_eq!(open.len(), 1, "while the form can be used, and an hour longer");
    assert_eq!(open[0].1.reference(), paid.attempt().reference());
    while cell.clock.now() < start + WEEK {
        let report = cell.cashier.sweep(&kessai::SweepPolicy::default()).await.unwrap();
        assert_eq!(report.unanswered, report.asked);
        cell.clock.advance(Duration::from_secs(60 * 60));
    }
    assert_eq!(arena.wire.asked(), 0, "there is nothing to ask with");
    // Neither paid nor failed, and in the report of the week.
    let attempt = cell.attempt(paid.attempt()).await;
    assert_eq!(attempt.status, PaymentStatus::Created);
    assert!(!cell.is_due(paid.attempt()).await);
    assert!(cell.cashier.open_attempts(0, 10).await.unwrap().is_empty());
    let mut report = Vec::new();
    let window = Window::new(start - WEEK, start + WEEK).unwrap();
    let reported = cell.cashier.report(window, Format::Json, &mut report).await.unwrap();
    let line = reported.totals.lines().next().unwrap();
    assert_eq!((line.status.as_str(), line.attempts), ("created", 1));
    assert!(
        String::from_utf8(report)
            .unwrap()
            .contains(paid.attempt().reference().as_str())
    );
    // Whoever looks at the merchant screen has it sent again, and it is found.
    arena.wire.answers(&paid.answers);
    assert_eq!(cell.callback(&paid.callbacks[0]).await, Verdict::News);
    assert_eq!(cell.sweep().await, Verdict::Paid);
}
