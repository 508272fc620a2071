//! Settings of one KOMOJU merchant in one mode, checked once.

use std::fmt;
use std::sync::Arc;

use super::Komoju;
use crate::addresses::Addresses;
use crate::error::ConfigError;
use crate::gateways::setup;
use crate::guard::check_text;
use crate::redirect::AllowedOrigins;
use crate::reference::{Environment, MerchantAccount};
use crate::secret::ApiKey;
use crate::sign::SigningKeys;
use crate::transport::{RetryPolicy, Transport};

/// Test and live alike: the key decides (sheet section "Endpoints"). The page is on the same origin.
const ORIGIN: &str = "https://komoju.com";

#[derive(Clone)]
pub(super) struct Config {
    pub(super) api_key: ApiKey,
    pub(super) signing_keys: SigningKeys,
    pub(super) addresses: Addresses,
    pub(super) account: MerchantAccount,
    pub(super) environment: Environment,
    pub(super) endpoint: String,
    pub(super) pages: AllowedOrigins,
    pub(super) version: Option<String>,
    pub(super) methods: Vec<String>,
}

/// Collects the settings of a [`Komoju`].
#[must_use]
pub struct KomojuBuilder {
    api_key: ApiKey,
    signing_keys: SigningKeys,
    addresses: Addresses,
    account: Option<MerchantAccount>,
    endpoint: String,
    pages: Vec<String>,
    version: Option<String>,
    methods: Vec<String>,
    policy: RetryPolicy,
    transport: Option<Arc<dyn Transport>>,
}

impl KomojuBuilder {
    pub(super) fn new(api_key: ApiKey, signing_keys: SigningKeys, addresses: Addresses) -> Self {
        Self {
            api_key,
            signing_keys,
            addresses,
            account: None,
            endpoint: ORIGIN.to_owned(),
            pages: vec![ORIGIN.to_owned()],
            version: None,
            methods: Vec::new(),
            policy: RetryPolicy::default(),
            transport: None,
        }
    }

    /// A label for the account. Messages do not name it, so the credentials decide. Default: `default`.
    pub fn account(mut self, account: MerchantAccount) -> Self {
        self.account = Some(account);
        self
    }

