//! Settings of one Stripe account, checked once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Stripe;
use crate::addresses::Addresses;
use crate::error::ConfigError;
use crate::gateways::setup;
use crate::guard::check_text;
use crate::redirect::AllowedOrigins;
use crate::reference::{Environment, MerchantAccount};
use crate::secret::{ApiKey, OwnSecrets};
use crate::sign::SigningKeys;
use crate::transport::{RetryPolicy, Transport};

/// The API version that every call names: the latest one the sheet knows (section 1, read 2026-11-23).
pub const DEFAULT_VERSION: &str = "2026-10-28.endive";

/// Test and live alike: the key decides (sheet section 2).
const ENDPOINT: &str = "https://api.stripe.com";
/// Where the hosted payment page is, unless the merchant has a domain of its own (sheet section 2).
const PAGES: &str = "https://checkout.stripe.com";
/// Older signatures are refused, and so are those further in the future (sheet section 7).
const TOLERANCE: Duration = Duration::from_secs(300);
const WIDEST_TOLERANCE: Duration = Duration::from_secs(3600);
/// From this version on the list of methods is a filter with another name (sheet section 1).
const FILTER_SINCE: &str = "2026-09-30";

#[derive(Clone)]
pub(super) struct Config {
    pub(super) api_key: ApiKey,
    pub(super) signing_keys: SigningKeys,
    pub(super) addresses: Addresses,
    pub(super) account: MerchantAccount,
    pub(super) environment: Environment,
    pub(super) endpoint: String,
    pub(super) pages: AllowedOrigins,
    pub(super) version: String,
    pub(super) tolerance: Duration,
    pub(super) methods: Vec<String>,
    /// What no answer may repeat. Each call looks for it by itself and the client does not, because a store may send the calls by
    /// other means.
    pub(super) secrets: Arc<OwnSecrets>,
}

impl Config {
    /// The name under which this version takes the list of methods.
    pub(super) fn methods_field(&self) -> &'static str {
        if self.version.as_str() < FILTER_SINCE {
            "payment_method_types"
        } else {
            "allowed_payment_method_types"
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every field is named, so that a new one does not compile until somebody decides whether it may print.
        let Self {
            api_key,
            signing_keys,
            addresses,
            account,
            environment,
            endpoint,
            pages,
            version,
            tolerance,
            methods,
            secrets: _,
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
            .field("tolerance", tolerance)
            .field("methods", methods)
            .finish_non_exhaustive()
    }
}

/// Collects the settings of a [`Stripe`].
#[must_use]
pub struct StripeBuilder {
    api_key: ApiKey,
    signing_keys: SigningKeys,
    addresses: Addresses,
    account: Option<MerchantAccount>,
    endpoint: String,
    pages: Vec<String>,
    version: String,
    tolerance: Duration,
    methods: Vec<String>,
    policy: RetryPolicy,
    transport: Option<Arc<dyn Transport>>,
}

impl StripeBuilder {
    pub(super) fn new(api_key: ApiKey, signing_keys: SigningKeys, addresses: Addresses) -> Self {
        Self {
            api_key,
            signing_keys,
            addresses,
            account: None,
            endpoint: ENDPOINT.to_owned(),
            pages: vec![PAGES.to_owned()],
            version: DEFAULT_VERSION.to_owned(),
            tolerance: TOLERANCE,
            methods: Vec::new(),
            policy: RetryPolicy::default(),
            transport: None,
        }
    }

    /// The account, as a label or as its `acct_` id. Messages of the account itself do not name it, so the credentials
    /// decide; messages of a connected account do, and it has to be this one. Default: `default`.
    pub fn account(mut self, account: MerchantAccount) -> Self {
        self.account = Some(account);
        self
    }

    /// Another address of the API: the mock, or a proxy of the store. A live key is never sent to this machine.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
        self
    }

