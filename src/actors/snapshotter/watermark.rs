//! The recovery watermark: every event up to it is part of a saved snapshot, so recovery reads the
//! log from there.

use crate::actors::context::Backends;
use earcon_model::Seq;
use earcon_ports::PortError;
use earcon_tenancy::WorkspacePass;

const WATERMARK_KEY: &str = "recovery/watermark";

/// Every event up to the returned one is part of a saved snapshot.
pub async fn load_watermark(backends: &Backends, pass: &WorkspacePass) -> Result<Seq, PortError> {
    let record = backends.meta_store.get(pass, WATERMARK_KEY).await?;
    Ok(record.and_then(|record| record.value.try_into().ok()).map_or(0, Seq::from_be_bytes))
}

/// Records that every event up to `watermark` is part of a saved snapshot.
pub(in crate::actors) async fn save_watermark(
    backends: &Backends,
    pass: &WorkspacePass,
    watermark: Seq,
) -> Result<(), PortError> {
    let revision = backends.meta_store.get(pass, WATERMARK_KEY).await?.map_or(0, |record| record.revision);
    backends.meta_store.put(pass, WATERMARK_KEY, revision, watermark.to_be_bytes().to_vec()).await?;
    Ok(())
}
