//! The event sink: a process of its own that keeps the lines it is sent.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;

use super::Failure;
use super::child::{serve, text};

#[derive(Default)]
struct Kept {
    counts: BTreeMap<String, u64>,
    lines: Vec<u8>,
}

pub(crate) async fn run() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let kept: Arc<Mutex<Kept>> = Arc::default();
    let keep = Arc::clone(&kept);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let keep = Arc::clone(&keep);
            tokio::spawn(async move {
                let mut lines = BufReader::new(stream).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let event: Value = serde_json::from_str(&line).unwrap_or_default();
                    let name = text(&event, "event.action").unwrap_or("unreadable").to_owned();
                    let mut kept = keep.lock().unwrap_or_else(PoisonError::into_inner);
                    *kept.counts.entry(name).or_default() += 1;
                    kept.lines.extend_from_slice(line.as_bytes());
                    kept.lines.push(b'\n');
                }
            });
        }
    });
    serve(move |what, with| {
        let kept = Arc::clone(&kept);
        async move {
            match what.as_str() {
                "address" => Ok(json!(address)),
                // What came until now, in a file, and how much of what.
                "keep" => {
                    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    std::fs::File::create(text(&with, "file")?)?.write_all(&kept.lines)?;
                    Ok(json!(kept.counts))
                }
                _ => Err("the sink does not know this".into()),
            }
        }
    })
    .await
}
