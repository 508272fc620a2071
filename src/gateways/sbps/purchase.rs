//! The purchase request A01-1: the fields in the order of the table, and the hash over them (sheet, "Create hosted payment").
//!
//! ```text
//! hashed: credit3d2 99661 001 <customer> <order> SHOP-ORDER ご注文商品一式 1320 0 0 0 https://... 20261101101500 600 + key
//! ```
//!
//! As UTF-8, although the browser posts it in `Shift_JIS`. The worked example is `cmp_a01_no_details` in `tests/vectors/sbps.json`.

use super::config::Config;
use crate::checkout::CheckoutRequest;
use crate::error::Error;
use crate::gateways::jst;
use crate::ledger::ExpectedPayment;
use crate::redirect::PostForm;
use crate::sign::{JoinedHash, SigningKeys};

/// The `sps_hashcode` of a purchase request with these fields, in this order.
#[must_use]
pub fn purchase_hash(keys: &SigningKeys, fields: &[(&str, &str)]) -> String {
    let joined: String = fields.iter().map(|(_, value)| value.trim_ascii()).collect();
    base16ct::lower::encode_string(&keys.hash_joined(JoinedHash::Sha1KeyLast, joined.as_bytes()))
}

/// The form of an attempt. The same attempt gives the same form, byte for byte.
pub(super) fn form(config: &Config, expected: &ExpectedPayment, request: &CheckoutRequest) -> Result<PostForm, Error> {
    let fields = fields(config, expected, request)?;
    let borrowed: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let hash = purchase_hash(&config.signing_keys, &borrowed);
    let mut form = PostForm::new(config.form_url.clone()).with_charset("Shift_JIS");
    for (name, value) in fields.into_iter().chain([(super::report::HASH_FIELD, hash)]) {
        form = form
            .field(name, value)
            .map_err(|error| Error::request("a field cannot be put into a form").with_source(error))?;
    }
    Ok(form)
}

fn fields(
    config: &Config,
    expected: &ExpectedPayment,
    request: &CheckoutRequest,
) -> Result<Vec<(&'static str, String)>, Error> {
    let attempt = expected.attempt.as_str();
    let addresses = &config.addresses;
    let came_back = addresses.return_url(expected);
    let request_date = jst::digits(expected.created_at).ok_or_else(|| Error::request("the time cannot be written"))?;
    let valid = expected.expires_at.duration_since(expected.created_at);
    let limit = valid
        .map_err(|_| Error::request("the attempt ends before it begins"))?
        .as_secs();
    let amount = expected.amount.minor_units().to_string();
    let methods = config.methods.join(",");
    let mut fields: Vec<(&'static str, String)> = [
        ("pay_method", methods.as_str()),
        ("merchant_id", config.shop.merchant_id()),
        ("service_id", config.shop.service_id()),
        // Payment data that the customer lets SBPS save hangs on this code, so it is another one for every attempt: nobody
        // can be offered somebody else's card.
        ("cust_code", attempt),
        ("sps_cust_no", ""),
        ("sps_payment_no", ""),
        ("order_id", attempt),
        ("item_id", &config.item_id),
        ("pay_item_id", ""),
        ("item_name", &config.item_name),
        // Empty, because a number here would run together with the amount behind it.
        ("tax", ""),
        ("amount", &amount),
        ("pay_type", "0"),
        ("auto_charge_type", ""),
        ("service_type", "0"),
        ("div_settele", ""),
        ("last_charge_month", ""),
        ("camp_type", ""),
        ("tracking_id", ""),
        ("terminal_type", "0"),
        ("success_url", &came_back),
        ("cancel_url", &addresses.cancel_url(expected)),
        ("error_url", &came_back),
        ("pagecon_url", &addresses.notification_url()),
        ("free1", ""),
        ("free2", ""),
        ("free3", ""),
        ("free_csv", ""),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    if config.details {
        for (index, item) in request.items().iter().enumerate() {
            let line = item.unit_price().checked_mul(item.quantity())?;
            fields.extend([
                ("dtl_rowno", (index + 1).to_string()),
                ("dtl_item_id", format!("LINE-{}", index + 1)),
                ("dtl_item_name", item.name().to_owned()),
                ("dtl_item_count", item.quantity().to_string()),
                ("dtl_tax", String::new()),
                ("dtl_amount", line.minor_units().to_string()),
                ("dtl_free1", String::new()),
                ("dtl_free2", String::new()),
                ("dtl_free3", String::new()),
            ]);
        }
    }
    fields.extend([("request_date", request_date), ("limit_second", limit.to_string())]);
    Ok(fields)
}
