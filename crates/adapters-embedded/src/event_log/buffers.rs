//! Buffers in which appends are encoded. A new one for each append would have the kernel clear its
//! pages, and would be copied while it grows.

use std::sync::{Mutex, PoisonError};

/// Buffers that are kept, and the largest one that is.
const MOST: usize = 4;
const LARGEST: usize = 4 << 20;

/// Empty buffers for later appends.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// An empty buffer.
    pub(super) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Keeps a buffer, unless it is huge or there are enough.
    pub(super) fn keep(&self, mut buffer: Vec<u8>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST && buffer.capacity() <= LARGEST {
            buffer.clear();
            kept.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again_and_huge_ones_are_not_kept() {
        let buffers = Buffers::default();
        buffers.keep(vec![7; 1_000]);
        let again = buffers.take();
        assert!(again.is_empty() && again.capacity() >= 1_000);
        buffers.keep(Vec::with_capacity(LARGEST + 1));
        assert_eq!(buffers.take().capacity(), 0);
        (0..10).for_each(|_| buffers.keep(vec![1]));
        assert_eq!(buffers.0.lock().unwrap().len(), MOST);
    }
}
