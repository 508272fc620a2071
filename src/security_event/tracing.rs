//! Events through `tracing`.

use super::record::SecurityRecord;
use super::show::FieldValue;
use super::sink::{SecuritySink, SinkError};
use super::words::Severity;

/// Hands events to `tracing` under the target `kessai::security`: severities up to low at level `INFO`, medium at `WARN`, the
/// others at `ERROR`.
///
/// `action`, `severity`, `code`, `reason` and `sequence` are fields of their own, so are `gateway`, `attempt` and `order`; all that
/// the event holds is in `fields`, as words of `name=value`.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TracingSink;

impl TracingSink {
    /// The sink.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl SecuritySink for TracingSink {
    fn emit(&self, record: &SecurityRecord<'_>) -> Result<(), SinkError> {
        let event = record.event;
        let kind = event.kind();
        let reason = event.reason().map(super::words::Reason::as_str);
        let (mut fields, mut attempt, mut order) = (String::new(), None, None);
        event.fields(&mut |name, value| {
            if !fields.is_empty() {
                fields.push(' ');
            }
            fields.push_str(name);
            fields.push('=');
            match value {
                FieldValue::Number(number) => fields.push_str(&number.to_string()),
                FieldValue::Flag(flag) => fields.push_str(if flag { "true" } else { "false" }),
                // Quoted where it is not one plain word, so that no text can look like another field or another line.
                FieldValue::Text(text) if text.bytes().all(is_plain) => fields.push_str(text),
                FieldValue::Text(text) => {
                    fields.push('"');
                    fields.extend(text.escape_default());
                    fields.push('"');
                }
            }
            match (name, value) {
                ("attempt", FieldValue::Text(text)) => attempt = Some(text.to_owned()),
                ("order", FieldValue::Text(text)) => order = Some(text.to_owned()),
                _ => {}
            }
        });
        let gateway = event.at().map(|at| at.gateway.as_str().escape_default().to_string());
        macro_rules! tell {
            ($level:ident) => {
                tracing::event!(
                    target: "kessai::security",
                    tracing::Level::$level,
                    action = kind.name,
                    severity = kind.severity.as_str(),
                    code = event.pay(),
                    reason,
                    sequence = record.sequence,
                    gateway = gateway.as_deref(),
                    attempt = attempt.as_deref(),
                    order = order.as_deref(),
                    fields = fields.as_str(),
                )
            };
        }
        match kind.severity {
            Severity::Informational | Severity::Low => tell!(INFO),
            Severity::Medium => tell!(WARN),
            Severity::High | Severity::Critical => tell!(ERROR),
        }
        Ok(())
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=')
}
