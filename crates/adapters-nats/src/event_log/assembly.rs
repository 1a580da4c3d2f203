//! Assembling appends from messages: joins the parts, and skips fences, halts and unfinished
//! appends.

use std::sync::Arc;

use bytes::Bytes;

use super::frame::{self, Position};
use super::stream::StoredMessage;
use earcon_model::{Event, Seq};
use earcon_ports::PortError;

/// A complete append.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) position: Position,
    /// Sequence of its last message.
    pub(super) sequence: u64,
    /// The name of its writer, which is the name of the epoch.
    pub(super) writer: String,
    bytes: Bytes,
}

impl Append {
    /// Its events at and after `from`.
    pub(super) fn events(&self, from: Seq) -> Result<Vec<Arc<Event>>, PortError> {
        let mut events = frame::decode(&self.bytes, self.position.count)?;
        let skip = from.saturating_sub(self.position.seq).min(events.len() as u64);
        events.drain(..skip as usize);
        Ok(events)
    }
}

/// Accepts messages in the order of the stream.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    append: String,
    parts: Vec<Bytes>,
}

impl Assembly {
    /// Adds the next message. Returns the append that it completes.
    pub(super) fn push(&mut self, message: StoredMessage) -> Option<Append> {
        let StoredMessage { sequence, position, id, payload } = message;
        let position = position.filter(|position| !position.is_fence());
        let follows = position.is_some_and(|position| {
            position.part == self.parts.len() as u64 && (position.part == 0 || id.append() == self.append)
        });
        match position {
            Some(position) if follows || position.part == 0 => {
                if position.part == 0 {
                    self.parts.clear();
                    id.append().clone_into(&mut self.append);
                }
                self.parts.push(payload);
                let writer = id.writer();
                position.is_last_part().then(|| Append {
                    position,
                    sequence,
                    writer: writer.to_owned(),
                    bytes: self.join(),
                })
            }
            // The append before this message was cut off.
            _ => {
                self.parts.clear();
                None
            }
        }
    }

    fn join(&mut self) -> Bytes {
        match self.parts.len() {
            1 => self.parts.remove(0),
            _ => self.parts.drain(..).flatten().collect::<Vec<u8>>().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_log::frame::MessageId;
    use earcon_model::{KpiEvent, KpiName};

    fn events(seqs: std::ops::RangeInclusive<Seq>) -> Vec<Arc<Event>> {
        let kpi = KpiName::new("k").unwrap();
        seqs.map(|seq| Arc::new(Event::new(seq, 0, kpi.clone(), KpiEvent::Resumed))).collect()
    }

    /// The parts of an append of `events`, all of the same length.
    fn parts(events: &[Arc<Event>], number: u64, parts: u64) -> Vec<StoredMessage> {
        let bytes = frame::encode(events).unwrap();
        let size = bytes.len().div_ceil(parts as usize);
        let first = Position::from_events(events, parts, 1).unwrap();
        (0..parts)
            .map(|part| {
                let from = part as usize * size;
                StoredMessage {
                    sequence: 100 + part,
                    position: Some(Position { part, ..first }),
                    id: MessageId::new("w", number, part),
                    payload: bytes.slice(from..(from + size).min(bytes.len())),
                }
            })
            .collect()
    }

    fn push_all(messages: impl IntoIterator<Item = StoredMessage>) -> Vec<Arc<Event>> {
        let mut assembly = Assembly::default();
        let appends: Vec<_> = messages.into_iter().filter_map(|message| assembly.push(message)).collect();
        appends.iter().flat_map(|append| append.events(0).unwrap()).collect()
    }

    #[test]
    fn appends_are_whole_from_any_event_on() {
        let (one, other) = (events(1..=5), events(6..=9));
        let messages = parts(&one, 1, 3).into_iter().chain(parts(&other, 2, 1));
        assert_eq!(push_all(messages), events(1..=9));
        let mut assembly = Assembly::default();
        let append = parts(&one, 1, 3).into_iter().filter_map(|part| assembly.push(part)).next().unwrap();
        assert_eq!(append.sequence, 102);
        assert_eq!(append.events(4).unwrap(), events(4..=5));
        assert!(append.events(6).unwrap().is_empty());
    }

    #[test]
    fn unfinished_appends_are_skipped() {
        let fence = StoredMessage {
            sequence: 9,
            position: Some(Position::fence(1, 0)),
            id: MessageId::new("v", 0, 0),
            payload: Bytes::new(),
        };
        let halt = StoredMessage { position: None, ..fence.clone() };
        let cut = parts(&events(1..=5), 1, 3);
        let whole = parts(&events(1..=4), 2, 3);
        for between in [vec![], vec![fence.clone()], vec![halt, fence]] {
            let messages = cut[..2].iter().chain(&between).chain(&whole).cloned();
            assert_eq!(push_all(messages), events(1..=4));
        }
        // Parts of two appends never form one.
        assert!(push_all([cut[0].clone(), whole[1].clone(), whole[2].clone()]).is_empty());
        assert!(push_all(cut[1..].to_vec()).is_empty(), "an append whose beginning is missing");
    }
}
