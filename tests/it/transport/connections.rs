//! How connections come to be, are kept, and break.

use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use kessai::transport::{HttpTransport, Transport, TransportErrorKind};
use tokio::net::{TcpSocket, TcpStream};

use super::server::{Server, Step, answer, say, wait};
use super::{error, failure, get, http, limits, within};

#[tokio::test]
async fn nobody_listening_means_nothing_was_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for host in ["127.0.0.1", "localhost"] {
        let kind = failure(&format!("http://{host}:{port}/"), limits()).await;
        assert_eq!(kind, TransportErrorKind::Connect, "{host}");
    }
}

#[tokio::test]
async fn a_connection_that_does_not_come_to_be_in_time_means_nothing_was_sent() {
    // A listener with a full queue lets further connections hang.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    let full = loop {
        match tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            Ok(Ok(stream)) if queue.len() < 64 => queue.push(stream),
            Err(_) => break true,
            Ok(_) => break false,
        }
    };
    if !full {
        println!("skipped: this system does not let connections hang");
        return;
    }
    let transport = HttpTransport::builder()
        .connect_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let started = Instant::now();
    let error = error(transport.send(get(&format!("http://{address}/")), limits()).await);
    assert_eq!(error.kind, TransportErrorKind::Connect);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_connection_that_closes_after_the_request_may_have_carried_it() {
    let server = Server::saying(vec![Step::Close]).await;
    assert_eq!(failure(&server.url("/"), limits()).await, TransportErrorKind::Broken);
    let server = Server::saying(vec![wait(50), Step::Close]).await;
    assert_eq!(failure(&server.url("/"), limits()).await, TransportErrorKind::Broken);
    assert_eq!(server.requests().len(), 1, "the transport does not try again by itself");
}

#[tokio::test]
async fn one_transport_keeps_one_connection_for_calls_in_a_row() {
    let server = Server::saying(answer(200, "", "ok")).await;
    let transport = http();
    for number in 0..5 {
        // Clones share it too.
        let reply = transport
            .clone()
            .send(get(&server.url(&format!("/{number}"))), limits())
            .await;
        assert_eq!(reply.unwrap().body(), "ok");
        // The connection goes back to its pool after the answer was handed out.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((server.accepted(), server.requests().len()), (1, 5));
}

#[tokio::test]
async fn without_idle_time_every_call_connects() {
    let server = Server::saying(answer(200, "", "ok")).await;
    let transport = HttpTransport::builder().pool_idle(Duration::ZERO).build().unwrap();
    for _ in 0..3 {
        transport.send(get(&server.url("/")), limits()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.accepted(), 3);
}

#[tokio::test]
async fn an_idle_connection_is_given_up_after_its_time() {
    let server = Server::saying(answer(200, "", "ok")).await;
    let transport = HttpTransport::builder()
        .pool_idle(Duration::from_millis(300))
        .build()
        .unwrap();
    for (pause, connections) in [(0, 1), (20, 1), (700, 2)] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        transport.send(get(&server.url("/")), limits()).await.unwrap();
        assert_eq!(server.accepted(), connections, "after {pause} ms");
    }
}

#[tokio::test]
async fn a_kept_connection_that_the_gateway_closed_is_replaced() {
    let closing = vec![answer(200, "", "ok")[0].clone(), Step::Close];
    let server = Server::saying(closing).await;
    let transport = http();
    for _ in 0..3 {
        assert_eq!(
            transport.send(get(&server.url("/")), limits()).await.unwrap().body(),
            "ok"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((server.accepted(), server.requests().len()), (3, 3));
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_the_next_one() {
    let mut late = vec![wait(400)];
    late.extend(answer(200, "", "late"));
    let server = Server::start(vec![late, answer(200, "", "second")]).await;
    let transport = http();
    let first = error(
        transport
            .send(get(&server.url("/1")), within(Duration::from_millis(150)))
            .await,
    );
    assert_eq!(first.kind, TransportErrorKind::Timeout);
    tokio::time::sleep(Duration::from_millis(400)).await;
    let second = transport.send(get(&server.url("/2")), limits()).await.unwrap();
    assert_eq!(second.body(), "second");
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn what_was_left_unread_is_never_taken_for_the_next_answer() {
    let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    let long = format!("{}{forged}", "x".repeat(2000));
    let server = Server::start(vec![
        answer(200, "", &long),
        // More after the end of an answer than the answer.
        vec![say(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{forged}"))],
        answer(200, "", "third"),
    ])
    .await;
    let transport = http();
    let first = error(transport.send(get(&server.url("/1")), limits()).await);
    assert_eq!(first.kind, TransportErrorKind::Reply);
    assert_eq!(
        transport.send(get(&server.url("/2")), limits()).await.unwrap().body(),
        "ok"
    );
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(
        transport.send(get(&server.url("/3")), limits()).await.unwrap().body(),
        "third"
    );
}

#[tokio::test]
async fn cookies_are_not_kept() {
    let server = Server::saying(answer(200, "Set-Cookie: session=abc\r\n", "")).await;
    let transport = http();
    for _ in 0..2 {
        transport.send(get(&server.url("/")), limits()).await.unwrap();
    }
    assert!(server.texts().iter().all(|text| !text.contains("cookie")));
}

#[tokio::test]
async fn a_pause_lasts_as_long_as_it_was_asked_to() {
    let started = Instant::now();
    http().pause(Duration::from_millis(120)).await;
    assert!(started.elapsed() >= Duration::from_millis(120));
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn without_a_runtime_nothing_is_sent_and_nothing_panics() {
    let transport = http();
    let mut sending = transport.send(get("http://127.0.0.1:1/"), limits());
    match sending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => assert_eq!(error(result).kind, TransportErrorKind::Refused),
        Poll::Pending => panic!("it waits for something"),
    }
}
