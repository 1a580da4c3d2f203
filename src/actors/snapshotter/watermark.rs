//! The recovery watermark: every event up to it is part of a saved snapshot, so recovery reads the
//! log from there.

use crate::actors::context::Backends;
use crate::services::records::Family;
use earcon_model::Seq;
use earcon_ports::PortError;
use earcon_tenancy::WorkspacePass;

const WATERMARK: &str = "watermark";

/// Every event up to the returned one is part of a saved snapshot; 0 if none was recorded.
///
/// A record that cannot be read is warned about and taken for 0. That only makes the replay longer:
/// each snapshot skips the events that it includes. The next save replaces the record.
pub async fn load_watermark(backends: &Backends, pass: &WorkspacePass) -> Result<Seq, PortError> {
    let key = Family::Recovery.key(WATERMARK);
    let Some(record) = backends.meta_store.get(pass, &key).await? else { return Ok(0) };
    let Ok(bytes) = <[u8; 8]>::try_from(record.value) else {
        tracing::warn!(workspace = %pass.workspace(), key, "the recovery watermark cannot be read; the log is replayed from its beginning");
        return Ok(0);
    };
    Ok(Seq::from_be_bytes(bytes))
}

/// Records that every event up to `watermark` is part of a saved snapshot.
pub(in crate::actors) async fn save_watermark(
    backends: &Backends,
    pass: &WorkspacePass,
    watermark: Seq,
) -> Result<(), PortError> {
    let key = Family::Recovery.key(WATERMARK);
    let revision = backends.meta_store.get(pass, &key).await?.map_or(0, |record| record.revision);
    backends.meta_store.put(pass, &key, revision, watermark.to_be_bytes().to_vec()).await?;
    Ok(())
}
