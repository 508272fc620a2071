//! XML as a small tree: no document type, no entity but the five of XML itself, bounded in size, depth and count.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

/// Answers of the gateways read so far have under 2 KiB, four levels and 40 elements.
const MOST_BYTES: usize = 64 * 1024;
const MOST_LEVELS: usize = 8;
const MOST_ELEMENTS: usize = 500;
/// One, on the root; names of a namespace count as well.
const MOST_ATTRIBUTES: usize = 16;

/// Why a document is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum XmlError {
    #[error("the document is larger than the limit")]
    TooLarge,
    #[error("the document has a document type, an entity or an instruction")]
    NotPlain,
    #[error("the document is not well formed")]
    Malformed,
}

/// One element: its attributes, its text, its children. Text beside children is dropped: it is indentation.
#[derive(Clone, Default)]
pub(crate) struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Reads a document that was decoded before. What its declaration says of an encoding counts for nothing.
    pub(crate) fn parse(document: &str) -> Result<Self, XmlError> {
        if document.len() > MOST_BYTES {
            return Err(XmlError::TooLarge);
        }
        let mut reader = quick_xml::Reader::from_str(document);
        let mut open: Vec<Element> = Vec::new();
        let mut root: Option<Element> = None;
        let mut count = 0_usize;
        loop {
            match reader.read_event().map_err(|_| XmlError::Malformed)? {
                Event::Start(start) => {
                    count = count.saturating_add(1);
                    if open.len() == MOST_LEVELS || count > MOST_ELEMENTS {
                        return Err(XmlError::TooLarge);
                    }
                    open.push(element(&start)?);
                }
                Event::Empty(start) => {
                    count = count.saturating_add(1);
                    if open.len() == MOST_LEVELS || count > MOST_ELEMENTS {
                        return Err(XmlError::TooLarge);
                    }
                    close(element(&start)?, &mut open, &mut root)?;
                }
                Event::End(_) => {
                    let element = open.pop().ok_or(XmlError::Malformed)?;
                    close(element, &mut open, &mut root)?;
                }
                Event::Text(text) => add_text(&mut open, &text.xml10_content())?,
                Event::CData(text) => add_text(&mut open, &text.xml10_content())?,
                Event::GeneralRef(name) => {
                    let text = match name.resolve_char_ref().map_err(|_| XmlError::Malformed)? {
                        Some(character) => Cow::Owned(character.to_string()),
                        None => Cow::Borrowed(predefined(&name).ok_or(XmlError::NotPlain)?),
                    };
                    let inside = open.last_mut().ok_or(XmlError::Malformed)?;
                    inside.text.push_str(&text);
                }
                Event::Comment(_) | Event::Decl(_) => {}
                Event::DocType(_) | Event::PI(_) => return Err(XmlError::NotPlain),
                Event::Eof => break,
            }
        }
        if !open.is_empty() {
            return Err(XmlError::Malformed);
        }
        root.ok_or(XmlError::Malformed)
    }

    /// The element's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(candidate, _)| candidate == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The text of the one leaf at the end of this path, trimmed. Nothing if there is none, or more than one.
    pub(crate) fn leaf(&self, path: &[&str]) -> Option<&str> {
        let Some((name, rest)) = path.split_first() else {
            return self.children.is_empty().then(|| self.text.trim());
        };
        let mut named = self.children.iter().filter(|child| child.name == *name);
        let child = named.next()?;
        if named.next().is_some() {
            return None;
        }
        child.leaf(rest)
    }

    /// Every leaf in document order: name and text as they are.
    pub(crate) fn leaves(&self) -> Vec<(&str, &str)> {
        if self.children.is_empty() {
            return vec![(self.name.as_str(), self.text.as_str())];
        }
        self.children.iter().flat_map(Element::leaves).collect()
    }
}

/// Content is the gateway's and may hold personal data.
impl std::fmt::Debug for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Element({}, {} children)", self.name, self.children.len())
    }
}

/// Text as it is written inside an element or an attribute.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    quick_xml::escape::escape(text)
}

fn element(start: &BytesStart<'_>) -> Result<Element, XmlError> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| XmlError::Malformed)?;
        // Before the next one is held against all of them.
        if attributes.len() == MOST_ATTRIBUTES {
            return Err(XmlError::TooLarge);
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|_| XmlError::NotPlain)?;
        attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(Element {
        name: start.name().as_ref().to_owned(),
        attributes,
        ..Element::default()
    })
}

fn close(element: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None if root.is_none() => *root = Some(element),
        None => return Err(XmlError::Malformed),
    }
    Ok(())
}

fn add_text(open: &mut [Element], text: &str) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim_start_matches('\u{feff}').trim().is_empty() => {}
        None => return Err(XmlError::Malformed),
    }
    Ok(())
}

