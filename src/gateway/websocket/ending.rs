//! How a connection ends: which close frame answers what the client did (RFC 6455 §7.4.1).

use bytes::{BufMut, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::gateway::http::outlet::Gone;

/// A close frame, unmasked.
const CLOSE: u8 = 0x88;
/// Most bytes of the payload of a control frame.
const MOST: usize = 125;

/// Why nothing more comes from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The client said so. This answers it; `None` echoes a close without a code.
    Closed(Option<CloseCode>),
    /// The client broke the rules.
    Broken(CloseCode, &'static str),
    /// The connection is gone. Nothing can be answered.
    Gone,
}

impl From<Gone> for Ended {
    fn from(_: Gone) -> Self {
        Ended::Gone
    }
}

impl Ended {
    /// After a close frame of the client. A code that nobody may send is a broken rule.
    pub(super) fn after_close(frame: Option<&CloseFrame>) -> Self {
        match frame.map(|frame| frame.code) {
            None => Ended::Closed(None),
            Some(code) if code.is_allowed() => Ended::Closed(Some(code)),
            Some(_) => Ended::Broken(CloseCode::Protocol, "no such close code"),
        }
    }

    /// After bytes that could not be read as a message.
    pub(super) fn after_error(error: &Error) -> Self {
        match error {
            Error::Capacity(_) => Ended::Broken(CloseCode::Size, "the message is too large"),
            Error::Utf8(_) => Ended::Broken(CloseCode::Invalid, "the text is no UTF-8"),
            Error::Protocol(
                ProtocolError::ResetWithoutClosingHandshake
                | ProtocolError::SendAfterClosing
                | ProtocolError::ReceivedAfterClosing,
            ) => Ended::Gone,
            Error::Protocol(_) => Ended::Broken(CloseCode::Protocol, "this is no legal frame"),
            _ => Ended::Gone,
        }
    }

    /// The close frame that answers it.
    pub(super) fn frame(self) -> Option<Bytes> {
        match self {
            Ended::Closed(None) => Some(Bytes::from_static(&[CLOSE, 0])),
            Ended::Closed(Some(code)) => Some(close_frame(code, "")),
            Ended::Broken(code, reason) => Some(close_frame(code, reason)),
            Ended::Gone => None,
        }
    }
}

/// A close frame with a code and a reason, which is cut if it is too long.
pub(super) fn close_frame(code: CloseCode, reason: &str) -> Bytes {
    let mut end = reason.len().min(MOST - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let reason = reason.get(..end).unwrap_or_default();
    let mut frame = BytesMut::with_capacity(4 + reason.len());
    frame.put_u8(CLOSE);
    frame.put_u8(2 + reason.len() as u8);
    frame.put_u16(code.into());
    frame.put_slice(reason.as_bytes());
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_tungstenite::tungstenite::error::CapacityError;

    #[test]
    fn a_close_is_echoed_unless_its_code_is_none() {
        let after = |code: u16| Ended::after_close(Some(&CloseFrame { code: code.into(), reason: "".into() }));
        assert_eq!(after(1000).frame().as_deref(), Some(&b"\x88\x02\x03\xe8"[..]));
        assert_eq!(after(4_321), Ended::Closed(Some(CloseCode::Library(4_321))));
        assert_eq!(Ended::after_close(None).frame().as_deref(), Some(&b"\x88\x00"[..]));
        for illegal in [999, 1004, 1005, 1006, 1015, 2_000] {
            assert!(matches!(after(illegal), Ended::Broken(CloseCode::Protocol, _)), "{illegal}");
        }
    }

    #[test]
    fn each_broken_rule_has_its_code() {
        let code = |error: Error| match Ended::after_error(&error) {
            Ended::Broken(code, _) => Some(u16::from(code)),
            _ => None,
        };
        assert_eq!(code(Error::Capacity(CapacityError::MessageTooLong { size: 2, max_size: 1 })), Some(1009));
        assert_eq!(code(Error::Utf8(String::new())), Some(1007));
        assert_eq!(code(Error::Protocol(ProtocolError::UnmaskedFrameFromClient)), Some(1002));
        assert_eq!(code(Error::Protocol(ProtocolError::InvalidOpcode(3))), Some(1002));
        assert_eq!(code(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), None);
        assert_eq!(code(Error::ConnectionClosed), None);
    }

    #[test]
    fn a_reason_is_cut_between_letters() {
        let frame = close_frame(CloseCode::Restart, &"ü".repeat(100));
        assert_eq!((frame.len(), frame[1], &frame[2..4]), (2 + 2 + 122, 124, &[0x03, 0xf4][..]));
    }
}
