//! What is for sale.

use super::super::Shop;
use super::super::book::Basket;
use super::super::goods::{self, CATALOGUE};
use super::super::html::esc;
use super::super::web::Visitor;
use super::{Frame, token};

pub(crate) fn shelf(shop: &Shop, visitor: &Visitor, basket: &Basket) -> String {
    let lang = visitor.lang;
    let goods = CATALOGUE
        .iter()
        .map(|article| {
            format!(
                r#"<li class="card">
<img src="/goods/{id}.svg" alt="" width="320" height="320">
<h2>{name}</h2>
<p>{blurb}</p>
<form method="post" action="/basket">{token}<input type="hidden" name="article" value="{id}"><input type="hidden" name="quantity" value="1"><input type="hidden" name="more" value="true">
<span class="price">{price}</span><button data-test="add-{id}" aria-label="{add}: {name}">{add}</button></form>
</li>
"#,
                id = article.id,
                name = esc(article.name(lang)),
                blurb = esc(article.blurb(lang)),
                token = token(visitor),
                price = goods::shown(article.price(), lang),
                add = lang.pick("かごに入れる", "Add to basket"),
            )
        })
        .collect::<Vec<_>>().concat();
    let frame = Frame {
        basket: Some(basket.count()),
        ..Frame::of(shop, visitor, lang.pick("お茶と道具", "Tea and tools"))
    };
    let delivery = lang.pick("送料 {a}。{b}以上のご注文は送料無料。", "Delivery {a}, free from {b}.");
    let delivery = delivery
        .replace("{a}", &goods::shown(goods::yen(goods::DELIVERY), lang))
        .replace("{b}", &goods::shown(goods::yen(goods::FREE_DELIVERY_FROM), lang));
    frame.page(&format!(
        r#"<section class="hero"><h1>{}</h1><p>{}</p><p class="quiet">{delivery}</p></section>
<ul class="shelf">
{goods}</ul>"#,
        lang.pick("山あいの茶園から、一服を。", "A quiet cup, from the hills."),
        lang.pick(
            "小さな茶園の葉を、届く前の週に火入れしてお送りします。",
            "Leaves from small gardens, finished the week before they reach you."
        ),
    ))
}
