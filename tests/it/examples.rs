//! The examples, run as the programs they are.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longer than any of them takes, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program of an example. `cargo test` builds them all beside this very program; `cargo test --test it` does not.
fn example(name: &str) -> Option<PathBuf> {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent()?.parent()?.join("examples").join(name);
    let path = path.with_extension(std::env::consts::EXE_EXTENSION);
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: the example {name} was not built; run `cargo build --examples` first");
    None
}

fn command(program: &PathBuf) -> Command {
    let mut command = Command::new(program);
    for setting in [
        "LISTEN",
        "SHOP_DATA",
        "STRIPE_API_KEY",
        "STRIPE_SIGNING_SECRET",
        "PUBLIC_URL",
    ] {
        command.env_remove(setting);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs it to its end, which must come.
fn run(mut command: Command) -> Output {
    let mut child = command.spawn().unwrap();
    // Read while it runs: a full pipe would stop it.
    let mut stdout = child.stdout.take().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let stdout = std::thread::spawn(move || {
        let mut text = Vec::new();
        stdout.read_to_end(&mut text).map(|_| text)
    });
    let stderr = std::thread::spawn(move || {
        let mut text = Vec::new();
        stderr.read_to_end(&mut text).map(|_| text)
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > PATIENCE {
            stop(&mut child);
            panic!("it did not end within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    Output {
        status,
        stdout: stdout.join().unwrap().unwrap(),
        stderr: stderr.join().unwrap().unwrap(),
    }
}

fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn minimal_pays_once_and_ships_once() {
    let Some(program) = example("minimal") else { return };
    let output = run(command(&program));
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    for line in [
        "opened     ORD-2026-000123 for 3960 JPY",
        "came back  the shop says Paid",
        "shipped    ORD-2026-000123 for 3960 JPY under key fulfil-",
    ] {
        assert_eq!(shown.matches(line).count(), 1, "{line} in {shown}");
    }
}

#[test]
fn own_gateway_passes_the_suite() {
    let Some(program) = example("own_gateway") else { return };
    let output = run(command(&program));
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    assert_eq!(shown.matches("FAILED").count(), 0, "{shown}");
    assert_eq!(
        shown.lines().filter(|line| line.starts_with("skipped  ")).count(),
        3,
        "{shown}"
    );
    assert!(
        shown.lines().filter(|line| line.starts_with("held     ")).count() >= 40,
        "{shown}"
    );
    assert!(shown.contains("messages accepted: "), "{shown}");
}

#[test]
fn verify_only_accepts_the_genuine_message_and_refuses_four_others() {
    let Some(program) = example("verify_only") else { return };
    let output = run(command(&program));
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    assert_eq!(
        shown.matches("accepted  ORD-2026-000123: captured").count(),
        1,
        "{shown}"
    );
    assert_eq!(shown.matches("refused   ").count(), 4, "{shown}");
    assert!(shown.contains("the amount is not the expected one"), "{shown}");
}

#[test]
fn the_demonstration_ends_every_order_as_it_must() {
    let Some(program) = example("storefront") else { return };
    let mut demo = command(&program);
    demo.arg("--demo");
    let output = run(demo);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    for title in [
        "Buys",
        "Is declined, then pays",
        "Is asked for 3-D Secure",
        "Fails 3-D Secure, then pays",
        "Cancels, then pays",
        "Closes the tab",
        "Is faster than the message",
        "Closes the tab, and the message is lost",
        "Presses the button twice",
        "The gateway's answer is lost",
        "Pays at the convenience store",
        "Never goes to the convenience store",
        "Walks away",
        "Somebody else says that it is paid",
        "SB Payment Service: buys",
        "SB Payment Service: pays at the convenience store",
        "SB Payment Service: the message is lost",
        "SB Payment Service: somebody else says that it is paid",
        "GMO-PG: buys",
        "GMO-PG: pays at the convenience store",
        "GMO-PG: the message is lost",
        "GMO-PG: somebody else says that it is paid",
        "KOMOJU: buys",
        "KOMOJU: pays at the convenience store",
        "KOMOJU: the message is lost",
        "KOMOJU: somebody else says that it is paid",
        "Takes another way to pay",
        "Wants another way, and the first one cannot be closed",
    ] {
        assert!(
            shown.lines().any(|line| line == title),
            "the story {title:?} was not told"
        );
    }
    assert_eq!(shown.matches("it must: paid once, shipped once").count(), 22, "{shown}");
    assert_eq!(shown.matches(", nothing taken, nothing shipped").count(), 6, "{shown}");
    assert!(shown.contains("28 orders, 0 of them ended wrongly."), "{shown}");
    assert!(shown.contains("the store knows: captured, paid"), "{shown}");
}

#[test]
fn the_storefront_prints_one_address_and_answers_there() {
    let Some(program) = example("storefront") else { return };
    let mut child = command(&program).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let answer = line
        .trim_end()
        .strip_prefix("The shop is open at http://")
        .and_then(|rest| rest.strip_suffix('/'))
        .map(ask);
    stop(&mut child);
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    let answer = answer.expect("an address").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(rest, "", "nothing else is printed");
}

/// One request, by hand.
fn ask(host: &str) -> std::io::Result<String> {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Arguments, settings, and what it says about them.
type Case<'t> = (&'t [&'t str], &'t [(&'t str, &'t str)], &'t str);

#[test]
fn the_storefront_refuses_live_keys_open_ports_and_unknown_words_without_printing_a_secret() {
    let Some(program) = example("storefront") else { return };
    let key = "sk_live_0123456789abcdefNotAKey";
    let cases: [Case<'_>; 4] = [
        (
            &[],
            &[
                ("STRIPE_API_KEY", key),
                ("STRIPE_SIGNING_SECRET", "whsec_0123456789abcdef"),
            ],
            "refuses live keys",
        ),
        (
            &[],
            &[("STRIPE_API_KEY", "sk_test_0123456789abcdef")],
            "STRIPE_SIGNING_SECRET is not set",
        ),
        (&[], &[("LISTEN", "0.0.0.0:0")], "on this machine only"),
        (&["--dmeo"], &[], "usage: storefront [--demo]"),
    ];
    for (arguments, settings, why) in cases {
        let mut program = command(&program);
        program.args(arguments).envs(settings.iter().copied());
        let output = run(program);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{why}");
        assert!(said.contains(why), "{said}");
        assert!(!said.contains(key) && !said.contains("0123456789abcdef"), "{said}");
        assert_eq!(text(&output.stdout), "", "{why}");
    }
}

#[test]
fn the_mock_gateway_runs_alone_on_a_port_and_says_how_to_reach_it() {
    let Some(program) = example("mock_gateway") else { return };
    let mut command = command(&program);
    command.args(["--endpoint", "http://127.0.0.1:9/notification", "--language", "ja"]);
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let mut said = Vec::new();
    for line in lines.lines().map_while(Result::ok) {
        let last = line.starts_with("Ctrl-C");
        said.push(line);
        if last {
            break;
        }
    }
    let value = |name: &str| {
        said.iter()
            .find_map(|line| line.trim_start().strip_prefix(name))
            .map(str::trim)
    };
    let host = value("base URL")
        .and_then(|url| url.strip_prefix("http://"))
        .map(|url| url.trim_end_matches('/'));
    let answer = host.map(ask);
    stop(&mut child);
    let answer = answer.expect("an address").unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.contains("Test gateway"),
        "{answer}"
    );
    assert!(
        value("API key").is_some_and(|key| key.starts_with("sk_test_")),
        "{said:?}"
    );
    assert!(
        value("its secret").is_some_and(|secret| secret.starts_with("whsec_")),
        "{said:?}"
    );
}

#[test]
fn the_mock_gateway_refuses_what_it_does_not_understand_and_calls_nobody_outside() {
    let Some(program) = example("mock_gateway") else { return };
    for (arguments, code, why) in [
        (&["--prot", "1"][..], 2, "unknown option --prot"),
        (&["--port"], 2, "needs a value"),
        (&["--port", "70000"], 2, "not a number that fits"),
        (&["--delay", "soon"], 2, "not a number that fits"),
        (&["--gateway", "paypal"], 2, "no gateway is called paypal"),
        (&["--gateway"], 2, "needs a value"),
        (&["--gateway", "sbps", "--language", "fr"], 1, "it is ja or en"),
        (&["--gateway", "gmopg", "--language", "fr"], 1, "it is ja or en"),
        (
            &["--gateway", "sbps", "--endpoint", "http://192.0.2.1/result"],
            1,
            "loopback",
        ),
        (&["--endpoint", "https://shop.example/notification"], 1, ""),
        (&["--endpoint", "http://192.0.2.1/notification"], 1, "loopback"),
    ] {
        let mut program = command(&program);
        program.args(arguments);
        let output = run(program);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(
            said.contains(why) && text(&output.stdout).is_empty(),
            "{arguments:?}: {said}"
        );
    }
}
