//! The suite itself: a gateway with one fault fails the cases that are about it, and every case can fail.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Response;
use kessai::conformance::gateway::{
    Ability, Answer, Asked, Bench, Case, Message, Reply, Returns, Style, Verdict, Wrong, one,
};
use kessai::ledger::StoredAttempt;
use kessai::transport::{BoxFuture, CallLimits, Transport, TransportError};
use kessai::{
    Abilities, Ack, AllowedOrigins, AttemptPlan, Callback, Checkout, CheckoutRequest, Environment, Error, EventId,
    ExpectedPayment, Gateway, GatewayId, GatewayReference, GatewayWord, IdempotencyKey, MerchantAccount, Money,
    Notification, Outcome, PaymentEvent, PaymentStatus, Received, Redirect, RedirectUrl, ReferenceFormat, Refund,
    RefundReceipt, RequestError, ReturnHint, SelfCheckError, Subject, Verified, VerifyError, Void,
};

use super::stripe::{API_KEY, SESSION, StripeBench};
use crate::support::yen;

/// What is wrong with the gateway, or with its bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    NameOfAnotherAccount,
    NoSelfCheck,
    KnowsNoClock,
    PrintsItsKey,
    SendsInTheClear,
    ShortReferences,
    TakesEveryRequest,
    ChecksNoRequest,
    LosesTheAttempt,
    LeadsAnywhere,
    CallsALossARefusal,
    CallsEveryErrorUnknown,
    NewKeyForEveryTry,
    TakesEveryMessage,
    AsksWhileItReceives,
    CountsDeliveries,
    TellsNoAmount,
    MakesUpAmounts,
    GuessesTheState,
    TakesAnybodysForOurs,
    AcknowledgesWhatItRefuses,
    TellsWhy,
    KnowsNoReturn,
    TakesEveryReturn,
    RemembersPaid,
    RemembersPaidAfterErrors,
    ListsNothing,
    VoidsWithoutACall,
    GivesAnythingBack,
    /// The bench gives no reason for what it has not.
    NoReasons,
    /// The bench gives a reason that is none.
    BlankReasons,
}

const FAULTS: &[(Fault, &[Case])] = {
    use Case as C;
    use Fault as F;
    &[
        (F::NameOfAnotherAccount, &[C::Names]),
        (F::NoSelfCheck, &[C::SelfCheck]),
        (F::KnowsNoClock, &[C::Clock]),
        (F::PrintsItsKey, &[C::Secrets]),
        (F::SendsInTheClear, &[C::Https]),
        (F::ShortReferences, &[C::ReferenceFits]),
        (F::TakesEveryRequest, &[C::RequestLimits]),
        (F::ChecksNoRequest, &[C::OtherRequest]),
        (F::LosesTheAttempt, &[C::CheckoutCarries]),
        (
            F::LeadsAnywhere,
            &[C::PageElsewhere, C::CheckoutLost, C::CheckoutNotSent],
        ),
        (F::CallsALossARefusal, &[C::CheckoutLost, C::PageElsewhere]),
        (F::CallsEveryErrorUnknown, &[C::CheckoutNotSent, C::OtherRequest]),
        (F::NewKeyForEveryTry, &[C::CheckoutAgain]),
        (
            F::TakesEveryMessage,
            &[
                C::NoMessage,
                C::ForeignKey,
                C::KeyOfThePast,
                C::OldMessage,
                C::FlippedBytes,
                C::CutOrGrown,
                C::ChangedHeaders,
                C::ChangedFields,
                C::FieldOrder,
                C::ReturnReplayed,
            ],
        ),
        (F::AsksWhileItReceives, &[C::Genuine, C::Redelivered, C::FlippedBytes]),
        (F::CountsDeliveries, &[C::Redelivered]),
        (F::TellsNoAmount, &[C::Genuine, C::PaysItsAttempt]),
        (F::MakesUpAmounts, &[C::LackingAmount, C::MissingAmount]),
        (F::GuessesTheState, &[C::LackingFields]),
        (F::TakesAnybodysForOurs, &[C::OtherMerchant, C::OtherEnvironment]),
        (F::AcknowledgesWhatItRefuses, &[C::ReplyExact, C::RefusalExact]),
        (F::TellsWhy, &[C::RefusalExact]),
        (F::KnowsNoReturn, &[C::ReturnHint]),
        (F::TakesEveryReturn, &[C::ReturnForged, C::ReturnReplayed]),
        (
            F::RemembersPaid,
            &[C::PaidWord, C::UnknownWord, C::MissingAmount, C::OtherAmount],
        ),
        (
            F::RemembersPaidAfterErrors,
            &[C::OtherOrder, C::NoAnswer, C::WrongStatus, C::CutAnswer],
        ),
        (F::ListsNothing, &[C::Abilities]),
        (F::VoidsWithoutACall, &[C::Abilities, C::AbilityLost]),
        (F::GivesAnythingBack, &[C::NoPart]),
        (F::NoReasons, &[C::ForeignCurrency, C::ReturnChanged]),
        (F::BlankReasons, &[C::ForeignCurrency, C::ReturnChanged]),
    ]
};

