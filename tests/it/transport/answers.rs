//! What is read of an answer, how much of it, and for how long.

use std::fmt::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kessai::transport::{CallLimits, Transport, TransportErrorKind};

use super::server::{Server, Step, answer, say, wait};
use super::{error, failure, get, http, limits, within};

use TransportErrorKind::{Broken, Reply, Timeout};

/// How long this machine may be late.
const SLACK: Duration = Duration::from_secs(3);

#[tokio::test]
async fn nothing_outlives_the_deadline() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let drip = |first: &str| -> Vec<Step> {
        let mut steps = vec![say(first)];
        for _ in 0..200 {
            steps.extend([wait(50), say("x")]);
        }
        steps
    };
    for (name, script) in [
        ("no answer", vec![wait(20_000)]),
        ("slow status line", drip("HTTP/1.1 2")),
        ("slow headers", drip("HTTP/1.1 200 OK\r\nX-Slow: ")),
        ("no body", vec![say(head), wait(20_000)]),
        ("slow body", drip(head)),
        (
            "slow chunks",
            vec![
                say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"),
                wait(20_000),
            ],
        ),
        (
            "slow body without length",
            drip("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"),
        ),
        (
            "only the announcement of an answer",
            vec![Step::Endless(b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec())],
        ),
    ] {
        let server = Server::saying(script).await;
        let started = Instant::now();
        assert_eq!(
            failure(&server.url("/"), within(Duration::from_millis(400))).await,
            Timeout,
            "{name}"
        );
        assert!(started.elapsed() < SLACK, "{name}: {:?}", started.elapsed());
        assert!(
            started.elapsed() >= Duration::from_millis(400),
            "{name}: {:?}",
            started.elapsed()
        );
    }
}

#[tokio::test]
async fn a_request_that_nobody_reads_ends_at_the_deadline() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let request = http::Request::post(address)
        .body(Bytes::from(vec![b'x'; 32 << 20]))
        .unwrap();
    let started = Instant::now();
    let error = error(http().send(request, within(Duration::from_millis(400))).await);
    assert_eq!(error.kind, Timeout);
    assert!(started.elapsed() < SLACK);
}

#[tokio::test]
async fn no_time_at_all_is_a_timeout_and_nothing_is_sent() {
    for _ in 0..50 {
        let server = Server::saying(answer(200, "", "")).await;
        assert_eq!(failure(&server.url("/"), within(Duration::ZERO)).await, Timeout);
        assert_eq!(server.accepted(), 0);
    }
}

/// An answer of that many bytes, in the three ways HTTP/1.1 knows to end one.
fn ways(bytes: usize) -> [(&'static str, Vec<Step>); 3] {
    let body = "x".repeat(bytes);
    let mut chunks = String::new();
    for chunk in body.as_bytes().chunks(100) {
        write!(chunks, "{:x}\r\n{}\r\n", chunk.len(), "x".repeat(chunk.len())).unwrap();
    }
    [
        ("length", answer(200, "", &body)),
        (
            "chunked",
            vec![say(format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
            ))],
        ),
        (
            "until closed",
            vec![
                say(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}")),
                Step::Close,
            ],
        ),
    ]
}

#[tokio::test]
async fn an_answer_within_the_limit_is_read_and_one_byte_more_is_not() {
    for limit in [0, 1, 99, 100, 101, 1024] {
        let limits = CallLimits {
            total: Duration::from_secs(10),
            reply: limit,
        };
        for (way, script) in ways(limit) {
            let server = Server::saying(script).await;
            let reply = http().send(get(&server.url("/")), limits).await;
            assert_eq!(reply.unwrap().body().len(), limit, "{way}, {limit}");
        }
        for (way, script) in ways(limit + 1) {
            let server = Server::saying(script).await;
            assert_eq!(failure(&server.url("/"), limits).await, Reply, "{way}, {limit}");
        }
    }
}

