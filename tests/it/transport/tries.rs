//! What is tried again, how often, after how long, and what the error says of the money afterwards.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Response, StatusCode};
use kessai::transport::{
    BoxFuture, Call, CallLimits, Client, HttpTransport, Repeat, RetryAdvice, RetryPolicy, Transport, TransportError,
    TransportErrorKind,
};
use kessai::{ApiKey, Error, ErrorKind, ExpectedPayment, Gateway, Outcome};
use proptest::prelude::*;

use super::http;
use super::server::{Server, Step, answer, wait};
use crate::support::{order, start, stripe};

use Try::{Answer, AnswerLater, Fails};

const CONNECT: Try = Fails(TransportErrorKind::Connect);
const TIMEOUT: Try = Fails(TransportErrorKind::Timeout);
const BROKEN: Try = Fails(TransportErrorKind::Broken);
const REFUSED: Try = Fails(TransportErrorKind::Refused);
const UNREADABLE: Try = Fails(TransportErrorKind::Reply);

/// How one try ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    Fails(TransportErrorKind),
    Answer(u16),
    /// With `Retry-After` in seconds.
    AnswerLater(u16, u64),
}

/// Plays tries, lets no time pass, and keeps what it was asked.
#[derive(Clone, Debug)]
struct Player(Arc<Mutex<Played>>);

#[derive(Debug, Default)]
struct Played {
    script: VecDeque<Try>,
    requests: Vec<http::Request<Bytes>>,
    limits: Vec<CallLimits>,
    pauses: Vec<Duration>,
}

impl Player {
    fn new(script: &[Try]) -> Self {
        Self(Arc::new(Mutex::new(Played {
            script: script.iter().copied().collect(),
            ..Played::default()
        })))
    }

    fn client(&self, policy: RetryPolicy) -> Client {
        Client::new(Arc::new(self.clone()), policy)
    }

    fn played(&self) -> std::sync::MutexGuard<'_, Played> {
        self.0.lock().unwrap()
    }
}

impl Transport for Player {
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: CallLimits,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let mut played = self.played();
        played.requests.push(request);
        played.limits.push(limits);
        let number = played.requests.len();
        let result = match played.script.pop_front().expect("a try more than the script has") {
            Fails(kind) => Err(TransportError::new(kind)),
            Answer(status) => Ok(response(status, number, None)),
            AnswerLater(status, wait) => Ok(response(status, number, Some(wait))),
        };
        Box::pin(std::future::ready(result))
    }

    fn pause(&self, wait: Duration) -> BoxFuture<'_, ()> {
        self.played().pauses.push(wait);
        Box::pin(std::future::ready(()))
    }
}

fn response(status: u16, number: usize, wait: Option<u64>) -> Response<Bytes> {
    let mut response = Response::builder()
        .status(status)
        .header("Request-Id", format!("req_{number}"));
    if let Some(wait) = wait {
        response = response.header("Retry-After", wait.to_string());
    }
    response.body(Bytes::from(format!("try {number}"))).unwrap()
}

/// A call like a gateway's: 200 is a success, 4xx a refusal but for 409, the rest is unknown; 409, 429, 5xx and 302 may be
/// tried again.
#[derive(Debug, Default)]
struct Probe<const REPEAT: u8> {
    asked: AtomicUsize,
}

const NEVER: u8 = 0;
const WITH_KEY: u8 = 1;
const SAFE: u8 = 2;