    /// The origins of the hosted payment page, for a merchant with a domain of its own, or for the mock. They replace the
    /// default.
    pub fn pages<S: Into<String>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        self.pages = origins.into_iter().map(Into::into).collect();
        self
    }

    /// The API version to name, such as `2026-10-28.endive`.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// How old a signature may be, and how far in the future. Default 300 s; 1 s to one hour. There is no "off".
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Offers only these payment methods, in Stripe's words (`card`, `konbini`, ...). Default: all that are eligible.
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
    pub fn build(self) -> Result<Stripe, ConfigError> {
        let environment = environment_of(&self.api_key)?;
        self.signing_keys.check()?;
        if self
            .signing_keys
            .any(|key| ["sk_", "rk_", "pk_"].iter().any(|prefix| key.starts_with(prefix)))
        {
            let hint = "it is an API key; the signing secret of the webhook endpoint starts with whsec_";
            return Err(ConfigError::WrongKind {
                setting: "the signing key",
                hint,
            });
        }
        let place = setup::Place {
            environment,
            live: "the live API key",
            hosts: setup::Hosts::ALIKE,
        };
        let endpoint = setup::endpoint(&self.endpoint, &place)?;
        let pages = setup::pages(&self.pages, &place)?;
        let version_fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if self.version.len() < 10 || self.version.len() > 40 || !self.version.bytes().all(version_fits) {
            return Err(ConfigError::Bounds {
                setting: "the API version",
                bounds: "a dated version of Stripe's",
            });
        }
        if self.tolerance < Duration::from_secs(1) || self.tolerance > WIDEST_TOLERANCE {
            return Err(ConfigError::Bounds {
                setting: "the tolerance",
                bounds: "1 s to 3600 s",
            });
        }
        let word = |method: &String| {
            !method.is_empty()
                && method
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        if !self.methods.iter().all(word) {
            return Err(ConfigError::Bounds {
                setting: "the payment methods",
                bounds: "words such as card or konbini",
            });
        }
        let account = match self.account {
            Some(account) => account,
            None => MerchantAccount::new("default").map_err(|_| ConfigError::Bounds {
                setting: "the account",
                bounds: "a label",
            })?,
        };
        // Both are written down or sent with every attempt.
        let texts = std::iter::once(account.as_str()).chain(self.methods.iter().map(String::as_str));
        if texts.into_iter().any(|text| check_text("the settings", text).is_err()) {
            return Err(ConfigError::Bounds {
                setting: "the account and the payment methods",
                bounds: "words without card data",
            });
        }
        let client = setup::client(self.transport, self.policy)?;
        let Self {
            api_key,
            signing_keys,
            addresses,
            version,
            tolerance,
            methods,
            ..
        } = self;
        let secrets = Arc::new(OwnSecrets::of(&api_key, Some(&signing_keys)));
        let config = Config {
            api_key,
            signing_keys,
            addresses,
            account,
            environment,
            endpoint,
            pages,
            version,
            tolerance,
            methods,
            secrets,
        };
        Ok(Stripe { config, client })
    }
}

/// Sheet section 13: the prefix tells the mode. Publishable keys can do nothing here.
fn environment_of(key: &ApiKey) -> Result<Environment, ConfigError> {
    let text = key.expose();
    if text.starts_with("sk_test_") || text.starts_with("rk_test_") {
        Ok(Environment::Sandbox)
    } else if text.starts_with("sk_live_") || text.starts_with("rk_live_") {
        Ok(Environment::Live)
    } else {
        let hint = "a secret or restricted key starts with sk_test_, rk_test_, sk_live_ or rk_live_";
        Err(ConfigError::WrongKind {
            setting: "the API key",
            hint,
        })
    }
}