#[tokio::test]
async fn an_announced_size_is_refused_before_the_body_comes() {
    for length in ["1025", "1048576", "9223372036854775807"] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        let server = Server::saying(vec![say(head), wait(20_000)]).await;
        let started = Instant::now();
        assert_eq!(failure(&server.url("/"), limits()).await, Reply, "{length}");
        assert!(started.elapsed() < SLACK, "{length}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_left_soon_after_its_limit() {
    let block = vec![b'x'; 16 * 1024];
    let mut chunk = format!("{:x}\r\n", block.len()).into_bytes();
    chunk.extend_from_slice(&block);
    chunk.extend_from_slice(b"\r\n");
    for (way, head, more) in [
        (
            "chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            chunk,
        ),
        ("until closed", "HTTP/1.1 200 OK\r\n\r\n", block.clone()),
        ("one header", "HTTP/1.1 200 OK\r\nX-Endless: ", block),
        ("many headers", "HTTP/1.1 200 OK\r\n", b"X-More: yes\r\n".to_vec()),
    ] {
        let server = Server::saying(vec![say(head), Step::Endless(more)]).await;
        let started = Instant::now();
        let kind = failure(&server.url("/"), limits()).await;
        assert!(
            started.elapsed() < Duration::from_secs(8),
            "{way}: {:?}",
            started.elapsed()
        );
        assert_eq!(kind, if way.contains("header") { Broken } else { Reply }, "{way}");
        // What the two sockets buffer is taken off the server too; no more than that.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(server.written() < 32 << 20, "{way}: {}", server.written());
    }
}

#[tokio::test]
async fn compressed_answers_are_not_read() {
    for headers in [
        "Content-Encoding: gzip\r\n",
        "Content-Encoding: GZIP\r\n",
        "Content-Encoding: x-gzip\r\n",
        "Content-Encoding: br\r\n",
        "Content-Encoding: deflate\r\n",
        "Content-Encoding: zstd\r\n",
        "Content-Encoding: compress\r\n",
        "Content-Encoding: identity, gzip\r\n",
        "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n",
        "Content-Encoding: aws-chunked\r\n",
        "Content-Encoding: \r\n",
        "Content-Encoding: \"identity\"\r\n",
    ] {
        let server = Server::saying(answer(200, headers, "\u{1f}not really")).await;
        assert_eq!(failure(&server.url("/"), limits()).await, Reply, "{headers}");
    }
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let server = Server::saying(vec![say(head)]).await;
    assert_eq!(failure(&server.url("/"), limits()).await, Reply);

    for headers in ["Content-Encoding: identity\r\n", "content-encoding:  IDENTITY \r\n"] {
        let server = Server::saying(answer(200, headers, "plain")).await;
        assert_eq!(
            http().send(get(&server.url("/")), limits()).await.unwrap().body(),
            "plain"
        );
    }
}

#[tokio::test]
async fn what_is_not_a_whole_http_answer_is_a_broken_connection() {
    let chunked = |rest: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}");
    for script in [
        String::new(),
        "H".to_owned(),
        "HTTP/1.1".to_owned(),
        "HTTP/1.1 200 OK\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Le".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551614\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\nab".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned(),
        "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n".to_owned(),
        "HTTP/1.1 abc\r\n\r\n".to_owned(),
        "HTTP/1.1 20 OK\r\n\r\n".to_owned(),
        "HTTP/9.9 200 OK\r\n\r\n".to_owned(),
        "HTTP/2 200 OK\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9.9\r\n".to_owned(),
        "<html>an old server's answer</html>\r\n".to_owned(),
        "\0\0\0\u{1}\r\n\r\n".to_owned(),
        "220 mail.example ESMTP\r\n".to_owned(),
        chunked(""),
        chunked("3\r\nab"),
        chunked("3\r\nabc"),
        chunked("3\r\nabc\r\n"),
        chunked("3\r\nabcd\r\n0\r\n\r\n"),
        chunked("zz\r\nabc\r\n0\r\n\r\n"),
        chunked("-1\r\nabc\r\n0\r\n\r\n"),
        chunked("ffffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
        chunked("3\r\nabc\r\n0\r\n"),
    ] {
        let server = Server::saying(vec![say(script.clone()), Step::Close]).await;
        assert_eq!(failure(&server.url("/"), limits()).await, Broken, "{script:?}");
        assert_eq!(server.requests().len(), 1, "{script:?}: sent once");
    }
}
