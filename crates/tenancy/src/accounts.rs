//! The accounts as they are now: read on each request, changed by one service.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use earcon_identity::AccountsView;
use earcon_identity::session::SessionPolicy;
use earcon_identity::token::{Ticket, TokenRefused, Tokens, UsedTickets};
use earcon_identity::view::Limits;
use tokio::sync::watch;

/// Tickets that are remembered as used. They are valid for a minute.
const MOST_TICKETS: usize = 100_000;
/// The name of this server in its tokens.
const ISSUER: &str = "earcon";

/// The accounts of the installation, in memory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Accounts(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Every request needs credentials.
    required: bool,
    view: RwLock<AccountsView>,
    changed: watch::Sender<u64>,
    tickets: Mutex<UsedTickets>,
}

impl Accounts {
    /// No accounts, and none is needed: requests of this machine may do everything.
    pub fn not_required() -> Self {
        Self::new(false, SessionPolicy::default())
    }

    /// No accounts yet.
    pub fn new(required: bool, policy: SessionPolicy) -> Self {
        Self(Arc::new(Shared {
            required,
            view: RwLock::new(AccountsView::new(Limits::default(), policy)),
            changed: watch::Sender::new(0),
            tickets: Mutex::new(UsedTickets::new(MOST_TICKETS)),
        }))
    }

    /// Whether every request needs credentials.
    pub fn are_required(&self) -> bool {
        self.0.required
    }

    /// Reads the accounts. Nothing may wait inside.
    pub fn read<R>(&self, reading: impl FnOnce(&AccountsView) -> R) -> R {
        reading(&self.0.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the accounts, after the store has them. Streams that are open ask for their rights
    /// again.
    pub fn change<R>(&self, change: impl FnOnce(&mut AccountsView) -> R) -> R {
        let result = change(&mut self.0.view.write().unwrap_or_else(PoisonError::into_inner));
        self.0.changed.send_modify(|version| *version += 1);
        result
    }

    /// Counts the changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Makes and reads tokens. `None` before the installation has keys for them.
    pub fn tokens(&self) -> Option<Tokens> {
        self.read(|view| view.signing_keys().map(|keys| Tokens::new(ISSUER, keys.clone())))
    }

    /// Reads a ticket and uses it up.
    pub(crate) fn take_ticket(&self, text: &str, now_ms: i64) -> Result<Ticket, String> {
        let tokens = self.tokens().ok_or_else(|| TokenRefused::Key.to_string())?;
        let ticket = tokens.open_ticket(text, now_ms).map_err(|refused| refused.to_string())?;
        let mut used = self.0.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        used.take(ticket.id, ticket.expires_ms, now_ms).map_err(|refused| refused.to_string())?;
        Ok(ticket)
    }
}
