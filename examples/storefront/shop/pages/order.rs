//! An order, and what is known about its payment.

use super::super::Shop;
use super::super::book::Order;
use super::super::goods;
use super::super::html::esc;
use super::super::lang::Lang;
use super::super::standing::{OrderStanding, Why};
use super::super::time;
use super::super::ways::Way;
use super::super::web::Visitor;
use super::{Frame, bill, token, ways};

/// The order's own page.
pub(crate) fn order(shop: &Shop, visitor: &Visitor, order: &Order, standing: OrderStanding, way: &Way) -> String {
    let title = visitor.lang.pick("ご注文", "Your order");
    let frame = Frame {
        refresh: standing.refresh(),
        ..Frame::of(shop, visitor, title)
    };
    frame.page(&content(shop, visitor, order, standing, way))
}

/// The page the payment page leads back to. It can be reloaded and looks again by itself while nothing is certain.
pub(crate) fn after_payment(
    shop: &Shop,
    visitor: &Visitor,
    order: &Order,
    standing: OrderStanding,
    way: &Way,
) -> String {
    let title = visitor.lang.pick("お支払いの結果", "Your payment");
    let path = format!("/orders/{}", order.reference);
    let frame = Frame {
        refresh: standing.refresh(),
        // The address of this page is for coming back only; the switch leads to the order.
        here: &path,
        ..Frame::of(shop, visitor, title)
    };
    frame.page(&content(shop, visitor, order, standing, way))
}

/// A return of something that this browser did not order, or of nothing at all. The same words for both.
pub(crate) fn not_yours(shop: &Shop, visitor: &Visitor) -> String {
    let lang = visitor.lang;
    let title = lang.pick("ご注文が見つかりません", "No order to show");
    let frame = Frame {
        here: "/orders",
        ..Frame::of(shop, visitor, title)
    };
    frame.page(&format!(
        r#"<section class="notice" data-test="standing" data-standing="unknown"><h1>{title}</h1><p>{}</p></section>"#,
        lang.pick(
            "ご注文は、注文に使われたブラウザでのみご覧いただけます。お支払いが済んでいれば、この画面に関係なく発送いたします。",
            "An order is shown only in the browser that placed it. If it was paid it is sent out, whatever this page says."
        )
    ))
}

/// The ledger could not be read just now.
pub(crate) fn looking(shop: &Shop, visitor: &Visitor) -> String {
    let lang = visitor.lang;
    let (title, text) = words(OrderStanding::Confirming, lang);
    let frame = Frame {
        here: "/orders",
        refresh: OrderStanding::Confirming.refresh(),
        ..Frame::of(shop, visitor, title)
    };
    frame.page(&format!(
        r#"<section class="notice wait" data-test="standing" data-standing="confirming"><h1>{title}</h1><p>{text}</p></section>"#
    ))
}

/// The orders of this browser.
pub(crate) fn list(shop: &Shop, visitor: &Visitor, orders: &[(Order, OrderStanding)]) -> String {
    let lang = visitor.lang;
    let title = lang.pick("ご注文の履歴", "Your orders");
    let rows = orders
        .iter()
        .map(|(order, standing)| {
            format!(
                r#"<li><a href="/orders/{0}">{0}</a><span>{1}</span><span class="price">{2}</span><span class="tag {3}">{4}</span></li>
"#,
                order.reference,
                time::full(order.placed_at),
                goods::shown(order.total(), lang),
                tone(*standing),
                words(*standing, lang).0,
            )
        })
        .collect::<Vec<_>>().concat();
    let body = if rows.is_empty() {
        format!(
            "<p>{}</p>",
            lang.pick("まだご注文はありません。", "Nothing ordered yet.")
        )
    } else {
        format!("<ul class=\"orders\">\n{rows}</ul>")
    };
    Frame::of(shop, visitor, title).page(&format!("<h1>{title}</h1>{body}"))
}

