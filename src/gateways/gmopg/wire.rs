//! GMO-PG's own shapes and field names: only what the sheet names.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::error::VerifyError;
use crate::form::{FormError, RawParams};
use crate::reference::GatewayReference;

/// `GetLinkplusUrlPayment.json` (sheet section "Create hosted payment"). `configid` is at the top, in lower case.
#[derive(Serialize)]
pub(super) struct CreateLink<'a> {
    pub(super) configid: &'a str,
    /// Not part of a parameter link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) geturlparam: Option<Shop<'a>>,
    pub(super) transaction: Transaction<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) displaysetting: Option<Display>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer: Option<Customer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credit: Option<Credit>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Shop<'a> {
    #[serde(rename = "ShopID")]
    pub(super) shop_id: &'a str,
    pub(super) shop_pass: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Transaction<'a> {
    #[serde(rename = "OrderID")]
    pub(super) order_id: &'a str,
    pub(super) amount: u64,
    pub(super) tax: u64,
    pub(super) pay_methods: Vec<&'a str>,
    pub(super) ret_url: &'a str,
    pub(super) complete_url: &'a str,
    pub(super) cancel_url: &'a str,
    pub(super) payment_expire_date: &'a str,
    pub(super) result_skip_flag: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Display {
    pub(super) lang: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Customer<'a> {
    pub(super) mail_address: &'a str,
}

/// 3-D Secure as contracted, and an error for a card that has none (sheet trap 8).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Credit {
    pub(super) job_cd: &'static str,
    pub(super) method: &'static str,
    pub(super) td_flag: &'static str,
    #[serde(rename = "Tds2Type")]
    pub(super) tds2_type: &'static str,
}

/// `RejectLinkplusUrlPayment.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RejectLink<'a> {
    #[serde(rename = "ShopID")]
    pub(super) shop_id: &'a str,
    pub(super) shop_pass: &'a str,
    #[serde(rename = "OrderID")]
    pub(super) order_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Link<'a> {
    #[serde(borrow, rename = "OrderID")]
    pub(super) order_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) link_url: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(super) struct Rejected<'a> {
    #[serde(borrow, rename = "OrderID")]
    pub(super) order_id: Cow<'a, str>,
}

/// One entry of the list that comes with HTTP 400; both spellings are seen.
#[derive(Deserialize)]
pub(super) struct JsonError<'a> {
    #[serde(borrow, rename = "ErrInfo", alias = "errInfo")]
    pub(super) info: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "ErrCode", alias = "errCode")]
    pub(super) code: Option<Cow<'a, str>>,
}

/// What a signed return carries. Members of the method's own object are unconfirmed and not read.
#[derive(Deserialize)]
pub(super) struct ReturnResult<'a> {
    #[serde(borrow)]
    pub(super) transactionresult: TransactionResult<'a>,
}

#[derive(Deserialize)]
pub(super) struct TransactionResult<'a> {
    #[serde(borrow, rename = "OrderID")]
    pub(super) order_id: Cow<'a, str>,
    #[serde(borrow, rename = "AccessID")]
    pub(super) access_id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "Result")]
    pub(super) result: Option<Cow<'a, str>>,
}

/// Names and values as bytes, every name once. The charset of notifications is unconfirmed and that of answers is
/// Windows-31J; every field that is read is ASCII, and in that charset neither `&` nor `=` is ever half of a character.
pub(super) struct Fields<'a>(RawParams<'a>);

impl<'a> Fields<'a> {
    /// A form as a browser or a server posts it.
    pub(super) fn of_form(body: &'a [u8]) -> Result<Self, VerifyError> {
        RawParams::parse(body).map(Self).map_err(refusal)
    }

    /// An idPass answer: never percent-encoded (sheet trap 6).
    pub(super) fn of_answer(body: &'a [u8]) -> Result<Self, VerifyError> {
        let body = body.strip_suffix(b"\n").unwrap_or(body);
        let body = body.strip_suffix(b"\r").unwrap_or(body);
        RawParams::plain(body).map(Self).map_err(refusal)
    }

    /// A value as it came.
    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.value(name)
    }

    /// A value that is ASCII; anything else is as good as absent.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.bytes(name)
            .and_then(|value| std::str::from_utf8(value).ok())
            .filter(|value| value.is_ascii())
    }

    /// The same, empty values left out: GMO-PG writes what it does not know as an empty value.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|value| !value.is_empty())
    }

    /// The tax beside the amount. Without one the field may be missing; one that cannot be read is none.
    pub(super) fn tax(&self) -> Option<u64> {
        match self.bytes("Tax") {
            None | Some([]) => Some(0),
            Some(_) => self.amount("Tax"),
        }
    }

    /// An amount: plain digits, nothing else, at most seven (sheet section "Money").
    pub(super) fn amount(&self, name: &str) -> Option<u64> {
        self.filled(name)
            .filter(|text| text.len() <= 7 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
    }
}

