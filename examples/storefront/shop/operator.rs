//! Behind the counter: every attempt with its story, from the ledger's records. No names, no addresses, no goods: an order
//! number and an amount are enough to find the rest in the book.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::web::{Trouble, Visitor};
use super::{Shop, pages};

/// The most attempts on one page.
const MOST: usize = 100;

/// Every attempt, newest first. To anybody without the token there is nothing here.
pub(crate) async fn attempts(
    State(shop): State<Shop>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Result<Response, Trouble> {
    if !bool::from(token.as_bytes().ct_eq(shop.operator_token().as_bytes())) {
        return Err(Trouble::NotFound(visitor.lang));
    }
    let ledger = shop.cashier().ledger();
    let held = ledger.held(MOST).await?;
    let mut stories = Vec::new();
    for attempt in ledger.latest(MOST).await? {
        let timeline = ledger.timeline(attempt.reference()).await?;
        stories.push((attempt, timeline));
    }
    let page = pages::operator::attempts(&shop, &visitor, &stories, &held);
    let mut response = (StatusCode::OK, Html(page)).into_response();
    // The address is the key to this page: it goes nowhere.
    response
        .headers_mut()
        .insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
