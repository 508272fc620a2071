//! A process of this program that does the work of one test until it is killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

const SERVER: &str = "KESSAI_POSTGRES_WORKER_SERVER";
const SCHEMA: &str = "KESSAI_POSTGRES_WORKER_SCHEMA";
const NAME: &str = "KESSAI_POSTGRES_WORKER_NAME";

/// Where a worker works, and which one it is.
pub struct Place {
    pub server: String,
    pub schema: String,
    pub name: String,
}

/// Is this process a worker? Its environment says so.
pub fn place() -> Option<Place> {
    let [Ok(server), Ok(schema), Ok(name)] = [SERVER, SCHEMA, NAME].map(std::env::var) else {
        return None;
    };
    Some(Place { server, schema, name })
}

/// Runs what a worker does. It has no end, unless something is wrong; then this process ends too, and that is seen.
pub fn work<F: Future<Output = ()>>(work: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work);
}

/// One system call for each line, so that a kill leaves whole lines only.
pub fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("@ {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// The worker as the process sees it that started it.
pub struct Worker {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    errors: JoinHandle<String>,
}

impl Worker {
    /// Starts this program again, for one test only.
    pub fn start(test: &str, schema: &str, name: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(SERVER, super::server_text())
            .env(SCHEMA, schema)
            .env(NAME, name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            for line in lines.filter_map(|line| line.strip_prefix("@ ").map(str::to_owned)) {
                let _ = sender.send(line);
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut all = Vec::new();
            let _ = stderr.read_to_end(&mut all);
            String::from_utf8_lossy(&all).into_owned()
        });
        Self {
            input: child.stdin.take().unwrap(),
            child,
            lines,
            errors,
        }
    }

    /// What it says next.
    pub fn line(&self) -> String {
        let line = self.lines.recv_timeout(Duration::from_secs(60));
        line.expect("it says nothing any more")
    }

    /// Tells it something.
    pub fn say(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    /// Ends it as a machine that loses its power does, and gives what it said since it was last asked. Whatever was wrong in it
    /// fails the test.
    pub fn kill(mut self) -> Vec<String> {
        let ended = self.child.try_wait().unwrap();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let errors = self.errors.join().unwrap();
        assert!(ended.is_none(), "it ended by itself: {ended:?}: {errors}");
        assert!(!errors.contains("panicked"), "{errors}");
        self.lines.iter().collect()
    }
}

/// Numbers that can be had again from their seed.
pub struct Random(u64);

impl Random {
    /// With a seed that is told, and can be given.
    pub fn new() -> Self {
        let seed = match std::env::var("KESSAI_CRASH_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos(),
        };
        println!("seed {seed}: set KESSAI_CRASH_SEED to try the same moments again");
        Self(u64::from(seed) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
