//! The pages: HTML as text, everything that is not ours escaped, no script anywhere.

pub(crate) mod assets;
pub(crate) mod basket;
pub(crate) mod checkout;
pub(crate) mod operator;
pub(crate) mod order;
pub(crate) mod shelf;
pub(crate) mod trouble;

use super::Shop;
use super::book::OrderLine;
use super::goods;
use super::html::esc;
use super::lang::Lang;
use super::ways::Way;
use super::web::Visitor;

/// What goes around every page.
struct Frame<'a> {
    lang: Lang,
    title: &'a str,
    /// The path that the language switch leads to.
    here: &'a str,
    /// How many things are in the basket, where that is known.
    basket: Option<u32>,
    /// Look again after so many seconds.
    refresh: Option<u32>,
    /// The way behind the counter, in a rehearsal.
    behind: Option<String>,
}

impl<'a> Frame<'a> {
    fn of(shop: &Shop, visitor: &'a Visitor, title: &'a str) -> Self {
        Self {
            lang: visitor.lang,
            title,
            here: &visitor.path,
            basket: None,
            refresh: None,
            behind: shop.is_rehearsal().then(|| shop.operator_path()),
        }
    }

    fn bare(lang: Lang, title: &'a str) -> Self {
        Self {
            lang,
            title,
            here: "/",
            basket: None,
            refresh: None,
            behind: None,
        }
    }

    fn page(self, body: &str) -> String {
        let lang = self.lang;
        let other = lang.pick("en", "ja");
        let name = lang.pick("茶舗 やまかぜ", "Yamakaze Tea");
        let count = self.basket.filter(|count| *count > 0);
        let count = count
            .map(|count| format!(r#" <b class="count">{count}</b>"#))
            .unwrap_or_default();
        let refresh = self
            .refresh
            .map(|seconds| format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">\n"))
            .unwrap_or_default();
        let rehearsal = self.behind.map(|path| {
            format!(
                r#"<p class="rehearsal">{} <a href="{}" data-test="operator">{}</a></p>"#,
                lang.pick(
                    "これは見本の店です。決済会社も見本で、お金は動きません。",
                    "This is a rehearsal: the payment page is played by this machine, and no money moves."
                ),
                esc(&path),
                lang.pick("カウンターの裏側を見る", "Look behind the counter"),
            )
        });
        format!(
            r##"<!doctype html>
<html lang="{tag}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{refresh}<title>{title} | {name}</title>
<link rel="stylesheet" href="/shop.css">
<link rel="icon" href="/goods/sencha.svg" type="image/svg+xml">
</head>
<body>
<a class="skip" href="#main">{skip}</a>
<header class="top"><div class="wide">
<a class="brand" href="/"><span class="leaf" aria-hidden="true"></span>{name}</a>
<nav aria-label="{menu}">
<a href="/orders">{orders}</a>
<a href="/basket">{basket}{count}</a>
<a href="{here}?lang={other}" hreflang="{other}" lang="{other}">{switch}</a>
</nav>
</div></header>
<main id="main" class="wide">
{body}
</main>
<footer><div class="wide">
<p>{no_cards}</p>
{rehearsal}
</div></footer>
</body>
</html>
"##,
            tag = lang.tag(),
            title = esc(self.title),
            skip = lang.pick("本文へ", "Skip to the page"),
            menu = lang.pick("メニュー", "Menu"),
            orders = lang.pick("ご注文", "Orders"),
            basket = lang.pick("かご", "Basket"),
            switch = lang.pick("English", "日本語"),
            here = esc(self.here),
            no_cards = lang.pick(
                "カード情報は決済会社のページでのみ入力いただきます。当店がお預かりすることはありません。",
                "Card details are typed on the payment company's page only. This shop never sees them."
            ),
            rehearsal = rehearsal.unwrap_or_default(),
        )
    }
}

/// The token that every form of the shop brings along.
fn token(visitor: &Visitor) -> String {
    format!(
        r#"<input type="hidden" name="form_token" value="{}">"#,
        esc(&visitor.form_token)
    )
}

/// The choice among the ways to pay. With only one there is nothing to choose.
fn ways(shop: &Shop, lang: Lang, chosen: &Way) -> String {
    if shop.ways().len() < 2 {
        return String::new();
    }
    let ways = shop
        .ways()
        .iter()
        .map(|way| {
            let checked = if way.gateway() == chosen.gateway() {
                " checked"
            } else {
                ""
            };
            format!(
                "<label><input type=\"radio\" name=\"way\" value=\"{}\" required{checked}> {}</label>\n",
                way.gateway(),
                esc(way.name(lang)),
            )
        })
        .collect::<Vec<_>>()
        .concat();
    format!(
        "<fieldset class=\"ways\"><legend>{}</legend>\n{ways}</fieldset>",
        lang.pick("お支払い方法", "How to pay")
    )
}

/// What an order or a basket comes to.
fn bill(lang: Lang, lines: &[OrderLine]) -> String {
    let rows = lines
        .iter()
        .map(|line| {
            format!(
                "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
                esc(&line.name),
                line.quantity,
                goods::shown(goods::yen(line.yen * line.quantity), lang),
            )
        })
        .collect::<Vec<_>>()
        .concat();
    let total = goods::yen(lines.iter().map(|line| line.yen * line.quantity).sum());
    format!(
        r#"<table class="bill">
<thead><tr><th scope="col">{}</th><th scope="col" class="n">{}</th><th scope="col" class="n">{}</th></tr></thead>
<tbody>
{rows}</tbody>
<tfoot><tr><th scope="row" colspan="2">{}</th><td class="n" data-test="total">{}</td></tr></tfoot>
</table>"#,
        lang.pick("品名", "Item"),
        lang.pick("数量", "Qty"),
        lang.pick("金額", "Amount"),
        lang.pick("合計（税込）", "Total, tax included"),
        goods::shown(total, lang),
    )
}
