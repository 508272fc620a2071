//! A private PostgreSQL for a test or an example, started by `serve.sh` beside this file. It is gone when this process is.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A server that runs until this is dropped, or this process ends in any other way.
#[derive(Debug)]
pub struct Server {
    config: String,
    script: Child,
    // Its end is the sign to stop.
    stdin: Option<ChildStdin>,
}

impl Server {
    /// Starts one that is durable as in earnest. The error says what is missing, or what went wrong.
    pub fn start() -> Result<Self, String> {
        Self::start_as(&[])
    }

    /// Starts one that forces nothing to disk.
    #[allow(dead_code, reason = "the example wants the other one")]
    pub fn start_forgetful() -> Result<Self, String> {
        Self::start_as(&["forgetful"])
    }

    fn start_as(how: &[&str]) -> Result<Self, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres/serve.sh");
        let mut script = Command::new("sh")
            .arg(script)
            .args(how)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the script cannot be run: {error}"))?;
        let stdin = script.stdin.take();
        let stdout = script.stdout.take().ok_or("the script has no output")?;
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        read.map_err(|error| format!("the script says nothing: {error}"))?;
        if let Some(config) = line.trim_end().strip_prefix("ready ") {
            return Ok(Self {
                config: config.to_owned(),
                script,
                stdin,
            });
        }
        drop(stdin);
        let _ = script.wait();
        let missing = line.trim_end().strip_prefix("missing ");
        Err(missing.unwrap_or("PostgreSQL did not start").to_owned())
    }

    /// How to connect, as a connection string.
    pub fn config(&self) -> &str {
        &self.config
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.script.wait();
    }
}
