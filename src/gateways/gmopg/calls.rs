//! The calls to GMO-PG's API: what is sent, and how the answer is read. Pure, so that each can be tested as text.

use std::time::SystemTime;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::config::{Config, LinkType};
use super::map::Page;
use super::wire::{self, Access, Fields};
use super::{map, sign};
use crate::checkout::{Checkout, CheckoutRequest, Email};
use crate::error::Error;
use crate::event::PaymentEvent;
use crate::form::FormBody;
use crate::gateways::jst;
use crate::ledger::{ExpectedPayment, StoredAttempt};
use crate::payment::CaptureMode;
use crate::redirect::{Redirect, RedirectUrl};
use crate::reference::AttemptReference;
use crate::transport::{Call, Repeat, RetryAdvice};

/// `POST /payment/GetLinkplusUrlPayment.json`.
#[derive(Clone, Debug)]
pub(super) struct CreateLink {
    config: Config,
    body: String,
    expected: ExpectedPayment,
}

impl CreateLink {
    pub(super) fn new(config: &Config, expected: &ExpectedPayment, request: &CheckoutRequest) -> Result<Self, Error> {
        Ok(Self {
            config: config.clone(),
            body: link_json(config, expected, request, LinkType::Key)?,
            expected: expected.clone(),
        })
    }
}

/// A link that is built here (sheet: parameter type).
pub(super) fn parameter_link(
    config: &Config,
    expected: &ExpectedPayment,
    request: &CheckoutRequest,
) -> Result<Checkout, Error> {
    let json = link_json(config, expected, request, LinkType::Parameter)?;
    let segment = sign::parameter_segment(&json, &config.shop_pass)
        .ok_or_else(|| Error::request("the request cannot be written so that it is safe in an address"))?;
    let page = config.pages.iter().next().unwrap_or_default();
    let url = format!("{page}/v1/plus/{}/checkout/{segment}", config.shop_id);
    let url = RedirectUrl::new(url, &config.pages)
        .map_err(|error| Error::config("the hosted page is not on an allowed origin").with_source(error))?;
    Ok(Checkout::new(Redirect::Get(url)).with_expiry(Some(expected.expires_at)))
}

fn link_json(
    config: &Config,
    expected: &ExpectedPayment,
    request: &CheckoutRequest,
    link: LinkType,
) -> Result<String, Error> {
    let end = jst::minute(expected.expires_at)
        .ok_or_else(|| Error::request("the end of the page is not a time that can be written"))?;
    let (back, cancel) = (
        config.addresses.return_url(expected),
        config.addresses.cancel_url(expected),
    );
    let by_card = config.methods.iter().any(|method| method.name == "credit");
    let link = wire::CreateLink {
        configid: &config.page_settings,
        geturlparam: (link == LinkType::Key).then(|| wire::Shop {
            shop_id: config.shop_id.as_str(),
            shop_pass: config.shop_pass.expose(),
        }),
        transaction: wire::Transaction {
            order_id: expected.attempt.as_str(),
            // The whole total with no tax beside it (sheet section "Money").
            amount: expected.amount.minor_units(),
            tax: 0,
            pay_methods: config.methods.iter().map(|method| method.name.as_str()).collect(),
            ret_url: &back,
            complete_url: &back,
            cancel_url: &cancel,
            payment_expire_date: &end,
            result_skip_flag: "1",
        },
        displaysetting: request
            .locale()
            .and_then(map::language)
            .map(|lang| wire::Display { lang }),
        // A link of the parameter type shows its text to everybody who sees the address: nothing personal in it (PAY-09).
        customer: request
            .email()
            .filter(|_| link == LinkType::Key)
            .map(Email::as_str)
            .map(|mail_address| wire::Customer { mail_address }),
        credit: by_card.then_some(wire::Credit {
            job_cd: match expected.capture {
                CaptureMode::Automatic => "CAPTURE",
                CaptureMode::Manual => "AUTH",
            },
            method: "1",
            td_flag: "2",
            tds2_type: "2",
        }),
    };
    serde_json::to_string(&link).map_err(|error| Error::request("the request cannot be written").with_source(error))
}

