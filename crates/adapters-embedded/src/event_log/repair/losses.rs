//! The events that a repair of a log could not keep.

use serde::{Deserialize, Serialize};

use super::super::damage::Missing;
use crate::repairs::progress::Losses;
use earcon_model::Seq;

/// The losses of one log, and where it goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LostEvents {
    /// The events that are lost.
    pub(super) missing: Vec<Missing>,
    /// The sequence number that the log goes on with, once it is known.
    pub(super) next: Option<Seq>,
}

impl LostEvents {
    /// Adds losses that are not part of a listed one.
    pub(super) fn add(&mut self, missing: impl IntoIterator<Item = Missing>) {
        for new in missing {
            let covers = |old: &Missing| {
                let is_as_certain = old.is_open >= new.is_open && old.or_removed <= new.or_removed;
                old.first <= new.first && old.last >= new.last && is_as_certain
            };
            if !self.missing.iter().any(covers) {
                self.missing.push(new);
            }
        }
        self.missing.sort_by_key(|missing| missing.first);
    }
}

impl Losses for LostEvents {
    fn text(&self) -> String {
        let mut text = "\nEvents that are lost:\n".to_owned();
        self.missing.iter().for_each(|missing| text += &format!("  {missing}\n"));
        if self.missing.is_empty() {
            text += "  none\n";
        }
        if let Some(next) = self.next {
            text += &format!("\nThe log goes on with sequence number {next}.\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_of_a_listed_loss_is_not_listed_again() {
        let missing = |first, last: Option<Seq>| {
            let is_open = last.is_none();
            Missing { first, last, is_open, or_removed: false, after_ms: None, before_ms: None }
        };
        let mut lost = LostEvents::default();
        lost.add([missing(9, None), missing(3, Some(5)), missing(4, Some(5)), missing(9, None)]);
        assert_eq!(lost.missing, [missing(3, Some(5)), missing(9, None)]);
        assert!(lost.text().contains("sequence numbers 3 to 5\n  sequence numbers 9 to unknown"));
    }
}
