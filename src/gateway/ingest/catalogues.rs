//! The catalogue of each workspace that samples come in for, and the rules it was made with.
//!
//! Rules live in the MetaStore and are read again at most every few seconds a workspace, beside the requests and not on their
//! way: a store that is slow slows no samples. A node applies a change of another node's within [`FRESH`] and one request;
//! one that has heard nothing of a workspace for [`STALE`] looks first.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use earcon_intake::rules::RulesDocument;
use earcon_intake::{Rules, SeriesCache};
use earcon_model::WorkspaceId;
use earcon_ports::{MetaStore, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// The record of a workspace's rules.
pub(crate) const KEY: &str = "ingest/rules";

/// How long rules are believed without another look.
const FRESH: Duration = Duration::from_secs(3);

/// After this long without a look a request waits for one: nobody has sent anything meanwhile.
const STALE: Duration = Duration::from_secs(60);

/// Catalogues of workspaces beyond this many are made anew when they are needed.
const MOST: usize = 1_000;

/// Finds the catalogue of a workspace. Cheap to clone.
#[derive(Clone)]
pub struct Catalogues {
    meta: Arc<dyn MetaStore>,
    /// Series remembered of one workspace.
    known_series: usize,
    by_workspace: Arc<RwLock<HashMap<WorkspaceId, Entry>>>,
}

#[derive(Clone)]
struct Entry {
    catalogue: Arc<SeriesCache>,
    revision: Revision,
    looked_at: Instant,
}

impl Catalogues {
    /// Nothing known yet; `known_series` bounds what is remembered of one workspace.
    pub fn new(meta: Arc<dyn MetaStore>, known_series: usize) -> Self {
        Self { meta, known_series, by_workspace: Arc::default() }
    }

    /// The catalogue of the workspace of the pass.
    ///
    /// # Errors
    /// When its rules have never been read and cannot be now. A store that fails later leaves the rules as they were.
    pub(crate) async fn of(&self, pass: &WorkspacePass) -> Result<Arc<SeriesCache>, PortError> {
        let known = self.read(pass.workspace());
        match known {
            Some(entry) if entry.looked_at.elapsed() < FRESH => Ok(entry.catalogue),
            Some(entry) => {
                // Others go on with what is known while somebody looks.
                self.write(pass.workspace(), Entry { looked_at: Instant::now(), ..entry.clone() });
                if entry.looked_at.elapsed() >= STALE {
                    return Ok(self.look_again(pass, entry).await);
                }
                let (catalogues, pass, known) = (self.clone(), pass.clone(), entry.clone());
                tokio::spawn(async move { catalogues.look_again(&pass, known).await });
                Ok(entry.catalogue)
            }
            None => Ok(self.load(pass, None).await?.catalogue),
        }
    }

    /// Reads the rules once more; those that are known stay when that fails.
    async fn look_again(&self, pass: &WorkspacePass, known: Entry) -> Arc<SeriesCache> {
        match self.load(pass, Some(&known)).await {
            Ok(entry) => entry.catalogue,
            Err(error) => {
                tracing::warn!(workspace = %pass.workspace(), %error, "ingest rules cannot be read again");
                known.catalogue
            }
        }
    }

    /// Rules and their revision as they are stored now; revision 0 are the shipped ones.
    pub(crate) async fn current(&self, pass: &WorkspacePass) -> Result<(Arc<SeriesCache>, Revision), PortError> {
        let entry = self.load(pass, self.read(pass.workspace()).as_ref()).await?;
        Ok((entry.catalogue, entry.revision))
    }

    /// Replaces the rules, durably. With `expected`, only if that is still the revision.
    ///
    /// # Errors
    /// `Conflict` when somebody else changed them first.
    pub(crate) async fn put(
        &self,
        pass: &WorkspacePass,
        rules: Rules,
        expected: Option<Revision>,
    ) -> Result<(Arc<SeriesCache>, Revision), PortError> {
        let value = serde_json::to_vec(rules.document()).unwrap_or_default();
        let expected = match expected {
            Some(expected) => expected,
            None => self.meta.get(pass, KEY).await?.map_or(0, |record| record.revision),
        };
        let revision = self.meta.put(pass, KEY, expected, value).await?;
        let entry = self.entry(rules, revision);
        self.write(pass.workspace(), entry.clone());
        Ok((entry.catalogue, revision))
    }

    async fn load(&self, pass: &WorkspacePass, known: Option<&Entry>) -> Result<Entry, PortError> {
        let record = self.meta.get(pass, KEY).await?;
        let revision = record.as_ref().map_or(0, |record| record.revision);
        let entry = match known.filter(|known| known.revision == revision) {
            Some(known) => Entry { looked_at: Instant::now(), ..known.clone() },
            None => {
                let rules = match record.map(|record| RulesDocument::parse(&record.value)) {
                    None => Rules::default(),
                    Some(Ok(rules)) => rules,
                    Some(Err(problems)) => {
                        // Written by another version. Taking samples under other names would be worse than not taking them.
                        let text = format!("the stored ingest rules are not understood: {}", problems.join("; "));
                        return Err(PortError::new(earcon_ports::ErrorKind::Corrupt, text));
                    }
                };
                self.entry(rules, revision)
            }
        };
        self.write(pass.workspace(), entry.clone());
        Ok(entry)
    }

    fn entry(&self, rules: Rules, revision: Revision) -> Entry {
        // The standard library's random state is the seed nobody outside can know.
        let seed = RandomState::new().hash_one(revision);
        Entry {
            catalogue: Arc::new(SeriesCache::new(rules, self.known_series, seed)),
            revision,
            looked_at: Instant::now(),
        }
    }

    fn read(&self, workspace: &WorkspaceId) -> Option<Entry> {
        self.by_workspace.read().unwrap_or_else(PoisonError::into_inner).get(workspace).cloned()
    }

    fn write(&self, workspace: &WorkspaceId, entry: Entry) {
        let mut all = self.by_workspace.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(workspace) {
            let oldest = all.iter().min_by_key(|(_, entry)| entry.looked_at).map(|(id, _)| id.clone());
            oldest.map(|id| all.remove(&id));
        }
        // A slow look must not undo a change that was made meanwhile.
        if all.get(workspace).is_none_or(|known| known.revision <= entry.revision) {
            all.insert(workspace.clone(), entry);
        }
    }
}
