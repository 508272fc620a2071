//! The gateways, played in one process, and the shoppers on their hosted pages. Cards are typed here and nowhere else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kessai::charset::form_body;
use kessai::mock::Clock;
use kessai::mock::gmopg::{self, MockGmoPg};
use kessai::mock::komoju::{self, MockKomoju};
use kessai::mock::sbps::{self, Landed as Posted, MockSbps};
use kessai::mock::stripe::{self, Landed, MockStripe};
use serde_json::{Value, json};

use super::Failure;
use super::child::{serve, text};

struct Played {
    stripe: MockStripe,
    komoju: MockKomoju,
    sbps: MockSbps,
    gmopg: MockGmoPg,
    /// Where messages go now, and under which keys.
    endpoints: Mutex<Option<(stripe::Endpoint, komoju::Endpoint)>>,
}

pub(crate) async fn run() -> Result<(), Failure> {
    let clock = Clock::live();
    let played = Arc::new(Played {
        stripe: MockStripe::builder().clock(clock.clone()).marked_cards().start()?,
        komoju: MockKomoju::builder().clock(clock.clone()).marked_cards().start()?,
        sbps: MockSbps::builder().clock(clock.clone()).marked_cards().start()?,
        gmopg: MockGmoPg::builder().clock(clock).marked_cards().start()?,
        endpoints: Mutex::default(),
    });
    serve(move |what, with| {
        let played = Arc::clone(&played);
        async move {
            match what.as_str() {
                "open" => played.open(text(&with, "store")?),
                "rotate" => played.rotate(text(&with, "store")?),
                "pay" => played.pay(&with).await,
                "quiet" => played.quiet().await,
                "books" => Ok(played.books()),
                _ => Err("the gateways do not know this".into()),
            }
        }
    })
    .await
}

impl Played {
    /// Registers the store, and says what it needs to know.
    fn open(&self, store: &str) -> Result<Value, Failure> {
        self.gmopg
            .merchant()
            .notify_at(&format!("{store}/pay/gmopg/notification"))?;
        let (sbps, gmopg) = (self.sbps.merchant(), self.gmopg.merchant());
        let keys = self.keys(store, &sbps, &gmopg)?;
        let origin = |url: &url::Url| url.origin().ascii_serialization();
        Ok(json!({
            "keys": keys,
            "stripe": {"origin": origin(self.stripe.base_url()), "key": self.stripe.merchant().api_key()},
            "komoju": {"origin": origin(self.komoju.base_url()), "key": self.komoju.merchant().api_key()},
            "sbps": {
                "origin": origin(self.sbps.base_url()), "form": self.sbps.form_url(), "api": self.sbps.api_url(),
                "merchant": sbps.merchant_id(), "service": sbps.service_id(),
            },
            "gmopg": {
                "origin": origin(self.gmopg.base_url()), "shop": gmopg.shop_id(), "config": gmopg.config_id(),
            },
        }))
    }

    /// Other keys from now on, at each gateway. The old ones sign nothing and open nothing any more.
    fn rotate(&self, store: &str) -> Result<Value, Failure> {
        let (sbps, gmopg) = (self.sbps.merchant().change_keys(), self.gmopg.merchant().change_pass());
        self.keys(store, &sbps, &gmopg)
    }

    fn keys(&self, store: &str, sbps: &sbps::Merchant, gmopg: &gmopg::Merchant) -> Result<Value, Failure> {
        let stripe = self
            .stripe
            .merchant()
            .add_endpoint(&format!("{store}/pay/stripe/notification"))?;
        let komoju = self
            .komoju
            .merchant()
            .add_endpoint(&format!("{store}/pay/komoju/notification"))?;
        let keys = json!({
            "stripe": stripe.secret(), "komoju": komoju.secret(),
            "sbps": sbps.hash_key(), "sbps_api": sbps.api_password(), "gmopg": gmopg.shop_pass(),
        });
        let before = self
            .endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace((stripe, komoju));
        if let Some((stripe, komoju)) = before {
            stripe.remove();
            komoju.remove();
        }
        Ok(keys)
    }

    /// A shopper goes where the store leads, types a card and is led back: where to, and with what.
    async fn pay(&self, with: &Value) -> Result<Value, Failure> {
        let (target, number, code) = (text(with, "target")?, text(with, "number")?, text(with, "code")?);
        let type_in = ("12/30", "TARO YAMADA");
        let (expiry, holder) = type_in;
        if let Some(fields) = with.get("fields").and_then(Value::as_array) {
            let fields = fields
                .iter()
                .filter_map(|field| Some((field.get(0)?.as_str()?, field.get(1)?.as_str()?)));
            let page = self
                .sbps
                .shopper()
                .post(target, form_body(fields)?.into_bytes())
                .await?;
            if let Some(why) = page.refused() {
                return Err(format!("the page refused the store's form: {why}").into());
            }
            return posted(page.type_card(number, expiry, code, holder).await?);
        }
        if target.starts_with(self.gmopg.base_url().as_str()) {
            let page = self.gmopg.shopper().visit(target).await?;
            return posted(page.type_card(number, expiry, code, holder).await?);
        }
        let shopper = if target.starts_with(self.stripe.base_url().as_str()) {
            self.stripe.shopper()
        } else {
            self.komoju.shopper()
        };
        let page = shopper.open(target).await?;
        match page.type_card(number, expiry, code, holder).await? {
            Landed::Store { url } => Ok(json!({"url": url})),
            Landed::Page(page) => Err(format!("still on the page: {}", page.text()).into()),
        }
    }

    async fn quiet(&self) -> Result<Value, Failure> {
        let at_most = Duration::from_secs(30);
        self.stripe.quiet(at_most).await?;
        self.komoju.quiet(at_most).await?;
        self.sbps.quiet(at_most).await?;
        self.gmopg.quiet(at_most).await?;
        Ok(Value::Null)
    }

    /// How many payments each gateway has taken by its own books.
    fn books(&self) -> Value {
        let stripe = self.stripe.merchant().sessions();
        let komoju = self.komoju.merchant().sessions();
        json!({
            "stripe": stripe.iter().filter(|session| session.captured > 0).count(),
            "komoju": komoju.iter().filter(|session| session.payment_status.as_deref() == Some("captured")).count(),
            "sbps": self.sbps.merchant().orders().iter().filter(|order| order.captured > 0).count(),
            "gmopg": self.gmopg.merchant().orders().iter().filter(|order| order.taken > 0).count(),
        })
    }
}

fn posted(landed: Posted) -> Result<Value, Failure> {
    match landed {
        Posted::Store(visit) => Ok(json!({"url": visit.url, "body": String::from_utf8(visit.body)?})),
        Posted::Page(page) => Err(format!("still on the page: {}", page.text()).into()),
    }
}
