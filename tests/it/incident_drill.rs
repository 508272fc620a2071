//! The incident drill, run as the program it is.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The drill gives itself five minutes, and fails by itself beyond them.
const PATIENCE: Duration = Duration::from_secs(6 * 60);

#[test]
fn the_incident_drill_finds_no_card_in_the_store_and_all_of_them_in_the_leaky_one() {
    if !cfg!(target_os = "linux") {
        return skip("the memory of a process is searched on Linux only");
    }
    let tests = std::env::current_exe().unwrap();
    let program = tests
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/incident_drill");
    if !program.is_file() {
        return skip("the example incident_drill was not built; run `cargo build --examples` first");
    }
    let folder = tempfile::tempdir().unwrap();
    let account = folder.path().join("account.txt");
    let mut drill = Command::new(program)
        .stdin(Stdio::null())
        .stdout(File::create(&account).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = drill.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > PATIENCE {
            drill.kill().unwrap();
            drill.wait().unwrap();
            panic!(
                "it did not end within {PATIENCE:?}: {}",
                std::fs::read_to_string(&account).unwrap()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let account = std::fs::read_to_string(&account).unwrap();
    println!("{account}");
    assert!(status.success(), "{account}");
    for line in [
        "stopped after ",
        "ms after the stop was asked for a checkout is refused; it has 1000 ms",
        "a new checkout is refused at each gateway",
        "the same byte for byte when repeated",
        "settle nothing by themselves",
        "what the old ones sign is refused",
        "every kind of attack was tried, and shipped nothing",
        "were closed and take no card any more",
        "reopened: ",
        "480 orders shipped, each once",
        "fits the checkpoint",
        "none of them in the store's memory",
        "none of them in its files and logs",
        "none of them in its events",
        "none of them in what it sent and received",
        "control: 480 numbers and 480 codes of 480 found in the store's memory",
        "control: 480 numbers and 480 codes of 480 found in its files and logs",
        "control: 480 numbers and 480 codes of 480 found in what it sent and received",
        "; it has 300 s",
        "All of it held",
    ] {
        assert_eq!(account.matches(line).count(), 1, "{line} in {account}");
    }
}

fn skip(reason: &str) {
    println!("skipped: {reason}");
    assert!(
        std::env::var_os("KESSAI_CI").is_none_or(|value| value != "1"),
        "nothing may be skipped here: {reason}"
    );
}
