//! Prism as a child process, and a transport that notes what it complains about.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kessai::gateways::stripe::{Stripe, StripeBuilder};
use kessai::transport::{BoxFuture, CallLimits, HttpTransport, RetryPolicy, Transport, TransportError};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;

use super::tools;
use crate::support::stripe;

const FORM: &str = "application/x-www-form-urlencoded";

/// The status, and what was complained about.
pub type Seen = (u16, Option<String>);

/// A running prism. It ends with this value.
pub struct Prism {
    base: String,
    log: Arc<Mutex<Vec<String>>>,
    child: Child,
    description: Arc<Value>,
    /// What prism was started with; it goes away with it.
    _file: tempfile::NamedTempFile,
}

impl Prism {
    /// Prism makes up the answers. `None` if it is not installed.
    pub async fn start() -> Option<Self> {
        Self::launch("mock", None).await
    }

    /// Prism passes everything on, and checks what goes and what comes back. `None` if it is not installed.
    pub async fn in_front_of(upstream: &str) -> Option<Self> {
        Self::launch("proxy", Some(upstream)).await
    }

    async fn launch(command: &str, upstream: Option<&str>) -> Option<Self> {
        let program = tools::npm("@stoplight/prism-cli")?.join("dist/index.js");
        let description = Arc::new(sharpened());
        let mut last = Vec::new();
        // Somebody else may take the port between our probe and prism's start.
        for _ in 0..3 {
            let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
            serde_json::to_writer(&file, description.as_ref()).unwrap();
            let port = tools::free_port().to_string();
            let mut child = tools::command("node")
                .arg(&program)
                .args([command, "--errors", "-h", "127.0.0.1", "-p", &port])
                .arg(file.path())
                .args(upstream)
                .spawn()
                .unwrap();
            let log = Arc::new(Mutex::new(Vec::new()));
            keep(child.stdout.take().unwrap(), &log);
            keep(child.stderr.take().unwrap(), &log);
            let base = format!("http://127.0.0.1:{port}");
            let description = Arc::clone(&description);
            let mut prism = Self {
                base,
                log,
                child,
                description,
                _file: file,
            };
            if prism.listens().await {
                return Some(prism);
            }
            last.clone_from(&prism.log.lock().unwrap());
        }
        panic!("prism did not start: {last:#?}");
    }

    /// Until it says so, ends, or a minute has passed.
    async fn listens(&mut self) -> bool {
        for _ in 0..600 {
            if self.count("Prism is listening on") > 0 {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        false
    }

    /// A gateway that asks prism, and the way its calls go. `prefer` chooses the answer.
    pub fn gateway(&self, prefer: Option<&str>) -> (Stripe, Way) {
        self.gateway_of(stripe(), prefer)
    }

    pub fn gateway_of(&self, builder: StripeBuilder, prefer: Option<&str>) -> (Stripe, Way) {
        let way = self.way(prefer);
        let mut once = RetryPolicy::default();
        once.tries = 1;
        let builder = builder
            .endpoint(&self.base)
            .retry(once)
            .transport(Arc::new(way.clone()));
        (builder.build().unwrap(), way)
    }

    /// A form from a bare client, who sends anything.
    pub async fn post(&self, path: &str, form: &str) -> Seen {
        let request = http::Request::post(format!("{}{path}", self.base))
            .header("Content-Type", FORM)
            .header("Authorization", "Bearer sk_test_0123456789abcdef");
        self.send(request.body(Bytes::from(form.to_owned())).unwrap()).await
    }

    /// A question from a bare client, who asks anything.
    pub async fn get(&self, path: &str, key: &str) -> Seen {
        let request =
            http::Request::get(format!("{}{path}", self.base)).header("Authorization", format!("Bearer {key}"));
        self.send(request.body(Bytes::new()).unwrap()).await
    }

    async fn send(&self, request: http::Request<Bytes>) -> Seen {
        let way = self.way(None);
        let limits = CallLimits {
            total: Duration::from_secs(20),
            reply: 1 << 20,
        };
        let _ = way.send(request, limits).await.unwrap();
        way.only()
    }

    fn way(&self, prefer: Option<&str>) -> Way {
        Way(Arc::new(Inner {
            http: HttpTransport::new().unwrap(),
            description: Arc::clone(&self.description),
            prefer: Mutex::new(prefer.map(str::to_owned)),
            seen: Mutex::default(),
        }))
    }

    /// So many lines of the log have these words.
    pub fn count(&self, words: &str) -> usize {
        self.log
            .lock()
            .unwrap()
            .iter()
            .filter(|line| line.contains(words))
            .count()
    }

    /// The log comes a little after the answer.
    pub async fn wait_for(&self, words: &str, times: usize) {
        for _ in 0..200 {
            if self.count(words) >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!(
            "{words:?} came {} times of {times}: {:#?}",
            self.count(words),
            self.log.lock().unwrap()
        );
    }

    /// So many requests came, and all of them passed.
    pub async fn took(&self, requests: usize) {
        self.wait_for("The request passed the validation rules", requests).await;
        assert_eq!(self.count("Request received"), requests);
        self.passed_on_without_complaint();
    }

    /// The log has no complaint so far.
    pub fn passed_on_without_complaint(&self) {
        for complaint in ["✖", "⚠", "iolation"] {
            assert_eq!(self.count(complaint), 0, "{:#?}", self.log.lock().unwrap());
        }
    }
}

/// A transport of our own around the ordinary one: it says which answer it would like, and keeps what came.
#[derive(Clone, Debug)]
pub struct Way(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: HttpTransport,
    description: Arc<Value>,
    prefer: Mutex<Option<String>>,
    seen: Mutex<Vec<Seen>>,
}

impl Way {
    /// The answer that is wanted from now on.
    pub fn prefer(&self, wish: &str) {
        *self.0.prefer.lock().unwrap() = Some(wish.to_owned());
    }

    /// What came since the last look.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.seen.lock().unwrap())
    }

    pub fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }
}

impl Transport for Way {
    fn send(
        &self,
        mut request: http::Request<Bytes>,
        limits: CallLimits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        let unknown = unknown_names(&self.0.description, &request);
        if let Some(wish) = &*self.0.prefer.lock().unwrap() {
            request.headers_mut().insert("prefer", wish.parse().unwrap());
        }
        Box::pin(async move {
            let response = self.0.http.send(request, limits).await?;
            let marked = response.headers().get("sl-violations");
            let words: Option<Value> = serde_json::from_slice(response.body()).ok();
            let words = words.and_then(|body| body["type"].as_str().map(str::to_owned));
            let complaint = marked
                .map(|list| list.to_str().unwrap_or("unreadable").to_owned())
                .or(words.filter(|kind| kind.starts_with("https://stoplight.io/prism/errors#")))
                .or((!unknown.is_empty()).then(|| format!("unknown: {unknown:?}")));
            let seen = (response.status().as_u16(), complaint);
            self.0.seen.lock().unwrap().push(seen);
            Ok(response)
        })
    }

