//! The form a follower wants events in.

/// A form of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// JSON in text messages.
    Json,
    /// MessagePack in binary messages.
    Compact,
}

impl Encoding {
    /// Whether it is the compact form.
    pub(super) fn is_compact(self) -> bool {
        self == Encoding::Compact
    }
}
