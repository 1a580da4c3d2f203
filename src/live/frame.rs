//! WebSocket framing (RFC 6455 §5.2) of messages for many connections. A server's frames are not
//! masked, so a frame has the same bytes for all connections and is made once.

use bytes::{BufMut, Bytes, BytesMut};

/// A complete message of text.
const TEXT: u8 = 0x81;
/// A complete message of bytes.
const BINARY: u8 = 0x82;

/// A message ready for the socket. Cheap to clone: all connections share its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageFrame {
    bytes: Bytes,
    header: u8,
}

impl MessageFrame {
    /// A text message.
    pub fn text(text: &str) -> Self {
        Self::encode(TEXT, &[text.as_bytes()])
    }

    /// A binary message of concatenated parts.
    pub fn binary(parts: &[&[u8]]) -> Self {
        Self::encode(BINARY, parts)
    }

    fn encode(kind: u8, parts: &[&[u8]]) -> Self {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut bytes = BytesMut::with_capacity(10 + length);
        bytes.put_u8(kind);
        match length {
            0..=125 => bytes.put_u8(length as u8),
            126..=0xFFFF => {
                bytes.put_u8(126);
                bytes.put_u16(length as u16);
            }
            _ => {
                bytes.put_u8(127);
                bytes.put_u64(length as u64);
            }
        }
        let header = bytes.len() as u8;
        parts.iter().for_each(|part| bytes.put_slice(part));
        Self { bytes: bytes.freeze(), header }
    }

    /// The same message in other memory.
    pub fn map_bytes(self, map: impl FnOnce(Bytes) -> Bytes) -> Self {
        Self { bytes: map(self.bytes), ..self }
    }

    /// Header and message, as they go into the socket.
    pub fn wire(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The message alone.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(usize::from(self.header)..)
    }

    /// The message alone, when it is text.
    pub fn as_text(&self) -> Option<&str> {
        let payload = self.bytes.get(usize::from(self.header)..)?;
        (self.bytes.first() == Some(&TEXT)).then(|| std::str::from_utf8(payload).ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_the_standard_says() {
        for (length, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let text = "x".repeat(length);
            let frame = MessageFrame::text(&text);
            assert_eq!(frame.wire().len(), length + header, "{length}");
            assert_eq!((frame.as_text(), frame.payload().len()), (Some(text.as_str()), length));
        }
        assert_eq!(&MessageFrame::text("hi").wire()[..], b"\x81\x02hi");
        assert_eq!(&MessageFrame::binary(&[b"a", b"bc"]).wire()[..], b"\x82\x03abc");
        assert_eq!(&MessageFrame::binary(&[&[7; 300]]).wire()[..4], [0x82, 126, 1, 44]);
        assert_eq!(MessageFrame::binary(&[b"a"]).as_text(), None);
    }
}
