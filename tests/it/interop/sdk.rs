//! Stripe's SDKs as child processes: a question is one line of JSON, and so is its answer (`tests/interop/sdk.js`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Encoding};
use kessai::mock::stripe::MockStripe;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::tools;

/// Longer than the SDK's own deadline and retries together.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running SDK. It ends with this value.
pub struct Sdk {
    pub name: &'static str,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

/// What the SDK threw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The class, without the `Stripe` that Node's have in front.
    pub class: String,
    /// Stripe's own `type`.
    pub kind: Option<String>,
    pub code: Option<String>,
    pub param: Option<String>,
    pub status: Option<u64>,
    pub request_id: Option<String>,
    pub message: String,
}

/// What the SDK made of an answer.
#[derive(Debug)]
pub struct Found {
    pub value: Value,
    /// What it says of the reply: `status`, `request_id`, `version`, `idempotency_key`.
    pub reply: Value,
}

impl std::ops::Index<&str> for Found {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        &self.value[name]
    }
}

impl Sdk {
    /// Those that are installed.
    pub fn all() -> Vec<Self> {
        let node = tools::npm("stripe").map(|_| Self::start("node", "node".as_ref(), "sdk.js"));
        let python = tools::python().map(|program| Self::start("python", program.as_os_str(), "sdk.py"));
        node.into_iter().chain(python).collect()
    }

    fn start(name: &'static str, program: &std::ffi::OsStr, script: &str) -> Self {
        let mut command = tools::command(program);
        command.arg(tools::directory().join(script));
        // A file of its own and not ours: node switches a pipe that it shares with this process to non-blocking, and then the
        // next line that a test prints is lost.
        let complaints = format!("{}/{name}-sdk.stderr", env!("CARGO_TARGET_TMPDIR"));
        let complaints = std::fs::OpenOptions::new().create(true).append(true).open(complaints);
        command.stdin(std::process::Stdio::piped()).stderr(complaints.unwrap());
        let mut child = command.spawn().unwrap();
        let questions = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            name,
            questions,
            answers,
            _child: child,
        }
    }

    async fn ask(&mut self, question: &Value) -> Result<Found, Refused> {
        self.questions
            .write_all(format!("{question}\n").as_bytes())
            .await
            .unwrap();
        self.questions.flush().await.unwrap();
        let line = tokio::time::timeout(PATIENCE, self.answers.next_line()).await;
        let line = line.expect("the SDK did not answer").unwrap().expect("the SDK ended");
        let answer: Value = serde_json::from_str(&line).unwrap();
        let error = &answer["error"];
        if error.is_null() {
            return Ok(Found {
                value: answer["ok"].clone(),
                reply: answer["reply"].clone(),
            });
        }
        let text = |name: &str| error[name].as_str().map(str::to_owned);
        let class = text("class").unwrap_or_default();
        Err(Refused {
            class: class.strip_prefix("Stripe").unwrap_or(&class).to_owned(),
            kind: text("type"),
            code: text("code"),
            param: text("param"),
            status: error["status"].as_u64(),
            request_id: text("request_id"),
            message: text("message").unwrap_or_default(),
        })
    }

    /// A client of this mock with this key.
    pub fn client<'s>(&'s mut self, mock: &MockStripe, key: &str) -> Client<'s> {
        let base = mock.base_url().as_str().trim_end_matches('/').to_owned();
        Client {
            sdk: self,
            base,
            key: key.to_owned(),
            options: json!({}),
        }
    }

    /// Checks a delivery at some time, as a store built on this SDK would.
    pub async fn construct_event(
        &mut self,
        body: &[u8],
        header: &str,
        secret: &str,
        at: SystemTime,
    ) -> Result<Value, Refused> {
        let body = Base64::encode_string(body);
        let question = json!({"do": "event", "body": body, "header": header, "secret": secret, "at": unix(at)});
        self.ask(&question).await.map(|found| found.value)
    }

    /// The header that this SDK's own helper for tests makes.
    pub async fn sign(&mut self, body: &[u8], secret: &str, at: SystemTime) -> String {
        let body = Base64::encode_string(body);
        let question = json!({"do": "sign", "body": body, "secret": secret, "at": unix(at)});
        self.ask(&question).await.unwrap().value.as_str().unwrap().to_owned()
    }
}

/// A client made of an SDK.
pub struct Client<'s> {
    sdk: &'s mut Sdk,
    base: String,
    key: String,
    options: Value,
}

impl Client<'_> {
    /// The same client with an option for the next calls: `idempotency_key`, `retries` or `version`.
    pub fn with(&mut self, option: &str, value: impl Into<Value>) -> &mut Self {
        self.options[option] = value.into();
        self
    }

    pub fn plain(&mut self) -> &mut Self {
        self.options = json!({});
        self
    }

    /// A method without an id, such as `checkout.sessions.create`.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Found, Refused> {
        self.question(method, params, None).await
    }

    /// A method about one object.
    pub async fn about(&mut self, method: &str, id: &str, params: Value) -> Result<Found, Refused> {
        self.question(method, params, Some(id)).await
    }

    async fn question(&mut self, method: &str, params: Value, id: Option<&str>) -> Result<Found, Refused> {
        let mut question = json!({
            "do": "call", "base": self.base, "key": self.key, "method": method, "params": params, "options": self.options,
        });
        if let Some(id) = id {
            question["id"] = id.into();
        }
        self.sdk.ask(&question).await
    }
}

fn unix(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap().as_secs()
}
