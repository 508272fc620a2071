//! TLS against a server of our own, with the certificates of `tests/certs`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kessai::transport::{HttpTransport, Transport, TransportErrorKind};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use super::server::{Server, wait};
use super::{error, get, limits};

const ROOT: &[u8] = include_bytes!("../../certs/root.pem");
const STRANGER: &[u8] = include_bytes!("../../certs/stranger.pem");
const SERVER: &[u8] = include_bytes!("../../certs/server.pem");
const OTHER_NAME: &[u8] = include_bytes!("../../certs/other_name.pem");
const EXPIRED: &[u8] = include_bytes!("../../certs/expired.pem");
const KEY: &[u8] = include_bytes!("../../certs/server.key");

/// Serves one connection with that certificate, and says what it could read of the request.
pub fn serve(certificate: &[u8], version: &'static SupportedProtocolVersion) -> (u16, std::thread::JoinHandle<String>) {
    serve_body(certificate, version, "secret".to_owned())
}

/// Likewise, with another answer.
pub fn serve_body(
    certificate: &[u8],
    version: &'static SupportedProtocolVersion,
    body: String,
) -> (u16, std::thread::JoinHandle<String>) {
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut tls = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), tcp);
        let mut request = Vec::new();
        let mut buffer = [0; 1024];
        while !request.ends_with(b"\r\n\r\n") {
            match tls.read(&mut buffer) {
                Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
                _ => break,
            }
        }
        if !request.is_empty() {
            let length = body.len();
            let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            tls.write_all(reply.as_bytes()).unwrap();
            tls.conn.send_close_notify();
            let _ = tls.flush();
        }
        String::from_utf8(request).unwrap()
    });
    (port, server)
}

fn trusting(root: &[u8]) -> HttpTransport {
    HttpTransport::builder().add_root_certificate(root).build().unwrap()
}

#[tokio::test]
async fn a_trusted_certificate_of_the_right_name_is_accepted_in_both_versions() {
    let der = CertificateDer::from_pem_slice(ROOT).unwrap().to_vec();
    let both = [STRANGER, ROOT].concat();
    for (root, host, version) in [
        (ROOT, "localhost", &rustls::version::TLS13),
        (ROOT, "127.0.0.1", &rustls::version::TLS12),
        (der.as_slice(), "localhost", &rustls::version::TLS12),
        (both.as_slice(), "127.0.0.1", &rustls::version::TLS13),
    ] {
        let (port, server) = serve(SERVER, version);
        let reply = trusting(root)
            .send(get(&format!("https://{host}:{port}/v1?a=b")), limits())
            .await
            .unwrap();
        assert_eq!(reply.body(), "secret");
        assert!(server.join().unwrap().starts_with("GET /v1?a=b HTTP/1.1\r\n"));
    }
}

#[tokio::test]
async fn any_other_certificate_means_nothing_was_sent() {
    for (name, root, certificate, host) in [
        ("no root given", None, SERVER, "localhost"),
        ("the root of somebody else", Some(STRANGER), SERVER, "localhost"),
        ("another name", Some(ROOT), OTHER_NAME, "localhost"),
        ("another name, by address", Some(ROOT), OTHER_NAME, "127.0.0.1"),
        ("expired", Some(ROOT), EXPIRED, "localhost"),
        ("expired, by address", Some(ROOT), EXPIRED, "127.0.0.1"),
    ] {
        let transport = root.map_or_else(super::http, trusting);
        let (port, server) = serve(certificate, &rustls::version::TLS13);
        let address = format!("https://{host}:{port}/v1?token=canary");
        let error = error(transport.send(get(&address), limits()).await);
        assert_eq!(error.kind, TransportErrorKind::Connect, "{name}");
        assert!(!format!("{error:?}").contains("canary"), "{name}: {error:?}");
        assert_eq!(server.join().unwrap(), "", "{name}: nothing of the request arrived");
    }
}

#[tokio::test]
async fn what_does_not_speak_tls_gets_no_request() {
    let silent = Server::saying(vec![wait(1)]).await;
    let transport = HttpTransport::builder()
        .connect_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let started = Instant::now();
    let address = format!("https://127.0.0.1:{}/", silent.port());
    let error = error(transport.send(get(&address), limits()).await);
    assert_eq!(
        error.kind,
        TransportErrorKind::Connect,
        "the handshake belongs to connecting"
    );
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!((silent.accepted(), silent.requests().len()), (1, 0));
}

#[test]
fn roots_that_are_no_certificates_are_refused_when_building() {
    let cut = &ROOT[..ROOT.len() / 2];
    let mut der = CertificateDer::from_pem_slice(ROOT).unwrap().to_vec();
    der.truncate(100);
    for root in [
        &b""[..],
        b"root.pem",
        b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        b"-----BEGIN NOTHING-----\nAAAA\n-----END NOTHING-----\n",
        KEY,
        cut,
        &der,
    ] {
        let error = HttpTransport::builder()
            .add_root_certificate(root)
            .build()
            .map(|_| ())
            .unwrap_err();
        assert!(matches!(error, kessai::ConfigError::Transport(_)), "{error:?}");
    }
}

#[tokio::test]
async fn the_process_gets_no_provider_from_us_and_needs_none() {
    let (port, server) = serve(SERVER, &rustls::version::TLS13);
    let address = format!("https://localhost:{port}/");
    assert!(trusting(ROOT).send(get(&address), limits()).await.is_ok());
    server.join().unwrap();
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}
