//! The attacker: knows everything about four unpaid orders but the keys, and listens on the line.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use kessai::charset::form_body;
use kessai::gateways::sbps::{Channel, report_hash};
use kessai::gateways::{komoju, stripe};
use kessai::sign::SigningKeys;
use serde_json::{Value, json};

use super::Failure;
use super::child::text;
use super::tee::Traffic;

/// A message to the store.
pub(crate) struct Message {
    pub(crate) path: &'static str,
    pub(crate) header: Option<(&'static str, String)>,
    pub(crate) body: String,
}

/// What the attacks came to: by kind, how many, and how many of them were answered as if they were taken.
pub(crate) type Tally = BTreeMap<&'static str, (u32, u32)>;

/// The kinds of attack whose answer must never be that of a message that was taken.
pub(crate) const REFUSED: [&str; 6] = [
    "Stripe, unsigned",
    "Stripe, signed with a guess",
    "Stripe, an hour old and signed with a guess",
    "KOMOJU, signed with a guess",
    "SBPS, hashed with a guess",
    "message of another gateway",
];

pub(crate) fn stripe_says_paid(victim: &Value, key: &str, at: SystemTime) -> Result<Message, Failure> {
    let body = json!({
        "id": format!("evt_forged{}", at.elapsed().unwrap_or_default().as_nanos()), "object": "event",
        "type": "checkout.session.completed", "livemode": false,
        "data": {"object": {
            "id": victim["checkout"], "object": "checkout.session", "mode": "payment", "livemode": false,
            "status": "complete", "payment_status": "paid", "payment_intent": "pi_forged",
            "amount_total": victim["amount"], "currency": "jpy", "client_reference_id": victim["order"],
            "metadata": {"order_id": victim["order"], "attempt_id": victim["attempt"]},
        }},
    })
    .to_string();
    let signature = stripe::signature_header(&SigningKeys::from_texts([key])?, at, body.as_bytes());
    Ok(Message {
        path: "/pay/stripe/notification",
        header: Some(("Stripe-Signature", signature)),
        body,
    })
}

pub(crate) fn komoju_says_paid(victim: &Value, key: &str) -> Result<Message, Failure> {
    let amount = &victim["amount"];
    let body = json!({
        "id": "forged0forged0forged0forg", "type": "payment.captured", "resource": "event",
        "data": {
            "id": "forged1forged1forged1forg", "resource": "payment", "status": "captured", "session": victim["checkout"],
            "amount": amount, "tax": 0, "payment_method_fee": 0, "total": amount, "currency": "JPY", "amount_refunded": 0,
            "external_order_num": victim["attempt"], "payment_details": {"type": "credit_card"}, "refunds": [],
        },
    })
    .to_string();
    let signature = komoju::signature_header(&SigningKeys::from_texts([key])?, body.as_bytes());
    Ok(Message {
        path: "/pay/komoju/notification",
        header: Some(("X-Komoju-Signature", signature)),
        body,
    })
}

fn sbps_says_paid(victim: &Value, known: &Value) -> Result<Message, Failure> {
    let amount = victim["amount"].to_string();
    let mut fields = vec![
        ("pay_method", "credit3d2"),
        ("merchant_id", text(&known["sbps"], "merchant")?),
        ("service_id", text(&known["sbps"], "service")?),
        ("order_id", text(victim, "attempt")?),
        ("amount", &amount),
        ("res_pay_method", "credit3d2"),
        ("res_result", "OK"),
        ("res_tracking_id", "80312789324672"),
        ("res_date", "20261123140000"),
    ];
    let keys = SigningKeys::from_texts(["0123456789abcdef0123456789abcdef01234567"])?;
    let hash = report_hash(&keys, Channel::Notification, &fields)?;
    fields.push(("sps_hashcode", &hash));
    Ok(Message {
        path: "/pay/sbps/notification",
        header: None,
        body: form_body(fields)?,
    })
}

/// Nothing is signed here, so there is nothing to guess: the store takes it as a reason to ask.
fn gmopg_says_paid(victim: &Value, known: &Value) -> Result<Message, Failure> {
    let (pass, access, amount) = ("*".repeat(10), "*".repeat(32), victim["amount"].to_string());
    let body = form_body([
        ("ShopID", text(&known["gmopg"], "shop")?),
        ("ShopPass", &pass),
        ("AccessID", "3618be802c7ac572414274731e50cb6c"),
        ("AccessPass", &access),
        ("OrderID", text(victim, "attempt")?),
        ("Status", "CAPTURE"),
        ("JobCd", "CAPTURE"),
        ("Amount", &amount),
        ("Tax", "0"),
        ("Currency", "JPN"),
        ("PayType", "0"),
    ])?;
    Ok(Message {
        path: "/pay/gmopg/notification",
        header: None,
        body,
    })
}

/// A genuine message that went over the line before: its body, and the header that signs it.
fn captured(traffic: &Traffic) -> Option<Message> {
    let seen = traffic.first("POST /pay/stripe/notification", "evt_forged")?;
    let seen = String::from_utf8(seen).ok()?;
    let (head, rest) = seen.split_once("\r\n\r\n")?;
    let value = |name: &str| {
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let length: usize = value("content-length")?.parse().ok()?;
    Some(Message {
        path: "/pay/stripe/notification",
        header: Some(("Stripe-Signature", value("stripe-signature")?)),
        body: rest.get(..length)?.to_owned(),
    })
}

/// One attacker.
pub(crate) struct Attacker {
    pub(crate) client: reqwest::Client,
    pub(crate) store: String,
    /// The unpaid orders: Stripe, KOMOJU, SBPS, GMO-PG.
    pub(crate) victims: [Value; 4],
    pub(crate) known: Value,
    pub(crate) traffic: Traffic,
    pub(crate) tally: Tally,
}

impl Attacker {
    /// Every attack once.
    pub(crate) async fn round(&mut self) -> Result<(), Failure> {
        let [stripe, komoju, sbps, gmopg] = self.victims.clone();
        let now = SystemTime::now();
        let guess = "whsec_aGuessOfSomebodyElse";
        let mut unsigned = stripe_says_paid(&stripe, guess, now)?;
        unsigned.header = None;
        let old = now - Duration::from_secs(3600);
        let mut messages = vec![
            ("Stripe, unsigned", unsigned),
            ("Stripe, signed with a guess", stripe_says_paid(&stripe, guess, now)?),
            (
                "Stripe, an hour old and signed with a guess",
                stripe_says_paid(&stripe, guess, old)?,
            ),
            (
                "KOMOJU, signed with a guess",
                komoju_says_paid(&komoju, "a-guess-of-somebody-else-0123456789")?,
            ),
            ("SBPS, hashed with a guess", sbps_says_paid(&sbps, &self.known)?),
            ("GMO-PG, a reason to ask", gmopg_says_paid(&gmopg, &self.known)?),
        ];
        if let Some(genuine) = captured(&self.traffic) {
            let path = "/pay/komoju/notification";
            let (header, body) = (genuine.header.clone(), genuine.body.clone());
            messages.push(("message of another gateway", Message { path, header, body }));
            messages.push(("genuine message, once more", genuine));
        }
        for (kind, message) in messages {
            let (status, answer) = self.send(message).await?;
            // SBPS is answered with 200 and a word.
            self.count(kind, status < 300 && !answer.starts_with("NG"));
        }
        // A return that nobody was sent on, with card fields that no store wants to see.
        let fields = "card_number=4111111111111111&cvc=123";
        for (gateway, victim) in ["stripe", "komoju", "sbps", "gmopg"].iter().zip(&self.victims.clone()) {
            let attempt = text(victim, "attempt")?;
            let state = "0".repeat(32);
            let url = format!(
                "{}/pay/{gateway}/return?attempt={attempt}&state={state}&{fields}",
                self.store
            );
            let page = self.client.get(url).send().await?.text().await?;
            self.count("return with a guessed token", !page.contains("Unknown"));
        }
        Ok(())
    }

    async fn send(&self, message: Message) -> Result<(u16, String), Failure> {
        send(&self.client, &self.store, message).await
    }

    fn count(&mut self, kind: &'static str, taken: bool) {
        let (all, taken_of_them) = self.tally.entry(kind).or_default();
        *all += 1;
        *taken_of_them += u32::from(taken);
    }
}

pub(crate) async fn send(client: &reqwest::Client, store: &str, message: Message) -> Result<(u16, String), Failure> {
    let mut request = client.post(format!("{store}{}", message.path)).body(message.body);
    if let Some((name, value)) = message.header {
        request = request.header(name, value);
    }
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}
