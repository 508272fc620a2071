//! kessai takes payments through a gateway's hosted payment page.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod addresses;
mod callback;
pub mod cashier;
mod checkout;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod event;
mod form;
mod gateway;
pub mod gateways;
mod guard;
pub mod ledger;
pub mod ledgers;
mod money;
mod payment;
mod redirect;
mod reference;
mod secret;
pub mod sign;
mod trace;
pub mod transport;
mod verified;

pub use self::addresses::Addresses;
pub use self::callback::{Callback, CallbackError, CallbackLimits};
pub use self::cashier::{Cashier, OpenError, ReturnPage, Standing, SweepPolicy};
pub use self::checkout::{
    Checkout, CheckoutRequest, CheckoutRequestBuilder, ContentDigest, Email, LineItem, Locale, RequestError,
};
pub use self::clock::{Clock, SystemClock};
pub use self::error::{ConfigError, Error, ErrorKind, Outcome, VerifyError};
pub use self::event::{Notification, PaymentEvent, Received, ReturnHint, Subject};
pub use self::form::{FormBody, FormError, Params, path_segment};
pub use self::gateway::{Abilities, Ack, AttemptPlan, Capture, Expire, Gateway, Gateways, Refund, RefundReceipt, Void};
pub use self::guard::{CardDataKind, CardDataSighted, check_text};
pub use self::ledger::{Accepted, Applied, ExpectedPayment, Judgement, Ledger, Mismatch, StoreError};
pub use self::money::{Currency, Money, MoneyError};
pub use self::payment::{CaptureMode, GatewayWord, Move, PaymentSnapshot, PaymentStatus};
pub use self::redirect::{AllowedOrigins, Nonce, PostForm, Redirect, RedirectError, RedirectUrl};
pub use self::reference::{
    AttemptReference, CustomerReference, Environment, EventId, FulfilmentKey, GatewayId, GatewayReference,
    IdempotencyKey, MerchantAccount, MerchantReference, RandomError, ReferenceError, ReferenceFormat, ReturnToken,
};
pub use self::secret::{ApiKey, SecretError, SharedToken, SigningKey};
pub use self::verified::{EvidenceDigest, KeySlot, Trust, Verified};