impl<const REPEAT: u8> Call for Probe<REPEAT> {
    type Reply = String;
    const REPEAT: Repeat = match REPEAT {
        NEVER => Repeat::Never,
        WITH_KEY => Repeat::WithKey,
        _ => Repeat::Safe,
    };

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        Ok(http::Request::post("https://gateway.example/v1?token=canary")
            .header("Idempotency-Key", "key-1")
            .body(Bytes::from_static(b"amount=1"))
            .unwrap())
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        assert!(!response.status().is_success(), "a success is not asked about");
        self.asked.fetch_add(1, Ordering::SeqCst);
        match response.status().as_u16() {
            302 | 409 | 429 | 500..=599 => RetryAdvice::Again,
            _ => RetryAdvice::Stop,
        }
    }

    fn reply(&self, response: Response<Bytes>) -> Result<String, Error> {
        let id = response.headers()["request-id"].to_str().unwrap().to_owned();
        let (kind, outcome) = match response.status() {
            StatusCode::OK => return Ok(String::from_utf8(response.into_body().to_vec()).unwrap()),
            StatusCode::CONFLICT => (ErrorKind::Conflict, Outcome::Unknown),
            StatusCode::TOO_MANY_REQUESTS => (ErrorKind::RateLimited, Outcome::Refused),
            StatusCode::UNAUTHORIZED => (ErrorKind::Authentication, Outcome::Refused),
            status if status.is_client_error() => (ErrorKind::Request, Outcome::Refused),
            status if status.is_server_error() => (ErrorKind::Unavailable, Outcome::Unknown),
            _ => (ErrorKind::Protocol, Outcome::Unknown),
        };
        Err(Error::new(kind, outcome, "no").with_request_id(Some(&id)))
    }
}

fn policy(tries: u32, seconds: u64) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.tries = tries;
    policy.total = Duration::from_secs(seconds);
    policy
}

async fn play(repeat: u8, script: &[Try], policy: RetryPolicy) -> (Result<String, Error>, Player) {
    let player = Player::new(script);
    let client = player.client(policy);
    let result = match repeat {
        NEVER => client.call(&Probe::<NEVER>::default()).await,
        WITH_KEY => client.call(&Probe::<WITH_KEY>::default()).await,
        _ => client.call(&Probe::<SAFE>::default()).await,
    };
    (result, player)
}

/// What is sent how, how the tries end, how many there are, and what comes of it.
type Row = (u8, &'static [Try], usize, Result<&'static str, Outcome>);

