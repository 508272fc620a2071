//! Settings of one shop at GMO-PG, checked once.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::GmoPg;
use crate::addresses::Addresses;
use crate::error::ConfigError;
use crate::gateways::setup;
use crate::guard::check_text;
use crate::redirect::AllowedOrigins;
use crate::reference::{Environment, MerchantAccount};
use crate::secret::ApiKey;
use crate::transport::{RetryPolicy, Transport};

#[derive(Clone)]
pub(super) struct Config {
    pub(super) shop_id: MerchantAccount,
    pub(super) shop_pass: ApiKey,
    pub(super) page_settings: String,
    pub(super) environment: Environment,
    pub(super) addresses: Addresses,
    pub(super) endpoint: String,
    pub(super) pages: AllowedOrigins,
    pub(super) methods: Vec<Method>,
    pub(super) link: LinkType,
    pub(super) sources: Vec<IpAddr>,
    pub(super) partial_refunds: bool,
}

/// A payment method: its name on the page, and the `PayType` under which its deals are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Method {
    pub(super) name: String,
    pub(super) pay_type: String,
}

/// How the link to the hosted page comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// Asked for by a call. GMO-PG tells a link once, so the ledger keeps it.
    Key,
    /// Built and hashed here, without a call. The browser sees what is asked for, under a hash with a password of ten
    /// characters at most: use it only where no call can be made. An e-mail address of the request is left out of it. What was
    /// paid is asked for in either case.
    Parameter,
}

/// Names of methods whose `PayType` the sheet knows. Others go in by [`GmoPgBuilder::method`].
const KNOWN: [(&str, &str); 13] = [
    ("credit", "0"),
    ("cvs", "3"),
    ("payeasy", "4"),
    ("au", "8"),
    ("docomo", "9"),
    ("sb", "11"),
    ("rakutenid", "18"),
    ("dcc", "19"),
    ("linepay", "20"),
    ("unionpay", "21"),
    ("virtualaccount", "23"),
    ("ganb", "36"),
    ("paypay", "45"),
];

/// Sheet section "Endpoints". SMBC GMO PAYMENT's hosts are not in it.
const HOSTS: setup::Hosts = setup::Hosts {
    sandbox: &["pt01.mul-pay.jp", "stg.link.mul-pay.jp"],
    live: &["p01.mul-pay.jp", "link.mul-pay.jp"],
};

/// Collects the settings of a [`GmoPg`].
#[must_use]
pub struct GmoPgBuilder {
    shop_id: MerchantAccount,
    shop_pass: ApiKey,
    config_id: String,
    environment: Environment,
    addresses: Addresses,
    endpoint: Option<String>,
    pages: Option<Vec<String>>,
    methods: Vec<(String, Option<String>)>,
    link: LinkType,
    sources: Vec<IpAddr>,
    partial_refunds: bool,
    policy: RetryPolicy,
    transport: Option<Arc<dyn Transport>>,
}

impl GmoPgBuilder {
    pub(super) fn new(
        shop_id: MerchantAccount,
        shop_pass: ApiKey,
        config_id: String,
        environment: Environment,
        addresses: Addresses,
    ) -> Self {
        Self {
            shop_id,
            shop_pass,
            config_id,
            environment,
            addresses,
            endpoint: None,
            pages: None,
            methods: Vec::new(),
            link: LinkType::Key,
            sources: Vec::new(),
            partial_refunds: false,
            policy: RetryPolicy::default(),
            transport: None,
        }
    }

    /// Another address of the API: SMBC GMO PAYMENT's hosts, or a mock's.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// The origins of the hosted payment page, if they are others. They replace the default.
    pub fn pages<S: Into<String>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        self.pages = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Offers these methods, by GMO-PG's names (`credit`, `cvs`, ...). Default: `credit` alone.
    pub fn methods<S: Into<String>>(mut self, methods: impl IntoIterator<Item = S>) -> Self {
        self.methods
            .extend(methods.into_iter().map(|method| (method.into(), None)));
        self
    }

    /// Offers a method whose `PayType` is not in the sheet; the contract documents tell it.
    pub fn method(mut self, name: impl Into<String>, pay_type: impl Into<String>) -> Self {
        self.methods.push((name.into(), Some(pay_type.into())));
        self
    }

    /// How the link comes to be. Default: [`LinkType::Key`].
    pub fn link(mut self, link: LinkType) -> Self {
        self.link = link;
        self
    }

    /// The addresses that result notifications come from, as GMO-PG told them. Held against
    /// [`Callback::peer`](crate::Callback::peer), and no proof: a notification is a hint in any case. Default: not compared.
    pub fn sources(mut self, sources: impl IntoIterator<Item = IpAddr>) -> Self {
        self.sources = sources.into_iter().collect();
        self
    }

