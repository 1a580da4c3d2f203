//! What tickets are for, and the memory of those that were used.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::id::TicketId;

/// The kind of stream that a ticket opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Events, over WebSocket or server-sent events.
    Events,
    /// Samples that come in over WebSocket.
    Ingest,
    /// Sound, over HTTP or WebSocket.
    Audio,
    /// Sound, over WebRTC.
    Whep,
}

/// Why a ticket is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketRefused {
    /// It was used.
    #[error("the ticket was used already; get a new one")]
    Used,
    /// The memory of used tickets is full of tickets that are still valid.
    #[error("too many streams were opened within a minute; try again shortly")]
    Full,
}

/// The tickets that were used on this node and have not expired. Bounded in number: one that finds
/// no room is refused, because it could be used twice.
#[derive(Debug)]
pub struct UsedTickets {
    most: usize,
    until_ms: HashMap<TicketId, i64>,
    by_end: BTreeSet<(i64, TicketId)>,
}

impl UsedTickets {
    /// Remembers at most `most` tickets.
    pub fn new(most: usize) -> Self {
        Self { most, until_ms: HashMap::new(), by_end: BTreeSet::new() }
    }

    /// Uses a ticket that ends at `expires_ms`.
    ///
    /// # Errors
    /// [`TicketRefused`].
    pub fn take(&mut self, id: TicketId, expires_ms: i64, now_ms: i64) -> Result<(), TicketRefused> {
        while let Some(&(until_ms, oldest)) = self.by_end.first()
            && until_ms <= now_ms
        {
            self.by_end.pop_first();
            self.until_ms.remove(&oldest);
        }
        if self.until_ms.contains_key(&id) {
            return Err(TicketRefused::Used);
        }
        if self.until_ms.len() >= self.most {
            return Err(TicketRefused::Full);
        }
        self.until_ms.insert(id, expires_ms);
        self.by_end.insert((expires_ms, id));
        Ok(())
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.until_ms.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.until_ms.is_empty()
    }
}