/// The table of [`Client`], and the worst outcome of all tries.
#[tokio::test]
async fn tries_and_outcomes_follow_the_table() {
    use Outcome::{NotSent, Refused, Unknown};
    let rows: &[Row] = &[
        // One try is enough.
        (NEVER, &[Answer(200)], 1, Ok("try 1")),
        (WITH_KEY, &[Answer(200)], 1, Ok("try 1")),
        (SAFE, &[Answer(200)], 1, Ok("try 1")),
        (WITH_KEY, &[Answer(204)], 1, Err(Unknown)),
        // Never: not again after anything that may have been sent.
        (NEVER, &[TIMEOUT], 1, Err(Unknown)),
        (NEVER, &[BROKEN], 1, Err(Unknown)),
        (NEVER, &[UNREADABLE], 1, Err(Unknown)),
        (NEVER, &[REFUSED], 1, Err(NotSent)),
        (NEVER, &[Answer(302)], 1, Err(Unknown)),
        (NEVER, &[Answer(400)], 1, Err(Refused)),
        (NEVER, &[Answer(409)], 1, Err(Unknown)),
        (NEVER, &[Answer(429)], 1, Err(Refused)),
        (NEVER, &[AnswerLater(429, 1)], 1, Err(Refused)),
        (NEVER, &[Answer(500)], 1, Err(Unknown)),
        (NEVER, &[AnswerLater(503, 1)], 1, Err(Unknown)),
        (NEVER, &[CONNECT, Answer(200)], 2, Ok("try 2")),
        (NEVER, &[CONNECT, CONNECT, Answer(200)], 3, Ok("try 3")),
        (NEVER, &[CONNECT, CONNECT, CONNECT], 3, Err(NotSent)),
        (NEVER, &[CONNECT, TIMEOUT], 2, Err(Unknown)),
        (NEVER, &[CONNECT, BROKEN], 2, Err(Unknown)),
        (NEVER, &[CONNECT, Answer(500)], 2, Err(Unknown)),
        (NEVER, &[CONNECT, Answer(400)], 2, Err(Refused)),
        (NEVER, &[CONNECT, REFUSED], 2, Err(NotSent)),
        // With a key: again, and what was unknown stays unknown without a success.
        (WITH_KEY, &[REFUSED], 1, Err(NotSent)),
        (WITH_KEY, &[UNREADABLE], 1, Err(Unknown)),
        (WITH_KEY, &[Answer(400)], 1, Err(Refused)),
        (WITH_KEY, &[Answer(401)], 1, Err(Refused)),
        (WITH_KEY, &[Answer(404)], 1, Err(Refused)),
        (WITH_KEY, &[TIMEOUT, Answer(200)], 2, Ok("try 2")),
        (WITH_KEY, &[BROKEN, Answer(200)], 2, Ok("try 2")),
        (WITH_KEY, &[Answer(500), Answer(200)], 2, Ok("try 2")),
        (WITH_KEY, &[Answer(409), Answer(429), Answer(200)], 3, Ok("try 3")),
        (WITH_KEY, &[Answer(302), Answer(200)], 2, Ok("try 2")),
        (WITH_KEY, &[TIMEOUT, TIMEOUT, TIMEOUT], 3, Err(Unknown)),
        (WITH_KEY, &[TIMEOUT, Answer(400)], 2, Err(Unknown)),
        (WITH_KEY, &[TIMEOUT, Answer(401)], 2, Err(Unknown)),
        (WITH_KEY, &[TIMEOUT, REFUSED], 2, Err(Unknown)),
        (WITH_KEY, &[TIMEOUT, UNREADABLE], 2, Err(Unknown)),
        (WITH_KEY, &[TIMEOUT, CONNECT, CONNECT], 3, Err(Unknown)),
        (WITH_KEY, &[TIMEOUT, CONNECT, Answer(400)], 3, Err(Unknown)),
        (WITH_KEY, &[TIMEOUT, Answer(429), Answer(429)], 3, Err(Unknown)),
        (WITH_KEY, &[BROKEN, Answer(402)], 2, Err(Unknown)),
        (WITH_KEY, &[Answer(500), Answer(400)], 2, Err(Unknown)),
        (WITH_KEY, &[Answer(409), Answer(400)], 2, Err(Unknown)),
        (WITH_KEY, &[Answer(302), CONNECT, CONNECT], 3, Err(Unknown)),
        (WITH_KEY, &[CONNECT, Answer(500), Answer(400)], 3, Err(Unknown)),
        // With a key, and nothing unknown happened.
        (WITH_KEY, &[CONNECT, CONNECT, CONNECT], 3, Err(NotSent)),
        (WITH_KEY, &[CONNECT, Answer(400)], 2, Err(Refused)),
        (WITH_KEY, &[Answer(429), Answer(400)], 2, Err(Refused)),
        (WITH_KEY, &[Answer(429), Answer(429), Answer(429)], 3, Err(Refused)),
        (WITH_KEY, &[CONNECT, Answer(429), CONNECT], 3, Err(Refused)),
        (WITH_KEY, &[Answer(429), CONNECT, CONNECT], 3, Err(Refused)),
        (WITH_KEY, &[Answer(429), REFUSED], 2, Err(Refused)),
        // Safe: nothing can have happened that the last answer does not tell.
        (SAFE, &[REFUSED], 1, Err(NotSent)),
        (SAFE, &[UNREADABLE], 1, Err(Unknown)),
        (SAFE, &[Answer(404)], 1, Err(Refused)),
        (SAFE, &[CONNECT, TIMEOUT, Answer(200)], 3, Ok("try 3")),
        (SAFE, &[Answer(500), Answer(404)], 2, Err(Refused)),
        (SAFE, &[TIMEOUT, CONNECT, CONNECT], 3, Err(NotSent)),
        (SAFE, &[BROKEN, Answer(429), TIMEOUT], 3, Err(Unknown)),
    ];
    for (repeat, script, tries, wanted) in rows {
        let (result, player) = play(*repeat, script, policy(3, 60)).await;
        let case = format!("{repeat} {script:?}");
        let record = player.played();
        assert_eq!(record.requests.len(), *tries, "{case}");
        assert_eq!(record.pauses.len(), tries - 1, "{case}");
        assert!(record.script.is_empty(), "{case}: tries were left");
        match (&result, wanted) {
            (Ok(text), Ok(wanted)) => assert_eq!(text, wanted, "{case}"),
            (Err(error), Err(wanted)) => {
                assert_eq!(error.outcome(), *wanted, "{case}");
                assert_eq!(error.tries() as usize, *tries, "{case}");
                assert!(!format!("{error:?}").contains("canary"), "{case}");
            }
            _ => panic!("{case}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn the_error_is_the_last_trys_and_keeps_a_request_id() {
    let (result, _) = play(WITH_KEY, &[Answer(500), Answer(401)], policy(3, 60)).await;
    let error = result.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Authentication, Outcome::Unknown)
    );
    assert_eq!(error.request_id(), Some("req_2"));

    let (result, _) = play(WITH_KEY, &[Answer(500), Answer(429), TIMEOUT], policy(3, 60)).await;
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.tries()), (ErrorKind::Timeout, 3));
    assert_eq!(error.request_id(), Some("req_2"), "the last one there was");

    let (result, _) = play(SAFE, &[TIMEOUT], policy(1, 60)).await;
    assert_eq!(result.unwrap_err().request_id(), None);
}

