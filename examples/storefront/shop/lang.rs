//! Japanese and English: by the switch at the top of the page, else by what the browser asks for.

use axum::http::{HeaderMap, header};

use super::cookies;

/// A language of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lang {
    Ja,
    En,
}

/// The cookie that the switch sets.
pub(crate) const COOKIE: &str = "lang";

impl Lang {
    /// The language of a request.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        if let Some(chosen) = cookies::value(headers, COOKIE).and_then(Self::named) {
            return chosen;
        }
        let accepted = headers
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        Self::accepted(accepted)
    }

    /// The language that a query chooses.
    pub(crate) fn chosen(query: &str) -> Option<Self> {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(name, value)| (name == "lang").then(|| Self::named(value))?)
    }

    /// The language of this tag.
    pub(crate) fn named(tag: &str) -> Option<Self> {
        match tag {
            "ja" => Some(Self::Ja),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// The first language of the header that the shop speaks, heaviest first; Japanese for everybody else.
    fn accepted(header: &str) -> Self {
        let weighed = header.split(',').take(20).filter_map(|part| {
            let (tag, q) = part.split_once(";q=").unwrap_or((part, "1"));
            let lang = Self::named(tag.trim().split('-').next()?)?;
            let weight: f32 = q.trim().parse().ok()?;
            (weight > 0.0).then_some((lang, weight))
        });
        // `max_by` would take the last of equals; the first one is meant.
        weighed
            .reduce(|best, next| if next.1 > best.1 { next } else { best })
            .map_or(Self::Ja, |(lang, _)| lang)
    }

    /// The tag.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }

    /// One of two texts. Both languages stand side by side where the text is used, so neither is forgotten.
    pub(crate) fn pick<'a>(self, ja: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Ja => ja,
            Self::En => en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lang;

    #[test]
    fn the_heaviest_language_that_the_shop_speaks_wins() {
        for (header, lang) in [
            ("", Lang::Ja),
            ("fr,de;q=0.9", Lang::Ja),
            ("en-GB,en;q=0.9,ja;q=0.8", Lang::En),
            ("ja-JP, en;q=0.9", Lang::Ja),
            ("en;q=0.1, ja;q=0.2", Lang::Ja),
            ("en;q=0, fr", Lang::Ja),
            ("en;q=x", Lang::Ja),
        ] {
            assert_eq!(Lang::accepted(header), lang, "{header}");
        }
    }
}
