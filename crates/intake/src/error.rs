//! The error of a request that is rejected as a whole.

/// Why a whole request is rejected. The text is fit to show to the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// It is not in its declared format.
    #[error("{0}")]
    Malformed(String),
    /// It has more rows than a request may have.
    #[error("a request may have at most {max_rows} samples; send several")]
    TooMany {
        /// The limit.
        max_rows: usize,
    },
}
