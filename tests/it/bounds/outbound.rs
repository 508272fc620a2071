//! Answers of a gateway that does not keep to the rules, over a real socket and through each gateway's own questions.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kessai::gateways::gmopg::GmoPg;
use kessai::gateways::komoju::Komoju;
use kessai::gateways::sbps::{Sbps, ShopId};
use kessai::gateways::stripe::Stripe;
use kessai::sign::SigningKeys;
use kessai::transport::{HttpTransport, RetryPolicy};
use kessai::{Addresses, ApiKey, Environment, Error, ErrorKind, Gateway, GatewayId, MerchantAccount, Outcome};
use tokio::runtime::Runtime;

use crate::fuzz_smoke::targets::shop::{self, Shop};

/// The most bytes of an answer here.
const LIMIT: usize = 256 * 1024;
/// The longest a question may take.
const DEADLINE: Duration = Duration::from_millis(1500);
const SLACK: Duration = Duration::from_secs(10);

/// How the other side answers.
#[derive(Clone)]
struct Way {
    name: &'static str,
    head: &'static str,
    /// Written again and again, with a wait behind each, until the asker has had enough; nothing of it if it is empty.
    more: Vec<u8>,
    wait: Duration,
    kind: ErrorKind,
}

fn chunk(bytes: usize) -> Vec<u8> {
    [format!("{bytes:x}\r\n").as_bytes(), &vec![b'['; bytes], b"\r\n"].concat()
}

fn ways() -> Vec<Way> {
    let way = |name, head, more: &[u8], wait, kind| Way {
        name,
        head,
        more: more.to_vec(),
        wait: Duration::from_millis(wait),
        kind,
    };
    vec![
        way(
            "gigabytes, announced",
            "content-length: 8000000000\r\n\r\n",
            &[b'['; 65536],
            0,
            ErrorKind::Protocol,
        ),
        way(
            "gigabytes, in chunks",
            "transfer-encoding: chunked\r\n\r\n",
            &chunk(65536),
            0,
            ErrorKind::Protocol,
        ),
        way(
            "gigabytes, until closed",
            "connection: close\r\n\r\n",
            &[b'{'; 65536],
            0,
            ErrorKind::Protocol,
        ),
        way(
            "a byte now and then",
            "content-length: 60000\r\n\r\n",
            b"{",
            20,
            ErrorKind::Timeout,
        ),
        way("nothing", "content-length: 10\r\n\r\n", b"", 0, ErrorKind::Timeout),
        way(
            "a header without end",
            "x-long: ",
            &[b'x'; 65536],
            0,
            ErrorKind::Transport,
        ),
        way("headers without end", "", b"x-more: yes\r\n", 0, ErrorKind::Transport),
        way("a header now and then", "", b"x-more: yes\r\n", 20, ErrorKind::Timeout),
        way(
            "gzip",
            "content-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x0b\x08\0",
            b"",
            0,
            ErrorKind::Protocol,
        ),
        way(
            "br on gzip",
            "content-encoding: gzip, br\r\ncontent-length: 2\r\n\r\n{}",
            b"",
            0,
            ErrorKind::Protocol,
        ),
        way(
            "gzip twice",
            "content-encoding: gzip\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
            b"",
            0,
            ErrorKind::Protocol,
        ),
    ]
}

/// Answers every request in this way, in threads of its own so that its memory is not the asker's.
fn serve(way: Way) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, way) = (stream.unwrap(), way.clone());
            std::thread::spawn(move || {
                let mut request = [0; 16 * 1024];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{}", way.head).as_bytes());
                if way.more.is_empty() {
                    std::thread::sleep(DEADLINE + SLACK);
                    return;
                }
                // It ends when the asker has had enough, and at some time in any case.
                let started = Instant::now();
                while started.elapsed() < SLACK && stream.write_all(&way.more).is_ok() {
                    std::thread::sleep(way.wait);
                }
            });
        }
    });
    address
}

fn policy(deadline: Duration) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.tries = 1;
    policy.total = deadline;
    policy.per_try = deadline;
    policy.reply = LIMIT;
    policy
}

