//! Events as JSON lines with the field names of the Elastic Common Schema, for an intrusion detection system to read.

use std::fmt::{self, Write as _};
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use super::SecurityEvent;
use super::record::SecurityRecord;
use super::show::FieldValue;
use super::sink::{SecuritySink, SinkError};
use super::words::Severity;
use crate::utc;

/// The version of the Elastic Common Schema whose names are used.
pub const ECS_VERSION: &str = "8.17.0";

/// Writes one line of JSON per event.
///
/// A line is ASCII only and holds no control character, whatever the fields hold: everything else is written as an escape. So no
/// event can look like two, and none can move the cursor of a terminal.
///
/// ```
/// use kessai::security_event::JsonLines;
///
/// let to_stderr = JsonLines::new(std::io::stderr());
/// # let _ = to_stderr;
/// ```
pub struct JsonLines<W> {
    to: Mutex<Out<W>>,
}

struct Out<W> {
    writer: W,
    /// True while a line may be there in part.
    torn: bool,
}

impl<W: Write + Send + 'static> JsonLines<W> {
    /// Writes to a file, a pipe, a socket. Each line is one call and is flushed.
    pub fn new(writer: W) -> Self {
        let torn = false;
        Self {
            to: Mutex::new(Out { writer, torn }),
        }
    }
}

impl<W: Write + Send + 'static> SecuritySink for JsonLines<W> {
    fn emit(&self, record: &SecurityRecord<'_>) -> Result<(), SinkError> {
        let mut line = line(record);
        line.push('\n');
        // A writer that panicked left at most a torn line behind.
        let mut out = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        if out.torn {
            // What is left of a line must not swallow this one.
            line.insert(0, '\n');
        }
        out.torn = true;
        out.writer.write_all(line.as_bytes())?;
        out.writer.flush()?;
        out.torn = false;
        Ok(())
    }
}

impl<W> fmt::Debug for JsonLines<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").finish_non_exhaustive()
    }
}

fn line(record: &SecurityRecord<'_>) -> String {
    let event = record.event;
    let kind = event.kind();
    let mut line = Line::new();
    line.text("@timestamp", &utc::millis(record.at));
    line.text("ecs.version", ECS_VERSION);
    line.text("log.level", level(kind.severity));
    line.text("event.kind", kind.kind());
    line.texts("event.category", kind.category);
    line.texts("event.type", kind.types);
    line.text("event.action", kind.name);
    line.text("event.outcome", kind.outcome.as_str());
    line.number("event.severity", kind.severity.as_number());
    line.text("event.code", event.pay());
    if let Some(reason) = event.reason() {
        line.text("event.reason", reason.as_str());
    }
    line.text("event.provider", "kessai");
    line.text("event.dataset", "kessai.security");
    line.text("event.id", &format!("{}-{}", record.run, record.sequence));
    line.number("event.sequence", record.sequence);
    line.number("kessai.version", SecurityEvent::VERSION);
    line.text("kessai.severity", kind.severity.as_str());
    if let Some(owasp) = kind.owasp {
        line.text("kessai.owasp", owasp);
    }
    event.fields(&mut |name, value| {
        let name = format!("kessai.{name}");
        match value {
            FieldValue::Number(number) => line.number(&name, number),
            FieldValue::Flag(flag) => line.raw(&name, if flag { "true" } else { "false" }),
            FieldValue::Text(text) => line.text(&name, text),
        }
    });
    line.end()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational | Severity::Low => "info",
        Severity::Medium => "warn",
        Severity::High => "error",
        Severity::Critical => "fatal",
    }
}

/// One object in the making. Flat, with dotted names, as the schema allows.
struct Line(String);

impl Line {
    fn new() -> Self {
        Self(String::with_capacity(768))
    }

    fn raw(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.quoted(name);
        self.0.push(':');
        self.0.push_str(value);
    }

    fn text(&mut self, name: &str, value: &str) {
        self.raw(name, "");
        self.quoted(value);
    }

    fn texts(&mut self, name: &str, values: &[&str]) {
        self.raw(name, "[");
        for (n, value) in values.iter().enumerate() {
            if n > 0 {
                self.0.push(',');
            }
            self.quoted(value);
        }
        self.0.push(']');
    }

    fn number(&mut self, name: &str, value: u64) {
        // Readers keep numbers as doubles or as signed 64-bit: what is larger than both can hold is shown as the largest.
        self.raw(name, &value.min(9_007_199_254_740_991).to_string());
    }

    fn quoted(&mut self, text: &str) {
        self.0.push('"');
        let mut units = [0_u16; 2];
        for c in text.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                ' '..='~' => self.0.push(c),
                _ => {
                    for unit in c.encode_utf16(&mut units) {
                        // Writing to a text cannot fail.
                        let _ = write!(self.0, "\\u{unit:04x}");
                    }
                }
            }
        }
        self.0.push('"');
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}
