//! Errors as RFC 9457 `application/problem+json`. [`Kind`] lists every `type`.

use std::any::Any;

use axum::body::Body;
use axum::http::{Extensions, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::actors::admission::IngestError;
use crate::actors::directory::Refused;
use crate::actors::node::OpenError;
use crate::actors::workspace::command::OwnerError;
use earcon_ports::{ErrorKind, PortError};

/// The content type of an error answer.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// What went wrong; decides `type`, `title` and status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    BadRequest,
    NothingAccepted,
    Unauthorised,
    Csrf,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Conflict,
    NotNow,
    TooLarge,
    HeadTooLarge,
    TooSlow,
    UnsupportedMediaType,
    UpgradeRequired,
    Overloaded,
    Unavailable,
    StorageFull,
    Internal,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Kind; 18] = [
        Kind::BadRequest,
        Kind::NothingAccepted,
        Kind::Unauthorised,
        Kind::Csrf,
        Kind::Forbidden,
        Kind::NotFound,
        Kind::MethodNotAllowed,
        Kind::Conflict,
        Kind::NotNow,
        Kind::TooLarge,
        Kind::HeadTooLarge,
        Kind::TooSlow,
        Kind::UnsupportedMediaType,
        Kind::UpgradeRequired,
        Kind::Overloaded,
        Kind::Unavailable,
        Kind::StorageFull,
        Kind::Internal,
    ];

    /// The `type` of the problem document.
    pub(crate) fn uri(self) -> String {
        format!("/problems/{}", self.parts().0)
    }

    fn parts(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Kind::BadRequest => ("bad-request", "The request is not understood", StatusCode::BAD_REQUEST),
            Kind::NothingAccepted => ("nothing-accepted", "No sample was accepted", StatusCode::BAD_REQUEST),
            Kind::Unauthorised => ("unauthorised", "The caller is not known", StatusCode::UNAUTHORIZED),
            Kind::Csrf => ("csrf", "The page did not repeat its text", StatusCode::FORBIDDEN),
            Kind::Forbidden => ("forbidden", "This is not allowed", StatusCode::FORBIDDEN),
            Kind::NotFound => ("not-found", "There is no such thing", StatusCode::NOT_FOUND),
            Kind::MethodNotAllowed => {
                ("method-not-allowed", "This address does not take that method", StatusCode::METHOD_NOT_ALLOWED)
            }
            Kind::Conflict => ("conflict", "Another request changed it first", StatusCode::PRECONDITION_FAILED),
            Kind::NotNow => ("not-now", "Not possible in the present state", StatusCode::CONFLICT),
            Kind::TooLarge => ("too-large", "The request is too large", StatusCode::PAYLOAD_TOO_LARGE),
            Kind::HeadTooLarge => {
                ("head-too-large", "The head is too large", StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
            }
            Kind::TooSlow => ("too-slow", "The request arrived too slowly", StatusCode::REQUEST_TIMEOUT),
            Kind::UpgradeRequired => {
                ("upgrade-required", "This address needs another protocol", StatusCode::UPGRADE_REQUIRED)
            }
            Kind::UnsupportedMediaType => {
                ("unsupported-media-type", "This content type is not understood", StatusCode::UNSUPPORTED_MEDIA_TYPE)
            }
            Kind::Overloaded => ("overloaded", "Too many requests or samples", StatusCode::TOO_MANY_REQUESTS),
            Kind::Unavailable => ("unavailable", "Not available right now", StatusCode::SERVICE_UNAVAILABLE),
            Kind::StorageFull => ("storage-full", "The disk has no room for this", StatusCode::INSUFFICIENT_STORAGE),
            Kind::Internal => ("internal", "Something failed here", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

/// An error answer.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    more: Map<String, Value>,
    allow: Option<&'static str>,
    /// Seconds after which trying again may help, if it is not the usual time of the kind.
    after: Option<u64>,
    /// For the log alone.
    cause: Option<String>,
}

/// Why the server could not serve a request, for the log. It is an extension of the response.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// The kind of problem.
    pub(crate) kind: &'static str,
    /// The reason of this one.
    pub(crate) reason: String,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), more: Map::new(), allow: None, after: None, cause: None }
    }

    /// Adds an extension member.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    /// For senders that drop what is refused with 408, and send again what is refused with 503.
    pub(crate) fn retryable(mut self) -> Self {
        if self.kind == Kind::TooSlow {
            self.kind = Kind::Unavailable;
        }
        self
    }

    /// Says after how many seconds trying again may help.
    pub(crate) fn after(mut self, seconds: u64) -> Self {
        self.after = Some(seconds);
        self
    }

    /// Names the methods that the address takes.
    pub(crate) fn allowing(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    /// Seconds after which trying again may help.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        if self.after.is_some() {
            return self.after;
        }
        match self.kind {
            Kind::Overloaded | Kind::Unavailable => Some(1),
            // Room is made by a person or by retention, not within a second.
            Kind::StorageFull => Some(30),
            _ => None,
        }
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.kind.parts().2
    }

    /// The explanation for this occurrence.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Sets the reason for the log, which may say more than the answer.
    fn caused_by(mut self, error: &PortError) -> Self {
        self.cause = Some(error.to_string());
        self
    }

    fn refusal(&self) -> Option<Refusal> {
        let is_logged = matches!(self.kind, Kind::Unavailable | Kind::StorageFull) || self.cause.is_some();
        let reason = || self.cause.clone().unwrap_or_else(|| self.detail.clone());
        is_logged.then(|| Refusal { kind: self.kind.parts().0, reason: reason() })
    }

    /// The error in the words of another protocol, with the same `retry-after`.
    pub(crate) fn respond_as(&self, status: StatusCode, body: impl IntoResponse) -> Response {
        let mut response = answer(status, body, self.retry_after());
        response.extensions_mut().extend(self.refusal().map(extension).unwrap_or_default());
        response
    }

    /// The status, and the document of type [`PROBLEM_JSON`].
    pub(crate) fn document(self) -> (StatusCode, String) {
        let (_, title, status) = self.kind.parts();
        let mut body = self.more;
        body.insert("type".into(), json!(self.kind.uri()));
        body.insert("title".into(), json!(title));
        body.insert("status".into(), json!(status.as_u16()));
        body.insert("detail".into(), json!(self.detail));
        (status, Value::Object(body).to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (kind, allow, retry_after) = (self.kind, self.allow, self.retry_after());
        let refusal = self.refusal();
        let (status, body) = self.document();
        let content_type = (header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        let mut response = answer(status, ([content_type], body), retry_after);
        response.extensions_mut().extend(refusal.map(extension).unwrap_or_default());
        let headers = response.headers_mut();
        if let Some(methods) = allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        if kind == Kind::UpgradeRequired {
            // RFC 6455 §4.4 and RFC 9110 §15.5.22.
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        response
    }
}

fn extension(refusal: Refusal) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(refusal);
    extensions
}

/// An error answer with its `retry-after` header.
fn answer(status: StatusCode, body: impl IntoResponse, retry_after: Option<u64>) -> Response {
    let mut response = (status, body).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"earcon\""));
    }
    if status == StatusCode::REQUEST_TIMEOUT {
        // The rest of the request never becomes another one.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        let kind = match error {
            OpenError::Unavailable | OpenError::Failed(_) => Kind::Unavailable,
            OpenError::Unknown(_) => Kind::NotFound,
            OpenError::TooMany(_) => Kind::Forbidden,
        };
        Problem::new(kind, error.to_string())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Open(error) => error.into(),
            Refused::Ingest(error) => error.into(),
        }
    }
}

