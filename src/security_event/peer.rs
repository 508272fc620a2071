//! Was a connection refused because the other end could not show who it is (PAY-55)?

use std::error::Error as StdError;

use super::words::Reason;

/// The reason, if the cause of an error is TLS. Seen with the crate's own transport over rustls; another transport tells it if its
/// errors hold those of rustls.
#[cfg(feature = "rustls")]
pub(crate) fn untrusted(error: &(dyn StdError + 'static)) -> Option<Reason> {
    let mut cause = Some(error);
    // Chains are a handful of errors long; a chain that bites its tail is not followed for ever.
    for _ in 0..32 {
        let here = cause?;
        if let Some(tls) = here.downcast_ref::<rustls::Error>() {
            return Some(match tls {
                rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Reason::Certificate,
                _ => Reason::Tls,
            });
        }
        // An I/O error hides what it wraps from `source`.
        let wrapped = here.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match wrapped {
            Some(inner) => Some(inner),
            None => here.source(),
        };
    }
    None
}

/// Without TLS there is nothing to see.
#[cfg(not(feature = "rustls"))]
pub(crate) fn untrusted(_: &(dyn StdError + 'static)) -> Option<Reason> {
    None
}
