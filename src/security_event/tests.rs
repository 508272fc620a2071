//! Every event, through every sink, with the worst texts there are.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::clock::Clock;
use crate::payment::PaymentStatus;
use crate::reference::{AttemptReference, Environment, GatewayId, MerchantAccount, MerchantReference};
use crate::verified::Trust;

const HOSTILE: &str =
    "a\nb\r\nc\"d\\e\u{2028}f\u{2029}g\u{1b}[31mh\u{202e}i\u{0}j\u{7f}k\u{9b}l\",\"event.action\":\"x\u{1f4a3}緑茶";

fn at() -> AtGateway {
    AtGateway {
        // The one text of an event that has no grammar.
        gateway: GatewayId::from(HOSTILE.to_owned()),
        account: MerchantAccount::new("acct\"\\{}<>").unwrap(),
    }
}

fn payment() -> AboutPayment {
    AboutPayment {
        at: at(),
        attempt: AttemptReference::new("attempt-1").unwrap(),
        order: MerchantReference::new("EC-1").unwrap(),
    }
}

/// One of each.
#[allow(clippy::too_many_lines, reason = "a list of all")]
fn every() -> Vec<SecurityEvent> {
    use SecurityEvent as E;
    let (text, trust, window_seconds) = (EventText::new(HOSTILE), Trust::KeyedHash, 60);
    let (count, of, suppressed) = (u64::MAX, 7, 3);
    vec![
        E::RedirectIssued {
            payment: payment(),
            again: true,
        },
        E::RedirectOpened { payment: payment() },
        E::RedirectsUnused {
            at: at(),
            count,
            of,
            window_seconds,
        },
        E::CallbackRefused {
            at: at(),
            reason: Reason::Signature,
        },
        E::CallbackRefusedBurst {
            at: at(),
            reason: Reason::Stale,
            count,
            suppressed,
            window_seconds,
        },
        E::CallbackReplayed {
            payment: payment(),
            reason: Reason::Older,
            trust,
        },
        E::CallbackUnmatched { at: at() },
        E::EvidenceHeld {
            payment: payment(),
            reason: Reason::Account,
            trust,
        },
        E::StatusUnknown {
            payment: payment(),
            reason: Reason::AmountMissing,
            trust,
        },
        E::ReturnForged {
            at: at(),
            reason: Reason::Token,
        },
        E::QueryUnanswered {
            payment: payment(),
            reason: Reason::Protocol,
        },
        E::QueryUntrustedPeer {
            at: at(),
            reason: Reason::Certificate,
            during: Step::Query,
        },
        E::Accepted {
            payment: payment(),
            trust,
        },
        E::Fulfilled {
            attempt: payment().attempt,
            order: payment().order,
            deliveries: 2,
        },
        E::ApplyConflict {
            payment: payment(),
            reason: Reason::Excess,
        },
        E::DriftRepaired {
            payment: payment(),
            before: PaymentStatus::Created,
            after: PaymentStatus::Captured,
        },
        E::TestingSuspected {
            payment: payment(),
            reason: Reason::SameAmount,
            count,
            of,
            window_seconds,
        },
        E::CheckoutLimited {
            at: payment().at,
            order: payment().order,
            reason: Reason::SameClient,
            limit: count,
            window_seconds,
        },
        E::CheckoutFailed {
            at: at(),
            order: payment().order,
            reason: Reason::Authentication,
        },
        E::CardDataSighted {
            place: "the item name",
            reason: Reason::Number,
        },
        E::CardFieldUnproven {
            at: at(),
            reason: Reason::FieldName,
        },
        E::KeyRotated {
            at: at(),
            actor: text.clone(),
        },
        E::KeyRetiredUsed { at: at(), slot: 1 },
        E::StopEngaged {
            actor: text.clone(),
            purpose: text.clone(),
        },
        E::StopReleased { actor: text.clone() },
        E::ModeChanged {
            actor: text.clone(),
            reason: Reason::AskBeforeApply,
            purpose: text,
        },
        E::LedgerCheckpoint { position: 12 },
        E::LedgerBroken {
            position: 12,
            reason: Reason::Altered,
        },
        E::LedgerFailed { during: Step::Callback },
        E::EnvironmentMismatch {
            at: at(),
            environment: Environment::Live,
        },
        E::EventsSuppressed {
            event: "payment.return.forged",
            place: Some("the item name"),
            at: None,
            reason: Some(Reason::Token),
            count,
            suppressed,
            window_seconds,
        },
        E::SinkDegraded {
            sink: 0,
            reason: Reason::Panicked,
        },
        E::SinkRecovered { sink: 0, missed: 9 },
        E::MonitorStarted {
            environment: Environment::Sandbox,
            gateways: 2,
            sinks: 1,
        },
        E::Heartbeat {
            window_seconds,
            emitted: 1,
            suppressed,
            refused: 2,
            accepted: 3,
            held: 4,
            sinks_failing: 0,
        },
        E::MonitorProbe {},
        E::SelfCheckFailed {
            reason: Reason::ClockSkew,
        },
    ]
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const NOON: SystemTime = UNIX_EPOCH;

fn json_of(event: &SecurityEvent) -> (String, serde_json::Map<String, serde_json::Value>) {
    let written = Written::default();
    let sink = JsonLines::new(written.clone());
    sink.emit(&SecurityRecord::new(NOON, 5, "run", event)).unwrap();
    let line = written.take();
    let object = serde_json::from_str(&line).unwrap();
    (line, object)
}

#[test]
fn the_samples_are_every_event_once_and_each_keeps_to_its_row() {
    let names: Vec<_> = every().iter().map(SecurityEvent::name).collect();
    let table: Vec<_> = EVENTS.iter().map(|kind| kind.name).collect();
    assert_eq!(names, table);
    assert_eq!(
        table.iter().collect::<BTreeSet<_>>().len(),
        table.len(),
        "a name is there twice"
    );
    for event in every() {
        let kind = event.kind();
        let mut shown = BTreeSet::new();
        event.fields(&mut |name, _| assert!(shown.insert(name), "{name} twice in {}", kind.name));
        for field in kind.fields {
            let expected: &[&str] = match *field {
                "payment" => &["gateway", "account", "attempt", "order"],
                "at" if event.at().is_none() => &[],
                "at" => &["gateway", "account"],
                field => &[field],
            };
            assert!(
                expected.iter().all(|name| shown.remove(name)),
                "{field} of {}",
                kind.name
            );
        }
        assert!(shown.is_empty(), "{shown:?} of {} are not in its row", kind.name);
        assert!(kind.pay.contains(&event.pay()), "{} of {}", event.pay(), kind.name);
        match event.reason() {
            Some(reason) => assert!(kind.reasons.contains(&reason), "{reason} of {}", kind.name),
            None => assert!(kind.reasons.is_empty(), "{} has no reason", kind.name),
        }
    }
}

#[test]
fn a_line_of_json_is_one_ascii_line_and_holds_no_field_that_is_not_ours() {
    for event in every() {
        let (line, object) = json_of(&event);
        let body = line.strip_suffix('\n').unwrap();
        assert!(body.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
        assert_eq!(object["event.action"], event.name());
        let name = |key: &String| {
            key.starts_with("kessai.")
                || key.starts_with("event.")
                || ["@timestamp", "ecs.version", "log.level"].contains(&key.as_str())
        };
        assert!(object.keys().all(name), "{:?}", object.keys());
        // A doubled name would be one to our reader and another to somebody else's.
        let names = line.matches("\":").count();
        let inside: usize = object
            .values()
            .map(|value| value.to_string().matches("\":").count())
            .sum();
        assert_eq!(names, object.len() + inside, "{line}");
        if event.at().is_some() {
            assert_eq!(object["kessai.gateway"], HOSTILE, "what was escaped is read back");
        }
        assert_eq!(
            object["event.category"].as_array().unwrap().len(),
            event.kind().category.len()
        );
        assert!(line.len() < 2000, "{}", line.len());
    }
}

#[test]
fn a_line_has_the_names_of_the_elastic_common_schema() {
    let event = SecurityEvent::EvidenceHeld {
        payment: AboutPayment {
            at: AtGateway {
                gateway: GatewayId::STRIPE,
                account: MerchantAccount::new("acct_1").unwrap(),
            },
            ..payment()
        },
        reason: Reason::Account,
        trust: Trust::Signature,
    };
    let written = Written::default();
    let at = UNIX_EPOCH + Duration::from_millis(1_795_400_000_123);
    let record = SecurityRecord::new(at, 42, "0f1e", &event);
    JsonLines::new(written.clone()).emit(&record).unwrap();
    let expected = concat!(
        r#"{"@timestamp":"2026-11-23T02:13:20.123Z","ecs.version":"8.17.0","log.level":"error","event.kind":"alert","#,
        r#""event.category":["intrusion_detection"],"event.type":["denied"],"event.action":"payment.evidence.held","#,
        r#""event.outcome":"failure","event.severity":70,"event.code":"PAY-26","event.reason":"account","#,
        r#""event.provider":"kessai","event.dataset":"kessai.security","event.id":"0f1e-42","event.sequence":42,"#,
        r#""kessai.version":1,"kessai.severity":"high","kessai.owasp":"sequence_fail","kessai.gateway":"stripe","#,
        r#""kessai.account":"acct_1","kessai.attempt":"attempt-1","kessai.order":"EC-1","kessai.reason":"account","#,
        r#""kessai.trust":"signature"}"#,
        "\n"
    );
    assert_eq!(written.take(), expected);
}

#[test]
fn texts_without_a_bound_are_cut_between_characters() {
    for long in [
        "x".repeat(10_000),
        "緑".repeat(10_000),
        format!("x{}", "緑".repeat(10_000)),
    ] {
        let event = SecurityEvent::CallbackUnmatched {
            at: AtGateway {
                gateway: GatewayId::from(long),
                account: MerchantAccount::new("a").unwrap(),
            },
        };
        let (line, object) = json_of(&event);
        assert!(line.len() < 2500, "{}", line.len());
        let shown = object["kessai.gateway"].as_str().unwrap();
        assert!((250..=255).contains(&shown.len()));
    }
}

#[test]
fn numbers_that_readers_cannot_hold_are_the_largest_they_can() {
    let (line, object) = json_of(&SecurityEvent::LedgerCheckpoint { position: u64::MAX });
    assert_eq!(object["kessai.position"].as_u64(), Some((1 << 53) - 1), "{line}");
}

#[test]
fn a_torn_line_does_not_swallow_the_next() {
    struct Torn(Written, usize);
    impl io::Write for Torn {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            match self.1 {
                1 => io::Write::write(&mut self.0, bytes.get(..20).unwrap()),
                2 => Err(io::ErrorKind::StorageFull.into()),
                _ => io::Write::write(&mut self.0, bytes),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let written = Written::default();
    let sink = JsonLines::new(Torn(written.clone(), 0));
    let event = SecurityEvent::LedgerCheckpoint { position: 1 };
    let record = SecurityRecord::new(NOON, 1, "run", &event);
    assert_eq!(sink.emit(&record), Err(SinkError::Failed));
    sink.emit(&record).unwrap();
    sink.emit(&record).unwrap();
    let text = written.take();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(serde_json::from_str::<serde_json::Value>(lines[0]).is_err());
    assert!(
        lines
            .iter()
            .skip(1)
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
}

// ----- sampling, over the emitter itself -----

#[derive(Debug)]
struct Hand(Mutex<SystemTime>);

impl Hand {
    fn move_on(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Arc<Hand> {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<(u64, SecurityEvent)>>>);

impl Kept {
    fn take(&self) -> Vec<(u64, SecurityEvent)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl SecuritySink for Kept {
    fn emit(&self, record: &SecurityRecord<'_>) -> Result<(), SinkError> {
        self.0.lock().unwrap().push((record.sequence, record.event.clone()));
        Ok(())
    }
}

fn emitter() -> (Emitter, Kept, Arc<Hand>) {
    let hand = Arc::new(Hand(Mutex::new(UNIX_EPOCH + Duration::from_secs(1_795_400_000))));
    let kept = Kept::default();
    let sinks: Vec<Box<dyn SecuritySink>> = vec![Box::new(kept.clone())];
    let emitter = Emitter::new(sinks, Arc::new(Arc::clone(&hand)), SecurityPolicy::default());
    (emitter, kept, hand)
}

const REFUSALS: [Reason; 6] = [
    Reason::Missing,
    Reason::Malformed,
    Reason::Signature,
    Reason::Stale,
    Reason::Payload,
    Reason::Key,
];

#[test]
fn a_million_forged_messages_make_a_few_events_and_every_one_is_counted() {
    let (emitter, kept, hand) = emitter();
    let refused = |n: usize| SecurityEvent::CallbackRefused {
        at: at(),
        reason: REFUSALS[n % REFUSALS.len()],
    };
    let (mut told, mut summed, mut most) = (0_u64, 0_u64, 0);
    let mut tally = |events: Vec<(u64, SecurityEvent)>| {
        most = most.max(events.len());
        for (_, event) in events {
            match event {
                SecurityEvent::CallbackRefused { .. } => told += 1,
                SecurityEvent::CallbackRefusedBurst { suppressed, .. } => summed += suppressed,
                other => panic!("{other:?}"),
            }
        }
    };
    for n in 0..1_000_000_usize {
        emitter.emit(refused(n));
        if n % 100_000 == 99_999 {
            tally(kept.take());
            hand.move_on(Duration::from_secs(60));
        }
    }
    // The flood is over: the last minute is summed up by the next sweep.
    let heartbeat = SecurityPolicy::default().heartbeat;
    emitter.tick();
    let mut last = kept.take();
    let Some((
        _,
        SecurityEvent::Heartbeat {
            refused, suppressed, ..
        },
    )) = last.pop()
    else {
        panic!()
    };
    tally(last);
    assert_eq!(told + summed, 1_000_000);
    assert_eq!((refused, suppressed), (1_000_000, summed));
    assert!(most <= 36, "{most} events in a minute");
    hand.move_on(heartbeat);
    emitter.tick();
    assert_eq!(kept.take().len(), 1, "only the heartbeat: nothing is left over");
}

#[test]
fn each_gateway_and_reason_is_sampled_by_itself() {
    let (emitter, kept, _) = emitter();
    let by = |gateway: GatewayId, reason| SecurityEvent::CallbackRefused {
        at: AtGateway {
            gateway,
            account: MerchantAccount::new("a").unwrap(),
        },
        reason,
    };
    for _ in 0..1000 {
        emitter.emit(by(GatewayId::STRIPE, Reason::Signature));
    }
    emitter.emit(by(GatewayId::SBPS, Reason::Signature));
    emitter.emit(by(GatewayId::STRIPE, Reason::Stale));
    assert_eq!(
        kept.take().len(),
        5 + 2,
        "a flood at one gateway hides nothing of another, or of another kind"
    );
}

#[test]
fn a_clock_that_is_set_back_neither_opens_the_sampling_nor_closes_it_for_good() {
    let (emitter, kept, hand) = emitter();
    let refused = || SecurityEvent::CallbackRefused {
        at: at(),
        reason: Reason::Signature,
    };
    for _ in 0..100 {
        emitter.emit(refused());
        *hand.0.lock().unwrap() -= Duration::from_secs(3600);
    }
    assert_eq!(kept.take().len(), 5);
    emitter.emit(refused());
    hand.move_on(Duration::from_secs(60));
    emitter.emit(refused());
    let names: Vec<_> = kept.take().iter().map(|(_, event)| event.name()).collect();
    assert_eq!(names, ["payment.callback.refused_burst", "payment.callback.refused"]);
}

#[test]
fn any_number_of_gateways_takes_bounded_memory_and_is_counted() {
    let (emitter, kept, _) = emitter();
    for n in 0..5000 {
        emitter.emit(SecurityEvent::CallbackUnmatched {
            at: AtGateway {
                gateway: GatewayId::from(format!("g{n}")),
                account: MerchantAccount::new("a").unwrap(),
            },
        });
    }
    assert_eq!(kept.take().len(), 1024);
    assert_eq!(emitter.health().suppressed, 5000 - 1024);
}

#[test]
fn numbers_run_without_gaps_from_one() {
    let (emitter, kept, _) = emitter();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..250).for_each(|n| emitter.emit(SecurityEvent::LedgerCheckpoint { position: n })));
        }
    });
    let mut numbers: Vec<_> = kept.take().into_iter().map(|(number, _)| number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=1000).collect::<Vec<_>>());
}
