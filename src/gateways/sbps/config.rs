//! Settings of one shop, checked once.

use std::fmt;
use std::sync::Arc;

use super::Sbps;
use crate::addresses::Addresses;
use crate::charset;
use crate::error::ConfigError;
use crate::gateways::setup;
use crate::payment::CaptureMode;
use crate::redirect::{AllowedOrigins, RedirectUrl};
use crate::reference::{Environment, MerchantAccount};
use crate::secret::ApiKey;
use crate::sign::SigningKeys;
use crate::transport::{RetryPolicy, Transport};

/// Where the form is posted to, unless the shop was told another address (sheet, "Endpoints").
const FORM_TEST: &str = "https://stbfep.sps-system.com/f01/FepBuyInfoReceive.do";
const FORM_LIVE: &str = "https://fep.sps-system.com/f01/FepBuyInfoReceive.do";
/// The API type (same place).
const API_TEST: &str = "https://stbfep.sps-system.com/api/xmlapi.do";
const API_LIVE: &str = "https://api.sps-system.com/api/xmlapi.do";
/// Their hosts.
const HOSTS: setup::Hosts = setup::Hosts {
    sandbox: &["stbfep.sps-system.com"],
    live: &["fep.sps-system.com", "api.sps-system.com"],
};
/// "40 hex characters in every published example" (sheet, "Auth"): a shorter key could be searched for offline (PAY-24).
const SHORTEST_KEY: usize = 40;
/// Hash keys that are printed in public source and open a shared test shop (sheet, "Test mode"): everybody can sign with them.
const PUBLISHED: [&str; 3] = [
    "8435dbd48f2249807ec216c3d5ecab714264cc4a",
    "ed679e1c9f90c2ab96b25d5c580b58e25192eb5d",
    "398a58952baf329cac5efbae97ea84ba17028d02",
];
/// 40 characters or bytes, which of the two is unconfirmed: bytes are the safe reading (sheet, row 10).
const LONGEST_NAME: usize = 40;
const SUMMARY: &str = "ご注文商品一式";
const ITEM_ID: &str = "SHOP-ORDER";
/// EMV 3-D Secure.
const METHOD: &str = "credit3d2";

/// Merchant id and service id: the two numbers SBPS gives to each shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopId {
    merchant_id: String,
    service_id: String,
}

impl ShopId {
    /// Up to five digits, and up to three.
    pub fn new(merchant_id: impl Into<String>, service_id: impl Into<String>) -> Result<Self, ConfigError> {
        let (merchant_id, service_id) = (merchant_id.into(), service_id.into());
        for (setting, text, most, bounds) in [
            ("the merchant id", &merchant_id, 5, "1 to 5 digits"),
            ("the service id", &service_id, 3, "1 to 3 digits"),
        ] {
            if text.is_empty() || text.len() > most || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(ConfigError::Bounds { setting, bounds });
            }
        }
        Ok(Self {
            merchant_id,
            service_id,
        })
    }

    /// The merchant id.
    #[must_use]
    pub fn merchant_id(&self) -> &str {
        &self.merchant_id
    }

    /// The service id.
    #[must_use]
    pub fn service_id(&self) -> &str {
        &self.service_id
    }
}

#[derive(Clone)]
pub(super) struct Config {
    pub(super) shop: ShopId,
    pub(super) signing_keys: SigningKeys,
    pub(super) addresses: Addresses,
    pub(super) account: MerchantAccount,
    pub(super) environment: Environment,
    pub(super) form_url: RedirectUrl,
    pub(super) pages: AllowedOrigins,
    pub(super) api: Option<Api>,
    pub(super) notifications_settle: bool,
    pub(super) methods: Vec<String>,
    pub(super) capture: CaptureMode,
    pub(super) item_id: String,
    pub(super) item_name: String,
    pub(super) details: bool,
    pub(super) partial_refunds: bool,
}