    /// Allows refunds in parts. A part goes back as a change of the amount, and GMO-PG knows no idempotency key: after a lost
    /// answer nobody can tell whether the part went back, and ordering it again could send it twice. Look at the status or at
    /// the shop admin screen before. Full refunds, voids and captures cannot happen twice.
    pub fn partial_refunds(mut self) -> Self {
        self.partial_refunds = true;
        self
    }

    /// How often and how long to try.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Another way to send, instead of the one of the `reqwest` feature.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Checks the settings.
    pub fn build(self) -> Result<GmoPg, ConfigError> {
        const LIVE: &str = "the live environment";
        let bounds = |setting, bounds| ConfigError::Bounds { setting, bounds };
        let (shop, pass) = (self.shop_id.as_str(), self.shop_pass.expose());
        if shop.len() != 13 || !shop.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(bounds("the shop id", "13 letters and digits"));
        }
        // Seen of test shops (sheet section "Test mode"); the other way round is not known.
        if self.environment == Environment::Live && shop.starts_with("tshop") {
            return Err(ConfigError::Environment {
                setting: "the shop id",
                against: LIVE,
            });
        }
        if pass.len() > 10 || !pass.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bounds("the shop password", "8 to 10 visible ASCII characters"));
        }
        if check_text("the shop id", shop).is_err() {
            return Err(bounds("the shop id", "an id, not card data"));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if self.config_id.is_empty() || self.config_id.len() > 64 || !self.config_id.bytes().all(plain) {
            return Err(bounds("the setting id", "the id made in the shop admin screen"));
        }
        if check_text("the setting id", &self.config_id).is_err() {
            return Err(bounds("the setting id", "an id, not card data"));
        }
        let (endpoint, page) = match self.environment {
            Environment::Sandbox => ("https://pt01.mul-pay.jp", "https://stg.link.mul-pay.jp"),
            Environment::Live => ("https://p01.mul-pay.jp", "https://link.mul-pay.jp"),
        };
        let place = setup::Place {
            environment: self.environment,
            live: LIVE,
            hosts: HOSTS,
        };
        let endpoint = setup::endpoint(self.endpoint.as_deref().unwrap_or(endpoint), &place)?;
        let pages = self.pages.unwrap_or_else(|| vec![page.to_owned()]);
        let pages = setup::pages(&pages, &place)?;
        let client = setup::client(self.transport, self.policy)?;
        let client = client.map(|client| client.withholding(&self.shop_pass, None));
        Ok(GmoPg {
            config: Config {
                shop_id: self.shop_id,
                shop_pass: self.shop_pass,
                page_settings: self.config_id,
                environment: self.environment,
                addresses: self.addresses,
                endpoint,
                pages,
                methods: methods(self.methods)?,
                link: self.link,
                sources: self.sources,
                partial_refunds: self.partial_refunds,
            },
            client,
        })
    }
}

fn methods(asked: Vec<(String, Option<String>)>) -> Result<Vec<Method>, ConfigError> {
    let setting = "the payment methods";
    let word =
        |text: &str| !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut methods: Vec<Method> = Vec::new();
    for (name, pay_type) in asked {
        let known = KNOWN.iter().find(|(known, _)| *known == name);
        let pay_type = pay_type.or_else(|| known.map(|(_, pay_type)| (*pay_type).to_owned()));
        let pay_type = pay_type.ok_or(ConfigError::Bounds {
            setting,
            bounds: "names whose PayType is known, or given with `method`",
        })?;
        if !word(&name) || !word(&pay_type) || methods.iter().any(|method| method.name == name) {
            return Err(ConfigError::Bounds {
                setting,
                bounds: "words such as credit or cvs, each once",
            });
        }
        methods.push(Method { name, pay_type });
    }
    if methods.is_empty() {
        methods.push(Method {
            name: "credit".to_owned(),
            pay_type: "0".to_owned(),
        });
    }
    Ok(methods)
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            shop_id,
            shop_pass,
            page_settings,
            environment,
            addresses,
            endpoint,
            pages,
            methods,
            link,
            sources,
            partial_refunds,
        } = self;
        f.debug_struct("Config")
            .field("shop_id", shop_id)
            .field("shop_pass", shop_pass)
            .field("page_settings", page_settings)
            .field("environment", environment)
            .field("addresses", addresses)
            .field("endpoint", endpoint)
            .field("pages", pages)
            .field("methods", methods)
            .field("link", link)
            .field("sources", sources)
            .field("partial_refunds", partial_refunds)
            .finish()
    }
}

