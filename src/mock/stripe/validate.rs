//! Whether a request to create a session is one that Stripe would take (Stripe sheet §1, §4 and §10, 2026-11-23).

use url::Url;

use super::error::ApiError;
use super::money;
use super::objects::{LineItem, NewSession};
use super::params::{Params, missing};
use super::version::Version;

const LOCALES: &[&str] = &[
    "auto", "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hi-IN",
    "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk",
    "sl", "sv", "th", "tr", "vi", "zh", "zh-HK", "zh-TW",
];

const KNOWN: &[&str] = &[
    "mode",
    "success_url",
    "cancel_url",
    "client_reference_id",
    "customer",
    "customer_email",
    "currency",
    "expires_at",
    "expand[#]",
    "locale",
    "submit_type",
    "ui_mode",
    "metadata[*]",
    "line_items[#][quantity]",
    "line_items[#][price]",
    "line_items[#][price_data][currency]",
    "line_items[#][price_data][unit_amount]",
    "line_items[#][price_data][unit_amount_decimal]",
    "line_items[#][price_data][product]",
    "line_items[#][price_data][product_data][name]",
    "line_items[#][price_data][product_data][description]",
    "allowed_payment_method_types[#]",
    "excluded_payment_method_types[#]",
    "payment_method_types[#]",
    "payment_intent_data[capture_method]",
    "payment_intent_data[description]",
    "payment_intent_data[metadata][*]",
    "payment_intent_data[receipt_email]",
    "payment_intent_data[setup_future_usage]",
    "payment_intent_data[statement_descriptor]",
    "payment_intent_data[statement_descriptor_suffix]",
];

/// The longest URL Stripe keeps.
const URL_LENGTH: usize = 5000;

/// Reads the parameters of `POST /v1/checkout/sessions`.
pub(super) fn new_session(params: &Params, version: &Version, now: i64) -> Result<NewSession, ApiError> {
    params.only(KNOWN)?;
    params.required("mode")?;
    let mode = params
        .choice("mode", &["payment", "setup", "subscription"])?
        .unwrap_or("payment");
    if mode != "payment" {
        return Err(ApiError::invalid("The simulator plays mode `payment` only.").at("mode"));
    }
    ui_mode(params, version)?;
    if params.optional("customer")?.is_some() {
        let customer = params.required("customer")?;
        return Err(ApiError::no_such("customer", customer, "customer"));
    }
    let (line_items, currency, amount) = line_items(params)?;
    check_amount(amount, &currency)?;
    let success_url = address(params, "success_url")?.ok_or_else(|| missing("success_url"))?;
    let cancel_url = address(params, "cancel_url")?;
    let methods = methods(params, version, &currency)?;
    Ok(NewSession {
        amount,
        currency,
        line_items,
        client_reference_id: params.text("client_reference_id", 200)?,
        customer_email: email(params, "customer_email")?,
        locale: params.choice("locale", LOCALES)?,
        submit_type: params.choice("submit_type", &["auto", "book", "donate", "pay", "subscribe"])?,
        success_url,
        cancel_url,
        expires_at: expires_at(params, now)?,
        metadata: params.metadata("metadata")?,
        allowed: params.list("allowed_payment_method_types")?,
        methods,
        capture_method: capture_method(params)?,
        intent_description: params.text("payment_intent_data[description]", 1000)?,
        intent_suffix: intent_suffix(params)?,
        intent_metadata: params.metadata("payment_intent_data[metadata]")?,
    })
}

/// `hosted`, `embedded` and `custom` were renamed; each side of the change refuses the names of the other.
fn ui_mode(params: &Params, version: &Version) -> Result<(), ApiError> {
    let hosted = version.hosted_ui_mode();
    let names: &[&str] = match hosted {
        "hosted_page" => &["elements", "embedded_page", "form", "hosted_page"],
        _ => &["custom", "embedded", "hosted"],
    };
    match params.choice("ui_mode", names)? {
        None => Ok(()),
        Some(mode) if mode == hosted => Ok(()),
        Some(_) => Err(ApiError::invalid("The simulator plays the hosted page only.").at("ui_mode")),
    }
}