impl Call for CreateLink {
    type Reply = Checkout;
    // There is no idempotency key: a second one for the same order is refused, and the link of the first is lost.
    const REPEAT: Repeat = Repeat::Never;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        post_json(&self.config, "/payment/GetLinkplusUrlPayment.json", self.body.clone())
    }

    fn advice(&self, _response: &Response<Bytes>) -> RetryAdvice {
        RetryAdvice::Stop
    }

    fn reply(&self, response: Response<Bytes>) -> Result<Checkout, Error> {
        let link: wire::Link<'_> = json(&response)?;
        if link.order_id != self.expected.attempt.as_str() {
            return Err(Error::protocol("the answer is about another order"));
        }
        let url = RedirectUrl::new(link.link_url.as_ref(), &self.config.pages).map_err(|error| {
            Error::protocol("the hosted payment page is at an address that is not allowed").with_source(error)
        })?;
        // One link for an order, told once (sheet, OrderID): the ledger keeps it.
        Ok(Checkout::new(Redirect::Get(url))
            .with_expiry(Some(self.expected.expires_at))
            .with_link_kept())
    }
}

/// `POST /payment/RejectLinkplusUrlPayment.json`: closes the page. It undoes no payment.
#[derive(Clone, Debug)]
pub(super) struct RejectLink {
    config: Config,
    attempt: AttemptReference,
}

impl RejectLink {
    pub(super) fn new(config: &Config, attempt: &AttemptReference) -> Self {
        let (config, attempt) = (config.clone(), attempt.clone());
        Self { config, attempt }
    }
}

impl Call for RejectLink {
    type Reply = ();
    // A page that is closed stays closed, whatever the second call is answered (which the sheet does not say).
    const REPEAT: Repeat = Repeat::Safe;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let body = wire::RejectLink {
            shop_id: self.config.shop_id.as_str(),
            shop_pass: self.config.shop_pass.expose(),
            order_id: self.attempt.as_str(),
        };
        let body = serde_json::to_string(&body)
            .map_err(|error| Error::request("the request cannot be written").with_source(error))?;
        post_json(&self.config, "/payment/RejectLinkplusUrlPayment.json", body)
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(response)
    }

    fn reply(&self, response: Response<Bytes>) -> Result<(), Error> {
        let rejected: wire::Rejected<'_> = json(&response)?;
        if rejected.order_id == self.attempt.as_str() {
            Ok(())
        } else {
            Err(Error::protocol("the answer is about another order"))
        }
    }
}

/// `POST /payment/SearchTradeMulti.idPass`, for one method. The answer is nothing if there is no deal by that method.
#[derive(Clone, Debug)]
pub(super) struct SearchTrade {
    config: Config,
    attempt: StoredAttempt,
    pay_type: String,
    page: Page,
    at: SystemTime,
}

impl SearchTrade {
    pub(super) fn new(
        config: &Config,
        (attempt, pay_type): (&StoredAttempt, &str),
        page: Page,
        at: SystemTime,
    ) -> Self {
        Self {
            config: config.clone(),
            attempt: attempt.clone(),
            pay_type: pay_type.to_owned(),
            page,
            at,
        }
    }
}

/// A deal, and what the next order about it needs.
pub(super) struct Deal {
    pub(super) event: PaymentEvent,
    pub(super) access: Option<Access>,
}

impl Call for SearchTrade {
    type Reply = Option<Deal>;
    const REPEAT: Repeat = Repeat::Safe;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let body = shop(&self.config)
            .pair("OrderID", self.attempt.reference().as_str())
            .pair("PayType", &self.pay_type);
        post_form(&self.config, "/payment/SearchTradeMulti.idPass", body)
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(response)
    }

    fn reply(&self, response: Response<Bytes>) -> Result<Option<Deal>, Error> {
        let fields = match answer(&response) {
            Ok(fields) => fields,
            Err(error) if error.code() == Some(map::NO_SUCH_ORDER) => return Ok(None),
            Err(error) => return Err(error),
        };
        let asked = (&self.attempt, self.pay_type.as_str());
        let event = map::deal(&fields, asked, self.page, &self.config, self.at)
            .ok_or_else(|| Error::protocol("the answer cannot be read as a status of this order"))?;
        let access = Access::read(&fields);
        Ok(Some(Deal { event, access }))
    }
}

pub(super) fn shop(config: &Config) -> FormBody {
    FormBody::new()
        .pair("ShopID", config.shop_id.as_str())
        .pair("ShopPass", config.shop_pass.expose())
}

