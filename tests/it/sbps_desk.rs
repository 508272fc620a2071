//! SBPS through the whole desk: a shop with the API type, a shop without it, slips that are paid days later, and what a
//! shopper could try.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kessai::gateways::sbps::{Channel, Sbps};
use kessai::ledger::{Ledger, RecordKind, StoredAttempt};
use kessai::ledgers::MemoryLedger;
use kessai::security_event::JsonLines;
use kessai::transport::{BoxFuture, CallLimits, Transport, TransportError};
use kessai::{
    Callback, Cashier, CheckoutRequest, Clock, GatewayId, MerchantReference, OpenError, PaymentStatus, PostForm,
    Redirect, Standing, SweepPolicy, Trust,
};

use crate::sbps::{Fields, TRACKING_ID, accepted, answer, asking, body, credit, settling, shop, tea, with};
use crate::support::scripted::Scripted;
use crate::support::world::TestClock;

struct Desk {
    cashier: Cashier,
    clock: TestClock,
}

impl Desk {
    fn of(sbps: Sbps) -> Self {
        let clock = TestClock::new();
        let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
        let cashier = Cashier::builder_over(ledger)
            .gateway(sbps)
            .clock(clock.clone())
            // A store that nobody watches is not reopened.
            .security_sink(JsonLines::new(std::io::sink()))
            .build()
            .unwrap();
        Self { cashier, clock }
    }

    async fn open(&self, request: &CheckoutRequest) -> PostForm {
        let checkout = self.cashier.open(request, &GatewayId::SBPS).await.unwrap();
        match checkout.redirect {
            Redirect::Post(form) => form,
            Redirect::Get(_) => panic!("a form was expected"),
        }
    }

    async fn attempt(&self, order: &str) -> StoredAttempt {
        let order = MerchantReference::new(order).unwrap();
        self.cashier.ledger().attempts_of(&order).await.unwrap().pop().unwrap()
    }

    async fn deliver(&self, fields: &Fields) -> String {
        self.deliver_raw(body(Channel::Notification, fields)).await
    }

    async fn deliver_raw(&self, body: String) -> String {
        let request = http::Request::post("/pay/sbps/notification")
            .body(Bytes::from(body))
            .unwrap();
        let callback = Callback::new(request, self.clock.now()).unwrap();
        let reply = self.cashier.callback(&GatewayId::SBPS, callback).await;
        assert_eq!(reply.status(), 200);
        String::from_utf8(reply.body().to_vec()).unwrap()
    }

    async fn come_back(&self, path: &str, attempt: &StoredAttempt, body: String) -> kessai::ReturnPage {
        let (named, state) = (&attempt.expected.attempt, attempt.expected.return_token.as_str());
        let target = format!("/pay/sbps/{path}?attempt={named}&state={state}");
        let request = http::Request::post(target).body(Bytes::from(body)).unwrap();
        let callback = Callback::new(request, self.clock.now()).unwrap();
        self.cashier.returned(&GatewayId::SBPS, callback).await
    }

    /// How each change of the attempt's state was proven.
    async fn proofs(&self, attempt: &StoredAttempt) -> Vec<Trust> {
        let timeline = self.cashier.ledger().timeline(attempt.reference()).await.unwrap();
        let trust = |kind: RecordKind| match kind {
            RecordKind::Applied { trust, .. } => Some(trust),
            _ => None,
        };
        timeline.into_iter().filter_map(|record| trust(record.kind)).collect()
    }

    async fn paid_orders(&self) -> usize {
        let mut orders = 0;
        while let Some(due) = self.cashier.next_fulfilment().await.unwrap() {
            orders += 1;
            assert!(due.done().await.unwrap());
        }
        orders
    }

    async fn held(&self) -> Vec<String> {
        let held = self.cashier.ledger().held(100).await.unwrap();
        held.into_iter()
            .map(|held| match held.record.kind {
                RecordKind::Held { reason, .. } => reason,
                other => panic!("not held: {other:?}"),
            })
            .collect()
    }
}

