//! Messages of a subscription other than events.

use serde::Serialize;

use earcon_model::Seq;

/// The first answer to a subscription.
pub fn subscribed_json(seq: Seq, epoch: &str, recovered: Option<bool>) -> String {
    to_json(&serde_json::json!({"type": "subscribed", "seq": seq, "epoch": epoch, "recovered": recovered}))
}

/// The compact events after this message are of this epoch.
pub fn epoch_json(epoch: &str) -> String {
    to_json(&serde_json::json!({"type": "epoch", "epoch": epoch}))
}

/// Events `from` to `to` (inclusive) were not sent. `resume` is given if more are missing. `epoch`
/// is that of the position to resume from.
pub fn gap_json(from: Seq, to: Seq, epoch: &str, resume: Option<Seq>) -> String {
    let mut gap = serde_json::json!({"type": "gap", "from": from, "to": to, "epoch": epoch});
    if let Some(resume) = resume {
        gap["resume"] = resume.into();
    }
    to_json(&gap)
}

/// A message of the client was not understood.
pub fn error_json(title: &str, detail: &str) -> String {
    to_json(&serde_json::json!({"type": "error", "title": title, "detail": detail}))
}

/// Serialises a wire type.
pub fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("wire types have text keys only, so they always serialise")
}