fn line_items(params: &Params) -> Result<(Vec<LineItem>, String, u64), ApiError> {
    let indexes = params.indexes("line_items");
    if indexes.is_empty() {
        return Err(missing("line_items"));
    }
    if indexes.len() > 100 {
        return Err(ApiError::invalid("At most 100 line items are allowed in payment mode.").at("line_items"));
    }
    let mut items = Vec::with_capacity(indexes.len());
    let mut shared: Option<String> = params.optional("currency")?.map(str::to_owned);
    let mut total = 0_u64;
    for index in indexes {
        let (item, currency) = line_item(params, &format!("line_items[{index}]"))?;
        if shared.as_ref().is_some_and(|first| *first != currency) {
            let message = "All line items must have the same currency.";
            return Err(ApiError::invalid(message).at(&format!("line_items[{index}][price_data][currency]")));
        }
        shared.get_or_insert(currency);
        total = total
            .checked_add(item.total)
            .filter(|sum| *sum <= money::MAXIMUM)
            .ok_or_else(too_large)?;
        items.push(item);
    }
    Ok((items, shared.unwrap_or_default(), total))
}

fn line_item(params: &Params, at: &str) -> Result<(LineItem, String), ApiError> {
    if let Some(price) = params.optional(&format!("{at}[price]"))? {
        return Err(ApiError::no_such("price", price, &format!("{at}[price]")));
    }
    let data = format!("{at}[price_data]");
    if !params.any_under(&data) {
        return Err(missing(&data));
    }
    if let Some(product) = params.optional(&format!("{data}[product]"))? {
        return Err(ApiError::no_such("product", product, &format!("{data}[product]")));
    }
    let quantity_at = format!("{at}[quantity]");
    let quantity = params.unsigned(&quantity_at)?.ok_or_else(|| missing(&quantity_at))?;
    if quantity == 0 {
        return Err(ApiError::coded(
            "parameter_invalid_integer",
            "This value must be greater than or equal to 1.",
        )
        .at(&quantity_at));
    }
    let currency_at = format!("{data}[currency]");
    let currency = params.required(&currency_at)?.to_owned();
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Err(ApiError::invalid(format!("Invalid currency: {currency}")).at(&currency_at));
    }
    let name_at = format!("{data}[product_data][name]");
    let name = params.text(&name_at, 5000)?.ok_or_else(|| missing(&name_at))?;
    let description = params.text(&format!("{data}[product_data][description]"), 40_000)?;
    let amount_at = format!("{data}[unit_amount]");
    let decimal_at = format!("{data}[unit_amount_decimal]");
    let total = match (params.unsigned(&amount_at)?, params.optional(&decimal_at)?) {
        (Some(_), Some(_)) => {
            let message = "You may only specify one of these parameters: unit_amount, unit_amount_decimal.";
            return Err(ApiError::invalid(message).at(&amount_at));
        }
        (None, None) => return Err(missing(&amount_at)),
        (Some(unit), None) => unit
            .checked_mul(quantity)
            .filter(|total| *total <= money::MAXIMUM)
            .ok_or_else(too_large)?,
        (None, Some(text)) => decimal_total(text, quantity).ok_or_else(|| {
            ApiError::invalid(format!("Invalid decimal: {text}; must have at most 12 decimal places")).at(&decimal_at)
        })?,
    };
    Ok((
        LineItem {
            name,
            description,
            quantity,
            total,
        },
        currency,
    ))
}

/// `quantity` times a decimal with at most 12 places, rounded half up to minor units.
fn decimal_total(text: &str, quantity: u64) -> Option<u64> {
    const SCALE: u128 = 1_000_000_000_000;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() > 12 || fraction.len() > 12 {
        return None;
    }
    let scaled = whole.parse::<u128>().ok()? * SCALE + format!("{fraction:0<12}").parse::<u128>().ok()?;
    let total = scaled.checked_mul(u128::from(quantity))?.checked_add(SCALE / 2)? / SCALE;
    u64::try_from(total).ok().filter(|total| *total <= money::MAXIMUM)
}

fn check_amount(amount: u64, currency: &str) -> Result<(), ApiError> {
    const PARAM: &str = "line_items[0][price_data][unit_amount]";
    if !money::fraction_allowed(currency, amount) {
        return Err(ApiError::coded(
            "parameter_invalid_integer",
            format!("Invalid amount for {currency}: {amount}"),
        )
        .at(PARAM));
    }
    // Nothing to pay is allowed; almost nothing is not.
    if amount > 0 && money::minimum(currency).is_some_and(|least| amount < least) {
        let message = format!("The Checkout Session's total amount is below the minimum charge amount for {currency}.");
        return Err(ApiError::coded("amount_too_small", message));
    }
    Ok(())
}

