//! A store of each gateway with everything that it says kept: log, events by both sinks, files.

use std::sync::Arc;

use super::players::{Message, Player, Script};
use bytes::Bytes;
use kessai::ledger::StoredAttempt;
use kessai::ledgers::SqliteLedger;
use kessai::security_event::{SecurityEvent, TracingSink};
use kessai::{Callback, Cashier, CheckoutRequest, Gateway, GatewayId, Ledger};
use tracing::subscriber::DefaultGuard;

use super::outputs::Outputs;
use crate::security_events::{Kept, Written, lines};
use crate::support::start;
use crate::support::world::TestClock;

/// Everything that is logged on this thread, down to `TRACE`.
pub struct Log(
    Written,
    #[allow(dead_code, reason = "ends the log when dropped")] DefaultGuard,
);

impl Log {
    pub fn begin() -> Self {
        let written = Written::default();
        let to = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || to.clone())
            .with_ansi(false)
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        tracing::trace!("the log is kept");
        Self(written, guard)
    }

    pub fn into(self, outputs: &mut Outputs) {
        let text = self.0.take();
        assert!(text.contains("the log is kept"));
        outputs.bytes("the log", text);
    }
}

pub struct Stage {
    pub player: Arc<dyn Player>,
    pub script: Script,
    pub gateway: Arc<dyn Gateway>,
    pub cashier: Cashier,
    pub clock: TestClock,
    pub kept: Kept,
    json: Written,
    folder: tempfile::TempDir,
    log: Log,
}

impl Stage {
    /// Over a file of its own.
    pub fn new(player: Arc<dyn Player>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Arc::new(SqliteLedger::open(folder.path().join("ledger.db")).unwrap());
        Self::over(player, ledger, folder)
    }

    pub fn over(player: Arc<dyn Player>, ledger: Arc<dyn Ledger>, folder: tempfile::TempDir) -> Self {
        let log = Log::begin();
        let (script, clock, kept, json) = (Script::default(), TestClock::new(), Kept::default(), Written::default());
        let gateway = player.gateway(&script).unwrap();
        let cashier = Cashier::builder_over(ledger)
            .shared_gateway(gateway.clone())
            .clock(clock.clone())
            .security_sink(lines(&json))
            .security_sink(TracingSink::new())
            .security_sink(kept.clone())
            .build()
            .unwrap();
        Self {
            player,
            script,
            gateway,
            cashier,
            clock,
            kept,
            json,
            folder,
            log,
        }
    }

    pub fn id(&self) -> GatewayId {
        self.gateway.id()
    }

    /// An attempt whose page is open, as the ledger has it when the gateway is asked.
    pub async fn opened(&self, request: &CheckoutRequest, outputs: &mut Outputs) -> StoredAttempt {
        // The answer has to be about the attempt, whose name the cashier draws; so it is planned first to be known.
        let checkout = match self.cashier.open(request, &self.id()).await {
            Ok(checkout) => Some(checkout),
            Err(error) => {
                // Nobody was there. Now the attempt is known, and the same request again is answered.
                outputs.error(&error);
                None
            }
        };
        let stored = self.attempts(request).await;
        let checkout = match (checkout, stored.last().cloned()) {
            (Some(checkout), Some(_)) => checkout,
            _ => self.answered(request).await,
        };
        outputs.debug(&checkout);
        let nonce = kessai::Nonce::of_policy("0123456789abcdef0123456789abcdef").unwrap();
        outputs.reply(&checkout.redirect.into_response(&nonce, "Pay"));
        self.player.bound(self.attempts(request).await.pop().unwrap())
    }

    /// Opens by a gateway that answers whatever attempt it is asked for.
    async fn answered(&self, request: &CheckoutRequest) -> kessai::Checkout {
        let _ = self.script.take_asked();
        let mut expected = kessai::ExpectedPayment::plan(self.gateway.as_ref(), request, start()).unwrap();
        for _ in 0..3 {
            if let Some(stored) = self
                .attempts(request)
                .await
                .pop()
                .filter(|stored| !stored.status.is_final())
            {
                expected = stored.expected;
            }
            self.script.answer(self.player.created(&expected));
            if let Ok(checkout) = self.cashier.open(request, &self.id()).await {
                return checkout;
            }
            let _ = self.script.take_asked();
        }
        panic!("no page of {} opens", self.id())
    }

    pub async fn attempts(&self, request: &CheckoutRequest) -> Vec<StoredAttempt> {
        self.cashier.ledger().attempts_of(request.order()).await.unwrap()
    }

    pub async fn deliver(&self, message: &Message, outputs: &mut Outputs) -> u16 {
        let callback = callback(message);
        outputs.debug(&callback);
        let reply = self.cashier.callback(&self.id(), callback).await;
        outputs.reply(&reply);
        reply.status().as_u16()
    }

    pub async fn returns(&self, message: &Message, outputs: &mut Outputs) {
        let callback = callback(message);
        outputs.debug(&callback);
        let page = self.cashier.returned(&self.id(), callback).await;
        outputs.debug(&page);
        if let Some(reply) = &page.see_other {
            outputs.reply(reply);
        }
    }

    /// Everything that is left at the end.
    pub async fn end(self, outputs: &mut Outputs) -> Vec<SecurityEvent> {
        use kessai::report::{Format, Window};

        let day = std::time::Duration::from_secs(24 * 3600);
        let window = Window::new(start() - day, start() + 30 * day).unwrap();
        for format in [Format::Json, Format::Csv, Format::Html] {
            let mut report = Vec::new();
            self.cashier.report(window, format, &mut report).await.unwrap();
            outputs.bytes("reports", report);
        }
        outputs.debug(&self.cashier);
        outputs.debug(&self.gateway);
        outputs.debug(&self.cashier.ledger().held(1000).await.unwrap());
        let events = self.kept.take();
        outputs.debug(&events);
        outputs.bytes("events", self.json.take());
        drop(self.cashier);
        outputs.folder(self.folder.path());
        self.log.into(outputs);
        events
    }
}

pub fn callback(message: &Message) -> Callback {
    let mut request = http::Request::builder().method(&message.method).uri(&message.target);
    for (name, value) in &message.headers {
        request = request.header(*name, value);
    }
    Callback::new(request.body(Bytes::from(message.body.clone())).unwrap(), start()).unwrap()
}
