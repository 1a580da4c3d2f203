//! Requests to other servers over HTTP: identity providers, webhooks, models, object stores.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

/// Limits of one request. They hold whatever the other server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Longest silence of the other server: before its answer, and inside of it.
    pub silence: Duration,
    /// Longest time of everything: waiting for a place, redirects, repetitions, and the answer.
    pub total: Duration,
    /// Largest body of the answer, bytes.
    pub answer_bytes: usize,
    /// Most redirects that are followed. With 0, a redirect is an answer like any other.
    pub redirects: u32,
}

impl Default for HttpLimits {
    /// 30 seconds of silence, 60 seconds in all, 1 MiB, 3 redirects.
    fn default() -> Self {
        Self { silence: Duration::from_secs(30), total: Duration::from_secs(60), answer_bytes: 1 << 20, redirects: 3 }
    }
}

/// When a request that failed is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Repeat {
    /// If sending it twice does no more than sending it once: by its method (RFC 9110 §9.2.2), or
    /// because it was never sent.
    #[default]
    IfIdempotent,
    /// Always. The caller knows that the other server ignores repetitions.
    Always,
    /// Never.
    Never,
}

/// A request to another server.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The address. A fragment is not sent.
    pub url: Url,
    /// Headers. Those of the connection are the adapter's (`host`, `content-length`, …).
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Limits.
    pub limits: HttpLimits,
    /// Whether it is sent again after a failure.
    pub repeat: Repeat,
    /// Most times it is sent, redirects not counted. At least 1.
    pub attempts: u32,
}

impl HttpRequest {
    /// A request without headers and body, with the default limits, sent three times at most.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            limits: HttpLimits::default(),
            repeat: Repeat::default(),
            attempts: 3,
        }
    }
}

/// Hides the values of headers, the body, and the path and the query of the URL: all of them carry
/// secrets at some service.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("origin", &origin(&self.url))
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .field("limits", &self.limits)
            .field("repeat", &self.repeat)
            .field("attempts", &self.attempts)
            .finish()
    }
}

/// Scheme, host and port of a URL: the part that may be shown. Some services have their secret in
/// the path.
pub fn origin(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| format!("{}://{host}", url.scheme()), |port| format!("{}://{host}:{port}", url.scheme()))
}

/// An answer, with `B` as its body.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpAnswer<B = Bytes> {
    /// The status. Every status is an answer, also that of a failure.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The address that answered, after redirects.
    pub url: Url,
    /// The body, as it was sent: nothing is decompressed.
    pub body: B,
}

/// Hides the body and the values of headers.
impl<B> fmt::Debug for HttpAnswer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAnswer")
            .field("status", &self.status)
            .field("origin", &origin(&self.url))
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A body that arrives. It ends with an error if a limit is reached or the connection breaks: a
/// body without an error is whole.
pub type HttpBody = BoxStream<'static, Result<Bytes, HttpError>>;

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpErrorKind {
    /// The egress policy does not allow it. Nothing was sent there.
    Refused,
    /// The request cannot be sent, by anybody.
    Invalid,
    /// As many requests as may wait are waiting.
    Busy,
    /// The name has no address, or no lookup is possible.
    Unresolved,
    /// No connection could be made.
    Unreachable,
    /// The encrypted connection could not be made: a certificate is not trusted, or the other
    /// server speaks something else.
    Tls,
    /// It took too long.
    TimedOut,
    /// The body of the answer is larger than allowed.
    TooLarge,
    /// There were too many redirects, or one that is not followed.
    Redirect,
    /// The connection ended too early, or what came was no answer of HTTP/1.1.
    Broken,
}

impl HttpErrorKind {
    /// Whether the request may succeed later, without a change on this side.
    pub fn is_temporary(self) -> bool {
        match self {
            Self::Busy | Self::Unresolved | Self::Unreachable | Self::TimedOut | Self::Broken => true,
            Self::Refused | Self::Invalid | Self::Tls | Self::TooLarge | Self::Redirect => false,
        }
    }
}

/// A request that has no answer.
///
/// The text is for operators: it may name an address of the own network. It contains no path, no
/// query, no header and no body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {reason}")]
pub struct HttpError {
    /// How the caller can react.
    pub kind: HttpErrorKind,
    /// Scheme, host and port.
    pub origin: String,
    /// The failure, for people.
    pub reason: String,
}

/// Sends requests to other servers.
///
/// Every implementation applies an egress policy: it connects only to addresses that are allowed,
/// also after a redirect. It has no cookies, and takes no proxy from the environment.
#[async_trait]
pub trait HttpClient: Send + Sync + 'static {
    /// Sends a request. Returns its answer when the head has arrived; the body follows. A failure
    /// inside of the body is not repeated.
    ///
    /// # Errors
    /// [`HttpErrorKind`] has them.
    async fn open(&self, request: HttpRequest) -> Result<HttpAnswer<HttpBody>, HttpError>;

    /// Sends a request, and returns its whole answer. A failure inside of the body is repeated as
    /// one before it.
    ///
    /// # Errors
    /// As [`Self::open`].
    async fn send(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn secrets_of_a_request_are_not_printed() {
        let url = Url::parse("https://user:pass@hooks.example:8443/services/s3cret?token=s3cret#s3cret").unwrap();
        let mut request = HttpRequest::new(Method::POST, url.clone());
        request.headers.insert("x-api-key", HeaderValue::from_static("s3cret"));
        request.body = Bytes::from_static(b"s3cret");
        let answer =
            HttpAnswer { status: StatusCode::OK, headers: request.headers.clone(), url, body: request.body.clone() };
        for text in [format!("{request:?}"), format!("{answer:?}")] {
            assert!(text.contains("https://hooks.example:8443\"") && text.contains("x-api-key"), "{text}");
            assert!(!text.contains("s3cret") && !text.contains("pass"), "{text}");
        }
    }
}
