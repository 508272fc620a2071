//! A card is used and forgotten, and keys do not print.

use kessai::mock::stripe::{DeliveryFault, Fault, MockStripe, TestCard};

use super::shop::{Shop, id_of, page_of, store_of};

/// Typed in this test and to be found nowhere afterwards.
const HOLDER: &str = "HANAKO CANARY";
const CODE: &str = "8642";

fn digits_only(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect()
}

#[tokio::test]
async fn no_part_of_a_typed_card_is_kept_or_printed() {
    let shop = Shop::open().await;
    let (attempt, page) = shop.at_page().await;
    let numbers = [
        "4000000000000002",
        "4111111111111111",
        "4000002500003155",
        "4242424242424242",
    ];
    let declined = page_of(page.type_card(numbers[0], "12/34", CODE, HOLDER).await.unwrap());
    let flawed = page_of(page.type_card(numbers[1], "12/34", CODE, HOLDER).await.unwrap());
    let step = page_of(page.type_card(numbers[2], "12/34", CODE, HOLDER).await.unwrap());
    let failed = page_of(step.answer_secure(false).await.unwrap());
    let landed = failed.type_card(numbers[3], "12/34", CODE, HOLDER).await.unwrap();
    let used = page.reload().await.unwrap();
    shop.merchant.refund(id_of(&attempt), Some(1)).unwrap();
    shop.merchant.dispute(id_of(&attempt)).unwrap();
    shop.quiet().await;

    let session = format!(
        "/v1/checkout/sessions/{}?expand[0]=payment_intent.latest_charge",
        id_of(&attempt)
    );
    let mut seen = vec![
        format!("{:?}", shop.mock),
        format!("{:?}", shop.merchant),
        format!("{:?}", shop.endpoint),
        format!("{:?}", shop.mock.shopper()),
        format!("{landed:?} {page:?} {declined:?} {flawed:?} {step:?} {failed:?} {used:?}"),
        format!("{:?} {:?}", shop.merchant.sessions(), shop.merchant.events()),
        format!("{:?} {:?}", shop.merchant.deliveries(), shop.merchant.requests()),
        format!("{:?}", shop.mock.requests()),
        shop.get(&session).await.text,
        used.html().to_owned(),
        step.html().to_owned(),
    ];
    seen.extend(shop.merchant.events().iter().map(|event| event.json.to_string()));
    seen.extend(shop.sink.received().iter().map(|request| format!("{request:?}")));
    let bodies = shop.merchant.deliveries();
    seen.extend(
        bodies
            .iter()
            .map(|delivery| String::from_utf8_lossy(&delivery.body).into_owned()),
    );
    assert!(seen.len() > 20, "events and deliveries are among them");
    assert!(
        seen.iter().any(|text| text.contains("\"last4\": \"4242\"")),
        "what a receipt shows is there"
    );
    for text in &seen {
        for number in numbers {
            assert!(!digits_only(text).contains(number), "{text}");
        }
        assert!(!text.contains(HOLDER) && !text.contains("CANARY"), "{text}");
        assert!(!text.contains(&format!("\"{CODE}\"")), "{text}");
    }
    // The hints on an open page are the only place where test numbers stand, and what was typed adds none.
    for open in [&declined, &flawed, &failed] {
        assert!(!digits_only(open.html()).contains("4111111111111111") && !open.html().contains(HOLDER));
    }
}

#[tokio::test]
async fn keys_secrets_and_page_addresses_do_not_print() {
    let shop = Shop::open().await;
    let (attempt, page) = shop.at_page().await;
    let rolled = shop.endpoint.roll_secret(super::shop::HOUR);
    store_of(page.pay(TestCard::Succeeds).await.unwrap());
    shop.quiet().await;
    let view = shop.merchant.session(id_of(&attempt)).unwrap();
    let printed = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        shop.mock,
        MockStripe::builder(),
        shop.merchant,
        shop.endpoint,
        page,
        view,
        shop.merchant.deliveries(),
        shop.merchant.events(),
        shop.mock.fault(Fault::LostReply),
        shop.mock.delivery_fault(DeliveryFault::Dropped),
    );
    for secret in [
        shop.merchant.api_key(),
        shop.merchant.restricted_key(),
        shop.endpoint.secret(),
        &rolled,
    ] {
        assert!(!printed.contains(secret));
    }
    assert!(!printed.contains("/c/pay/") && !printed.contains("v1="), "{printed}");
}
