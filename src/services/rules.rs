//! The rules for samples that come in, and the cache of known series that was made with them.
//!
//! A change on this node holds at once. A change on another node holds within a few seconds and one
//! request; a node that has not read them for a minute reads them before it answers. Otherwise the
//! rules are read in the background, so that a slow store slows no samples.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use super::cached::{CachePolicy, Cached};
use super::records::{Family, Records, Stored};
use earcon_intake::rules::RulesDocument;
use earcon_intake::{Rules, SeriesCache};
use earcon_ports::{ErrorKind, MetaStore, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// The name of the one record of a workspace.
const NAME: &str = "rules";

const POLICY: CachePolicy = CachePolicy {
    fresh_for: Duration::from_secs(3),
    usable_for: Duration::from_secs(60),
    wait_at_most: Duration::from_secs(10),
    most: 1_000,
};

/// The rules of a workspace as they are used.
pub struct AppliedRules {
    /// The rules, and the series that are known under them.
    pub series: Arc<SeriesCache>,
    /// For compare-and-set; 0 for the shipped rules.
    pub revision: Revision,
}

/// The rules of all workspaces. Cheap to clone.
#[derive(Clone)]
pub struct RuleService {
    records: Records<RulesDocument>,
    cached: Cached<AppliedRules>,
    known_series: usize,
}

impl RuleService {
    /// Nothing is read yet. At most `known_series` series of one workspace are remembered.
    pub fn new(meta: Arc<dyn MetaStore>, known_series: usize) -> Self {
        let records = Records::new(meta, Family::IngestRules);
        let source = records.clone();
        let cached = Cached::new("ingest rules", POLICY, move |pass, known| {
            let records = source.clone();
            async move { load(&records, &pass, known, known_series).await }
        });
        Self { records, cached, known_series }
    }

    /// The known series of a workspace, with its rules.
    ///
    /// # Errors
    /// If the rules have never been read and cannot be now. A store that fails later leaves the
    /// rules as they were.
    pub async fn series_cache(&self, pass: &WorkspacePass) -> Result<Arc<SeriesCache>, PortError> {
        Ok(self.cached.get(pass).await?.series.clone())
    }

    /// The rules as they are stored now.
    ///
    /// # Errors
    /// `Corrupt` if they cannot be read; those of the store.
    pub async fn current(&self, pass: &WorkspacePass) -> Result<Arc<AppliedRules>, PortError> {
        self.cached.refresh(pass).await
    }

    /// Replaces the rules, durably. With `expected`, only if that is still their revision.
    ///
    /// # Errors
    /// `Conflict` if another writer was faster.
    pub async fn put(
        &self,
        pass: &WorkspacePass,
        rules: Rules,
        expected: Option<Revision>,
    ) -> Result<Arc<AppliedRules>, PortError> {
        let expected = match expected {
            Some(expected) => expected,
            None => self.records.revision(pass, NAME).await?,
        };
        let revision = self.records.put(pass, NAME, expected, rules.document()).await?;
        let applied = apply(rules, revision, self.known_series);
        self.cached.put(pass.key(), applied.clone());
        Ok(applied)
    }
}

async fn load(
    records: &Records<RulesDocument>,
    pass: &WorkspacePass,
    known: Option<Arc<AppliedRules>>,
    known_series: usize,
) -> Result<Arc<AppliedRules>, PortError> {
    let stored = records.get(pass, NAME).await?;
    let revision = stored.as_ref().map_or(0, |stored| stored.revision);
    if let Some(known) = known.filter(|known| known.revision == revision) {
        return Ok(known);
    }
    let rules = match stored {
        None => Rules::default(),
        // Samples under wrong names would be worse than samples that are refused.
        Some(Stored { value, .. }) => value.check().map_err(|problems| {
            let text = format!("the stored ingest rules break a rule: {}", problems.join("; "));
            PortError::new(ErrorKind::Corrupt, text)
        })?,
    };
    Ok(apply(rules, revision, known_series))
}

fn apply(rules: Rules, revision: Revision, known_series: usize) -> Arc<AppliedRules> {
    // The random state of the standard library is a seed that no sender can know.
    let seed = RandomState::new().hash_one(revision);
    Arc::new(AppliedRules { series: Arc::new(SeriesCache::new(rules, known_series, seed)), revision })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::testing::{MemoryMeta, pass};

    fn rules() -> Rules {
        RulesDocument::parse(br#"{"rules": [{"name": "a*", "drop": true}]}"#).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_holds_at_once_here_and_within_seconds_on_another_node() {
        let (meta, pass) = (Arc::new(MemoryMeta::default()), pass());
        let (here, there) = (RuleService::new(meta.clone(), 10), RuleService::new(meta.clone(), 10));
        let before = there.series_cache(&pass).await.unwrap();
        let put = here.put(&pass, rules(), None).await.unwrap();
        assert_eq!(put.revision, 1);
        assert!(Arc::ptr_eq(&here.series_cache(&pass).await.unwrap(), &put.series));
        tokio::time::advance(POLICY.fresh_for).await;
        meta.hang(true);
        assert!(Arc::ptr_eq(&there.series_cache(&pass).await.unwrap(), &before), "a slow store slows no samples");
        meta.hang(false);
        assert_eq!(there.current(&pass).await.unwrap().revision, 1);
        assert!(!Arc::ptr_eq(&there.series_cache(&pass).await.unwrap(), &before));
        let stale = there.put(&pass, rules(), Some(0)).await.err().unwrap();
        assert_eq!(stale.kind, ErrorKind::Conflict);
    }

    #[tokio::test]
    async fn rules_that_cannot_be_read_are_an_error_until_they_are_replaced() {
        let (meta, pass) = (Arc::new(MemoryMeta::default()), pass());
        for odd in [&b"{"[..], br#"{"rules": [{"name": ""}]}"#] {
            meta.set("ingest/rules", odd);
            let service = RuleService::new(meta.clone(), 10);
            assert_eq!(service.series_cache(&pass).await.err().unwrap().kind, ErrorKind::Corrupt);
            service.put(&pass, rules(), None).await.unwrap();
            assert!(service.series_cache(&pass).await.is_ok());
        }
    }
}