fn refusal(error: FormError) -> VerifyError {
    VerifyError::Malformed(match error {
        FormError::Encoding => "the form cannot be read",
        FormError::Duplicate => "a field is there more than once",
        FormError::TooMany => "the form has too many fields",
    })
}

/// The deal's own id and password. The password is a credential: it lives in one call and is never kept.
pub(super) struct Access {
    pub(super) id: String,
    pub(super) pass: String,
    pub(super) job: String,
    pub(super) amount: u64,
    pub(super) tax: u64,
}

impl Access {
    pub(super) fn read(fields: &Fields<'_>) -> Option<Self> {
        let hex = |name| {
            let text = fields.filled(name)?;
            let fits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            fits.then(|| text.to_owned())
        };
        Some(Self {
            id: hex("AccessID")?,
            pass: hex("AccessPass")?,
            job: fields.filled("JobCd").unwrap_or_default().to_owned(),
            amount: fields.amount("Amount")?,
            tax: fields.tax()?,
        })
    }

    /// Is it the deal of this name?
    pub(super) fn is_of(&self, payment: &GatewayReference) -> bool {
        self.id == payment.as_str()
    }

    /// What was charged in all, in yen.
    pub(super) fn total(&self) -> u64 {
        self.amount.saturating_add(self.tax)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_and_the_password_of_a_deal_are_32_hex_digits() {
        let read = |id: &str, pass: &str| {
            let body = format!("AccessID={id}&AccessPass={pass}&JobCd=AUTH&Amount=1320&Tax=0");
            Access::read(&Fields::of_answer(body.as_bytes()).unwrap()).is_some()
        };
        let (id, pass) = ("5f2c9a1e7b3d40688c11aa02d94e6f73", "4099664bd4b110800e09805539d1d7b5");
        assert!(read(id, pass));
        let (short, long, odd) = (&id[1..], format!("{id}0"), id.replace('a', "g"));
        for other in ["", short, &long, &odd, "5f2c9a1e7b3d40688c11aa02d94e6f7&"] {
            assert!(!read(other, pass) && !read(id, other), "{other}");
        }
    }

    #[test]
    fn doubled_broken_and_endless_forms_are_refused() {
        for body in ["a=1&a=1", "a=1&%61=2", "a=%", "a=%4", "a=%zz", "=&="] {
            assert!(Fields::of_form(body.as_bytes()).is_err(), "{body}");
        }
        let many: Vec<String> = (0..=200).map(|n| format!("f{n}=1")).collect();
        assert!(Fields::of_form(many.join("&").as_bytes()).is_err());
        assert!(Fields::of_answer(b"Status=AUTH&Status=CAPTURE").is_err());
    }

    #[test]
    fn bytes_of_another_charset_hide_nothing_and_break_nothing() {
        // 表 is 0x95 0x5c, ソ is 0x83 0x5c.
        let body = b"CustomerName=%95%5C%83%5C&Status=CAPTURE&ClientField1=\x95\x5c&Amount=1200\r\n";
        let fields = Fields::of_answer(body).unwrap();
        assert_eq!(fields.text("Status"), Some("CAPTURE"));
        assert_eq!(fields.text("ClientField1"), None);
        assert_eq!(fields.amount("Amount"), Some(1200));
        let fields = Fields::of_form(b"CustomerName=%95%5C&Approve=+019292").unwrap();
        assert_eq!(
            (fields.text("CustomerName"), fields.text("Approve")),
            (None, Some(" 019292"))
        );
    }

    #[test]
    fn a_tax_that_cannot_be_read_is_none_and_one_that_is_not_there_is_nothing() {
        for (body, tax) in [
            (&b"Amount=1"[..], Some(0)),
            (b"Tax=", Some(0)),
            (b"Tax=0", Some(0)),
            (b"Tax=120", Some(120)),
            (b"Tax=x", None),
            (b"Tax= 0", None),
            (b"Tax=\x95\x5c", None),
            (b"Tax=\xef\xbc\x90", None),
        ] {
            assert_eq!(Fields::of_answer(body).unwrap().tax(), tax, "{body:?}");
        }
    }

    #[test]
    fn only_plain_amounts_are_amounts() {
        for value in ["", " 1", "+1", "-1", "1.0", "1,000", "12345678", "１", "0x1"] {
            let body = format!("Amount={value}");
            assert_eq!(
                Fields::of_answer(body.as_bytes()).unwrap().amount("Amount"),
                None,
                "{value}"
            );
        }
    }
}
