//! The service itself: what its parts share, and how it starts.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLockReadGuard};

use earcon_identity::audit::{Actor, AuditEntry, Outcome};
use earcon_identity::organisation::Organisation;
use earcon_identity::record::Record;
use earcon_identity::throttle::SignInThrottle;
use earcon_identity::token::{SigningKey, SigningKeys, UsedTickets};
use earcon_identity::{AccountsView, KeyId, UserId};
use earcon_model::{Clock, OrganisationId};
use earcon_ports::{AccountStore, AuditLog, PortError};
use earcon_tenancy::AccountsPass;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::audit_trail::AuditTrail;
use crate::caller::{By, actor_of};
use crate::error::AccountsError;
use crate::hashing::Hashing;
use crate::ledger::{Ledger, Plan};
use crate::random::{Random, draw};
use crate::settings::AccountsSettings;

/// Most requests that wait until the accounts are read again.
const MOST_WAITING: usize = 500;
/// Most tickets that were used and have not expired.
const MOST_USED_TICKETS: usize = 100_000;

/// The accounts of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) ledger: Ledger,
    pub(crate) trail: AuditTrail,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) settings: AccountsSettings,
    pub(crate) hashing: Hashing,
    pub(crate) throttle: Mutex<SignInThrottle>,
    pub(crate) used_tickets: Mutex<UsedTickets>,
    /// When the accounts were last read for a session or a key that was unknown.
    pub(crate) last_refresh: tokio::sync::Mutex<Option<Instant>>,
    /// Places for requests that wait for such a read.
    pub(crate) waiting_for_refresh: Semaphore,
    /// Keys that were used since the last time it was written down.
    pub(crate) used_keys: Mutex<HashSet<KeyId>>,
}

impl Accounts {
    /// Reads all accounts. A new installation gets the organisation `default` and a key that signs
    /// tokens.
    ///
    /// # Errors
    /// Those of the store; `Corrupt` for records that cannot be read.
    pub async fn open(
        store: Arc<dyn AccountStore>,
        audit: Arc<dyn AuditLog>,
        pass: AccountsPass,
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
        settings: AccountsSettings,
    ) -> Result<Self, AccountsError> {
        let trail = AuditTrail::new(audit, pass.clone());
        let empty = AccountsView::new(settings.limits, settings.sessions);
        let ledger = Ledger::new(store, trail.clone(), pass, clock.clone(), empty);
        let hashing = Hashing::new(settings.hashing_at_once, settings.hashing_waiting);
        let shared = Shared {
            ledger,
            trail,
            clock,
            random,
            settings,
            hashing,
            throttle: Mutex::new(SignInThrottle::default()),
            used_tickets: Mutex::new(UsedTickets::new(MOST_USED_TICKETS)),
            last_refresh: tokio::sync::Mutex::default(),
            waiting_for_refresh: Semaphore::new(MOST_WAITING),
            used_keys: Mutex::default(),
        };
        let accounts = Self { shared: Arc::new(shared) };
        accounts.begin().await?;
        Ok(accounts)
    }

    /// The accounts as this node knows them. Release it before anything waits.
    pub fn view(&self) -> RwLockReadGuard<'_, AccountsView> {
        self.shared.ledger.view()
    }

    /// The version of the accounts, whenever it changes. The holder of an open stream asks
    /// [`AccountsView::authorise`] again then, and from time to time, because sessions expire.
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.shared.ledger.versions()
    }

    /// Reads what other nodes have changed. Call it every second, and when another node says that
    /// something changed. Returns the version.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn refresh(&self) -> Result<u64, PortError> {
        self.shared.ledger.refresh().await
    }

    /// The audit logs.
    pub fn audit(&self) -> &AuditTrail {
        &self.shared.trail
    }

    /// Writes into the audit log of an organisation what another service has done.
    ///
    /// # Errors
    /// Those of the log.
    pub async fn record(
        &self,
        by: &By,
        organisation: &OrganisationId,
        (action, target, outcome): (&str, String, Outcome),
        detail: Option<String>,
    ) -> Result<(), AccountsError> {
        let actor = by.actor(&self.view());
        let entry = AuditEntry { outcome, ..self.entry(actor, by.from.clone(), action, target, detail) };
        Ok(self.shared.trail.append(organisation, entry).await?)
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.shared.clock.now_ms()
    }

    pub(crate) fn draw<const N: usize>(&self) -> [u8; N] {
        draw(&*self.shared.random)
    }

    pub(crate) async fn change<T>(
        &self,
        plan: impl FnMut(&AccountsView) -> Result<Plan<T>, AccountsError>,
    ) -> Result<T, AccountsError> {
        self.shared.ledger.change(plan).await
    }

    /// A line about something that was done.
    pub(crate) fn entry(
        &self,
        actor: Actor,
        from: Option<String>,
        action: &str,
        target: String,
        detail: Option<String>,
    ) -> AuditEntry {
        AuditEntry {
            at_ms: self.now_ms(),
            actor,
            action: action.to_owned(),
            target,
            outcome: Outcome::Done,
            detail,
            from,
            code: self.shared.settings.code_version.clone(),
            change: None,
        }
    }

    /// The line of a caller about something that was done.
    pub(crate) fn done(&self, by: &By, view: &AccountsView, action: &str, target: String) -> AuditEntry {
        self.entry(by.actor(view), by.from.clone(), action, target, None)
    }

    /// The plan with the same line in every organisation of a user, or in `default` without one.
    pub(crate) fn note_for_user<T>(
        &self,
        mut plan: Plan<T>,
        view: &AccountsView,
        user: UserId,
        (action, from, detail): (&str, Option<String>, Option<String>),
    ) -> Plan<T> {
        for organisation in organisations_of(view, user) {
            let entry = self.entry(actor_of(view, user), from.clone(), action, user.to_string(), detail.clone());
            plan = plan.note(organisation, entry);
        }
        plan
    }

    pub(crate) fn with_throttle<T>(&self, work: impl FnOnce(&mut SignInThrottle) -> T) -> T {
        work(&mut self.shared.throttle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn begin(&self) -> Result<(), AccountsError> {
        let (now_ms, id, secret) = (self.now_ms(), self.draw(), self.draw());
        self.change(|view| {
            let mut plan = Plan::nothing(());
            if view.organisation(&OrganisationId::default_organisation()).is_none() {
                plan = plan.put(Record::Organisation(Organisation::default_organisation(now_ms)));
            }
            if view.signing_keys().is_none() {
                let keys = SigningKeys::new(SigningKey::from_random(id, secret, now_ms));
                plan = plan.put(Record::SigningKeys(Box::new(keys)));
            }
            Ok(plan)
        })
        .await
    }
}

/// The organisations whose audit logs tell about a user: their own, or `default`.
pub(crate) fn organisations_of(view: &AccountsView, user: UserId) -> Vec<OrganisationId> {
    let own: Vec<_> = view.memberships_of(user).map(|member| member.organisation.clone()).collect();
    if own.is_empty() { vec![OrganisationId::default_organisation()] } else { own }
}
