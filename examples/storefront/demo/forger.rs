//! Somebody who knows everything about an order but the key, and tells the shop that it is paid.

use kessai::charset::form_body;
use kessai::gateways::sbps::{Channel, report_hash};
use kessai::gateways::{komoju, stripe};
use kessai::ledger::StoredAttempt;
use kessai::sign::SigningKeys;
use kessai::{GatewayId, MerchantReference};
use serde_json::json;

use super::super::browser::Onward;
use super::super::wiring::Failure;
use super::Stage;
use super::page::Page;

/// What is posted to the shop.
struct Forgery {
    header: Option<(&'static str, String)>,
    body: String,
}

impl Stage {
    /// Sends a message about an unpaid order as the gateway would write it if it were paid, signed with a guess. Gives what
    /// the shop answered.
    pub(super) async fn forge(&self, order: &MerchantReference, page: &Page) -> Result<(u16, String), Failure> {
        let attempts = self.shop.cashier().ledger().attempts_of(order).await?;
        let attempt = attempts.last().ok_or("there is no attempt")?;
        let gateway = &attempt.expected.gateway;
        let forgery = match page {
            Page::Form(_, Some(form)) => for_sbps(form)?,
            Page::Form(_, None) => self.for_gmopg(attempt)?,
            Page::Link(_) if *gateway == GatewayId::STRIPE => self.for_stripe(attempt)?,
            Page::Link(_) => for_komoju(attempt)?,
        };
        let way = self.shop.way(gateway.as_str()).ok_or("the way is not offered")?;
        let mut request = reqwest::Client::new().post(format!("{}{}", self.url, way.paths().notification_path()));
        if let Some((name, value)) = forgery.header {
            request = request.header(name, value);
        }
        let answer = request.body(forgery.body).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    fn for_stripe(&self, attempt: &StoredAttempt) -> Result<Forgery, Failure> {
        let expected = &attempt.expected;
        let body = json!({
            "id": "evt_forged", "object": "event", "type": "checkout.session.completed", "livemode": false,
            "data": {"object": {
                "id": checkout_of(attempt), "object": "checkout.session", "mode": "payment", "livemode": false,
                "status": "complete", "payment_status": "paid", "payment_intent": "pi_forged",
                "amount_total": expected.amount.minor_units(), "currency": "jpy",
                "client_reference_id": expected.order.as_str(),
                "metadata": {"order_id": expected.order.as_str(), "attempt_id": expected.attempt.as_str()},
            }},
        })
        .to_string();
        let keys = SigningKeys::from_texts(["whsec_aGuessOfSomebodyElse"])?;
        let signature = stripe::signature_header(&keys, self.shop.now(), body.as_bytes());
        Ok(Forgery {
            header: Some(("Stripe-Signature", signature)),
            body,
        })
    }

    /// There is nothing to guess: these messages are not signed.
    fn for_gmopg(&self, attempt: &StoredAttempt) -> Result<Forgery, Failure> {
        let expected = &attempt.expected;
        let (pass, access) = ("*".repeat(10), "*".repeat(32));
        let amount = expected.amount.minor_units().to_string();
        let merchant = self.mocks.gmopg.merchant();
        let body = form_body([
            ("ShopID", merchant.shop_id()),
            ("ShopPass", &pass),
            ("AccessID", "3618be802c7ac572414274731e50cb6c"),
            ("AccessPass", &access),
            ("OrderID", expected.attempt.as_str()),
            ("Status", "CAPTURE"),
            ("JobCd", "CAPTURE"),
            ("Amount", &amount),
            ("Tax", "0"),
            ("Currency", "JPN"),
            ("PayType", "0"),
        ])?;
        Ok(Forgery { header: None, body })
    }
}

fn for_komoju(attempt: &StoredAttempt) -> Result<Forgery, Failure> {
    let expected = &attempt.expected;
    let amount = expected.amount.minor_units();
    let body = json!({
        "id": "forged0forged0forged0forg", "type": "payment.captured", "resource": "event",
        "data": {
            "id": "forged1forged1forged1forg", "resource": "payment", "status": "captured", "session": checkout_of(attempt),
            "amount": amount, "tax": 0, "payment_method_fee": 0, "total": amount, "currency": "JPY", "amount_refunded": 0,
            "external_order_num": expected.attempt.as_str(), "payment_details": {"type": "credit_card"}, "refunds": [],
        },
    })
    .to_string();
    let keys = SigningKeys::from_texts(["a-guess-of-somebody-else-0123456789"])?;
    Ok(Forgery {
        header: Some(("X-Komoju-Signature", komoju::signature_header(&keys, body.as_bytes()))),
        body,
    })
}

/// The shop's own form went through the forger's browser.
fn for_sbps(form: &Onward) -> Result<Forgery, Failure> {
    let mut fields: Vec<(&str, &str)> = form
        .fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !name.starts_with("dtl_") && !name.ends_with("_url") && *name != "sps_hashcode")
        .collect();
    let date = fields.iter().find(|(name, _)| *name == "request_date");
    let date = date.map_or("", |(_, date)| date);
    fields.extend([
        ("res_pay_method", "credit3d2"),
        ("res_result", "OK"),
        ("res_tracking_id", "80312789324672"),
        ("res_sps_cust_no", ""),
        ("res_sps_payment_no", ""),
        ("res_payinfo_key", ""),
        ("res_payment_date", date),
        ("res_err_code", ""),
        ("res_date", date),
    ]);
    let keys = SigningKeys::from_texts(["0123456789abcdef0123456789abcdef01234567"])?;
    let hash = report_hash(&keys, Channel::Notification, &fields)?;
    fields.push(("sps_hashcode", &hash));
    Ok(Forgery {
        header: None,
        body: form_body(fields)?,
    })
}

fn checkout_of(attempt: &StoredAttempt) -> String {
    attempt.checkout.as_ref().map(ToString::to_string).unwrap_or_default()
}
