//! What a message costs the ledger before its origin is proven (PAY-30): nothing where there is a signature, and where there is
//! none, or a name stands in a browser's address, one look-up by that name. Nothing is written for a name that is not known.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use kessai::ledger::Ledger;
use kessai::{Callback, Cashier, Clock, Standing};

use super::flood::{Counted, forged};
use crate::fuzz_smoke::targets::line::{self, now};
use crate::fuzz_smoke::targets::shop::{self, ATTEMPT, GMOPG_SHOP, Shop, TOKEN};
use crate::support::around::{Calls, Surrounded};

const MESSAGES: u64 = 10_000;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> SystemTime {
        *shop::START_TIME
    }
}

/// A store whose ledger counts what is asked of it.
struct Counting {
    cashier: Cashier,
    ledger: Arc<dyn Ledger>,
    calls: Arc<Calls>,
    shop: &'static Shop,
}

impl Counting {
    fn new(shop: &'static Shop) -> Self {
        let (ledger, calls) = (shop::ledger(shop), Arc::new(Calls::default()));
        let cashier = Cashier::builder(Surrounded::new(Arc::clone(&ledger), Arc::clone(&calls)))
            .shared_gateway(Arc::clone(&shop.gateway))
            .security_sink(Counted::default())
            .clock(Still);
        line::set(Vec::new());
        Self {
            cashier: cashier.build().unwrap(),
            ledger,
            calls,
            shop,
        }
    }

    fn deliver(&self, request: Request<Bytes>) {
        let callback = Callback::new(request, *shop::START_TIME).unwrap();
        let _ = now(self.cashier.callback(&self.shop.id(), callback));
    }

    fn come_back(&self, query: &str) -> Standing {
        let request = Request::get(format!("/pay/{}/return{query}", self.shop.id()));
        let callback = Callback::new(request.body(Bytes::new()).unwrap(), *shop::START_TIME).unwrap();
        now(self.cashier.returned(&self.shop.id(), callback)).standing
    }

    /// What the messages of these numbers asked of the ledger.
    fn asked_by(&self, message: impl Fn(u64) -> Request<Bytes>) -> Vec<(&'static str, u64)> {
        let (head, before) = (now(self.ledger.head()).unwrap(), self.attempt());
        let _ = self.calls.take();
        for n in 0..MESSAGES {
            self.deliver(message(n));
        }
        assert_eq!(now(self.ledger.head()).unwrap(), head, "a record was left");
        assert!(line::asked().is_empty(), "somebody was asked");
        assert_eq!(before.0, self.attempt().0);
        self.calls.take()
    }

    /// The state of the one attempt, and when it is due.
    fn attempt(&self) -> (kessai::PaymentStatus, Option<SystemTime>) {
        let attempt = now(self.ledger.attempt(&ATTEMPT.parse().unwrap())).unwrap().unwrap();
        (attempt.status, attempt.next_ask)
    }
}

fn costs_nothing(shop: &'static Shop) {
    let store = Counting::new(shop);
    let name = shop.id();
    let calls = store.asked_by(|n| forged(name.as_str(), n));
    assert_eq!(calls, [], "{name}: {MESSAGES} messages without proof");
}

#[test]
fn ten_thousand_unproven_messages_at_stripe_ask_nothing_of_the_ledger() {
    costs_nothing(&shop::STRIPE);
}

#[test]
fn ten_thousand_unproven_messages_at_komoju_ask_nothing_of_the_ledger() {
    costs_nothing(&shop::KOMOJU);
}

#[test]
fn ten_thousand_unproven_messages_at_sbps_ask_nothing_of_the_ledger() {
    costs_nothing(&shop::SBPS);
    costs_nothing(&shop::SBPS_API);
}

fn hint(shop: &str, order: &str, n: u64) -> Request<Bytes> {
    let body = format!("ShopID={shop}&OrderID={order}&Status=CAPTURE&Amount=1980&AccessID=a{n}");
    Request::post("/pay/gmopg/notification")
        .body(Bytes::from(body))
        .unwrap()
}

/// GMO Payment Gateway signs nothing, so a name is all there is to go by: it is looked up, and an attempt of that name is due.
#[test]
fn an_unsigned_message_at_gmopg_costs_one_look_up_and_a_known_name_is_made_due_once() {
    let store = Counting::new(&shop::GMOPG);
    let others = store.asked_by(|n| hint("tshop99999999", ATTEMPT, n));
    assert_eq!(others, [], "of another shop");
    let nonsense = store.asked_by(|n| forged("gmopg", 4 * n + 3));
    assert_eq!(nonsense, [], "no message of the gateway");
    let (_, due) = store.attempt();
    let unknown = store.asked_by(|n| hint(GMOPG_SHOP, &format!("x{n}"), n));
    assert_eq!(
        unknown,
        [("find", MESSAGES)],
        "a name that is not known is looked up, and that is all"
    );
    assert_eq!(store.attempt().1, due);
    store.deliver(hint(GMOPG_SHOP, ATTEMPT, 0));
    let first = store.attempt();
    let known = store.asked_by(|n| hint(GMOPG_SHOP, ATTEMPT, n));
    assert_eq!(
        known,
        [("find", MESSAGES), ("make_due", MESSAGES)],
        "one look-up, and one word to the sweep"
    );
    assert_eq!(store.attempt(), first, "made due by the first, and due it stays");
}

/// A return is known by its attempt's token. The attempt is looked up by its name once the address has both.
#[test]
fn a_return_without_its_token_costs_one_look_up_at_most_and_writes_nothing() {
    for shop in [&*shop::STRIPE, &*shop::KOMOJU, &*shop::GMOPG, &*shop::SBPS_API] {
        let store = Counting::new(shop);
        let head = now(store.ledger.head()).unwrap();
        let before = store.attempt();
        let unknown = ATTEMPT.replace("fz0", "fz1");
        let cost = |query: String, wanted: &[(&str, u64)]| {
            assert_eq!(store.come_back(&query), Standing::Unknown, "{query}");
            assert_eq!(store.calls.take(), wanted, "{}, {query}", shop.id());
        };
        for n in 0..1_000 {
            for nothing in [
                String::new(),
                format!("?n={n}"),
                format!("?attempt={ATTEMPT}&n={n}"),
                format!("?state={TOKEN}&n={n}"),
                format!("?attempt={ATTEMPT}&state={TOKEN}&state={n}"),
                format!("?attempt=%FF{n}&state={TOKEN}"),
            ] {
                cost(nothing, &[]);
            }
            cost(format!("?attempt={ATTEMPT}&state=x{n}"), &[("attempt", 1)]);
            cost(format!("?attempt={unknown}&state={TOKEN}&n={n}"), &[("attempt", 1)]);
        }
        assert_eq!(now(store.ledger.head()).unwrap(), head);
        assert_eq!(store.attempt(), before);
        assert!(line::asked().is_empty());
    }
    let store = Counting::new(&shop::STRIPE);
    let _ = store.come_back(&format!("?attempt={ATTEMPT}&state={TOKEN}"));
    let calls = store.calls.take();
    assert!(
        calls.iter().any(|(call, _)| *call == "note"),
        "with its token it is one: {calls:?}"
    );
}
