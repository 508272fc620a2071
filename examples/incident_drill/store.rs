//! The store: a small shop over axum with four gateways, a ledger in one file and an operator on its standard input.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Form, Path as Segment, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{any, get, post};
use kessai::cashier::AskBudget;
use kessai::gateways::gmopg::GmoPg;
use kessai::gateways::komoju::Komoju;
use kessai::gateways::sbps::{Sbps, ShopId};
use kessai::gateways::stripe::Stripe;
use kessai::integrations::axum::{Reply, answer};
use kessai::ledger::rules::AskTimes;
use kessai::ledger::{ChainCheck, Checkpoint, Ledger, SwitchText, Window};
use kessai::ledgers::SqliteLedger;
use kessai::report::Format;
use kessai::security_event::{Background, JsonLines};
use kessai::sign::SigningKeys;
use kessai::{
    Addresses, ApiKey, Callback, CallbackError, Cashier, CheckoutRequest, CheckpointKey, Currency, CustomerReference,
    Environment, GatewayId, MerchantAccount, MerchantReference, Money, OpenError, RequestError, SweepPolicy,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::Failure;
use super::child::{serve, text};
use super::forms;

#[derive(Clone, Default)]
struct Store {
    /// Nothing until the operator has opened the store.
    open: Arc<RwLock<Option<Open>>>,
    shipped: Arc<Mutex<BTreeMap<String, u32>>>,
    /// What a store must never hold. Only the leaky one fills it.
    cards: Arc<Mutex<Vec<(String, String)>>>,
}

#[derive(Clone)]
struct Open {
    cashier: Cashier,
    ledger: Arc<dyn Ledger>,
    settings: Arc<Value>,
    folder: PathBuf,
}

const GATEWAYS: [GatewayId; 4] = [GatewayId::STRIPE, GatewayId::KOMOJU, GatewayId::SBPS, GatewayId::GMOPG];

pub(crate) async fn run() -> Result<(), Failure> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let store = Store::default();
    serve(move |what, with| {
        let store = store.clone();
        async move { store.act(&what, with).await }
    })
    .await
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    fn opened(&self) -> Result<Open, Failure> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner).clone();
        open.ok_or_else(|| "the store is not open yet".into())
    }

    /// What the operator can do.
    async fn act(&self, what: &str, with: Value) -> Result<Value, Failure> {
        if what == "open" {
            return self.open(with).await;
        }
        let open = self.opened()?;
        let cashier = &open.cashier;
        let operator = SwitchText::new("operator")?;
        match what {
            "stop" => {
                let turned = cashier.stop(operator, SwitchText::new(text(&with, "reason")?)?).await?;
                Ok(json!({"open": turned.open_attempts}))
            }
            "ask first" => {
                let reason = SwitchText::new(text(&with, "reason")?)?;
                let turned = cashier.ask_before_apply(operator, reason).await?;
                Ok(json!({"open": turned.open_attempts}))
            }
            "reopen" => {
                let check = cashier
                    .reopen(operator, SwitchText::new(text(&with, "reason")?)?, &[])
                    .await?;
                Ok(json!({"checks": check.checks.len()}))
            }
            "expire" => {
                let report = cashier.expire_open().await;
                Ok(json!({"closed": report.closed.len(), "cannot": report.cannot.len(), "failed": report.failed.len()}))
            }
            "rotate" => self.rotate(&open, operator, &with).await,
            "report" => open.report(&with).await,
            "checkpoint" => {
                let key = CheckpointKey::new(text(&with, "key")?)?;
                Ok(json!(cashier.checkpoint(&key, None).await?.to_string()))
            }
            "verify" => {
                let key = CheckpointKey::new(text(&with, "key")?)?;
                let checkpoint = Checkpoint::read(text(&with, "checkpoint")?, &key)?;
                match cashier.verify(&[checkpoint]).await? {
                    ChainCheck::Intact { head, exposed } => Ok(json!({"records": head.count, "exposed": exposed})),
                    ChainCheck::Broken(at) => Err(at.to_string().into()),
                    _ => Err("the check says nothing clear".into()),
                }
            }
            "sweep" => {
                let swept = cashier.sweep(&SweepPolicy::default().most(1000)).await?;
                Ok(json!({"asked": swept.asked, "paid": swept.paid}))
            }
            "attempt" => open.attempt(text(&with, "order")?).await,
            "shipped" => Ok(json!(*locked(&self.shipped))),
            _ => Err("the store does not know this".into()),
        }
    }

    async fn open(&self, settings: Value) -> Result<Value, Failure> {
        let folder = PathBuf::from(text(&settings, "folder")?);
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(folder.join("ledger.sqlite"))?);
        let leaky = settings.get("leaky").and_then(Value::as_bool).unwrap_or(false);
        let cashier = build(&ledger, &settings, settings.get("keys").ok_or("no keys")?)?;
        let open = Open {
            cashier,
            ledger,
            settings: Arc::new(settings),
            folder,
        };
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = Some(open);
        let mut app = Router::new()
            .route("/buy", post(buy))
            .route("/pay/{gateway}/notification", post(notification))
            .route("/pay/{gateway}/return", any(returned))
            .route("/pay/{gateway}/cancel", any(returned));
        if leaky {
            app = app.route("/card", get(card_form).post(take_card));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let app = app.with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        tokio::spawn(self.clone().ship());
        tokio::spawn(self.clone().sweep());
        tracing::info!("open at {address}");
        Ok(json!(address))
    }

    /// Ships what may be shipped, as long as the store lives.
    async fn ship(self) {
        loop {
            tokio::time::sleep(Duration::from_millis(25)).await;
            let Ok(open) = self.opened() else { continue };
            while let Ok(Some(due)) = open.cashier.next_fulfilment().await {
                let order = due.order.to_string();
                if let Ok(true) = due.done().await {
                    *locked(&self.shipped).entry(order).or_default() += 1;
                }
            }
        }
    }

    /// Asks about what is due. A real store does so every minute; the drill has less time.
    async fn sweep(self) {
        loop {
            tokio::time::sleep(Duration::from_millis(250)).await;
            if let Ok(open) = self.opened()
                && let Err(error) = open.cashier.sweep(&SweepPolicy::default()).await
            {
                tracing::error!("{error}");
            }
        }
    }

    /// Other signing keys, and nothing else changes: the same ledger, the same addresses.
    async fn rotate(&self, open: &Open, operator: SwitchText, keys: &Value) -> Result<Value, Failure> {
        let cashier = build(&open.ledger, &open.settings, keys)?;
        for gateway in GATEWAYS {
            let attempt = open.ledger.attempts_after(0, kessai::ledger::Which::All, 1000).await?;
            let account = attempt
                .iter()
                .find(|(_, attempt)| attempt.expected.gateway == gateway)
                .map(|(_, attempt)| attempt.expected.account.clone())
                .ok_or("no attempt yet at this gateway")?;
            let label = SwitchText::new("the keys after the incident")?;
            cashier.keys_changed(gateway, account, operator.clone(), label).await?;
        }
        let open = Open {
            cashier,
            ..open.clone()
        };
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = Some(open);
        Ok(Value::Null)
    }
}

