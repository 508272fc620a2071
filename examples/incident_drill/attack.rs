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
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) path: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Message {
    /// The same under another signature.
    fn signed(mut self, with: impl FnOnce(&str) -> String) -> Self {
        if let Some((_, value)) = self.headers.first_mut() {
            *value = with(value);
        }
        self
    }

    /// The same with one more header.
    fn and(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same signature over another body.
    fn saying(self, body: String) -> Self {
        Self { body, ..self }
    }
}

/// What the attacks came to: by kind, how many, and how many of them were answered as if they were taken.
pub(crate) type Tally = BTreeMap<&'static str, (u32, u32)>;

/// The kinds of attack whose answer must never be that of a message that was taken.
pub(crate) const REFUSED: [&str; 19] = [
    "Stripe: unsigned (PAY-18)",
    "Stripe: signed with a guess (PAY-18)",
    "Stripe: an hour old, signed with a guess (PAY-33)",
    "KOMOJU: signed with a guess (PAY-18)",
    "SBPS: hashed with a guess (PAY-18)",
    "forged failure, Stripe (PAY-17)",
    "forged failure, KOMOJU (PAY-17)",
    "genuine message: no tag (PAY-19)",
    "genuine message: half a tag (PAY-19)",
    "genuine message: another amount (PAY-25)",
    "genuine message: another order (PAY-27)",
    "genuine message: another gateway's address (PAY-32)",
    "genuine message: two signatures (PAY-57)",
    "genuine message: said to be compressed (PAY-62)",
    "a body of a megabyte (PAY-61)",
    "a body that nests 30,000 deep (PAY-63)",
    "return with a guessed token (PAY-14)",
    "return of another order (PAY-13)",
    "card number instead of a customer (PAY-58)",
];

/// The kinds of attack that are taken as what they are: nothing new, or a reason to ask. What counts is what was shipped.
pub(crate) const TAKEN: [&str; 2] = [
    "GMO-PG: a reason to ask (PAY-39)",
    "genuine message: once more (PAY-33)",
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
        headers: vec![("Stripe-Signature", signature)],
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
        headers: vec![("X-Komoju-Signature", signature)],
        body,
    })
}

pub(crate) fn sbps_says_paid(victim: &Value, known: &Value, key: &str) -> Result<Message, Failure> {
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
    let keys = SigningKeys::from_texts([key])?;
    let hash = report_hash(&keys, Channel::Notification, &fields)?;
    fields.push(("sps_hashcode", &hash));
    Ok(Message {
        path: "/pay/sbps/notification",
        headers: Vec::new(),
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
        headers: Vec::new(),
        body,
    })
}

/// A genuine message that went over the line before: its body, and the header that signs it.
fn captured(traffic: &Traffic) -> Option<Message> {
    let seen = traffic.first("POST /pay/stripe/notification", "amount_total", "evt_forged")?;
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
        headers: vec![("Stripe-Signature", value("stripe-signature")?)],
        body: rest.get(..length)?.to_owned(),
    })
}

/// The way back of a paid order, with the attempt of another one in the place of its own.
fn returned(traffic: &Traffic, victim: &str) -> Option<String> {
    let seen = traffic.first("GET /pay/stripe/return?", "attempt=", "card_number")?;
    let line = String::from_utf8(seen.split(|byte| *byte == b'\r').next()?.to_vec()).ok()?;
    let url = line.split(' ').nth(1)?;
    let (before, rest) = url.split_once("attempt=")?;
    let (_, after) = rest.split_once('&').unwrap_or((rest, ""));
    Some(format!("{before}attempt={victim}&{after}"))
}

/// `t=...,v1=...` up to the tag.
fn without_tag(signature: &str) -> String {
    let (before, _) = signature.split_once("v1=").unwrap_or((signature, ""));
    format!("{before}v1=")
}

fn half_a_tag(signature: &str) -> String {
    let (before, tag) = signature.split_once("v1=").unwrap_or((signature, ""));
    format!("{before}v1={}", tag.get(..32).unwrap_or_default())
}

