//! Errors of JetStream for the operator: each one says what to do.

use async_nats::jetstream::{Error, ErrorCode};

use earcon_ports::{ErrorKind, PortError};

/// No usable answer while `doing` something. The server is away, or it silently drops messages that
/// this user may not send.
pub(super) fn unanswered(doing: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PortError {
    let context = format!(
        "{doing}: no answer from JetStream; is it reachable and enabled (nats-server -js), and may this user publish to \
         $JS.API.> and earcon.> and subscribe to _INBOX.>?"
    );
    PortError::caused(ErrorKind::Unavailable, context, error)
}

/// JetStream refused the request.
pub(super) fn refused(doing: &str, error: Error) -> PortError {
    let (kind, advice) = match error.error_code() {
        ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => (
            ErrorKind::Unavailable,
            ": JetStream is not enabled; start nats-server with -js, or enable it for this user's account",
        ),
        code if is_out_of_room(code) => (
            ErrorKind::Unavailable,
            ": JetStream has no room; raise max_file_store or the account's limits, or lower storage.log_megabytes",
        ),
        ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED | ErrorCode::CLUSTER_NO_PEERS => (
            ErrorKind::Invalid,
            ": nats.replicas asks for more copies than this NATS has servers for; lower it, or add servers",
        ),
        ErrorCode::STREAM_SUBJECT_OVERLAP => {
            (ErrorKind::Invalid, ": another stream takes Earcon's subjects; delete it, or narrow what it captures")
        }
        _ if error.code() >= 500 => (ErrorKind::Unavailable, ""),
        _ => (ErrorKind::Invalid, ""),
    };
    PortError::caused(kind, format!("{doing}{advice}"), error)
}

/// A limit of a server, an account or a stream is reached.
pub(super) fn is_out_of_room(code: ErrorCode) -> bool {
    [
        ErrorCode::STORAGE_RESOURCES_EXCEEDED,
        ErrorCode::INSUFFICIENT_RESOURCES,
        ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
        ErrorCode::MEMORY_RESOURCES_EXCEEDED,
        ErrorCode::STREAM_MAX_STREAM_BYTES_EXCEEDED,
        ErrorCode::MAXIMUM_STREAMS_LIMIT,
    ]
    .contains(&code)
}
