//! A merchant's shop, from the inside: its numbers and keys, its orders, and what the merchant screen can do.

use std::sync::Arc;

use super::call::RequestView;
use super::views::OrderView;
use super::world::{SERVICE_ID, Shared, Shop, World};
use crate::mock::notification::{self, DeliveryView};
use crate::mock::{MockError, loopback};

/// One shop: a merchant id and a service id. Clones are the same shop.
#[derive(Clone)]
#[expect(clippy::struct_field_names, reason = "the gateway's own name of the number")]
pub struct Merchant {
    shared: Arc<Shared>,
    at: usize,
    merchant_id: String,
    service_id: String,
    hash_key: String,
    password: String,
    name: String,
}

impl Merchant {
    pub(super) fn open(shared: &Arc<Shared>, name: &str) -> Self {
        let (at, [merchant_id, hash_key, password]) = shared.lock().open_shop(name);
        Self {
            shared: Arc::clone(shared),
            at,
            merchant_id,
            service_id: SERVICE_ID.to_owned(),
            hash_key,
            password,
            name: name.to_owned(),
        }
    }

    /// Five digits.
    #[must_use]
    pub fn merchant_id(&self) -> &str {
        &self.merchant_id
    }

    /// Three digits.
    #[must_use]
    pub fn service_id(&self) -> &str {
        &self.service_id
    }

    /// The hash key, 40 characters.
    #[must_use]
    pub fn hash_key(&self) -> &str {
        &self.hash_key
    }

    /// The Basic password of the API type; its user is merchant id and service id, one behind the other.
    #[must_use]
    pub fn api_password(&self) -> &str {
        &self.password
    }

    /// Gives the shop another hash key and another API password. The old ones are nobody's from now on. What comes back is the
    /// same shop with the new ones; a handle from before still shows those that it knew.
    #[must_use = "the handle from before shows the old keys"]
    pub fn change_keys(&self) -> Self {
        let (hash_key, password) = self.shared.lock().change_keys(self.at);
        Self {
            hash_key,
            password,
            ..self.clone()
        }
    }

    /// The name that shoppers read on the page.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Has sales on demand from now on: an accepted card is authorized, and captured through the API. Without it sales
    /// are automatic.
    pub fn sell_on_demand(&self) {
        if let Some(shop) = self.shared.lock().shops.get_mut(self.at) {
            shop.on_demand = true;
        }
    }

    /// Has results delivered to this address, which must be on this machine, whatever address a form names.
    pub fn notify_at(&self, url: &str) -> Result<(), MockError> {
        let url = loopback(url)?.to_string();
        if let Some(shop) = self.shared.lock().shops.get_mut(self.at) {
            shop.notify_at = Some(url);
        }
        Ok(())
    }

    /// Every accepted order, in the order they came.
    #[must_use]
    pub fn orders(&self) -> Vec<OrderView> {
        let world = self.shared.current();
        let shop = world.shops.get(self.at);
        shop.map(|shop| shop.orders.iter().map(OrderView::of).collect())
            .unwrap_or_default()
    }

    /// One order, by the store's order id.
    pub fn order(&self, order_id: &str) -> Result<OrderView, MockError> {
        let world = self.shared.current();
        let found = world.shops.get(self.at).and_then(|shop| find(shop, order_id));
        let (_, view) = found.ok_or_else(|| unknown("order", order_id))?;
        Ok(view)
    }

    /// Decides a slip now instead of when it is due.
    pub fn settle(&self, order_id: &str, arrived: bool) -> Result<(), MockError> {
        let now = self.shared.clock.now();
        let mut world = self.shared.current();
        let at = self.place(&world, order_id)?;
        let settled = world.settle(at, arrived, now);
        drop(world);
        self.shared.wake.notify_one();
        if settled {
            Ok(())
        } else {
            Err(MockError::State("this order has no unpaid slip".to_owned()))
        }
    }

    /// Delivers the last result of an order once more, as the merchant screen does.
    pub fn resend(&self, order_id: &str) -> Result<(), MockError> {
        let now = self.shared.clock.now();
        let mut world = self.shared.current();
        let at = self.place(&world, order_id)?;
        let sent = world.outbox.resend(at, now);
        drop(world);
        self.shared.wake.notify_one();
        if sent {
            Ok(())
        } else {
            Err(MockError::State("this order has no result yet".to_owned()))
        }
    }

    /// Every delivery that was made (or dropped on purpose), in order.
    #[must_use]
    pub fn deliveries(&self) -> Vec<DeliveryView> {
        let world = self.shared.lock();
        world.outbox.of_shop(self.at)
    }

    /// The results that nobody has taken, which SBPS mails to the merchant: order id and result.
    #[must_use]
    pub fn undelivered(&self) -> Vec<(String, String)> {
        notification::untaken(&self.deliveries())
    }

    /// Every call of the API with this shop's credentials, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestView> {
        let world = self.shared.lock();
        let own = world.requests.iter().filter(|(shop, _)| *shop == Some(self.at));
        own.map(|(_, request)| request.clone()).collect()
    }

    fn place(&self, world: &World, order_id: &str) -> Result<(usize, usize), MockError> {
        let found = world.shops.get(self.at).and_then(|shop| find(shop, order_id));
        let (order, _) = found.ok_or_else(|| unknown("order", order_id))?;
        Ok((self.at, order))
    }
}

fn find(shop: &Shop, order_id: &str) -> Option<(usize, OrderView)> {
    let (at, order) = shop
        .orders
        .iter()
        .enumerate()
        .find(|(_, order)| order.id() == order_id)?;
    Some((at, OrderView::of(order)))
}

fn unknown(kind: &'static str, id: &str) -> MockError {
    MockError::Unknown {
        kind,
        id: id.to_owned(),
    }
}

impl std::fmt::Debug for Merchant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            shared: _,
            at: _,
            merchant_id,
            service_id,
            hash_key: _,
            password: _,
            name,
        } = self;
        f.debug_struct("Merchant")
            .field("merchant_id", merchant_id)
            .field("service_id", service_id)
            .field("name", name)
            .finish_non_exhaustive()
    }
}
