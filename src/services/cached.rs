//! Values read from a store, one for each workspace, kept for a while. A workspace that is deleted
//! and made again has another key, and so other values.
//!
//! One policy. A value younger than `fresh_for` is returned at once. A value older than that, but
//! younger than `usable_for`, is returned at once too, while a task reads it again. Without such a
//! value the caller waits for the read, for at most `wait_at_most`; then it gets the older value,
//! and an error only if there is none. A read that fails keeps the older value and warns; the next
//! read begins after `fresh_for`. One read runs at a time for each workspace, and goes on if its
//! caller leaves.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use earcon_model::WorkspaceKey;
use earcon_ports::{ErrorKind, PortError};
use earcon_tenancy::WorkspacePass;

/// How long values are used and waited for.
#[derive(Debug, Clone, Copy)]
pub struct CachePolicy {
    /// How long a value is used without reading it again.
    pub fresh_for: Duration,
    /// How long a value is used while it is read again.
    pub usable_for: Duration,
    /// How long a caller waits for a read.
    pub wait_at_most: Duration,
    /// Workspaces that are kept; one more forgets the one whose read began longest ago.
    pub most: usize,
}

type Loading<T> = Pin<Box<dyn Future<Output = Result<Arc<T>, PortError>> + Send>>;
/// Reads a value. The older value is passed, because it may be returned unchanged.
type Load<T> = dyn Fn(WorkspacePass, Option<Arc<T>>) -> Loading<T> + Send + Sync;

/// Values of type `T`, one for each workspace. Cheap to clone.
pub struct Cached<T>(Arc<Shared<T>>);

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Shared<T> {
    /// The name of the values, for warnings.
    what: &'static str,
    policy: CachePolicy,
    load: Box<Load<T>>,
    /// Numbers reads and changes in the order in which they began.
    clock: AtomicU64,
    slots: RwLock<HashMap<WorkspaceKey, Slot<T>>>,
}

struct Slot<T> {
    value: Option<Arc<T>>,
    /// Which read or change the value comes from.
    from: u64,
    /// When that began.
    read_at: Instant,
    /// When the last read began, even if it failed.
    tried_at: Instant,
    reading: Option<watch::Receiver<Outcome>>,
}

/// How a read ended; `None` while it runs.
type Outcome = Option<Result<(), (ErrorKind, String)>>;