/// Was a message answered as if it were taken? SBPS is always answered with 200, and a word.
pub(crate) fn taken(status: u16, answer: &str) -> bool {
    status < 300 && !answer.starts_with("NG")
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
        let mut messages = self.forged()?;
        if let Some(genuine) = captured(&self.traffic) {
            messages.extend(self.altered(genuine)?);
        }
        for (kind, message) in messages {
            let large = message.body.len() > 100_000;
            match self.send(message).await {
                Ok((status, answer)) => self.count(kind, taken(status, &answer)),
                // The store hangs up before all of it was sent.
                Err(_) if large => self.count(kind, false),
                Err(error) => return Err(error),
            }
        }
        self.by_the_browser().await
    }

    /// Messages made without the keys.
    fn forged(&self) -> Result<Vec<(&'static str, Message)>, Failure> {
        let [stripe, komoju, sbps, gmopg] = &self.victims;
        let now = SystemTime::now();
        let (guess, other) = ("whsec_aGuessOfSomebodyElse", "a-guess-of-somebody-else-0123456789");
        let paid = stripe_says_paid(stripe, guess, now)?;
        let old = now - Duration::from_secs(3600);
        let captured = komoju_says_paid(komoju, other)?;
        let expired = paid.body.replace("session.completed", "session.expired");
        let failed = captured.body.replace("captured", "failed");
        let nested = "[".repeat(30_000);
        Ok(vec![
            (
                "Stripe: unsigned (PAY-18)",
                Message {
                    headers: Vec::new(),
                    ..paid.clone()
                },
            ),
            (
                "a body of a megabyte (PAY-61)",
                paid.clone().saying(" ".repeat(1 << 20)),
            ),
            ("a body that nests 30,000 deep (PAY-63)", paid.clone().saying(nested)),
            ("forged failure, Stripe (PAY-17)", paid.clone().saying(expired)),
            ("forged failure, KOMOJU (PAY-17)", captured.clone().saying(failed)),
            ("Stripe: signed with a guess (PAY-18)", paid),
            (
                "Stripe: an hour old, signed with a guess (PAY-33)",
                stripe_says_paid(stripe, guess, old)?,
            ),
            ("KOMOJU: signed with a guess (PAY-18)", captured),
            (
                "SBPS: hashed with a guess (PAY-18)",
                sbps_says_paid(sbps, &self.known, "0123456789abcdef0123456789abcdef01234567")?,
            ),
            ("GMO-PG: a reason to ask (PAY-39)", gmopg_says_paid(gmopg, &self.known)?),
        ])
    }

    /// What can be done with a genuine message that was overheard.
    fn altered(&self, genuine: Message) -> Result<Vec<(&'static str, Message)>, Failure> {
        let victim = &self.victims[0];
        let body = &genuine.body;
        let said = |name: &str| -> Option<String> {
            let (_, rest) = body.split_once(&format!("\"{name}\":"))?;
            let value = rest.trim_start().split([',', '}']).next()?;
            Some(value.trim_matches('"').to_owned())
        };
        let (amount, attempt) = (said("amount_total"), said("attempt_id"));
        let amount = amount.ok_or("a genuine message without an amount")?;
        let attempt = attempt.ok_or("a genuine message without an attempt")?;
        let dearer = body.replace(&amount, &format!("{amount}0"));
        let another = body.replace(&attempt, text(victim, "attempt")?);
        let elsewhere = Message {
            path: "/pay/komoju/notification",
            ..genuine.clone()
        };
        let signature = genuine
            .headers
            .first()
            .map(|(_, value)| value.clone())
            .unwrap_or_default();
        Ok(vec![
            ("genuine message: no tag (PAY-19)", genuine.clone().signed(without_tag)),
            (
                "genuine message: half a tag (PAY-19)",
                genuine.clone().signed(half_a_tag),
            ),
            (
                "genuine message: another amount (PAY-25)",
                genuine.clone().saying(dearer),
            ),
            (
                "genuine message: another order (PAY-27)",
                genuine.clone().saying(another),
            ),
            ("genuine message: another gateway's address (PAY-32)", elsewhere),
            (
                "genuine message: two signatures (PAY-57)",
                genuine.clone().and("Stripe-Signature", signature),
            ),
            (
                "genuine message: said to be compressed (PAY-62)",
                genuine.clone().and("Content-Encoding", "gzip".to_owned()),
            ),
            ("genuine message: once more (PAY-33)", genuine),
        ])
    }

    /// What comes through the browser.
    async fn by_the_browser(&mut self) -> Result<(), Failure> {
        // A return that nobody was sent on, with card fields that no store wants to see.
        let fields = "card_number=4111111111111111&cvc=123";
        for (gateway, victim) in ["stripe", "komoju", "sbps", "gmopg"].iter().zip(self.victims.clone()) {
            let (attempt, state) = (text(&victim, "attempt")?, "0".repeat(32));
            for way in ["return", "cancel"] {
                let url = format!("/pay/{gateway}/{way}?attempt={attempt}&state={state}&{fields}");
                let (_, page) = self.visit(&url).await?;
                self.count("return with a guessed token (PAY-14)", !page.contains("Unknown"));
            }
        }
        // The way back of an order that was paid, with another order in it.
        let [victim, ..] = &self.victims;
        if let Some(url) = returned(&self.traffic, text(victim, "attempt")?) {
            let (_, page) = self.visit(&url).await?;
            self.count("return of another order (PAY-13)", !page.contains("Unknown"));
        }
        let order = "/buy?gateway=stripe&order=DRILL-CARD&amount=100&customer=4111111111111111";
        let answer = self.client.post(format!("{}{order}", self.store)).send().await?;
        self.count(
            "card number instead of a customer (PAY-58)",
            answer.status().as_u16() != 400,
        );
        Ok(())
    }

    async fn visit(&self, url: &str) -> Result<(u16, String), Failure> {
        let answer = self.client.get(format!("{}{url}", self.store)).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
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
    for (name, value) in message.headers {
        request = request.header(name, value);
    }
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}