impl Open {
    /// The window report in its three formats.
    async fn report(&self, with: &Value) -> Result<Value, Failure> {
        let at = |name: &str| -> Result<SystemTime, Failure> {
            let millis = with.get(name).and_then(Value::as_u64).ok_or("no time")?;
            Ok(UNIX_EPOCH + Duration::from_millis(millis))
        };
        let window = Window::new(at("from")?, at("to")?)?;
        let name = text(with, "name")?;
        for (format, ending) in [(Format::Json, "json"), (Format::Csv, "csv"), (Format::Html, "html")] {
            let mut bytes = Vec::new();
            self.cashier.report(window, format, &mut bytes).await?;
            std::fs::write(self.folder.join(format!("{name}.{ending}")), bytes)?;
        }
        Ok(Value::Null)
    }

    /// What somebody with a look into the store's books knows of an order.
    async fn attempt(&self, order: &str) -> Result<Value, Failure> {
        let attempts = self.ledger.attempts_of(&MerchantReference::new(order)?).await?;
        let attempt = attempts.last().ok_or("there is no attempt")?;
        Ok(json!({
            "order": order,
            "attempt": attempt.reference().as_str(),
            "checkout": attempt.checkout.as_ref().map(ToString::to_string),
            "amount": attempt.expected.amount.minor_units(),
            "status": format!("{:?}", attempt.status),
        }))
    }
}

