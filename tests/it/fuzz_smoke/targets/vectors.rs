//! The shared vectors as seeds.

use serde_json::Value;

use super::wire;

const FILES: [(&str, &str); 5] = [
    ("stripe.json", include_str!("../../../vectors/stripe.json")),
    ("stripe-own.json", include_str!("../../../vectors/stripe-own.json")),
    ("komoju.json", include_str!("../../../vectors/komoju.json")),
    ("gmopg.json", include_str!("../../../vectors/gmopg.json")),
    ("sbps.json", include_str!("../../../vectors/sbps.json")),
];

/// Longer ones are long for the sake of a limit, and would use up the time.
const LONGEST: usize = 8 * 1024;

fn cases(file: &str, kind: &str) -> Vec<Value> {
    let (_, text) = FILES.iter().find(|(name, _)| *name == file).unwrap();
    let mut cases: Vec<Value> = serde_json::from_str(text).unwrap();
    cases.retain(|case| case["kind"] == kind && case["encoding"] == "utf8");
    cases
}

/// Every message of a file as a request to this path.
pub fn callbacks(file: &str, path: &str) -> Vec<Vec<u8>> {
    of_kind(file, "callback", path)
}

/// Every return of a file: most are posted, some are an address.
pub fn returns(file: &str, path: &str) -> Vec<Vec<u8>> {
    of_kind(file, "return", path)
}

fn of_kind(file: &str, kind: &str, path: &str) -> Vec<Vec<u8>> {
    let request = |case: &Value| {
        let headers = headers(&case["headers"]);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let body = case["body"].as_str()?;
        let now = case["now"].as_u64().unwrap_or(super::shop::START);
        if let Some(query) = body.strip_prefix("https://").and_then(|url| url.split_once('?')) {
            return Some(wire::get(&format!("{path}?{}", query.1), now));
        }
        (body.len() <= LONGEST).then(|| wire::post(path, now, &headers, body.as_bytes()))
    };
    cases(file, kind).iter().filter_map(request).collect()
}

/// A list of pairs, or an object.
fn headers(value: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match value {
        Value::Array(pairs) => pairs.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        _ => Vec::new(),
    }
}
