//! Finds the installed judges, and runs them as child processes that end with the test.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

/// `tests/interop` of this crate.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

/// The pinned npm package `name`, installed. Without it the test is skipped, or fails where nothing may be skipped.
pub fn npm(name: &str) -> Option<PathBuf> {
    let installed = directory().join("node_modules").join(name);
    let have = json(&installed.join("package.json")).map(|package| package["version"].clone());
    let pinned = json(&directory().join("package.json")).map(|package| package["dependencies"][name].clone());
    match (have, pinned) {
        (Some(have), Some(pinned)) if have == pinned => Some(installed),
        _ => missing("run 'npm ci' in tests/interop"),
    }
}

/// The interpreter of the virtual environment that has the pinned packages of `requirements.txt`.
pub fn python() -> Option<PathBuf> {
    let interpreter = directory().join(".venv/bin/python");
    let pinned = std::fs::read_to_string(directory().join("requirements.txt")).unwrap_or_default();
    let pinned = pinned.lines().find_map(|line| line.strip_prefix("stripe=="));
    let have = std::fs::read_dir(directory().join(".venv/lib"))
        .ok()
        .and_then(|mut found| found.next())
        .and_then(Result::ok)
        .map(|python| python.path().join("site-packages"));
    match (pinned, have) {
        (Some(pinned), Some(have)) if have.join(format!("stripe-{pinned}.dist-info")).exists() => Some(interpreter),
        _ => missing("run 'sh set-up.sh' in tests/interop"),
    }
}

#[allow(clippy::print_stdout, reason = "how a test that cannot run says so")]
fn missing(why: &str) -> Option<PathBuf> {
    assert!(
        std::env::var_os("KESSAI_CI").is_none_or(|value| value != "1"),
        "nothing may be skipped here: {why}"
    );
    println!("skipped: {why}");
    None
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// A child that is ended with its handle and sees nothing of our environment: no proxy, no credential.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LANG", "C.UTF-8")
        .current_dir(directory())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// A port of 127.0.0.1 that was free a moment ago.
pub fn free_port() -> u16 {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    probe.local_addr().unwrap().port()
}
