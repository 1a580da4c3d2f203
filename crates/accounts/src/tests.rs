//! The service over the embedded store, as one node and as two.

mod external;
mod first_start;
mod keys;
mod ledger;
mod members;
mod sessions;
mod sign_in;
mod upkeep;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use earcon_adapters_embedded::{EmbeddedSettings, EmbeddedStore};
use earcon_identity::membership::Reach;
use earcon_identity::name::Name;
use earcon_identity::password::Cost;
use earcon_identity::session::Device;
use earcon_identity::{Principal, Role};
use earcon_model::{ManualClock, OrganisationId};
use earcon_ports::{AccountStore, ErrorKind, MetaRecord, PortError, Revision};
use earcon_tenancy::{AccountsPass, Authorizer};
use tokio::sync::Notify;

use crate::{Accounts, AccountsSettings, By, NewInvitation, NewUser, Random, SignedIn};

/// A Tuesday in 2026.
const START_MS: i64 = 1_780_000_000_000;
const DAY_MS: i64 = 86_400_000;
const PASSWORD: &str = "wolke-tisch-blau";

/// Different bytes at each call, the same in each run.
#[derive(Default)]
struct Counted(AtomicU64);

impl Random for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            // splitmix64
            let next = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let next = (next ^ next >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let next = (next ^ next >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = (next >> 56) as u8;
        }
    }
}

/// The store of a fixture. While it fails, only the record `version` can be written: a node dies
/// after it has committed a change.
struct Interrupted {
    inner: Arc<dyn AccountStore>,
    fails: AtomicBool,
    /// The next write of another record than `version` waits for the gate.
    stalls: AtomicBool,
    gate: Notify,
    gets: AtomicU64,
}

impl Interrupted {
    fn of(embedded: &EmbeddedStore) -> Arc<Self> {
        Arc::new(Self {
            inner: embedded.account_store(),
            fails: AtomicBool::new(false),
            stalls: AtomicBool::new(false),
            gate: Notify::new(),
            gets: AtomicU64::new(0),
        })
    }
}

#[async_trait]
impl AccountStore for Interrupted {
    async fn get(&self, pass: &AccountsPass, key: &str) -> Result<Option<MetaRecord>, PortError> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        self.inner.get(pass, key).await
    }
    async fn list(
        &self,
        pass: &AccountsPass,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MetaRecord>, PortError> {
        self.inner.list(pass, prefix, after, limit).await
    }
    async fn put(
        &self,
        pass: &AccountsPass,
        key: &str,
        expected: Revision,
        value: Vec<u8>,
    ) -> Result<Revision, PortError> {
        if self.fails.load(Ordering::Relaxed) && key != "version" {
            return Err(PortError::new(ErrorKind::Unavailable, "the node dies here"));
        }
        if key != "version" && self.stalls.swap(false, Ordering::Relaxed) {
            self.gate.notified().await;
        }
        self.inner.put(pass, key, expected, value).await
    }
    async fn delete(&self, pass: &AccountsPass, key: &str, expected: Revision) -> Result<(), PortError> {
        self.inner.delete(pass, key, expected).await
    }
}

struct Fixture {
    /// The first node.
    accounts: Accounts,
    clock: Arc<ManualClock>,
    random: Arc<Counted>,
    store: Arc<Interrupted>,
    embedded: EmbeddedStore,
    _dir: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let in_memory = tempfile::Builder::new().prefix("earcon-test-").tempdir_in(Path::new("/dev/shm"));
        let dir = in_memory.or_else(|_| tempfile::tempdir()).unwrap();
        let embedded = EmbeddedStore::open(dir.path(), &EmbeddedSettings::default()).unwrap();
        let store = Interrupted::of(&embedded);
        let (clock, random) = (Arc::new(ManualClock::at(START_MS)), Arc::new(Counted::default()));
        let accounts = open(&store, &embedded, (&clock, &random)).await;
        Self { accounts, clock, random, store, embedded, _dir: dir }
    }

    /// Another node on the same store.
    async fn node(&self) -> Accounts {
        open(&self.store, &self.embedded, (&self.clock, &self.random)).await
    }

    /// The first owner, who owns the installation.
    async fn owner(&self) -> (SignedIn, By) {
        let link = self.accounts.owner_link().await.unwrap().unwrap();
        let owner = self.accounts.claim_owner_link(&link, user("root"), device()).await.unwrap();
        let by = by(&owner);
        (owner, by)
    }

    /// A new member of an organisation.
    async fn member(&self, inviter: &By, organisation: &OrganisationId, name: &str, role: Role) -> (SignedIn, By) {
        let wish = NewInvitation { role, reach: Reach::All, note: None, life_ms: DAY_MS };
        let (_, text) = self.accounts.invite(inviter, organisation, wish).await.unwrap();
        let member = self.accounts.accept_as_new_user(&text, user(name), device()).await.unwrap();
        let by = by(&member);
        (member, by)
    }
}

async fn open(
    store: &Arc<Interrupted>,
    embedded: &EmbeddedStore,
    (clock, random): (&Arc<ManualClock>, &Arc<Counted>),
) -> Accounts {
    let settings = AccountsSettings {
        password_cost: Cost { memory_kib: 8, passes: 1, lanes: 1 },
        hashing_at_once: 1,
        hashing_waiting: 2,
        ..AccountsSettings::default()
    };
    let pass = Authorizer::new().accounts();
    let sources = (clock.clone() as Arc<_>, random.clone() as Arc<_>);
    Accounts::open(store.clone(), embedded.audit_log(), pass, sources, settings).await.unwrap()
}

fn own() -> OrganisationId {
    OrganisationId::default_organisation()
}

fn acme() -> OrganisationId {
    OrganisationId::new("acme").unwrap()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn user(sign_in_name: &str) -> NewUser {
    let (name, password) = (name(sign_in_name), PASSWORD.to_owned());
    NewUser { sign_in_name: sign_in_name.to_owned(), name, email: None, password }
}

fn device() -> Device {
    Device::new("192.0.2.1", "test")
}

fn here() -> (IpAddr, Device) {
    ("192.0.2.1".parse().unwrap(), device())
}

fn principal(signed_in: &SignedIn) -> Principal {
    Principal::User { user: signed_in.user, session: signed_in.session }
}

fn by(signed_in: &SignedIn) -> By {
    By::principal(principal(signed_in), Some("192.0.2.1".to_owned()))
}

/// The actions in an audit log, whose chain is checked.
async fn audited(accounts: &Accounts, organisation: &OrganisationId) -> Vec<String> {
    let head = accounts.audit().verify(organisation, &[]).await.unwrap().unwrap();
    let lines = accounts.audit().read(organisation, 1, 500).await.unwrap();
    assert_eq!(lines.len() as u64, head.seq);
    lines.iter().map(|line| crate::AuditTrail::record(line).unwrap().entry.action).collect()
}
