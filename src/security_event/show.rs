//! How a field of an event is shown to a sink: as a name and a number, a flag or a text. The texts are bounded here, whatever
//! made them.

use super::words::{EventText, Reason, Step};
use crate::ledger::ExpectedPayment;
use crate::payment::PaymentStatus;
use crate::reference::{AttemptReference, Environment, GatewayId, MerchantAccount, MerchantReference};
use crate::verified::Trust;

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldValue<'a> {
    /// A count, a number of seconds, a position.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// A reference or a word. At most 255 bytes. Its characters are any: a sink escapes them.
    Text(&'a str),
}

/// Which gateway and account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtGateway {
    /// The gateway.
    pub gateway: GatewayId,
    /// The account there.
    pub account: MerchantAccount,
}

/// Which payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AboutPayment {
    /// Gateway and account.
    pub at: AtGateway,
    /// The attempt.
    pub attempt: AttemptReference,
    /// Its order.
    pub order: MerchantReference,
}

impl From<&ExpectedPayment> for AboutPayment {
    fn from(expected: &ExpectedPayment) -> Self {
        Self {
            at: AtGateway {
                gateway: expected.gateway.clone(),
                account: expected.account.clone(),
            },
            attempt: expected.attempt.clone(),
            order: expected.order.clone(),
        }
    }
}

pub(super) type Visit<'v> = &'v mut dyn FnMut(&'static str, FieldValue<'_>);

/// A type that a field of an event may have.
pub(super) trait Show {
    fn show(&self, name: &'static str, visit: Visit<'_>);

    fn place(&self) -> Option<&AtGateway> {
        None
    }

    fn reason(&self) -> Option<Reason> {
        None
    }
}

/// The longest text a sink is given, in bytes: the longest reference there is.
const LONGEST: usize = 255;

fn text(name: &'static str, text: &str, visit: Visit<'_>) {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    visit(name, FieldValue::Text(text.get(..end).unwrap_or_default()));
}

impl Show for u64 {
    fn show(&self, name: &'static str, visit: Visit<'_>) {
        visit(name, FieldValue::Number(*self));
    }
}

impl Show for bool {
    fn show(&self, name: &'static str, visit: Visit<'_>) {
        visit(name, FieldValue::Flag(*self));
    }
}

impl Show for &'static str {
    fn show(&self, name: &'static str, visit: Visit<'_>) {
        text(name, self, visit);
    }
}

impl Show for Reason {
    fn show(&self, name: &'static str, visit: Visit<'_>) {
        text(name, self.as_str(), visit);
    }

    fn reason(&self) -> Option<Reason> {
        Some(*self)
    }
}

impl Show for Step {
    fn show(&self, name: &'static str, visit: Visit<'_>) {
        text(name, self.as_str(), visit);
    }
}

impl Show for EventText {
    fn show(&self, name: &'static str, visit: Visit<'_>) {
        text(name, self.as_str(), visit);
    }
}

impl Show for AttemptReference {
    fn show(&self, name: &'static str, visit: Visit<'_>) {
        text(name, self.as_str(), visit);
    }
}

impl Show for MerchantReference {
    fn show(&self, name: &'static str, visit: Visit<'_>) {
        text(name, self.as_str(), visit);
    }
}

impl Show for Environment {
    fn show(&self, name: &'static str, visit: Visit<'_>) {
        let word = match self {
            Self::Sandbox => "sandbox",
            Self::Live => "live",
        };
        text(name, word, visit);
    }
}

impl Show for Trust {
    fn show(&self, name: &'static str, visit: Visit<'_>) {
        let word = match self {
            Self::Signature => "signature",
            Self::KeyedHash => "keyed_hash",
            Self::StatusQuery => "status_query",
        };
        text(name, word, visit);
    }
}

impl Show for PaymentStatus {
    fn show(&self, name: &'static str, visit: Visit<'_>) {
        text(name, self.as_str(), visit);
    }
}

impl Show for AtGateway {
    fn show(&self, _: &'static str, visit: Visit<'_>) {
        text("gateway", self.gateway.as_str(), visit);
        text("account", self.account.as_str(), visit);
    }

    fn place(&self) -> Option<&AtGateway> {
        Some(self)
    }
}

impl Show for AboutPayment {
    fn show(&self, _: &'static str, visit: Visit<'_>) {
        self.at.show("at", visit);
        text("attempt", self.attempt.as_str(), visit);
        text("order", self.order.as_str(), visit);
    }

    fn place(&self) -> Option<&AtGateway> {
        Some(&self.at)
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self, name: &'static str, visit: Visit<'_>) {
        if let Some(value) = self {
            value.show(name, visit);
        }
    }

    fn place(&self) -> Option<&AtGateway> {
        self.as_ref().and_then(Show::place)
    }

    fn reason(&self) -> Option<Reason> {
        self.as_ref().and_then(Show::reason)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// The names and texts that a field is shown as.
    fn shown(field: &impl Show) -> Vec<(&'static str, String)> {
        let mut shown = Vec::new();
        field.show("field", &mut |name, value| {
            if let FieldValue::Text(text) = value {
                shown.push((name, text.to_owned()));
            }
        });
        shown
    }

    #[test]
    fn every_kind_of_text_is_shown_and_what_is_about_a_gateway_says_which() {
        let attempt = AttemptReference::random(crate::reference::ReferenceFormat::RANDOM_128).unwrap();
        let order = MerchantReference::new("EC-1").unwrap();
        let at = AtGateway {
            gateway: GatewayId::STRIPE,
            account: MerchantAccount::new("acct_1").unwrap(),
        };
        let payment = AboutPayment {
            at: at.clone(),
            attempt: attempt.clone(),
            order: order.clone(),
        };
        let one = |text: &str| vec![("field", text.to_owned())];
        assert_eq!(shown(&EventText::new("a text")), one("a text"));
        assert_eq!(shown(&attempt), one(attempt.as_str()));
        assert_eq!(shown(&Some(order)), one("EC-1"));
        assert_eq!(shown(&None::<MerchantReference>), []);
        let names: Vec<_> = shown(&payment).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["gateway", "account", "attempt", "order"]);
        assert_eq!((at.place(), payment.place()), (Some(&at), Some(&at)));
        assert_eq!(Some(at.clone()).place(), Some(&at));
        assert_eq!((None::<AtGateway>.place(), attempt.place()), (None, None));
        assert_eq!(Some(Reason::Token).reason(), Some(Reason::Token));
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_between_two_characters() {
        for (kana, before, shown) in [(84, 3, 255), (85, 0, 255), (85, 1, 253), (85, 2, 254), (200, 1, 253)] {
            let long = format!("{}{}", "x".repeat(before), "あ".repeat(kana));
            let mut seen = 0;
            text("order", &long, &mut |name, value| {
                assert_eq!(name, "order");
                let FieldValue::Text(cut) = value else { return };
                assert!(long.starts_with(cut));
                seen = cut.len();
            });
            assert_eq!(seen, shown, "{before} and {kana}");
        }
    }
}
