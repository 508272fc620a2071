//! The listener in front of `wiremock`: one fresh `wiremock` server per connection, and a pipe between the two.
//!
//! Why not let `wiremock` listen by itself (0.6.5, read 2026-11):
//! - it keeps a copy of every matched request for as long as the server lives, recording switched off or not. The hosted
//!   page receives card numbers, and those are used and forgotten here. A server that lives as long as one connection
//!   forgets with it, and replies to a form with card data close their connection;
//! - it answers one request at a time under a lock, which hides every race a client has;
//! - it can delay a reply but not send it slowly, or break off in the middle. The pipe can.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use super::MockError;

/// What a simulator answers, and how the bytes travel.
#[derive(Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(http::HeaderName, http::HeaderValue)>,
    pub(super) mime: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) delay: Option<Duration>,
    pub(super) travel: Travel,
}

/// How the bytes of one reply reach the client.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Travel {
    /// As fast as they come.
    #[default]
    Whole,
    /// The connection breaks after this many bytes, status line included.
    CutAfter(usize),
    /// A few bytes at a time.
    Drip { bytes: usize, pause: Duration },
}

/// A reply of these bytes that arrives as it should.
pub(super) fn reply(status: u16, mime: &'static str, body: Vec<u8>) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        mime,
        body,
        delay: None,
        travel: Travel::Whole,
    }
}

/// A simulated gateway: a pure question-and-answer machine over its own state.
pub(super) trait Play: Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, request: &Request) -> Reply;
}

/// Listens on 127.0.0.1, on this port or on any free one if it is 0.
pub(super) fn listen(port: u16) -> Result<(TcpListener, SocketAddr), MockError> {
    let error = |source| MockError::Listen { port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(error)?;
    listener.set_nonblocking(true).map_err(error)?;
    let address = listener.local_addr().map_err(error)?;
    Ok((listener, address))
}

/// The listening part of a simulator. Dropping it closes the port, every connection and every background task.
pub(super) struct Front {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Front {
    /// Answers who connects and runs `background` beside it, on a thread of its own, so that a test that blocks its
    /// runtime does not stop the simulator.
    pub(super) fn start<B>(listener: TcpListener, play: Arc<dyn Play>, background: B) -> Result<Self, MockError>
    where
        B: Future<Output = ()> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| MockError::Start(error.to_string()))?;
        let (stop, mut stopped) = watch::channel(false);
        let thread = std::thread::Builder::new()
            .name("kessai-mock".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    tokio::select! {
                        () = accept(listener, play) => {}
                        () = background => {}
                        _ = stopped.changed() => {}
                    }
                });
                runtime.shutdown_background();
            })
            .map_err(|error| MockError::Start(error.to_string()))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // Joined, so that the port is free again when the simulator is gone.
            drop(thread.join());
        }
    }
}

async fn accept(listener: TcpListener, play: Arc<dyn Play>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    loop {
        match listener.accept().await {
            Ok((client, _)) => drop(tokio::spawn(serve(client, Arc::clone(&play)))),
            // Out of file handles and the like: wait a little rather than spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// One connection: its own `wiremock` server, which goes away with it.
async fn serve(client: TcpStream, play: Arc<dyn Play>) {
    let travel = Arc::new(Mutex::new(Travel::Whole));
    let server = MockServer::builder().disable_request_recording().start().await;
    let responder = Responder {
        play,
        travel: Arc::clone(&travel),
    };
    Mock::given(matchers::any())
        .respond_with(responder)
        .mount(&server)
        .await;
    let Ok(upstream) = TcpStream::connect(server.address()).await else {
        return;
    };
    drop(client.set_nodelay(true));
    drop(upstream.set_nodelay(true));
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = upstream.into_split();
    let questions = tokio::spawn(pump_requests(client_in, server_out));
    pump_replies(&server_in, client_out, &travel).await;
    questions.abort();
}

struct Responder {
    play: Arc<dyn Play>,
    travel: Arc<Mutex<Travel>>,
}

impl Respond for Responder {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let reply = self.play.answer(request);
        *self.travel.lock().unwrap_or_else(PoisonError::into_inner) = reply.travel;
        let mut template = ResponseTemplate::new(reply.status).set_body_raw(reply.body, reply.mime);
        for (name, value) in reply.headers {
            template = template.append_header(name, value);
        }
        if reply.travel != Travel::Whole {
            template = template.insert_header(http::header::CONNECTION, http::HeaderValue::from_static("close"));
        }
        match reply.delay {
            Some(delay) => template.set_delay(delay),
            None => template,
        }
    }
}

/// Dropping the write half at the end passes the client's end of stream on.
async fn pump_requests(from: OwnedReadHalf, to: OwnedWriteHalf) {
    while let Some(bytes) = read(&from).await {
        if !write(&to, &bytes).await {
            return;
        }
    }
}

async fn pump_replies(from: &OwnedReadHalf, to: OwnedWriteHalf, travel: &Mutex<Travel>) {
    let mut sent = 0_usize;
    while let Some(bytes) = read(from).await {
        let now = *travel.lock().unwrap_or_else(PoisonError::into_inner);
        let delivered = match now {
            Travel::Whole => write(&to, &bytes).await,
            Travel::CutAfter(limit) => {
                let left = limit.saturating_sub(sent);
                sent = sent.saturating_add(bytes.len());
                match bytes.get(..left) {
                    // The rest of this reply never leaves.
                    Some(head) => {
                        write(&to, head).await;
                        false
                    }
                    None => write(&to, &bytes).await,
                }
            }
            Travel::Drip { bytes: size, pause } => drip(&to, &bytes, size, pause).await,
        };
        if !delivered {
            return;
        }
    }
}

async fn drip(to: &OwnedWriteHalf, bytes: &[u8], size: usize, pause: Duration) -> bool {
    for piece in bytes.chunks(size.max(1)) {
        if !write(to, piece).await {
            return false;
        }
        tokio::time::sleep(pause).await;
    }
    true
}

/// `None` at the end of the stream, or when it broke.
async fn read(from: &OwnedReadHalf) -> Option<Vec<u8>> {
    let mut buffer = vec![0_u8; 16 * 1024];
    loop {
        from.readable().await.ok()?;
        match from.try_read(&mut buffer) {
            Ok(0) => return None,
            Ok(read) => {
                buffer.truncate(read);
                return Some(buffer);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}

async fn write(to: &OwnedWriteHalf, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        if to.writable().await.is_err() {
            return false;
        }
        match to.try_write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
    }
    true
}
