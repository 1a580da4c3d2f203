//! Where a follower stands in the log: what to ask for after a break, and what of that it has seen already. Pure.

use std::sync::Arc;

use super::Since;
use crate::event::{Event, EventData};
use crate::message::{Message, Subscribed};

/// What to do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Hand it on.
    Deliver,
    /// It belongs to an earlier subscription, or was delivered already.
    Drop,
    /// Hand it on, then subscribe again from where this place is.
    Repair,
    /// Do not hand it on, and subscribe again: the log began a new life without a word.
    Renew,
}

/// A follower's place.
#[derive(Debug)]
pub(super) struct Place {
    /// Where to resume; none until the first subscription has said where it begins.
    since: Since,
    /// A subscription was sent and is not answered yet.
    awaiting: bool,
    /// The answer will be, or is being, followed by a snapshot.
    snapshot_follows: bool,
    /// The newest event that is not about samples; under a rate, a resume may bring such an event again.
    newest: u64,
}

impl Place {
    pub(super) fn new(since: Since) -> Self {
        Self { since, awaiting: false, snapshot_follows: false, newest: 0 }
    }

    /// A subscription is about to be sent; from where.
    pub(super) fn subscribe(&mut self) -> &Since {
        self.awaiting = true;
        self.snapshot_follows = false;
        &self.since
    }

    /// Takes the next message of the server.
    pub(super) fn take(&mut self, message: &Message) -> Step {
        match message {
            Message::Subscribed(subscribed) => self.subscribed(subscribed),
            Message::Pong | Message::Other(_) => Step::Drop,
            Message::Error { .. } => Step::Deliver,
            // Sent before the server read the subscription; what of it is wanted comes again.
            _ if self.awaiting => Step::Drop,
            Message::Snapshot(snapshot) => {
                self.snapshot_follows = false;
                self.stand_at(snapshot.seq, &snapshot.epoch);
                self.newest = snapshot.seq;
                Step::Deliver
            }
            Message::Event(event) => self.event(event),
            Message::Gap(gap) => {
                // Under a rate, the server says itself from where on something is missing.
                let before = gap.resume.unwrap_or_else(|| self.seq().max(gap.from.saturating_sub(1)));
                match &mut self.since {
                    Since::Seq { seq, .. } if gap.to > *seq || gap.resume.is_some() => *seq = before,
                    Since::Seq { .. } => return Step::Drop,
                    Since::Live | Since::Snapshot => {}
                }
                Step::Repair
            }
        }
    }

    fn event(&mut self, event: &Event) -> Step {
        if let Since::Seq { epoch: Some(epoch), .. } = &self.since
            && *epoch != event.epoch
        {
            self.since = Since::Snapshot;
            return Step::Renew;
        }
        let samples = matches!(event.data, EventData::Samples { .. });
        let again = if samples {
            // Under a rate samples come later than what is newer, and bring a position to resume from.
            event.resume.is_none() && event.conflated.is_none() && event.seq <= self.seq()
        } else {
            event.seq <= self.newest
        };
        if again {
            return Step::Drop;
        }
        if !samples {
            self.newest = event.seq;
        }
        self.stand_at(event.resume.unwrap_or(event.seq), &event.epoch);
        Step::Deliver
    }

    /// Whether a subscription waits for its answer.
    pub(super) fn is_awaiting(&self) -> bool {
        self.awaiting
    }

    fn subscribed(&mut self, subscribed: &Subscribed) -> Step {
        if !self.awaiting {
            return Step::Drop;
        }
        self.awaiting = false;
        match (&self.since, subscribed.recovered) {
            (_, Some(false)) | (Since::Snapshot, _) => self.snapshot_follows = true,
            (Since::Live, _) => {
                self.stand_at(subscribed.seq, &subscribed.epoch);
                self.newest = subscribed.seq;
            }
            (Since::Seq { seq, .. }, _) => {
                let seq = *seq;
                self.stand_at(seq, &subscribed.epoch);
            }
        }
        Step::Deliver
    }

    fn seq(&self) -> u64 {
        match &self.since {
            Since::Seq { seq, .. } => *seq,
            Since::Live | Since::Snapshot => 0,
        }
    }

    fn stand_at(&mut self, seq: u64, epoch: &Arc<str>) {
        if self.snapshot_follows {
            return;
        }
        self.since = Since::Seq { seq, epoch: Some(epoch.clone()) };
    }
}

#[cfg(test)]
mod tests;
