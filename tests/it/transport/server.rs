//! A server that says exactly the bytes it is told to, and counts who came.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

#[derive(Clone, Debug)]
pub enum Step {
    /// Write these bytes.
    Say(Vec<u8>),
    /// Let time pass.
    Wait(Duration),
    /// Write these bytes again and again until the other side has had enough.
    Endless(Vec<u8>),
    /// Close the connection instead of reading the next request.
    Close,
}

pub fn say(text: impl Into<Vec<u8>>) -> Step {
    Step::Say(text.into())
}

pub fn wait(milliseconds: u64) -> Step {
    Step::Wait(Duration::from_millis(milliseconds))
}

/// A whole answer with its length.
pub fn answer(status: u16, headers: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    vec![say(format!(
        "HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    ))]
}

#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    accepted: AtomicUsize,
    written: AtomicUsize,
    requests: Mutex<Vec<Vec<u8>>>,
}

impl Server {
    /// The n-th request, over whichever connection it comes, gets the n-th script; after the last one, the last.
    pub async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let scripts = Arc::new(scripts);
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&shared), Arc::clone(&scripts)));
            }
        });
        Self { address, state, task }
    }

    pub async fn saying(script: Vec<Step>) -> Self {
        Self::start(vec![script]).await
    }

    pub fn url(&self, rest: &str) -> String {
        format!("http://{}{rest}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// How many bytes of endless answers were taken off us.
    pub fn written(&self) -> usize {
        self.state.written.load(Ordering::SeqCst)
    }

    /// Every request so far, to the byte.
    pub fn requests(&self) -> Vec<Vec<u8>> {
        self.state.requests.lock().unwrap().clone()
    }

    /// Every request so far, as text in lower case.
    pub fn texts(&self) -> Vec<String> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().to_lowercase();
        self.requests().into_iter().map(text).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>, scripts: Arc<Vec<Vec<Step>>>) {
    while let Some(request) = read_request(&mut stream).await {
        let number = {
            let mut requests = state.requests.lock().unwrap();
            requests.push(request);
            requests.len() - 1
        };
        for step in &scripts[number.min(scripts.len() - 1)] {
            match step {
                Step::Say(bytes) => {
                    if stream.write_all(bytes).await.is_err() {
                        return;
                    }
                }
                Step::Wait(time) => tokio::time::sleep(*time).await,
                Step::Endless(bytes) => {
                    while stream.write_all(bytes).await.is_ok() {
                        state.written.fetch_add(bytes.len(), Ordering::SeqCst);
                    }
                    return;
                }
                Step::Close => return,
            }
        }
    }
}

/// Head and body of one request; none when the other side closed.
async fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.ok()?;
        if read == 0 {
            return None;
        }
        request.extend_from_slice(&buffer[..read]);
        let Some(head) = request.windows(4).position(|part| part == b"\r\n\r\n") else {
            continue;
        };
        let text = String::from_utf8_lossy(&request[..head]).to_lowercase();
        let length: usize = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        if request.len() >= head + 4 + length {
            return Some(request);
        }
    }
}
