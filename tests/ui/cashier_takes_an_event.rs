//! The cashier verifies for itself: it takes the request as it came, and no event that somebody brings along.
use kessai::{Cashier, GatewayId, Notification, Verified};

async fn deliver(cashier: &Cashier, notification: Verified<Notification>) {
    cashier.callback(&GatewayId::STRIPE, notification).await; //~ E0308
}

fn main() {}
