//! The closed list of events. One declaration makes the enum, its fields and its row in the table, so they cannot differ.

use super::show::{AboutPayment, AtGateway, FieldValue, Show};
use super::table::EventKind;
use super::words::{EventOutcome, EventText, Reason, Severity, Step};
use crate::payment::PaymentStatus;
use crate::reference::{AttemptReference, Environment, MerchantReference};
use crate::verified::Trust;

macro_rules! events {
    ($(
        $(#[$doc:meta])*
        $variant:ident = $name:literal, $severity:ident, $outcome:ident, [$($pay:literal),+], $owasp:expr,
        [$($category:literal),+] / [$($kind:literal),+], $sampled:literal, [$($reason:ident),*]
        { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }
    )+) => {
        /// Something that a monitoring system should know. Names and fields only ever get more within a
        /// [`VERSION`](Self::VERSION); what is there keeps its meaning.
        ///
        /// Typed and bounded fields only: references, words, counts. Never a secret, a body, a header, an address, anything
        /// of a shopper's, or card data.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum SecurityEvent {
            $($(#[$doc])* #[non_exhaustive] $variant { $($(#[$field_doc])* $field: $type,)* },)+
        }

        /// Every event there is.
        pub const EVENTS: &[EventKind] = &[$(EventKind {
            name: $name,
            severity: Severity::$severity,
            outcome: EventOutcome::$outcome,
            pay: &[$($pay),+],
            owasp: $owasp,
            category: &[$($category),+],
            types: &[$($kind),+],
            fields: &[$(stringify!($field)),*],
            reasons: &[$(Reason::$reason),*],
            sampled: $sampled,
        },)+];

        /// Positions in the table.
        enum Position { $($variant,)+ }

        impl SecurityEvent {
            /// What is fixed about it.
            #[must_use]
            #[allow(clippy::indexing_slicing, reason = "worked out by the compiler")]
            pub fn kind(&self) -> &'static EventKind {
                match self { $(Self::$variant { .. } => const { &EVENTS[Position::$variant as usize] },)+ }
            }

            /// Its fields in order, by name and value.
            pub fn fields(&self, visit: &mut dyn FnMut(&'static str, FieldValue<'_>)) {
                match self { $(Self::$variant { $($field),* } => { $($field.show(stringify!($field), visit);)* })+ }
            }

            /// Gateway and account, if it is about one.
            #[must_use]
            pub fn at(&self) -> Option<&AtGateway> {
                match self { $(Self::$variant { $($field),* } => None$(.or_else(|| $field.place()))*,)+ }
            }

            /// Why, if it has a reason.
            #[must_use]
            pub fn reason(&self) -> Option<Reason> {
                match self { $(Self::$variant { $($field),* } => None$(.or_else(|| $field.reason()))*,)+ }
            }
        }
    };
}

events! {
    /// A shopper was given the way to a hosted payment page.
    RedirectIssued = "payment.redirect.issued", Informational, Success, ["PAY-06"], None,
    ["session"] / ["start"], false, [] {
        /// The payment.
        payment: AboutPayment,
        /// True if it was the way to a page that had been opened before.
        again: bool,
    }

    /// The first sign that a shopper reached the hosted payment page: the browser came back, or the gateway reports what only a
    /// shopper can cause.
    RedirectOpened = "payment.redirect.opened", Informational, Success, ["PAY-06"], None,
    ["session"] / ["info"], false, [] {
        /// The payment.
        payment: AboutPayment,
    }

    /// Most of the latest attempts ended without any sign of a shopper: are they led somewhere else?
    RedirectsUnused = "payment.redirect.unused", High, Unknown, ["PAY-06"], None,
    ["intrusion_detection"] / ["info"], false, [] {
        /// The gateway.
        at: AtGateway,
        /// Attempts that ended unused.
        count: u64,
        /// Attempts that ended or showed a sign of a shopper.
        of: u64,
        /// Within so many seconds.
        window_seconds: u64,
    }

    /// A message proved nothing and was refused.
    CallbackRefused = "payment.callback.refused", Low, Failure,
    ["PAY-18", "PAY-19", "PAY-22", "PAY-33", "PAY-36", "PAY-61", "PAY-62"], Some("input_validation_fail"),
    ["intrusion_detection", "api"] / ["denied"], true,
    [Missing, Malformed, Signature, Stale, Payload, Key, TooLarge, Encoded, Incomplete] {
        /// The gateway that it claimed to be from.
        at: AtGateway,
        /// Why.
        reason: Reason,
    }

    /// More messages were refused within a minute than are told one by one.
    CallbackRefusedBurst = "payment.callback.refused_burst", Medium, Failure, ["PAY-64"],
    Some("excess_rate_limit_exceeded"),
    ["intrusion_detection", "api"] / ["denied"], false,
    [Missing, Malformed, Signature, Stale, Payload, Key, TooLarge, Encoded, Incomplete] {
        /// The gateway that they claimed to be from.
        at: AtGateway,
        /// Why.
        reason: Reason,
        /// How many there were.
        count: u64,
        /// How many of them were not told one by one.
        suppressed: u64,
        /// Within so many seconds.
        window_seconds: u64,
    }

    /// A genuine message said nothing new. Gateways deliver more than once, so a few are normal.
    CallbackReplayed = "payment.callback.replayed", Informational, Success, ["PAY-33", "PAY-35"], None,
    ["api"] / ["info"], true, [Already, Older] {
        /// The payment.
        payment: AboutPayment,
        /// Known already, or older than what is known.
        reason: Reason,
        /// How it was proven.
        trust: Trust,
    }

    /// A genuine message was about nothing of ours. Normal where other systems use the same account.
    CallbackUnmatched = "payment.callback.unmatched", Low, Unknown, ["PAY-32"], None,
    ["api"] / ["info"], true, [] {
        /// The gateway.
        at: AtGateway,
    }

    /// Genuine evidence contradicts what was written down. It waits for a human and fulfils nothing.
    EvidenceHeld = "payment.evidence.held", High, Failure, ["PAY-25", "PAY-26", "PAY-27", "PAY-32", "PAY-48", "PAY-49", "PAY-51"],
    Some("sequence_fail"), ["intrusion_detection"] / ["denied"], false,
    [Gateway, Account, Environment, Reference, Attempt, Amount, Currency, Status, Late, Excess, TransactionBound, Refunded] {
        /// The payment it was held against.
        payment: AboutPayment,
        /// In what it differs.
        reason: Reason,
        /// How it was proven.
        trust: Trust,
    }

    /// A genuine statement does not say enough: neither paid nor failed.
    StatusUnknown = "payment.status.unknown", Low, Unknown, ["PAY-21", "PAY-43"], Some("input_validation_discrete_fail"),
    ["api"] / ["info"], true, [AmountMissing, StatusUnknown] {
        /// The payment.
        payment: AboutPayment,
        /// What is missing.
        reason: Reason,
        /// How it was proven.
        trust: Trust,
    }

    /// A browser came back with a return that belongs to no attempt.
    ReturnForged = "payment.return.forged", Low, Failure, ["PAY-14", "PAY-13", "PAY-12"],
    Some("malicious_direct_reference"),
    ["intrusion_detection"] / ["denied"], true, [Token, UnknownAttempt, Malformed, OtherCheckout, Payload] {
        /// The gateway it claimed to come from.
        at: AtGateway,
        /// What is wrong.
        reason: Reason,
    }

    /// The gateway was asked and gave no answer that can be used.
    QueryUnanswered = "payment.query.unanswered", Low, Unknown, ["PAY-43", "PAY-42", "PAY-44"], None,
    ["api"] / ["info"], true,
    [Config, Request, Authentication, Declined, NotFound, Conflict, RateLimited, Unavailable, Timeout, Transport, Protocol] {
        /// The payment.
        payment: AboutPayment,
        /// What kind of trouble.
        reason: Reason,
    }

    /// The other end of a connection could not show that it is the gateway. Nothing was sent, and nothing of it is believed.
    QueryUntrustedPeer = "payment.query.untrusted_peer", High, Failure, ["PAY-55"], None,
    ["network"] / ["denied"], true, [Certificate, Tls] {
        /// The gateway that was to be reached.
        at: AtGateway,
        /// What is wrong.
        reason: Reason,
        /// What was being done.
        during: Step,
    }

    /// An order is paid: the evidence is proven and equals what was written down.
    Accepted = "payment.accepted", Informational, Success, ["PAY-45"], None,
    ["api"] / ["allowed"], false, [] {
        /// The payment.
        payment: AboutPayment,
        /// How it was proven.
        trust: Trust,
    }

    /// An order was fulfilled.
    Fulfilled = "payment.fulfilled", Informational, Success, ["PAY-45", "PAY-47"], None,
    ["api"] / ["end"], false, [] {
        /// The attempt that paid it.
        attempt: AttemptReference,
        /// The order.
        order: MerchantReference,
        /// How often the right was handed out: more than once means that a worker died or was late.
        deliveries: u64,
    }

    /// Two attempts lay claim to the same thing: a transaction, a checkout, an order that is paid.
    ApplyConflict = "payment.apply.conflict", High, Failure, ["PAY-27", "PAY-48"], Some("sequence_fail"),
    ["intrusion_detection"] / ["denied"], false, [Reference, TransactionBound, Excess] {
        /// The payment that came second.
        payment: AboutPayment,
        /// What both claim.
        reason: Reason,
    }

    /// The sweep found that the gateway knew something the store did not, and put it right.
    DriftRepaired = "payment.drift.repaired", Low, Success, ["PAY-69"], None,
    ["api"] / ["change"], false, [] {
        /// The payment.
        payment: AboutPayment,
        /// What was held before.
        before: PaymentStatus,
        /// What is held now.
        after: PaymentStatus,
    }

    /// Somebody seems to try out cards. Told once, and again only after it was quiet.
    TestingSuspected = "payment.testing.suspected", High, Unknown, ["PAY-66"], Some("excess_rate_limit_exceeded"),
    ["intrusion_detection"] / ["info"], false, [DeclineRate, SameAmount, SameCustomer] {
        /// The latest of the payments.
        payment: AboutPayment,
        /// The sign.
        reason: Reason,
        /// How many attempts show it.
        count: u64,
        /// Of so many.
        of: u64,
        /// Within so many seconds.
        window_seconds: u64,
    }

    /// One order or one client opened so many payment pages that another one was refused.
    CheckoutLimited = "payment.checkout.limited", Medium, Failure, ["PAY-66"], Some("excess_rate_limit_exceeded"),
    ["intrusion_detection", "api"] / ["denied"], true, [SameOrder, SameClient] {
        /// The gateway that it was asked of.
        at: AtGateway,
        /// The order that was to be paid.
        order: MerchantReference,
        /// Which limit it was.
        reason: Reason,
        /// So many are allowed.
        limit: u64,
        /// Within so many seconds.
        window_seconds: u64,
    }

    /// The gateway did not open a checkout.
    CheckoutFailed = "payment.checkout.failed", Low, Failure, ["PAY-43", "PAY-42", "PAY-44"], None,
    ["api"] / ["info"], true,
    [Config, Request, Authentication, Declined, NotFound, Conflict, RateLimited, Unavailable, Timeout, Transport, Protocol] {
        /// The gateway that it was asked of.
        at: AtGateway,
        /// The order that was to be paid.
        order: MerchantReference,
        /// What kind of trouble.
        reason: Reason,
    }

    /// Card data was seen where none belongs. It was refused, and is not repeated here.
    CardDataSighted = "payment.card_data.sighted", Critical, Failure, ["PAY-58"], Some("malicious_extraneous"),
    ["intrusion_detection"] / ["denied"], true, [Number, SecurityCode, FieldName] {
        /// Where.
        place: &'static str,
        /// What.
        reason: Reason,
    }

    /// A return that belongs to no attempt had a field with a name of card data. Anybody can send one.
    CardFieldUnproven = "payment.card_data.unproven", Medium, Failure, ["PAY-58", "PAY-14"], Some("malicious_extraneous"),
    ["intrusion_detection"] / ["denied"], true, [FieldName] {
        /// The gateway it claimed to come from.
        at: AtGateway,
        /// What.
        reason: Reason,
    }

    /// The keys of a gateway were changed.
    KeyRotated = "payment.key.rotated", Medium, Success, ["PAY-53"], Some("sensitive_update"),
    ["configuration"] / ["change"], false, [] {
        /// The gateway.
        at: AtGateway,
        /// Who did it.
        actor: EventText,
    }

    /// A message was signed with a key that is on its way out: the rotation is not over.
    KeyRetiredUsed = "payment.key.retired_used", Low, Success, ["PAY-53"], None,
    ["api"] / ["info"], true, [] {
        /// The gateway.
        at: AtGateway,
        /// Its place in the configured order; 0 is the current key.
        slot: u64,
    }

    /// New payments were stopped.
    StopEngaged = "payment.stop.engaged", High, Success, ["PAY-67"], Some("authz_admin"),
    ["configuration"] / ["change"], false, [] {
        /// Who did it.
        actor: EventText,
        /// What for, in the operator's words.
        purpose: EventText,
    }

    /// New payments are taken again.
    StopReleased = "payment.stop.released", High, Success, ["PAY-67"], Some("authz_admin"),
    ["configuration"] / ["change"], false, [] {
        /// Who did it.
        actor: EventText,
    }

    /// The store works in another mode.
    ModeChanged = "payment.mode.changed", High, Success, ["PAY-67"], Some("authz_admin"),
    ["configuration"] / ["change"], false, [Normal, Stopped, AskBeforeApply] {
        /// Who did it.
        actor: EventText,
        /// The mode it is in now.
        reason: Reason,
        /// What for, in the operator's words.
        purpose: EventText,
    }

    /// The chain of records was followed from the checkpoint before, or from its beginning, and its head was noted.
    LedgerCheckpoint = "payment.ledger.checkpoint", Informational, Success, ["PAY-60"], None,
    ["database"] / ["info"], false, [] {
        /// How many records there are.
        position: u64,
    }

    /// The records are not those that were written.
    LedgerBroken = "payment.ledger.broken", Critical, Failure, ["PAY-60"], Some("sensitive_update"),
    ["intrusion_detection", "database"] / ["info"], false, [Altered, Removed] {
        /// The first bad position.
        position: u64,
        /// What is wrong with it.
        reason: Reason,
    }

    /// The ledger could not be read or written. Gateways are asked to deliver again.
    LedgerFailed = "payment.ledger.failed", High, Failure, ["PAY-40", "PAY-47"], None,
    ["database"] / ["error"], true, [] {
        /// What was being done.
        during: Step,
    }

    /// A genuine message of the test environment came to a live store, or the reverse. It was ignored.
    EnvironmentMismatch = "payment.environment.mismatch", High, Failure, ["PAY-51"], Some("input_validation_discrete_fail"),
    ["intrusion_detection"] / ["denied"], true, [] {
        /// The gateway.
        at: AtGateway,
        /// The environment of the message.
        environment: Environment,
    }

    /// More events of a kind came within a minute than are told one by one.
    EventsSuppressed = "payment.events.suppressed", Medium, Unknown, ["PAY-64"], Some("excess_rate_limit_exceeded"),
    ["intrusion_detection"] / ["info"], false,
    [Already, Older, AmountMissing, StatusUnknown, Token, UnknownAttempt, Malformed, OtherCheckout, Payload, Config, Request,
     Authentication, Declined, NotFound, Conflict, RateLimited, Unavailable, Timeout, Transport, Protocol, Certificate, Tls,
     SameOrder, SameClient, Number, SecurityCode, FieldName] {
        /// The name of the events.
        event: &'static str,
        /// Where, if they say so.
        place: Option<&'static str>,
        /// The gateway, if they are about one.
        at: Option<AtGateway>,
        /// Their reason, if they have one.
        reason: Option<Reason>,
        /// How many there were.
        count: u64,
        /// How many of them were not told one by one.
        suppressed: u64,
        /// Within so many seconds.
        window_seconds: u64,
    }

    /// A sink failed. Told to the others.
    SinkDegraded = "payment.sink.degraded", High, Failure, ["PAY-70"], Some("sys_monitor_disabled"),
    ["process"] / ["change"], false, [Failed, Full, Panicked] {
        /// Which, counted from 0 in the order in which they were added.
        sink: u64,
        /// How.
        reason: Reason,
    }

    /// A sink works again. Told to all.
    SinkRecovered = "payment.sink.recovered", Medium, Success, ["PAY-70"], Some("sys_monitor_enabled"),
    ["process"] / ["change"], false, [] {
        /// Which, counted from 0 in the order in which they were added.
        sink: u64,
        /// How many events it did not take.
        missed: u64,
    }

    /// A cashier was built. Its sequence numbers begin at 1.
    MonitorStarted = "payment.monitor.started", Informational, Success, ["PAY-70"], Some("sys_startup"),
    ["process"] / ["start"], false, [] {
        /// Real money or not.
        environment: Environment,
        /// How many gateways it has.
        gateways: u64,
        /// How many sinks it has.
        sinks: u64,
    }

    /// A sign of life, and what there was since the one before. Its absence is the alarm.
    Heartbeat = "payment.monitor.heartbeat", Informational, Success, ["PAY-70"], None,
    ["process"] / ["info"], false, [] {
        /// Over so many seconds.
        window_seconds: u64,
        /// Events that were told.
        emitted: u64,
        /// Events that were only counted.
        suppressed: u64,
        /// Messages refused, told or not.
        refused: u64,
        /// Orders found paid.
        accepted: u64,
        /// Evidence held.
        held: u64,
        /// Sinks that do not work now.
        sinks_failing: u64,
    }

    /// The self-check looks whether events reach whoever watches.
    MonitorProbe = "payment.monitor.probe", Informational, Success, ["PAY-70", "PAY-67"], None,
    ["process"] / ["info"], false, [] {}

    /// The self-check found something. The store is not reopened.
    SelfCheckFailed = "payment.self_check.failed", High, Failure, ["PAY-67", "PAY-50"], None,
    ["configuration"] / ["info"], false, [Keys, Environment, Hosts, ClockSkew, Vector, Chain, Sink] {
        /// What failed.
        reason: Reason,
    }
}

impl SecurityEvent {
    /// The version of names, fields and words: `kessai.version`.
    pub const VERSION: u64 = 1;

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().name
    }

    /// Where in the store it was, if it says so.
    pub(super) fn place(&self) -> Option<&'static str> {
        match self {
            Self::CardDataSighted { place, .. } => Some(place),
            _ => None,
        }
    }

    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.kind().severity
    }

    /// The entry of the attack catalogue that it shows.
    #[must_use]
    pub fn pay(&self) -> &'static str {
        let by_reason = match self {
            Self::EvidenceHeld { reason, .. } | Self::ApplyConflict { reason, .. } => match reason {
                Reason::Account => Some("PAY-26"),
                Reason::Reference | Reason::TransactionBound => Some("PAY-27"),
                Reason::Gateway | Reason::Attempt => Some("PAY-32"),
                Reason::Late | Reason::Excess => Some("PAY-48"),
                Reason::Refunded => Some("PAY-49"),
                Reason::Environment => Some("PAY-51"),
                _ => None,
            },
            Self::CallbackRefused { reason, .. } => match reason {
                Reason::Missing | Reason::Malformed => Some("PAY-19"),
                Reason::Stale => Some("PAY-33"),
                Reason::Payload => Some("PAY-36"),
                Reason::Key => Some("PAY-22"),
                Reason::TooLarge | Reason::Incomplete => Some("PAY-61"),
                Reason::Encoded => Some("PAY-62"),
                _ => None,
            },
            Self::CallbackReplayed {
                reason: Reason::Older, ..
            } => Some("PAY-35"),
            Self::StatusUnknown {
                reason: Reason::AmountMissing,
                ..
            } => Some("PAY-43"),
            Self::ReturnForged {
                reason: Reason::OtherCheckout,
                ..
            } => Some("PAY-13"),
            Self::QueryUnanswered {
                reason: Reason::Protocol,
                ..
            }
            | Self::CheckoutFailed {
                reason: Reason::Protocol,
                ..
            } => Some("PAY-42"),
            _ => None,
        };
        by_reason
            .or_else(|| self.kind().pay.first().copied())
            .unwrap_or_default()
    }
}