fn content(shop: &Shop, visitor: &Visitor, order: &Order, standing: OrderStanding, way: &Way) -> String {
    let lang = visitor.lang;
    let (heading, text) = words(standing, lang);
    let pay = match standing {
        OrderStanding::Unpaid(why) => format!(
            r#"<form method="post" action="/orders/{}/pay" class="stack">{}{}<button data-test="pay">{}</button></form>"#,
            order.reference,
            token(visitor),
            ways(shop, lang, way),
            if why == Why::Untried {
                lang.pick("お支払いへ進む", "Go to payment")
            } else {
                lang.pick("もう一度支払う", "Pay again")
            },
        ),
        _ => String::new(),
    };
    let sent = order
        .fulfilled_at
        .map(|at| format!("<dt>{}</dt><dd>{}</dd>", lang.pick("発送", "Sent"), time::full(at)))
        .unwrap_or_default();
    format!(
        r#"<section class="notice {tone}" data-test="standing" data-standing="{name}"><h1>{heading}</h1><p>{text}</p>{pay}</section>
<div class="two">
<section><h2>{what}</h2>{bill}</section>
<section><h2>{details}</h2>
<dl class="facts"><dt>{number}</dt><dd data-test="order">{reference}</dd><dt>{placed_label}</dt><dd>{placed}</dd>
<dt>{how}</dt><dd data-test="way" data-way="{gateway}">{way}</dd>{sent}
<dt>{to}</dt><dd>{recipient}<br><span class="address">{address}</span></dd></dl></section>
</div>"#,
        tone = tone(standing),
        name = name(standing),
        what = lang.pick("ご注文内容", "What you ordered"),
        bill = bill(lang, &order.lines),
        details = lang.pick("ご注文について", "About this order"),
        number = lang.pick("注文番号", "Order number"),
        reference = order.reference,
        placed_label = lang.pick("ご注文日時", "Placed"),
        placed = time::full(order.placed_at),
        how = lang.pick("お支払い方法", "Paid by way of"),
        gateway = way.gateway(),
        way = esc(way.name(lang)),
        to = lang.pick("お届け先", "Delivered to"),
        recipient = esc(&order.recipient.name),
        address = esc(&order.recipient.address),
    )
}

/// A word for programs that read the page.
fn name(standing: OrderStanding) -> &'static str {
    match standing {
        OrderStanding::Paid => "paid",
        OrderStanding::Shipped => "shipped",
        OrderStanding::Refunded => "refunded",
        OrderStanding::Pending => "pending",
        OrderStanding::Confirming => "confirming",
        OrderStanding::Unpaid(Why::Untried) => "unpaid",
        OrderStanding::Unpaid(Why::Left | Why::SaidToHaveLeft) => "cancelled",
        OrderStanding::Unpaid(Why::Failed) => "declined",
        OrderStanding::Unpaid(Why::Expired) => "expired",
    }
}

fn tone(standing: OrderStanding) -> &'static str {
    match standing {
        OrderStanding::Paid | OrderStanding::Shipped => "good",
        OrderStanding::Pending | OrderStanding::Confirming => "wait",
        OrderStanding::Refunded | OrderStanding::Unpaid(_) => "open",
    }
}

fn words(standing: OrderStanding, lang: Lang) -> (&'static str, &'static str) {
    match standing {
        OrderStanding::Paid => (
            lang.pick("お支払いが完了しました", "Paid, thank you"),
            lang.pick("ただいま発送の準備をしています。", "Your parcel is being made ready."),
        ),
        OrderStanding::Shipped => (
            lang.pick("お支払い済み・発送しました", "Paid and sent"),
            lang.pick("ご注文ありがとうございました。", "Thank you for your order."),
        ),
        OrderStanding::Refunded => (
            lang.pick("返金いたしました", "Refunded"),
            lang.pick(
                "お支払いいただいた金額をお返ししました。",
                "What you paid has been sent back to you.",
            ),
        ),
        OrderStanding::Pending => (
            lang.pick("ご入金をお待ちしています", "Waiting for the money"),
            lang.pick(
                "お支払いの手続きを承りました。入金が確認でき次第、発送いたします。",
                "Your payment is on its way. The parcel leaves as soon as the money has arrived.",
            ),
        ),
        OrderStanding::Confirming => (
            lang.pick("お支払いを確認しています", "Your payment is being confirmed"),
            lang.pick(
                "この画面は自動で更新されます。もう一度お支払いいただく必要はありません。",
                "This page looks again by itself. Please do not pay a second time.",
            ),
        ),
        OrderStanding::Unpaid(Why::Untried) => (
            lang.pick("お支払いはまだです", "Not paid yet"),
            lang.pick(
                "決済会社のページでお支払いください。",
                "Please pay on the payment company's page.",
            ),
        ),
        OrderStanding::Unpaid(Why::Left) => (
            lang.pick("お支払いは中止されました", "Payment given up"),
            lang.pick(
                "ご請求は発生していません。よろしければ、もう一度お支払いいただけます。",
                "Nothing was charged. You can pay whenever you like.",
            ),
        ),
        OrderStanding::Unpaid(Why::SaidToHaveLeft) => (
            lang.pick("お支払いページから戻りました", "You left the payment page"),
            lang.pick(
                "お支払いがまだの場合は、もう一度お進みください。同じご注文が二重に請求されることはありません。",
                "If you have not paid, you can do so now. One order is never charged twice.",
            ),
        ),
        OrderStanding::Unpaid(Why::Failed) => (
            lang.pick("お支払いができませんでした", "The payment did not go through"),
            lang.pick(
                "ご請求は発生していません。別の方法でお試しください。",
                "Nothing was charged. Please try another way to pay.",
            ),
        ),
        OrderStanding::Unpaid(Why::Expired) => (
            lang.pick("お支払いの期限が過ぎました", "The payment page has expired"),
            lang.pick(
                "ご請求は発生していません。もう一度お支払いいただけます。",
                "Nothing was charged. You can open a new one.",
            ),
        ),
    }
}
