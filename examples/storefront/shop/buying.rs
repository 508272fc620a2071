//! Shelf, basket, checkout, orders: what a shopper does before and after the hosted payment page.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kessai::integrations::axum::Reply;
use kessai::{CardDataSighted, Email, MerchantReference, Nonce, OpenError, check_text};
use serde::Deserialize;

use super::book::{Order, Recipient};
use super::standing::{OrderStanding, latest_way};
use super::ways::Way;
use super::web::{Trouble, Visitor, see_other};
use super::{Shop, goods, pages};

type Page = Result<Response, Trouble>;

/// What is for sale.
pub(crate) async fn shelf(State(shop): State<Shop>, visitor: Visitor) -> Page {
    let basket = shop.book().basket(visitor.session.digest()).await?;
    let page = pages::shelf::shelf(&shop, &visitor, &basket);
    Ok(visitor.page(&shop, StatusCode::OK, page))
}

/// What is in the basket.
pub(crate) async fn basket(State(shop): State<Shop>, visitor: Visitor) -> Page {
    let basket = shop.book().basket(visitor.session.digest()).await?;
    let page = pages::basket::basket(&shop, &visitor, &basket);
    Ok(visitor.page(&shop, StatusCode::OK, page))
}

/// One article of the basket. There is no field for a price: sums are made here, from the catalogue.
#[derive(Deserialize)]
pub(crate) struct Change {
    form_token: String,
    article: String,
    quantity: u32,
    /// From the shelf: so many more. From the basket: so many in all.
    #[serde(default)]
    more: bool,
}

pub(crate) async fn change_basket(
    State(shop): State<Shop>,
    visitor: Visitor,
    form: Result<Form<Change>, FormRejection>,
) -> Page {
    let change = read(&visitor, form)?;
    visitor.check(&change.form_token)?;
    let article = goods::article(&change.article).ok_or(Trouble::NotFound(visitor.lang))?;
    let session = visitor.session.digest();
    shop.book()
        .put(session, article, change.quantity, change.more, shop.now())
        .await?;
    Ok(see_other("/basket"))
}

/// Where it goes, and the button that leads to the payment page.
pub(crate) async fn checkout(State(shop): State<Shop>, visitor: Visitor) -> Page {
    let basket = shop.book().basket(visitor.session.digest()).await?;
    if basket.lines.is_empty() {
        return Ok(see_other("/basket"));
    }
    let page = pages::checkout::checkout(&shop, &visitor, &basket, &Delivery::default(), shop.first_way(), &[]);
    Ok(visitor.page(&shop, StatusCode::OK, page))
}

/// The form of the checkout page. It asks for nothing that has to do with a card.
#[derive(Default, Deserialize)]
pub(crate) struct Delivery {
    form_token: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) address: String,
    /// The way to pay, by its gateway; the first one if there was nothing to choose.
    way: Option<String>,
}

/// A field of [`Delivery`] that cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    Name,
    Email,
    Address,
    /// Somebody typed a card number where none belongs. It is neither kept nor shown again.
    CardData,
}

/// Places the order and sends the shopper to the payment page. Pressed twice, it leads to the same page twice: the book finds
/// the order that was placed for exactly this, and the cashier finds its open attempt.
pub(crate) async fn place(
    State(shop): State<Shop>,
    visitor: Visitor,
    form: Result<Form<Delivery>, FormRejection>,
) -> Page {
    let mut delivery = read(&visitor, form)?;
    visitor.check(&delivery.form_token)?;
    let way = chosen(&shop, &visitor, delivery.way.as_deref(), shop.first_way())?;
    let session = visitor.session.digest();
    let recipient = match delivery.recipient() {
        Ok(recipient) => recipient,
        Err(flaws) => {
            if let Some(sighted) = delivery.card_data() {
                shop.cashier().card_data_sighted(&sighted);
                delivery = Delivery::default();
            }
            let basket = shop.book().basket(session).await?;
            let page = pages::checkout::checkout(&shop, &visitor, &basket, &delivery, way, &flaws);
            return Ok(visitor.page(&shop, StatusCode::UNPROCESSABLE_ENTITY, page));
        }
    };
    match shop.book().place(session, recipient, visitor.lang, shop.now()).await? {
        Some(order) => to_payment(&shop, &visitor, &order, way).await,
        None => Ok(see_other("/basket")),
    }
}

/// The orders of this browser.
pub(crate) async fn orders(State(shop): State<Shop>, visitor: Visitor) -> Page {
    let orders = shop.book().orders_of(visitor.session.digest()).await?;
    let mut listed = Vec::with_capacity(orders.len());
    for order in orders {
        let standing = OrderStanding::of(&shop, &order).await?;
        listed.push((order, standing));
    }
    let page = pages::order::list(&shop, &visitor, &listed);
    Ok(visitor.page(&shop, StatusCode::OK, page))
}

/// One order.
pub(crate) async fn order(State(shop): State<Shop>, visitor: Visitor, Path(order): Path<String>) -> Page {
    let order = own_order(&shop, &visitor, &order).await?;
    let standing = OrderStanding::of(&shop, &order).await?;
    let way = latest_way(&shop, &order).await?;
    let page = pages::order::order(&shop, &visitor, &order, standing, way);
    Ok(visitor.page(&shop, StatusCode::OK, page))
}

