//! Sessions, payments and refunds, as the API and the events show them (KOMOJU sheet, "Create hosted payment" and
//! "Callback", 2026-11-23).

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::mock::clock::unix;

/// The ways to pay that are played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Card,
    Konbini,
    BankTransfer,
    PayEasy,
}

impl Way {
    pub(super) const ALL: [Self; 4] = [Self::Card, Self::Konbini, Self::BankTransfer, Self::PayEasy];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Card => "credit_card",
            Self::Konbini => "konbini",
            Self::BankTransfer => "bank_transfer",
            Self::PayEasy => "pay_easy",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }

    /// Whether the shopper walks away with a number to pay under.
    pub(super) fn is_slip(self) -> bool {
        self != Self::Card
    }
}

/// What a session was made for.
pub(super) struct Ask {
    pub(super) amount: u64,
    pub(super) currency: String,
    pub(super) return_url: String,
    pub(super) locale: Option<&'static str>,
    pub(super) ways: Vec<Way>,
    pub(super) lives: i64,
    pub(super) manual: bool,
    pub(super) order: Option<String>,
    pub(super) metadata: Map<String, Value>,
    pub(super) payment_data: Value,
    pub(super) line_items: Vec<Value>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SessionStatus {
    Pending,
    Completed,
    Cancelled,
}

impl SessionStatus {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }
}

pub(super) struct Session {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) ask: Ask,
    pub(super) created: i64,
    pub(super) status: SessionStatus,
    pub(super) completed: Option<i64>,
    pub(super) cancelled: Option<i64>,
    /// The last try to pay it.
    pub(super) payment: Option<String>,
    /// What the answer to the bank's question has to carry.
    pub(super) challenge: Option<String>,
    pub(super) notice: Option<&'static str>,
}

impl Session {
    pub(super) fn ends(&self) -> i64 {
        self.created.saturating_add(self.ask.lives)
    }

    pub(super) fn over(&self, now: i64) -> bool {
        now >= self.ends()
    }

    pub(super) fn is_open(&self, now: i64) -> bool {
        self.status == SessionStatus::Pending && !self.over(now)
    }

    pub(super) fn json(&self, payment: Option<&Value>, now: i64) -> Value {
        let ask = &self.ask;
        let ways: Vec<Value> = ask.ways.iter().map(|way| json!({ "type": way.name() })).collect();
        json!({
            "id": self.id,
            "resource": "session",
            "mode": "payment",
            "amount": ask.amount,
            "currency": ask.currency,
            "session_url": self.url,
            "return_url": ask.return_url,
            "default_locale": ask.locale.unwrap_or("ja"),
            "payment_methods": ways,
            "created_at": timestamp(self.created),
            "cancelled_at": self.cancelled.map(timestamp),
            "completed_at": self.completed.map(timestamp),
            "status": self.status.name(),
            // A separate word: the status stays what it is, and a slip may outlive the page (trap 10).
            "expired": self.over(now),
            "metadata": ask.metadata,
            "payment": payment,
            "payment_data": ask.payment_data,
            "customer_id": null,
            "secure_token": null,
            "line_items": ask.line_items,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PaymentStatus {
    Pending,
    Authorized,
    Captured,
    Refunded,
    Cancelled,
    Expired,
    Failed,
}

impl PaymentStatus {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Authorized => "authorized",
            Self::Captured => "captured",
            Self::Refunded => "refunded",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }
}

pub(super) struct Refund {
    pub(super) id: String,
    pub(super) amount: u64,
    pub(super) created: i64,
    pub(super) chargeback: bool,
}

pub(super) struct Payment {
    pub(super) id: String,
    pub(super) session: String,
    pub(super) way: Way,
    /// All that is left of a card.
    pub(super) last4: String,
    pub(super) status: PaymentStatus,
    pub(super) amount: u64,
    /// On top of the amount (trap 3).
    pub(super) fee: u64,
    pub(super) currency: String,
    pub(super) order: Option<String>,
    pub(super) metadata: Map<String, Value>,
    pub(super) locale: Option<&'static str>,
    pub(super) created: i64,
    pub(super) captured: Option<i64>,
    pub(super) deadline: Option<SystemTime>,
    pub(super) pays_at: Option<SystemTime>,
    pub(super) refunds: Vec<Refund>,
}

impl Payment {
    pub(super) fn refunded(&self) -> u64 {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }

    pub(super) fn total(&self) -> u64 {
        self.amount.saturating_add(self.fee)
    }

    pub(super) fn json(&self) -> Value {
        let refunds: Vec<Value> = self
            .refunds
            .iter()
            .map(|refund| {
                json!({
                    "id": refund.id,
                    "resource": "refund",
                    "amount": refund.amount,
                    "currency": self.currency,
                    "payment": self.id,
                    "description": null,
                    "created_at": timestamp(refund.created),
                    "chargeback": refund.chargeback,
                })
            })
            .collect();
        let mut details = json!({ "type": self.way.name() });
        if let (Way::Card, Some(fields)) = (self.way, details.as_object_mut()) {
            fields.insert("last_four_digits".into(), self.last4.clone().into());
        }
        json!({
            "id": self.id,
            "resource": "payment",
            "status": self.status.name(),
            "amount": self.amount,
            "tax": 0,
            "customer": null,
            "payment_deadline": self.deadline.map(|at| timestamp(unix(at))),
            "payment_details": details,
            "payment_method_fee": self.fee,
            "total": self.total(),
            "currency": self.currency,
            "description": null,
            "captured_at": self.captured.map(timestamp),
            "external_order_num": self.order,
            "metadata": self.metadata,
            "created_at": timestamp(self.created),
            "amount_refunded": self.refunded(),
            "locale": self.locale.unwrap_or("ja"),
            "session": self.session,
            "customer_family_name": null,
            "customer_given_name": null,
            "mcc": null,
            "statement_descriptor": null,
            "refunds": refunds,
            "refund_requests": [],
        })
    }
}

/// `2026-11-01T01:15:00Z`.
pub(super) fn timestamp(unix: i64) -> String {
    let (days, seconds) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    // Days since 1 March of the year 0, in eras of 400 years: leap days come last that way.
    let since = days + 719_468;
    let (era, day) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_the_sheet_shows_it() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_793_495_700, "2026-11-01T01:15:00Z"),
        ] {
            assert_eq!(timestamp(unix), text);
        }
    }
}