#[tokio::test]
async fn every_try_sends_the_same_bytes() {
    let (_, player) = play(
        WITH_KEY,
        &[TIMEOUT, Answer(500), Answer(409), Answer(200)],
        policy(4, 60),
    )
    .await;
    let record = player.played();
    let plain = |request: &http::Request<Bytes>| {
        format!(
            "{} {} {:?} {:?}",
            request.method(),
            request.uri(),
            request.headers(),
            request.body()
        )
    };
    assert_eq!(record.requests.len(), 4);
    for request in &record.requests {
        assert_eq!(plain(request), plain(&record.requests[0]));
        assert_eq!(request.headers()["idempotency-key"], "key-1");
    }
}

#[tokio::test]
async fn a_call_that_must_not_be_repeated_is_not_asked_for_advice() {
    let player = Player::new(&[Answer(500)]);
    let never = Probe::<NEVER>::default();
    assert!(player.client(policy(3, 60)).call(&never).await.is_err());
    assert_eq!(never.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_request_that_cannot_be_formed_is_no_try() {
    struct Formless;
    impl Call for Formless {
        type Reply = ();
        const REPEAT: Repeat = Repeat::Safe;
        fn request(&self) -> Result<http::Request<Bytes>, Error> {
            Err(Error::request("no"))
        }
        fn advice(&self, _: &Response<Bytes>) -> RetryAdvice {
            RetryAdvice::Again
        }
        fn reply(&self, _: Response<Bytes>) -> Result<(), Error> {
            Ok(())
        }
    }
    let player = Player::new(&[]);
    let error = player.client(policy(3, 60)).call(&Formless).await.unwrap_err();
    assert_eq!((error.outcome(), error.tries()), (Outcome::NotSent, 0));
}

#[tokio::test]
async fn a_proven_answer_is_the_one_that_succeeded() {
    let key = ApiKey::new("sk_test_0123456789abcdef").unwrap();
    let mut evidence = Vec::new();
    for script in [&[Answer(200)][..], &[CONNECT, Answer(200)], &[Answer(500), Answer(200)]] {
        let client = Player::new(script).client(policy(3, 60));
        let answer = client
            .ask(&Probe::<SAFE>::default(), &key, SystemTime::UNIX_EPOCH)
            .await
            .unwrap();
        assert_eq!(answer.value(), &format!("try {}", script.len()));
        evidence.push(answer.evidence().to_hex());
    }
    assert_ne!(evidence[0], evidence[1], "the evidence is of the answer that was read");
    assert_eq!(evidence[1], evidence[2]);
}

#[tokio::test]
async fn waits_grow_and_retry_after_is_a_minimum() {
    let ms = Duration::from_millis;
    let script = [TIMEOUT, CONNECT, AnswerLater(429, 7), AnswerLater(503, 0), Answer(200)];
    let (result, player) = play(SAFE, &script, policy(5, 600)).await;
    assert!(result.is_ok());
    let pauses = player.played().pauses.clone();
    assert!(pauses[0] >= ms(500) && pauses[0] <= ms(1000), "{pauses:?}");
    assert!(pauses[1] >= ms(1000) && pauses[1] <= ms(2000), "{pauses:?}");
    assert_eq!(pauses[2], ms(7000), "{pauses:?}");
    assert!(pauses[3] >= ms(4000) && pauses[3] <= ms(5000), "{pauses:?}");
}

#[tokio::test]
async fn a_wait_beyond_the_budget_ends_the_call_at_once_and_is_told() {
    for seconds in [30, 31, 3600, 604_800] {
        let script = [AnswerLater(429, seconds)];
        let (result, player) = play(WITH_KEY, &script, policy(3, 30)).await;
        let error = result.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds)));
        assert_eq!((error.tries(), error.kind()), (1, ErrorKind::RateLimited));
        assert!(player.played().pauses.is_empty());
    }
    // Told as well where nothing is tried again: a call that must not be, and the last try.
    let (result, _) = play(NEVER, &[AnswerLater(503, 2)], policy(3, 30)).await;
    assert_eq!(result.unwrap_err().retry_after(), Some(Duration::from_secs(2)));
    let (result, _) = play(SAFE, &[Answer(500), AnswerLater(400, 3)], policy(3, 30)).await;
    assert_eq!(result.unwrap_err().retry_after(), Some(Duration::from_secs(3)));
    let (result, _) = play(SAFE, &[AnswerLater(500, 3), TIMEOUT], policy(2, 30)).await;
    assert_eq!(result.unwrap_err().retry_after(), None, "it was waited for");
}