#[tokio::test]
async fn a_card_payment_is_reported_asked_about_on_the_return_and_fulfilled_once() {
    let script = Scripted::new();
    let desk = Desk::of(asking(&script).build().unwrap());
    let _ = desk.open(&tea("EC-1")).await;
    let attempt = desk.attempt("EC-1").await;
    let report = accepted(&attempt.expected);
    assert_eq!(desk.deliver(&report).await, "OK,");
    // Nothing was asked before the reply, and nothing is paid by the notification.
    assert!(script.requests().is_empty());
    assert_eq!(desk.paid_orders().await, 0);
    assert_eq!(desk.attempt("EC-1").await.status, PaymentStatus::Pending);
    assert_eq!(desk.proofs(&attempt).await, [Trust::KeyedHash]);

    script.answer(200, credit("1", "2"));
    let page = desk.come_back("return", &attempt, body(Channel::Return, &report)).await;
    assert_eq!(page.standing, Standing::Paid);
    assert!(page.see_other.is_some(), "a reload must not post again");
    assert_eq!(script.requests().len(), 1);
    assert_eq!(desk.proofs(&attempt).await, [Trust::KeyedHash, Trust::StatusQuery]);
    assert_eq!(desk.paid_orders().await, 1);

    // Delivered again and again, reloaded, swept: nothing more comes of it.
    for _ in 0..3 {
        assert_eq!(desk.deliver(&report).await, "OK,");
        let page = desk.come_back("return", &attempt, body(Channel::Return, &report)).await;
        assert_eq!(page.standing, Standing::Paid);
    }
    // Three redeliveries are one more question, because one of them could have been news.
    script.answer(200, credit("1", "2"));
    let swept = desk.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    assert_eq!((swept.asked, swept.moved()), (1, 0));
    assert_eq!(desk.cashier.sweep(&SweepPolicy::default()).await.unwrap().asked, 0);
    assert_eq!(desk.paid_orders().await, 0);
    assert!(desk.held().await.is_empty());
}

#[tokio::test]
async fn the_sweep_asks_as_soon_as_a_notification_named_the_payment() {
    let script = Scripted::new();
    let desk = Desk::of(asking(&script).build().unwrap());
    let _ = desk.open(&tea("EC-1")).await;
    let attempt = desk.attempt("EC-1").await;
    desk.deliver(&accepted(&attempt.expected)).await;
    script.answer(200, credit("1", "2"));
    let report = desk.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    assert_eq!((report.asked, report.paid), (1, 1));
    assert_eq!(desk.paid_orders().await, 1);
}

/// A script before whose next answer something else happens.
#[derive(Clone)]
struct Meanwhile {
    script: Scripted,
    happens: Arc<Mutex<Option<BoxFuture<'static, ()>>>>,
}

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile(..)")
    }
}

impl Transport for Meanwhile {
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: CallLimits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let happens = self.happens.lock().unwrap().take();
            if let Some(happens) = happens {
                happens.await;
            }
            self.script.send(request, limits).await
        })
    }

    fn pause(&self, wait: Duration) -> BoxFuture<'_, ()> {
        self.script.pause(wait)
    }
}

#[tokio::test]
async fn a_notification_that_comes_while_the_gateway_is_asked_is_asked_about_at_once() {
    for answered in [200, 500] {
        let (script, happens) = (Scripted::new(), Arc::default());
        let transport = Meanwhile {
            script: script.clone(),
            happens: Arc::clone(&happens),
        };
        let desk = Arc::new(Desk::of(
            asking(&script).transport(Arc::new(transport)).build().unwrap(),
        ));
        let _ = desk.open(&tea("EC-1")).await;
        let attempt = desk.attempt("EC-1").await;
        let report = accepted(&attempt.expected);

        // The question is older than the second notification, and so is its answer.
        assert_eq!(desk.deliver(&report).await, "OK,");
        let (other, news) = (Arc::clone(&desk), report.clone());
        *happens.lock().unwrap() = Some(Box::pin(async move {
            other.clock.advance(Duration::from_millis(200));
            assert_eq!(other.deliver(&news).await, "OK,");
        }));
        script.answer(answered, credit("9", "9"));
        let page = desk.come_back("return", &attempt, body(Channel::Return, &report)).await;
        assert_ne!(page.standing, Standing::Paid);
        assert!(happens.lock().unwrap().is_none(), "it was asked");
        assert_eq!(desk.paid_orders().await, 0);

        script.answer(200, credit("1", "2"));
        let swept = desk.cashier.sweep(&SweepPolicy::default()).await.unwrap();
        assert_eq!((swept.asked, swept.paid), (1, 1), "after {answered}");
        assert_eq!(desk.paid_orders().await, 1);
    }
}

