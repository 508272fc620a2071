//! The account: what happened when, and whether it is what had to happen.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) struct Account {
    start: Instant,
    wrong: Mutex<usize>,
}

impl Account {
    pub(crate) fn begin(title: &str) -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs()
            % 86_400;
        println!("{title}");
        println!("begun at {:02}:{:02}:{:02} UTC\n", now / 3600, now / 60 % 60, now % 60);
        Self {
            start: Instant::now(),
            wrong: Mutex::new(0),
        }
    }

    /// Something that happened.
    pub(crate) fn note(&self, text: &str) {
        println!("{:7.2} s       {text}", self.start.elapsed().as_secs_f64());
    }

    /// Something that had to be so.
    pub(crate) fn held(&self, held: bool, text: &str) {
        let word = if held { "held " } else { "WRONG" };
        println!("{:7.2} s {word} {text}", self.start.elapsed().as_secs_f64());
        if !held {
            *self.wrong.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
    }

    /// Did all of it hold, and within this time?
    pub(crate) fn end(&self, within: Duration) -> bool {
        let took = self.start.elapsed();
        self.held(
            took <= within,
            &format!("it took {} s; it has {} s", took.as_secs(), within.as_secs()),
        );
        let wrong = *self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = self.start.elapsed().as_secs_f64();
        if wrong == 0 {
            println!("\nAll of it held, in {seconds:.1} s.");
        } else {
            println!("\n{wrong} of it did not hold, in {seconds:.1} s.");
        }
        wrong == 0
    }
}