#[tokio::test]
async fn waits_that_take_no_time_use_the_budget_up_all_the_same() {
    // 3 x 8 s fit into 30 s with a second left for the try after them; a fourth does not.
    let script = [AnswerLater(503, 8); 4];
    let (result, player) = play(SAFE, &script, policy(10, 30)).await;
    let error = result.unwrap_err();
    assert_eq!(error.tries(), 4);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(8)));
    let record = player.played();
    assert_eq!(record.pauses, [Duration::from_secs(8); 3]);
    // Each try may take what is left, and not more than its own limit.
    let limits: Vec<u128> = record.limits.iter().map(|limits| limits.total.as_millis()).collect();
    for (limit, at_most) in limits.iter().zip([20_000, 20_000, 14_000, 6_000]) {
        assert!(*limit <= at_most && limit + 1000 > at_most, "{limits:?}");
    }
    assert!(record.limits.iter().all(|limits| limits.reply == 1024 * 1024));
}

#[tokio::test]
async fn time_that_tries_take_counts_too() {
    // Each try hangs until its limit; the pauses pass at once.
    let server = Server::saying(vec![wait(20_000)]).await;
    let mut policy = policy(10, 4);
    policy.per_try = Duration::from_millis(700);
    let client = Client::new(Arc::new(Impatient(http())), policy);
    let started = std::time::Instant::now();
    let error = client.call(&Local(server.url("/"))).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
    assert!((2..=4).contains(&error.tries()), "{}", error.tries());
    assert!(started.elapsed() < Duration::from_secs(6));
}

/// A question to a server of the test's.
struct Local(String);

impl Call for Local {
    type Reply = ();
    const REPEAT: Repeat = Repeat::Safe;
    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        Ok(super::get(&self.0))
    }
    fn advice(&self, _: &Response<Bytes>) -> RetryAdvice {
        RetryAdvice::Again
    }
    fn reply(&self, _: Response<Bytes>) -> Result<(), Error> {
        Ok(())
    }
}

/// The real transport, without the waits in between.
#[derive(Debug)]
struct Impatient(HttpTransport);

