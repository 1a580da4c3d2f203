//! The recovery watermark: every event up to it is part of a saved snapshot, so recovery reads the
//! log from there.

use crate::actors::context::Backends;
use crate::services::records::Family;
use earcon_model::Seq;
use earcon_ports::PortError;
use earcon_tenancy::WorkspacePass;

const WATERMARK: &str = "watermark";

/// Every event up to the returned one is part of a saved snapshot.
pub async fn load_watermark(backends: &Backends, pass: &WorkspacePass) -> Result<Seq, PortError> {
    let record = backends.meta_store.get(pass, &Family::Recovery.key(WATERMARK)).await?;
    Ok(record.and_then(|record| record.value.try_into().ok()).map_or(0, Seq::from_be_bytes))
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
