//! The adapter: attempts, redirects and limits around single requests.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use earcon_model::Clock;
use earcon_ports::{
    HttpAnswer, HttpBody, HttpClient, HttpError, HttpErrorKind, HttpLimits, HttpRequest, PortError, origin,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::Full;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use url::Position;

use crate::arriving::{Bounds, bounded, whole};
use crate::connector::Connector;
use crate::failure::{Failure, error};
use crate::network::{Network, System};
use crate::places::Places;
use crate::redirect::{Hop, is_redirect};
use crate::retry::{Outcome, Retry};
use crate::settings::HttpSettings;
use crate::tls::client_config;

/// How long a connection without a request is kept.
const IDLE: Duration = Duration::from_secs(20);
/// Largest head of an answer, bytes.
const MOST_HEAD: usize = 64 * 1024;
/// What this program calls itself.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("earcon/", env!("CARGO_PKG_VERSION")));

/// Headers that belong to the connection, or decide where a message ends.
const OWN: [HeaderName; 9] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
    header::PROXY_AUTHORIZATION,
];

/// Sends requests to other servers.
pub struct OutboundHttp(Inner<System>);

impl OutboundHttp {
    /// A client with these settings. The clock is for times in answers.
    ///
    /// # Errors
    /// `Invalid` when the file of authorities cannot be used.
    pub fn new(settings: &HttpSettings, clock: Arc<dyn Clock>) -> Result<Self, PortError> {
        Inner::new(settings, clock, System::new()).map(Self)
    }
}

#[async_trait]
impl HttpClient for OutboundHttp {
    async fn open(&self, request: HttpRequest) -> Result<HttpAnswer<HttpBody>, HttpError> {
        self.0.open(request).await
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
        self.0.send(request).await
    }
}

/// The client, over some network.
pub(crate) struct Inner<N> {
    connector: Connector<N>,
    client: Client<Connector<N>, Full<Bytes>>,
    places: Places,
    clock: Arc<dyn Clock>,
}

impl<N: Network> Inner<N> {
    pub(crate) fn new(settings: &HttpSettings, clock: Arc<dyn Clock>, network: N) -> Result<Self, PortError> {
        let tls = client_config(settings.ca_file.as_deref())?;
        let connector = Connector::new(network, settings.egress.clone(), tls, settings.connect, settings.most * 2);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(settings.most_per_host)
            .http1_max_buf_size(MOST_HEAD)
            .build(connector.clone());
        Ok(Self { connector, client, places: Places::new(settings), clock })
    }

    pub(crate) async fn open(&self, request: HttpRequest) -> Result<HttpAnswer<HttpBody>, HttpError> {
        self.within(&request, async |deadline| {
            let mut retry = Retry::new(&request.method, request.repeat, request.attempts);
            loop {
                let attempt = self.attempt(&request, deadline).await;
                match self.pause(&mut retry, &attempt, deadline) {
                    Some(pause) => {
                        // A body that is not read holds a place.
                        drop(attempt);
                        sleep(pause).await;
                    }
                    None => return attempt.map_err(|failure| failure.error),
                }
            }
        })
        .await
    }

    pub(crate) async fn send(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
        self.within(&request, async |deadline| {
            let mut retry = Retry::new(&request.method, request.repeat, request.attempts);
            loop {
                let attempt = match self.attempt(&request, deadline).await {
                    Ok(answer) => collected(answer).await,
                    Err(failure) => Err(failure),
                };
                match self.pause(&mut retry, &attempt, deadline) {
                    Some(pause) => sleep(pause).await,
                    None => return attempt.map_err(|failure| failure.error),
                }
            }
        })
        .await
    }

    /// Does something for a request in the time that it has.
    async fn within<T>(
        &self,
        request: &HttpRequest,
        act: impl AsyncFnOnce(Instant) -> Result<T, HttpError>,
    ) -> Result<T, HttpError> {
        let HttpLimits { total, .. } = request.limits;
        let deadline = Instant::now() + total;
        timeout_at(deadline, act(deadline)).await.unwrap_or_else(|_| {
            let reason = format!("there was no answer within {} seconds", total.as_secs_f64());
            Err(error(HttpErrorKind::TimedOut, &origin(&request.url), reason))
        })
    }