impl<T: Send + Sync + 'static> Cached<T> {
    /// Nothing is kept yet. `load` reads the value of a workspace.
    pub fn new<F, R>(what: &'static str, policy: CachePolicy, load: F) -> Self
    where
        F: Fn(WorkspacePass, Option<Arc<T>>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Arc<T>, PortError>> + Send + 'static,
    {
        let load: Box<Load<T>> = Box::new(move |pass, known| Box::pin(load(pass, known)));
        Self(Arc::new(Shared { what, policy, load, clock: AtomicU64::new(1), slots: RwLock::default() }))
    }

    /// The value that is kept, whatever its age. Reads nothing.
    pub fn known(&self, workspace: &WorkspaceKey) -> Option<Arc<T>> {
        let slots = self.0.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.get(workspace).and_then(|slot| slot.value.clone())
    }

    /// The value by the policy of this cache.
    ///
    /// # Errors
    /// If no value is kept: that of the read, or `Unavailable` if the read takes too long.
    pub async fn get(&self, pass: &WorkspacePass) -> Result<Arc<T>, PortError> {
        let (known, reading) = match self.0.look(pass.key()) {
            Look::Use(value) => return Ok(value),
            Look::UseAndRead(value) => {
                self.read(pass);
                return Ok(value);
            }
            Look::Wait(known) => (known, self.read(pass)),
        };
        let ended = tokio::time::timeout(self.0.policy.wait_at_most, outcome(reading)).await;
        let failure = match ended {
            Ok(Ok(())) => None,
            Ok(Err((kind, text))) => Some(PortError::new(kind, text)),
            Err(_elapsed) => {
                let text = format!("the store does not answer in time for {}", self.0.what);
                Some(PortError::new(ErrorKind::Unavailable, text))
            }
        };
        match (self.known(pass.key()).or(known), failure) {
            (Some(value), _) => Ok(value),
            (None, Some(error)) => Err(error),
            (None, None) => Err(PortError::new(ErrorKind::Unavailable, format!("{} were forgotten", self.0.what))),
        }
    }

    /// The value that is kept, if there is one. An older one is read again in the background, and
    /// returned all the same.
    pub fn get_known(&self, pass: &WorkspacePass) -> Option<Arc<T>> {
        match self.0.look(pass.key()) {
            Look::Use(value) => Some(value),
            Look::UseAndRead(value) => {
                self.read(pass);
                Some(value)
            }
            Look::Wait(known) => {
                let known = known?;
                self.read(pass);
                Some(known)
            }
        }
    }

    /// Reads the value now and waits until it is read, however long that takes.
    ///
    /// # Errors
    /// That of the read. The older value is kept then.
    pub async fn refresh(&self, pass: &WorkspacePass) -> Result<Arc<T>, PortError> {
        let from = self.0.begin();
        let started = Instant::now();
        let value = (self.0.load)(pass.clone(), self.known(pass.key())).await?;
        self.0.keep(pass.key(), value.clone(), from, started);
        Ok(value)
    }

    /// Keeps a value that the caller has just written to the store. It is used at once, and a read
    /// that began before does not undo it.
    pub fn put(&self, workspace: &WorkspaceKey, value: Arc<T>) {
        let from = self.0.begin();
        self.0.keep(workspace, value, from, Instant::now());
    }

    /// Begins a read, or joins the one that runs.
    fn read(&self, pass: &WorkspacePass) -> watch::Receiver<Outcome> {
        let workspace = pass.key();
        let (sender, receiver) = watch::channel(None);
        {
            let mut slots = self.0.slots.write().unwrap_or_else(PoisonError::into_inner);
            let slot = slots.entry(workspace.clone()).or_insert_with(Slot::empty);
            if let Some(reading) = slot.reading.as_ref().filter(|reading| reading.has_changed().is_ok()) {
                return reading.clone();
            }
            slot.reading = Some(receiver.clone());
            slot.tried_at = Instant::now();
        }
        let (cached, pass) = (self.clone(), pass.clone());
        tokio::spawn(async move {
            let result = cached.refresh(&pass).await;
            cached.0.ended(pass.key());
            if let Err(error) = &result {
                tracing::warn!(workspace = %pass.workspace(), %error, "{} cannot be read", cached.0.what);
            }
            let result = result.map(drop).map_err(|error| (error.kind, error.to_string()));
            let _left = sender.send(Some(result)).is_err();
        });
        receiver
    }
}

enum Look<T> {
    Use(Arc<T>),
    UseAndRead(Arc<T>),
    Wait(Option<Arc<T>>),
}

impl<T> Shared<T> {
    fn begin(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    fn look(&self, workspace: &WorkspaceKey) -> Look<T> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slots.get(workspace) else { return Look::Wait(None) };
        match &slot.value {
            None => Look::Wait(None),
            // A read that failed or still runs is not tried again before its time.
            Some(value) if slot.tried_at.elapsed() < self.policy.fresh_for => Look::Use(value.clone()),
            Some(value) if slot.read_at.elapsed() < self.policy.usable_for => Look::UseAndRead(value.clone()),
            Some(value) => Look::Wait(Some(value.clone())),
        }
    }

    fn keep(&self, workspace: &WorkspaceKey, value: Arc<T>, from: u64, read_at: Instant) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(workspace.clone()).or_insert_with(Slot::empty);
        if slot.from < from {
            *slot = Slot { value: Some(value), from, read_at, tried_at: read_at, reading: slot.reading.take() };
        }
        if slots.len() > self.policy.most {
            let others = slots.iter().filter(|(id, slot)| *id != workspace && slot.reading.is_none());
            let oldest = others.min_by_key(|(_, slot)| slot.tried_at).map(|(id, _)| id.clone());
            oldest.map(|id| slots.remove(&id));
        }
    }

    fn ended(&self, workspace: &WorkspaceKey) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get_mut(workspace) {
            slot.reading = None;
            // A slot without a value would only take up room.
            if slot.value.is_none() {
                slots.remove(workspace);
            }
        }
    }
}

impl<T> Slot<T> {
    fn empty() -> Self {
        let now = Instant::now();
        Self { value: None, from: 0, read_at: now, tried_at: now, reading: None }
    }
}

async fn outcome(mut reading: watch::Receiver<Outcome>) -> Result<(), (ErrorKind, String)> {
    match reading.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
        Err(_gone) => Err((ErrorKind::Unavailable, "the read has failed".to_owned())),
    }
}

#[cfg(test)]
mod tests;
