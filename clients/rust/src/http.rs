//! HTTP requests and responses. Errors are RFC 9457 problem documents.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::{Error, root_cause};
use crate::trust::Trust;

/// Upper limit for `Retry-After`. Longer values are cut to this limit.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

impl Client {
    pub(crate) fn unreachable(&self, reason: String) -> Error {
        Error::Unreachable { url: self.url().to_owned(), reason }
    }

    /// The error for a connection that was not made, or broke.
    pub(crate) fn broken(&self, error: &(dyn std::error::Error + 'static)) -> Error {
        let reason = root_cause(error);
        if Trust::refused(error) {
            Error::Untrusted { url: self.url().to_owned(), reason }
        } else {
            self.unreachable(reason)
        }
    }

    /// Sends a request whose response body may be endless. The timeout covers the head only.
    pub(crate) async fn open(&self, request: RequestBuilder) -> Result<Response, Error> {
        let sending = tokio::time::timeout(self.timeout, request.send()).await;
        match sending {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.broken(&error)),
            Err(_) => Err(self.unreachable("it did not answer in time".to_owned())),
        }
    }

    /// Sends a request and parses the JSON response.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        let response = self.open(request.timeout(self.timeout)).await?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let body = response.bytes().await.map_err(|error| self.unreachable(root_cause(&error)))?;
        serde_json::from_slice(&body).map_err(|error| Error::NotEarcon {
            url: self.url().to_owned(),
            reason: format!("cannot parse the response: {error}"),
        })
    }

    /// Sends a request whose response has no body.
    pub(crate) async fn tell(&self, request: RequestBuilder) -> Result<(), Error> {
        let response = self.open(request.timeout(self.timeout)).await?;
        if response.status().is_success() { Ok(()) } else { Err(self.refusal(response).await) }
    }

    /// The error for a response with an error status.
    pub(crate) async fn refusal(&self, response: Response) -> Error {
        let (status, retry_after) = (response.status(), retry_after(&response));
        let body = response.bytes().await.unwrap_or_default();
        self.refused(status, retry_after, &body)
    }

    pub(crate) fn refused(&self, status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Error {
        #[derive(Deserialize)]
        struct Problem {
            title: Option<String>,
            detail: Option<String>,
        }
        let problem: Option<Problem> = serde_json::from_slice(body).ok();
        match problem.and_then(|problem| problem.detail.or(problem.title)) {
            Some(detail) => Error::Refused { url: self.url().to_owned(), status: status.as_u16(), detail, retry_after },
            None if status == StatusCode::NOT_FOUND => {
                Error::NotEarcon { url: self.url().to_owned(), reason: "it does not have that path".to_owned() }
            }
            None => {
                let detail = "no reason given".to_owned();
                Error::Refused { url: self.url().to_owned(), status: status.as_u16(), detail, retry_after }
            }
        }
    }
}

/// The pause that `Retry-After` asks for. Only whole seconds are read, because the date form needs
/// synchronised clocks.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}