fn too_large() -> ApiError {
    ApiError::coded("amount_too_large", "Amount must have no more than 12 digits.")
}

fn methods(params: &Params, version: &Version, currency: &str) -> Result<Vec<String>, ApiError> {
    let listed = params.list("payment_method_types")?;
    let allowed = params.list("allowed_payment_method_types")?;
    let excluded = params.list("excluded_payment_method_types")?;
    let unknown =
        |name: &str| Err(ApiError::coded("parameter_unknown", format!("Received unknown parameter: {name}")).at(name));
    if version.has_allowed_methods() {
        if !listed.is_empty() {
            return unknown("payment_method_types");
        }
    } else if !allowed.is_empty() {
        return unknown("allowed_payment_method_types");
    }
    let malformed = |name: &String| {
        name.is_empty()
            || !name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if let Some(bad) = listed
        .iter()
        .chain(&allowed)
        .chain(&excluded)
        .find(|name| malformed(name))
    {
        return Err(ApiError::invalid(format!("Invalid payment method type: {bad}")).at("payment_method_types"));
    }
    let later = if currency == "jpy" {
        "konbini"
    } else {
        "customer_balance"
    };
    let wanted = |name: &str| {
        let named = |list: &[String]| list.iter().any(|entry| entry == name);
        (listed.is_empty() || named(&listed)) && (allowed.is_empty() || named(&allowed)) && !named(&excluded)
    };
    let offered: Vec<String> = ["card", later]
        .into_iter()
        .filter(|name| wanted(name))
        .map(str::to_owned)
        .collect();
    if offered.is_empty() {
        return Err(ApiError::invalid(
            "No payment method that the simulator plays is left (card, konbini, customer_balance).",
        ));
    }
    Ok(offered)
}

fn capture_method(params: &Params) -> Result<&'static str, ApiError> {
    let known = &["automatic", "automatic_async", "manual"];
    Ok(params
        .choice("payment_intent_data[capture_method]", known)?
        .unwrap_or("automatic_async"))
}

fn intent_suffix(params: &Params) -> Result<Option<String>, ApiError> {
    email(params, "payment_intent_data[receipt_email]")?;
    params.choice(
        "payment_intent_data[setup_future_usage]",
        &["off_session", "on_session"],
    )?;
    let whole = "payment_intent_data[statement_descriptor]";
    if params.optional(whole)?.is_some() {
        let message = "statement_descriptor is not supported for card charges; use statement_descriptor_suffix.";
        return Err(ApiError::invalid(message).at(whole));
    }
    params.text("payment_intent_data[statement_descriptor_suffix]", 22)
}

/// 30 minutes to 24 hours from now; 24 hours without it.
fn expires_at(params: &Params, now: i64) -> Result<i64, ApiError> {
    let latest = now.saturating_add(24 * 60 * 60);
    let Some(wanted) = params.integer("expires_at")? else {
        return Ok(latest);
    };
    if wanted < now.saturating_add(30 * 60) {
        let message = "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.";
        return Err(ApiError::invalid(message).at("expires_at"));
    }
    if wanted > latest {
        let message = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.";
        return Err(ApiError::invalid(message).at("expires_at"));
    }
    Ok(wanted)
}

fn email(params: &Params, name: &str) -> Result<Option<String>, ApiError> {
    let Some(text) = params.text(name, 512)? else {
        return Ok(None);
    };
    let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let shaped = text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && domain.contains('.')
            && !domain.contains('@')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
    });
    if plain && shaped {
        Ok(Some(text))
    } else {
        Err(ApiError::coded("email_invalid", format!("Invalid email address: {text}")).at(name))
    }
}

fn address(params: &Params, name: &str) -> Result<Option<String>, ApiError> {
    let Some(text) = params.text(name, URL_LENGTH)? else {
        return Ok(None);
    };
    // The URL type drops tabs and newlines silently, and an address with them is not one.
    let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let web = Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if plain && web {
        Ok(Some(text))
    } else {
        Err(ApiError::coded("url_invalid", "Not a valid URL").at(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_multiplied_before_they_are_rounded() {
        assert_eq!(decimal_total("0.5", 3), Some(2));
        assert_eq!(decimal_total("10", 2), Some(20));
        assert_eq!(decimal_total("0.000000000001", 1), Some(0));
        for bad in ["", ".5", "1.", "-1", "1.0000000000001", "1e3", "9999999999999"] {
            assert_eq!(decimal_total(bad, 1), None, "{bad}");
        }
    }
}