impl From<OwnerError> for Problem {
    fn from(error: OwnerError) -> Self {
        Problem::new(Kind::Unavailable, error.to_string())
    }
}

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        let kind = match error {
            IngestError::Overloaded => Kind::Overloaded,
            IngestError::TooLarge { .. } => Kind::TooLarge,
            IngestError::Unavailable | IngestError::StorageLost(_) => Kind::Unavailable,
            IngestError::StorageFull { .. } => Kind::StorageFull,
        };
        Problem::new(kind, error.to_string())
    }
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        let problem = match error.kind {
            ErrorKind::Conflict => Problem::new(Kind::Conflict, error.to_string()),
            ErrorKind::Invalid => Problem::new(Kind::BadRequest, error.to_string()),
            ErrorKind::Unavailable => {
                Problem::new(Kind::Unavailable, format!("the storage is not available right now: {}", error.context))
            }
            ErrorKind::StorageFull => Problem::new(Kind::StorageFull, error.to_string()),
            ErrorKind::Corrupt => Problem::new(Kind::Internal, "the stored data cannot be read; see the server's log"),
        };
        if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Corrupt) {
            problem.caused_by(&error)
        } else {
            problem
        }
    }
}

/// Too much waits for clients already.
pub(crate) fn no_room() -> Problem {
    Problem::new(Kind::Unavailable, "too many bytes of answers wait for their clients; try again in a second")
}

/// The workspace stopped while it handled the request.
pub(crate) fn restarting() -> Problem {
    Problem::new(Kind::Unavailable, "the workspace is restarting; try again in a second")
}

pub(crate) async fn method_not_allowed() -> Problem {
    Problem::new(Kind::MethodNotAllowed, "see /api/v1/openapi.json for what each address takes")
}

pub(crate) fn panicked(_panic: Box<dyn Any + Send + 'static>) -> axum::http::Response<Body> {
    tracing::error!("a request handler panicked");
    Problem::new(Kind::Internal, "the request could not be handled; see the server's log").into_response()
}
