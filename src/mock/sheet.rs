//! What the hosted pages of the gateways have in common, as HTML. Whatever a store or a shopper wrote is escaped here.

use super::card::{Flaw, TestCard};
use super::form::Charset;
use super::language;
use super::markup::{escaped, grouped, put};
use super::words::{Words, words};

/// The whole script of the page that leads back.
pub(super) const SUBMIT: &str = "document.forms[0].submit()";

/// One page of one order.
pub(super) struct Sheet<'a> {
    pub(super) japanese: bool,
    pub(super) charset: Charset,
    /// What the address of every step starts with.
    pub(super) steps: &'a str,
    /// Yen.
    pub(super) amount: u64,
}

/// One line of an order: name, price and count, if it has them.
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) price: u64,
    pub(super) count: &'a str,
}

impl Sheet<'_> {
    pub(super) fn words(&self) -> &'static Words {
        words(self.japanese)
    }

    /// An amount as a shopper reads it.
    pub(super) fn shown(&self, amount: u64) -> String {
        let number = grouped(amount);
        if self.japanese {
            format!("{number}円")
        } else {
            // The yen sign has no place of its own in Shift_JIS.
            format!("{number} yen")
        }
    }

    /// The open page: order on one side, ways to pay on the other.
    pub(super) fn pay(&self, summary: &str, flaw: Option<Flaw>, ways: &str) -> String {
        let mut main = format!("<main class=\"columns\">{summary}<section class=\"ways\">");
        if let Some(flaw) = flaw {
            put(
                &mut main,
                format_args!(
                    "<p class=\"notice\" role=\"alert\">{}</p>",
                    escaped(language::flaw(flaw, self.japanese))
                ),
            );
        }
        main.push_str(ways);
        main.push_str("</section></main>");
        self.document("pay", self.words().title, &main)
    }

    /// The order, and the way back to the store.
    pub(super) fn summary<'l>(&self, store: &str, lines: impl IntoIterator<Item = Line<'l>>) -> String {
        let words = self.words();
        let amount = escaped(&self.shown(self.amount));
        let mut out = format!(
            "<section class=\"order\"><p class=\"merchant\">{}</p><p class=\"total\">{amount}</p><h1>{}</h1>\
             <ul class=\"lines\">",
            escaped(store),
            escaped(words.your_order)
        );
        for line in lines {
            put(
                &mut out,
                format_args!(
                    "<li><span class=\"name\">{}</span><span class=\"price\">{}</span><span class=\"detail\">x {}</span></li>",
                    escaped(line.name),
                    escaped(&self.shown(line.price)),
                    escaped(line.count)
                ),
            );
        }
        put(
            &mut out,
            format_args!(
                "</ul><p class=\"sum\"><span>{}</span><span>{amount}</span></p>\
                 <form method=\"post\" action=\"{}/cancel\"><button class=\"quiet\">{}</button></form></section>",
                escaped(words.total),
                escaped(self.steps),
                escaped(words.back)
            ),
        );
        out
    }

    pub(super) fn card(&self, method: &str) -> String {
        let words = self.words();
        let mut out = format!(
            "<form class=\"card\" method=\"post\" action=\"{steps}/card\"><h2>{by_card}</h2>\
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
            steps = escaped(self.steps),
            by_card = escaped(words.by_card),
            method = escaped(method),
            number = escaped(words.number),
            expiry = escaped(words.expiry),
            shape = escaped(words.expiry_shape),
            code = escaped(words.code),
            holder = escaped(words.holder),
            pay = escaped(words.pay),
            amount = escaped(&self.shown(self.amount)),
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

    pub(super) fn wallet(&self, method: &str) -> String {
        format!(
            "<form method=\"post\" action=\"{}/wallet\"><h2>{title}</h2>\
             <input type=\"hidden\" name=\"method\" value=\"{}\"><button class=\"main\">{title} {}</button></form>",
            escaped(self.steps),
            escaped(method),
            escaped(&self.shown(self.amount)),
            title = escaped(self.words().wallet),
        )
    }

    /// A way to pay that ends with a number now and money later, or never.
    pub(super) fn later(&self, method: &str, title: &str) -> String {
        let words = self.words();
        format!(
            "<form class=\"later\" method=\"post\" action=\"{}/slip\"><h2>{}</h2><p class=\"fine\">{}</p>\
             <input type=\"hidden\" name=\"method\" value=\"{}\">\
             <button class=\"quiet\" name=\"arrives\" value=\"true\">{}</button>\
             <button class=\"quiet\" name=\"arrives\" value=\"false\">{}</button></form>",
            escaped(self.steps),
            escaped(title),
            escaped(words.later),
            escaped(method),
            escaped(words.arrives),
            escaped(words.never_arrives),
        )
    }

    /// The bank's question.
    pub(super) fn secure(&self, token: &str, last4: &str) -> String {
        let words = self.words();
        let main = format!(
            "<main class=\"single\"><h1>{title}</h1><p class=\"total\">{amount}</p><p>{text}</p>\
             <p class=\"card-end\">Visa **** {last4}</p>\
             <form method=\"post\" action=\"{steps}/secure\">\
             <input type=\"hidden\" name=\"token\" value=\"{token}\">\
             <button class=\"main\" name=\"answer\" value=\"pass\">{pass}</button>\
             <button class=\"quiet\" name=\"answer\" value=\"fail\">{fail}</button></form></main>",
            title = escaped(words.secure_title),
            amount = escaped(&self.shown(self.amount)),
            text = escaped(words.secure_text),
            last4 = escaped(last4),
            steps = escaped(self.steps),
            token = escaped(token),
            pass = escaped(words.pass),
            fail = escaped(words.fail),
        );
        self.document("secure", words.secure_title, &main)
    }

    /// What is paid at the counter, and until when. `until` starts with a date of eight digits.
    pub(super) fn slip(&self, number: &str, until: &str, back: &str) -> String {
        let words = self.words();
        let date = [until.get(0..4), until.get(4..6), until.get(6..8)].map(Option::unwrap_or_default);
        let main = format!(
            "<main class=\"single\"><h1>{title}</h1><p class=\"total\">{amount}</p><p>{text}</p>\
             <p>{number_label}: <strong>{number}</strong></p><p>{until_label}: {date}</p>{back}</main>",
            title = escaped(words.slip_title),
            amount = escaped(&self.shown(self.amount)),
            text = escaped(words.slip_text),
            number_label = escaped(words.slip_number),
            number = escaped(number),
            until_label = escaped(words.slip_until),
            date = escaped(&date.join("/")),
        );
        self.document("slip", words.slip_title, &main)
    }

    /// The form that posts to the store.
    pub(super) fn return_form<'f>(&self, target: &str, fields: impl IntoIterator<Item = (&'f str, &'f str)>) -> String {
        let mut out = format!(
            "<form method=\"post\" action=\"{}\" accept-charset=\"{}\" data-do=\"return\">",
            escaped(target),
            self.charset.name()
        );
        for (name, value) in fields {
            put(
                &mut out,
                format_args!(
                    "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                    escaped(name),
                    escaped(value)
                ),
            );
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

    /// Posts to the store by itself; by the button where scripts are off.
    pub(super) fn going_back(&self, form: &str) -> String {
        let words = self.words();
        let main = format!(
            "<main class=\"single\"><h1>{}</h1>{form}</main><script>{SUBMIT}</script>",
            escaped(words.going_back),
        );
        self.document("return", words.going_back, &main)
    }

    /// The gateway's own word on how it went, and the button that leads back.
    pub(super) fn result(&self, title: &str, back: &str) -> String {
        let main = format!(
            "<main class=\"single\"><h1>{}</h1><p class=\"total\">{}</p>{back}</main>",
            escaped(title),
            escaped(&self.shown(self.amount)),
        );
        self.document("result", title, &main)
    }

    fn document(&self, kind: &str, title: &str, main: &str) -> String {
        document(self.words(), self.charset, kind, title, main)
    }
}

/// A gateway's own error page. The reason is there for tests; a person reads the words.
pub(super) fn refused(japanese: bool, charset: Charset, reason: &str) -> String {
    let words = words(japanese);
    let main = format!(
        "<main class=\"single\" data-reason=\"{}\"><h1>{}</h1><p>{}</p></main>",
        escaped(reason),
        escaped(words.error_title),
        escaped(words.error_text)
    );
    document(words, charset, "error", words.error_title, &main)
}

/// A page that does not exist.
pub(super) fn unknown(japanese: bool, charset: Charset) -> String {
    let words = words(japanese);
    notice(japanese, charset, "unknown", (words.unknown_title, words.unknown_text))
}

/// A form that is not one of ours.
pub(super) fn bad_form(japanese: bool, charset: Charset) -> String {
    notice(japanese, charset, "bad-form", (words(japanese).bad_form, ""))
}

/// A page that only says something: its title and its text.
pub(super) fn notice(japanese: bool, charset: Charset, kind: &str, (title, text): (&str, &str)) -> String {
    let main = format!(
        "<main class=\"single\"><h1>{}</h1><p>{}</p></main>",
        escaped(title),
        escaped(text)
    );
    document(words(japanese), charset, kind, title, &main)
}

fn document(words: &Words, charset: Charset, kind: &str, title: &str, main: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"{lang}\"><head><meta charset=\"{charset}\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title}</title>\
         <link rel=\"stylesheet\" href=\"/page.css\"></head>\
         <body data-page=\"{kind}\"><p class=\"banner\" role=\"note\">{banner}</p>{main}</body></html>\n",
        lang = words.lang,
        charset = charset.name(),
        title = escaped(title),
        banner = escaped(words.banner),
    )
}