/// The API type of the same shop.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) endpoint: String,
    pub(super) user: String,
    pub(super) password: ApiKey,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every field is named, so that a new one does not compile until somebody decides whether it may print.
        let Self {
            shop,
            signing_keys,
            addresses,
            account,
            environment,
            form_url,
            pages,
            api,
            notifications_settle,
            methods,
            capture,
            item_id,
            item_name,
            details,
            partial_refunds,
        } = self;
        f.debug_struct("Config")
            .field("shop", shop)
            .field("signing_keys", signing_keys)
            .field("addresses", addresses)
            .field("account", account)
            .field("environment", environment)
            .field("form_url", form_url)
            .field("pages", pages)
            .field("api", api)
            .field("notifications_settle", notifications_settle)
            .field("methods", methods)
            .field("capture", capture)
            .field("item_id", item_id)
            .field("item_name", item_name)
            .field("details", details)
            .field("partial_refunds", partial_refunds)
            .finish()
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            endpoint,
            user: _,
            password,
        } = self;
        f.debug_struct("Api")
            .field("endpoint", endpoint)
            .field("password", password)
            .finish_non_exhaustive()
    }
}

/// Collects the settings of an [`Sbps`].
#[must_use]
pub struct SbpsBuilder {
    environment: Environment,
    shop: ShopId,
    signing_keys: SigningKeys,
    addresses: Addresses,
    form_url: Option<String>,
    api: Option<ApiKey>,
    api_user: Option<String>,
    api_endpoint: Option<String>,
    notifications_settle: bool,
    methods: Vec<String>,
    capture: CaptureMode,
    item_id: String,
    item_name: String,
    details: bool,
    partial_refunds: bool,
    policy: RetryPolicy,
    transport: Option<Arc<dyn Transport>>,
}

impl SbpsBuilder {
    pub(super) fn new(environment: Environment, shop: ShopId, signing_keys: SigningKeys, addresses: Addresses) -> Self {
        Self {
            environment,
            shop,
            signing_keys,
            addresses,
            form_url: None,
            api: None,
            api_user: None,
            api_endpoint: None,
            notifications_settle: false,
            methods: vec![METHOD.to_owned()],
            capture: CaptureMode::Automatic,
            item_id: ITEM_ID.to_owned(),
            item_name: SUMMARY.to_owned(),
            details: false,
            partial_refunds: false,
            policy: RetryPolicy::default(),
            transport: None,
        }
    }

    /// The password of the API type, if the shop's contract includes it. Then a notification is a reason to ask, and the
    /// answer to the question pays; and the gateway can capture, void and refund.
    pub fn api(mut self, password: ApiKey) -> Self {
        self.api = Some(password);
        self
    }

    /// The user name of the API type. Default: merchant id and service id, one behind the other.
    pub fn api_user(mut self, user: impl Into<String>) -> Self {
        self.api_user = Some(user.into());
        self
    }

