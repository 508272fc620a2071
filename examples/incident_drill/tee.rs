//! A line into which everything passes that the store sends or receives, with every byte kept.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::Failure;

type Direction = Arc<Mutex<Vec<u8>>>;

/// What passed. Each direction of each connection is kept for itself, so that nothing gets between the halves of a value.
#[derive(Clone, Default)]
pub(crate) struct Traffic(Arc<Mutex<Vec<Direction>>>);

/// A port whose connections go on to an address.
pub(crate) struct Tee {
    pub(crate) address: SocketAddr,
    onward: Arc<Mutex<Option<SocketAddr>>>,
}

impl Tee {
    pub(crate) async fn start(traffic: &Traffic) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let onward: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        let (target, traffic) = (Arc::clone(&onward), traffic.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let target = *target.lock().unwrap_or_else(PoisonError::into_inner);
                let traffic = traffic.clone();
                tokio::spawn(async move {
                    let Some(target) = target else { return };
                    let Ok(far) = TcpStream::connect(target).await else {
                        return;
                    };
                    let _ = (near.set_nodelay(true), far.set_nodelay(true));
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    tokio::spawn(pass(near_in, far_out, traffic.direction()));
                    pass(far_in, near_out, traffic.direction()).await;
                });
            }
        });
        Ok(Self { address, onward })
    }

    pub(crate) fn leads_to(&self, address: SocketAddr) {
        *self.onward.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, kept: Direction) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        let bytes = piece.get(..read).unwrap_or_default();
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        if to.write_all(bytes).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

impl Traffic {
    fn direction(&self) -> Direction {
        let direction = Direction::default();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&direction));
        direction
    }

    /// The first message that begins so, holds this and does not hold that. Several may share a connection.
    pub(crate) fn first(&self, beginning: &str, with: &str, without: &str) -> Option<Vec<u8>> {
        let directions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        directions.iter().find_map(|direction| {
            let bytes = direction.lock().unwrap_or_else(PoisonError::into_inner);
            let places = |text: &str| -> Vec<usize> {
                let fits = |(at, window): (usize, &[u8])| (window == text.as_bytes()).then_some(at);
                bytes.windows(text.len()).enumerate().filter_map(fits).collect()
            };
            let begins = places(beginning);
            if begins.is_empty() {
                return None;
            }
            let ends = begins.iter().skip(1).copied().chain([bytes.len()]);
            let holds =
                |message: &[u8], text: &str| message.windows(text.len()).any(|window| window == text.as_bytes());
            begins.iter().zip(ends).find_map(|(begin, end)| {
                let message = bytes.get(*begin..end)?;
                (holds(message, with) && !holds(message, without)).then(|| message.to_vec())
            })
        })
    }

    /// Everything that passed until now.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for direction in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            all.extend_from_slice(&direction.lock().unwrap_or_else(PoisonError::into_inner));
            all.push(b'\n');
        }
        all
    }
}
