//! What one step of a replay holds until its socket has taken it.

use bytes::Bytes;

use crate::gateway::http::room::{Budget, Reservation};

/// Most bytes of one step, except that one message always fits.
const MOST: usize = 256 * 1024;
/// Steps up to this size are sent whatever else is held.
const SMALL: usize = 16 * 1024;

/// The messages of one step. Their bytes are counted as those of an answer.
pub(super) struct Held {
    reservation: Reservation,
    counted: usize,
    bytes: usize,
}

impl Held {
    /// A step without messages.
    pub(super) fn nothing(answers: &Budget) -> Self {
        Self { reservation: answers.nothing(), counted: 0, bytes: 0 }
    }

    /// Takes a message of so many bytes. False if the step is full, or if there is no room for the
    /// message now.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let sum = self.bytes + bytes;
        if self.bytes > 0 && sum > MOST {
            return false;
        }
        if sum > SMALL {
            if !self.reservation.grow(sum - self.counted) {
                return false;
            }
            self.counted = sum;
        }
        self.bytes = sum;
        true
    }

    /// Whether it has no message.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Binds the step to its last message, which leaves last.
    pub(super) fn until_sent(self, last: Bytes) -> Bytes {
        self.reservation.of(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metric;

    #[test]
    fn a_step_is_bounded_and_counted_until_its_last_message_is_sent() {
        let answers = Budget::new(2 * MOST, Metric::AnswerBytes);
        let mut step = Held::nothing(&answers);
        assert!(step.is_empty() && step.take(MOST) && !step.take(1), "full");
        let last = step.until_sent(Bytes::from_static(b"last"));
        let mut large = Held::nothing(&answers);
        assert!(!large.take(MOST + 1), "no room beside the first step");
        assert!(large.is_empty() && large.take(SMALL), "a small step needs no room");
        drop(last);
        let mut large = Held::nothing(&answers);
        assert!(large.take(2 * MOST), "one message always fits");
        assert!(answers.reserve(1).is_none());
    }
}
