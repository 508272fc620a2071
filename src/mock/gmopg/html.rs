//! The pages of one order, and the few that belong to none.

use super::books::{Order, Shop, Stage};
use super::link::Method;
use super::wire::PAGES;
use crate::mock::card::Flaw;
use crate::mock::jst;
use crate::mock::sheet::{self, Line, Sheet};
use crate::mock::words::words;

/// The pages of one order.
pub(super) struct Pages<'a> {
    pub(super) japanese: bool,
    pub(super) steps: &'a str,
    pub(super) shop: &'a Shop,
    pub(super) order: &'a Order,
}

impl Pages<'_> {
    /// The page as the order stands, and whether it leads back by itself.
    pub(super) fn now(&self, open: bool, flaw: Option<Flaw>) -> (String, bool) {
        let sheet = self.sheet();
        let slip = self.order.deal.as_ref().filter(|deal| deal.status == "REQSUCCESS");
        match (self.order.stage, &self.order.challenge, slip) {
            // A challenge goes on although the page's time is over.
            (Stage::Open, Some(challenge), _) => (sheet.secure(&challenge.token, &challenge.last4), false),
            (Stage::Open, None, _) if open => (self.pay(&sheet, flaw), false),
            (Stage::Open | Stage::Rejected, ..) => (self.over(), false),
            (Stage::Done, _, Some(deal)) => {
                let until = deal.due.map(|(due, _)| jst::digits(due)).unwrap_or_default();
                (sheet.slip(&deal.receipt, &until, &self.return_form(&sheet)), false)
            }
            (Stage::Done | Stage::Failed, ..) if self.order.link.skips_result => {
                (sheet.going_back(&self.return_form(&sheet)), true)
            }
            (Stage::Done | Stage::Failed, ..) => (self.outcome(&sheet), false),
        }
    }

    /// On the way back without having paid.
    pub(super) fn cancelled(&self, result: &str) -> String {
        let sheet = self.sheet();
        let form = sheet.return_form(&self.order.link.cancel_url, [("result", result)]);
        sheet.going_back(&form)
    }

    fn sheet(&self) -> Sheet<'_> {
        Sheet {
            japanese: self.japanese,
            charset: PAGES,
            steps: self.steps,
            amount: self.order.link.total(),
        }
    }

    fn pay(&self, sheet: &Sheet<'_>, flaw: Option<Flaw>) -> String {
        let link = &self.order.link;
        let name = if link.overview.is_empty() {
            &link.order_id
        } else {
            &link.overview
        };
        let goods = Line {
            name,
            price: link.total(),
            count: "1",
        };
        let ways: String = link
            .methods
            .iter()
            .map(|method| match method {
                Method::Credit => sheet.card(method.name()),
                Method::Cvs => sheet.later(method.name(), words(self.japanese).konbini),
                Method::PayPay => sheet.wallet(method.name()),
            })
            .collect();
        sheet.pay(&sheet.summary(&self.shop.name, [goods]), flaw, &ways)
    }

    /// GMO-PG's own result page: what happened, and the button that leads back.
    fn outcome(&self, sheet: &Sheet<'_>) -> String {
        let words = words(self.japanese);
        let title = if self.order.stage == Stage::Done {
            words.done_title
        } else {
            words.failed_title
        };
        sheet.result(title, &self.return_form(sheet))
    }

    fn over(&self) -> String {
        let words = words(self.japanese);
        sheet::notice(self.japanese, PAGES, "over", (words.over_title, words.over_text))
    }

    fn return_form(&self, sheet: &Sheet<'_>) -> String {
        let link = &self.order.link;
        let target = match (self.order.stage, link.skips_result) {
            (Stage::Done, false) => &link.complete_url,
            _ => &link.ret_url,
        };
        let result = self.order.result.as_deref().unwrap_or_default();
        sheet.return_form(target, [("result", result)])
    }
}

/// What a person sees who opens the bare address.
pub(super) fn home(base: &str) -> String {
    let text = format!("Links are made by {base}/payment/GetLinkplusUrlPayment.json.");
    let title = "A gateway for tests, speaking Link Type Plus";
    sheet::notice(false, PAGES, "home", (title, &text))
}