#[tokio::test]
async fn every_fault_is_found_and_every_case_can_fail() {
    let mut shown = BTreeSet::new();
    for (fault, wanted) in FAULTS {
        let bench = Faulty {
            fault: *fault,
            memory: Arc::default(),
        };
        // What the gateway remembers has to come to it first.
        for case in [Case::Names, Case::Genuine] {
            let _ = one(&bench, case).await;
        }
        for case in *wanted {
            let verdict = one(&bench, *case).await;
            assert!(
                matches!(verdict, Verdict::Failed(_)),
                "{fault:?} is not found by {}: {verdict:?}",
                case.name()
            );
            shown.insert(*case);
        }
    }
    let never: Vec<&str> = Case::ALL
        .iter()
        .filter(|case| !shown.contains(case))
        .map(|case| case.name())
        .collect();
    assert_eq!(never, Vec::<&str>::new(), "cases that nothing fails");
}

/// What outlives one case.
#[derive(Default)]
struct Memory {
    received: Option<Received>,
    paid: Option<Verified<PaymentEvent>>,
    deliveries: usize,
}

/// The bench of Stripe, with a fault in the gateway.
struct Faulty {
    fault: Fault,
    memory: Arc<Mutex<Memory>>,
}

struct FaultyGateway {
    fault: Fault,
    inner: Arc<dyn Gateway>,
    over: Arc<dyn Transport>,
    account: MerchantAccount,
    memory: Arc<Mutex<Memory>>,
}

impl FaultyGateway {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn changed(&self, mut event: PaymentEvent) -> PaymentEvent {
        match self.fault {
            Fault::CountsDeliveries => {
                let mut memory = self.memory.lock().unwrap();
                memory.deliveries += 1;
                event.id = EventId::new(format!("{}-{}", event.id, memory.deliveries)).unwrap();
            }
            Fault::TellsNoAmount => event.snapshot.amount = None,
            Fault::MakesUpAmounts => event.snapshot.amount = event.snapshot.amount.or(Some(yen(1980))),
            // What is not known is taken for paid.
            Fault::GuessesTheState if event.snapshot.status == PaymentStatus::Unknown => {
                event.snapshot.status = PaymentStatus::Captured;
            }
            Fault::TakesAnybodysForOurs => {
                event.account = self.inner.account().clone();
                event.environment = self.inner.environment();
            }
            _ => {}
        }
        event
    }

    fn change(&self, received: Received) -> Received {
        let Received::Proven(notification) = received else {
            return received;
        };
        let changed = notification.try_map(|mut notification: Notification| {
            notification.events = notification
                .events
                .into_iter()
                .map(|event| self.changed(event))
                .collect();
            Ok::<_, VerifyError>(notification)
        });
        Received::Proven(changed.unwrap())
    }
}

impl fmt::Debug for FaultyGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = if self.is(Fault::PrintsItsKey) { API_KEY } else { "" };
        write!(f, "FaultyGateway({told})")
    }
}

impl Gateway for FaultyGateway {
    fn id(&self) -> GatewayId {
        self.inner.id()
    }

    fn account(&self) -> &MerchantAccount {
        &self.account
    }

    fn environment(&self) -> Environment {
        self.inner.environment()
    }

    fn pages(&self) -> &AllowedOrigins {
        self.inner.pages()
    }

    fn plan(&self, request: &CheckoutRequest) -> Result<AttemptPlan, RequestError> {
        let plan = AttemptPlan {
            format: ReferenceFormat::new(b"01", 8).unwrap(),
            valid_for: Duration::from_secs(3600),
        };
        match self.fault {
            Fault::ShortReferences => Ok(plan),
            Fault::TakesEveryRequest => Ok(AttemptPlan {
                format: ReferenceFormat::RANDOM_128,
                ..plan
            }),
            _ => self.inner.plan(request),
        }
    }

