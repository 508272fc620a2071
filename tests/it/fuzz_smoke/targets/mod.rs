//! What is fuzzed, each as one function from bytes to nothing: it panics when a promise is broken.
//!
//! The same functions run under the driver of the tests (`fuzz_smoke`) and under libFuzzer (`fuzz/`). A promise is more than "no
//! panic" wherever there is more to say: nothing that nobody signed is proven, what is not signed changes nothing, what was
//! written is read as it was, an order is paid by nothing but the evidence that it expects.

mod answers;
pub mod callbacks;
mod chain;
mod handoff;
mod headers;
pub mod line;
mod page;
mod returns;
pub mod shop;
mod texts;
mod vectors;
mod wire;

/// One target.
#[derive(Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Genuine inputs, and some that others have fallen for.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

macro_rules! targets {
    ($($name:ident: $run:path, $seeds:path;)+) => {
        pub const TARGETS: &[Target] = &[$(Target { name: stringify!($name), run: $run, seeds: $seeds }),+];
    };
}

targets! {
    callback_stripe: callbacks::callback_stripe, callbacks::seeds_stripe;
    callback_komoju: callbacks::callback_komoju, callbacks::seeds_komoju;
    callback_gmopg: callbacks::callback_gmopg, callbacks::seeds_gmopg;
    callback_sbps: callbacks::callback_sbps, callbacks::seeds_sbps;
    callback_sbps_asking: callbacks::callback_sbps_asking, callbacks::seeds_sbps;
    signatures: headers::signatures, headers::seeds;
    returned: returns::returned, returns::seeds;
    answer_stripe: answers::answer_stripe, answers::seeds_stripe;
    answer_komoju: answers::answer_komoju, answers::seeds_komoju;
    answer_gmopg: answers::answer_gmopg, answers::seeds_gmopg;
    answer_sbps: answers::answer_sbps, answers::seeds_sbps;
    hand_off: handoff::hand_off, handoff::seeds_hand_off;
    page: handoff::page, handoff::seeds_page;
    forms: texts::forms, texts::seeds_forms;
    charsets: texts::charsets, texts::seeds_charsets;
    words: texts::words, texts::seeds_words;
    checkpoint: chain::checkpoint, chain::seeds_checkpoint;
    record: chain::record, chain::seeds_record;
    walk: chain::walk, chain::seeds_walk;
}

/// Pieces that mean something to one of the readers.
pub const DICTIONARY: &[&str] = &[
    "\n\n",
    "\n----\n",
    "\u{1e}",
    "&",
    "=",
    "%",
    "%00",
    "%26",
    "%3D",
    "%e3%80%9c",
    "%81%60",
    "+",
    ";",
    ",",
    ".",
    "..",
    "/",
    "//",
    "\\",
    "\"",
    "'",
    "<",
    ">",
    "&amp;",
    "&#x0;",
    "&#1114112;",
    "<!DOCTYPE a [",
    "<!ENTITY",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "<a/>",
    "{",
    "}",
    "[",
    "]",
    "[[[[[[[[",
    "{\"a\":",
    "null",
    "true",
    "-1",
    "0",
    "1",
    "0.1",
    "1e999",
    "18446744073709551616",
    "9223372036854775808",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{0}",
    "\r\n",
    "\t",
    " ",
    "\u{202e}",
    "\u{301c}",
    "\u{ff5e}",
    "¥",
    "POST",
    "GET",
    "HEAD",
    "t=",
    "v1=",
    "v0=",
    "stripe-signature: ",
    "x-komoju-signature: ",
    "content-encoding: gzip",
    "retry-after: 99999999999999999999",
    "date: Mon, 23 Nov 2026 02:13:20 GMT",
    "attempt=",
    "state=",
    "result=",
    "session_id=",
    "sps_hashcode=",
    "res_result=",
    "OK",
    "NG",
    "PY",
    "CN",
    "amount=",
    "Amount=",
    "Tax=",
    "Status=CAPTURE",
    "OrderID=",
    "ShopID=",
    "captured",
    "authorized",
    "paid",
    "unpaid",
    "complete",
    "refunded",
    "succeeded",
    "requires_capture",
    "credit_card",
    "webcvs",
    "credit3d2",
    "paypay",
    "jpy",
    "JPY",
    "JPN",
    "livemode",
    "amount_total",
    "amount_refunded",
    "payment_intent",
    "metadata",
    "latest_charge",
    "external_order_num",
    "payment_method_fee",
    "refunds",
    "chargeback",
    "session_url",
    "LinkUrl",
    "commit_status",
    "payment_status",
    "res_err_code",
    "kessai-checkpoint-1",
    "captured_at",
    "1795400000",
];