fn build(ledger: &Arc<dyn Ledger>, settings: &Value, keys: &Value) -> Result<Cashier, Failure> {
    let of = |gateway: &str, name: &str| -> Result<String, Failure> {
        let part = settings
            .get(gateway)
            .ok_or_else(|| format!("nothing about {gateway}"))?;
        Ok(text(part, name)?.to_owned())
    };
    let public = text(settings, "public")?;
    let addresses = |gateway: &str| Addresses::new(public, &format!("/pay/{gateway}"));
    let stripe = Stripe::builder(
        ApiKey::new(of("stripe", "key")?)?,
        SigningKeys::from_texts([text(keys, "stripe")?])?,
        addresses("stripe")?,
    )
    .endpoint(of("stripe", "line")?)
    .pages([of("stripe", "origin")?])
    .build()?;
    let komoju = Komoju::builder(
        ApiKey::new(of("komoju", "key")?)?,
        SigningKeys::from_texts([text(keys, "komoju")?])?,
        addresses("komoju")?,
    )
    .methods(["credit_card"])
    .endpoint(of("komoju", "line")?)
    .pages([of("komoju", "origin")?])
    .build()?;
    let sbps = Sbps::builder(
        Environment::Sandbox,
        ShopId::new(of("sbps", "merchant")?, of("sbps", "service")?)?,
        SigningKeys::from_texts([text(keys, "sbps")?])?,
        addresses("sbps")?,
    )
    .methods(["credit3d2"])
    .api(ApiKey::new(text(keys, "sbps_api")?)?)
    .api_endpoint(of("sbps", "api")?)
    .form_url(of("sbps", "form")?)
    .item_name("お茶と道具")
    .build()?;
    let gmopg = GmoPg::builder(
        MerchantAccount::new(of("gmopg", "shop")?)?,
        ApiKey::new(text(keys, "gmopg")?)?,
        of("gmopg", "config")?,
        Environment::Sandbox,
        addresses("gmopg")?,
    )
    .methods(["credit"])
    .endpoint(of("gmopg", "line")?)
    .pages([of("gmopg", "origin")?])
    .build()?;
    let sink = JsonLines::new(TcpStream::connect(text(settings, "sink")?)?);
    Ok(Cashier::builder_over(Arc::clone(ledger))
        .gateway(stripe)
        .gateway(komoju)
        .gateway(sbps)
        .gateway(gmopg)
        // All shoppers of the drill come within a minute.
        .ask_budget(
            AskBudget::default()
                .per_second(1000)
                .per_attempt(Duration::from_millis(50)),
        )
        // A question that was too early is asked again within a second, not within minutes.
        .ask_times(
            AskTimes::default()
                .page(Duration::from_secs(1))
                .pending(Duration::from_secs(1)),
        )
        .security_sink(Background::new(sink, 10_000)?)
        .build()?)
}

fn failed(error: &dyn std::fmt::Display) -> Response {
    tracing::error!("{error}");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

fn named(gateway: &str) -> Option<GatewayId> {
    GATEWAYS.into_iter().find(|id| id.as_str() == gateway)
}

async fn buy(State(store): State<Store>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let value = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let (Some(gateway), Ok(open)) = (named(value("gateway")), store.opened()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let request = || -> Result<CheckoutRequest, Failure> {
        let amount = value("amount").parse()?;
        let request = CheckoutRequest::builder(MerchantReference::new(value("order"))?)
            .total(Money::new(amount, Currency::JPY))
            .customer(CustomerReference::new(value("customer"))?);
        Ok(request.build()?)
    };
    let request = match request() {
        Ok(request) => request,
        Err(error) => {
            if let Some(RequestError::CardData(sighted)) = error.downcast_ref() {
                open.cashier.card_data_sighted(sighted);
            }
            tracing::warn!("no such order: {error}");
            return StatusCode::BAD_REQUEST.into_response();
        }
    };
    match open.cashier.open(&request, &gateway).await {
        Ok(checkout) => axum::response::IntoResponse::into_response(checkout.redirect),
        Err(OpenError::Stopped(_)) => (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, "60")],
            "The store takes no new payments at the moment.",
        )
            .into_response(),
        Err(error) => failed(&error),
    }
}

async fn notification(
    State(store): State<Store>,
    Segment(gateway): Segment<String>,
    taken: Result<Callback, CallbackError>,
) -> Response {
    match (named(&gateway), store.opened()) {
        (Some(gateway), Ok(open)) => answer(&open.cashier, &gateway, taken).await,
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn returned(State(store): State<Store>, Segment(gateway): Segment<String>, callback: Callback) -> Response {
    let (Some(gateway), Ok(open)) = (named(&gateway), store.opened()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let page = open.cashier.returned(&gateway, callback).await;
    match page.see_other {
        Some(see_other) => Reply(see_other).into_response(),
        None => Html(format!("<p data-standing=\"{:?}\">Thank you.</p>", page.standing)).into_response(),
    }
}

/// The mistake: a card form of the store's own.
async fn card_form() -> Html<&'static str> {
    Html("<form method=post action=/card><input name=number><input name=code><button>Pay</button></form>")
}

/// And what comes of it: a copy in memory, and a line in a log, each time written another way.
async fn take_card(State(store): State<Store>, Form(form): Form<BTreeMap<String, String>>) -> StatusCode {
    let value = |name: &str| form.get(name).cloned().unwrap_or_default();
    let (number, code) = (value("number"), value("code"));
    let turn = {
        let mut cards = locked(&store.cards);
        cards.push((number.clone(), code.clone()));
        cards.len()
    };
    let written = |value: &str| match turn % 6 {
        0 => value.to_owned(),
        1 => forms::grouped(value, " "),
        2 => forms::grouped(value, "-"),
        3 => forms::base64(value),
        4 => forms::hex(value),
        _ => forms::percent(value),
    };
    tracing::info!("paid with {} and {}", written(&number), written(&code));
    StatusCode::OK
}