    fn pause(&self, wait: Duration) -> BoxFuture<'_, ()> {
        self.0.http.pause(wait)
    }
}

/// Keeps the lines a child prints.
fn keep(stream: impl AsyncRead + Unpin + Send + 'static, log: &Arc<Mutex<Vec<String>>>) {
    let log = Arc::clone(log);
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            log.lock().unwrap().push(line);
        }
    });
}

/// The names in the form and in the query that the description does not have for this call. Prism lets them pass.
fn unknown_names(description: &Value, request: &http::Request<Bytes>) -> Vec<String> {
    let own: Vec<&str> = request.uri().path().split('/').collect();
    let fits = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        parts.len() == own.len()
            && parts
                .iter()
                .zip(&own)
                .all(|(part, own)| part.starts_with('{') || part == own)
    };
    let paths = description["paths"].as_object().unwrap();
    let path = paths.iter().find(|(template, _)| fits(template));
    let operation = path.map(|(_, path)| &path[request.method().as_str().to_lowercase()]);
    let known = |name: &str| {
        operation.is_some_and(|operation| {
            let mut listed = operation["parameters"].as_array().into_iter().flatten();
            !operation["requestBody"]["content"][FORM]["schema"]["properties"][name].is_null()
                || listed.any(|one| one["in"] == "query" && one["name"] == name)
        })
    };
    let query = request.uri().query().unwrap_or_default().as_bytes();
    url::form_urlencoded::parse(query)
        .chain(url::form_urlencoded::parse(request.body()))
        .filter(|(name, _)| !known(name))
        .map(|(name, _)| name.into_owned())
        .collect()
}

/// The description, made stricter for our own calls. Prism cannot take bracketed names apart, so the description spells
/// out those of item 0; here all hundred items are spelled out, and the metadata that we send. And a schema that has
/// `nullable` beside `anyOf` it does not check at all, without a word (5.14.2), so null is written as one more choice.
fn sharpened() -> Value {
    let text = std::fs::read(tools::directory().join("stripe-subset.json")).unwrap();
    let mut description: Value = serde_json::from_slice(&text).unwrap();
    let create = &mut description["paths"]["/v1/checkout/sessions"]["post"];
    let fields = create["requestBody"]["content"][FORM]["schema"]["properties"]
        .as_object_mut()
        .unwrap();
    let listed: Vec<_> = fields
        .iter()
        .map(|(name, field)| (name.clone(), field.clone()))
        .collect();
    for (name, field) in listed {
        for (list, last) in [("line_items", 100), ("allowed_payment_method_types", 10)] {
            let Some(rest) = name.strip_prefix(list).and_then(|rest| rest.strip_prefix("[0]")) else {
                continue;
            };
            fields.extend((1..last).map(|n| (format!("{list}[{n}]{rest}"), field.clone())));
        }
    }
    for place in ["metadata", "payment_intent_data[metadata]"] {
        for entry in ["order_id", "attempt_id"] {
            fields.insert(format!("{place}[{entry}]"), json!({"type": "string", "maxLength": 500}));
        }
    }
    spell_out_null(&mut description);
    description
}

fn spell_out_null(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if !fields.contains_key("type") && fields.remove("nullable").is_some() {
                fields["anyOf"].as_array_mut().unwrap().push(json!({"enum": [null]}));
            }
            fields.values_mut().for_each(spell_out_null);
        }
        Value::Array(items) => items.iter_mut().for_each(spell_out_null),
        _ => {}
    }
}
