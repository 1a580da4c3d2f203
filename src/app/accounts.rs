//! Opens the accounts, announces the link of the first owner, and keeps them up to date.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::backends::Opened;
use super::error::StartError;
use super::settings::session_policy;
use crate::config::{Backend, Config};
use earcon_accounts::{Accounts, AccountsError, AccountsSettings, SystemRandom};
use earcon_model::Clock;
use earcon_tenancy::Authorizer;

/// How often changes of other nodes are read.
const REFRESH: Duration = Duration::from_secs(1);
/// How often the last use of keys is written down.
const USED: Duration = Duration::from_secs(60);
/// How often ended sessions are removed, the key for tokens is replaced if it is old, and the heads
/// of the audit logs go to the log of the server.
const HOURLY: Duration = Duration::from_secs(3_600);

/// Reads all accounts. From now on the authoriser knows them.
///
/// # Errors
/// Those of the store.
pub(super) async fn open(
    config: &Config,
    opened: &Opened,
    clock: Arc<dyn Clock>,
    authorizer: &Authorizer,
) -> Result<Accounts, StartError> {
    let settings = AccountsSettings { sessions: session_policy(&config.accounts), ..AccountsSettings::default() };
    let (store, audit) = (opened.account_store.clone(), opened.audit_log.clone());
    let accounts =
        Accounts::open(store, audit, authorizer.accounts(), (clock, Arc::new(SystemRandom)), settings).await?;
    authorizer.know(Arc::new(accounts.clone()));
    Ok(accounts)
}

/// Shows the link that makes the first owner, if there is no owner. It goes to standard output and
/// not into the log, which others may read.
///
/// # Errors
/// Those of the store.
pub(super) async fn announce_owner_link(accounts: &Accounts, address: SocketAddr) -> Result<(), StartError> {
    let Some(secret) = accounts.owner_link().await? else { return Ok(()) };
    let text = format!(
        "This server has no owner yet. Open this link in a browser, once and within a day:\n  \
         http://{address}/#/claim/{secret}\n"
    );
    if std::io::stdout().write_all(text.as_bytes()).is_err() {
        tracing::warn!("the link for the first owner cannot be shown, because standard output is closed");
    }
    Ok(())
}

/// Keeps the accounts up to date until it is aborted.
pub(super) async fn upkeep(accounts: Accounts, config: Arc<Config>) {
    let is_shared = config.storage.meta == Backend::Cql;
    let mut ticks = interval(REFRESH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut used_at, mut hour_at) = (Instant::now(), Instant::now());
    loop {
        ticks.tick().await;
        if is_shared && let Err(error) = accounts.refresh().await {
            tracing::warn!(%error, "changes of accounts by other nodes cannot be read");
            sleep(REFRESH).await;
        }
        if used_at.elapsed() >= USED {
            used_at = Instant::now();
            warn("the last use of keys cannot be written", accounts.write_used_keys().await);
        }
        if hour_at.elapsed() >= HOURLY {
            hour_at = Instant::now();
            warn("sessions and invitations that are over cannot be removed", accounts.sweep().await);
            warn("the key that signs tokens cannot be replaced", accounts.rotate_signing_key().await);
            log_heads(&accounts).await;
        }
    }
}

/// Writes the heads of the audit logs into the log of the server: a log that was cut later is
/// shorter than its head there.
async fn log_heads(accounts: &Accounts) {
    let organisations: Vec<_> = {
        let view = accounts.view();
        view.organisations().map(|organisation| organisation.id.clone()).collect()
    };
    for organisation in organisations {
        match accounts.audit().head(&organisation).await {
            Ok(head) if head.seq > 0 => {
                tracing::info!(%organisation, seq = head.seq, hash = %head.hash, "head of the audit log");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%organisation, %error, "the head of the audit log cannot be read"),
        }
    }
}

fn warn<T>(what: &str, result: Result<T, AccountsError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "{what}");
    }
}
