//! Which instance of the database is in use, and why writes are refused.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::instance::Instance;
use earcon_ports::{ErrorKind, PortError};

/// How long a read waits while the database is opened again.
const REOPENING: Duration = Duration::from_secs(10);

/// The instance in use. While a failure is recorded, it is only read.
pub(super) struct Current {
    slot: Mutex<Slot>,
    /// Notified when an attempt to open the database again has ended.
    ended: Condvar,
}

struct Slot {
    /// `None` while the database is opened again, and after such an attempt has failed.
    instance: Option<Arc<Instance>>,
    reopening: bool,
    failure: Option<String>,
}

impl Current {
    pub(super) fn new(instance: Arc<Instance>) -> Self {
        let slot = Slot { instance: Some(instance), reopening: false, failure: None };
        Self { slot: Mutex::new(slot), ended: Condvar::new() }
    }

    /// The instance, to read. Waits while the database is opened again.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be opened.
    pub(super) fn reading(&self) -> Result<Arc<Instance>, PortError> {
        let mut slot = self.slot();
        if slot.reopening && slot.instance.is_none() {
            let waited = self.ended.wait_timeout_while(slot, REOPENING, |slot| slot.reopening);
            (slot, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        slot.instance.clone().ok_or_else(|| refusal(&slot))
    }

    /// The instance, to write.
    ///
    /// # Errors
    /// `Unavailable` since a write failed.
    pub(super) fn writing(&self) -> Result<Arc<Instance>, PortError> {
        let slot = self.slot();
        match (&slot.instance, &slot.failure) {
            (Some(instance), None) => Ok(instance.clone()),
            _ => Err(refusal(&slot)),
        }
    }

    /// Refuses writes from now on.
    pub(super) fn fail(&self, reason: String) {
        self.slot().failure.get_or_insert(reason);
    }

    /// Why writes are refused.
    pub(super) fn failure(&self) -> Option<String> {
        self.slot().failure.clone()
    }

    /// Takes the instance out, so that it can be closed. Reads wait for [`Self::end_reopening`].
    pub(super) fn begin_reopening(&self) -> Option<Arc<Instance>> {
        let mut slot = self.slot();
        slot.reopening = true;
        slot.instance.take()
    }

    /// Uses `instance` from now on, and refuses writes if there is a failure.
    pub(super) fn end_reopening(&self, instance: Option<Arc<Instance>>, failure: Option<String>) {
        *self.slot() = Slot { instance, reopening: false, failure };
        self.ended.notify_all();
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(slot: &Slot) -> PortError {
    let reason = slot.failure.as_deref().unwrap_or("it is being opened again");
    let text = format!("the database takes no writes until the disk works again: {reason}");
    PortError::new(ErrorKind::Unavailable, text)
}
