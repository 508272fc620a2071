//! The last page before the payment page. It asks where to send the parcel, and for nothing that has to do with a card.

use super::super::Shop;
use super::super::book::{Basket, Order};
use super::super::buying::{Delivery, Flaw};
use super::super::html::esc;
use super::super::lang::Lang;
use super::super::ways::Way;
use super::super::web::Visitor;
use super::{Frame, bill, token, ways};

pub(crate) fn checkout(
    shop: &Shop,
    visitor: &Visitor,
    basket: &Basket,
    typed: &Delivery,
    chosen: &Way,
    flaws: &[Flaw],
) -> String {
    let lang = visitor.lang;
    let title = lang.pick("ご注文の確認", "Confirm your order");
    let problems = flaws
        .iter()
        .map(|flaw| format!("<li>{}</li>", problem(*flaw, lang)))
        .collect::<Vec<_>>()
        .concat();
    let problems = if problems.is_empty() {
        problems
    } else {
        format!(r#"<ul class="problems" role="alert">{problems}</ul>"#)
    };
    let invalid = |flaw| {
        if flaws.contains(&flaw) {
            r#" aria-invalid="true""#
        } else {
            ""
        }
    };
    let frame = Frame {
        basket: Some(basket.count()),
        ..Frame::of(shop, visitor, title)
    };
    frame.page(&format!(
        r#"<h1>{title}</h1>
{problems}<div class="two">
<form method="post" action="/checkout" class="stack">{token}
<label>{name}<input name="name" autocomplete="name" required maxlength="80" value="{name_typed}"{name_bad}></label>
<label>{email}<input name="email" type="email" autocomplete="email" required maxlength="254" value="{email_typed}"{email_bad}></label>
<label>{address}<textarea name="address" autocomplete="street-address" required maxlength="300" rows="3"{address_bad}>{address_typed}</textarea></label>
{ways}<button data-test="pay">{pay}</button>
<p class="quiet">{next}</p>
</form>
<section aria-label="{summary}">{bill}</section>
</div>"#,
        token = token(visitor),
        name = lang.pick("お名前", "Name"),
        email = lang.pick("メールアドレス", "E-mail"),
        address = lang.pick("お届け先", "Delivery address"),
        name_typed = esc(&typed.name),
        email_typed = esc(&typed.email),
        address_typed = esc(&typed.address),
        name_bad = invalid(Flaw::Name),
        email_bad = invalid(Flaw::Email),
        address_bad = invalid(Flaw::Address),
        ways = ways(shop, lang, chosen),
        pay = lang.pick("注文を確定してお支払いへ", "Place the order and pay"),
        next = lang.pick(
            "次に決済会社のページが開きます。お支払いはそちらで承ります。",
            "The payment company's page comes next. You pay there."
        ),
        summary = lang.pick("ご注文内容", "Your order"),
        bill = bill(lang, &basket.order_lines(lang)),
    ))
}

/// The payment page could not be reached. Nothing was charged, and pressing again leads to the same payment.
pub(crate) fn no_payment_page(shop: &Shop, visitor: &Visitor, order: &Order, chosen: &Way) -> String {
    let lang = visitor.lang;
    let title = lang.pick("決済ページを開けませんでした", "The payment page did not open");
    let frame = Frame {
        here: "/orders",
        ..Frame::of(shop, visitor, title)
    };
    frame.page(&format!(
        r#"<section class="notice wait" data-test="standing" data-standing="no-page"><h1>{title}</h1><p>{}</p>
<form method="post" action="/orders/{order}/pay" class="stack">{}{}<button data-test="pay">{}</button></form></section>
<p><a href="/orders/{order}">{}</a></p>"#,
        lang.pick(
            "決済会社に接続できませんでした。ご請求は発生していません。少し待ってからもう一度お試しください。",
            "The payment company could not be reached. Nothing was charged. Please wait a moment and try again."
        ),
        token(visitor),
        ways(shop, lang, chosen),
        lang.pick("もう一度試す", "Try again"),
        lang.pick("ご注文を見る", "See the order"),
        order = order.reference,
    ))
}

/// An earlier payment page of this order may still be used, and its company cannot close it or does not answer. Nobody is
/// sent to a second page before that is over.
pub(crate) fn being_confirmed(shop: &Shop, visitor: &Visitor, order: &Order, earlier: &Way) -> String {
    let lang = visitor.lang;
    let title = lang.pick("先のお支払いを確認しています", "An earlier payment is being confirmed");
    let frame = Frame {
        here: "/orders",
        ..Frame::of(shop, visitor, title)
    };
    frame.page(&format!(
        r#"<section class="notice wait" data-test="standing" data-standing="confirming"><h1>{title}</h1><p>{}</p>
<form method="post" action="/orders/{order}/pay" class="stack">{}{}<button data-test="pay">{}</button></form></section>
<p><a href="/orders/{order}">{}</a></p>"#,
        lang.pick(
            "このご注文の先のお支払いページがまだ有効です。開いたままでしたら、そちらでお続けください。二重のお支払いを防ぐため、別の方法をご希望の場合は、しばらくしてからもう一度お試しください。",
            "An earlier payment page of this order can still be used. If you have it open, please finish there. So that you do not pay twice, another way to pay has to wait: please try again in some minutes."
        ),
        token(visitor),
        ways(shop, lang, earlier),
        lang.pick("もう一度試す", "Try again"),
        lang.pick("ご注文を見る", "See the order"),
        order = order.reference,
    ))
}

fn problem(flaw: Flaw, lang: Lang) -> &'static str {
    match flaw {
        Flaw::Name => lang.pick(
            "お名前を 80 文字以内でご記入ください。",
            "Please give a name of at most 80 characters.",
        ),
        Flaw::Email => lang.pick("メールアドレスをご確認ください。", "Please check the e-mail address."),
        Flaw::Address => lang.pick(
            "お届け先を 300 文字以内でご記入ください。",
            "Please give an address of at most 300 characters.",
        ),
        Flaw::CardData => lang.pick(
            "カード番号のような数字がありました。ここには入力しないでください。入力内容は保存していません。",
            "That looked like a card number. Please never type one here. What you typed was not kept.",
        ),
    }
}
