//! Hostile text inside genuine messages and answers (PAY-38): line breaks, terminal escapes, direction marks, formulas. Whatever field it
//! stands in, read or not, it comes out as one line of text or not at all.

use kessai::MerchantReference;
use kessai::gateways::{komoju, stripe};
use kessai::sign::SigningKeys;

use super::answers::{call_all, tampered};
use super::outputs::Outputs;
use super::players::{From, Message, Says, players};
use super::setup::Stage;
use crate::attacks::alter::{Shape, fields, with_value};
use crate::sbps::{accepted, body, with};
use crate::support::{SIGNING_SECRET, start};

/// As it must not come out anywhere.
const HOSTILE: [&str; 5] = [
    "x\r\nINFO forged=1",
    "x\u{1b}[31mred",
    "x\u{202e}right to left",
    "x\u{0}end",
    "x\u{85}next",
];

/// The message with this text in each of its fields, one at a time, under its genuine signature.
fn spoiled(name: &str, stage: &Stage, about: &kessai::ExpectedPayment, text: &str) -> Vec<Message> {
    let genuine = stage.player.message(about, Says::Paid, From::Gateway, start()).unwrap();
    let signed = |body: Vec<u8>| {
        let text = String::from_utf8(body).unwrap();
        if name == "stripe" {
            let keys = SigningKeys::from_texts([SIGNING_SECRET]).unwrap();
            let tag = stripe::signature_header(&keys, start(), text.as_bytes());
            return Message::post("application/json", text).header("stripe-signature", tag);
        }
        let secrets = stage.player.secrets();
        let keys = SigningKeys::from_texts([secrets[usize::from(secrets.len() > 9)].as_str()]).unwrap();
        let tag = komoju::signature_header(&keys, text.as_bytes());
        Message::post("application/json", text).header("x-komoju-signature", tag)
    };
    match name {
        "stripe" | "komoju" => fields(Shape::Json, &genuine.body)
            .into_iter()
            .filter(|field| field.value(&genuine.body).first() == Some(&b'"'))
            .map(|field| {
                let written = serde_json::to_string(text).unwrap();
                signed(with_value(&genuine.body, &field, written.as_bytes()))
            })
            .collect(),
        "gmopg" => fields(Shape::Form, &genuine.body)
            .into_iter()
            .map(|field| {
                let written: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
                let mut message = genuine.clone();
                message.body = with_value(&genuine.body, &field, written.as_bytes());
                message
            })
            .collect(),
        // What Shift_JIS cannot write, no message of this gateway can say.
        _ if kessai::charset::encode(text).is_err() => Vec::new(),
        _ => {
            let own = accepted(about);
            let names: Vec<&str> = own.iter().map(|(name, _)| *name).collect();
            names
                .into_iter()
                .map(|field| {
                    let fields = with(own.clone(), &[(field, text)]);
                    let channel = kessai::gateways::sbps::Channel::Notification;
                    Message::post("application/x-www-form-urlencoded", body(channel, &fields))
                })
                .collect()
        }
    }
}

#[tokio::test]
async fn text_in_every_field_that_is_read_comes_out_as_text() {
    for (name, player) in players() {
        let stage = Stage::new(player);
        let mut outputs = Outputs::default();
        let request = stage.player.request("ORD-1").unwrap();
        let attempt = stage.opened(&request, &mut outputs).await;
        let (mut messages, mut taken) = (0, 0);
        for text in HOSTILE {
            for message in spoiled(name, &stage, &attempt.expected, text) {
                messages += 1;
                let reply = stage
                    .cashier
                    .callback(&stage.id(), super::setup::callback(&message))
                    .await;
                outputs.reply(&reply);
                taken += usize::from(!reply.body().starts_with(b"NG") && reply.status() == 200);
            }
        }
        // Unsigned text proves nothing, and most of what is signed here is genuine, only strange.
        assert!(messages >= 30, "{name}: {messages} messages");
        assert!(taken > 0, "{name}: none of {messages} was even read");
        let mut answers: Vec<_> = stage.player.created(&attempt.expected).into_iter().collect();
        answers.extend(stage.player.status(&attempt, Says::Paid).unwrap_or_default());
        for answer in &answers {
            for text in HOSTILE {
                for answer in tampered(answer, text, true) {
                    call_all(&stage, &attempt, &answer, &mut outputs).await;
                }
            }
        }
        println!("{name}: {messages} messages, {taken} of them taken");
        let events = stage.end(&mut outputs).await;
        assert!(events.iter().all(|event| !event.name().contains('\n')));
        outputs.show_none_of(&HOSTILE);
        // A store's own names are refused where they are made.
        for text in HOSTILE {
            assert!(MerchantReference::new(text).is_err());
        }
    }
}
