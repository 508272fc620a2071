//! What is read back from where it was kept: checkpoints, records, and the chain that they make.

use std::sync::LazyLock;

use kessai::CheckpointKey;
use kessai::ledger::chain::{Digest, Head, KeptRecord, Walk};
use kessai::ledger::{Checkpoint, RecordKind};
use kessai::{ExpectedPayment, KeptLink};

use super::shop;

/// One line of text.
pub fn checkpoint(data: &[u8]) {
    static KEY: LazyLock<CheckpointKey> =
        LazyLock::new(|| CheckpointKey::new("the key that is kept on another machine").expect("long enough"));
    static LINE: LazyLock<String> = LazyLock::new(|| Checkpoint::make(&KEY, chain().1, *shop::START_TIME).to_string());
    // The seeds hold the word LINE in the place of the one that is genuine.
    let text = String::from_utf8_lossy(data).replace("LINE", &LINE);
    // It is read under its key, so what was read is what was made.
    if let Ok(checkpoint) = Checkpoint::read(&text, &KEY) {
        assert_eq!(
            text.trim_end_matches(['\r', '\n']),
            *LINE,
            "a line that nobody made is genuine"
        );
        assert_eq!(checkpoint.to_string(), *LINE);
        assert_eq!((checkpoint.head(), checkpoint.at()), (chain().1, *shop::START_TIME));
    }
    if let Some(digest) = Digest::from_hex(&text) {
        assert_eq!(digest.to_string(), text);
    }
}

/// Records as they are kept.
pub fn record(data: &[u8]) {
    if let Ok(kind) = serde_json::from_slice::<RecordKind>(data) {
        let written = serde_json::to_string(&kind).expect("what was read can be written");
        let again: RecordKind = serde_json::from_str(&written).expect("what was written can be read");
        assert_eq!(again, kind);
        assert!(written.starts_with(&format!("{{\"kind\":\"{}\"", kind.as_str())));
        // JSON escapes those below the space.
        assert!(!written.contains(|c: char| c < ' '), "one record, one line");
    }
    if let Ok(expected) = serde_json::from_slice::<ExpectedPayment>(data) {
        let written = serde_json::to_value(&expected).expect("what was read can be written");
        let again: ExpectedPayment = serde_json::from_value(written.clone()).expect("what was written can be read");
        assert_eq!(serde_json::to_value(again).expect("written"), written);
    }
    if let Ok(link) = serde_json::from_slice::<KeptLink>(data)
        && let Ok(url) = link.open(shop::STRIPE.gateway.pages())
    {
        assert_eq!(
            serde_json::to_vec(&KeptLink::of(&url)).ok(),
            serde_json::to_vec(&link).ok()
        );
    }
}

/// A chain, one record on a line: position, microseconds, attempt, kind, digest, body.
pub fn walk(data: &[u8]) {
    let genuine = &chain().0;
    let mut walk = Walk::from_the_beginning();
    let text = String::from_utf8_lossy(data);
    for (index, line) in text.split('\n').enumerate() {
        let Some(record) = read(line) else { return };
        if walk.step(&record).is_err() {
            assert_eq!(walk.head().count, index as u64, "a record that was refused counts");
            return;
        }
        assert_eq!(genuine.get(index), Some(&record), "a record that nobody wrote follows");
    }
}

fn read(line: &str) -> Option<KeptRecord> {
    let mut parts = line.splitn(6, ' ');
    let position = parts.next()?.parse().ok()?;
    let at_micros = parts.next()?.parse().ok()?;
    let attempt = Some(parts.next()?).filter(|text| *text != "-").map(str::to_owned);
    let (kind, digest) = (parts.next()?.to_owned(), Digest::from_hex(parts.next()?)?);
    let body = parts.next()?.to_owned();
    Some(KeptRecord {
        position,
        at_micros,
        attempt,
        kind,
        body,
        digest,
    })
}

/// A chain of a few records, and how far it goes.
fn chain() -> &'static (Vec<KeptRecord>, Head) {
    static CHAIN: LazyLock<(Vec<KeptRecord>, Head)> = LazyLock::new(|| {
        let (mut head, mut records) = (Head::empty(), Vec::new());
        for (at, kind) in (1_795_400_000_000_000_i64..).zip(kinds()) {
            let body = serde_json::to_string(&kind).expect("written");
            let attempt = (!matches!(kind, RecordKind::ModeChanged { .. })).then(|| shop::ATTEMPT.to_owned());
            head = head.then(at, attempt.as_deref(), kind.as_str(), &body);
            records.push(KeptRecord {
                position: head.count,
                at_micros: at,
                attempt,
                kind: kind.as_str().to_owned(),
                body,
                digest: head.digest,
            });
        }
        (records, head)
    });
    &CHAIN
}

fn kinds() -> Vec<RecordKind> {
    let mut kinds = vec![RecordKind::expected(&shop::STRIPE.attempt.expected)];
    for text in [
        r#"{"kind":"opened","checkout":"cs_test_a1FuzzSession"}"#,
        r#"{"kind":"returned","cancelled":true}"#,
        r#"{"kind":"asked","answered":false}"#,
        r#"{"kind":"closed","refused":true}"#,
        r#"{"kind":"applied","from":"created","to":"captured","trust":"signature","event":"evt_1","gateway_status":"paid","evidence":"00"}"#,
        r#"{"kind":"heard","status":"captured","trust":"status_query","event":"evt_2"}"#,
        r#"{"kind":"held","reason":"amount","status":"captured","trust":"keyed_hash","event":"evt_3","amount":{"minor_units":1,"currency":"JPY"},"payment":"pi_1","evidence":"00"}"#,
        r#"{"kind":"fulfilment","key":"fulfil-fz0attempt0000000000000000"}"#,
        r#"{"kind":"fulfilled","key":"fulfil-fz0attempt0000000000000000"}"#,
        r#"{"kind":"mode_changed","switch":"stop","actor":"somebody","reason":"a drill"}"#,
        r#"{"kind":"keys_changed","gateway":"stripe","account":"stripe","actor":"somebody","label":"2026-11"}"#,
    ] {
        kinds.push(serde_json::from_str(text).expect("a record"));
    }
    kinds
}

pub fn seeds_checkpoint() -> Vec<Vec<u8>> {
    [
        "LINE".to_owned(),
        "LINE\r\n".to_owned(),
        "LINE more".to_owned(),
        format!(
            "kessai-checkpoint-1 0 {0} 18446744073709551615 {0}",
            Digest::beginning()
        ),
        format!("kessai-checkpoint-1 01 {0} 1 {0}", Digest::beginning()),
        Digest::beginning().to_string(),
    ]
    .map(String::into_bytes)
    .into()
}

pub fn seeds_record() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = kinds()
        .iter()
        .map(|kind| serde_json::to_vec(kind).expect("written"))
        .collect();
    seeds.push(serde_json::to_vec(&shop::STRIPE.attempt.expected).expect("written"));
    seeds.push(b"\"https://checkout.stripe.com/c/pay/cs_test_1#fid\"".to_vec());
    seeds
}

pub fn seeds_walk() -> Vec<Vec<u8>> {
    let line = |record: &KeptRecord| {
        let attempt = record.attempt.as_deref().unwrap_or("-");
        let (position, at) = (record.position, record.at_micros);
        format!(
            "{position} {at} {attempt} {} {} {}",
            record.kind, record.digest, record.body
        )
    };
    let lines: Vec<String> = chain().0.iter().map(line).collect();
    vec![
        lines.join("\n").into_bytes(),
        lines[..2].join("\n").into_bytes(),
        lines[1].clone().into_bytes(),
    ]
}