    fn checkout<'a>(
        &'a self,
        expected: &'a ExpectedPayment,
        request: &'a CheckoutRequest,
    ) -> BoxFuture<'a, Result<Checkout, Error>> {
        Box::pin(async move {
            let mut expected = expected.clone();
            match self.fault {
                Fault::ChecksNoRequest => expected.content = request.content(),
                Fault::NewKeyForEveryTry => expected.idempotency_key = IdempotencyKey::random().unwrap(),
                Fault::LosesTheAttempt => expected.attempt = "of-nobody".parse().unwrap(),
                _ => {}
            }
            let answer = self.inner.checkout(&expected, request).await;
            match self.fault {
                Fault::CallsALossARefusal => answer.map_err(|error| error.with_outcome(Outcome::Refused)),
                Fault::CallsEveryErrorUnknown => answer.map_err(|error| error.with_outcome(Outcome::Unknown)),
                Fault::LeadsAnywhere => answer.or_else(|_| {
                    let anywhere = AllowedOrigins::new(["https://evil.example"]).unwrap();
                    let url = RedirectUrl::new("https://evil.example/pay", &anywhere).unwrap();
                    Ok(Checkout::new(Redirect::Get(url)))
                }),
                _ => answer,
            }
        })
    }

    fn receive<'a>(&'a self, callback: &'a Callback) -> BoxFuture<'a, Result<Received, VerifyError>> {
        Box::pin(async move {
            if self.is(Fault::AsksWhileItReceives) {
                let limits = CallLimits {
                    total: Duration::from_secs(1),
                    reply: 1,
                };
                let request = http::Request::get("https://certs.example").body(Bytes::new()).unwrap();
                let _ = self.over.send(request, limits).await;
            }
            let received = self.inner.receive(callback).await.map(|received| self.change(received));
            if !self.is(Fault::TakesEveryMessage) {
                return received;
            }
            let mut memory = self.memory.lock().unwrap();
            match received {
                Ok(received) => {
                    memory.received = Some(received.clone());
                    Ok(received)
                }
                Err(error) => memory.received.clone().ok_or(error),
            }
        })
    }

    fn returned(&self, callback: &Callback) -> Result<ReturnHint, VerifyError> {
        match self.fault {
            Fault::KnowsNoReturn => Err(VerifyError::Mismatch),
            Fault::TakesEveryReturn => {
                let mut hint = self.inner.returned(callback).unwrap_or_default();
                hint.subject = Subject::new().with_checkout(SESSION.parse().ok());
                Ok(hint)
            }
            _ => self.inner.returned(callback),
        }
    }

    fn acknowledge(&self, about: Result<&Received, &VerifyError>, ack: Ack) -> Response<Bytes> {
        match (self.fault, about) {
            (Fault::AcknowledgesWhatItRefuses, _) => Response::new(Bytes::new()),
            (Fault::TellsWhy, Err(error)) => {
                let mut reply = self.inner.acknowledge(about, ack);
                *reply.body_mut() = Bytes::from(error.to_string());
                reply
            }
            _ => self.inner.acknowledge(about, ack),
        }
    }

    fn status<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Verified<PaymentEvent>, Error>> {
        Box::pin(async move {
            let answer = self.inner.status(attempt, at).await;
            let answer = answer.and_then(|event| event.try_map(|event| Ok::<_, Error>(self.changed(event))));
            let mut memory = self.memory.lock().unwrap();
            if let Ok(event) = &answer
                && event.value().snapshot.status == PaymentStatus::Captured
                && memory.paid.is_none()
            {
                memory.paid = Some(event.clone());
            }
            // About the attempt that is asked about, whatever it was about.
            let remembered = memory.paid.clone().map(|paid| {
                let about = paid.try_map(|mut event| {
                    event.subject.attempt = Some(attempt.reference().clone());
                    event.snapshot.gateway_status = GatewayWord::new("remembered");
                    Ok::<_, Error>(event)
                });
                about.unwrap()
            });
            match (self.fault, remembered) {
                (Fault::RemembersPaid, Some(paid)) => Ok(paid),
                (Fault::RemembersPaidAfterErrors, Some(paid)) => answer.or(Ok(paid)),
                _ => answer,
            }
        })
    }

    fn self_check(&self, at: SystemTime) -> Result<(), SelfCheckError> {
        if self.is(Fault::NoSelfCheck) {
            return Err(SelfCheckError::Known);
        }
        self.inner.self_check(at)
    }

    fn clock_ahead(&self) -> Option<i64> {
        if self.is(Fault::KnowsNoClock) {
            return None;
        }
        self.inner.clock_ahead()
    }

    fn abilities(&self) -> Abilities<'_> {
        match self.fault {
            Fault::ListsNothing => Abilities::none(),
            Fault::VoidsWithoutACall => self.inner.abilities().with_void(self),
            Fault::GivesAnythingBack => self.inner.abilities().with_refund(self),
            _ => self.inner.abilities(),
        }
    }
}