#[tokio::test]
async fn what_the_gateway_denies_is_not_paid_whatever_the_notification_says() {
    for (commit, payment, wanted) in [
        ("1", "1", PaymentStatus::Authorized),
        ("1", "3", PaymentStatus::Cancelled),
        ("3", "", PaymentStatus::Cancelled),
        ("9", "9", PaymentStatus::Pending),
    ] {
        let script = Scripted::new();
        let desk = Desk::of(asking(&script).build().unwrap());
        let _ = desk.open(&tea("EC-1")).await;
        let attempt = desk.attempt("EC-1").await;
        desk.deliver(&accepted(&attempt.expected)).await;
        script.answer(200, credit(commit, payment));
        desk.cashier.sweep(&SweepPolicy::default().most(1)).await.unwrap();
        assert_eq!(desk.attempt("EC-1").await.status, wanted, "{commit}/{payment}");
        assert_eq!(desk.paid_orders().await, 0);
    }
}

#[tokio::test]
async fn a_shop_without_the_api_type_is_paid_by_the_notification() {
    let desk = Desk::of(settling());
    let form = desk.open(&tea("EC-1")).await;
    let attempt = desk.attempt("EC-1").await;
    // A double click posts the same form.
    assert_eq!(desk.open(&tea("EC-1")).await, form);
    let report = accepted(&attempt.expected);
    // The browser is faster than the server.
    let page = desk.come_back("return", &attempt, body(Channel::Return, &report)).await;
    assert_eq!(page.standing, Standing::AskAgain);
    assert_eq!(
        desk.paid_orders().await,
        0,
        "a return pays nothing, its hash right or not"
    );
    assert_eq!(desk.deliver(&report).await, "OK,");
    assert_eq!(desk.deliver(&report).await, "OK,");
    let page = desk.come_back("return", &attempt, body(Channel::Return, &report)).await;
    assert_eq!(page.standing, Standing::Paid);
    assert_eq!(desk.paid_orders().await, 1);
    assert!(matches!(
        desk.cashier.open(&tea("EC-1"), &GatewayId::SBPS).await,
        Err(OpenError::AlreadyPaid(_))
    ));
}

#[tokio::test]
async fn a_slip_is_not_paid_until_the_deposit_is_reported_days_later() {
    let script = Scripted::new();
    for settles in [true, false] {
        let sbps = if settles {
            shop().notifications_settle().methods(["webcvs"]).build().unwrap()
        } else {
            asking(&script).methods(["webcvs"]).build().unwrap()
        };
        let desk = Desk::of(sbps);
        let _ = desk.open(&tea("EC-1")).await;
        let attempt = desk.attempt("EC-1").await;
        let slip = with(
            accepted(&attempt.expected),
            &[("pay_method", "webcvs"), ("res_pay_method", "webcvs")],
        );
        assert_eq!(desk.deliver(&slip).await, "OK,");
        assert_eq!(desk.attempt("EC-1").await.status, PaymentStatus::Pending);
        assert_eq!(desk.paid_orders().await, 0);

        desk.clock.advance(Duration::from_secs(3 * 24 * 3600));
        let deposit = with(slip.clone(), &[("res_result", "PY"), ("res_date", "20261126110701")]);
        assert_eq!(desk.deliver(&deposit).await, "OK,");
        if !settles {
            assert_eq!(desk.paid_orders().await, 0);
            let inside = "<res_result>OK</res_result><res_pay_method_info><payment_status>3</payment_status></res_pay_method_info>";
            script.answer(200, answer("MG01-00101-701", inside));
            desk.cashier.sweep(&SweepPolicy::default()).await.unwrap();
        }
        assert_eq!(desk.paid_orders().await, 1, "settles: {settles}");
        // The slip's own report, once more and late.
        assert_eq!(desk.deliver(&slip).await, "OK,");
        assert_eq!(desk.attempt("EC-1").await.status, PaymentStatus::Captured);
        assert_eq!(desk.paid_orders().await, 0);
    }
}

