//! Form bodies and query strings with brackets, decoded strictly (Stripe sheet §3, form encoding, 2026-11-23).

use std::collections::{BTreeMap, BTreeSet};

use super::error::ApiError;

/// Parameters in the order they came, under their full bracketed names.
#[derive(Default)]
pub(super) struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Decodes a form. Anything that is not exactly form encoding is refused: the simulator judges its client.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ApiError> {
        check_encoding(bytes)?;
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut appended: BTreeMap<String, usize> = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            let mut name = name.into_owned();
            segments(&name).ok_or_else(|| ApiError::invalid(format!("Invalid parameter name: {name}")).at(&name))?;
            // `a[]=x&a[]=y` counts by itself.
            if let Some(list) = name.strip_suffix("[]").map(str::to_owned) {
                let index = appended.entry(list.clone()).or_insert(0);
                name = format!("{list}[{index}]");
                *index += 1;
            }
            if !seen.insert(name.clone()) {
                return Err(ApiError::invalid(format!("Parameter given twice: {name}")).at(&name));
            }
            pairs.push((name, value.into_owned()));
        }
        Ok(Self { pairs })
    }

    /// The decoded pairs, in order.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// Refuses whatever matches none of `known`. In a pattern `#` stands for an index and `*` for any key.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let unknown: Vec<&str> = self
            .pairs
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| !known.iter().any(|pattern| matches(pattern, name)))
            .collect();
        match unknown.as_slice() {
            [] => Ok(()),
            [one] => Err(ApiError::coded("parameter_unknown", format!("Received unknown parameter: {one}")).at(one)),
            [first, ..] => {
                let message = format!("Received unknown parameters: {}", unknown.join(", "));
                Err(ApiError::coded("parameter_unknown", message).at(first))
            }
        }
    }

    /// A value that may be absent. An empty one counts as absent nowhere: it is refused, as there is nothing to unset.
    pub(super) fn optional(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.raw(name) {
            Some("") => Err(ApiError::coded(
                "parameter_invalid_empty",
                format!("You passed an empty string for '{name}'. '{name}' cannot be unset here."),
            )
            .at(name)),
            found => Ok(found),
        }
    }

    /// A value that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.optional(name)?.ok_or_else(|| missing(name))
    }

    /// A text of at most `longest` characters.
    pub(super) fn text(&self, name: &str, longest: usize) -> Result<Option<String>, ApiError> {
        let Some(value) = self.optional(name)? else {
            return Ok(None);
        };
        if value.chars().count() > longest {
            let message = format!("Invalid string: must be at most {longest} characters");
            return Err(ApiError::invalid(message).at(name));
        }
        Ok(Some(value.to_owned()))
    }

    /// One of a closed list.
    pub(super) fn choice(&self, name: &str, allowed: &[&'static str]) -> Result<Option<&'static str>, ApiError> {
        let Some(value) = self.optional(name)? else {
            return Ok(None);
        };
        let found = allowed.iter().find(|choice| **choice == value).copied();
        let message = || format!("Invalid {name}: must be one of {}", allowed.join(", "));
        found.map(Some).ok_or_else(|| ApiError::invalid(message()).at(name))
    }

    /// A whole number, written in decimal.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.optional(name)? else {
            return Ok(None);
        };
        let digits = value.strip_prefix('-').unwrap_or(value);
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let parsed = value.parse().ok().filter(|_| plain);
        parsed.map(Some).ok_or_else(|| invalid_integer(name, value))
    }

    /// A whole number that is not negative.
    pub(super) fn unsigned(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.integer(name)? else {
            return Ok(None);
        };
        let message = || format!("Invalid non-negative integer: {value}");
        u64::try_from(value)
            .map(Some)
            .map_err(|_| ApiError::coded("parameter_invalid_integer", message()).at(name))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        Ok(self.choice(name, &["true", "false"])?.map(|value| value == "true"))
    }

    /// The values of `name[0]`, `name[1]`, ... in the order of their indexes.
    pub(super) fn list(&self, name: &str) -> Result<Vec<String>, ApiError> {
        let pattern = format!("{name}[#]");
        let mut found = Vec::new();
        for (key, value) in self.pairs.iter().filter(|(key, _)| matches(&pattern, key)) {
            if value.is_empty() {
                return Err(ApiError::coded("parameter_invalid_empty", format!("'{key}' must not be empty")).at(key));
            }
            found.push((last_index(key), value.clone()));
        }
        found.sort_by_key(|(index, _)| *index);
        Ok(found.into_iter().map(|(_, value)| value).collect())
    }

    /// The indexes that occur directly under `name`, in order.
    pub(super) fn indexes(&self, name: &str) -> BTreeSet<usize> {
        let inside = self
            .pairs
            .iter()
            .filter_map(|(key, _)| key.strip_prefix(name)?.strip_prefix('['));
        inside.filter_map(|rest| rest.split_once(']')?.0.parse().ok()).collect()
    }

    /// Whether anything sits at or under `name`.
    pub(super) fn any_under(&self, name: &str) -> bool {
        self.pairs.iter().any(|(key, _)| {
            key.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        })
    }

    /// A metadata table: at most 50 keys of 40 characters with values of 500 (Stripe sheet §4).
    pub(super) fn metadata(&self, name: &str) -> Result<BTreeMap<String, String>, ApiError> {
        let pattern = format!("{name}[*]");
        let mut table = BTreeMap::new();
        for (full, value) in self.pairs.iter().filter(|(key, _)| matches(&pattern, key)) {
            let key = segments(full)
                .and_then(|all| all.last().map(|last| (*last).to_owned()))
                .unwrap_or_default();
            if key.chars().count() > 40 {
                return Err(ApiError::invalid("Metadata keys can be at most 40 characters").at(full));
            }
            if value.chars().count() > 500 {
                return Err(ApiError::invalid("Metadata values can be at most 500 characters").at(full));
            }
            // An empty value removes the key, and on a new object there is none to remove.
            if !value.is_empty() {
                table.insert(key, value.clone());
            }
        }
        if table.len() > 50 {
            return Err(ApiError::invalid("Metadata can have at most 50 keys").at(name));
        }
        Ok(table)
    }

    fn raw(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The error for a parameter that is not there.
pub(super) fn missing(name: &str) -> ApiError {
    ApiError::coded("parameter_missing", format!("Missing required param: {name}.")).at(name)
}

fn invalid_integer(name: &str, value: &str) -> ApiError {
    ApiError::coded("parameter_invalid_integer", format!("Invalid integer: {value}")).at(name)
}

/// `url::form_urlencoded` replaces what it cannot decode. Here nothing is replaced.
fn check_encoding(bytes: &[u8]) -> Result<(), ApiError> {
    let broken = || ApiError::invalid("The request body is not application/x-www-form-urlencoded in UTF-8.");
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        if !byte.is_ascii() || byte.is_ascii_control() || byte == b' ' {
            return Err(broken());
        }
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|hex| char::from(hex).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(broken());
        };
        decoded.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    String::from_utf8(decoded).map(drop).map_err(|_| broken())
}

