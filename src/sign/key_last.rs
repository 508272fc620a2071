//! A plain hash over some bytes and then a key, and the comparison of two tags.

use sha2::Digest;
use subtle::ConstantTimeEq;

/// The hash over the text and then the key. The key comes last, so the text cannot be extended; it is no MAC all the same, and
/// what it covers is weaker than signed (PAY-24).
pub(crate) fn key_last<D: Digest>(text: &[u8], key: &[u8]) -> Vec<u8> {
    D::new().chain_update(text).chain_update(key).finalize().to_vec()
}

/// Are the tags the same? In constant time, whole or not at all (PAY-19, PAY-20).
pub(crate) fn same_tag(made: &[u8], claimed: &[u8]) -> bool {
    bool::from(made.ct_eq(claimed))
}