    /// Another origin of the API: a mock, or a proxy of the store. A live key is never sent to this machine.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
        self
    }

    /// The origins of the hosted payment page, if they are others. They replace the default.
    pub fn pages<S: Into<String>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        self.pages = origins.into_iter().map(Into::into).collect();
        self
    }

    /// The API version to name, a date such as `2025-01-28`. Default: the account's own; whether every account allows a
    /// header is unconfirmed.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Offers only these payment types, in KOMOJU's words (`credit_card`, `konbini`, ...). Default: all that are enabled.
    pub fn methods<S: Into<String>>(mut self, methods: impl IntoIterator<Item = S>) -> Self {
        self.methods = methods.into_iter().map(Into::into).collect();
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
    pub fn build(self) -> Result<Komoju, ConfigError> {
        const LIVE: &str = "the live API key";
        let bounds = |setting, bounds| ConfigError::Bounds { setting, bounds };
        let environment = environment_of(&self.api_key)?;
        self.signing_keys.check()?;
        let is_api_key = |key: &str| {
            ["sk_test_", "sk_live_", "pk_"]
                .iter()
                .any(|prefix| key.starts_with(prefix))
        };
        if self.signing_keys.any(is_api_key) {
            return Err(ConfigError::WrongKind {
                setting: "the signing key",
                hint: "it is an API key; the webhook secret is chosen when the webhook is registered",
            });
        }
        let date = |text: &String| text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        if self.version.as_ref().is_some_and(|version| !date(version)) {
            return Err(bounds("the API version", "a date such as 2025-01-28"));
        }
        let word = |text: &String| {
            !text.is_empty() && text.len() <= 30 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        if !self.methods.iter().all(word) {
            return Err(bounds("the payment types", "words such as credit_card or konbini"));
        }
        let account = match self.account {
            Some(account) => account,
            None => MerchantAccount::new("default").map_err(|_| bounds("the account", "a label"))?,
        };
        if check_text("the account", account.as_str()).is_err() {
            return Err(bounds("the account", "a label without card data"));
        }
        let place = setup::Place {
            environment,
            live: LIVE,
            hosts: setup::Hosts::ALIKE,
        };
        let endpoint = setup::endpoint(&self.endpoint, &place)?;
        let pages = setup::pages(&self.pages, &place)?;
        let client = setup::client(self.transport, self.policy)?;
        let client = client.map(|client| client.withholding(&self.api_key, Some(&self.signing_keys)));
        Ok(Komoju {
            config: Config {
                api_key: self.api_key,
                signing_keys: self.signing_keys,
                addresses: self.addresses,
                account,
                environment,
                endpoint,
                pages,
                version: self.version,
                methods: self.methods,
            },
            client,
        })
    }
}

/// The key prefix decides (sheet section "Endpoints").
fn environment_of(key: &ApiKey) -> Result<Environment, ConfigError> {
    let text = key.expose();
    if text.starts_with("sk_test_") {
        Ok(Environment::Sandbox)
    } else if text.starts_with("sk_live_") {
        Ok(Environment::Live)
    } else {
        Err(ConfigError::WrongKind {
            setting: "the API key",
            hint: "a secret key starts with sk_test_ or sk_live_",
        })
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            api_key,
            signing_keys,
            addresses,
            account,
            environment,
            endpoint,
            pages,
            version,
            methods,
        } = self;
        f.debug_struct("Config")
            .field("api_key", api_key)
            .field("signing_keys", signing_keys)
            .field("addresses", addresses)
            .field("account", account)
            .field("environment", environment)
            .field("endpoint", endpoint)
            .field("pages", pages)
            .field("version", version)
            .field("methods", methods)
            .finish()
    }
}

impl fmt::Debug for KomojuBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KomojuBuilder")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder(api_key: &str, signing_key: &str) -> KomojuBuilder {
        let addresses = Addresses::new("https://shop.example", "/pay/komoju").unwrap();
        let keys = SigningKeys::from_texts([signing_key]).unwrap();
        Komoju::builder(ApiKey::new(api_key).unwrap(), keys, addresses)
    }

    fn sandbox() -> KomojuBuilder {
        builder("sk_test_0123456789", "whsec-komoju-0123456789")
    }

    #[test]
    fn settings_out_of_bounds_are_refused() {
        for (what, builder) in [
            (
                "a publishable key",
                builder("pk_test_0123456789", "whsec-komoju-0123456789"),
            ),
            (
                "a key without a mode",
                builder("0123456789abcdef", "whsec-komoju-0123456789"),
            ),
            (
                "the API key as secret",
                builder("sk_test_0123456789", "sk_test_0123456789"),
            ),
            ("a version that is no date", sandbox().version("latest")),
            ("a version of as many letters", sandbox().version("2025/01/28")),
            ("a version of too many digits", sandbox().version("2025-01-281")),
            ("a method in capitals", sandbox().methods(["KONBINI"])),
            ("an empty method", sandbox().methods([""])),
            ("plain HTTP", sandbox().endpoint("http://komoju.com")),
            ("a path", sandbox().endpoint("https://komoju.com/api")),
            ("a page over HTTP", sandbox().pages(["http://komoju.com"])),
            (
                "live on this machine",
                builder("sk_live_0123456789", "whsec-komoju-0123456789").endpoint("http://127.0.0.1:1"),
            ),
        ] {
            assert!(builder.build().is_err(), "{what}");
        }
        assert!(
            sandbox()
                .version("2025-01-28")
                .methods(["credit_card", "konbini"])
                .build()
                .is_ok()
        );
    }

    #[test]
    fn nothing_secret_prints() {
        let shown = format!("{:?} {:?}", sandbox().build().unwrap(), sandbox());
        assert!(!shown.contains("0123456789"), "{shown}");
    }
}