impl Transport for Impatient {
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: CallLimits,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        self.0.send(request, limits)
    }

    fn pause(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn a_gateway_gets_the_same_request_to_the_byte_after_every_kind_of_trouble() {
    let trouble = |status| {
        answer(
            status,
            "request-id: req_Test1\r\n",
            "{\"error\":{\"type\":\"api_error\"}}",
        )
    };
    let declined = answer(
        402,
        "request-id: req_Test2\r\n",
        "{\"error\":{\"type\":\"card_error\"}}",
    );
    let server = Server::start(vec![
        trouble(500),
        trouble(409),
        trouble(429),
        vec![Step::Close],
        declined,
    ])
    .await;
    let stripe = stripe()
        .endpoint(server.url(""))
        .transport(Arc::new(Impatient(http())))
        .retry(policy(5, 60))
        .build()
        .unwrap();
    let request = order("EC-1");
    let expected = ExpectedPayment::plan(&stripe, &request, start()).unwrap();
    let error = stripe.checkout(&expected, &request).await.unwrap_err();
    assert_eq!((error.kind(), error.tries()), (ErrorKind::Declined, 5));
    assert_eq!(error.outcome(), Outcome::Unknown, "the first tries may have acted");
    assert_eq!(error.request_id(), Some("req_Test2"));
    let requests = server.requests();
    assert_eq!(requests.len(), 5);
    assert!(requests.iter().all(|request| *request == requests[0]));
    let key = format!(
        "\r\nidempotency-key: {}\r\n",
        expected.idempotency_key.as_str().to_lowercase()
    );
    assert!(server.texts()[0].contains(&key));
}

#[tokio::test]
async fn what_the_gateway_calls_final_is_not_sent_again() {
    for (status, headers) in [
        (400, ""),
        (401, ""),
        (402, ""),
        (403, ""),
        (404, ""),
        (500, "Stripe-Should-Retry: false\r\n"),
        (409, "Stripe-Should-Retry: false\r\n"),
        (429, "Stripe-Should-Retry: false\r\n"),
    ] {
        let server = Server::saying(answer(status, headers, "{\"error\":{\"type\":\"api_error\"}}")).await;
        let stripe = stripe()
            .endpoint(server.url(""))
            .transport(Arc::new(Impatient(http())))
            .build()
            .unwrap();
        let request = order("EC-1");
        let expected = ExpectedPayment::plan(&stripe, &request, start()).unwrap();
        let error = stripe.checkout(&expected, &request).await.unwrap_err();
        assert_eq!((error.tries(), server.requests().len()), (1, 1), "{status} {headers}");
    }
}

fn any_try() -> impl Strategy<Value = Try> {
    let kinds = prop::sample::select(vec![CONNECT, TIMEOUT, BROKEN, REFUSED, UNREADABLE]);
    let statuses = prop::sample::select(vec![200_u16, 201, 302, 400, 401, 402, 404, 409, 429, 500, 503]);
    prop_oneof![
        3 => kinds,
        4 => statuses.clone().prop_map(Answer),
        2 => (statuses, 0_u64..40).prop_map(|(status, wait)| AnswerLater(status, wait)),
    ]
}

/// What one try by itself says of the money.
fn outcome_of(one: Try) -> Option<Outcome> {
    match one {
        Fails(TransportErrorKind::Connect | TransportErrorKind::Refused) => Some(Outcome::NotSent),
        Answer(200) | AnswerLater(200, _) => None,
        Answer(status) | AnswerLater(status, _) if (400..500).contains(&status) && status != 409 => {
            Some(Outcome::Refused)
        }
        _ => Some(Outcome::Unknown),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_script_leads_to_more_tries_than_allowed_or_to_a_comforting_error(
        script in prop::collection::vec(any_try(), 12),
        repeat in 0_u8..3,
        tries in 0_u32..15,
        seconds in 0_u64..120,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (result, player) = runtime.block_on(play(repeat, &script, policy(tries, seconds)));
        let record = player.played();
        let sent = &script[..record.requests.len()];

        prop_assert!(sent.len() <= tries.clamp(1, 10) as usize);
        prop_assert_eq!(record.pauses.len() + 1, sent.len());
        let waited: Duration = record.pauses.iter().sum();
        prop_assert!(sent.len() == 1 || waited <= Duration::from_secs(seconds));
        prop_assert!(record.pauses.iter().all(|pause| *pause >= Duration::from_millis(500)));
        for (pause, one) in record.pauses.iter().zip(sent) {
            if let AnswerLater(_, asked) = one {
                prop_assert!(*pause >= Duration::from_secs(*asked));
            }
        }
        let (last, before) = sent.split_last().unwrap();
        if repeat == NEVER {
            prop_assert!(before.iter().all(|one| *one == CONNECT), "{:?}", sent);
        }
        let outcomes: Vec<_> = sent.iter().filter_map(|one| outcome_of(*one)).collect();
        match result {
            Ok(_) => prop_assert_eq!(outcome_of(*last), None),
            Err(error) => {
                prop_assert_eq!(error.tries() as usize, sent.len());
                if repeat != SAFE && outcomes.contains(&Outcome::Unknown) {
                    prop_assert_eq!(error.outcome(), Outcome::Unknown, "{:?}", sent);
                } else if repeat != SAFE && outcomes.contains(&Outcome::Refused) {
                    prop_assert_eq!(error.outcome(), Outcome::Refused, "{:?}", sent);
                } else {
                    prop_assert_eq!(Some(error.outcome()), outcome_of(*last));
                }
            }
        }
    }
}
