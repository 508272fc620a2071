//! The pages as HTML, in English and Japanese. Whatever a store or a shopper wrote is escaped here, and nowhere else.

use super::objects::{Payment, PaymentStatus, Session, Way, timestamp};
use crate::mock::card::Flaw;
use crate::mock::clock::unix;
use crate::mock::language;
use crate::mock::markup::{escaped, grouped, put};

/// The pages of one session.
pub(super) struct Sheet<'a> {
    pub(super) japanese: bool,
    pub(super) merchant: &'a str,
    pub(super) session: &'a Session,
    /// The store's address, for paying and for giving up alike.
    pub(super) back: &'a str,
    pub(super) now: i64,
}

impl Sheet<'_> {
    /// The open page: order on one side, ways to pay on the other.
    pub(super) fn pay(&self, flaw: Option<Flaw>) -> String {
        let mut main = String::from("<main class=\"columns\">");
        main.push_str(&self.order());
        main.push_str("<section class=\"ways\">");
        let notice = flaw.map(|flaw| language::flaw(flaw, self.japanese));
        if let Some(notice) = notice.or_else(|| self.session.notice.map(|word| self.notice(word))) {
            put(
                &mut main,
                format_args!("<p class=\"notice\" role=\"alert\">{}</p>", escaped(notice)),
            );
        }
        for way in &self.session.ask.ways {
            main.push_str(&if way.is_slip() { self.later(*way) } else { self.card() });
        }
        let left = self.session.ends().saturating_sub(self.now).max(0) / 60;
        let (hours, minutes) = (left / 60, left % 60);
        let note = if self.japanese {
            format!("このページはあと{hours}時間{minutes}分で閉じます。")
        } else {
            format!("This page closes in {hours} h {minutes} min.")
        };
        put(&mut main, format_args!("<p class=\"fine\">{note}</p></section></main>"));
        document(self.japanese, "pay", self.say("Payment", "お支払い"), &main)
    }

    /// The bank's question.
    pub(super) fn secure(&self, token: &str, payment: &Payment) -> String {
        let title = self.say("3-D Secure", "3Dセキュア認証");
        let main = format!(
            "<main class=\"single\"><h1>{title}</h1><p class=\"total\">{amount}</p><p>{text}</p>\
             <p class=\"card-end\">•••• {last4}</p>\
             <form method=\"post\" action=\"/sessions/{id}/secure\">\
             <input type=\"hidden\" name=\"token\" value=\"{token}\">\
             <button class=\"main\" name=\"answer\" value=\"pass\">{pass}</button>\
             <button class=\"quiet\" name=\"answer\" value=\"fail\">{fail}</button></form></main>",
            amount = escaped(&self.shown(self.session.ask.amount)),
            text = self.say(
                "Your bank wants to know that it is you who pays.",
                "カード会社がご本人によるお支払いであることを確認します。"
            ),
            last4 = escaped(&payment.last4),
            id = escaped(&self.session.id),
            token = escaped(token),
            pass = self.say("It is me", "本人として認証する"),
            fail = self.say("Fail the check", "認証に失敗する"),
        );
        document(self.japanese, "secure", title, &main)
    }

    /// Number, sum and deadline of a slip, and whether it was paid.
    pub(super) fn slip(&self, payment: &Payment) -> String {
        let text = match payment.status {
            PaymentStatus::Authorized => self.say(
                "Pay this slip before its deadline. Nothing is paid yet.",
                "期限までにお支払いください。まだお支払いは済んでいません。",
            ),
            PaymentStatus::Captured => self.say("This slip was paid.", "お支払い済みです。"),
            PaymentStatus::Refunded => self.say("The money was sent back.", "返金済みです。"),
            _ => self.say("This slip is no longer valid.", "このお支払い番号は無効です。"),
        };
        let (number, _) = payment.id.split_at_checked(12).unwrap_or((&payment.id, ""));
        let mut main = format!(
            "<main class=\"single\"><h1>{title}</h1><p class=\"total\">{total}</p><p>{text}</p>\
             <dl><div><dt>{number_label}</dt><dd>{number}</dd></div><div><dt>{fee_label}</dt><dd>{fee}</dd></div>",
            title = self.way(payment.way),
            total = escaped(&self.shown(payment.total())),
            number_label = self.say("Payment number", "お支払い番号"),
            number = escaped(number),
            fee_label = self.say("Fee included", "うち手数料"),
            fee = escaped(&self.shown(payment.fee)),
        );
        if let Some(deadline) = payment.deadline {
            let label = self.say("Pay before", "お支払い期限");
            let deadline = timestamp(unix(deadline));
            put(
                &mut main,
                format_args!("<div><dt>{label}</dt><dd>{deadline}</dd></div>"),
            );
        }
        put(&mut main, format_args!("</dl>{}</main>", self.on()));
        document(self.japanese, "slip", self.way(payment.way), &main)
    }

    /// The page after it was used.
    pub(super) fn complete(&self) -> String {
        let title = self.say("This order is confirmed", "ご注文は確定しています");
        let text = self.say(
            "The payment page was used already. Nothing more will be charged here.",
            "このお支払いページは使用済みです。これ以上請求されることはありません。",
        );
        document(self.japanese, "complete", title, &single(title, text, &self.on()))
    }

    /// The page after its time, or after the store closed it.
    pub(super) fn closed(&self) -> String {
        let title = self.say("This payment page is closed", "お支払いページは閉じられました");
        let text = self.say(
            "Nothing was charged. Go back to the store to start again.",
            "請求はされていません。ストアに戻ってやり直してください。",
        );
        document(self.japanese, "expired", title, &single(title, text, &self.away()))
    }

    fn say<'w>(&self, english: &'w str, japanese: &'w str) -> &'w str {
        if self.japanese { japanese } else { english }
    }

    fn notice(&self, word: &str) -> &'static str {
        match (word, self.japanese) {
            ("declined", false) => "Your card was declined. Nothing was charged; try another card.",
            ("declined", true) => "カードが拒否されました。請求はされていません。別のカードをお試しください。",
            (_, false) => "Your bank could not confirm that it is you. Nothing was charged; try again.",
            (_, true) => "本人認証ができませんでした。請求はされていません。もう一度お試しください。",
        }
    }

    fn way(&self, way: Way) -> &'static str {
        match (way, self.japanese) {
            (Way::Card, false) => "Pay by card",
            (Way::Card, true) => "クレジットカードで支払う",
            (Way::Konbini, false) => "Pay at a convenience store",
            (Way::Konbini, true) => "コンビニで支払う",
            (Way::BankTransfer, false) => "Pay by bank transfer",
            (Way::BankTransfer, true) => "銀行振込で支払う",
            (Way::PayEasy, false) => "Pay by Pay-easy",
            (Way::PayEasy, true) => "ペイジーで支払う",
        }
    }

    /// Three currencies here have no decimals (sheet section "Money").
    fn shown(&self, amount: u64) -> String {
        match self.session.ask.currency.as_str() {
            "JPY" if self.japanese => format!("{}円", grouped(amount)),
            "JPY" => format!("¥{}", grouped(amount)),
            code @ ("KRW" | "VND") => format!("{code} {}", grouped(amount)),
            code => format!("{code} {}.{:02}", grouped(amount / 100), amount % 100),
        }
    }

    fn order(&self) -> String {
        let mut out = String::from("<section class=\"order\">");
        let total = escaped(&self.shown(self.session.ask.amount));
        put(
            &mut out,
            format_args!(
                "<p class=\"merchant\">{}</p><p class=\"total\">{total}</p><h1>{}</h1><ul class=\"lines\">",
                escaped(self.merchant),
                self.say("Your order", "ご注文内容")
            ),
        );
        for item in &self.session.ask.line_items {
            let name = item
                .get("description")
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default();
            put(
                &mut out,
                format_args!("<li><span class=\"name\">{}</span>", escaped(name)),
            );
            if let Some(amount) = item.get("amount").and_then(serde_json::Value::as_u64) {
                let amount = escaped(&self.shown(amount));
                put(&mut out, format_args!("<span class=\"price\">{amount}</span>"));
            }
            out.push_str("</li>");
        }
        let label = self.say("Total", "合計");
        put(
            &mut out,
            format_args!("</ul><p class=\"sum\"><span>{label}</span><span>{total}</span></p>"),
        );
        out.push_str(&self.away());
        out.push_str("</section>");
        out
    }

    fn card(&self) -> String {
        let manual = self.session.ask.manual;
        let mut out = format!(
            "<form class=\"card\" method=\"post\" action=\"/sessions/{id}/card\"><h2>{title}</h2>\
             <label>{number}<input name=\"number\" inputmode=\"numeric\" autocomplete=\"cc-number\" \
             placeholder=\"1234 1234 1234 1234\" maxlength=\"26\" required></label>\
             <div class=\"pair\">\
             <label>{expiry}<input name=\"expiry\" inputmode=\"numeric\" autocomplete=\"cc-exp\" \
             placeholder=\"{shape}\" maxlength=\"9\" required></label>\
             <label>{code}<input name=\"code\" inputmode=\"numeric\" autocomplete=\"cc-csc\" placeholder=\"123\" \
             maxlength=\"4\" required></label></div>\
             <label>{holder}<input name=\"holder\" autocomplete=\"cc-name\" maxlength=\"80\" required></label>\
             <button class=\"main\">{verb} {amount}</button></form>",
            id = escaped(&self.session.id),
            title = self.way(Way::Card),
            number = self.say("Card number", "カード番号"),
            expiry = self.say("Expiry", "有効期限"),
            shape = self.say("MM / YY", "月 / 年"),
            code = self.say("Security code", "セキュリティコード"),
            holder = self.say("Name on card", "カード名義人"),
            verb = if manual {
                self.say("Authorize", "承認する")
            } else {
                self.say("Pay", "支払う")
            },
            amount = escaped(&self.shown(self.session.ask.amount)),
        );
        let rows = [
            ("4242 4242 4242 4242", self.say("is paid", "支払いが成立します")),
            ("4000 0000 0000 0002", self.say("is declined", "拒否されます")),
            (
                "4000 0025 0000 3155",
                self.say("asks for 3-D Secure", "3Dセキュアの認証があります"),
            ),
        ];
        let title = self.say("Test cards", "テスト用カード");
        put(
            &mut out,
            format_args!("<details class=\"hints\" open><summary>{title}</summary><dl>"),
        );
        for (number, what) in rows {
            put(&mut out, format_args!("<div><dt>{number}</dt><dd>{what}</dd></div>"));
        }
        out.push_str("</dl></details>");
        out
    }

    fn later(&self, way: Way) -> String {
        format!(
            "<form class=\"later\" method=\"post\" action=\"/sessions/{id}/{way}/later\"><h2>{title}</h2>\
             <p class=\"fine\">{text}</p>\
             <button class=\"quiet\" name=\"arrives\" value=\"true\">{arrives}</button>\
             <button class=\"quiet\" name=\"arrives\" value=\"false\">{never}</button></form>",
            id = escaped(&self.session.id),
            way = way.name(),
            title = self.way(way),
            text = self.say(
                "A slip is issued now, with a fee on top; it is paid days later, or never.",
                "お支払い番号を発行します(手数料がかかります)。お支払いは数日後か、されないこともあります。"
            ),
            arrives = self.say("Issue a slip, and pay it", "番号を発行し、後で支払う"),
            never = self.say("Issue a slip, and let it lapse", "番号を発行し、支払わない"),
        )
    }

    /// On to the store, with the page done.
    fn on(&self) -> String {
        let label = self.say("Go to the store", "ストアへ");
        let href = escaped(self.back);
        format!("<a class=\"main\" data-do=\"return\" href=\"{href}\">{label}</a>")
    }

    /// Away from the page: the very same address.
    fn away(&self) -> String {
        let label = self.say("Back to the store", "ストアに戻る");
        let href = escaped(self.back);
        format!("<a class=\"back\" data-do=\"cancel\" href=\"{href}\">← {label}</a>")
    }
}

