//! The axum extractor: the raw body reaches the verifier, and what is too large, too slow or inflated does not.

use std::time::{Duration, SystemTime};

use ::axum::body::Body;
use ::axum::extract::FromRequest;
use ::axum::response::IntoResponse;
use bytes::Bytes;
use http::{Request, StatusCode};
use kessai::integrations::axum::{Intake, Reply};
use kessai::{AllowedOrigins, Callback, CallbackError, CallbackLimits, Clock, PostForm, Redirect, RedirectUrl};

async fn take(request: Request<Body>) -> Result<Callback, CallbackError> {
    Callback::from_request(request, &()).await
}

fn post() -> http::request::Builder {
    Request::post("/pay/stripe/notification?a=%41&a=b")
}

/// A body that comes in pieces, and after them nothing or a break.
fn pieces(pieces: &'static [&'static str], end: End) -> Body {
    let mut left = pieces.iter();
    Body::from_stream(Stream(Box::new(move || match left.next() {
        Some(piece) => Step::Piece(Bytes::from_static(piece.as_bytes())),
        None => match end {
            End::Whole => Step::End,
            End::Break => Step::Break,
            End::Never => Step::Wait,
        },
    })))
}

#[derive(Clone, Copy)]
enum End {
    Whole,
    Break,
    Never,
}

enum Step {
    Piece(Bytes),
    Break,
    Wait,
    End,
}

struct Stream(Box<dyn FnMut() -> Step + Send>);

impl futures_core::Stream for Stream {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        use std::task::Poll;
        match (self.0)() {
            Step::Piece(bytes) => Poll::Ready(Some(Ok(bytes))),
            Step::Break => Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into()))),
            Step::Wait => Poll::Pending,
            Step::End => Poll::Ready(None),
        }
    }
}

#[tokio::test]
async fn the_body_arrives_as_it_was_sent_whatever_pieces_it_came_in() {
    let request = post().body(pieces(&["{ \"a\":", "1.0,\r\n", "\"b\":{} }\u{0}"], End::Whole));
    let callback = take(request.unwrap()).await.unwrap();
    assert_eq!(&callback.body()[..], b"{ \"a\":1.0,\r\n\"b\":{} }\0");
    assert_eq!(callback.query(), Some("a=%41&a=b"));
}

#[tokio::test]
async fn too_much_is_refused_with_and_without_a_length() {
    let limits = CallbackLimits::default();
    let whole = post().body(Body::from(vec![b' '; limits.body + 1])).unwrap();
    assert_eq!(take(whole).await.err(), Some(CallbackError::TooLarge("body")));
    let endless = Body::from_stream(Stream(Box::new(|| Step::Piece(Bytes::from_static(&[b' '; 1024])))));
    let refused = take(post().body(endless).unwrap()).await.err();
    assert_eq!(refused, Some(CallbackError::TooLarge("body")));

    let mut request = post().body(Body::from("12345")).unwrap();
    let mut small = CallbackLimits::default();
    small.body = 4;
    request.extensions_mut().insert(Intake::new().limits(small));
    assert_eq!(take(request).await.err(), Some(CallbackError::TooLarge("body")));

    let long = Request::post(format!("/?{}", "a".repeat(limits.target))).body(Body::empty());
    assert_eq!(take(long.unwrap()).await.err(), Some(CallbackError::TooLarge("target")));
    let mut many = post();
    for n in 0..=limits.headers {
        many = many.header(format!("x-{n}"), "1");
    }
    let many = many.body(Body::empty()).unwrap();
    assert!(matches!(take(many).await.err(), Some(CallbackError::TooLarge(_))));
}

#[tokio::test]
async fn a_sender_that_stops_or_breaks_off_is_not_waited_for() {
    let broken = post().body(pieces(&["{"], End::Break)).unwrap();
    assert_eq!(take(broken).await.err(), Some(CallbackError::Incomplete));
    let mut slow = post().body(pieces(&["{"], End::Never)).unwrap();
    slow.extensions_mut()
        .insert(Intake::new().deadline(Duration::from_millis(50)));
    assert_eq!(take(slow).await.err(), Some(CallbackError::Incomplete));
}

