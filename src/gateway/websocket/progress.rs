//! Where in a message the bytes of a client end (RFC 6455 §5.2). Pure: bytes in, a position out.
//!
//! A message that has begun and does not arrive holds memory, so it needs a clock. The parser of
//! frames does not tell whether it holds the beginning of one.

/// The most bytes in front of the payload of a frame: two, the length, and the mask.
const MOST_HEAD: usize = 14;
/// Control frames have opcodes from here on.
const CONTROL: u8 = 8;

/// The frames of a connection so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    head: [u8; MOST_HEAD],
    /// Bytes of the head of the current frame that have arrived.
    head_bytes: usize,
    /// Bytes of its payload that have not arrived.
    left: u64,
    /// The last data frame was not the last one of its message.
    continues: bool,
}

/// The unfinished part after some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// Nothing: all messages are whole.
    Between,
    /// A message or a frame, of which so many of the bytes are a part, and which began in them.
    Begun(usize),
    /// The same one as before.
    Inside(usize),
}

impl Progress {
    /// Looks at the next bytes.
    pub(super) fn see(&mut self, bytes: &[u8]) -> Position {
        let mut rest = bytes;
        // Where in the bytes the unfinished message began; `None` before them.
        let mut began = if self.is_between() { Some(0) } else { None };
        while !rest.is_empty() {
            if self.left > 0 {
                let taken = usize::try_from(self.left).map_or(rest.len(), |left| left.min(rest.len()));
                rest = &rest[taken..];
                self.left -= taken as u64;
            } else {
                self.head[self.head_bytes] = rest[0];
                self.head_bytes += 1;
                rest = &rest[1..];
                if self.head_bytes < self.head_length() {
                    continue;
                }
                self.begin_payload();
            }
            if self.left == 0 {
                self.head_bytes = 0;
                if !self.continues {
                    began = Some(bytes.len() - rest.len());
                }
            }
        }
        match began {
            _ if self.is_between() => Position::Between,
            Some(at) => Position::Begun(bytes.len() - at),
            None => Position::Inside(bytes.len()),
        }
    }

    fn is_between(&self) -> bool {
        self.head_bytes == 0 && !self.continues
    }

    /// Bytes of the head of the current frame, as far as they are known.
    fn head_length(&self) -> usize {
        if self.head_bytes < 2 {
            return 2;
        }
        let mask = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
        mask + 2 + self.length_bytes()
    }

    fn length_bytes(&self) -> usize {
        match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        }
    }

    /// The head of a frame is complete.
    fn begin_payload(&mut self) {
        let extended = &self.head[2..2 + self.length_bytes()];
        self.left = match extended {
            [] => u64::from(self.head[1] & 0x7f),
            bytes => bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        if self.head[0] & 0x0f < CONTROL {
            self.continues = self.head[0] & 0x80 == 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A masked frame.
    fn frame(first: u8, payload: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload {
            0..126 => bytes.push(0x80 | payload as u8),
            126..65_536 => {
                bytes.push(0x80 | 126);
                bytes.extend((payload as u16).to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend((payload as u64).to_be_bytes());
            }
        }
        bytes.extend([1, 2, 3, 4]);
        bytes.resize(bytes.len() + payload, b'x');
        bytes
    }

    #[test]
    fn halves_of_frames_and_messages_are_unfinished() {
        let mut progress = Progress::default();
        let whole = frame(0x81, 5);
        assert_eq!(progress.see(&whole), Position::Between);
        assert_eq!(progress.see(&whole[..1]), Position::Begun(1));
        assert_eq!(progress.see(&whole[1..9]), Position::Inside(8));
        assert_eq!(progress.see(&whole[9..]), Position::Between);
        // A fragment without the last one, with a ping between.
        assert_eq!(progress.see(&frame(0x01, 200)), Position::Begun(208));
        assert_eq!(progress.see(&frame(0x89, 0)), Position::Inside(6));
        assert_eq!(progress.see(&frame(0x00, 70_000)), Position::Inside(70_014));
        assert_eq!(progress.see(&frame(0x80, 0)), Position::Between);
        // The end of one message and the beginning of the next one.
        assert_eq!(progress.see(&[&whole[..], &whole[..7]].concat()), Position::Begun(7));
        assert_eq!(progress.see(&[&whole[7..], &whole[..3]].concat()), Position::Begun(3));
        assert_eq!(progress.see(&whole[3..]), Position::Between);
        assert_eq!(progress.see(&frame(0x8a, 0)), Position::Between);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            frames in prop::collection::vec((any::<u8>(), 0usize..70_000), 1..4), cuts in prop::collection::vec(1usize..5_000, 1..200)
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(*first, *payload)).collect();
            let (mut whole, mut pieces, mut rest) = (Progress::default(), Progress::default(), &bytes[..]);
            let mut last = Position::Between;
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                last = pieces.see(piece);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            let at_once = whole.see(&bytes);
            prop_assert_eq!(at_once == Position::Between, last == Position::Between);
            prop_assert_eq!((whole.left, whole.head_bytes, whole.continues), (pieces.left, pieces.head_bytes, pieces.continues));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            Progress::default().see(&bytes);
        }
    }
}
