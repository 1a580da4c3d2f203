//! The position of a subscription in the log. It decides where to resume after a break and which
//! messages are duplicates. Pure: no I/O and no clock.

use std::sync::Arc;

use super::Since;
use crate::event::{Event, EventData};
use crate::message::{Message, Subscribed};

/// How to handle a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Deliver the message.
    Deliver,
    /// Drop the message: it belongs to an earlier subscription or was delivered before.
    Drop,
    /// Deliver the message, then subscribe again at the cursor.
    Resubscribe,
    /// Drop the message and subscribe again: the log went back without a notice.
    Restart,
}

/// The position of a subscription.
#[derive(Debug)]
pub(super) struct Cursor {
    /// Where to resume. It has no `seq` until the first subscription is answered.
    since: Since,
    /// A subscription was sent and is not answered yet.
    awaiting: bool,
    /// A snapshot follows the answer and has not arrived yet.
    snapshot_follows: bool,
    /// The newest event of a type other than `samples`. With a rate, a resume may repeat such an
    /// event.
    newest: u64,
}

impl Cursor {
    pub(super) fn new(since: Since) -> Self {
        Self { since, awaiting: false, snapshot_follows: false, newest: 0 }
    }

    /// Records that a subscription is sent, and returns its start position.
    pub(super) fn subscribe(&mut self) -> &Since {
        self.awaiting = true;
        self.snapshot_follows = false;
        &self.since
    }

    /// Decides how to handle the next message of the server.
    pub(super) fn handle(&mut self, message: &Message) -> Step {
        match message {
            Message::Subscribed(subscribed) => self.subscribed(subscribed),
            Message::Pong | Message::Epoch(_) | Message::Other(_) => Step::Drop,
            Message::Error { .. } => Step::Deliver,
            // The server sent this before it read the subscription, and repeats it if needed.
            _ if self.awaiting => Step::Drop,
            Message::Snapshot(snapshot) => {
                self.snapshot_follows = false;
                self.move_to(snapshot.seq, &snapshot.epoch);
                self.newest = snapshot.seq;
                Step::Deliver
            }
            Message::Event(event) => self.event(event),
            Message::Gap(gap) => {
                // With a rate, the server reports the position to resume from.
                let before = gap.resume.unwrap_or(gap.from.saturating_sub(1));
                match &self.since {
                    Since::Seq { seq, .. } if gap.to <= *seq && gap.resume.is_none() => return Step::Drop,
                    // A part of the gap was delivered.
                    Since::Seq { seq, .. } if before < *seq && gap.resume.is_none() => {}
                    Since::Seq { .. } => self.move_to(before, &gap.epoch),
                    Since::Live | Since::Snapshot => {}
                }
                Step::Resubscribe
            }
        }
    }

    fn event(&mut self, event: &Event) -> Step {
        // A later epoch goes on after the cursor. An earlier event of another epoch is of another
        // history, which the server reports with an answer and never sends like this.
        if let Since::Seq { epoch: Some(epoch), seq } = &self.since
            && *epoch != event.epoch
            && event.seq <= *seq
        {
            self.since = Since::Snapshot;
            return Step::Restart;
        }
        let samples = matches!(event.data, EventData::Samples { .. });
        let duplicate = if samples {
            // With a rate, samples may arrive after newer events and contain a resume position.
            event.resume.is_none() && event.conflated.is_none() && event.seq <= self.seq()
        } else {
            event.seq <= self.newest
        };
        if duplicate {
            return Step::Drop;
        }
        if !samples {
            self.newest = event.seq;
        }
        self.move_to(event.resume.unwrap_or(event.seq), &event.epoch);
        Step::Deliver
    }

    /// Whether a subscription is not answered yet.
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
                self.move_to(subscribed.seq, &subscribed.epoch);
                self.newest = subscribed.seq;
            }
            (Since::Seq { seq, epoch: None }, _) => {
                let seq = *seq;
                self.move_to(seq, &subscribed.epoch);
            }
            (Since::Seq { .. }, _) => {}
        }
        Step::Deliver
    }

    fn seq(&self) -> u64 {
        match &self.since {
            Since::Seq { seq, .. } => *seq,
            Since::Live | Since::Snapshot => 0,
        }
    }

    fn move_to(&mut self, seq: u64, epoch: &Arc<str>) {
        if self.snapshot_follows {
            return;
        }
        self.since = Since::Seq { seq, epoch: Some(epoch.clone()) };
    }
}

#[cfg(test)]
mod tests;
