//! TLS with a provider of our own: neither does it depend on what the process has installed, nor does it install anything.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;

use crate::error::ConfigError;

/// TLS 1.2 and 1.3, the platform's trust store and the given roots, no client certificate, no key log.
pub(super) fn config(roots: &[Vec<u8>]) -> Result<ClientConfig, ConfigError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = certificates(roots)?;
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(broken)?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(broken)?
        // The platform's verifier checks more than the default one, not less; the name is the library's.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// PEM is told from DER by the line that begins an entry; text may stand before it.
fn certificates(roots: &[Vec<u8>]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let mut all = Vec::new();
    for root in roots {
        if !root.windows(11).any(|part| part == b"-----BEGIN ") {
            all.push(CertificateDer::from(root.clone()));
            continue;
        }
        let before = all.len();
        for certificate in CertificateDer::pem_slice_iter(root) {
            // The cause could repeat the file's text.
            all.push(certificate.map_err(|_| broken("a root certificate is not proper PEM"))?);
        }
        if all.len() == before {
            return Err(broken("there is no certificate in what was given as one"));
        }
    }
    Ok(all)
}

fn broken(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConfigError {
    ConfigError::Transport(cause.into())
}
