//! Reads an answer, within its limit and only as it was meant to be read.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, HeaderMap, TRANSFER_ENCODING};

use super::sorted;
use crate::transport::{TransportError, TransportErrorKind};

/// The first reservation at most, however large the answer says it will be.
const FIRST_RESERVATION: usize = 16 * 1024;

/// The whole answer. In memory there is never more than the limit and the chunk that came last.
pub(super) async fn read(
    mut response: reqwest::Response,
    limit: usize,
) -> Result<http::Response<Bytes>, TransportError> {
    if is_encoded(response.headers()) {
        return Err(unreadable("the answer is compressed, and was not asked to be"));
    }
    // What it says of itself first: then nothing of it has to be read.
    let announced = response.content_length().unwrap_or_default();
    if announced > limit as u64 {
        return Err(unreadable("the answer is larger than the limit"));
    }
    let announced = usize::try_from(announced).unwrap_or(FIRST_RESERVATION);
    let mut body = Vec::with_capacity(announced.min(FIRST_RESERVATION));
    while let Some(chunk) = response.chunk().await.map_err(sorted)? {
        if chunk.len() > limit - body.len() {
            return Err(unreadable("the answer is larger than the limit"));
        }
        body.extend_from_slice(&chunk);
    }

    let mut answer = http::Response::new(Bytes::from(body));
    *answer.status_mut() = response.status();
    *answer.version_mut() = response.version();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    Ok(answer)
}

/// Is there any coding but `identity` on the content, or any but `chunked` on the transfer (which is undone already)?
fn is_encoded(headers: &HeaderMap) -> bool {
    let other_than = |name, plain: &[u8]| {
        headers
            .get_all(name)
            .iter()
            .any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(plain))
    };
    other_than(CONTENT_ENCODING, b"identity") || other_than(TRANSFER_ENCODING, b"chunked")
}

fn unreadable(why: &'static str) -> TransportError {
    TransportError::new(TransportErrorKind::Reply).with_source(why)
}