    /// The pause before the next attempt. `None` if there is none.
    fn pause<B>(
        &self,
        retry: &mut Retry,
        attempt: &Result<HttpAnswer<B>, Failure>,
        deadline: Instant,
    ) -> Option<Duration> {
        let outcome = match attempt {
            Ok(answer) => Outcome::Answer(answer.status, &answer.headers),
            Err(failure) => Outcome::Failure { kind: failure.error.kind, sent: failure.sent },
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(self.clock.now_ms().max(0).unsigned_abs());
        let left = deadline.saturating_duration_since(Instant::now());
        retry.next(outcome, left, now, fastrand::f64())
    }

    /// Sends the request, and those that redirects lead to.
    async fn attempt(&self, request: &HttpRequest, deadline: Instant) -> Result<HttpAnswer<HttpBody>, Failure> {
        let HttpRequest { method, url, headers, body, limits, .. } = request.clone();
        let (mut hop, mut redirects) = (Hop { method, url, headers, body }, 0);
        let mut sent = false;
        loop {
            let answer = self.single(&hop, &limits, deadline).await.map_err(|failure| {
                // An earlier request of the chain was executed.
                Failure { sent: sent || failure.sent, ..failure }
            })?;
            if limits.redirects == 0 || !is_redirect(answer.status, &answer.headers) {
                return Ok(answer);
            }
            sent = true;
            let origin = origin(&hop.url);
            let stopped = |reason: String| Failure::after(HttpErrorKind::Redirect, &origin, reason);
            if redirects == limits.redirects {
                return Err(stopped(format!("there were more than {redirects} redirects")));
            }
            redirects += 1;
            hop = hop.follow(answer.status, &answer.headers).map_err(|reason| stopped(reason.to_owned()))?;
        }
    }

    /// Sends one request.
    async fn single(&self, hop: &Hop, limits: &HttpLimits, deadline: Instant) -> Result<HttpAnswer<HttpBody>, Failure> {
        let origin = origin(&hop.url);
        let request = plain_request(hop, &origin)?;
        self.connector.check(&hop.url).map_err(|error| Failure { error, sent: false })?;
        let place = self.places.take(&origin, hop.body.len()).await.map_err(|_| {
            Failure::before(HttpErrorKind::Busy, &origin, "too many requests of this server wait for their turn")
        })?;
        let answer = timeout(limits.silence, self.client.request(request)).await;
        let answer = answer.map_err(|_| {
            let reason = format!("there was no answer for {} seconds", limits.silence.as_secs_f64());
            Failure::after(HttpErrorKind::TimedOut, &origin, reason)
        })?;
        let (head, body) = answer.map_err(|failed| failure(&origin, &failed))?.into_parts();
        if !hop.headers.contains_key(header::ACCEPT_ENCODING) && is_encoded(&head.headers) {
            let reason = "the answer is compressed, which the request did not ask for";
            return Err(Failure::after(HttpErrorKind::Invalid, &origin, reason));
        }
        let HttpLimits { answer_bytes, silence, .. } = *limits;
        let bounds = Bounds { origin, answer_bytes, silence, deadline };
        let body = bounded(body, bounds, place).map_err(|error| Failure { error, sent: true })?;
        Ok(HttpAnswer { status: head.status, headers: head.headers, url: hop.url.clone(), body })
    }
}

async fn collected(answer: HttpAnswer<HttpBody>) -> Result<HttpAnswer, Failure> {
    let HttpAnswer { status, headers, url, body } = answer;
    let body = whole(body).await.map_err(|error| Failure { error, sent: true })?;
    Ok(HttpAnswer { status, headers, url, body })
}

/// The request as hyper sends it.
fn plain_request(hop: &Hop, origin: &str) -> Result<Request<Full<Bytes>>, Failure> {
    let invalid = |reason: String| Failure::before(HttpErrorKind::Invalid, origin, reason);
    if hop.method == Method::CONNECT {
        return Err(invalid("the method CONNECT is not sent".to_owned()));
    }
    if let Some(own) = OWN.iter().find(|name| hop.headers.contains_key(*name)) {
        return Err(invalid(format!("the header {own} cannot be set by the author of a request")));
    }
    let mut request = Request::new(Full::new(hop.body.clone()));
    *request.method_mut() = hop.method.clone();
    *request.uri_mut() = hop.url[..Position::AfterQuery]
        .parse()
        .map_err(|_| invalid("the URL has a character that HTTP does not allow".to_owned()))?;
    let headers = request.headers_mut();
    headers.insert(header::USER_AGENT, AGENT);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, _) in &hop.headers {
        headers.remove(name);
    }
    headers.extend(hop.headers.clone());
    Ok(request)
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// The failure that hyper reports.
fn failure(origin: &str, failed: &legacy::Error) -> Failure {
    let source = std::error::Error::source(failed);
    if let Some(own) = source.and_then(|source| source.downcast_ref::<HttpError>()) {
        return Failure { error: own.clone(), sent: false };
    }
    let mut reason = failed.to_string();
    let mut cause = source;
    while let Some(error) = cause {
        reason = error.to_string();
        cause = error.source();
    }
    Failure::after(HttpErrorKind::Broken, origin, format!("the connection broke before the answer: {reason}"))
}
