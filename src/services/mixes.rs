//! The settings of mixes as people last saved them.

use std::sync::Arc;

use super::records::{Family, Records};
use earcon_audio::MixSettings;
use earcon_ports::{MetaStore, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// The settings of all mixes. Cheap to clone.
#[derive(Clone)]
pub struct MixRecords(Records<MixSettings>);

impl MixRecords {
    /// The records in this store.
    pub fn new(meta: Arc<dyn MetaStore>) -> Self {
        Self(Records::new(meta, Family::Mix))
    }

    /// The saved settings of a mix, and their revision (0: never saved). Settings that cannot be
    /// read are not returned; the next save replaces them.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn load(&self, pass: &WorkspacePass, mix: &str) -> Result<(Option<MixSettings>, Revision), PortError> {
        self.0.load(pass, mix).await
    }

    /// Saves the settings of a mix if `expected` is still their revision.
    ///
    /// # Errors
    /// `Conflict` if another writer was faster.
    pub async fn save(
        &self,
        pass: &WorkspacePass,
        mix: &str,
        settings: &MixSettings,
        expected: Revision,
    ) -> Result<Revision, PortError> {
        self.0.put(pass, mix, expected, settings).await
    }
}