#[tokio::test]
async fn a_refused_card_and_a_lapsed_slip_free_the_order() {
    for (method, result, status) in [
        ("credit3d2", "NG", PaymentStatus::Failed),
        ("webcvs", "CN", PaymentStatus::Expired),
    ] {
        let desk = Desk::of(shop().notifications_settle().methods([method]).build().unwrap());
        let first = desk.open(&tea("EC-1")).await;
        let attempt = desk.attempt("EC-1").await;
        let tracking_id = if result == "NG" { "" } else { TRACKING_ID };
        let report = with(
            accepted(&attempt.expected),
            &[
                ("pay_method", method),
                ("res_pay_method", method),
                ("res_result", result),
                ("res_tracking_id", tracking_id),
            ],
        );
        assert_eq!(desk.deliver(&report).await, "OK,", "also for a refusal");
        assert_eq!(desk.attempt("EC-1").await.status, status);
        // A new attempt has a new order id.
        let second = desk.open(&tea("EC-1")).await;
        let order_id = |form: &PostForm| {
            form.fields()
                .find(|(name, _)| *name == "order_id")
                .unwrap()
                .1
                .to_owned()
        };
        assert_ne!(order_id(&first), order_id(&second));
        // Money for the one that was given up is held.
        let late = with(
            accepted(&attempt.expected),
            &[("pay_method", method), ("res_pay_method", method)],
        );
        let late = if method == "webcvs" {
            with(late, &[("res_result", "PY")])
        } else {
            late
        };
        assert_eq!(desk.deliver(&late).await, "OK,");
        assert_eq!((desk.paid_orders().await, desk.held().await.len()), (0, 1));
    }
}

#[tokio::test]
async fn a_genuine_report_of_another_amount_is_held_and_names_nothing_to_ask_about() {
    let script = Scripted::new();
    for sbps in [settling(), asking(&script).build().unwrap()] {
        let desk = Desk::of(sbps);
        let _ = desk.open(&tea("EC-1")).await;
        let attempt = desk.attempt("EC-1").await;
        // The shopper moved a digit in the purchase request, and the gateway took it.
        let cheap = with(
            accepted(&attempt.expected),
            &[("amount", "198"), ("auto_charge_type", "0")],
        );
        assert_eq!(desk.deliver(&cheap).await, "OK,", "the report was taken");
        let other = with(accepted(&attempt.expected), &[("amount", "1979")]);
        assert_eq!(desk.deliver(&other).await, "OK,");
        assert_eq!(desk.held().await, ["amount", "amount"]);
        let page = desk.come_back("return", &attempt, body(Channel::Return, &cheap)).await;
        assert_ne!(page.standing, Standing::Paid);
        desk.cashier.sweep(&SweepPolicy::default()).await.unwrap();
        assert!(
            script.requests().is_empty(),
            "nothing was bound, so nothing can be asked"
        );
        assert_eq!(desk.paid_orders().await, 0);
    }
}

#[tokio::test]
async fn forged_reports_leave_no_trace_and_all_get_the_same_reply() {
    let desk = Desk::of(settling());
    let _ = desk.open(&tea("EC-1")).await;
    let attempt = desk.attempt("EC-1").await;
    let honest = accepted(&attempt.expected);
    let before = desk.cashier.ledger().timeline(attempt.reference()).await.unwrap().len();
    for forged in [
        String::new(),
        body(Channel::Return, &honest),
        body(Channel::Notification, &honest).replace("amount=1980", "amount=1"),
        body(
            Channel::Notification,
            &with(honest.clone(), &[("merchant_id", "99662")]),
        ),
        format!("{}&amount=1", body(Channel::Notification, &honest)),
    ] {
        assert_eq!(desk.deliver_raw(forged).await, "NG,refused");
    }
    // Authentic, and about an order that is not known here: another system of the shop.
    let foreign = with(
        honest,
        &[("order_id", "somebody-elses"), ("cust_code", "somebody-elses")],
    );
    assert_eq!(desk.deliver(&foreign).await, "OK,");
    assert_eq!(
        desk.cashier.ledger().timeline(attempt.reference()).await.unwrap().len(),
        before
    );
    assert_eq!((desk.paid_orders().await, desk.held().await.len()), (0, 0));
}

