//! The little XML that requests of the API type are made of: elements, text, one attribute. Everything else is refused.

/// One element.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) text: String,
    pub(super) children: Vec<Node>,
}

impl Node {
    /// Reads a whole document. `None` for anything that is not plain elements.
    pub(super) fn parse(document: &str) -> Option<Self> {
        let mut rest = document.trim_start();
        if let Some(declared) = rest.strip_prefix("<?xml ") {
            rest = declared.split_once("?>")?.1.trim_start();
        }
        let (node, rest) = element(rest, 0)?;
        rest.trim().is_empty().then_some(node)
    }

    /// Paths and texts of the innermost elements, in document order.
    pub(super) fn leaves(&self) -> Vec<(String, &str)> {
        let mut leaves = Vec::new();
        for child in &self.children {
            if child.children.is_empty() {
                leaves.push((child.name.clone(), child.text.as_str()));
            } else {
                let inside = child.leaves();
                leaves.extend(
                    inside
                        .into_iter()
                        .map(|(path, text)| (format!("{}/{path}", child.name), text)),
                );
            }
        }
        leaves
    }
}

fn element(text: &str, depth: usize) -> Option<(Node, &str)> {
    if depth > 8 {
        return None;
    }
    let (tag, mut rest) = text.strip_prefix('<')?.split_once('>')?;
    let (tag, empty) = match tag.strip_suffix('/') {
        Some(tag) => (tag, true),
        None => (tag, false),
    };
    let (name, attributes) = tag.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((tag, ""));
    if name.is_empty()
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    {
        return None;
    }
    let id = match attributes.trim() {
        "" => None,
        attribute => Some(
            attribute
                .strip_prefix("id=\"")?
                .strip_suffix('"')
                .filter(|id| !id.contains('"'))?
                .to_owned(),
        ),
    };
    let mut node = Node {
        name: name.to_owned(),
        id,
        ..Node::default()
    };
    if empty {
        return Some((node, rest));
    }
    let closing = format!("</{name}>");
    loop {
        let (words, _) = rest.split_once('<')?;
        rest = rest.get(words.len()..)?;
        node.text.push_str(&unescaped(words)?);
        if let Some(after) = rest.strip_prefix(closing.as_str()) {
            // Text beside elements would have no meaning here.
            if !node.children.is_empty() && !node.text.trim().is_empty() {
                return None;
            }
            return Some((node, after));
        }
        let (child, after) = element(rest, depth + 1)?;
        node.children.push(child);
        rest = after;
    }
}

/// The five entities of XML itself.
fn unescaped(text: &str) -> Option<String> {
    let mut pieces = text.split('&');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, after) = piece.split_once(';')?;
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => return None,
        });
        out.push_str(after);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_come_in_document_order_with_their_paths() {
        let text =
            "<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><r id=\"A\"><a>1</a><g> <b>2 &amp; 3</b> </g><c/></r>";
        let node = Node::parse(text).unwrap_or_default();
        assert_eq!(node.id.as_deref(), Some("A"));
        let leaves: Vec<(String, &str)> = node.leaves();
        assert_eq!(
            leaves,
            [("a".to_owned(), "1"), ("g/b".to_owned(), "2 & 3"), ("c".to_owned(), "")]
        );
    }

    #[test]
    fn whatever_is_not_plain_elements_is_refused() {
        for text in [
            "",
            "<a>",
            "<a></b>",
            "<a><b></a></b>",
            "<a/><b/>",
            "text",
            "<a>&nbsp;</a>",
            "<a>&x</a>",
            "<!DOCTYPE a><a/>",
            "<a><!-- no --></a>",
            "<a x=\"1\"/>",
            "<a>x<b/></a>",
            "<a id=\"1\" id=\"2\"/>",
            "< a/>",
        ] {
            assert_eq!(Node::parse(text), None, "{text}");
        }
        let deep = "<a>".repeat(20) + &"</a>".repeat(20);
        assert_eq!(Node::parse(&deep), None);
    }
}