/// Each gateway, asking at this address.
fn gateways(address: SocketAddr, deadline: Duration) -> Vec<(Arc<dyn Gateway>, &'static Shop)> {
    let url = format!("http://{address}");
    let key = || ApiKey::new("sk_test_0123456789abcdef").unwrap();
    let keys = |text: &str| SigningKeys::from_texts([text]).unwrap();
    let own = |name: &str| Addresses::new("https://shop.example", &format!("/pay/{name}")).unwrap();
    let transport = || Arc::new(HttpTransport::new().unwrap());
    let stripe = Stripe::builder(key(), keys(shop::STRIPE_KEY), own("stripe")).endpoint(&url);
    let komoju = Komoju::builder(key(), keys(shop::KOMOJU_KEY), own("komoju")).endpoint(&url);
    let account = MerchantAccount::new(shop::GMOPG_SHOP).unwrap();
    let pass = ApiKey::new(shop::GMOPG_PASS).unwrap();
    let gmopg = GmoPg::builder(account, pass, "shop01", Environment::Sandbox, own("gmopg")).endpoint(&url);
    let id = ShopId::new("99661", "001").unwrap();
    let sbps = Sbps::builder(Environment::Sandbox, id, keys(shop::SBPS_KEY), own("sbps"));
    let sbps = sbps
        .api(ApiKey::new("basic-word-of-the-api-type").unwrap())
        .api_endpoint(&url);
    vec![
        (
            Arc::new(stripe.transport(transport()).retry(policy(deadline)).build().unwrap()),
            &shop::STRIPE,
        ),
        (
            Arc::new(komoju.transport(transport()).retry(policy(deadline)).build().unwrap()),
            &shop::KOMOJU,
        ),
        (
            Arc::new(gmopg.transport(transport()).retry(policy(deadline)).build().unwrap()),
            &shop::GMOPG,
        ),
        (
            Arc::new(sbps.transport(transport()).retry(policy(deadline)).build().unwrap()),
            &shop::SBPS_API,
        ),
    ]
}

/// What is asked, with its error if it has no answer.
type Ask = fn(&Runtime, &dyn Gateway, &Shop) -> Option<Error>;

fn status(runtime: &Runtime, gateway: &dyn Gateway, shop: &Shop) -> Option<Error> {
    runtime.block_on(gateway.status(&shop.attempt, *shop::START_TIME)).err()
}

fn checkout(runtime: &Runtime, gateway: &dyn Gateway, shop: &Shop) -> Option<Error> {
    runtime
        .block_on(gateway.checkout(&shop.attempt.expected, &shop.request))
        .err()
}

fn every_way(ask: Ask, deadline: Duration, asks: impl Fn(&Shop) -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let asked = |address| gateways(address, deadline).into_iter().filter(|(_, shop)| asks(shop));
    // Once without measuring: what is loaded once (roots of trust, names) is no answer's cost.
    for (gateway, shop) in asked(serve(ways()[8].clone())) {
        assert!(ask(&runtime, gateway.as_ref(), shop).is_some());
    }
    for way in ways() {
        let address = serve(way.clone());
        for (gateway, shop) in asked(address) {
            let what = format!("{}, {}", gateway.id(), way.name);
            let started = Instant::now();
            let mut answer: Option<Error> = None;
            let memory = allocation_counter::measure(|| {
                answer = ask(&runtime, gateway.as_ref(), shop);
            });
            let (took, error) = (started.elapsed(), answer.expect("no answer"));
            println!(
                "{what}: {:?} after {took:.1?}, at most {} bytes",
                error.kind(),
                memory.bytes_max
            );
            assert_eq!(error.kind(), way.kind, "{what}: {error}");
            assert_eq!(error.outcome(), Outcome::Unknown, "{what}");
            assert!(took < deadline + SLACK, "{what}: {took:?}");
            // The answer while it grows, what the connection buffers, and the client.
            assert!(
                memory.bytes_max < 8 * LIMIT as u64,
                "{what}: {} bytes",
                memory.bytes_max
            );
        }
        // The drips cost a deadline for each gateway; one after the other they stay within the time of a test.
    }
}

#[test]
fn an_answer_out_of_bounds_costs_bounded_time_and_memory_and_is_the_right_error() {
    every_way(status, DEADLINE, |_| true);
}

/// The page may exist or not: the answer that would have told is unusable, and so the attempt stays open.
#[test]
fn an_answer_out_of_bounds_to_a_checkout_is_an_unknown_outcome_within_the_same_bounds() {
    // At SBPS the browser takes the form there, and nothing is asked.
    every_way(checkout, DEADLINE / 2, |shop| shop.id() != GatewayId::SBPS);
}
