//! The storefront in a real browser: `tests/browser` clicks, and the operator's page says how every order ended.
//!
//! Needs Chromium and Node.js, and `npm ci` in `tests/browser`. Without them it says `skipped: why`; with `KESSAI_CI=1` it fails.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use scraper::{Html, Selector};
use serde_json::Value;

/// Every scenario there has to be, so that none is lost unseen: in how many kinds of window each runs.
const SCENARIOS: [(&str, usize); 25] = [
    ("success", 2),
    ("every_page_before_payment", 3),
    ("every_page_from_payment_on", 3),
    ("unfinished_basket_survives", 1),
    ("a_violated_policy_is_noticed", 1),
    ("decline_then_pay", 1),
    ("three_d_secure_passed", 1),
    ("three_d_secure_failed_then_pay", 1),
    ("cancel", 1),
    ("pay_after_cancel", 2),
    ("paid_on_the_page_that_was_left", 1),
    ("closed_tab", 1),
    ("double_click_in_the_shop", 1),
    ("double_click_on_the_hosted_page", 1),
    ("back_button_from_the_hosted_page", 1),
    ("back_button_after_payment", 1),
    ("reload_of_the_return_page", 1),
    ("a_card_at_gmopg", 1),
    ("a_card_at_komoju", 1),
    ("a_card_at_sbps_by_a_form_in_shift_jis", 1),
    ("delayed_slip_at_gmopg", 1),
    ("delayed_slip_at_komoju", 1),
    ("delayed_slip_at_sbps", 1),
    ("delayed_payment_arrives", 2),
    ("delayed_payment_never_arrives", 1),
];

/// What the tests need, or why they cannot run.
struct Tools {
    storefront: PathBuf,
    folder: PathBuf,
}

impl Tools {
    fn find() -> Result<Self, String> {
        let tests = std::env::current_exe().map_err(|error| error.to_string())?;
        let target = tests.parent().and_then(Path::parent).ok_or("no target folder")?;
        let storefront = target
            .join("examples/storefront")
            .with_extension(std::env::consts::EXE_EXTENSION);
        if !storefront.is_file() {
            return Err("the example storefront was not built; run `cargo build --examples` first".to_owned());
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
        if !folder.join("node_modules/playwright-core").is_dir() {
            return Err("run `npm ci` in tests/browser".to_owned());
        }
        let node = Command::new("node")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !node.is_ok_and(|status| status.success()) {
            return Err("Node.js is not installed".to_owned());
        }
        if !Path::new(&chromium()).is_file() {
            return Err("Chromium is not installed; CHROMIUM names it if it is elsewhere".to_owned());
        }
        Ok(Self { storefront, folder })
    }
}

fn chromium() -> String {
    std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned())
}

/// A process of ours, ended with the test however that ends.
struct Ours(Child);

impl Drop for Ours {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn shoppers_in_a_browser_end_as_they_must() {
    let tools = match Tools::find() {
        Ok(tools) => tools,
        Err(why) => {
            assert!(
                std::env::var_os("KESSAI_CI").is_none_or(|value| value != "1"),
                "not skipped here: {why}"
            );
            println!("skipped: {why}");
            return;
        }
    };
    let mut shop = Command::new(&tools.storefront);
    for setting in [
        "LISTEN",
        "SHOP_DATA",
        "STRIPE_API_KEY",
        "STRIPE_SIGNING_SECRET",
        "PUBLIC_URL",
    ] {
        shop.env_remove(setting);
    }
    let mut shop = Ours(
        shop.env("DELAYED_SECONDS", "6")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    BufReader::new(shop.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .trim_end()
        .strip_prefix("The shop is open at ")
        .expect("an address");

    let run = Command::new("node")
        .arg(tools.folder.join("run.mjs"))
        .arg(address)
        .env("CHROMIUM", chromium())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let operator = lines[0]["operator"].as_str().expect("the operator's page");
    let story = Story::read(&fetch(operator));

    let mut played = BTreeMap::new();
    for line in &lines[1..] {
        let name = line["scenario"].as_str().unwrap();
        assert_eq!(line["error"], Value::Null, "{line}");
        // No content policy was violated, and nobody else was called.
        assert_eq!(line["complaints"].as_array().map(Vec::len), Some(0), "{line}");
        assert_eq!(line["outside"].as_array().map(Vec::len), Some(0), "{line}");
        let ended = &line["ended"];
        let order = ended["order"].as_str().unwrap();
        let attempts = story.attempts.get(order).cloned().unwrap_or_default();
        assert_eq!(
            attempts.len() as u64,
            ended["attempts"].as_u64().unwrap(),
            "{line} {attempts:?}"
        );
        assert_eq!(
            attempts[0].status,
            ended["status"].as_str().unwrap(),
            "{line} {attempts:?}"
        );
        assert_eq!(
            attempts[0].fulfilled as u64,
            ended["fulfilments"].as_u64().unwrap(),
            "{line} {attempts:?}"
        );
        if name == "a_card_at_sbps_by_a_form_in_shift_jis" {
            arrives_as_signed(&ended["form"]);
        }
        *played.entry(name.to_owned()).or_insert(0) += 1;
        println!("{name} in {} window: {} ms", line["window"], line["ms"]);
    }
    let wanted: BTreeMap<String, usize> = SCENARIOS
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect();
    assert_eq!(played, wanted);
}

/// What the browser posted is, byte for byte, what this crate makes of the signed fields. The gateway took it, so its hash was
/// that of these bytes.
fn arrives_as_signed(form: &Value) {
    let page = Html::parse_document(form["page"].as_str().expect("a page"));
    let inputs = Selector::parse("form input[type=hidden]").unwrap();
    let pairs = page.select(&inputs).map(|input| {
        let value = |name| input.value().attr(name).unwrap_or_default();
        (value("name"), value("value"))
    });
    let body = form["body"].as_str().expect("a body");
    assert_eq!(body, kessai::charset::form_body(pairs).unwrap());
    // 表, ソ and 能 end in 0x5C in this charset.
    assert!(body.contains("%95%5C%83%5C%94%5C"), "{body}");
}

/// What the operator sees.
struct Story {
    attempts: BTreeMap<String, Vec<Attempt>>,
}

#[derive(Clone, Debug)]
struct Attempt {
    status: String,
    fulfilled: usize,
}

impl Story {
    fn read(page: &str) -> Self {
        let page = Html::parse_document(page);
        let articles = Selector::parse("[data-test=attempt]").unwrap();
        let fulfilled = Selector::parse("li.fulfilled").unwrap();
        let mut attempts: BTreeMap<String, Vec<Attempt>> = BTreeMap::new();
        for article in page.select(&articles) {
            let value = |name: &str| article.value().attr(name).unwrap_or_default().to_owned();
            attempts.entry(value("data-order")).or_default().push(Attempt {
                status: value("data-status"),
                fulfilled: article.select(&fulfilled).count(),
            });
        }
        Self { attempts }
    }
}

fn fetch(address: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { reqwest::get(address).await.unwrap().text().await.unwrap() })
}
