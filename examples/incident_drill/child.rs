//! Processes that take one line of JSON and answer with one. They end when their standard input does, so none outlives the
//! drill.

use std::collections::HashMap;
use std::fs::File;
use std::future::Future;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;

use super::Failure;

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// One of the drill's processes, seen from the drill.
pub(crate) struct Process {
    child: Child,
    stdin: tokio::sync::Mutex<Option<ChildStdin>>,
    waiting: Waiting,
    next: AtomicU64,
    pub(crate) pid: u32,
}

impl Process {
    /// Starts this very program in another role. What it writes is kept in two files of the folder.
    pub(crate) fn start(role: &str, logs: &Path) -> Result<Self, Failure> {
        std::fs::create_dir_all(logs)?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(logs.join("stderr.log"))?)
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take().ok_or("no standard input")?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let pid = child.id().ok_or("it has ended already")?;
        let waiting = Waiting::default();
        let (heard, mut log) = (Arc::clone(&waiting), File::create(logs.join("stdout.log"))?);
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = std::io::Write::write_all(&mut log, format!("{line}\n").as_bytes());
                let Ok(answer) = serde_json::from_str::<Value>(&line) else {
                    continue;
                };
                let id = answer.get("id").and_then(Value::as_u64).unwrap_or_default();
                if let Some(asker) = heard.lock().unwrap_or_else(PoisonError::into_inner).remove(&id) {
                    let _ = asker.send(answer);
                }
            }
            // Whoever waits still hears that nothing comes any more.
            heard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        });
        Ok(Self {
            child,
            stdin: tokio::sync::Mutex::new(Some(stdin)),
            waiting,
            next: AtomicU64::new(1),
            pid,
        })
    }

    /// Asks it to do something, and waits for the answer.
    pub(crate) async fn ask(&self, what: &str, with: Value) -> Result<Value, Failure> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (asker, answer) = oneshot::channel();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, asker);
        let line = format!("{}\n", json!({"id": id, "do": what, "with": with}));
        if let Some(stdin) = self.stdin.lock().await.as_mut() {
            stdin.write_all(line.as_bytes()).await?;
            stdin.flush().await?;
        }
        let mut answer = tokio::time::timeout(super::PATIENCE, answer)
            .await
            .map_err(|_| format!("{what}: no answer"))?
            .map_err(|_| format!("{what}: the process has ended"))?;
        match answer.get("failed").and_then(Value::as_str) {
            Some(why) => Err(format!("{what}: {why}").into()),
            None => Ok(answer.get_mut("done").map(Value::take).unwrap_or_default()),
        }
    }

    /// Ends it by closing its standard input, and waits for its end.
    pub(crate) async fn end(mut self) -> Result<(), Failure> {
        *self.stdin.lock().await = None;
        match tokio::time::timeout(super::PATIENCE, self.child.wait()).await {
            Ok(status) => {
                status?;
            }
            Err(_) => self.child.kill().await?,
        }
        Ok(())
    }
}

/// The other side: answers every line, several at a time, until standard input ends.
pub(crate) async fn serve<F, A>(act: F) -> Result<(), Failure>
where
    F: Fn(String, Value) -> A + Clone + Send + 'static,
    A: Future<Output = Result<Value, Failure>> + Send,
{
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let mut order: Value = serde_json::from_str(&line)?;
        let act = act.clone();
        tokio::spawn(async move {
            let id = order.get("id").cloned().unwrap_or_default();
            let what = order.get("do").and_then(Value::as_str).unwrap_or_default().to_owned();
            let with = order.get_mut("with").map(Value::take).unwrap_or_default();
            let answer = match act(what, with).await {
                Ok(done) => json!({"id": id, "done": done}),
                Err(error) => json!({"id": id, "failed": error.to_string()}),
            };
            println!("{answer}");
        });
    }
    Ok(())
}

/// A text of an answer.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str, Failure> {
    value
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| format!("{name} is missing").into())
}