/// `a[b][0]` as `a`, `b`, `0`; `None` when the brackets do not pair up.
fn segments(name: &str) -> Option<Vec<&str>> {
    let (head, mut rest) = match name.find('[') {
        Some(at) => name.split_at_checked(at)?,
        None => (name, ""),
    };
    if head.is_empty() || head.contains(']') {
        return None;
    }
    let mut all = vec![head];
    while !rest.is_empty() {
        let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
        if inside.contains('[') || (inside.is_empty() && !after.is_empty()) {
            return None;
        }
        all.push(inside);
        rest = after;
    }
    Some(all)
}

fn matches(pattern: &str, name: &str) -> bool {
    let (Some(pattern), Some(name)) = (segments(pattern), segments(name)) else {
        return false;
    };
    pattern.len() == name.len()
        && pattern.iter().zip(&name).all(|(wanted, found)| match *wanted {
            "*" => !found.is_empty(),
            "#" => !found.is_empty() && found.bytes().all(|byte| byte.is_ascii_digit()),
            exact => exact == *found,
        })
}

fn last_index(name: &str) -> usize {
    segments(name)
        .and_then(|all| all.last()?.parse().ok())
        .unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_loose_brackets_are_refused() {
        for name in ["a[b", "a]b[", "[a]", "a[b]c", "a[[b]]", "a[][b]"] {
            assert!(segments(name).is_none(), "{name}");
        }
    }

    #[test]
    fn broken_encoding_is_refused_and_not_repaired() {
        for body in [&b"a=%zz"[..], b"a=%e", b"a=%ff", b"a=\xc3\xa9", b"a=b c", b"a=1&a=2"] {
            assert!(Params::decode(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn raw_and_escaped_brackets_are_the_same_name() {
        let raw = Params::decode(b"a[b][0]=x%20y").expect("form");
        let escaped = Params::decode(b"a%5Bb%5D%5B0%5D=x+y").expect("form");
        assert_eq!(raw.pairs(), escaped.pairs());
    }

    #[test]
    fn lists_follow_their_indexes_and_count_by_themselves_without() {
        let indexed = Params::decode(b"expand[1]=b&expand[0]=a").expect("form");
        let bare = Params::decode(b"expand[]=a&expand[]=b").expect("form");
        assert_eq!(indexed.list("expand").expect("list"), ["a", "b"]);
        assert_eq!(bare.list("expand").expect("list"), ["a", "b"]);
    }
}
