//! The [`Transport`](super::Transport) made of reqwest.

use std::time::Duration;

use bytes::Bytes;

use super::{BoxFuture, CallLimits, Transport, TransportError, TransportErrorKind};
use crate::error::ConfigError;

/// Sends over one reused reqwest client.
#[derive(Clone, Debug)]
pub struct HttpTransport(reqwest::Client);

/// Builds an [`HttpTransport`].
#[derive(Debug)]
pub struct HttpTransportBuilder;

impl HttpTransport {
    /// With the defaults.
    pub fn new() -> Result<Self, ConfigError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ConfigError::Transport(error.without_url().into()))?;
        Ok(Self(client))
    }
}

impl Transport for HttpTransport {
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: CallLimits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let mut request =
                reqwest::Request::try_from(request).map_err(|_| TransportError::new(TransportErrorKind::Refused))?;
            *request.timeout_mut() = Some(limits.total);
            let answer = self
                .0
                .execute(request)
                .await
                .map_err(|_| TransportError::new(TransportErrorKind::Broken))?;
            let mut response = http::Response::new(Bytes::new());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            *response.body_mut() = answer
                .bytes()
                .await
                .map_err(|_| TransportError::new(TransportErrorKind::Broken))?;
            Ok(response)
        })
    }

    fn pause(&self, wait: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}