impl Void for FaultyGateway {
    fn void<'a>(
        &'a self,
        _attempt: &'a StoredAttempt,
        _key: &'a IdempotencyKey,
        _at: SystemTime,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Refund for FaultyGateway {
    fn refund<'a>(
        &'a self,
        _attempt: &'a StoredAttempt,
        _amount: Option<Money>,
        _key: &'a IdempotencyKey,
        _at: SystemTime,
    ) -> BoxFuture<'a, Result<RefundReceipt, Error>> {
        let reference = GatewayReference::new("re_1").unwrap();
        let receipt = RefundReceipt::new(reference, GatewayWord::new("succeeded"));
        Box::pin(std::future::ready(Ok(receipt)))
    }
}

/// Sends everything without TLS.
#[derive(Debug)]
struct Clear(Arc<dyn Transport>);

impl Transport for Clear {
    fn send(
        &self,
        mut request: http::Request<Bytes>,
        limits: CallLimits,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let clear = request.uri().to_string().replace("https://", "http://");
        *request.uri_mut() = clear.parse().unwrap();
        self.0.send(request, limits)
    }

    fn pause(&self, wait: Duration) -> BoxFuture<'_, ()> {
        self.0.pause(wait)
    }
}

impl Bench for Faulty {
    fn gateway(&self, over: Arc<dyn Transport>) -> Result<Arc<dyn Gateway>, String> {
        let through: Arc<dyn Transport> = match self.fault {
            Fault::SendsInTheClear => Arc::new(Clear(over.clone())),
            _ => over.clone(),
        };
        let inner = StripeBench.gateway(through)?;
        let account = match self.fault {
            Fault::NameOfAnotherAccount => MerchantAccount::new("acct_another").unwrap(),
            _ => inner.account().clone(),
        };
        Ok(Arc::new(FaultyGateway {
            fault: self.fault,
            inner,
            over,
            account,
            memory: self.memory.clone(),
        }))
    }

    fn skip(&self, case: Case) -> Option<&'static str> {
        match self.fault {
            Fault::NoReasons => None,
            Fault::BlankReasons => StripeBench.skip(case).map(|_| "not here             "),
            _ => StripeBench.skip(case),
        }
    }

    fn now(&self) -> SystemTime {
        StripeBench.now()
    }

    fn secrets(&self) -> Vec<String> {
        StripeBench.secrets()
    }

    fn style(&self) -> Style {
        StripeBench.style()
    }

    fn request(&self) -> Result<CheckoutRequest, String> {
        StripeBench.request()
    }

    fn requests_to_refuse(&self) -> Result<Vec<(&'static str, CheckoutRequest)>, String> {
        StripeBench.requests_to_refuse()
    }

    fn request_in_a_foreign_currency(&self) -> Result<Option<CheckoutRequest>, String> {
        StripeBench.request_in_a_foreign_currency()
    }

    fn takes_reference(&self, text: &str) -> bool {
        StripeBench.takes_reference(text)
    }

    fn granted(&self, expected: &ExpectedPayment, page: &str) -> Option<Vec<Answer>> {
        StripeBench.granted(expected, page)
    }

    fn page_path(&self) -> &'static str {
        StripeBench.page_path()
    }

    fn opened(&self, attempt: StoredAttempt) -> Result<StoredAttempt, String> {
        StripeBench.opened(attempt)
    }

    fn genuine(&self, attempt: &StoredAttempt) -> Result<Vec<Message>, String> {
        StripeBench.genuine(attempt)
    }

    fn wrong(&self, attempt: &StoredAttempt, how: Wrong) -> Result<Option<Callback>, String> {
        StripeBench.wrong(attempt, how)
    }

    fn signed(&self, body: &[u8]) -> Result<Callback, String> {
        StripeBench.signed(body)
    }

    fn harmless(&self, genuine: &Callback, changed: &Callback) -> Option<&'static str> {
        StripeBench.harmless(genuine, changed)
    }

    fn reply(&self, ack: Ack) -> Reply {
        StripeBench.reply(ack)
    }

    fn returns(&self, attempt: &StoredAttempt) -> Result<Returns, String> {
        StripeBench.returns(attempt)
    }

    fn answers(&self, attempt: &StoredAttempt, what: Asked) -> Result<Option<Vec<Answer>>, String> {
        StripeBench.answers(attempt, what)
    }

    fn other_states(&self, attempt: &StoredAttempt) -> Result<Vec<(PaymentStatus, Vec<Answer>)>, String> {
        StripeBench.other_states(attempt)
    }

    fn grants(
        &self,
        attempt: &StoredAttempt,
        ability: Ability,
    ) -> Result<Option<(StoredAttempt, Vec<Answer>)>, String> {
        StripeBench.grants(attempt, ability)
    }
}