impl fmt::Debug for GmoPgBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GmoPgBuilder")
            .field("shop_id", &self.shop_id)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder(shop: &str, pass: &str, config: &str, environment: Environment) -> GmoPgBuilder {
        let addresses = Addresses::new("https://shop.example", "/pay/gmo").unwrap();
        let (shop, pass) = (MerchantAccount::new(shop).unwrap(), ApiKey::new(pass).unwrap());
        GmoPg::builder(shop, pass, config, environment, addresses)
    }

    fn sandbox() -> GmoPgBuilder {
        builder("tshop00099661", "kq7w2x9e", "shop01", Environment::Sandbox)
    }

    #[test]
    fn settings_out_of_bounds_are_refused() {
        use Environment::{Live, Sandbox};
        for (what, builder) in [
            ("short shop id", builder("tshop0001", "kq7w2x9e", "shop01", Sandbox)),
            ("odd shop id", builder("tshop0009966&", "kq7w2x9e", "shop01", Sandbox)),
            ("test shop live", builder("tshop00099661", "kq7w2x9e", "shop01", Live)),
            (
                "long password",
                builder("tshop00099661", "kq7w2x9e123", "shop01", Sandbox),
            ),
            ("no setting id", builder("tshop00099661", "kq7w2x9e", "", Sandbox)),
            ("odd setting id", builder("tshop00099661", "kq7w2x9e", "a\"b", Sandbox)),
            (
                "a card number as setting id",
                builder("tshop00099661", "kq7w2x9e", "4242424242424242", Sandbox),
            ),
            (
                "a card number as shop id",
                builder("4222222222222", "kq7w2x9e", "shop01", Sandbox),
            ),
            ("unknown method", sandbox().methods(["merpay"])),
            ("a method twice", sandbox().methods(["credit", "credit"])),
            ("an odd method", sandbox().method("a b", "1")),
            ("an odd type", sandbox().method("merpay", "")),
            ("plain HTTP", sandbox().endpoint("http://pt01.mul-pay.jp")),
            ("a path", sandbox().endpoint("https://pt01.mul-pay.jp/payment")),
            ("a page over HTTP", sandbox().pages(["http://stg.link.mul-pay.jp"])),
        ] {
            assert!(builder.build().is_err(), "{what}");
        }
        assert!(
            builder("tshop00099661", "kq7w2x9e12", "shop01", Sandbox)
                .build()
                .is_ok()
        );
        for (length, fits) in [(1, true), (64, true), (65, false), (66, false)] {
            let setting = "s".repeat(length);
            let built = builder("tshop00099661", "kq7w2x9e", &setting, Sandbox).build();
            assert_eq!(built.is_ok(), fits, "{length}");
        }
        let loopback = builder("9100000000001", "kq7w2x9e", "shop01", Live).endpoint("http://127.0.0.1:1");
        assert!(matches!(loopback.build(), Err(ConfigError::Environment { .. })));
        assert!(
            sandbox()
                .methods(["credit", "cvs"])
                .method("merpay", "99")
                .build()
                .is_ok()
        );
    }

    #[test]
    fn the_hosts_of_the_other_environment_are_refused_and_unknown_ones_are_the_stores_business() {
        use Environment::{Live, Sandbox};
        let of = |environment| {
            let shop = if environment == Live {
                "9100000000001"
            } else {
                "tshop00099661"
            };
            builder(shop, "kq7w2x9e", "shop01", environment)
        };
        for (environment, endpoint, page, other_endpoint, other_page) in [
            (
                Live,
                "https://p01.mul-pay.jp",
                "https://link.mul-pay.jp",
                "https://pt01.mul-pay.jp",
                "https://stg.link.mul-pay.jp",
            ),
            (
                Sandbox,
                "https://pt01.mul-pay.jp",
                "https://stg.link.mul-pay.jp",
                "https://p01.mul-pay.jp",
                "https://link.mul-pay.jp",
            ),
        ] {
            assert!(of(environment).endpoint(endpoint).pages([page]).build().is_ok());
            assert!(of(environment).endpoint("https://p01.smbc.example").build().is_ok());
            for wrong in [
                of(environment).endpoint(other_endpoint),
                of(environment).endpoint(other_endpoint.to_uppercase().replace("HTTPS", "https")),
                of(environment).endpoint(format!("{other_endpoint}.")),
                of(environment).endpoint(format!("{other_endpoint}:8443")),
                of(environment).pages([page, other_page]),
            ] {
                assert!(
                    matches!(wrong.build(), Err(ConfigError::Environment { .. })),
                    "{environment:?}"
                );
            }
        }
        let loopback = of(Live).pages(["https://localhost"]).build();
        assert!(matches!(loopback, Err(ConfigError::Environment { .. })));
    }

    #[test]
    fn nothing_secret_prints() {
        let gateway = sandbox().build().unwrap();
        for shown in [format!("{gateway:?}"), format!("{:?}", sandbox())] {
            assert!(!shown.contains("kq7w2x9e"), "{shown}");
        }
    }
}
