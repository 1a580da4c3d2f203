//! `[accounts]`: whether callers must be known.

use std::net::SocketAddr;
use std::time::Duration;

use super::problem::Problem;
use super::reader::Reader;

/// Whether callers must be known, and how long a sign-in lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    /// Every request needs a key or a sign-in. Otherwise programs and browsers of this machine may
    /// do everything without.
    pub required: bool,
    /// A proxy in front of the server ends TLS.
    pub behind_tls_proxy: bool,
    /// A session ends after this time.
    pub session: Duration,
    /// A session ends after this time without a request.
    pub idle: Duration,
}

impl Accounts {
    pub(super) fn read(read: &mut Reader) -> Self {
        Self {
            required: read.flag("accounts.required"),
            behind_tls_proxy: read.flag("accounts.behind_tls_proxy"),
            session: read.seconds_of("accounts.session_hours", 3_600, 1, 24 * 365),
            idle: read.seconds_of("accounts.idle_hours", 3_600, 1, 24 * 365),
        }
    }
}

/// Refuses an address that other machines reach, unless callers are known and their secrets are
/// encrypted on the way.
pub(super) fn check(accounts: &Accounts, (listen, has_tls): (SocketAddr, bool), problems: &mut Vec<Problem>) {
    let mut problem = |key: &str, message: String| problems.push(Problem { key: key.into(), message });
    if !listen.ip().is_loopback() && !accounts.required {
        let message = format!(
            "{listen} can be reached from other machines, and without accounts everybody could read and write \
             everything; set accounts.required = true, or use a loopback address such as 127.0.0.1"
        );
        problem("server.listen", message);
    } else if !listen.ip().is_loopback() && !accounts.behind_tls_proxy && !has_tls {
        let message = format!(
            "{listen} can be reached from other machines, and keys and passwords would go over the network as \
             they are; set tls.certificate and tls.key, let a proxy on this machine encrypt \
             (docs/operations.md), or set accounts.behind_tls_proxy = true if one on another machine does"
        );
        problem("server.listen", message);
    }
    if accounts.idle > accounts.session {
        problem("accounts.idle_hours", "must not be more than accounts.session_hours".into());
    }
}
