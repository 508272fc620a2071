//! Purchase requests that are not taken, each for what is wrong with it, and each on SBPS's own error page.

use std::time::Duration;

use kessai::mock::Clock;
use kessai::mock::sbps::{MockSbps, Refusal};

use super::shop::Request;
use crate::support::start;

fn mock() -> MockSbps {
    MockSbps::builder().clock(Clock::stopped_at(start())).start().unwrap()
}

async fn refused(mock: &MockSbps, body: Vec<u8>) -> Option<String> {
    let page = mock.shopper().post(&mock.form_url(), body).await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.html().contains("charset=\"Shift_JIS\""));
    page.refused()
}

#[tokio::test]
async fn a_good_request_is_taken_once() {
    let mock = mock();
    let shop = mock.merchant();
    let body = Request::valid(&shop).signed(&shop);
    // The connection check says so without taking it.
    for _ in 0..2 {
        let page = mock.shopper().post(&mock.check_url(), body.clone()).await.unwrap();
        assert_eq!(page.refused(), None);
        assert!(!page.is_open());
    }
    assert!(shop.orders().is_empty());
    assert_eq!(refused(&mock, body.clone()).await, None);
    assert_eq!(refused(&mock, body).await.as_deref(), Some("used"));
    assert_eq!(mock.refusals(), [Refusal::Used]);
}

#[tokio::test]
async fn the_hash_has_to_be_that_of_the_bytes_in_utf_8() {
    let mock = mock();
    let shop = mock.merchant();
    let good = Request::valid(&shop);
    let other = mock.open_merchant("Somebody Else");
    let own = kessai::gateways::sbps::purchase_hash(&super::shop::keys(&shop), &good.borrowed());
    let backwards: String = own.chars().rev().collect();
    let wrong = [
        good.signed(&other),
        good.body_with(""),
        good.body_with(&backwards),
        good.body_with(&own[..39]),
        // Signed, and then another amount, name or address.
        good.clone().with("amount", "1").body_with(&own),
        good.clone().with("item_name", "表ソ能").body_with(&own),
        good.clone()
            .with("success_url", "http://127.0.0.1:9/elsewhere")
            .body_with(&own),
        // A browser that lacks a letter sends a reference instead, and the hash no longer fits.
        String::from_utf8(good.body_with(&own))
            .unwrap()
            .replace("%83%7C", "%26%23128512%3B")
            .into_bytes(),
        // Rows that nobody signed.
        good.clone().and(&row("1")).body_with(&own),
    ];
    for (index, body) in wrong.into_iter().enumerate() {
        assert_eq!(refused(&mock, body).await.as_deref(), Some("hash"), "{index}");
    }
    assert!(shop.orders().is_empty());
    // Either case of the digits is taken.
    assert_eq!(refused(&mock, good.body_with(&own.to_uppercase())).await, None);
}

/// `cmp_a01_sjis_hash_is_wrong` of the vectors: the body travels in `Shift_JIS`, the hash does not.
#[tokio::test]
async fn a_hash_over_the_bytes_of_the_body_is_refused() {
    let mock = mock();
    let shop = mock.merchant();
    let good = Request::valid(&shop);
    // The same text through the API's hash, which runs over Shift_JIS.
    let values: Vec<&str> = good.borrowed().into_iter().map(|(_, value)| value).collect();
    let leaves = format!("<v>{}</v>", values.join("</v><v>"));
    let document = format!("<r>{leaves}</r>");
    let document = kessai::charset::encode(&document).unwrap();
    let hash = kessai::gateways::sbps::request_hash(&super::shop::keys(&shop), &document).unwrap();
    assert_eq!(refused(&mock, good.body_with(&hash)).await.as_deref(), Some("hash"));
}

#[tokio::test]
async fn every_element_has_to_be_there_even_an_empty_one() {
    let mock = mock();
    let shop = mock.merchant();
    let good = Request::valid(&shop);
    for (name, _) in good.borrowed() {
        let body = good.clone().without(name).signed(&shop);
        assert_eq!(refused(&mock, body).await, Some(format!("missing {name}")));
    }
    let body = kessai::charset::form_body(good.borrowed()).unwrap().into_bytes();
    assert_eq!(refused(&mock, body).await.as_deref(), Some("missing sps_hashcode"));
    assert!(shop.orders().is_empty());
}

