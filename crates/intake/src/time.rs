//! Parses the time parameters of senders.

/// Parses integer milliseconds since the Unix epoch, or an RFC 3339 date and time. Returns
/// milliseconds.
pub fn parse_time(text: &str) -> Option<i64> {
    match text.parse::<i64>() {
        Ok(ms) => Some(ms),
        // A '+' that was not percent-encoded arrives as a space.
        Err(_) => text.replace(' ', "+").parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond()),
    }
}