impl fmt::Debug for StripeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Texts that nobody has checked yet do not print: one of them may be a secret in the wrong place.
        let Self {
            api_key,
            signing_keys,
            addresses,
            account,
            endpoint: _,
            pages: _,
            version: _,
            tolerance,
            methods: _,
            policy,
            transport,
        } = self;
        f.debug_struct("StripeBuilder")
            .field("api_key", api_key)
            .field("signing_keys", signing_keys)
            .field("addresses", addresses)
            .field("account", account)
            .field("tolerance", tolerance)
            .field("policy", policy)
            .field("transport", transport)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder(api_key: &str, signing_key: &str) -> StripeBuilder {
        let addresses = Addresses::new("https://shop.example", "/pay/stripe").unwrap();
        Stripe::builder(
            ApiKey::new(api_key).unwrap(),
            SigningKeys::from_texts([signing_key]).unwrap(),
            addresses,
        )
    }

    fn sandbox() -> StripeBuilder {
        builder("sk_test_0123456789abcdef", "whsec_0123456789abcdef")
    }

    fn live() -> StripeBuilder {
        builder("sk_live_0123456789abcdef", "whsec_0123456789abcdef")
    }

    #[test]
    fn keys_of_the_wrong_kind_are_refused() {
        for key in [
            "pk_test_0123456789abcdef",
            "pk_live_0123456789abcdef",
            "whsec_0123456789abcdef",
            "0123456789abcdef",
        ] {
            let refused = builder(key, "whsec_0123456789abcdef").build().unwrap_err();
            assert!(
                matches!(
                    refused,
                    ConfigError::WrongKind {
                        setting: "the API key",
                        ..
                    }
                ),
                "{key}"
            );
        }
        for key in [
            "sk_test_0123456789abcdef",
            "pk_test_0123456789abcdef",
            "rk_live_0123456789abcdef",
        ] {
            let refused = builder("sk_test_0123456789abcdef", key).build().unwrap_err();
            assert!(
                matches!(
                    refused,
                    ConfigError::WrongKind {
                        setting: "the signing key",
                        ..
                    }
                ),
                "{key}"
            );
        }
    }

    #[test]
    fn a_live_key_is_never_sent_to_this_machine() {
        for endpoint in ["http://127.0.0.1:4242", "https://localhost", "http://[::1]:1"] {
            let refused = live().endpoint(endpoint).build().unwrap_err();
            assert!(matches!(refused, ConfigError::Environment { .. }), "{endpoint}");
        }
        assert!(matches!(
            live().pages(["http://127.0.0.1:4242"]).build(),
            Err(ConfigError::Environment { .. })
        ));
        assert!(sandbox().endpoint("http://127.0.0.1:4242").build().is_ok());
    }

    #[test]
    fn settings_out_of_bounds_are_refused() {
        for endpoint in [
            "",
            "api.stripe.com",
            "http://api.stripe.com",
            "https://a@api.stripe.com",
            "https://x/y",
            "https://x?y",
        ] {
            assert!(sandbox().endpoint(endpoint).build().is_err(), "{endpoint}");
        }
        for tolerance in [
            Duration::ZERO,
            Duration::from_millis(999),
            Duration::from_secs(3601),
            Duration::MAX,
        ] {
            assert!(sandbox().tolerance(tolerance).build().is_err(), "{tolerance:?}");
        }
        for version in ["", "2026", "2026-10-28.endive\r\nX: y", "2026-10-28 endive"] {
            assert!(sandbox().version(version).build().is_err(), "{version:?}");
        }
        for method in ["", "Card", "card,link", "card link"] {
            assert!(sandbox().methods([method]).build().is_err(), "{method:?}");
        }
        assert!(sandbox().methods(["4242_4242_4242_4242"]).build().is_err());
        for account in ["4242424242424242", "4242-4242-4242-4242", "cvc:123"] {
            let account = MerchantAccount::new(account).unwrap();
            assert!(sandbox().account(account).build().is_err());
        }
        let account = MerchantAccount::new("acct_1032D82eZvKYlo2C").unwrap();
        assert!(sandbox().account(account).build().is_ok());
        assert!(sandbox().pages(["http://pay.shop.example"]).build().is_err());
        assert!(sandbox().pages(["https://pay.shop.example"]).build().is_ok());
    }

    #[test]
    fn nothing_secret_prints() {
        let stripe = builder("sk_test_canary0123456789", "whsec_canary0123456789")
            .build()
            .unwrap();
        assert!(!format!("{stripe:?}").contains("canary"));
        assert!(!format!("{:?}", builder("sk_test_canary0123456789", "whsec_canary0123456789")).contains("canary"));
    }

    #[test]
    fn the_list_of_methods_has_the_name_of_its_version() {
        assert_eq!(
            sandbox().build().unwrap().config.methods_field(),
            "allowed_payment_method_types"
        );
        let older = sandbox().version("2026-03-25.dahlia").build().unwrap();
        assert_eq!(older.config.methods_field(), "payment_method_types");
    }

    #[test]
    fn settings_are_taken_up_to_their_bounds_and_not_beyond() {
        let version = |length: usize| sandbox().version("v".repeat(length)).build().is_ok();
        assert_eq!([9, 10, 40, 41].map(version), [false, true, true, false]);
        let tolerance = |millis: u64| sandbox().tolerance(Duration::from_millis(millis)).build().is_ok();
        assert_eq!(
            [0, 999, 1000, 3_600_000, 3_600_001].map(tolerance),
            [false, false, true, true, false]
        );
        let method = |method: &str| sandbox().methods([method]).build().is_ok();
        assert_eq!(
            ["card", "us_bank_account", "p24", "", "Card", "a b", "a-b", "kärd"].map(method),
            [true, true, true, false, false, false, false, false]
        );
    }
}
