//! The pages of one order, and the few that belong to none.

use super::purchase::{Way, way};
use super::wire::{self, CHARSET, FORM, HASH, Over};
use super::world::{DealState, Order, Shop, Stage};
use crate::mock::card::Flaw;
use crate::mock::jst;
use crate::mock::sheet::{self, Line, Sheet};
use crate::mock::words::words;

/// The pages of one order.
pub(super) struct Pages<'a> {
    pub(super) japanese: bool,
    pub(super) shop: &'a Shop,
    pub(super) order: &'a Order,
}

impl Pages<'_> {
    /// The page as the order stands, and whether it leads back by itself.
    pub(super) fn now(&self, flaw: Option<Flaw>) -> (String, bool) {
        let steps = format!("/pay/{}", self.order.session);
        let sheet = Sheet {
            japanese: self.japanese,
            charset: CHARSET,
            steps: &steps,
            amount: self.order.purchase.amount(),
        };
        match (self.order.stage, &self.order.challenge) {
            (Stage::Open, Some(challenge)) => (sheet.secure(&challenge.token, &challenge.last4), false),
            (Stage::Open, None) => (self.pay(&sheet, flaw), false),
            (Stage::Done, _) if self.is_slip() => (self.slip(&sheet), false),
            _ => (sheet.going_back(&self.return_form(&sheet)), true),
        }
    }

    fn pay(&self, sheet: &Sheet<'_>, flaw: Option<Flaw>) -> String {
        let purchase = &self.order.purchase;
        let lines = purchase.lines();
        let summary = sheet.summary(
            &self.shop.name,
            lines.iter().map(|line| Line {
                name: line.name,
                price: line.amount,
                count: line.count,
            }),
        );
        let words = sheet.words();
        let (mut ways, mut card_shown) = (String::new(), false);
        for method in purchase.methods() {
            match way(&method) {
                Some(Way::Card { .. }) if !card_shown => {
                    card_shown = true;
                    ways.push_str(&sheet.card(&method));
                }
                Some(Way::Wallet) => ways.push_str(&sheet.wallet(&method)),
                Some(Way::Later) => {
                    let title = match method.as_str() {
                        "webcvs" => words.konbini,
                        "payeasy" => words.payeasy,
                        _ => words.transfer,
                    };
                    ways.push_str(&sheet.later(&method, title));
                }
                _ => {}
            }
        }
        sheet.pay(&summary, flaw, &ways)
    }

    /// Whether the shopper is to read a number before going on.
    fn is_slip(&self) -> bool {
        let deal = self.order.deal.as_ref();
        deal.is_some_and(|deal| deal.state == DealState::Unpaid && deal.due.is_some())
    }

    fn slip(&self, sheet: &Sheet<'_>) -> String {
        let (number, until) = self.order.deal.as_ref().map_or_else(Default::default, |deal| {
            let until = deal.due.map(|(due, _)| jst::digits(due)).unwrap_or_default();
            (deal.tracking_id.clone(), until)
        });
        sheet.slip(&number, &until, &self.return_form(sheet))
    }

    /// A03-1: the fields of the result, signed over `Shift_JIS`. What comes to the cancel address is unconfirmed; nothing
    /// is sent there.
    fn return_form(&self, sheet: &Sheet<'_>) -> String {
        let target = match self.order.stage {
            Stage::Open | Stage::Cancelled => "cancel_url",
            Stage::Failed => "error_url",
            Stage::Done => "success_url",
        };
        let mut fields = self.order.report.clone().unwrap_or_default();
        if !fields.is_empty() {
            let hash = wire::result_hash(Over::ShiftJis, &fields, &self.shop.hash_key);
            fields.push((HASH, hash));
        }
        let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
        sheet.return_form(self.order.purchase.value(target), fields)
    }
}

/// The connection check's answer.
pub(super) fn checked(japanese: bool) -> String {
    let words = words(japanese);
    sheet::notice(japanese, CHARSET, "checked", (words.checked_title, words.checked_text))
}

/// What a person sees who opens the bare address.
pub(super) fn home(base: &str) -> String {
    let text = format!("Purchase requests are posted to {base}{FORM}, the API is at {base}/api/xmlapi.do.");
    sheet::notice(false, CHARSET, "home", ("A gateway for tests, speaking SBPS", &text))
}