    /// Another address of the API type: the mock, or a proxy of the store.
    pub fn api_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.api_endpoint = Some(endpoint.into());
        self
    }

    /// A notification pays by itself, without a question to the API type. For a shop whose contract has no API type there
    /// is no other way; one that has it does better without this.
    ///
    /// What the store takes upon itself: the hash of a notification is SHA-1 over values without separators, the key behind
    /// them, and not a MAC. Whoever learns the hash of one notification can move digits between its fields. This crate
    /// takes only messages that read in one single way as an answer to its own form, sees to it that no browser ever gets
    /// to see such a hash (the item name is not ASCII, so the return is hashed differently), and compares the amount; but
    /// nothing confirms what the message says, and whether the money was taken or only reserved is what
    /// [`capture`](Self::capture) says of the shop's settings. The decisions of the handbook tell more.
    pub fn notifications_settle(mut self) -> Self {
        self.notifications_settle = true;
        self
    }

    /// Where the form is posted to, as SBPS told the shop at the start of service. Default: the published address.
    pub fn form_url(mut self, address: impl Into<String>) -> Self {
        self.form_url = Some(address.into());
        self
    }

    /// The payment methods in SBPS's words: one, or several of which the customer chooses on SBPS's page. Default:
    /// `credit3d2`, cards with EMV 3-D Secure. An empty list leaves the choice to the shop's settings at SBPS and needs
    /// [`notifications_settle`](Self::notifications_settle).
    pub fn methods<S: Into<String>>(mut self, methods: impl IntoIterator<Item = S>) -> Self {
        self.methods = methods.into_iter().map(Into::into).collect();
        self
    }

    /// How the shop is set at SBPS: sales at once (the default here), or on demand. A notification does not tell, and a
    /// request with the other mode is refused.
    pub fn capture(mut self, capture: CaptureMode) -> Self {
        self.capture = capture;
        self
    }

    /// The item id of every order: letters, digits, `-` and `_`, at most 32. Default `SHOP-ORDER`.
    pub fn item_id(mut self, item_id: impl Into<String>) -> Self {
        self.item_id = item_id.into();
        self
    }

    /// The item name of every order. Default `ご注文商品一式`. At most 40 bytes of `Shift_JIS`; at least one character beyond ASCII,
    /// because that is what keeps the hashes of the two channels apart; no `/` and no `:`.
    pub fn item_name(mut self, item_name: impl Into<String>) -> Self {
        self.item_name = item_name.into();
        self
    }

    /// Sends the order's lines as detail rows. Their names have to fit `Shift_JIS` and 40 bytes; an order with one that does
    /// not is refused. Default: no rows.
    pub fn details(mut self) -> Self {
        self.details = true;
        self
    }

    /// Allows refunds in parts. SBPS knows no idempotency key: after a partial refund whose answer was lost, look at the
    /// merchant screen before sending it again. Full refunds, voids and captures cannot happen twice.
    pub fn partial_refunds(mut self) -> Self {
        self.partial_refunds = true;
        self
    }

    /// How long to wait for the API.
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
    pub fn build(self) -> Result<Sbps, ConfigError> {
        self.check_keys()?;
        self.check_texts()?;
        self.check_methods()?;
        let live = self.environment == Environment::Live;
        let form_url = self
            .form_url
            .as_deref()
            .unwrap_or(if live { FORM_LIVE } else { FORM_TEST });
        let origin = setup::address("the form address", form_url, &self.place())?;
        let origin = origin.origin().ascii_serialization();
        let wrong = |_| ConfigError::Address {
            setting: "the form address",
            hint: "write it as SBPS told it",
        };
        let pages = AllowedOrigins::new([origin]).map_err(wrong)?;
        let form_url = RedirectUrl::new(form_url, &pages).map_err(wrong)?;
        let api = match &self.api {
            Some(password) => Some(self.api_of(password)?),
            None => None,
        };
        let account = format!("{}-{}", self.shop.merchant_id, self.shop.service_id);
        let account = MerchantAccount::new(account).map_err(|_| ConfigError::Bounds {
            setting: "the shop",
            bounds: "two numbers",
        })?;
        let client = match &api {
            Some(api) => {
                let client = setup::client(self.transport, self.policy)?;
                client.map(|client| client.withholding(&api.password, Some(&self.signing_keys)))
            }
            None => None,
        };
        let config = Config {
            shop: self.shop,
            signing_keys: self.signing_keys,
            addresses: self.addresses,
            account,
            environment: self.environment,
            form_url,
            pages,
            api,
            notifications_settle: self.notifications_settle,
            methods: self.methods,
            capture: self.capture,
            item_id: self.item_id,
            item_name: self.item_name,
            details: self.details,
            partial_refunds: self.partial_refunds,
        };
        Ok(Sbps { config, client })
    }

    fn place(&self) -> setup::Place {
        setup::Place {
            environment: self.environment,
            live: "the live environment",
            hosts: HOSTS,
        }
    }

    fn check_keys(&self) -> Result<(), ConfigError> {
        self.signing_keys.check()?;
        if self.signing_keys.any(|key| key.len() < SHORTEST_KEY) {
            return Err(ConfigError::Bounds {
                setting: "the hash key",
                bounds: "at least 40 characters, as SBPS gives it out",
            });
        }
        let published = |key: &str| PUBLISHED.iter().any(|known| known.eq_ignore_ascii_case(key));
        if self.environment == Environment::Live && self.signing_keys.any(published) {
            return Err(ConfigError::Environment {
                setting: "the hash key of a shared test shop",
                against: "the live environment",
            });
        }
        Ok(())
    }

    fn check_texts(&self) -> Result<(), ConfigError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if self.item_id.is_empty() || self.item_id.len() > 32 || !self.item_id.bytes().all(plain) {
            return Err(ConfigError::Bounds {
                setting: "the item id",
                bounds: "1 to 32 letters, digits, '-' and '_'",
            });
        }
        let name = &self.item_name;
        // The two channels hash it in two encodings, and the bytes have to part within it.
        let fits = charset::encode_unambiguous(name)
            .is_ok_and(|bytes| bytes.len() <= LONGEST_NAME && !name.as_bytes().starts_with(&bytes));
        let odd = name.trim() != name || name.chars().any(|c| c.is_control() || matches!(c, '/' | ':'));
        if name.is_ascii() || !fits || odd {
            return Err(ConfigError::Bounds {
                setting: "the item name",
                bounds: "at most 40 bytes of Shift_JIS, not all of them ASCII, without '/', ':' and ～－∥￠￡￢",
            });
        }
        Ok(())
    }

    fn check_methods(&self) -> Result<(), ConfigError> {
        let word = |method: &String| {
            method.starts_with(|c: char| c.is_ascii_lowercase())
                && method.len() <= 30
                && method
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if !self.methods.iter().all(word) || self.methods.len() > 30 {
            return Err(ConfigError::Bounds {
                setting: "the payment methods",
                bounds: "words such as credit3d2 or webcvs",
            });
        }
        if self.notifications_settle {
            return Ok(());
        }
        if self.api.is_none() {
            return Err(ConfigError::Choice {
                setting: "what confirms a payment",
                hint: "give the password of the API type (`api`), or let notifications settle (`notifications_settle`) \
                       after reading what that means",
            });
        }
        let askable = |method: &String| super::status::Query::of(method).is_some();
        if self.methods.is_empty() || !self.methods.iter().all(askable) {
            return Err(ConfigError::Choice {
                setting: "what confirms a payment by another method than credit, credit3d, credit3d2, paypay and webcvs",
                hint: "only these can be asked about; leave the others out, or let notifications settle",
            });
        }
        Ok(())
    }

    fn api_of(&self, password: &ApiKey) -> Result<Api, ConfigError> {
        let live = self.environment == Environment::Live;
        let endpoint = self
            .api_endpoint
            .as_deref()
            .unwrap_or(if live { API_LIVE } else { API_TEST });
        let _ = setup::address("the API address", endpoint, &self.place())?;
        let user = self
            .api_user
            .clone()
            .unwrap_or_else(|| format!("{}{}", self.shop.merchant_id, self.shop.service_id));
        // A colon would end the user name in the header.
        if user.is_empty() || user.len() > 100 || !user.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
            return Err(ConfigError::Bounds {
                setting: "the API user",
                bounds: "1 to 100 visible ASCII characters without ':'",
            });
        }
        Ok(Api {
            endpoint: endpoint.to_owned(),
            user,
            password: password.clone(),
        })
    }
}

impl fmt::Debug for SbpsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SbpsBuilder")
            .field("environment", &self.environment)
            .field("shop", &self.shop)
            .finish_non_exhaustive()
    }
}
