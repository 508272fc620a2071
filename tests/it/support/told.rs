//! A sink that remembers the names of what it was told.

use std::sync::{Arc, Mutex};

use kessai::SecuritySink;
use kessai::security_event::{SecurityRecord, SinkError};

#[derive(Clone, Debug, Default)]
pub struct Told(Arc<Mutex<Vec<&'static str>>>);

impl Told {
    /// The names since this was asked last.
    pub fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl SecuritySink for Told {
    fn emit(&self, record: &SecurityRecord<'_>) -> Result<(), SinkError> {
        self.0.lock().unwrap().push(record.event.name());
        Ok(())
    }
}
