//! From a request to the caller that the service knows.

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;

use crate::gateway::http::access::Access;
use crate::gateway::http::connection::Peer;
use crate::gateway::http::problem::{Kind, Problem};
use earcon_accounts::{By, Caller};
use earcon_identity::session::Device;
use earcon_tenancy::Principal;

/// The known caller of a request. Extracting it fails with 401 for an unknown one.
pub(super) struct Known(pub(super) By);

/// From where a request comes.
pub(super) struct From {
    /// The address of the client, or of the proxy in front.
    pub(super) address: std::net::IpAddr,
    /// The address and the program, for the list of sessions.
    pub(super) device: Device,
    /// The browser came over TLS.
    pub(super) secure: bool,
}

/// The caller of an access, for the service.
pub(super) fn by(access: &Access, from: &From) -> Result<By, Problem> {
    let caller = match access.caller()?.principal() {
        Principal::Loopback => Caller::Loopback,
        Principal::System => Caller::System,
        Principal::Account(account) => Caller::Of(*account.who()),
    };
    Ok(By { caller, from: Some(from.address.to_string()) })
}

impl<S: Send + Sync> FromRequestParts<S> for Known {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let access = Access::from_request_parts(parts, state).await?;
        let from = From::from_request_parts(parts, state).await?;
        by(&access, &from).map(Known)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let ConnectInfo(peer) = ConnectInfo::<Peer>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::new(Kind::Internal, "the server does not know where the request came from"))?;
        let address = peer.address().ip().to_canonical();
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let device = Device::new(&address.to_string(), text(header::USER_AGENT));
        // A browser names the scheme of the page, also behind a proxy that ends TLS.
        let secure = text(header::ORIGIN).starts_with("https://") || peer.hsts().is_some();
        Ok(Self { address, device, secure })
    }
}
