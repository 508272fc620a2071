//! The fields of a message, wherever it has them, and what can be done to one: dropped, emptied, doubled, changed, moved.

use std::ops::Range;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Form,
    Json,
    Xml,
}

/// What is done to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Change {
    Drop,
    Empty,
    Duplicate,
    Other,
    Reorder,
}

impl Change {
    pub const ALL: [Self; 5] = [Self::Drop, Self::Empty, Self::Duplicate, Self::Other, Self::Reorder];
}

/// One field of a body, by its place.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name; in JSON with the names around it, such as `payment.amount`.
    pub name: String,
    whole: Range<usize>,
    value: Range<usize>,
}

impl Field {
    pub fn value<'b>(&self, body: &'b [u8]) -> &'b [u8] {
        &body[self.value.clone()]
    }
}

/// A changed body, and what was done to which field.
pub struct Altered {
    pub field: String,
    pub change: Change,
    pub body: Vec<u8>,
    /// The field had nothing in it to begin with.
    pub was_empty: bool,
}

pub fn shape_of(body: &[u8]) -> Shape {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => Shape::Json,
        Some(b'<') => Shape::Xml,
        _ => Shape::Form,
    }
}

/// Every change of every field.
pub fn altered(body: &[u8]) -> Vec<Altered> {
    let shape = shape_of(body);
    let fields = fields(shape, body);
    let mut all = Vec::new();
    for (at, field) in fields.iter().enumerate() {
        for change in Change::ALL {
            let changed = apply(shape, body, &fields, at, change);
            if let Some(changed) = changed.filter(|changed| changed != body) {
                all.push(Altered {
                    field: field.name.clone(),
                    change,
                    body: changed,
                    was_empty: field.value.is_empty(),
                });
            }
        }
    }
    all
}

pub fn fields(shape: Shape, body: &[u8]) -> Vec<Field> {
    match shape {
        Shape::Form => form(body),
        Shape::Json => json(body),
        Shape::Xml => xml(body),
    }
}

/// The body with this field's value replaced.
pub fn with_value(body: &[u8], field: &Field, value: &[u8]) -> Vec<u8> {
    splice(body, field.value.clone(), value)
}

fn apply(shape: Shape, body: &[u8], fields: &[Field], at: usize, change: Change) -> Option<Vec<u8>> {
    let field = &fields[at];
    let value = field.value(body);
    Some(match change {
        Change::Drop => splice(body, without_comma(shape, body, &field.whole), b""),
        Change::Empty => {
            let nothing: &[u8] = match (shape, value.first()) {
                (Shape::Json, Some(b'"')) => b"\"\"",
                (Shape::Json, Some(b'{')) => b"{}",
                (Shape::Json, Some(b'[')) => b"[]",
                (Shape::Json, _) => b"null",
                _ => b"",
            };
            with_value(body, field, nothing)
        }
        Change::Duplicate => {
            let inside = field.value.start - field.whole.start..field.value.end - field.whole.start;
            let mut twin = splice(&body[field.whole.clone()], inside, &other(value));
            match shape {
                Shape::Form => twin.push(b'&'),
                Shape::Json => twin.push(b','),
                Shape::Xml => {}
            }
            splice(body, field.whole.start..field.whole.start, &twin)
        }
        Change::Other => with_value(body, field, &other(value)),
        // Trades its place with the field behind it.
        Change::Reorder => {
            let next = fields[at + 1..]
                .iter()
                .find(|next| next.whole.start >= field.whole.end)?;
            let mut moved = body[..field.whole.start].to_vec();
            moved.extend_from_slice(&body[next.whole.clone()]);
            moved.extend_from_slice(&body[field.whole.end..next.whole.start]);
            moved.extend_from_slice(&body[field.whole.clone()]);
            moved.extend_from_slice(&body[next.whole.end..]);
            // Only among neighbours: anything else is another message and not another order.
            let between = &body[field.whole.end..next.whole.start];
            if between
                .iter()
                .any(|byte| matches!(byte, b'{' | b'}' | b'[' | b']' | b'<'))
            {
                return None;
            }
            moved
        }
    })
}

/// Another value of the same kind: a lower number where there is one, another currency for the yen.
fn other(value: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(value).into_owned();
    let bare = text.trim_matches('"');
    let changed = match bare {
        "true" => "false".to_owned(),
        "false" => "true".to_owned(),
        "null" => "\"x\"".to_owned(),
        "jpy" => "usd".to_owned(),
        "JPY" => "USD".to_owned(),
        _ => match bare.parse::<u64>() {
            Ok(number) if bare.len() < 19 => {
                let number = number.checked_sub(1).unwrap_or(1);
                format!("{number:0width$}", width = bare.len())
            }
            _ if text.starts_with('{') => return b"{\"x\":1}".to_vec(),
            _ if text.starts_with('[') => return b"[1]".to_vec(),
            _ => format!("x{bare}"),
        },
    };
    if text.starts_with('"') {
        format!("\"{changed}\"").into_bytes()
    } else {
        changed.into_bytes()
    }
}

fn splice(body: &[u8], at: Range<usize>, with: &[u8]) -> Vec<u8> {
    let mut spliced = body[..at.start].to_vec();
    spliced.extend_from_slice(with);
    spliced.extend_from_slice(&body[at.end..]);
    spliced
}

