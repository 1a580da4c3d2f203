//! Frames that wait for a socket.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Room for more frames than this is released when all are written.
const KEPT: usize = 16;

/// Frames in the order they go out. As a [`Buf`], so that many leave with one system call.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    queue: VecDeque<Bytes>,
}

impl Frames {
    /// Adds a frame behind the others.
    pub(crate) fn push(&mut self, frame: Bytes) {
        if !frame.is_empty() {
            self.queue.push_back(frame);
        }
    }
}

impl Buf for Frames {
    fn remaining(&self) -> usize {
        self.queue.iter().map(Bytes::len).sum()
    }

    fn has_remaining(&self) -> bool {
        !self.queue.is_empty()
    }

    fn chunk(&self) -> &[u8] {
        self.queue.front().map_or(&[], |frame| frame)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, frame) in slices.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(frame);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut written: usize) {
        while written > 0 {
            let Some(front) = self.queue.front_mut() else { return };
            if front.len() > written {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.queue.pop_front();
        }
        if self.queue.is_empty() && self.queue.capacity() > KEPT {
            self.queue.shrink_to(KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_written_in_parts_arrive_whole() {
        for step in 1..12 {
            let mut frames = Frames::default();
            for part in ["ab", "", "cdefg", "h", "ij"] {
                frames.push(Bytes::from_static(part.as_bytes()));
            }
            assert_eq!((frames.queue.len(), frames.remaining()), (4, 10));
            let mut out: Vec<u8> = Vec::new();
            while frames.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 3];
                let filled = frames.chunks_vectored(&mut slices);
                let seen: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
                assert!(seen.starts_with(frames.chunk()));
                let taken = step.min(seen.len());
                out.extend(&seen[..taken]);
                frames.advance(taken);
            }
            assert_eq!(out, b"abcdefghij", "in steps of {step}");
            assert!(frames.queue.is_empty());
        }
    }
}