#[tokio::test]
async fn no_element_comes_twice_and_none_comes_that_the_table_lacks() {
    let mock = mock();
    let shop = mock.merchant();
    let good = Request::valid(&shop);
    for name in ["amount", "order_id", "pagecon_url", "limit_second"] {
        let body = good.clone().and(&[(name, "1")]).signed(&shop);
        assert_eq!(refused(&mock, body).await, Some(format!("repeated {name}")));
    }
    let mut body = good.signed(&shop);
    body.extend_from_slice(b"&sps_hashcode=0");
    assert_eq!(refused(&mock, body).await.as_deref(), Some("repeated sps_hashcode"));
    // The misspelling of a plug-in.
    for name in ["div_settle", "currency", "SPS_HASHCODE", ""] {
        let body = good.clone().and(&[(name, "x")]).signed(&shop);
        assert_eq!(refused(&mock, body).await, Some(format!("unknown {name}")));
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_value_is_named() {
    let mock = mock();
    let shop = mock.merchant();
    let good = Request::valid(&shop);
    let long = "x".repeat(65);
    let cases = [
        ("amount", "0", "value amount"),
        ("amount", "-5", "letters amount"),
        ("amount", "1,320", "letters amount"),
        ("amount", "１３２０", "letters amount"),
        ("amount", "13.2", "letters amount"),
        ("amount", "10000000", "length amount"),
        ("amount", "", "empty amount"),
        ("amount", "  ", "empty amount"),
        ("tax", "1321", "value tax"),
        ("tax", "x", "letters tax"),
        ("order_id", "", "empty order_id"),
        ("order_id", &long[..39], "length order_id"),
        ("order_id", "注文", "letters order_id"),
        ("cust_code", &long, "length cust_code"),
        ("cust_code", "", "empty cust_code"),
        ("item_id", "", "empty item_id"),
        ("item_id", &long[..33], "length item_id"),
        (
            "item_name",
            "ご注文商品一式ご注文商品一式ご注文商品一式",
            "length item_name",
        ),
        ("pay_type", "1", "value pay_type"),
        ("pay_type", "", "empty pay_type"),
        ("service_type", "1", "value service_type"),
        ("terminal_type", "2", "value terminal_type"),
        ("div_settele", "0", "value div_settele"),
        ("auto_charge_type", "1", "value auto_charge_type"),
        ("tracking_id", "80312789324672", "value tracking_id"),
        ("sps_cust_no", "1", "value sps_cust_no"),
        ("success_url", "", "empty success_url"),
        ("success_url", "/relative", "value success_url"),
        ("cancel_url", "javascript:alert(1)", "value cancel_url"),
        ("error_url", "file:///etc/hosts", "value error_url"),
        ("free_csv", "TEL=0312345678", "value free_csv"),
        ("free_csv", "bm8ga2V5", "value free_csv"),
        ("pay_method", "bitcoin", "method"),
        ("pay_method", "credit3d2,rakuten", "method"),
        ("request_date", "20261301000000", "value request_date"),
        ("request_date", "2026112311132", "value request_date"),
        ("request_date", "", "empty request_date"),
        ("limit_second", "10000", "length limit_second"),
        ("limit_second", "-1", "letters limit_second"),
        ("pagecon_url", "https://shop.example/result", "address"),
        ("pagecon_url", "http://192.0.2.1/result", "address"),
        ("pagecon_url", "http://127.0.0.1.shop.example/result", "address"),
    ];
    for (name, value, reason) in cases {
        let body = good.clone().with(name, value).signed(&shop);
        assert_eq!(refused(&mock, body).await.as_deref(), Some(reason), "{name}={value}");
    }
    for (name, value) in [("merchant_id", "30132"), ("service_id", "002"), ("merchant_id", "")] {
        let body = good.clone().with(name, value).signed(&shop);
        assert_eq!(refused(&mock, body).await.as_deref(), Some("shop"), "{name}={value}");
    }
    assert!(shop.orders().is_empty(), "none of these has used up the order id");
    // What is allowed at the edges.
    for (index, (name, value)) in [
        ("amount", "9999999"),
        ("tax", "0"),
        ("pay_method", ""),
        ("free_csv", "VEVMPTAz"),
    ]
    .into_iter()
    .enumerate()
    {
        let order = format!("EC-{index}");
        let body = good.clone().with(name, value).with("order_id", &order).signed(&shop);
        assert_eq!(refused(&mock, body).await, None, "{name}={value}");
    }
}

#[tokio::test]
async fn a_request_is_too_old_after_its_own_limit_and_a_utc_clock_is_nine_hours_off() {
    let mock = mock();
    let shop = mock.merchant();
    let good = Request::valid(&shop);
    let utc = good.clone().with("request_date", "20261123021320").signed(&shop);
    assert_eq!(refused(&mock, utc).await.as_deref(), Some("old"));
    mock.clock().advance(Duration::from_secs(600));
    assert_eq!(refused(&mock, good.signed(&shop)).await, None);
    mock.clock().advance(Duration::from_secs(1));
    let late = good.clone().with("order_id", "EC-2");
    assert_eq!(refused(&mock, late.signed(&shop)).await.as_deref(), Some("old"));
    // Ten minutes are also what holds where nothing is said.
    let silent = late.clone().with("limit_second", "");
    assert_eq!(refused(&mock, silent.signed(&shop)).await.as_deref(), Some("old"));
    let patient = late.with("limit_second", "9999");
    assert_eq!(refused(&mock, patient.signed(&shop)).await, None);
}

fn row(number: &'static str) -> [(&'static str, &'static str); 9] {
    [
        ("dtl_rowno", number),
        ("dtl_item_id", "LINE"),
        ("dtl_item_name", "能面"),
        ("dtl_item_count", "1"),
        ("dtl_tax", ""),
        ("dtl_amount", "1320"),
        ("dtl_free1", ""),
        ("dtl_free2", ""),
        ("dtl_free3", ""),
    ]
}

#[tokio::test]
async fn rows_come_whole_and_one_behind_the_other() {
    let mock = mock();
    let shop = mock.merchant();
    let good = Request::valid(&shop);
    let (one, two) = (row("1"), row("2"));
    let mixed: Vec<_> = one.iter().zip(&two).flat_map(|(one, two)| [*one, *two]).collect();
    let swapped: Vec<_> = one.iter().rev().copied().collect();
    let cases: [&[(&str, &str)]; 4] = [&one[..8], &one[1..], &mixed, &swapped];
    for rows in cases {
        let body = good.clone().and(rows).signed(&shop);
        assert_eq!(refused(&mock, body).await.as_deref(), Some("row"), "{rows:?}");
    }
    let half: Vec<_> = one[..4].iter().chain(&two).copied().collect();
    assert_eq!(
        refused(&mock, good.clone().and(&half).signed(&shop)).await.as_deref(),
        Some("row")
    );
    let long = "能面と表札とソ連の地図をまとめた一式の品";
    let mut named = one;
    named[2].1 = "能面と表札とソ連の地図をまとめた一式の品々";
    assert_eq!(long.chars().count(), 20);
    let body = good.clone().and(&named).signed(&shop);
    assert_eq!(refused(&mock, body).await.as_deref(), Some("length dtl_item_name"));
    let both: Vec<_> = one.iter().chain(&two).copied().collect();
    assert_eq!(refused(&mock, good.and(&both).signed(&shop)).await, None);
}

#[tokio::test]
async fn what_is_no_form_in_shift_jis_is_not_repaired() {
    let mock = mock();
    let shop = mock.merchant();
    let good = String::from_utf8(Request::valid(&shop).signed(&shop)).unwrap();
    let name = "%95%5C%83%5C%94%5C%83%7C";
    assert!(good.contains(name));
    for (value, reason) in [
        // The same name in UTF-8 reads as something else; a byte that is cut off and one that begins nothing do not read.
        ("%E8%A1%A8%E3%82%BD%E8%83%BD", "hash"),
        ("%95", "charset item_name"),
        ("%FF", "charset item_name"),
        ("%9", "form"),
        ("%zz", "form"),
    ] {
        let body = good.replace(name, value).into_bytes();
        assert_eq!(refused(&mock, body).await.as_deref(), Some(reason), "{value}");
    }
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    for (mime, method) in [
        ("application/json", http::Method::POST),
        ("multipart/form-data; boundary=x", http::Method::POST),
        ("application/x-www-form-urlencoded", http::Method::PUT),
    ] {
        let request = http.request(method, mock.form_url()).header("content-type", mime);
        let text = request.body(good.clone()).send().await.unwrap().text().await.unwrap();
        assert!(text.contains("data-reason=\"form\""), "{mime}");
    }
    let text = http.get(mock.form_url()).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("data-reason=\"form\""));
    assert!(shop.orders().is_empty());
}

#[tokio::test]
async fn the_same_order_id_at_another_shop_is_another_order() {
    let mock = mock();
    let (shop, other) = (mock.merchant(), mock.open_merchant("Somebody Else"));
    assert_eq!(refused(&mock, Request::valid(&shop).signed(&shop)).await, None);
    assert_eq!(refused(&mock, Request::valid(&other).signed(&other)).await, None);
    // But not with the other one's key.
    let crossed = Request::valid(&shop).with("order_id", "EC-2").signed(&other);
    assert_eq!(refused(&mock, crossed).await.as_deref(), Some("hash"));
    assert_eq!((shop.orders().len(), other.orders().len()), (1, 1));
    assert!(shop.order("EC-2").is_err());
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    assert!(MockSbps::builder().language("fr").start().is_err());
    let mock = MockSbps::start().unwrap();
    let port = mock.base_url().port().unwrap();
    assert!(MockSbps::builder().port(port).start().is_err(), "the port is taken");
    for url in [
        "https://127.0.0.1/x",
        "http://shop.example/x",
        "http://10.0.0.1/",
        "nonsense",
        "ftp://127.0.0.1/",
    ] {
        assert!(mock.merchant().notify_at(url).is_err(), "{url}");
    }
    mock.merchant().notify_at("http://localhost:9/x").unwrap();
}
