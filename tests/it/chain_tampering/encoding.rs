//! The encoding of the guide, for an intruder who writes the chain anew.

use kessai::ledger::KeptRecord;
use sha2::{Digest as _, Sha256};

pub fn beginning() -> [u8; 32] {
    Sha256::digest(b"kessai.ledger.1\n").into()
}

pub fn digest_of(previous: &[u8; 32], record: &KeptRecord) -> [u8; 32] {
    let mut bytes = b"kessai.record.1\n".to_vec();
    bytes.extend(previous);
    bytes.extend(record.position.to_be_bytes());
    bytes.extend(record.at_micros.to_be_bytes());
    for text in [record.attempt.as_deref().unwrap_or(""), &record.kind, &record.body] {
        bytes.extend((text.len() as u64).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    Sha256::digest(bytes).into()
}

#[tokio::test]
async fn an_auditor_without_this_crate_comes_to_the_same_digests() {
    let sample = super::sample::Sample::make().await;
    let mut previous = beginning();
    for record in &sample.records {
        previous = digest_of(&previous, record);
        assert_eq!(previous, *record.digest.as_bytes(), "{}", record.position);
    }
}

#[test]
fn the_example_of_the_guide_is_right() {
    let page = include_str!("../../../src/guide/chain.md");
    let hex = |bytes: &[u8; 32]| base16ct::lower::encode_string(bytes);
    assert!(page.contains(&hex(&beginning())), "{}", hex(&beginning()));
    let kept = KeptRecord {
        position: 1,
        at_micros: 1_795_400_000_000_000,
        attempt: Some("65erm263k1nrh7t3nphtpbnt30".to_owned()),
        kind: "returned".to_owned(),
        body: r#"{"kind":"returned","cancelled":false}"#.to_owned(),
        digest: kessai::ledger::Digest::beginning(),
    };
    let digest = hex(&digest_of(&beginning(), &kept));
    assert!(page.contains(&digest), "{digest}");
    assert!(page.contains(&kept.body));
}