fn post_json(config: &Config, path: &str, body: String) -> Result<http::Request<Bytes>, Error> {
    post(config, path, "application/json;charset=utf-8", body)
}

/// Everything that is sent is ASCII, so it is Windows-31J as well as UTF-8.
pub(super) fn post_form(config: &Config, path: &str, body: FormBody) -> Result<http::Request<Bytes>, Error> {
    post(config, path, "application/x-www-form-urlencoded", body.into_string())
}

fn post(config: &Config, path: &str, mime: &str, body: String) -> Result<http::Request<Bytes>, Error> {
    http::Request::post(format!("{}{path}", config.endpoint))
        .header("Content-Type", mime)
        .body(Bytes::from(body))
        .map_err(|error| Error::config("the request cannot be formed").with_source(error))
}

/// The body of a 200, or the list of errors of a 400.
fn json<'a, T: serde::Deserialize<'a>>(response: &'a Response<Bytes>) -> Result<T, Error> {
    let unreadable = || Error::protocol("the answer is not of the documented form");
    let body = std::str::from_utf8(response.body()).map_err(|_| unreadable())?;
    if response.status() == StatusCode::OK {
        return serde_json::from_str(body).map_err(|_| unreadable());
    }
    let errors: Vec<wire::JsonError<'_>> = serde_json::from_str(body).unwrap_or_default();
    let code = errors
        .first()
        .and_then(|error| error.info.as_deref().or(error.code.as_deref()));
    // Without the gateway's own words it was not the gateway who answered, so nothing is known of what it did.
    match (response.status().as_u16(), code) {
        (400, Some(code)) => Err(map::failure(code)),
        (500..=599, _) => Err(trouble()),
        _ => Err(unreadable()),
    }
}

/// An idPass answer: HTTP 200 for errors as well.
pub(super) fn answer(response: &Response<Bytes>) -> Result<Fields<'_>, Error> {
    match response.status().as_u16() {
        200 => {}
        500..=599 => return Err(trouble()),
        _ => return Err(Error::protocol("the gateway answered with an unexpected status")),
    }
    let fields = Fields::of_answer(response.body())
        .map_err(|error| Error::protocol("the answer is not of the documented form").with_source(error))?;
    // A deal whose last try failed has a status beside its error; an error of the call has none.
    if fields.filled("Status").is_some() || fields.filled("AccessID").is_some() {
        return Ok(fields);
    }
    match fields.filled("ErrInfo") {
        Some(list) => Err(map::failure(first_complaint(list))),
        None => Err(Error::protocol("the answer is not of the documented form")),
    }
}

/// Codes come as a list. "No such order" counts only alone: beside complaints about the question (as in the recorded
/// error of the sheet) the question was not understood.
fn first_complaint(list: &str) -> &str {
    let other = list.split('|').find(|code| *code != map::NO_SUCH_ORDER);
    other.unwrap_or(map::NO_SUCH_ORDER)
}

fn trouble() -> Error {
    Error::new(
        crate::error::ErrorKind::Unavailable,
        crate::error::Outcome::Unknown,
        "the gateway has trouble",
    )
}

/// Only E9 codes and server errors may be repeated (sheet section "Errors"). An idPass error comes with HTTP 200 and is not
/// repeated: the sweep asks again.
fn advice(response: &Response<Bytes>) -> RetryAdvice {
    let refusal = json::<serde::de::IgnoredAny>(response).err();
    let busy = refusal.is_some_and(|error| error.code().is_some_and(|code| code.starts_with("E9")));
    if busy || response.status().is_server_error() {
        RetryAdvice::Again
    } else {
        RetryAdvice::Stop
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_a_busy_gateway_is_asked_again() {
        let (busy, refused) = (
            r#"[{"errCode":"E92","errInfo":"E92000001"}]"#,
            r#"[{"errCode":"E01","errInfo":"E01030002"}]"#,
        );
        for (status, body, again) in [
            (200, "{}", RetryAdvice::Stop),
            (400, refused, RetryAdvice::Stop),
            (400, "busy", RetryAdvice::Stop),
            (400, busy, RetryAdvice::Again),
            (500, refused, RetryAdvice::Again),
            (503, "busy", RetryAdvice::Again),
        ] {
            let answer = Response::builder().status(status).body(Bytes::from(body)).unwrap();
            assert_eq!(advice(&answer), again, "{status} {body}");
        }
    }
}
