//! What is in the basket.

use super::super::Shop;
use super::super::book::Basket;
use super::super::goods;
use super::super::html::esc;
use super::super::web::Visitor;
use super::{Frame, token};

pub(crate) fn basket(shop: &Shop, visitor: &Visitor, basket: &Basket) -> String {
    let lang = visitor.lang;
    let title = lang.pick("かご", "Basket");
    let frame = Frame {
        basket: Some(basket.count()),
        ..Frame::of(shop, visitor, title)
    };
    if basket.lines.is_empty() {
        return frame.page(&format!(
            r#"<h1>{title}</h1><p data-test="empty">{}</p><p><a class="button" href="/">{}</a></p>"#,
            lang.pick("かごは空です。", "Your basket is empty."),
            lang.pick("お茶を選ぶ", "Choose some tea"),
        ));
    }
    let lines = basket
        .lines
        .iter()
        .map(|(article, quantity)| {
            let form = |fields: &str| {
                format!(
                    r#"<form method="post" action="/basket">{}<input type="hidden" name="article" value="{}">{fields}</form>"#,
                    token(visitor),
                    article.id
                )
            };
            let name = esc(article.name(lang));
            let change = form(&format!(
                r#"<label>{} <input type="number" name="quantity" min="0" max="{}" value="{quantity}" inputmode="numeric"></label> <button class="plain">{}</button>"#,
                lang.pick("数量", "Qty"),
                goods::MOST,
                lang.pick("変更", "Update"),
            ));
            let remove = form(&format!(
                r#"<input type="hidden" name="quantity" value="0"><button class="plain" aria-label="{remove}: {name}">{remove}</button>"#,
                remove = lang.pick("削除", "Remove"),
            ));
            format!(
                r#"<li><img src="/goods/{}.svg" alt="" width="72" height="72"><div><h2>{name}</h2><div class="row">{change}{remove}</div></div><span class="price">{}</span></li>
"#,
                article.id,
                goods::shown(goods::yen(article.yen() * quantity), lang),
            )
        })
        .collect::<Vec<_>>().concat();
    let delivery = match basket.delivery_yen() {
        0 => lang.pick("無料", "free").to_owned(),
        yen => goods::shown(goods::yen(yen), lang),
    };
    frame.page(&format!(
        r#"<h1>{title}</h1>
<ul class="basket">
{lines}</ul>
<dl class="sums"><dt>{}</dt><dd>{delivery}</dd><dt>{}</dt><dd class="price" data-test="total">{}</dd></dl>
<p class="row end"><a href="/">{}</a> <a class="button" href="/checkout" data-test="checkout">{}</a></p>"#,
        lang.pick("送料", "Delivery"),
        lang.pick("合計（税込）", "Total, tax included"),
        goods::shown(basket.total(), lang),
        lang.pick("買い物を続ける", "Keep shopping"),
        lang.pick("ご購入手続きへ", "Check out"),
    ))
}
