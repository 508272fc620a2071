//! A small reader of the page of a form, that knows as much of HTML as the page may use and takes nothing else.

use kessai::{Nonce, PostForm};

/// The fields that a browser would post.
pub fn read(form: &PostForm, nonce: &Nonce, button: &str) -> Vec<(String, String)> {
    let page = form.page(nonce, button);
    assert!(page.is_ascii(), "the page is not ASCII");
    for (once, count) in [
        ("<form ", 1),
        ("</form>", 1),
        ("<script ", 1),
        ("</script>", 1),
        ("<button ", 1),
        ("<title>", 1),
    ] {
        assert_eq!(page.matches(once).count(), count, "{once}");
    }
    let action = between(&page, "action=\"", "\" accept-charset").expect("an action");
    assert_eq!(text(action), form.target().as_str());
    assert_eq!(
        text(between(&page, "<button type=\"submit\">", "</button>").expect("a button")),
        button
    );
    assert_eq!(
        between(&page, "<script nonce=\"", "\">").map(text).as_deref(),
        Some(nonce.as_str())
    );
    let mut fields = Vec::new();
    for line in page.lines().filter(|line| line.contains("<input")) {
        let inside = line
            .strip_prefix("<input type=\"hidden\" name=\"")
            .and_then(|rest| rest.strip_suffix("\">"));
        let (name, value) = inside
            .and_then(|inside| inside.split_once("\" value=\""))
            .expect("one field on a line");
        fields.push((text(name), text(value)));
    }
    assert_eq!(page.matches("<input").count(), fields.len());
    fields
}

fn between<'a>(page: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(from)?;
    rest.split_once(to).map(|(inside, _)| inside)
}

/// The text of escaped ASCII. Anything that could end a value or begin a tag is refused.
fn text(escaped: &str) -> String {
    let (mut read, mut rest) = (String::new(), escaped);
    while let Some(c) = rest.chars().next() {
        assert!(!matches!(c, '<' | '>' | '"' | '\''), "{c:?} stands in a value");
        if c != '&' {
            read.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let end = rest.find(';').expect("a reference ends");
        let name = &rest[1..end];
        read.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = name.strip_prefix('#').expect("a number");
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(code.expect("a number")).expect("a character")
            }
        });
        rest = &rest[end + 1..];
    }
    read
}
