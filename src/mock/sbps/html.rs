//! The pages as HTML. Whatever a store or a shopper wrote is escaped here, and nowhere else.

use super::jst;
use super::purchase::{Way, way};
use super::text::{Words, words};
use super::wire::{self, HASH, Over};
use super::world::{Challenge, DealState, Order, Shop, Stage};
use crate::mock::card::{Flaw, TestCard};
use crate::mock::language;
use crate::mock::markup::{escaped, grouped, put};

/// The whole script of the page that leads back.
pub(super) const SUBMIT: &str = "document.forms[0].submit()";

/// The pages of one order.
pub(super) struct Sheet<'a> {
    pub(super) japanese: bool,
    pub(super) shop: &'a Shop,
    pub(super) order: &'a Order,
}

impl Sheet<'_> {
    /// The open page: order on one side, ways to pay on the other.
    pub(super) fn pay(&self, flaw: Option<Flaw>) -> String {
        let mut main = String::from("<main class=\"columns\">");
        main.push_str(&self.summary());
        main.push_str("<section class=\"ways\">");
        if let Some(flaw) = flaw {
            put(
                &mut main,
                format_args!(
                    "<p class=\"notice\" role=\"alert\">{}</p>",
                    escaped(language::flaw(flaw, self.japanese))
                ),
            );
        }
        let mut card_shown = false;
        for method in self.order.purchase.methods() {
            match way(&method) {
                Some(Way::Card { .. }) if !card_shown => {
                    card_shown = true;
                    main.push_str(&self.card(&method));
                }
                Some(Way::Wallet) => main.push_str(&self.wallet(&method)),
                Some(Way::Later) => main.push_str(&self.later(&method)),
                _ => {}
            }
        }
        main.push_str("</section></main>");
        document(self.words(), "pay", self.words().title, &main)
    }

    /// The bank's question.
    pub(super) fn secure(&self, challenge: &Challenge) -> String {
        let words = self.words();
        let main = format!(
            "<main class=\"single\"><h1>{title}</h1><p class=\"total\">{amount}</p><p>{text}</p>\
             <p class=\"card-end\">Visa **** {last4}</p>\
             <form method=\"post\" action=\"/pay/{session}/secure\">\
             <input type=\"hidden\" name=\"token\" value=\"{token}\">\
             <button class=\"main\" name=\"answer\" value=\"pass\">{pass}</button>\
             <button class=\"quiet\" name=\"answer\" value=\"fail\">{fail}</button></form></main>",
            title = escaped(words.secure_title),
            amount = escaped(&self.shown(self.order.purchase.amount())),
            text = escaped(words.secure_text),
            last4 = escaped(&challenge.last4),
            session = escaped(&self.order.session),
            token = escaped(&challenge.token),
            pass = escaped(words.pass),
            fail = escaped(words.fail),
        );
        document(words, "secure", words.secure_title, &main)
    }

    /// Whether the shopper is to read a number before going on.
    pub(super) fn is_slip(&self) -> bool {
        let deal = self.order.deal.as_ref();
        deal.is_some_and(|deal| deal.state == DealState::Unpaid && deal.due.is_some())
    }

    /// What is paid at the counter, and until when.
    pub(super) fn slip(&self) -> String {
        let words = self.words();
        let (number, until) = self.order.deal.as_ref().map_or_else(Default::default, |deal| {
            let until = deal.due.map(|(due, _)| jst::digits(due)).unwrap_or_default();
            (deal.tracking_id.clone(), until)
        });
        let date = [until.get(0..4), until.get(4..6), until.get(6..8)].map(Option::unwrap_or_default);
        let main = format!(
            "<main class=\"single\"><h1>{title}</h1><p class=\"total\">{amount}</p><p>{text}</p>\
             <p>{number_label}: <strong>{number}</strong></p><p>{until_label}: {date}</p>{form}</main>",
            title = escaped(words.slip_title),
            amount = escaped(&self.shown(self.order.purchase.amount())),
            text = escaped(words.slip_text),
            number_label = escaped(words.slip_number),
            number = escaped(&number),
            until_label = escaped(words.slip_until),
            date = escaped(&date.join("/")),
            form = self.return_form(),
        );
        document(words, "slip", words.slip_title, &main)
    }

    /// Posts the result to the store by itself; by the button where scripts are off.
    pub(super) fn back_to_store(&self) -> String {
        let words = self.words();
        let main = format!(
            "<main class=\"single\"><h1>{}</h1>{}</main><script>{SUBMIT}</script>",
            escaped(words.going_back),
            self.return_form()
        );
        document(words, "return", words.going_back, &main)
    }

    /// A03-1: the fields of the result, signed over `Shift_JIS`. What comes to the cancel address is unconfirmed; nothing
    /// is sent there.
    fn return_form(&self) -> String {
        let target = match self.order.stage {
            Stage::Open | Stage::Cancelled => "cancel_url",
            Stage::Failed => "error_url",
            Stage::Done => "success_url",
        };
        let mut out = format!(
            "<form method=\"post\" action=\"{}\" accept-charset=\"Shift_JIS\" data-do=\"return\">",
            escaped(self.order.purchase.value(target))
        );
        if let Some(fields) = &self.order.report {
            let hash = wire::result_hash(Over::ShiftJis, fields, &self.shop.hash_key);
            let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
            for (name, value) in fields.chain([(HASH, hash.as_str())]) {
                put(
                    &mut out,
                    format_args!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escaped(value)),
                );
            }
        }
        put(
            &mut out,
            format_args!(
                "<button class=\"main\">{}</button></form>",
                escaped(self.words().to_store)
            ),
        );
        out
    }

    fn words(&self) -> &'static Words {
        words(self.japanese)
    }

    fn shown(&self, amount: u64) -> String {
        let number = grouped(amount);
        if self.japanese {
            format!("{number}円")
        } else {
            // The yen sign has no place of its own in Shift_JIS.
            format!("{number} yen")
        }
    }

    fn summary(&self) -> String {
        let words = self.words();
        let amount = escaped(&self.shown(self.order.purchase.amount()));
        let mut out = format!(
            "<section class=\"order\"><p class=\"merchant\">{}</p><p class=\"total\">{amount}</p><h1>{}</h1>\
             <ul class=\"lines\">",
            escaped(&self.shop.name),
            escaped(words.your_order)
        );
        for line in self.order.purchase.lines() {
            put(
                &mut out,
                format_args!(
                    "<li><span class=\"name\">{}</span><span class=\"price\">{}</span><span class=\"detail\">x {}</span></li>",
                    escaped(line.name),
                    escaped(&self.shown(line.amount)),
                    escaped(line.count)
                ),
            );
        }
        put(
            &mut out,
            format_args!(
                "</ul><p class=\"sum\"><span>{}</span><span>{amount}</span></p>\
                 <form method=\"post\" action=\"/pay/{}/cancel\"><button class=\"quiet\">{}</button></form></section>",
                escaped(words.total),
                escaped(&self.order.session),
                escaped(words.back)
            ),
        );
        out
    }

    fn card(&self, method: &str) -> String {
        let words = self.words();
        let mut out = format!(
            "<form class=\"card\" method=\"post\" action=\"/pay/{session}/card\"><h2>{by_card}</h2>\
             <input type=\"hidden\" name=\"method\" value=\"{method}\">\
             <label>{number}<input name=\"number\" inputmode=\"numeric\" autocomplete=\"cc-number\" \
             placeholder=\"1234 1234 1234 1234\" maxlength=\"26\" required></label>\
             <div class=\"pair\">\
             <label>{expiry}<input name=\"expiry\" inputmode=\"numeric\" autocomplete=\"cc-exp\" placeholder=\"{shape}\" \
             maxlength=\"9\" required></label>\
             <label>{code}<input name=\"code\" inputmode=\"numeric\" autocomplete=\"cc-csc\" placeholder=\"123\" \
             maxlength=\"4\" required></label></div>\
             <label>{holder}<input name=\"holder\" autocomplete=\"cc-name\" maxlength=\"80\" required></label>\
             <button class=\"main\">{pay} {amount}</button></form>\
             <details class=\"hints\" open><summary>{cards}</summary><dl>",
            session = escaped(&self.order.session),
            by_card = escaped(words.by_card),
            method = escaped(method),
            number = escaped(words.number),
            expiry = escaped(words.expiry),
            shape = escaped(words.expiry_shape),
            code = escaped(words.code),
            holder = escaped(words.holder),
            pay = escaped(words.pay),
            amount = escaped(&self.shown(self.order.purchase.amount())),
            cards = escaped(words.test_cards),
        );
        let rows = [
            (TestCard::Succeeds, words.succeeds),
            (TestCard::Declines, words.declines),
            (TestCard::AsksForSecure, words.asks),
        ];
        for (card, what) in rows {
            put(
                &mut out,
                format_args!("<div><dt>{}</dt><dd>{}</dd></div>", card.number(), escaped(what)),
            );
        }
        put(
            &mut out,
            format_args!("</dl><p class=\"fine\">{}</p></details>", escaped(words.any_rest)),
        );
        out
    }

    fn wallet(&self, method: &str) -> String {
        let words = self.words();
        format!(
            "<form method=\"post\" action=\"/pay/{}/wallet\"><h2>{title}</h2>\
             <input type=\"hidden\" name=\"method\" value=\"{}\"><button class=\"main\">{title} {}</button></form>",
            escaped(&self.order.session),
            escaped(method),
            escaped(&self.shown(self.order.purchase.amount())),
            title = escaped(words.wallet),
        )
    }

    fn later(&self, method: &str) -> String {
        let words = self.words();
        let title = match method {
            "webcvs" => words.konbini,
            "payeasy" => words.payeasy,
            _ => words.transfer,
        };
        format!(
            "<form class=\"later\" method=\"post\" action=\"/pay/{}/slip\"><h2>{}</h2><p class=\"fine\">{}</p>\
             <input type=\"hidden\" name=\"method\" value=\"{}\">\
             <button class=\"quiet\" name=\"arrives\" value=\"true\">{}</button>\
             <button class=\"quiet\" name=\"arrives\" value=\"false\">{}</button></form>",
            escaped(&self.order.session),
            escaped(title),
            escaped(words.later),
            escaped(method),
            escaped(words.arrives),
            escaped(words.never_arrives),
        )
    }
}

