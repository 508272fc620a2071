//! What verifying costs: no copy of the body, no reading of what is not proven, and no more keyed hashing than there are keys.
//! (`cargo bench --bench verify` measures it beside its floor.)

use std::sync::Arc;

use bytes::Bytes;
use kessai::gateways::stripe::signature_header;
use kessai::sign::{Mac, SigningKeys};
use kessai::{Callback, VerifyError};

use crate::support::scripted::Scripted;
use crate::support::{SIGNING_SECRET, start, stripe};

fn keys() -> SigningKeys {
    SigningKeys::from_texts([SIGNING_SECRET]).unwrap()
}

fn deliver(header: String, body: Bytes) -> Callback {
    let request = http::Request::post("/pay/stripe/notification").header("Stripe-Signature", header);
    Callback::new(request.body(body).unwrap(), start()).unwrap()
}

#[test]
fn the_body_stays_where_it_arrived() {
    let arrived = Bytes::from(vec![b' '; 64 * 1024]);
    let place = arrived.as_ptr_range();
    let callback = deliver(signature_header(&keys(), start(), &arrived), arrived.clone());
    assert_eq!(callback.body().as_ptr_range(), place);
    assert_eq!(callback.clone().body().as_ptr_range(), place, "a clone shares it");
    let stripe = stripe().transport(Arc::new(Scripted::new())).build().unwrap();
    assert!(
        matches!(stripe.verify(&callback), Err(VerifyError::Payload(_))),
        "signed, and read"
    );
    assert_eq!(callback.body().as_ptr_range(), place);
}

#[test]
fn what_is_proven_is_the_body_itself_and_not_a_copy() {
    for size in [0, 1, 63, 64, 65, 1024, 64 * 1024] {
        let body = Bytes::from(vec![b'x'; size]);
        let tag = keys().sign(Mac::HmacSha256, &[b"1.", &body]);
        let keys = keys();
        let proven = keys.verify(Mac::HmacSha256, b"1.", &body, &[tag], start()).unwrap();
        assert_eq!(proven.value().as_ptr_range(), body.as_ptr_range(), "{size} bytes");
        // And a part that is read onward is a part of it.
        let part = proven.try_map(|whole| whole.get(size / 2..).ok_or(())).unwrap();
        assert_eq!(part.value().as_ptr_range().end, body.as_ptr_range().end);
    }
}

#[test]
fn a_body_that_is_not_proven_is_not_read() {
    let stripe = stripe().transport(Arc::new(Scripted::new())).build().unwrap();
    let nested = "[".repeat(60_000);
    let forged = SigningKeys::from_texts(["whsec_of-somebody-else-000"]).unwrap();
    for body in [&b"\xff\xfe not text"[..], b"{\"id\":", nested.as_bytes(), b""] {
        let body = Bytes::copy_from_slice(body);
        // The reader would have said Payload, and does so when the signature is right.
        let callback = deliver(signature_header(&forged, start(), &body), body.clone());
        assert_eq!(stripe.verify(&callback).err(), Some(VerifyError::Mismatch));
        let callback = deliver(signature_header(&keys(), start(), &body), body);
        assert!(matches!(stripe.verify(&callback), Err(VerifyError::Payload(_))));
    }
}

#[test]
fn a_flood_of_tags_or_keys_is_bounded_before_anything_is_hashed() {
    let stripe = stripe().transport(Arc::new(Scripted::new())).build().unwrap();
    let tag = "ab".repeat(32);
    let many = format!("t=1795400000{}", format!(",v1={tag}").repeat(17));
    assert!(matches!(
        stripe.verify(&deliver(many, Bytes::new())),
        Err(VerifyError::Malformed(_))
    ));
    assert!(SigningKeys::from_texts([SIGNING_SECRET; 5]).is_ok());
    assert!(SigningKeys::from_texts([SIGNING_SECRET; 6]).is_err());
}
