//! What the mock gateway refuses, and what breaks on the way, as Stripe's SDKs see it.

use kessai::mock::stripe::{Fault, MockStripe, Operation, RateLimit};
use serde_json::{Value, json};

use super::client::{assert_refused, manual, paid, session, unix};
use super::sdk::Sdk;

/// A field of a session, the code that is expected if one is, and the parameter that is named.
type Row<'r> = ((&'r str, Value), Option<&'r str>, Option<&'r str>);

#[tokio::test]
async fn bad_parameters_are_refused_in_errors_the_sdks_know() {
    for mut sdk in Sdk::all() {
        let mock = MockStripe::start().unwrap();
        let (name, key) = (sdk.name, mock.merchant().api_key().to_owned());
        let mut client = sdk.client(&mock, &key);
        let now = unix(mock.clock().now());
        let price = |price: Value| ("line_items", json!([{"quantity": 1, "price_data": price}]));
        let tea = json!({"name": "tea"});
        let amount = "line_items[0][price_data][unit_amount]";
        let table: Vec<Row<'_>> = vec![
            (("mode", json!(null)), None, Some("mode")),
            (("mode", json!("pay")), None, Some("mode")),
            (
                ("success_url", json!("shop.example/return")),
                Some("url_invalid"),
                Some("success_url"),
            ),
            (("success_url", json!("")), None, Some("success_url")),
            (
                ("cancel_url", json!("javascript:alert(1)")),
                Some("url_invalid"),
                Some("cancel_url"),
            ),
            (("locale", json!("tlh")), None, Some("locale")),
            (
                ("client_reference_id", json!("x".repeat(201))),
                None,
                Some("client_reference_id"),
            ),
            (
                ("customer_email", json!("taro")),
                Some("email_invalid"),
                Some("customer_email"),
            ),
            (("customer", json!("cus_1")), Some("resource_missing"), Some("customer")),
            (("expires_at", json!(now + 60)), None, Some("expires_at")),
            (("expires_at", json!(now + 90_000)), None, Some("expires_at")),
            (("ui_mode", json!("hosted")), None, Some("ui_mode")),
            (
                ("payment_method_types", json!(["card"])),
                Some("parameter_unknown"),
                Some("payment_method_types"),
            ),
            (("surprise", json!("x")), Some("parameter_unknown"), Some("surprise")),
            (("line_items", json!([])), Some("parameter_missing"), Some("line_items")),
            (
                price(json!({"currency": "jpy", "unit_amount": 1.5, "product_data": tea})),
                Some("parameter_invalid_integer"),
                Some(amount),
            ),
            (
                price(json!({"currency": "jpy", "unit_amount": -1, "product_data": tea})),
                Some("parameter_invalid_integer"),
                Some(amount),
            ),
            (
                price(json!({"currency": "jpy", "unit_amount": 49, "product_data": tea})),
                Some("amount_too_small"),
                None,
            ),
            (
                price(json!({"currency": "jpy", "unit_amount": 1_000_000_000_000_u64, "product_data": tea})),
                Some("amount_too_large"),
                None,
            ),
            (
                price(json!({"currency": "JPY", "unit_amount": 500, "product_data": tea})),
                None,
                Some("line_items[0][price_data][currency]"),
            ),
            (
                price(json!({"currency": "jpy", "product_data": tea})),
                Some("parameter_missing"),
                Some(amount),
            ),
            (
                price(json!({"currency": "jpy", "unit_amount": 500})),
                Some("parameter_missing"),
                Some("line_items[0][price_data][product_data][name]"),
            ),
        ];
        for ((field, value), code, param) in table {
            let what = format!("{name} {field} {value}");
            let mut params = session(&[(field, value.clone())]);
            if value.is_null() {
                params.as_object_mut().unwrap().remove(field);
            }
            let refused = client
                .call("checkout.sessions.create", params)
                .await
                .map(|made| made.value)
                .unwrap_err();
            let status = if code == Some("resource_missing") { 404 } else { 400 };
            assert_eq!(
                (refused.class.as_str(), refused.status),
                ("InvalidRequestError", Some(status)),
                "{what}: {refused:?}"
            );
            assert_eq!(
                refused.kind.as_deref(),
                Some("invalid_request_error"),
                "{what}: {refused:?}"
            );
            if code.is_some() {
                assert_eq!(refused.code.as_deref(), code, "{what}: {refused:?}");
            }
            assert_eq!(refused.param.as_deref(), param, "{what}: {refused:?}");
            assert!(
                refused.request_id.as_deref().is_some_and(|id| id.starts_with("req_")),
                "{what}: {refused:?}"
            );
        }
        for (method, param) in [
            ("checkout.sessions.retrieve", Some("session")),
            ("checkout.sessions.expire", Some("session")),
            ("payment_intents.retrieve", Some("intent")),
            ("payment_intents.capture", Some("intent")),
            ("payment_intents.cancel", Some("intent")),
            ("refunds.retrieve", Some("refund")),
            ("events.retrieve", Some("id")),
        ] {
            let refused = client
                .about(method, "xx_unknown", json!({}))
                .await
                .map(|found| found.value)
                .unwrap_err();
            assert_refused(
                &refused,
                "InvalidRequestError",
                404,
                Some("resource_missing"),
                param,
                &format!("{name} {method}"),
            );
        }
        let deep = json!({"expand": ["payment_intent.latest_charge.x.y.z"]});
        let refused = client
            .call("checkout.sessions.list", deep)
            .await
            .map(|found| found.value)
            .unwrap_err();
        assert_eq!(refused.class, "InvalidRequestError", "{name}");
        assert!(mock.merchant().sessions().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn keys_that_do_not_fit_are_refused() {
    for mut sdk in Sdk::all() {
        let mock = MockStripe::start().unwrap();
        let name = sdk.name;
        let wrong = [
            "sk_test_0123456789abcdef",
            "sk_live_0123456789abcdef",
            "rk_live_0123456789abcdef",
            "pk_test_0123456789abcdef",
        ];
        for key in wrong {
            let refused = sdk
                .client(&mock, key)
                .call("checkout.sessions.create", session(&[]))
                .await;
            let refused = refused.map(|made| made.value).unwrap_err();
            assert_refused(
                &refused,
                "AuthenticationError",
                401,
                None,
                None,
                &format!("{name} {key}"),
            );
            assert!(!refused.message.contains(key), "{name} the key is in the message");
        }
        let key = mock.merchant().api_key().to_owned();
        let (id, payment) = paid(&mock, &mut sdk.client(&mock, &key), &[manual()]).await;

        // A restricted key reads, but does not move money.
        let restricted = mock.merchant().restricted_key().to_owned();
        let mut client = sdk.client(&mock, &restricted);
        assert!(
            client.about("checkout.sessions.retrieve", &id, json!({})).await.is_ok(),
            "{name}"
        );
        for (method, about) in [
            ("payment_intents.capture", true),
            ("payment_intents.cancel", true),
            ("refunds.create", false),
        ] {
            let refused = if about {
                client.about(method, &payment, json!({})).await
            } else {
                client.call(method, json!({"payment_intent": payment})).await
            };
            let refused = refused.map(|done| done.value).unwrap_err();
            assert_refused(
                &refused,
                "PermissionError",
                403,
                None,
                None,
                &format!("{name} {method}"),
            );
        }

        // Another merchant's session looks like none.
        let other = mock.open_merchant("Somebody else");
        let refused = sdk
            .client(&mock, other.api_key())
            .about("checkout.sessions.retrieve", &id, json!({}))
            .await;
        assert_refused(
            &refused.unwrap_err(),
            "InvalidRequestError",
            404,
            Some("resource_missing"),
            Some("session"),
            name,
        );
        assert_eq!(
            mock.merchant().session(&id).unwrap().payment_intent_status.as_deref(),
            Some("requires_capture")
        );
    }
}

#[tokio::test]
async fn a_key_is_good_for_one_set_of_parameters() {
    for mut sdk in Sdk::all() {
        let mock = MockStripe::start().unwrap();
        let (name, key) = (sdk.name, mock.merchant().api_key().to_owned());
        let mut client = sdk.client(&mock, &key);
        client.with("idempotency_key", "order-1 / try-1");
        let first = client.call("checkout.sessions.create", session(&[])).await.unwrap();
        let again = client.call("checkout.sessions.create", session(&[])).await.unwrap();
        assert_eq!(first.value, again.value, "{name}");
        assert_eq!(first.reply["idempotency_key"], "order-1 / try-1", "{name}");
        let other = client
            .call("checkout.sessions.create", session(&[("locale", json!("ja"))]))
            .await;
        assert_refused(&other.unwrap_err(), "IdempotencyError", 400, None, None, name);
        assert_eq!(mock.merchant().sessions().len(), 1, "{name}");

        // What validation refused was not kept.
        client.with("idempotency_key", "order-2");
        let refused = client
            .call("checkout.sessions.create", session(&[("locale", json!("tlh"))]))
            .await;
        assert_eq!(refused.unwrap_err().class, "InvalidRequestError", "{name}");
        assert!(
            client.call("checkout.sessions.create", session(&[])).await.is_ok(),
            "{name}"
        );

        // Another merchant's keys are others.
        let merchant = mock.open_merchant("Somebody else");
        let mut theirs = sdk.client(&mock, merchant.api_key());
        theirs.with("idempotency_key", "order-1 / try-1");
        let made = theirs.call("checkout.sessions.create", session(&[])).await.unwrap();
        assert_ne!(made["id"], first["id"], "{name}");
    }
}

#[tokio::test]
async fn the_sdks_repeat_what_may_be_repeated_under_the_same_key() {
    for mut sdk in Sdk::all() {
        let name = sdk.name;
        let passing = [
            Fault::Unavailable,
            Fault::KeyInUse,
            Fault::LostRequest,
            Fault::LostReply,
        ];
        for fault in passing {
            let what = format!("{name} {fault:?}");
            let mock = MockStripe::start().unwrap();
            let key = mock.merchant().api_key().to_owned();
            let mut client = sdk.client(&mock, &key);
            client.with("retries", 2);
            let armed = mock.fault(fault).on(Operation::CreateSession).arm();
            let made = client.call("checkout.sessions.create", session(&[])).await;
            let made = made.unwrap_or_else(|refused| panic!("{what}: {refused:?}"));
            assert_eq!(armed.hits(), 1, "{what}");
            // Carried out once, whatever was lost on the way.
            let sessions = mock.merchant().sessions();
            assert_eq!(sessions.len(), 1, "{what}");
            assert_eq!(made["id"], json!(sessions[0].id), "{what}");
            assert_eq!(keys_of(&mock), 1, "{what}");
        }
        // Node's SDK leaves a reply that broke off in the middle to its caller, who has the key.
        let mock = MockStripe::start().unwrap();
        let api_key = mock.merchant().api_key().to_owned();
        let mut client = sdk.client(&mock, &api_key);
        client.with("retries", 2).with("idempotency_key", "order-1");
        let armed = mock.fault(Fault::BrokenOff).on(Operation::CreateSession).arm();
        if let Err(broken) = client.call("checkout.sessions.create", session(&[])).await {
            assert!(broken.class.ends_with("ConnectionError"), "{name} {broken:?}");
        }
        assert_eq!(armed.hits(), 1, "{name}");
        let made = client.call("checkout.sessions.create", session(&[])).await.unwrap();
        let sessions = mock.merchant().sessions();
        assert_eq!((sessions.len(), &made["id"]), (1, &json!(sessions[0].id)), "{name}");

        // A 500 that was carried out, or kept, stays a 500 under its key.
        for fault in [Fault::ServerError, Fault::ServerErrorAfterWork] {
            let what = format!("{name} {fault:?}");
            let mock = MockStripe::start().unwrap();
            let key = mock.merchant().api_key().to_owned();
            let mut client = sdk.client(&mock, &key);
            client.with("retries", 2);
            let after = matches!(fault, Fault::ServerErrorAfterWork);
            mock.fault(fault).on(Operation::CreateSession).arm();
            let refused = client
                .call("checkout.sessions.create", session(&[]))
                .await
                .map(|made| made.value)
                .unwrap_err();
            assert_refused(&refused, "APIError", 500, None, None, &what);
            assert_eq!(refused.kind.as_deref(), Some("api_error"), "{what}");
            assert_eq!(mock.requests().len(), 3, "{what}");
            assert_eq!(keys_of(&mock), 1, "{what}");
            assert_eq!(mock.merchant().sessions().len(), usize::from(after), "{what}");
        }
    }
}

#[tokio::test]
async fn rate_limits_and_locks_are_told_apart() {
    for mut sdk in Sdk::all() {
        let name = sdk.name;
        let faults = [
            (Fault::RateLimited(RateLimit::GlobalRate), "rate_limit"),
            (Fault::LockTimeout, "lock_timeout"),
        ];
        for (fault, code) in faults {
            let mock = MockStripe::start().unwrap();
            let key = mock.merchant().api_key().to_owned();
            let mut client = sdk.client(&mock, &key);
            mock.fault(fault).on(Operation::CreateSession).arm();
            let refused = client
                .call("checkout.sessions.create", session(&[]))
                .await
                .map(|made| made.value)
                .unwrap_err();
            assert_refused(
                &refused,
                "RateLimitError",
                429,
                Some(code),
                None,
                &format!("{name} {code}"),
            );
            assert!(mock.merchant().sessions().is_empty(), "{name}");
        }
    }
}

/// How many different keys the creating calls had; each had one.
fn keys_of(mock: &MockStripe) -> usize {
    let keys: std::collections::BTreeSet<_> = mock
        .requests()
        .into_iter()
        .map(|request| request.idempotency_key.expect("a key"))
        .collect();
    keys.len()
}
