//! When each audio frame is due. Pure: the time since the start comes in as an argument.
//!
//! Deadlines are absolute: frame `n` is due `n` times 20 ms after the start, so no error adds up.
//! Frames that are overdue by a whole frame are skipped and counted, never queued.

use std::time::Duration;

/// The length of a frame.
pub(super) const FRAME: Duration = Duration::from_millis(20);

/// Numbers the frames and says when to render each.
#[derive(Debug, Default)]
pub(super) struct Pacing {
    next: u64,
}

/// The next frame to render.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Its number. Numbers of skipped frames are left out.
    pub(super) number: u64,
    /// The time to sleep before rendering.
    pub(super) wait: Duration,
    /// When the frame is due, since the start. If frames are skipped, the first of them.
    pub(super) due: Duration,
    /// Overdue frames that are skipped.
    pub(super) skipped: u64,
}

impl Pacing {
    /// The next frame, `since_start` after the start.
    pub(super) fn next(&mut self, since_start: Duration) -> Slot {
        let due = FRAME * u32::try_from(self.next).unwrap_or(u32::MAX);
        let wait = due.saturating_sub(since_start);
        let skipped = (since_start.saturating_sub(due).as_micros() / FRAME.as_micros()) as u64;
        let number = self.next + skipped;
        self.next = number + 1;
        Slot { number, wait, due, skipped }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn frames_are_due_every_20_ms_and_render_time_adds_no_drift() {
        let (mut pacing, mut now) = (Pacing::default(), Duration::ZERO);
        for number in 0..1_000 {
            let slot = pacing.next(now);
            assert_eq!((slot.number, slot.skipped), (number, 0));
            now += slot.wait;
            assert_eq!(now, FRAME * number as u32);
            // Rendering takes a while, and not always the same.
            now += MS * (number % 19) as u32;
        }
    }

    #[test]
    fn frame_late_by_less_than_a_frame_is_rendered_at_once() {
        let mut pacing = Pacing::default();
        pacing.next(Duration::ZERO);
        let slot = pacing.next(39 * MS);
        assert_eq!((slot.number, slot.wait, slot.skipped), (1, Duration::ZERO, 0));
        let slot = pacing.next(39 * MS);
        assert_eq!((slot.number, slot.wait, slot.skipped), (2, MS, 0), "the deadline of the next one is kept");
    }

    #[test]
    fn overdue_frames_are_skipped_and_counted() {
        let mut pacing = Pacing::default();
        pacing.next(Duration::ZERO);
        let slot = pacing.next(85 * MS);
        assert_eq!(slot, Slot { number: 4, wait: Duration::ZERO, due: 20 * MS, skipped: 3 });
        let slot = pacing.next(86 * MS);
        assert_eq!((slot.number, slot.wait, slot.skipped), (5, 14 * MS, 0));
    }

    proptest! {
        /// However late the thread is, frames are numbered in order, none is rendered before it is
        /// due, and every number is either rendered or counted as skipped.
        #[test]
        fn every_frame_is_rendered_once_or_skipped(pauses in prop::collection::vec(0u32..200, 1..200)) {
            let (mut pacing, mut now, mut rendered, mut skipped) = (Pacing::default(), Duration::ZERO, 0, 0);
            let mut last = None;
            for pause in pauses {
                let slot = pacing.next(now);
                prop_assert!(last.is_none_or(|last| slot.number > last));
                now += slot.wait;
                prop_assert!(now >= FRAME * slot.number as u32);
                rendered += 1;
                skipped += slot.skipped;
                last = Some(slot.number);
                now += MS * pause;
            }
            prop_assert_eq!(last, Some(rendered + skipped - 1));
        }
    }
}
