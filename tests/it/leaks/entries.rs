//! Card data in every text that the store can hand in: refused, told once by its place, and shown nowhere. And what looks like a card
//! number by chance goes through.

use kessai::cashier::ReopenError;
use kessai::ledger::SwitchText;
use kessai::security_event::{EventText, SecurityEvent};
use kessai::{
    Addresses, AllowedOrigins, ApiKey, CardDataKind, CardDataSighted, CheckoutRequest, ClientKey, CustomerReference,
    Email, GatewayWord, LineItem, Locale, MerchantAccount, MerchantReference, PostForm, RedirectError, RedirectUrl,
    RequestError, check_name, check_text,
};

use super::disguises::{NAMES, NUMBERS, disguises};
use super::outputs::Outputs;
use super::players::players;
use super::setup::Stage;
use crate::security_events::field;
use crate::support::yen;

/// One way in for a text. Gives what refused it, if something did.
type Entry = (&'static str, fn(&str) -> Result<(), Refusal>);

#[derive(Debug)]
enum Refusal {
    /// As card data.
    Sighted(CardDataSighted),
    /// By its grammar.
    Other(Box<dyn std::error::Error>),
}

impl Refusal {
    fn request(error: RequestError) -> Self {
        match error {
            RequestError::CardData(sighted) => Self::Sighted(sighted),
            other => Self::Other(Box::new(other)),
        }
    }

    fn other(error: impl std::error::Error + 'static) -> Self {
        Self::Other(Box::new(error))
    }
}

fn order(reference: &str) -> Result<kessai::CheckoutRequestBuilder, Refusal> {
    let order = MerchantReference::new(reference).map_err(Refusal::other)?;
    Ok(CheckoutRequest::builder(order).total(yen(1980)))
}

fn built(builder: kessai::CheckoutRequestBuilder) -> Result<(), Refusal> {
    builder.build().map(drop).map_err(Refusal::request)
}

/// Those that take free text, where card data has to be seen for what it is.
const FREE: [Entry; 6] = [
    ("check_text", |text| {
        check_text("the remark", text).map_err(Refusal::Sighted)
    }),
    ("check_name", |text| check_name("a key", text).map_err(Refusal::Sighted)),
    ("item name", |text| {
        LineItem::new(text, yen(1), 1).map(drop).map_err(Refusal::request)
    }),
    ("item name among others", |text| {
        let text = format!("Sencha 100 g, {text}");
        LineItem::new(text, yen(1), 1).map(drop).map_err(Refusal::request)
    }),
    ("client key", |text| {
        ClientKey::new(text).map(drop).map_err(Refusal::request)
    }),
    ("client key in bytes", |text| {
        ClientKey::new([b"\xff ", text.as_bytes()].concat())
            .map(drop)
            .map_err(Refusal::request)
    }),
];

/// Those with a grammar of their own: one or the other refuses.
const NARROW: [Entry; 12] = [
    ("e-mail", |text| {
        Email::new(format!("{text}@shop.example"))
            .map(drop)
            .map_err(Refusal::request)
    }),
    ("e-mail domain", |text| {
        Email::new(format!("a@{text}.example"))
            .map(drop)
            .map_err(Refusal::request)
    }),
    ("locale", |text| Locale::new(text).map(drop).map_err(Refusal::request)),
    ("order", |text| built(order(text)?)),
    ("order with a prefix", |text| built(order(&format!("EC-{text}"))?)),
    ("customer", |text| {
        let customer = CustomerReference::new(text).map_err(Refusal::other)?;
        built(order("EC-1")?.customer(customer))
    }),
    ("actor or reason", |text| {
        SwitchText::new(text).map(drop).map_err(Refusal::other)
    }),
    ("a form's field name", |text| {
        let allowed = AllowedOrigins::new(["https://pay.example"]).unwrap();
        let form = PostForm::new(RedirectUrl::new("https://pay.example/", &allowed).unwrap());
        form.field(text, "x").map(drop).map_err(|error| match error {
            RedirectError::CardData(sighted) => Refusal::Sighted(sighted),
            other => Refusal::other(other),
        })
    }),
    ("Stripe's account", |text| {
        let account = MerchantAccount::new(text).map_err(Refusal::other)?;
        let stripe = crate::support::stripe().account(account);
        stripe.build().map(drop).map_err(Refusal::other)
    }),
    ("Stripe's methods", |text| {
        crate::support::stripe()
            .methods([text])
            .build()
            .map(drop)
            .map_err(Refusal::other)
    }),
    ("KOMOJU's account", |text| {
        let keys = kessai::sign::SigningKeys::from_texts(["whsec-komoju-0123456789"]).unwrap();
        let addresses = Addresses::new("https://shop.example", "/pay").unwrap();
        let account = MerchantAccount::new(text).map_err(Refusal::other)?;
        let komoju =
            kessai::gateways::komoju::Komoju::builder(ApiKey::new("sk_test_0123456789").unwrap(), keys, addresses);
        komoju.account(account).build().map(drop).map_err(Refusal::other)
    }),
    ("an address", |text| {
        Addresses::new("https://shop.example", text)
            .map(drop)
            .map_err(Refusal::other)
    }),
];

/// Those that keep a part: card data is withheld.
const KEPT: [fn(&str) -> String; 2] = [
    |text| GatewayWord::new(text).as_str().to_owned(),
    |text| EventText::new(text).as_str().to_owned(),
];

#[tokio::test]
async fn card_data_is_refused_at_every_way_in_and_told_by_its_place_alone() {
    let (_, player) = players().pop().unwrap();
    let stage = Stage::new(player);
    let mut outputs = Outputs::default();
    let (mut sighted_at, mut refused, mut values) = (Vec::new(), 0, Vec::new());
    for number in NUMBERS {
        for (disguise, text) in disguises(number) {
            for (entry, enter) in FREE {
                let refusal = enter(&text).expect_err(&format!("{entry}: {disguise} of {number}"));
                outputs.debug(&refusal);
                match refusal {
                    Refusal::Sighted(sighted) => {
                        outputs.error(&sighted);
                        assert_eq!(sighted.kind, CardDataKind::Number, "{entry}: {disguise}");
                        sighted_at.push(sighted);
                    }
                    // A line break is no part of a name, whatever stands beside it.
                    Refusal::Other(error) => outputs.error(error.as_ref()),
                }
                refused += 1;
            }
            for (entry, enter) in NARROW {
                let refusal = enter(&text).expect_err(&format!("{entry}: {disguise} of {number}"));
                outputs.debug(&refusal);
                match refusal {
                    Refusal::Sighted(sighted) => {
                        outputs.error(&sighted);
                        sighted_at.push(sighted);
                    }
                    Refusal::Other(error) => outputs.error(error.as_ref()),
                }
                refused += 1;
            }
            for keep in KEPT {
                assert_eq!(keep(&text), "withheld", "{disguise} of {number}");
            }
            values.push(text);
        }
    }
    assert!(refused > 40 * 12 * 18, "{refused}");
    // Each place is told once by one call, and never a value.
    sighted_at.sort_by_key(|sighted| (sighted.field, sighted.kind.as_str()));
    sighted_at.dedup();
    assert!(sighted_at.len() >= 8, "{sighted_at:?}");
    for sighted in &sighted_at {
        let _ = stage.kept.take();
        stage.clock.advance(std::time::Duration::from_secs(61));
        stage.cashier.card_data_sighted(sighted);
        let told = stage.kept.take();
        let told: Vec<_> = told
            .iter()
            .filter(|event| event.name() == "payment.card_data.sighted")
            .collect();
        assert_eq!(told.len(), 1);
        assert_eq!(field(told[0], "place"), sighted.field);
    }
    let events = stage.end(&mut outputs).await;
    assert!(
        events
            .iter()
            .all(|event| !matches!(event, SecurityEvent::CardDataSighted { .. })),
        "all were taken"
    );
    values.extend(NUMBERS.map(str::to_owned));
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    outputs.show_none_of(&values);
}

#[test]
fn names_of_security_codes_are_refused_with_their_values_in_english_and_japanese() {
    let mut outputs = Outputs::default();
    for name in NAMES {
        let sighted = check_name("a key", name).expect_err(name);
        outputs.error(&sighted);
        assert!(!sighted.to_string().contains(name));
    }
    let allowed = AllowedOrigins::new(["https://pay.example"]).unwrap();
    for name in NAMES {
        let form = PostForm::new(RedirectUrl::new("https://pay.example/", &allowed).unwrap());
        let refused = form.field(name, "Canary9Value").expect_err(name);
        outputs.error(&refused);
    }
    let codes = [
        "cvv 9173",
        "CVC2: 917",
        "security code = 9173",
        "セキュリティコードは9173",
        "ｾｷｭﾘﾃｨｺｰﾄﾞ：９１７３",
        "card[cvc]=917",
    ];
    for text in codes {
        for (entry, enter) in FREE {
            let refusal = enter(text).expect_err(&format!("{entry}: {text}"));
            outputs.debug(&refusal);
        }
        for keep in KEPT {
            assert_eq!(keep(text), "withheld", "{text}");
        }
    }
    outputs.show_none_of(&["Canary9Value", "9173", "９１７３"]);
}

#[tokio::test]
async fn a_return_with_the_fields_of_a_card_form_is_told_once_and_shows_nothing() {
    use super::players::Message;

    for (name, player) in players() {
        let stage = Stage::new(player);
        let mut outputs = Outputs::default();
        for number in NUMBERS {
            let _ = stage.kept.take();
            stage.clock.advance(std::time::Duration::from_secs(61));
            let mut message = Message::post(
                "application/x-www-form-urlencoded",
                format!("card_number={number}&cvv=Canary9Code&holder=Canary9Holder"),
            );
            message.target =
                format!("/pay/return?cardNumber={number}&security_code=Canary9Code&attempt={number}&state={number}");
            let message = message.header("cookie", format!("card={number}"));
            stage.returns(&message, &mut outputs).await;
            let told = stage.kept.take();
            let told: Vec<_> = told
                .iter()
                .filter(|event| event.name().starts_with("payment.card_data."))
                .collect();
            assert_eq!(told.len(), 1, "{name}");
            // Nothing shows that it came from a page of the store's.
            assert_eq!(told[0].name(), "payment.card_data.unproven");
            assert_eq!(field(told[0], "reason"), "field_name");
        }
        stage.end(&mut outputs).await;
        outputs.show_none_of(&[&NUMBERS[..], &["Canary9Code", "Canary9Holder"]].concat());
    }
}

#[test]
fn what_passes_the_checksum_by_chance_works_everywhere() {
    // Right check digits under numbers that no issuer has, of lengths that no card has, and codes that are something else.
    for text in [
        "1234567812345670",
        "0000000000000000",
        "79927398710",
        "7992739871000004",
        "9999999999999995",
        "424242424242424",
        "4901234000094",
        "EC-20261123-000123",
        "202611230930150017",
        "a3f8c1d25b7e4960a1b2c3d4e5f60718",
        "0190b5a2-7c3d-7e4f-8a91-2b3c4d5e6f70",
    ] {
        for (entry, enter) in FREE {
            assert!(enter(text).is_ok(), "{entry}: {text}");
        }
        for entry in [
            "order",
            "order with a prefix",
            "customer",
            "actor or reason",
            "a form's field name",
        ] {
            let (_, enter) = NARROW.iter().find(|(name, _)| *name == entry).unwrap();
            assert!(enter(text).is_ok(), "{entry}: {text} {:?}", enter(text));
        }
        for keep in KEPT {
            assert_eq!(keep(text), text);
        }
    }
    // What a gateway calls a payment is its own business, even where a card number could look like it.
    for text in ["80312789324672", "4012888888881881", "38520000023237"] {
        assert_eq!(kessai::GatewayReference::new(text).unwrap().as_str(), text);
    }
}

#[tokio::test]
async fn an_operators_card_data_stops_nothing_and_shows_nowhere() {
    let (_, player) = players().pop().unwrap();
    let stage = Stage::new(player);
    let mut outputs = Outputs::default();
    for number in NUMBERS {
        assert!(SwitchText::new(format!("customer {number} called")).is_err());
        assert!(SwitchText::new(number).is_err());
    }
    let text = |text: &str| SwitchText::new(text).unwrap();
    outputs.debug(
        &stage
            .cashier
            .stop(text("Sato, ext. 4012"), text("ticket 888888881881"))
            .await
            .unwrap(),
    );
    outputs.debug(
        &stage
            .cashier
            .ask_before_apply(text("Sato"), text("ticket 7"))
            .await
            .unwrap(),
    );
    match stage.cashier.reopen(text("Sato"), text("over"), &[]).await {
        Ok(check) | Err(ReopenError::SelfCheck(check)) => outputs.debug(&check),
        Err(other) => outputs.error(&other),
    }
    stage.end(&mut outputs).await;
    outputs.show_none_of(&NUMBERS);
    assert!(
        !outputs.showing(&["ticket 888888881881"]).is_empty(),
        "what is no card data is told"
    );
}