/// A form that has only its token, and the way to pay where there is a choice.
#[derive(Deserialize)]
pub(crate) struct Press {
    form_token: String,
    way: Option<String>,
}

/// Pays an order that was placed before: after giving up, after a failure, or because the payment page could not be reached.
/// By the same way as before unless another one is chosen.
pub(crate) async fn pay(
    State(shop): State<Shop>,
    visitor: Visitor,
    Path(order): Path<String>,
    form: Result<Form<Press>, FormRejection>,
) -> Page {
    let press = read(&visitor, form)?;
    visitor.check(&press.form_token)?;
    let order = own_order(&shop, &visitor, &order).await?;
    let way = chosen(&shop, &visitor, press.way.as_deref(), latest_way(&shop, &order).await?)?;
    to_payment(&shop, &visitor, &order, way).await
}

/// The way that a form names.
fn chosen<'s>(shop: &'s Shop, visitor: &Visitor, named: Option<&str>, otherwise: &'s Way) -> Result<&'s Way, Trouble> {
    let unknown = Trouble::BadForm(visitor.lang, StatusCode::UNPROCESSABLE_ENTITY);
    named.map_or(Ok(otherwise), |named| shop.way(named).ok_or(unknown))
}

async fn to_payment(shop: &Shop, visitor: &Visitor, order: &Order, way: &Way) -> Page {
    let request = order.request().map_err(|error| {
        tracing::error!(order = %order.reference, %error, "the order cannot be asked for");
        Trouble::NotFound(visitor.lang)
    })?;
    match shop.cashier().open(&request, way.gateway()).await {
        Ok(checkout) => {
            let nonce = Nonce::random().map_err(|_| Trouble::NoRandom)?;
            let button = visitor.lang.pick("お支払いへ進む", "Continue to payment");
            Ok(Reply(checkout.redirect.into_response(&nonce, button)).into_response())
        }
        // Paid in another tab: the order's page tells.
        Err(OpenError::AlreadyPaid(_)) => Ok(see_other(&format!("/orders/{}", order.reference))),
        // An earlier page could not be ended, and money may be on its way to it. Nobody pays twice.
        Err(OpenError::Underway { .. } | OpenError::Undecided(_)) => match OrderStanding::of(shop, order).await? {
            OrderStanding::Unpaid(_) => {
                let earlier = latest_way(shop, order).await?;
                let page = pages::checkout::being_confirmed(shop, visitor, order, earlier);
                Ok(visitor.page(shop, StatusCode::OK, page))
            }
            // The order's page says more.
            _ => Ok(see_other(&format!("/orders/{}", order.reference))),
        },
        Err(OpenError::TooMany { retry_after, .. }) => {
            let page = pages::trouble::too_many(visitor.lang, retry_after);
            let mut answer = visitor.page(shop, StatusCode::TOO_MANY_REQUESTS, page);
            let seconds = HeaderValue::from(retry_after.as_secs() + 1);
            answer.headers_mut().insert(header::RETRY_AFTER, seconds);
            Ok(answer)
        }
        Err(OpenError::Store(error)) => Err(error.into()),
        Err(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(order = %order.reference, %error, source, "no payment page");
            let page = pages::checkout::no_payment_page(shop, visitor, order, way);
            Ok(visitor.page(shop, StatusCode::SERVICE_UNAVAILABLE, page))
        }
    }
}

/// The order of this number, if this browser placed it. For every other one it does not exist.
async fn own_order(shop: &Shop, visitor: &Visitor, reference: &str) -> Result<Order, Trouble> {
    let missing = || Trouble::NotFound(visitor.lang);
    let reference = MerchantReference::new(reference).map_err(|_| missing())?;
    let order = shop.book().order(reference).await?;
    order
        .filter(|order| order.session == visitor.session.digest())
        .ok_or_else(missing)
}

fn read<T>(visitor: &Visitor, form: Result<Form<T>, FormRejection>) -> Result<T, Trouble> {
    form.map(|Form(form)| form)
        .map_err(|rejection| Trouble::BadForm(visitor.lang, rejection.status()))
}

impl Delivery {
    fn card_data(&self) -> Option<CardDataSighted> {
        let texts = [
            ("the name", &self.name),
            ("the e-mail", &self.email),
            ("the address", &self.address),
        ];
        texts
            .into_iter()
            .find_map(|(field, text)| check_text(field, text).err())
    }

    fn recipient(&self) -> Result<Recipient, Vec<Flaw>> {
        if self.card_data().is_some() {
            return Err(vec![Flaw::CardData]);
        }
        let email = Email::new(self.email.trim());
        let mut flaws = Vec::new();
        if !fits(&self.name, 80, false) {
            flaws.push(Flaw::Name);
        }
        if !fits(&self.address, 300, true) {
            flaws.push(Flaw::Address);
        }
        match email {
            Ok(email) if flaws.is_empty() => Ok(Recipient {
                name: self.name.trim().to_owned(),
                email,
                address: self.address.trim().to_owned(),
            }),
            Ok(_) => Err(flaws),
            Err(_) => {
                flaws.push(Flaw::Email);
                Err(flaws)
            }
        }
    }
}

fn fits(text: &str, most: usize, lines: bool) -> bool {
    let text = text.trim();
    !text.is_empty()
        && text.chars().count() <= most
        && text
            .chars()
            .all(|c| !c.is_control() || (lines && matches!(c, '\n' | '\r')))
}
