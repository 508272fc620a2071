//! Where the gateways send the shopper's browser and their own messages. Both are handed to the cashier as they came.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kessai::integrations::axum::{Reply, answer};
use kessai::{Callback, CallbackError, Standing};

use super::standing::{OrderStanding, Why, latest_way};
use super::web::{Trouble, Visitor};
use super::{Shop, Till, pages};

/// Gateway to shop: the cashier checks it, puts it on record and says what to answer.
pub(crate) async fn notification(
    State(shop): State<Shop>,
    Extension(Till(gateway)): Extension<Till>,
    taken: Result<Callback, CallbackError>,
) -> Response {
    let reply = answer(shop.cashier(), &gateway, taken).await;
    // Perhaps there is something to ship now. If not, nothing is found.
    shop.bell().notify_one();
    reply
}

/// Browser to shop, paid or given up. The browser says only that it is back; the page says what the shop knows.
pub(crate) async fn returned(
    State(shop): State<Shop>,
    Extension(Till(gateway)): Extension<Till>,
    visitor: Visitor,
    callback: Callback,
) -> Result<Response, Trouble> {
    let back = shop.cashier().returned(&gateway, callback).await;
    if let Some(see_other) = back.see_other {
        return Ok(Reply(see_other).into_response());
    }
    if back.standing == Standing::Paid {
        shop.bell().notify_one();
    }
    let reference = match (back.order, back.standing) {
        (Some(reference), _) => Some(reference),
        // The ledger could not be read. It says nothing about whose return this is, and the page looks again.
        (None, Standing::AskAgain) => {
            return Ok(visitor.page(&shop, StatusCode::OK, pages::order::looking(&shop, &visitor)));
        }
        (None, _) => None,
    };
    // The order is shown to the browser that placed it. To any other one this is not a return of anything, whoever's link it
    // holds: no goods, no address, not even whether the order exists.
    let order = match reference {
        Some(reference) => shop.book().order(reference).await?,
        None => None,
    };
    let Some(order) = order.filter(|order| order.session == visitor.session.digest()) else {
        let page = pages::order::not_yours(&shop, &visitor);
        return Ok(visitor.page(&shop, StatusCode::NOT_FOUND, page));
    };
    let known = OrderStanding::of(&shop, &order).await?;
    let asked = back.standing == Standing::NotPaid;
    let shown = match known {
        // The ledger knows of nothing. What the page may say depends on whether the gateway was asked just now.
        OrderStanding::Unpaid(Why::Untried) if back.cancelled && asked => OrderStanding::Unpaid(Why::Left),
        OrderStanding::Unpaid(Why::Untried) if back.cancelled => OrderStanding::Unpaid(Why::SaidToHaveLeft),
        OrderStanding::Unpaid(Why::Untried) if !asked => OrderStanding::Confirming,
        known => known,
    };
    let way = latest_way(&shop, &order).await?;
    let page = pages::order::after_payment(&shop, &visitor, &order, shown, way);
    Ok(visitor.page(&shop, StatusCode::OK, page))
}
