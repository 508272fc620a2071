//! Where a gateway really delivers to: an address on this machine, with a cashier behind it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use kessai::mock::Clock;
use kessai::{Callback, Cashier, GatewayId};

/// Real time that a delivery may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a store says instead of what the cashier says: status, type, body.
pub type Words = (u16, &'static str, &'static str);

/// The store's end of deliveries. Clones are the same.
#[derive(Clone, Default)]
pub struct Inbox(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    bodies: Vec<Bytes>,
    answers: VecDeque<Words>,
    desk: Option<Cashier>,
}

impl Inbox {
    /// Listens for what this gateway sends, and gives the store's address, too.
    pub async fn listen(gateway: GatewayId, clock: Clock) -> (Self, String) {
        let inbox = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let own = inbox.clone();
        let take = move |method: Method, uri: http::Uri, headers: HeaderMap, body: Bytes| async move {
            let (words, desk) = {
                let mut inside = own.0.lock().unwrap();
                inside.bodies.push(body.clone());
                (inside.answers.pop_front(), inside.desk.clone())
            };
            if let Some((status, mime, body)) = words {
                let status = StatusCode::from_u16(status).unwrap();
                return (status, [("content-type", mime.to_owned())], Bytes::from(body));
            }
            let mut request = http::Request::new(body);
            *request.method_mut() = method;
            *request.uri_mut() = uri.path().parse().unwrap();
            *request.headers_mut() = headers;
            let callback = Callback::new(request, clock.now()).unwrap();
            let reply = desk.unwrap().callback(&gateway, callback).await;
            let mime = reply.headers()["content-type"].to_str().unwrap().to_owned();
            (reply.status(), [("content-type", mime)], reply.into_body())
        };
        let app = axum::Router::new().fallback(take);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (inbox, address)
    }

    /// Hands everything that comes from now on to this cashier.
    pub fn hand_to(&self, cashier: &Cashier) {
        self.0.lock().unwrap().desk = Some(cashier.clone());
    }

    /// The next deliveries get these answers, whatever the cashier would say; it does not hear of them.
    pub fn answer(&self, words: impl IntoIterator<Item = Words>) {
        self.0.lock().unwrap().answers.extend(words);
    }

    /// The bodies that came, in order.
    pub fn received(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().bodies.clone()
    }
}