#[tokio::test]
async fn a_compressed_body_is_refused_as_it_stands() {
    for encoding in ["gzip", "br", "deflate", "identity, gzip", ""] {
        let request = post().header("content-encoding", encoding).body(Body::from("x"));
        assert_eq!(
            take(request.unwrap()).await.err(),
            Some(CallbackError::Encoded),
            "{encoding}"
        );
    }
}

#[tokio::test]
async fn the_time_of_receipt_is_that_of_the_clock_in_use() {
    #[derive(Debug)]
    struct Stopped;
    impl Clock for Stopped {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + Duration::from_secs(7)
        }
    }
    let mut request = post().body(Body::empty()).unwrap();
    request.extensions_mut().insert(Intake::new().clock(Stopped));
    assert_eq!(take(request).await.unwrap().received_at(), Stopped.now());
}

#[tokio::test]
async fn refusals_say_nothing_but_a_status() {
    for (error, status) in [
        (CallbackError::TooLarge("body"), StatusCode::PAYLOAD_TOO_LARGE),
        (CallbackError::Encoded, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (CallbackError::Incomplete, StatusCode::REQUEST_TIMEOUT),
    ] {
        let response = error.into_response();
        assert_eq!(response.status(), status);
        let body = ::axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        assert!(body.is_empty());
    }
}

#[tokio::test]
async fn answers_leave_byte_for_byte() {
    let mut acknowledgement = http::Response::new(Bytes::from_static(b"OK,"));
    acknowledgement
        .headers_mut()
        .insert("content-type", "text/plain; charset=Shift_JIS".parse().unwrap());
    let response = Reply(acknowledgement).into_response();
    assert_eq!(response.headers()["content-type"], "text/plain; charset=Shift_JIS");
    let body = ::axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
    assert_eq!(&body[..], b"OK,");

    let allowed = AllowedOrigins::new(["https://pay.example"]).unwrap();
    let target = || RedirectUrl::new("https://pay.example/x#y", &allowed).unwrap();
    let link = IntoResponse::into_response(Redirect::Get(target()));
    assert_eq!(
        (link.status().as_u16(), &link.headers()["location"]),
        (303, &"https://pay.example/x#y".parse().unwrap())
    );
    let form = IntoResponse::into_response(Redirect::Post(PostForm::new(target()).field("a", "1").unwrap()));
    assert_eq!(
        (form.status().as_u16(), &form.headers()["cache-control"]),
        (200, &"no-store".parse().unwrap())
    );
    let page = ::axum::body::to_bytes(form.into_body(), 64 * 1024).await.unwrap();
    assert!(String::from_utf8_lossy(&page).contains("Continue to payment"));
}

#[tokio::test]
async fn a_flood_of_what_cannot_be_taken_in_is_counted() {
    use kessai::GatewayId;
    use kessai::integrations::axum::answer;

    let (world, kept) = crate::security_events::world();
    let limits = CallbackLimits::default();
    for _ in 0..100 {
        let request = post().body(Body::from(vec![b' '; limits.body + 1])).unwrap();
        let taken = Result::<Callback, CallbackError>::from_request(request, &())
            .await
            .unwrap();
        let reply = answer(&world.cashier, &GatewayId::STRIPE, taken).await;
        assert_eq!(reply.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
    let request = post().header("content-encoding", "gzip").body(Body::from("x"));
    let reply = answer(&world.cashier, &GatewayId::STRIPE, take(request.unwrap()).await).await;
    assert_eq!(reply.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let told = kept.words();
    let refused = |reason: &str| {
        let line = format!("payment.callback.refused {reason}");
        told.iter().filter(|told| **told == line).count()
    };
    assert_eq!((refused("too_large"), refused("encoded")), (5, 1), "{told:?}");
    drop(world);
    assert_eq!(kept.words(), ["payment.callback.refused_burst too_large"]);
    // A gateway that is not there tells nothing.
    let (world, kept) = crate::security_events::world();
    let nobody = GatewayId::from_static("nobody");
    world.cashier.refused(&nobody, &CallbackError::Incomplete);
    assert!(kept.take().is_empty());
}
