//! A browser comes back. Whatever it brings, it pays nothing, and without the attempt's own token it learns nothing.

use base64ct::{Base64, Encoding};
use kessai::gateways::sbps::Channel;
use kessai::{Callback, Standing};
use serde_json::json;

use super::callbacks::{FORM, report};
use super::line::{self, now};
use super::shop::{self, ATTEMPT, START, Shop, TOKEN, World};
use super::{vectors, wire};

pub fn returned(data: &[u8]) {
    let Some((request, at)) = wire::request(data) else {
        return;
    };
    let path = request.uri().path();
    let shops: [&Shop; 4] = [&shop::STRIPE, &shop::KOMOJU, &shop::GMOPG, &shop::SBPS_API];
    let named = shops.into_iter().find(|shop| path.contains(shop.id().as_str()));
    let shop = named.unwrap_or(&shop::STRIPE);
    let Ok(callback) = Callback::new(request.clone(), at) else {
        return;
    };
    line::set(Vec::new());

    let hint = shop.gateway.returned(&callback);
    assert!(line::asked().is_empty(), "reading a return made us ask");

    let world = World::new(shop, at);
    let before = world.head();
    let page = now(world.cashier.returned(&shop.id(), callback.clone()));
    let asked = line::asked();
    let query = request.uri().query().unwrap_or_default();
    // An independent reader: which tokens does the query hold?
    let tokens: Vec<String> = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "state")
        .map(|(_, value)| value.into_owned())
        .collect();
    if tokens != [TOKEN] || hint.is_err() {
        assert_eq!(page.standing, Standing::Unknown, "known by {tokens:?} and {hint:?}");
        assert!(page.attempt.is_none() && page.order.is_none() && page.see_other.is_none());
        assert_eq!(world.head(), before, "a return that is none left a trace");
        assert!(asked.is_empty(), "a return that is none made us ask");
    }
    assert_ne!(page.standing, Standing::Paid, "nobody paid");
    assert!(!world.paid());
    if let Some(attempt) = &page.attempt {
        assert_eq!(attempt.as_str(), ATTEMPT);
    }
    if let Some(reply) = &page.see_other {
        let location = reply.headers()["location"].to_str().unwrap();
        // The same place on this site and on no other, with our own two values and nothing of what was posted.
        let base = url::Url::parse("https://shop.example/pay/here").unwrap();
        let origin = base.join(location).unwrap().origin().ascii_serialization();
        assert_eq!(origin, "https://shop.example", "{location:?} leads elsewhere");
        assert!(
            location.starts_with(['/', '?']) && !location.contains('\\'),
            "{location:?}"
        );
        assert!(
            location.ends_with(&format!("?attempt={ATTEMPT}&state={TOKEN}")),
            "{location:?}"
        );
    }
    // The same once more: no further question, no further trace.
    let then = world.head();
    let again = now(world.cashier.returned(&shop.id(), callback));
    assert_eq!(world.head(), then, "a reload left a trace");
    assert!(line::asked().is_empty(), "a reload made us ask at once");
    assert_eq!(again.attempt, page.attempt);
}

pub fn seeds() -> Vec<Vec<u8>> {
    let own = format!("attempt={ATTEMPT}&state={TOKEN}");
    let mut seeds = Vec::new();
    for gateway in ["stripe", "komoju", "gmopg", "sbps"] {
        for way in ["return", "cancel"] {
            let path = format!("/pay/{gateway}/{way}");
            seeds.push(wire::get(&format!("{path}?{own}"), START));
            seeds.push(wire::get(
                &format!("{path}?{own}&session_id={}", shop::KOMOJU_SESSION),
                START,
            ));
            seeds.push(wire::post(&format!("{path}?{own}"), START, &[FORM], b""));
        }
    }
    seeds.push(wire::post(
        &format!("//evil.example/pay/stripe/return?{own}"),
        START,
        &[FORM],
        b"",
    ));
    let body = report(&[], Channel::Return);
    seeds.push(wire::post(
        &format!("/pay/sbps/return?{own}"),
        START,
        &[FORM],
        body.as_bytes(),
    ));
    let result = json!({"transactionresult": {
        "AccessID": "5f2c9a1e7b3d40688c11aa02d94e6f73", "OrderID": ATTEMPT, "Result": "PAYSUCCESS",
        "Processdate": "20261123111500", "ErrCode": null, "Paymethod": "credit",
    }});
    let text = Base64::encode_string(result.to_string().as_bytes());
    let result = format!("result={text}.{}", "0".repeat(64));
    seeds.push(wire::post(
        &format!("/pay/gmopg/return?{own}"),
        START,
        &[FORM],
        result.as_bytes(),
    ));
    for (file, gateway) in [
        ("gmopg.json", "gmopg"),
        ("sbps.json", "sbps"),
        ("komoju.json", "komoju"),
    ] {
        let path = format!("/pay/{gateway}/return?{own}");
        seeds.extend(vectors::returns(file, &path));
    }
    seeds
}
