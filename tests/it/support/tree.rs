//! JSON whose names keep their order, and its nesting written as form names.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

#[derive(Debug)]
pub enum Tree {
    /// Null, a text, a number or a truth value, as the form writes it.
    Leaf(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// Ordered pairs: `a[b]` for a name inside, `a[0]` for a place in a list (Stripe sheet section 3).
    pub fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        self.collect("", &mut pairs);
        pairs
    }

    fn collect(&self, name: &str, pairs: &mut Vec<(String, String)>) {
        let inside = |part: &str| {
            if name.is_empty() {
                part.to_owned()
            } else {
                format!("{name}[{part}]")
            }
        };
        match self {
            Self::Leaf(text) => pairs.push((name.to_owned(), text.clone())),
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.collect(&inside(&index.to_string()), pairs);
                }
            }
            Self::Object(fields) => {
                for (part, value) in fields {
                    value.collect(&inside(part), pairs);
                }
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(String::new()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = access.next_entry()? {
            fields.push(field);
        }
        Ok(Tree::Object(fields))
    }
}
