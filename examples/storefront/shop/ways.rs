//! The ways to pay that the shop offers: one for each gateway, in the order of the checkout page.

use kessai::{Addresses, ConfigError, GatewayId};

use super::lang::Lang;

/// One way to pay.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    gateway: GatewayId,
    addresses: Addresses,
    ja: &'static str,
    en: &'static str,
}

/// Where the ways have their addresses: one folder for each gateway.
pub(crate) const PATHS: &str = "/pay/";

impl Way {
    /// A way to pay, with its name in both languages.
    pub(crate) fn new(gateway: GatewayId, addresses: Addresses, ja: &'static str, en: &'static str) -> Self {
        Self {
            gateway,
            addresses,
            ja,
            en,
        }
    }

    /// Where the gateway of this id sends browsers and messages.
    pub(crate) fn addresses(public_url: &str, gateway: &GatewayId) -> Result<Addresses, ConfigError> {
        Addresses::new(public_url, &format!("{PATHS}{gateway}"))
    }

    pub(crate) fn gateway(&self) -> &GatewayId {
        &self.gateway
    }

    /// The paths of browsers and messages.
    pub(crate) fn paths(&self) -> &Addresses {
        &self.addresses
    }

    pub(crate) fn name(&self, lang: Lang) -> &'static str {
        lang.pick(self.ja, self.en)
    }
}