/// A page that does not exist.
pub(super) fn unknown(japanese: bool) -> String {
    let title = if japanese {
        "ページが見つかりません"
    } else {
        "There is no such page"
    };
    document(japanese, "unknown", title, &single(title, "", ""))
}

/// A form that is not one of ours.
pub(super) fn bad_form(japanese: bool) -> String {
    let title = if japanese {
        "送信された内容を読み取れませんでした。"
    } else {
        "The form could not be read."
    };
    document(japanese, "error", title, &single(title, "", ""))
}

/// A fault.
pub(super) fn broken() -> String {
    let main = single("500", "Something went wrong on our side. (simulated)", "");
    document(false, "error", "500", &main)
}

/// What a person sees who opens the bare address.
pub(super) fn home(base: &str) -> String {
    let text = format!("The API is at {base}/api/v1, and every session's page is on this address too.");
    let main = single("A gateway for tests, speaking KOMOJU", &text, "");
    document(false, "home", "Test gateway", &main)
}

fn single(title: &str, text: &str, link: &str) -> String {
    let (title, text) = (escaped(title), escaped(text));
    format!("<main class=\"single\"><h1>{title}</h1><p>{text}</p>{link}</main>")
}

fn document(japanese: bool, kind: &str, title: &str, main: &str) -> String {
    let (lang, banner) = if japanese {
        (
            "ja",
            "テスト用ゲートウェイです。実在のカードは使えず、お金は動きません。",
        )
    } else {
        ("en", "Test gateway: no real card, no real money.")
    };
    format!(
        "<!doctype html>\n<html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title}</title>\
         <link rel=\"stylesheet\" href=\"/sessions/page.css\"></head>\
         <body data-page=\"{kind}\"><p class=\"banner\" role=\"note\">{banner}</p>{main}</body></html>\n",
        title = escaped(title),
    )
}
