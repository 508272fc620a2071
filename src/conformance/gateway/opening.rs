//! From the attempt to the hosted payment page.

use super::line::Answer;
use super::stand::{Found, Stand, ensure, nothing_for_it};
use crate::checkout::CheckoutRequest;
use crate::conformance::proofs::say;
use crate::error::Outcome;
use crate::money::Money;
use crate::redirect::Redirect;
use crate::transport::TransportErrorKind;

impl Stand<'_> {
    /// A page on the first of the gateway's origins.
    pub(super) fn page(&self) -> Result<String, String> {
        let origin = self
            .gateway
            .pages()
            .iter()
            .next()
            .ok_or("the gateway has no origin for its pages")?;
        Ok(format!("{origin}{}", self.bench.page_path()))
    }

    /// The script of a checkout that is granted; empty if nothing is sent for one.
    fn grant(&self) -> Result<Vec<Answer>, String> {
        Ok(self.bench.granted(&self.expected, &self.page()?).unwrap_or_default())
    }
}

pub(super) async fn a_request_other_than_the_one_written_down_is_refused(stand: &Stand<'_>) -> Found {
    let (amount, order) = (stand.expected.amount, &stand.expected.order);
    let less = Money::new(amount.minor_units().saturating_sub(1), amount.currency());
    let more = amount.checked_add(Money::new(1, amount.currency())).map_err(say)?;
    for (what, order, total) in [
        ("less money", order.clone(), less),
        ("more money", order.clone(), more),
        ("another order", "another-order".parse().map_err(say)?, amount),
        ("other lines", order.clone(), amount),
    ] {
        let other = CheckoutRequest::builder(order).total(total).build().map_err(say)?;
        if other.content() == stand.request.content() {
            continue;
        }
        stand.line.script(&stand.grant()?);
        let answer = stand.gateway.checkout(&stand.expected, &other).await;
        let refused = answer.err().map(|error| error.outcome());
        ensure(
            refused == Some(Outcome::NotSent),
            &format!("{what}: is refused as not sent"),
        )?;
        ensure(stand.line.sent().is_empty(), &format!("{what}: nothing is sent"))?;
        stand.tally.refused();
    }
    Ok(())
}

pub(super) async fn a_checkout_carries_its_attempt_and_leads_to_the_gateways_pages(stand: &Stand<'_>) -> Found {
    stand.line.script(&stand.grant()?);
    let checkout = stand
        .gateway
        .checkout(&stand.expected, &stand.request)
        .await
        .map_err(say)?;
    let pages: Vec<&str> = stand.gateway.pages().iter().collect();
    let origins = checkout.redirect.origins();
    ensure(
        !origins.is_empty() && origins.iter().all(|origin| pages.contains(origin)),
        &format!("{origins:?} is among {pages:?}"),
    )?;
    let attempt = stand.expected.attempt.as_str();
    let in_redirect = match &checkout.redirect {
        Redirect::Get(url) => url.as_str().contains(attempt),
        Redirect::Post(form) => form.fields().any(|(_, value)| value == attempt),
    };
    let in_call = stand.line.sent().iter().any(|request| {
        let body = String::from_utf8_lossy(request.body());
        body.contains(attempt) || request.uri().to_string().contains(attempt)
    });
    ensure(in_redirect || in_call, "the attempt's reference is sent")?;
    ensure(
        !checkout.confirmed || !stand.line.sent().is_empty() || checkout.reference.is_none(),
        "a name of the gateway's comes from the gateway",
    )
}

pub(super) async fn a_page_elsewhere_is_never_led_to(stand: &Stand<'_>) -> Found {
    let (page, path) = (stand.page()?, stand.bench.page_path());
    let origin = page.strip_suffix(path).unwrap_or(&page);
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    let elsewhere = [
        format!("https://evil.example{path}"),
        format!("{origin}.evil.example{path}"),
        format!("https://evil.example/{host}{path}"),
        format!("https://{host}@evil.example{path}"),
        format!("https://user@{host}{path}"),
        format!("https://user:word@{host}{path}"),
        format!("{origin}\\@evil.example{path}"),
        format!("//{host}{path}"),
        format!("//evil.example{path}"),
        format!("https://xn--{host}{path}"),
        format!("https://{host}.{path}"),
        format!("https://{host}:8443{path}"),
        format!("ftp://{host}{path}"),
        format!("{page}\r\nSet-Cookie: a=b"),
        format!("{page} "),
        path.to_owned(),
        "javascript:alert(1)".to_owned(),
        "data:text/html,x".to_owned(),
        String::new(),
    ];
    for address in elsewhere {
        let answers = stand.bench.granted(&stand.expected, &address);
        stand
            .line
            .script(&answers.ok_or_else(|| nothing_for_it("answer to a checkout"))?);
        let answer = stand.gateway.checkout(&stand.expected, &stand.request).await;
        let outcome = answer.err().map(|error| error.outcome());
        // The gateway made a page, wherever it is.
        ensure(
            outcome == Some(Outcome::Unknown),
            &format!("{address:?}: an error of unknown outcome"),
        )?;
        stand.tally.refused();
    }
    Ok(())
}

pub(super) async fn a_lost_reply_to_a_checkout_is_an_unknown_outcome(stand: &Stand<'_>) -> Found {
    if stand.grant()?.is_empty() {
        return Err(nothing_for_it("answer to a checkout"));
    }
    for (what, answer) in Stand::no_answers() {
        stand.line.script(&[answer]);
        let answer = stand.gateway.checkout(&stand.expected, &stand.request).await;
        let outcome = answer.err().map(|error| error.outcome());
        ensure(
            outcome == Some(Outcome::Unknown),
            &format!("{what}: an error of unknown outcome, and not {outcome:?}"),
        )?;
        stand.tally.refused();
    }
    Ok(())
}

pub(super) async fn without_a_connection_nothing_was_sent(stand: &Stand<'_>) -> Found {
    if stand.grant()?.is_empty() {
        return Err(nothing_for_it("answer to a checkout"));
    }
    for kind in [TransportErrorKind::Connect, TransportErrorKind::Refused] {
        stand.line.script(&[Answer::lost(kind)]);
        let answer = stand.gateway.checkout(&stand.expected, &stand.request).await;
        let outcome = answer.err().map(|error| error.outcome());
        ensure(
            outcome == Some(Outcome::NotSent),
            &format!("{kind:?}: nothing was sent"),
        )?;
        stand.tally.refused();
    }
    Ok(())
}

pub(super) async fn the_same_checkout_again_sends_the_same(stand: &Stand<'_>) -> Found {
    let (mut sent, mut led) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        stand.line.script(&stand.grant()?);
        let checkout = stand
            .gateway
            .checkout(&stand.expected, &stand.request)
            .await
            .map_err(say)?;
        let requests = stand.line.sent().into_iter().map(|request| {
            let (head, body) = request.into_parts();
            (head.method, head.uri, head.headers, body)
        });
        sent.push(requests.collect::<Vec<_>>());
        led.push(match checkout.redirect {
            Redirect::Get(url) => (url.as_str().to_owned(), Vec::new()),
            Redirect::Post(form) => {
                let fields = form.fields().map(|(name, value)| (name.to_owned(), value.to_owned()));
                (form.target().as_str().to_owned(), fields.collect())
            }
        });
    }
    ensure(sent.first() == sent.last(), "the calls are the same, byte for byte")?;
    ensure(led.first() == led.last(), "the page is the same")
}