#[tokio::test]
async fn one_payment_pays_one_order() {
    let desk = Desk::of(settling());
    for order in ["EC-1", "EC-2"] {
        let _ = desk.open(&tea(order)).await;
        let attempt = desk.attempt(order).await;
        desk.deliver(&accepted(&attempt.expected)).await;
    }
    assert_eq!(desk.paid_orders().await, 1);
    assert_eq!(desk.held().await.len(), 1);
}

#[tokio::test]
async fn forms_that_nobody_used_keep_no_paid_order_from_being_found() {
    let script = Scripted::new();
    let desk = Desk::of(asking(&script).build().unwrap());
    for n in 0..40 {
        let _ = desk.open(&tea(&format!("EC-LEFT-{n}"))).await;
    }
    desk.clock.advance(Duration::from_secs(1));
    let _ = desk.open(&tea("EC-PAID")).await;
    let paid = desk.attempt("EC-PAID").await;
    desk.deliver(&accepted(&paid.expected)).await;
    // The notification made it due, and the others are due for longer by then.
    desk.clock.advance(Duration::from_secs(180));
    script.answer(200, credit("1", "2"));
    let swept = desk.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    assert_eq!((swept.asked, swept.paid, swept.unanswered), (1, 1, 0));
    assert_eq!((swept.not_askable, swept.left), (40, 0));
    assert_eq!(script.requests().len(), 1);
    // Nobody was asked about the others, and no record says so.
    let left = desk.attempt("EC-LEFT-0").await;
    let timeline = desk.cashier.ledger().timeline(left.reference()).await.unwrap();
    let kinds: Vec<_> = timeline.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(kinds, ["expected"]);
    // They are looked at less and less often, and an hour after their end not at all.
    let mut looks = 0;
    for _ in 0..(5 * 60) {
        desk.clock.advance(Duration::from_secs(60));
        looks += desk.cashier.sweep(&SweepPolicy::default()).await.unwrap().not_askable;
    }
    assert!(looks <= 40 * 8, "{looks}");
    assert!(desk.attempt("EC-LEFT-0").await.next_ask.is_none());
}

/// The key may be known to somebody else. Whoever chose the tracking id would choose what is asked about, and the answer names
/// neither order nor amount: so nothing of the message is kept, and it has to come again.
#[tokio::test]
async fn while_asking_first_a_notification_binds_nothing_and_has_to_come_again() {
    let text = |text: &str| kessai::ledger::SwitchText::new(text).unwrap();
    let script = Scripted::new();
    for (sbps, settles) in [(settling(), true), (asking(&script).build().unwrap(), false)] {
        let desk = Desk::of(sbps);
        let _ = desk.open(&tea("EC-1")).await;
        let attempt = desk.attempt("EC-1").await;
        let before = desk.cashier.ledger().timeline(attempt.reference()).await.unwrap();
        let turned = desk.cashier.ask_before_apply(text("operator"), text("a leak"));
        let _ = turned.await.unwrap();
        let report = accepted(&attempt.expected);
        for _ in 0..3 {
            assert_eq!(desk.deliver(&report).await, "NG,try again");
        }
        let stored = desk.attempt("EC-1").await;
        assert_eq!((&stored.checkout, &stored.payment), (&None, &None));
        let after = desk.cashier.ledger().timeline(attempt.reference()).await.unwrap();
        assert_eq!(after, before);
        assert_eq!(desk.cashier.sweep(&SweepPolicy::default()).await.unwrap().asked, 0);

        desk.cashier
            .reopen(text("operator"), text("new keys"), &[])
            .await
            .unwrap();
        assert_eq!(desk.deliver(&report).await, "OK,");
        if !settles {
            script.answer(200, credit("1", "2"));
            assert_eq!(desk.cashier.sweep(&SweepPolicy::default()).await.unwrap().paid, 1);
        }
        assert_eq!(desk.paid_orders().await, 1);
    }
}

