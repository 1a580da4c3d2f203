//! The one place where outbound connections are made: lookup, policy, TCP, TLS.
//!
//! The addresses that were checked are those that are connected to. The name is not looked up
//! again, so its owner cannot give another address in between.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use earcon_egress::{Egress, Target};
use earcon_ports::{HttpError, HttpErrorKind};
use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;
use url::{Host, Url};

use crate::failure::error;
use crate::network::{Network, Stream};

/// Most addresses of a name that are tried.
const ADDRESSES: usize = 8;

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector<N> {
    shared: Arc<Shared<N>>,
}

struct Shared<N> {
    network: N,
    egress: Egress,
    tls: Arc<ClientConfig>,
    /// Longest time for all of it.
    within: Duration,
    /// Connections that exist.
    open: Arc<AtomicUsize>,
    /// Beyond so many connections, none is kept for a later request.
    most_kept: usize,
}

impl<N: Network> Connector<N> {
    pub(crate) fn new(network: N, egress: Egress, tls: Arc<ClientConfig>, within: Duration, most_kept: usize) -> Self {
        Self { shared: Arc::new(Shared { network, egress, tls, within, open: Arc::default(), most_kept }) }
    }

    /// Checks a URL before anything is done for it.
    ///
    /// # Errors
    /// `Refused` by the policy.
    pub(crate) fn check(&self, url: &Url) -> Result<Target, HttpError> {
        self.shared.check(url)
    }
}

impl<N: Network> Shared<N> {
    fn check(&self, url: &Url) -> Result<Target, HttpError> {
        let refused = self.egress.check_url(url);
        refused.map_err(|refusal| error(HttpErrorKind::Refused, &refusal.origin, refusal.to_string()))
    }

    async fn connect(&self, uri: &Uri) -> Result<Wire, HttpError> {
        let invalid = |reason: String| error(HttpErrorKind::Invalid, "the address of a request", reason);
        let url = Url::parse(&uri.to_string()).map_err(|wrong| invalid(wrong.to_string()))?;
        let target = self.check(&url)?;
        let origin = target.origin();
        let made = timeout(self.within, self.connect_to(&target)).await;
        made.unwrap_or_else(|_| {
            let reason = format!("no connection was made within {} seconds", self.within.as_secs_f64());
            Err(error(HttpErrorKind::TimedOut, &origin, reason))
        })
    }

    async fn connect_to(&self, target: &Target) -> Result<Wire, HttpError> {
        let origin = target.origin();
        let addresses = self.addresses(target).await?;
        // All of them, before the first connection.
        for address in &addresses {
            let checked = self.egress.check_address(target, *address);
            checked.map_err(|refusal| error(HttpErrorKind::Refused, &origin, refusal.to_string()))?;
        }
        let share = self.within / (addresses.len().clamp(1, ADDRESSES) as u32);
        let mut failed = "there is no address".to_owned();
        for address in addresses.into_iter().take(ADDRESSES) {
            let connecting = self.network.connect(SocketAddr::new(address, target.port()));
            match timeout(share, connecting).await {
                Ok(Ok(stream)) => return self.encrypt(target, stream).await,
                Ok(Err(wrong)) => failed = format!("{address}: {wrong}"),
                Err(_) => failed = format!("{address} does not answer"),
            }
        }
        Err(error(HttpErrorKind::Unreachable, &origin, format!("no connection: {failed}")))
    }

    async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, HttpError> {
        let name = match target.host() {
            Host::Ipv4(address) => return Ok(vec![(*address).into()]),
            Host::Ipv6(address) => return Ok(vec![(*address).into()]),
            Host::Domain(name) => name,
        };
        let unresolved =
            |reason: String| error(HttpErrorKind::Unresolved, &target.origin(), format!("no lookup: {reason}"));
        let found = self.network.lookup(name).await.map_err(|wrong| unresolved(wrong.to_string()))?;
        if found.is_empty() {
            return Err(unresolved("the name has no address".to_owned()));
        }
        Ok(found)
    }

    async fn encrypt(&self, target: &Target, stream: impl Stream) -> Result<Wire, HttpError> {
        let stream: Box<dyn Stream> = if target.is_https() {
            let origin = target.origin();
            let name = server_name(target.host())
                .map_err(|wrong| error(HttpErrorKind::Invalid, &origin, wrong.to_string()))?;
            let made = TlsConnector::from(self.tls.clone()).connect(name, stream).await;
            Box::new(made.map_err(|wrong| not_encrypted(&origin, &wrong))?)
        } else {
            Box::new(stream)
        };
        let kept = self.open.fetch_add(1, Ordering::AcqRel) < self.most_kept;
        Ok(Wire { stream, kept, open: self.open.clone() })
    }
}

fn server_name(host: &Host) -> Result<ServerName<'static>, rustls::pki_types::InvalidDnsNameError> {
    Ok(match host {
        Host::Ipv4(address) => ServerName::from(IpAddr::from(*address)),
        Host::Ipv6(address) => ServerName::from(IpAddr::from(*address)),
        Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())?,
    })
}

/// A failed handshake, with what to do about it where that is known.
fn not_encrypted(origin: &str, failed: &std::io::Error) -> HttpError {
    use rustls::{CertificateError, Error};
    let Some(wrong) = failed.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        // The connection ended meanwhile.
        return error(HttpErrorKind::Unreachable, origin, format!("no encrypted connection: {failed}"));
    };
    let hint = match wrong {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "; outbound.ca_file names authorities to trust besides the public ones"
        }
        Error::InvalidMessage(_) => "; the other server may not speak TLS on this port",
        Error::AlertReceived(AlertDescription::ProtocolVersion) => "; TLS 1.2 or newer is needed",
        _ => "",
    };
    error(HttpErrorKind::Tls, origin, format!("no encrypted connection: {wrong}{hint}"))
}

impl<N: Network> Service<Uri> for Connector<N> {
    type Response = TokioIo<Wire>;
    type Error = HttpError;
    type Future = BoxFuture<'static, Result<TokioIo<Wire>, HttpError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HttpError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let shared = self.shared.clone();
        Box::pin(async move { shared.connect(&uri).await.map(TokioIo::new) })
    }
}

/// A connection, encrypted or not.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    kept: bool,
    open: Arc<AtomicUsize>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        if !self.kept {
            connected.poison();
        }
        connected
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(context)
    }
}