fn predefined(name: &str) -> Option<&'static str> {
    Some(match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "apos" => "'",
        "quot" => "\"",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn documents_that_could_expand_reach_out_or_exhaust_are_refused() {
        let deep = format!("{}{}", "<a>".repeat(9), "</a>".repeat(9));
        let many = format!("<r>{}</r>", "<a/>".repeat(MOST_ELEMENTS));
        let large = format!("<r>{}</r>", "x".repeat(MOST_BYTES));
        for (document, why) in [
            ("<!DOCTYPE r [<!ENTITY x \"y\">]><r>&x;</r>", XmlError::NotPlain),
            ("<!DOCTYPE r SYSTEM \"file:///etc/passwd\"><r/>", XmlError::NotPlain),
            ("<r>&unknown;</r>", XmlError::NotPlain),
            ("<r a=\"&unknown;\"/>", XmlError::NotPlain),
            ("<?php x?><r/>", XmlError::NotPlain),
            ("", XmlError::Malformed),
            ("plain", XmlError::Malformed),
            ("<r>", XmlError::Malformed),
            ("<r></s>", XmlError::Malformed),
            ("<r/><r/>", XmlError::Malformed),
            ("<r/>tail", XmlError::Malformed),
            ("<r a=\"1\" a=\"2\"/>", XmlError::Malformed),
            ("<r>&#0;</r>", XmlError::Malformed),
            (&deep, XmlError::TooLarge),
            (&many, XmlError::TooLarge),
            (&large, XmlError::TooLarge),
        ] {
            assert_eq!(Element::parse(document).err(), Some(why), "{document:.60}");
        }
    }

    #[test]
    fn what_is_just_within_the_limits_is_read_and_one_more_is_refused() {
        let nested = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
        let nested_to_an_empty_one =
            |levels: usize| format!("{}<a/>{}", "<a>".repeat(levels - 1), "</a>".repeat(levels - 1));
        let many = |count: usize| format!("<r>{}</r>", "<a></a>".repeat(count - 1));
        let many_empty_ones = |count: usize| format!("<r>{}</r>", "<a/>".repeat(count - 1));
        let large = |bytes: usize| format!("<r>{}</r>", "x".repeat(bytes - "<r></r>".len()));
        let cases: [(&dyn Fn(usize) -> String, usize); 5] = [
            (&nested, MOST_LEVELS),
            (&nested_to_an_empty_one, MOST_LEVELS),
            (&many, MOST_ELEMENTS),
            (&many_empty_ones, MOST_ELEMENTS),
            (&large, MOST_BYTES),
        ];
        for (document, most) in cases {
            assert!(Element::parse(&document(most)).is_ok(), "{:.40}", document(most));
            for more in [most + 1, most + 2] {
                assert_eq!(
                    Element::parse(&document(more)).err(),
                    Some(XmlError::TooLarge),
                    "{:.40}",
                    document(more)
                );
            }
        }
    }

    #[test]
    fn floods_and_parameter_entities_are_refused_or_bounded() {
        let with = |attributes: Vec<String>| format!("<r{}><a>1</a></r>", attributes.concat());
        let named = |count: usize| with((0..count).map(|n| format!(" a{n}=\"\"")).collect());
        let spaces = |count: usize| with((0..count).map(|n| format!(" xmlns:n{n}=\"urn:{n}\"")).collect());
        assert!(Element::parse(&named(MOST_ATTRIBUTES)).is_ok());
        // Within the size, and as many as no size would hold.
        for count in [MOST_ATTRIBUTES + 1, 2_000, 100_000] {
            assert_eq!(Element::parse(&named(count)).err(), Some(XmlError::TooLarge), "{count}");
            assert_eq!(
                Element::parse(&spaces(count)).err(),
                Some(XmlError::TooLarge),
                "{count}"
            );
        }
        let below = format!("<r><a{}/></r>", " xmlns:x=\"\"".repeat(2));
        assert_eq!(
            Element::parse(&below).err(),
            Some(XmlError::Malformed),
            "one name twice"
        );
        for document in [
            "<!DOCTYPE r [<!ENTITY % x SYSTEM \"file:///etc/passwd\"> %x;]><r/>",
            "<!DOCTYPE r [<!ENTITY % x \"<!ENTITY y 'z'>\"> %x;]><r>&y;</r>",
            "<!DOCTYPE r PUBLIC \"-//X\" \"http://127.0.0.1:9/x.dtd\"><r/>",
            "<r><!DOCTYPE s><s/></r>",
            "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]><l>&c;</l>",
        ] {
            assert_eq!(Element::parse(document).err(), Some(XmlError::NotPlain), "{document}");
        }
        // Outside a document type it is text like any other.
        let text = Element::parse("<r>%x;</r>").unwrap();
        assert_eq!(text.leaf(&[]), Some("%x;"));
    }

    #[test]
    fn a_leaf_is_found_by_its_path_and_only_if_there_is_one() {
        let document = "<?xml version=\"1.0\" encoding=\"Shift_JIS\"?>\n<r id=\"A&amp;1\"><!-- x --><a> 1 </a><b><c>&lt;2&#x33;</c></b><d/><e>1</e><e>2</e></r>";
        let root = Element::parse(document).unwrap();
        assert_eq!((root.name(), root.attribute("id")), ("r", Some("A&1")));
        assert_eq!(root.leaf(&["a"]), Some("1"));
        assert_eq!(root.leaf(&["b", "c"]), Some("<23"));
        assert_eq!(root.leaf(&["d"]), Some(""));
        for path in [&["b"][..], &["c"], &["e"], &["a", "b"], &["f"]] {
            assert_eq!(root.leaf(path), None, "{path:?}");
        }
        let leaves: Vec<_> = root.leaves().into_iter().map(|(name, _)| name).collect();
        assert_eq!(leaves, ["a", "c", "d", "e", "e"]);
    }

    proptest! {
        #[test]
        fn random_documents_never_panic(document in "\\PC{0,80}", tags in "[<>/a&;!\\[\\]?\"= ]{0,60}") {
            let _ = Element::parse(&document);
            let _ = Element::parse(&tags);
        }

        #[test]
        fn what_is_escaped_is_read_back(text in "[ -~あ-ん]{0,40}") {
            let root = Element::parse(&format!("<r>{}</r>", escape(&text))).unwrap();
            prop_assert_eq!(root.leaf(&[]), Some(text.trim()));
        }
    }
}