/// With the sign that parts it from its neighbour.
fn without_comma(shape: Shape, body: &[u8], whole: &Range<usize>) -> Range<usize> {
    let sign = match shape {
        Shape::Form => b'&',
        Shape::Json => b',',
        Shape::Xml => return whole.clone(),
    };
    let blank = |at: &usize| body[*at].is_ascii_whitespace();
    let after = (whole.end..body.len()).find(|at| !blank(at));
    let before = (0..whole.start).rev().find(|at| !blank(at));
    match (after, before) {
        (Some(at), _) if body[at] == sign => whole.start..at + 1,
        (_, Some(at)) if body[at] == sign => at..whole.end,
        _ => whole.clone(),
    }
}

fn form(body: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut start = 0;
    for pair in body.split(|byte| *byte == b'&') {
        let end = start + pair.len();
        if let Some(equals) = pair.iter().position(|byte| *byte == b'=') {
            fields.push(Field {
                name: String::from_utf8_lossy(&pair[..equals]).into_owned(),
                whole: start..end,
                value: start + equals + 1..end,
            });
        }
        start = end + 1;
    }
    fields
}

fn xml(body: &[u8]) -> Vec<Field> {
    let text = |range: Range<usize>| String::from_utf8_lossy(&body[range]).into_owned();
    let mut fields = Vec::new();
    let mut opened: Option<(String, usize, usize)> = None;
    let mut at = 0;
    while let Some(start) = (at..body.len()).find(|at| body[*at] == b'<') {
        let Some(end) = (start..body.len()).find(|at| body[*at] == b'>') else {
            break;
        };
        if body[start + 1] == b'/' {
            // What closes right behind its own start holds no other element.
            if let Some((name, whole, value)) = opened.take() {
                fields.push(Field {
                    name,
                    whole: whole..end + 1,
                    value: value..start,
                });
            }
        } else if body[start + 1] != b'?' && body[end - 1] != b'/' {
            let name = text(start + 1..end);
            let name = name.split_whitespace().next().unwrap_or_default().to_owned();
            opened = Some((name, start, end + 1));
        }
        at = end + 1;
    }
    fields
}

fn json(body: &[u8]) -> Vec<Field> {
    let mut reader = Json {
        body,
        at: 0,
        inside: Vec::new(),
        fields: Vec::new(),
    };
    reader.value();
    reader.fields.sort_by_key(|field| field.whole.start);
    reader.fields
}

/// Finds the members of genuine JSON; what is not JSON it may read wrongly, and needs not read.
struct Json<'b> {
    body: &'b [u8],
    at: usize,
    inside: Vec<String>,
    fields: Vec<Field>,
}

impl Json<'_> {
    fn blank(&mut self) {
        while self.at < self.body.len() && self.body[self.at].is_ascii_whitespace() {
            self.at += 1;
        }
    }

    fn value(&mut self) {
        self.blank();
        match self.body.get(self.at) {
            Some(b'{') => self.members(),
            Some(b'[') => self.items(),
            Some(b'"') => self.text(),
            _ => {
                while self
                    .body
                    .get(self.at)
                    .is_some_and(|byte| !matches!(byte, b',' | b'}' | b']') && !byte.is_ascii_whitespace())
                {
                    self.at += 1;
                }
            }
        }
    }

    fn text(&mut self) {
        self.at += 1;
        while self.body.get(self.at).is_some_and(|byte| *byte != b'"') {
            self.at += if self.body[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
    }

    fn members(&mut self) {
        self.at += 1;
        loop {
            self.blank();
            if self.body.get(self.at) != Some(&b'"') {
                self.at += 1;
                return;
            }
            let start = self.at;
            self.text();
            let name = String::from_utf8_lossy(&self.body[start + 1..self.at - 1]).into_owned();
            self.blank();
            self.at += 1;
            self.blank();
            let value = self.at;
            self.inside.push(name);
            self.value();
            let name = self.inside.join(".");
            let _ = self.inside.pop();
            self.fields.push(Field {
                name,
                whole: start..self.at,
                value: value..self.at,
            });
            self.blank();
            if self.body.get(self.at) == Some(&b',') {
                self.at += 1;
            }
        }
    }

    fn items(&mut self) {
        self.at += 1;
        loop {
            self.blank();
            match self.body.get(self.at) {
                Some(b']') | None => {
                    self.at += 1;
                    return;
                }
                Some(b',') => self.at += 1,
                Some(_) => self.value(),
            }
        }
    }
}

#[test]
fn every_field_of_every_shape_is_found_and_changed() {
    for (body, names, count) in [
        ("a=1&b=&c=x", vec!["a", "b", "c"], 12),
        (
            r#"{"a": 1, "b": {"c": [ {"d": null} ], "e": "x"}}"#,
            vec!["a", "b", "b.c", "b.c.d", "b.e"],
            21,
        ),
        (
            "<?xml version=\"1.0\"?><r id=\"1\"><a>1</a><b><c></c></b></r>",
            vec!["a", "c"],
            7,
        ),
    ] {
        let found = fields(shape_of(body.as_bytes()), body.as_bytes());
        let found: Vec<&str> = found.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(found, names, "{body}");
        let all = altered(body.as_bytes());
        assert!(all.iter().all(|altered| altered.body != body.as_bytes()));
        for altered in &all {
            println!(
                "{:?} {}: {}",
                altered.change,
                altered.field,
                String::from_utf8_lossy(&altered.body)
            );
        }
        assert!(all.len() >= count, "{} changes of {body}", all.len());
    }
}
