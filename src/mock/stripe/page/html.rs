//! The pages as HTML. Whatever a store or a shopper wrote is escaped here, and nowhere else.

use super::super::desk::delayed_method;
use super::super::money;
use super::super::objects::{Challenge, Session};
use super::super::text::{self, Notice, Words, words};
use crate::mock::markup::{escaped, put};

/// The pages of one session.
pub(super) struct Sheet<'a> {
    pub(super) japanese: bool,
    pub(super) merchant: &'a str,
    pub(super) session: &'a Session,
    pub(super) success: String,
    pub(super) now: i64,
}

impl Sheet<'_> {
    /// The open page: order on one side, ways to pay on the other.
    pub(super) fn pay(&self, notice: Option<Notice>) -> String {
        let mut main = String::from("<main class=\"columns\">");
        main.push_str(&self.order());
        main.push_str("<section class=\"ways\">");
        if let Some(notice) = notice {
            put(
                &mut main,
                format_args!(
                    "<p class=\"notice\" role=\"alert\">{}</p>",
                    escaped(text::notice(notice, self.japanese))
                ),
            );
        }
        let offered = &self.session.ask.methods;
        if self.session.ask.amount == 0 {
            main.push_str(&self.free());
        } else {
            if offered.iter().any(|method| method == "card") {
                main.push_str(&self.card());
            }
            if let Some(method) = delayed_method(offered) {
                main.push_str(&self.later(method));
            }
        }
        let left = self.session.ask.expires_at.saturating_sub(self.now);
        let note = escaped(&text::closes_in(left, self.japanese));
        put(&mut main, format_args!("<p class=\"fine\">{note}</p></section></main>"));
        document(self.words(), "pay", self.words().pay_title, &main)
    }

    /// The bank's question.
    pub(super) fn secure(&self, challenge: &Challenge) -> String {
        let words = self.words();
        let main = format!(
            "<main class=\"single\"><h1>{title}</h1><p class=\"total\">{amount}</p><p>{text}</p>\
             <p class=\"card-end\">{brand} •••• {last4}</p>\
             <form method=\"post\" action=\"/c/pay/{id}/secure\">\
             <input type=\"hidden\" name=\"token\" value=\"{token}\">\
             <button class=\"main\" name=\"answer\" value=\"pass\">{pass}</button>\
             <button class=\"quiet\" name=\"answer\" value=\"fail\">{fail}</button>\
             </form></main>",
            title = escaped(words.secure_title),
            amount = escaped(&self.amount()),
            text = escaped(words.secure_text),
            brand = challenge.brand.display(),
            last4 = escaped(&challenge.last4),
            id = escaped(&self.session.id),
            token = escaped(&challenge.token),
            pass = escaped(words.pass),
            fail = escaped(words.fail),
        );
        document(words, "secure", words.secure_title, &main)
    }

    /// The page after it was used.
    pub(super) fn complete(&self) -> String {
        let words = self.words();
        let link = format!(
            "<a class=\"main\" data-do=\"return\" href=\"{}\">{}</a>",
            escaped(&self.success),
            escaped(words.to_store)
        );
        document(
            words,
            "complete",
            words.complete_title,
            &single(words.complete_title, words.complete_text, &link),
        )
    }

    /// The page after its time.
    pub(super) fn expired(&self) -> String {
        let words = self.words();
        document(
            words,
            "expired",
            words.expired_title,
            &single(words.expired_title, words.expired_text, &self.back()),
        )
    }

    fn words(&self) -> &'static Words {
        words(self.japanese)
    }

    fn amount(&self) -> String {
        self.shown(self.session.ask.amount)
    }

    fn shown(&self, amount: u64) -> String {
        money::display(amount, &self.session.ask.currency, self.japanese)
    }

    fn order(&self) -> String {
        let words = self.words();
        let mut out = String::from("<section class=\"order\">");
        put(
            &mut out,
            format_args!("<p class=\"merchant\">{}</p>", escaped(self.merchant)),
        );
        put(
            &mut out,
            format_args!("<p class=\"total\">{}</p>", escaped(&self.amount())),
        );
        put(
            &mut out,
            format_args!("<h1>{}</h1><ul class=\"lines\">", escaped(words.your_order)),
        );
        for item in &self.session.ask.line_items {
            put(
                &mut out,
                format_args!(
                    "<li><span class=\"name\">{}</span><span class=\"price\">{}</span>",
                    escaped(&item.name),
                    escaped(&self.shown(item.total))
                ),
            );
            if let Some(description) = &item.description {
                put(
                    &mut out,
                    format_args!("<span class=\"detail\">{}</span>", escaped(description)),
                );
            }
            let (label, quantity) = (escaped(words.quantity), item.quantity);
            put(
                &mut out,
                format_args!("<span class=\"detail\">{label} {quantity}</span></li>"),
            );
        }
        let (label, amount) = (escaped(words.total), escaped(&self.amount()));
        put(
            &mut out,
            format_args!("</ul><p class=\"sum\"><span>{label}</span><span>{amount}</span></p>"),
        );
        out.push_str(&self.back());
        out.push_str("</section>");
        out
    }

    /// Only if the store said where (Stripe sheet §4, `cancel_url`).
    fn back(&self) -> String {
        let Some(url) = &self.session.ask.cancel_url else {
            return String::new();
        };
        let label = escaped(self.words().back);
        format!(
            "<a class=\"back\" data-do=\"cancel\" href=\"{}\">← {label}</a>",
            escaped(url)
        )
    }

    fn card(&self) -> String {
        let words = self.words();
        let manual = self.session.ask.capture_method == "manual";
        let verb = escaped(if manual { words.authorize } else { words.pay });
        let mut out = format!(
            "<form class=\"card\" method=\"post\" action=\"/c/pay/{id}/card\"><h2>{by_card}</h2>\
             <label>{number}<input name=\"number\" inputmode=\"numeric\" autocomplete=\"cc-number\" \
             placeholder=\"1234 1234 1234 1234\" maxlength=\"26\" required></label>\
             <div class=\"pair\">\
             <label>{expiry}<input name=\"expiry\" inputmode=\"numeric\" autocomplete=\"cc-exp\" placeholder=\"{shape}\" \
             maxlength=\"9\" required></label>\
             <label>{code}<input name=\"code\" inputmode=\"numeric\" autocomplete=\"cc-csc\" placeholder=\"123\" \
             maxlength=\"4\" required></label></div>\
             <label>{holder}<input name=\"holder\" autocomplete=\"cc-name\" maxlength=\"80\" required></label>",
            id = escaped(&self.session.id),
            by_card = escaped(words.by_card),
            number = escaped(words.number),
            expiry = escaped(words.expiry),
            shape = escaped(words.expiry_shape),
            code = escaped(words.code),
            holder = escaped(words.holder),
        );
        if manual {
            put(
                &mut out,
                format_args!("<p class=\"fine\">{}</p>", escaped(words.manual)),
            );
        }
        put(
            &mut out,
            format_args!(
                "<button class=\"main\">{verb} {}</button></form>",
                escaped(&self.amount())
            ),
        );
        let rows = [
            ("4242 4242 4242 4242", words.succeeds),
            ("4000 0000 0000 0002", words.declines),
            ("4000 0025 0000 3155", words.asks),
        ];
        put(
            &mut out,
            format_args!(
                "<details class=\"hints\" open><summary>{}</summary><dl>",
                escaped(words.test_cards)
            ),
        );
        for (number, what) in rows {
            put(
                &mut out,
                format_args!("<div><dt>{number}</dt><dd>{}</dd></div>", escaped(what)),
            );
        }
        put(
            &mut out,
            format_args!("</dl><p class=\"fine\">{}</p></details>", escaped(words.any_rest)),
        );
        out
    }

    fn later(&self, method: &str) -> String {
        let words = self.words();
        let title = if method == "konbini" {
            words.konbini
        } else {
            words.transfer
        };
        format!(
            "<form class=\"later\" method=\"post\" action=\"/c/pay/{id}/later\"><h2>{title}</h2><p class=\"fine\">{text}</p>\
             <button class=\"quiet\" name=\"arrives\" value=\"true\">{arrives}</button>\
             <button class=\"quiet\" name=\"arrives\" value=\"false\">{never}</button></form>",
            id = escaped(&self.session.id),
            title = escaped(title),
            text = escaped(words.later),
            arrives = escaped(words.arrives),
            never = escaped(words.never_arrives),
        )
    }

    fn free(&self) -> String {
        let words = self.words();
        format!(
            "<form method=\"post\" action=\"/c/pay/{id}/confirm\"><p>{text}</p><button class=\"main\">{confirm}</button></form>",
            id = escaped(&self.session.id),
            text = escaped(words.free),
            confirm = escaped(words.confirm),
        )
    }
}

