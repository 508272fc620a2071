//! Requests and answers as text, so that whatever changes bytes changes every part of them.
//!
//! ```text
//! POST /pay/stripe/notification 1795400100      method, target, seconds since 1970
//! stripe-signature: t=1795400100,v1=...
//!                                               an empty line, then the body to the end
//! {"id":"evt_1"}
//! ```

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};

/// Between several answers.
const NEXT: &[u8] = b"\n----\n";

/// A request and when it came; nothing if no web server would hand it on.
pub fn request(data: &[u8]) -> Option<(Request<Bytes>, SystemTime)> {
    let (head, body) = halves(data);
    let mut lines = head.split(|&byte| byte == b'\n');
    let mut first = lines.next()?.splitn(3, |&byte| byte == b' ');
    let method = Method::from_bytes(first.next()?).ok()?;
    let target = Uri::try_from(first.next()?).ok()?;
    let seconds = std::str::from_utf8(first.next()?).ok()?.parse().ok()?;
    let at = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    let mut request = Request::new(Bytes::copy_from_slice(body));
    *request.method_mut() = method;
    *request.uri_mut() = target;
    headers(lines, request.headers_mut())?;
    Some((request, at))
}

/// Up to four answers.
pub fn answers(data: &[u8]) -> Option<Vec<Response<Bytes>>> {
    let mut answers = Vec::new();
    let mut rest = data;
    while answers.len() < 4 {
        let end = rest.windows(NEXT.len()).position(|part| part == NEXT);
        answers.push(answer(&rest[..end.unwrap_or(rest.len())])?);
        let Some(end) = end else { break };
        rest = &rest[end + NEXT.len()..];
    }
    Some(answers)
}

fn answer(data: &[u8]) -> Option<Response<Bytes>> {
    let (head, body) = halves(data);
    let mut lines = head.split(|&byte| byte == b'\n');
    let mut answer = Response::new(Bytes::copy_from_slice(body));
    *answer.status_mut() = StatusCode::from_bytes(lines.next()?).ok()?;
    headers(lines, answer.headers_mut())?;
    Some(answer)
}

fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    match data.windows(2).position(|two| two == b"\n\n") {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &[]),
    }
}

fn headers<'a>(lines: impl Iterator<Item = &'a [u8]>, into: &mut http::HeaderMap) -> Option<()> {
    for line in lines {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..]);
        into.append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(())
}

/// A request in this form.
pub fn post(target: &str, seconds: u64, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    written(&format!("POST {target} {seconds}"), headers, body)
}

pub fn get(target: &str, seconds: u64) -> Vec<u8> {
    written(&format!("GET {target} {seconds}"), &[], b"")
}

/// An answer in this form.
pub fn said(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    written(&status.to_string(), headers, body)
}

pub fn several(answers: &[Vec<u8>]) -> Vec<u8> {
    answers.join(NEXT)
}

fn written(first: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = first.to_owned();
    for (name, value) in headers {
        text.extend(["\n", name, ": ", value]);
    }
    text.push_str("\n\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