/// SBPS's own error page. The reason is there for tests; a person reads the words.
pub(super) fn refused(japanese: bool, reason: &str) -> String {
    let words = words(japanese);
    let main = format!(
        "<main class=\"single\" data-reason=\"{}\"><h1>{}</h1><p>{}</p></main>",
        escaped(reason),
        escaped(words.error_title),
        escaped(words.error_text)
    );
    document(words, "error", words.error_title, &main)
}

/// The connection check's answer.
pub(super) fn checked(japanese: bool) -> String {
    let words = words(japanese);
    let main = single(words.checked_title, words.checked_text);
    document(words, "checked", words.checked_title, &main)
}

/// A page that does not exist.
pub(super) fn unknown(japanese: bool) -> String {
    let words = words(japanese);
    let main = single(words.unknown_title, words.unknown_text);
    document(words, "unknown", words.unknown_title, &main)
}

/// A form that is not one of ours.
pub(super) fn bad_form(japanese: bool) -> String {
    let words = words(japanese);
    document(words, "bad-form", words.bad_form, &single(words.bad_form, ""))
}

/// What a person sees who opens the bare address.
pub(super) fn home(base: &str) -> String {
    let text = format!(
        "Purchase requests are posted to {base}{}, the API is at {base}/api/xmlapi.do.",
        super::page::FORM
    );
    document(
        words(false),
        "home",
        "Test gateway",
        &single("A gateway for tests, speaking SBPS", &text),
    )
}

fn single(title: &str, text: &str) -> String {
    format!(
        "<main class=\"single\"><h1>{}</h1><p>{}</p></main>",
        escaped(title),
        escaped(text)
    )
}

fn document(words: &Words, kind: &str, title: &str, main: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"{lang}\"><head><meta charset=\"Shift_JIS\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title}</title>\
         <link rel=\"stylesheet\" href=\"/page.css\"></head>\
         <body data-page=\"{kind}\"><p class=\"banner\" role=\"note\">{banner}</p>{main}</body></html>\n",
        lang = words.lang,
        title = escaped(title),
        banner = escaped(words.banner),
    )
}