/// A page that does not exist.
pub(super) fn unknown(japanese: bool) -> String {
    let words = words(japanese);
    document(
        words,
        "unknown",
        words.unknown_title,
        &single(words.unknown_title, words.unknown_text, ""),
    )
}

/// A form that is not one of ours.
pub(super) fn bad_form(japanese: bool) -> String {
    let words = words(japanese);
    document(words, "error", words.bad_form, &single(words.bad_form, "", ""))
}

/// A fault.
pub(super) fn broken() -> String {
    let words = words(false);
    document(
        words,
        "error",
        "500",
        &single("500", "Something went wrong on our side. (simulated)", ""),
    )
}

/// What a person sees who opens the bare address.
pub(super) fn home(base: &str) -> String {
    let words = words(false);
    let text = format!("The API is at {base}/v1, and every session's page is on this address too.");
    document(
        words,
        "home",
        "Test gateway",
        &single("A gateway for tests, speaking Stripe", &text, ""),
    )
}

fn single(title: &str, text: &str, link: &str) -> String {
    format!(
        "<main class=\"single\"><h1>{}</h1><p>{}</p>{link}</main>",
        escaped(title),
        escaped(text)
    )
}

fn document(words: &Words, kind: &str, title: &str, main: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title}</title>\
         <link rel=\"stylesheet\" href=\"/c/page.css\"></head>\
         <body data-page=\"{kind}\"><p class=\"banner\" role=\"note\">{banner}</p>{main}</body></html>\n",
        lang = words.lang,
        title = escaped(title),
        banner = escaped(words.banner),
    )
}
