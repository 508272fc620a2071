//! What is for sale, and for how much. The only place with prices: a browser names goods and quantities, never sums
//! (PAY-01).

use kessai::{Currency, Money};

use super::lang::Lang;

/// One article.
#[derive(Debug)]
pub(crate) struct Article {
    pub(crate) id: &'static str,
    name: [&'static str; 2],
    blurb: [&'static str; 2],
    yen: u32,
    look: Look,
}

#[derive(Debug)]
enum Look {
    /// Fill, shade and label of a bag.
    Bag(&'static str, &'static str, &'static str),
    Tin(&'static str, &'static str, &'static str),
    Pot,
    Whisk,
}

/// The most of one article in one order.
pub(crate) const MOST: u32 = 20;
/// Delivery, and from which sum on it is free.
pub(crate) const DELIVERY: u32 = 500;
pub(crate) const FREE_DELIVERY_FROM: u32 = 5_000;

/// Everything for sale.
pub(crate) static CATALOGUE: [Article; 6] = [
    Article {
        id: "sencha",
        name: ["煎茶 やまかぜ 100g", "Sencha Yamakaze, 100 g"],
        blurb: [
            "山あいの朝霧で育った、すっきりと甘い新茶。",
            "Clear and gently sweet, from misty hillside gardens.",
        ],
        yen: 1_620,
        look: Look::Bag("#6f8f4e", "#5c7a3f", "#f4f1e4"),
    },
    Article {
        id: "gyokuro",
        name: ["玉露 しずく 50g", "Gyokuro Shizuku, 50 g"],
        blurb: [
            "二十日間の覆いの下で蓄えた、とろりとした旨み。",
            "Shaded for twenty days; deep, rounded umami.",
        ],
        yen: 2_980,
        look: Look::Tin("#1f4d3f", "#173a30", "#d9c58b"),
    },
    Article {
        id: "hojicha",
        name: ["ほうじ茶 たきび 150g", "Hojicha Takibi, 150 g"],
        blurb: [
            "浅煎りと深煎りを合わせた、夜にも飲める香ばしさ。",
            "Two roasts in one bag, toasty and low in caffeine.",
        ],
        yen: 1_080,
        look: Look::Bag("#a3683a", "#8a552d", "#fbf3e3"),
    },
    Article {
        id: "matcha",
        name: ["抹茶 うつろい 30g", "Matcha Utsuroi, 30 g"],
        blurb: [
            "石臼でゆっくり挽いた、薄茶にもお菓子にも。",
            "Slowly stone-ground, for bowls and for baking.",
        ],
        yen: 2_430,
        look: Look::Tin("#7da453", "#678b41", "#fffdf2"),
    },
    Article {
        id: "kyusu",
        name: ["急須 黒泥 280ml", "Kyusu teapot, black clay, 280 ml"],
        blurb: [
            "注ぎ切れのよい、手になじむ横手の急須。",
            "Side handle, clean pour, fine built-in strainer.",
        ],
        yen: 6_800,
        look: Look::Pot,
    },
    Article {
        id: "chasen",
        // 表, ソ and 能 end in the byte of a backslash in Shift_JIS, which is where careless programs break.
        name: ["茶筅 表ソ能 数穂", "Chasen bamboo whisk"],
        blurb: [
            "しろ竹を一本ずつ割った、はじめての一本に。",
            "Split by hand from white bamboo; a good first whisk.",
        ],
        yen: 2_200,
        look: Look::Whisk,
    },
];

/// The article of this name.
pub(crate) fn article(id: &str) -> Option<&'static Article> {
    CATALOGUE.iter().find(|article| article.id == id)
}

/// Yen as money.
pub(crate) fn yen(amount: u32) -> Money {
    Money::new(u64::from(amount), Currency::JPY)
}

/// `12,340円` or `¥12,340`.
pub(crate) fn shown(money: Money, lang: Lang) -> String {
    if money.currency() != Currency::JPY {
        return money.to_string();
    }
    let digits = money.minor_units().to_string();
    let mut text = String::from(lang.pick("", "¥"));
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text.push_str(lang.pick("円", ""));
    text
}

impl Article {
    pub(crate) fn name(&self, lang: Lang) -> &'static str {
        let [ja, en] = self.name;
        lang.pick(ja, en)
    }

    pub(crate) fn blurb(&self, lang: Lang) -> &'static str {
        let [ja, en] = self.blurb;
        lang.pick(ja, en)
    }

    pub(crate) fn price(&self) -> Money {
        yen(self.yen)
    }

    pub(crate) fn yen(&self) -> u32 {
        self.yen
    }

    /// A picture of it.
    pub(crate) fn drawing(&self) -> String {
        let inner = match self.look {
            Look::Bag(fill, shade, label) => format!(
                r#"<path d="M112 92h96l10 18v148a10 10 0 0 1-10 10h-96a10 10 0 0 1-10-10V110z" fill="{fill}"/>
<path d="M112 92h96l4-22a6 6 0 0 0-6-7h-92a6 6 0 0 0-6 7z" fill="{shade}"/>
<path d="M102 110h116" stroke="{shade}" stroke-width="3"/>
<rect x="128" y="138" width="64" height="96" rx="3" fill="{label}"/>
<path d="M160 154c18 12 18 34 0 50c-18-16-18-38 0-50z" fill="{fill}"/><path d="M160 160v56" stroke="{label}" stroke-width="3"/>
<path d="M140 222h40" stroke="{shade}" stroke-width="3"/>"#
            ),
            Look::Tin(fill, shade, label) => format!(
                r#"<path d="M104 112v142c0 10 25 18 56 18s56-8 56-18V112z" fill="{fill}"/>
<path d="M104 150c14 10 98 10 112 0v66c-14 10-98 10-112 0z" fill="{label}"/>
<ellipse cx="160" cy="112" rx="56" ry="17" fill="{shade}"/>
<path d="M108 84v24c0 9 23 16 52 16s52-7 52-16V84z" fill="{shade}"/>
<ellipse cx="160" cy="84" rx="52" ry="15" fill="{fill}"/>
<circle cx="160" cy="190" r="20" fill="none" stroke="{fill}" stroke-width="4"/><path d="M160 176c9 7 9 19 0 28c-9-9-9-21 0-28z" fill="{fill}"/>"#
            ),
            Look::Pot => r##"<path d="M196 176h78a9 9 0 0 1 0 18h-80z" fill="#33302e"/>
<path d="M92 178c-22-6-34-28-46-34l-6 12c14 10 22 44 56 50z" fill="#3b3734"/>
<ellipse cx="148" cy="204" rx="70" ry="60" fill="#433f3b"/><ellipse cx="148" cy="250" rx="46" ry="12" fill="#33302e"/>
<ellipse cx="148" cy="150" rx="44" ry="13" fill="#33302e"/><ellipse cx="148" cy="144" rx="42" ry="13" fill="#524d48"/>
<circle cx="148" cy="126" r="10" fill="#433f3b"/><path d="M100 196c4-18 14-28 26-34" stroke="#6b655f" stroke-width="5" fill="none" stroke-linecap="round"/>"##
                .to_owned(),
            Look::Whisk => {
                let tines = (0..13)
                    .map(|n| {
                        let (top, bottom) = (130 + n * 5, 100 + n * 10);
                        format!(r#"<path d="M{top} 168C{top} 200 {bottom} 214 {bottom} 262"/>"#)
                    })
                    .collect::<Vec<_>>().concat();
                format!(
                    r##"<g fill="none" stroke="#d8bd84" stroke-width="4" stroke-linecap="round">{tines}</g>
<path d="M134 66a26 8 0 0 1 52 0v86h-52z" fill="#e3cc98"/><ellipse cx="160" cy="66" rx="26" ry="8" fill="#f3e4bf"/>
<path d="M134 96h52" stroke="#c9ab6c" stroke-width="3"/><path d="M126 152h68v18h-68z" fill="#3f3a36"/>"##
                )
            }
        };
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 320"><rect width="320" height="320" fill="#ece7da"/><ellipse cx="160" cy="272" rx="104" ry="16" fill="#dcd5c3"/>{inner}</svg>"##
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yen_are_grouped_by_thousands() {
        for (amount, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(shown(yen(amount), Lang::En), format!("¥{text}"));
            assert_eq!(shown(yen(amount), Lang::Ja), format!("{text}円"));
        }
    }
}