/// A slip was named before, so the deposit can be asked about; but not where nobody can be asked at all.
#[tokio::test]
async fn while_asking_first_a_deposit_is_asked_about_or_comes_again() {
    let text = |text: &str| kessai::ledger::SwitchText::new(text).unwrap();
    let script = Scripted::new();
    for settles in [true, false] {
        let sbps = if settles {
            shop().notifications_settle().methods(["webcvs"]).build().unwrap()
        } else {
            asking(&script).methods(["webcvs"]).build().unwrap()
        };
        let desk = Desk::of(sbps);
        let _ = desk.open(&tea("EC-1")).await;
        let attempt = desk.attempt("EC-1").await;
        let slip = with(
            accepted(&attempt.expected),
            &[("pay_method", "webcvs"), ("res_pay_method", "webcvs")],
        );
        assert_eq!(desk.deliver(&slip).await, "OK,");
        let turned = desk.cashier.ask_before_apply(text("operator"), text("a leak"));
        let _ = turned.await.unwrap();
        let deposit = with(slip, &[("res_result", "PY"), ("res_date", "20261126110701")]);
        if settles {
            assert_eq!(desk.deliver(&deposit).await, "NG,try again");
            assert_eq!(desk.paid_orders().await, 0);
            continue;
        }
        assert_eq!(desk.deliver(&deposit).await, "OK,");
        let inside =
            "<res_result>OK</res_result><res_pay_method_info><payment_status>3</payment_status></res_pay_method_info>";
        script.answer(200, answer("MG01-00101-701", inside));
        assert_eq!(desk.cashier.sweep(&SweepPolicy::default()).await.unwrap().paid, 1);
        assert_eq!(desk.paid_orders().await, 1);
    }
}

#[tokio::test]
async fn a_return_of_another_attempt_is_nobodys() {
    let desk = Desk::of(settling());
    let _ = desk.open(&tea("EC-1")).await;
    let _ = desk.open(&tea("EC-2")).await;
    let (one, other) = (desk.attempt("EC-1").await, desk.attempt("EC-2").await);
    let page = desk
        .come_back("return", &one, body(Channel::Return, &accepted(&other.expected)))
        .await;
    assert_eq!(page.standing, Standing::Unknown);
    let page = desk.come_back("cancel", &one, String::new()).await;
    assert!(page.cancelled && page.standing == Standing::AskAgain);
}

#[tokio::test]
async fn an_abandoned_form_stops_blocking_its_order_an_hour_after_it_lapsed() {
    let desk = Desk::of(settling());
    let request = tea("EC-1");
    let _ = desk.open(&request).await;
    let (request, id) = (&request, &GatewayId::SBPS);
    let open = || desk.cashier.open(request, id);
    desk.clock.advance(Duration::from_secs(599));
    assert!(open().await.is_ok(), "the same form while it can be posted");
    desk.clock.advance(Duration::from_secs(1));
    assert!(matches!(open().await, Err(OpenError::Undecided(_))));
    desk.clock.advance(Duration::from_secs(3599));
    assert!(matches!(open().await, Err(OpenError::Undecided(_))));
    desk.clock.advance(Duration::from_secs(1));
    assert!(open().await.is_ok());
    let order = MerchantReference::new("EC-1").unwrap();
    let attempts = desk.cashier.ledger().attempts_of(&order).await.unwrap();
    assert_eq!(attempts.len(), 2);
    // Should both be paid after all, the second payment is held.
    for (attempt, tracking_id) in attempts.iter().zip(["80312789324672", "80312789324673"]) {
        desk.deliver(&with(accepted(&attempt.expected), &[("res_tracking_id", tracking_id)]))
            .await;
    }
    assert_eq!(desk.paid_orders().await, 1);
    assert_eq!(desk.held().await.len(), 1);
}
