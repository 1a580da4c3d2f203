//! Numbers for the requests of this node, so that a request can be sent again and is executed once.
//!
//! As in RIFL (Lee and others, "Implementing Linearizability at Large Scale and Low Latency", SOSP
//! 2015), each request says which earlier ones are settled. The owner needs to remember only the
//! others, and ignores copies of settled ones that arrive late.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// What a request begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The run of the node that asks.
    pub(super) sender: String,
    /// The number of the request. Copies of one request have one number.
    pub(super) number: u64,
    /// The sender waits for no request with a lower number.
    pub(super) settled: u64,
}

/// Gives numbers to the requests of one run of a node. Cheap to clone.
#[derive(Clone)]
pub(in crate::actors) struct RequestNumbers {
    sender: String,
    state: Arc<Mutex<Numbers>>,
}

#[derive(Debug, Default)]
struct Numbers {
    next: u64,
    unsettled: BTreeSet<u64>,
}

/// A request that waits for its answer. It is settled when this is dropped.
pub(super) struct OpenRequest<'a> {
    numbers: &'a RequestNumbers,
    number: u64,
}

impl RequestNumbers {
    /// The numbers of a run of a node. No other run may have the name `sender`.
    pub(in crate::actors) fn new(sender: String) -> Self {
        Self { sender, state: Arc::default() }
    }

    /// The next number.
    pub(super) fn begin(&self) -> OpenRequest<'_> {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.unsettled.insert(number);
        OpenRequest { numbers: self, number }
    }

    fn state(&self) -> MutexGuard<'_, Numbers> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenRequest<'_> {
    /// The header of the next copy.
    pub(super) fn header(&self) -> Header {
        let settled = self.numbers.state().unsettled.first().copied().unwrap_or(self.number);
        Header { sender: self.numbers.sender.clone(), number: self.number, settled }
    }
}

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        self.numbers.state().unsettled.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_below_the_oldest_open_one_are_settled() {
        let numbers = RequestNumbers::new("n".into());
        let (first, second) = (numbers.begin(), numbers.begin());
        assert_eq!((second.header().number, second.header().settled), (1, 0));
        drop(first);
        let third = numbers.begin();
        assert_eq!((third.header().number, third.header().settled), (2, 1));
        drop(second);
        assert_eq!(third.header().settled, 2);
    }
}
