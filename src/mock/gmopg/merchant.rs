//! A shop, from the inside: its id and password, its orders, and what the shop admin screen can do.

use std::sync::Arc;

use super::call::RequestView;
use super::views::OrderView;
use super::world::{Shared, World};
use crate::mock::notification::{self, DeliveryView};
use crate::mock::{MockError, loopback};

/// One shop. Clones are the same shop.
#[derive(Clone)]
pub struct Merchant {
    shared: Arc<Shared>,
    at: usize,
    shop_id: String,
    shop_pass: String,
    name: String,
}

impl Merchant {
    pub(super) fn open(shared: &Arc<Shared>, name: &str) -> Self {
        let (at, [shop_id, shop_pass]) = shared.lock().open_shop(name);
        Self {
            shared: Arc::clone(shared),
            at,
            shop_id,
            shop_pass,
            name: name.to_owned(),
        }
    }

    /// 13 characters.
    #[must_use]
    pub fn shop_id(&self) -> &str {
        &self.shop_id
    }

    /// 10 characters.
    #[must_use]
    pub fn shop_pass(&self) -> &str {
        &self.shop_pass
    }

    /// Gives the shop another password. The old one is nobody's from now on, and signs nothing. What comes back is the same shop
    /// with the new one; a handle from before still shows the one that it knew.
    #[must_use = "the handle from before shows the old password"]
    pub fn change_pass(&self) -> Self {
        let shop_pass = self.shared.lock().change_pass(self.at);
        Self {
            shop_pass,
            ..self.clone()
        }
    }

    /// The id of the page's settings. Any is taken.
    #[must_use]
    pub fn config_id(&self) -> &'static str {
        "shop01"
    }

    /// The name that shoppers read on the page.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Has notifications delivered to this address, which must be on this machine. Without it none is sent.
    pub fn notify_at(&self, url: &str) -> Result<(), MockError> {
        let url = loopback(url)?.to_string();
        if let Some(shop) = self.shared.lock().shops.get_mut(self.at) {
            shop.notify_at = Some(url);
        }
        Ok(())
    }

    /// Every link, in the order they were made.
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
        let at = self.place(&world, order_id)?;
        let view = world.order(at).map(|(_, order)| OrderView::of(order));
        view.ok_or_else(|| unknown(order_id))
    }

    /// Decides a slip now instead of when it is due.
    pub fn settle(&self, order_id: &str, arrived: bool) -> Result<(), MockError> {
        self.act(order_id, "this order has no unpaid slip", |world, at, now| {
            world.settle(at, arrived, now)
        })
    }

    /// Delivers the last notification of an order once more.
    pub fn resend(&self, order_id: &str) -> Result<(), MockError> {
        self.act(order_id, "this order has no notification yet", |world, at, now| {
            world.outbox.resend(at, now)
        })
    }

    /// Every delivery that was made (or dropped on purpose), in order.
    #[must_use]
    pub fn deliveries(&self) -> Vec<DeliveryView> {
        self.shared.lock().outbox.of_shop(self.at)
    }

    /// The notifications that nobody has taken, which GMO-PG mails to the shop: order id and status.
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

    fn act(
        &self,
        order_id: &str,
        otherwise: &str,
        act: impl FnOnce(&mut World, (usize, usize), std::time::SystemTime) -> bool,
    ) -> Result<(), MockError> {
        let now = self.shared.clock.now();
        let mut world = self.shared.current();
        let at = self.place(&world, order_id)?;
        let done = act(&mut world, at, now);
        drop(world);
        self.shared.wake.notify_one();
        if done {
            Ok(())
        } else {
            Err(MockError::State(otherwise.to_owned()))
        }
    }

    fn place(&self, world: &World, order_id: &str) -> Result<(usize, usize), MockError> {
        world.by_order_id(self.at, order_id).ok_or_else(|| unknown(order_id))
    }
}

fn unknown(order_id: &str) -> MockError {
    MockError::Unknown {
        kind: "order",
        id: order_id.to_owned(),
    }
}

impl std::fmt::Debug for Merchant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            shared: _,
            at: _,
            shop_id,
            shop_pass: _,
            name,
        } = self;
        f.debug_struct("Merchant")
            .field("shop_id", shop_id)
            .field("name", name)
            .finish_non_exhaustive()
    }
}
