//! Units and descriptions of KPIs, one record a workspace.
//!
//! The first statement of a sender stays. A person replaces it, and then senders change nothing
//! more. A change on this node holds at once, one on another node within a few seconds.
//! **A crash loses** nothing: senders state it again with each series that is new to a node.

mod arriving;
mod ignored;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::arriving::Announced;
use self::arriving::Arriving;
pub use self::ignored::IgnoredUnit;
use super::cached::{CachePolicy, Cached};
use super::records::{Family, Records};
use earcon_model::{Anomaly, EventBody, KpiName, Meaning, WorkspaceKey};
use earcon_ports::{ErrorKind, MetaStore, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// The name of the one record of a workspace.
const NAME: &str = "kpis";
/// KPIs whose meaning is kept. Statements about further ones are dropped.
const MOST: usize = 20_000;

const POLICY: CachePolicy = CachePolicy {
    fresh_for: Duration::from_secs(3),
    usable_for: Duration::from_secs(60),
    wait_at_most: Duration::from_secs(3),
    most: 1_000,
};

/// The meaning of one KPI, and who stated it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedMeaning {
    /// The meaning.
    #[serde(flatten)]
    pub meaning: Meaning,
    /// Whether a person stated it. Senders then change nothing.
    #[serde(default)]
    pub by_person: bool,
}

/// The record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Document {
    kpis: BTreeMap<KpiName, StatedMeaning>,
    /// How many KPIs with a meaning were deleted. A node that reads another number than before
    /// forgets the rows that it knows, because a known row states nothing again.
    #[serde(default)]
    forgotten: u64,
}

/// The meanings of a workspace's KPIs.
#[derive(Debug, Default)]
pub struct Meanings {
    document: Document,
    /// For compare-and-set; 0 until something is stated.
    pub revision: Revision,
}

impl Meanings {
    /// The meaning of a KPI, if one was stated.
    pub fn get(&self, kpi: &KpiName) -> Option<&StatedMeaning> {
        self.document.kpis.get(kpi)
    }

    /// All KPIs of which something is stated, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&KpiName, &StatedMeaning)> {
        self.document.kpis.iter()
    }
}

impl Document {
    /// Whether a sender's statement adds something.
    fn lacks(&self, kpi: &KpiName, stated: &Meaning) -> bool {
        let Some(StatedMeaning { meaning, by_person }) = self.kpis.get(kpi) else { return self.kpis.len() < MOST };
        let new_unit = meaning.unit.is_none() && stated.unit.is_some();
        !by_person && (new_unit || (meaning.description.is_none() && stated.description.is_some()))
    }

    fn add(&mut self, kpi: &KpiName, stated: &Meaning) {
        let known = self.kpis.entry(kpi.clone());
        let StatedMeaning { meaning, .. } =
            known.or_insert_with(|| StatedMeaning { meaning: Meaning::default(), by_person: false });
        let Meaning { unit, description } = stated.clone();
        meaning.unit = meaning.unit.take().or(unit);
        meaning.description = meaning.description.take().or(description);
    }
}

/// The meanings of all workspaces. Cheap to clone.
#[derive(Clone)]
pub struct MeaningService {
    records: Records<Document>,
    cached: Cached<Meanings>,
    arriving: Arriving,
}

impl MeaningService {
    /// Nothing is read yet.
    pub fn new(meta: Arc<dyn MetaStore>) -> Self {
        let records = Records::new(meta, Family::Meaning);
        let source = records.clone();
        let cached = Cached::new("units of KPIs", POLICY, move |pass, known: Option<Arc<Meanings>>| {
            let records: Records<Document> = source.clone();
            async move {
                // One that cannot be read is replaced by the next statement.
                let (document, revision) = match known {
                    None => records.load(&pass, NAME).await?,
                    Some(known) => match records.load_newer(&pass, NAME, known.revision).await? {
                        Some(newer) => newer,
                        None => return Ok(known),
                    },
                };
                Ok(Arc::new(Meanings { document: document.unwrap_or_default(), revision }))
            }
        });
        Self { records, cached, arriving: Arriving::default() }
    }

    /// The meanings of a workspace, at most a few seconds old.
    ///
    /// # Errors
    /// If they have never been read and cannot be now.
    pub async fn current(&self, pass: &WorkspacePass) -> Result<Arc<Meanings>, PortError> {
        self.cached.get(pass).await
    }

    /// The meanings as they are stored now.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn stored(&self, pass: &WorkspacePass) -> Result<Arc<Meanings>, PortError> {
        self.cached.refresh(pass).await
    }

    /// Has anomalies of a request carry the units that it states, before those are kept. Of two
    /// units for a KPI the first holds.
    pub fn announce(&self, pass: &WorkspacePass, stated: &[(KpiName, Meaning)]) -> Announced {
        self.arriving.announce(pass.workspace(), stated)
    }

    /// The stated units that are ignored, because other ones hold.
    pub async fn ignored(&self, pass: &WorkspacePass, stated: &[(KpiName, Meaning)]) -> Vec<IgnoredUnit> {
        // Without the record, nothing can be said.
        let known = self.current(pass).await.unwrap_or_default();
        let mut first: HashMap<&KpiName, (&str, bool)> = HashMap::new();
        let mut ignored = Vec::new();
        for (kpi, meaning) in stated {
            let Some(unit) = meaning.unit.as_deref() else { continue };
            let kept = known.get(kpi).and_then(|kept| Some((kept.meaning.unit.as_deref()?, kept.by_person)));
            let (holds, by_person) = *first.entry(kpi).or_insert(kept.unwrap_or((unit, false)));
            if holds != unit {
                let (kpi, stated, holds) = (kpi.clone(), unit.to_owned(), holds.to_owned());
                ignored.push(IgnoredUnit { kpi, stated, holds, by_person });
            }
        }
        ignored
    }

    /// The unit of a KPI, if one is known here.
    pub fn unit(&self, pass: &WorkspacePass, kpi: &KpiName) -> Option<String> {
        self.known(pass.key())?.get(kpi)?.meaning.unit.clone()
    }

    /// Notes units on anomalies that were found before the unit was known.
    pub async fn fill(&self, pass: &WorkspacePass, anomalies: &mut [Anomaly]) {
        if anomalies.iter().all(|anomaly| anomaly.unit.is_some()) {
            return;
        }
        // Without the record, an anomaly is shown as it was found.
        let known = self.current(pass).await.unwrap_or_default();
        for anomaly in anomalies.iter_mut().filter(|anomaly| anomaly.unit.is_none()) {
            anomaly.unit = known.get(&anomaly.kpi).and_then(|stated| stated.meaning.unit.clone());
        }
    }

    /// Keeps what senders state, durably, where nothing is known yet.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn learn(&self, pass: &WorkspacePass, stated: &[(KpiName, Meaning)]) -> Result<(), PortError> {
        let known = self.current(pass).await?;
        if !stated.iter().any(|(kpi, meaning)| known.document.lacks(kpi, meaning)) {
            return Ok(());
        }
        let change = |old: Option<&Document>| {
            let mut document = old.cloned().unwrap_or_default();
            let mut changed = false;
            for (kpi, meaning) in stated {
                if document.lacks(kpi, meaning) {
                    document.add(kpi, meaning);
                    changed = true;
                }
            }
            Ok::<_, PortError>(changed.then_some(document))
        };
        if let Some(stored) = self.records.update(pass, NAME, change).await? {
            let learned = Meanings { document: stored.value, revision: stored.revision };
            self.cached.put(pass.key(), Arc::new(learned));
        }
        Ok(())
    }

    /// Replaces the meaning of a KPI by that of a person, durably. With `expected`, only if that is
    /// still the revision of the workspace's meanings.
    ///
    /// # Errors
    /// `Conflict` if another writer was faster; `Invalid` if too many KPIs have a meaning.
    pub async fn put(
        &self,
        pass: &WorkspacePass,
        kpi: &KpiName,
        meaning: Meaning,
        expected: Option<Revision>,
    ) -> Result<Arc<Meanings>, PortError> {
        let (document, revision) = self.records.load(pass, NAME).await?;
        let mut document = document.unwrap_or_default();
        if document.kpis.len() >= MOST && !document.kpis.contains_key(kpi) {
            let text = format!("at most {MOST} KPIs of a workspace may have a unit or a description");
            return Err(PortError::new(ErrorKind::Invalid, text));
        }
        document.kpis.insert(kpi.clone(), StatedMeaning { meaning, by_person: true });
        let revision = self.records.put(pass, NAME, expected.unwrap_or(revision), &document).await?;
        let meanings = Arc::new(Meanings { document, revision });
        self.cached.put(pass.key(), meanings.clone());
        Ok(meanings)
    }

    /// How many KPIs with a meaning were deleted, at most a few seconds ago; `None` if that was not
    /// read yet. Waits for nothing.
    pub fn forgotten(&self, pass: &WorkspacePass) -> Option<u64> {
        self.cached.get_known(pass).map(|known| known.document.forgotten)
    }

    /// Forgets a KPI that is deleted, durably, and on all nodes within seconds.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn forget(&self, pass: &WorkspacePass, kpi: &KpiName) -> Result<(), PortError> {
        let change = |old: Option<&Document>| {
            let mut document = old.cloned().unwrap_or_default();
            let forgotten = document.kpis.remove(kpi).is_some();
            document.forgotten += u64::from(forgotten);
            Ok::<_, PortError>(forgotten.then_some(document))
        };
        if let Some(stored) = self.records.update(pass, NAME, change).await? {
            let rest = Meanings { document: stored.value, revision: stored.revision };
            self.cached.put(pass.key(), Arc::new(rest));
        }
        Ok(())
    }

    /// Notes the units on anomalies, as they are known here, and has them read again.
    pub fn stamp(&self, pass: &WorkspacePass, bodies: &mut [EventBody]) {
        let anomalies = bodies.iter_mut().filter_map(|body| match body {
            EventBody::Anomaly(happened) => happened.anomaly_mut(),
            _ => None,
        });
        let mut anomalies = anomalies.peekable();
        if anomalies.peek().is_none() {
            return;
        }
        let known = self.known(pass.key());
        for anomaly in anomalies {
            anomaly.unit = self.unit_among(known.as_deref(), pass, &anomaly.kpi);
        }
        self.read_soon(pass);
    }

    /// The unit of a KPI as it is known here, or as a request under way states it. Has the units
    /// read again.
    pub fn unit_here(&self, pass: &WorkspacePass, kpi: &KpiName) -> Option<String> {
        let unit = self.unit_among(self.known(pass.key()).as_deref(), pass, kpi);
        self.read_soon(pass);
        unit
    }

    fn unit_among(&self, known: Option<&Meanings>, pass: &WorkspacePass, kpi: &KpiName) -> Option<String> {
        match known.and_then(|known| known.get(kpi)) {
            Some(StatedMeaning { meaning, by_person }) if *by_person || meaning.unit.is_some() => meaning.unit.clone(),
            _ => self.arriving.unit(pass.workspace(), kpi),
        }
    }

    /// Reads the meanings in the background, unless they are fresh.
    pub fn read_soon(&self, pass: &WorkspacePass) {
        let (service, pass) = (self.clone(), pass.clone());
        tokio::spawn(async move {
            // A read that fails warns by itself.
            let _unknown = service.current(&pass).await.is_err();
        });
    }

    fn known(&self, workspace: &WorkspaceKey) -> Option<Arc<Meanings>> {
        self.cached.known(workspace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::testing::{MemoryMeta, pass};

    fn kpi(name: &str) -> KpiName {
        KpiName::new(name).unwrap()
    }

    fn meaning(unit: &str, description: &str) -> Meaning {
        Meaning::new(unit, description).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_statement_of_a_sender_stays_until_a_person_replaces_it() {
        let (meta, pass) = (Arc::new(MemoryMeta::default()), pass());
        let (here, there) = (MeaningService::new(meta.clone()), MeaningService::new(meta.clone()));
        let of = async |service: &MeaningService, name: &str| {
            let all = service.stored(&pass).await.unwrap();
            all.get(&kpi(name)).map(|stated| (stated.meaning.clone(), stated.by_person))
        };
        here.learn(&pass, &[(kpi("a"), meaning("ms", "")), (kpi("b"), meaning("", "x"))]).await.unwrap();
        there.learn(&pass, &[(kpi("a"), meaning("s", "time"))]).await.unwrap();
        assert_eq!(of(&there, "a").await, Some((meaning("ms", "time"), false)));
        let revision = there.stored(&pass).await.unwrap().revision;
        here.learn(&pass, &[(kpi("a"), meaning("h", "other"))]).await.unwrap();
        assert_eq!(here.stored(&pass).await.unwrap().revision, revision, "nothing is written for nothing new");
        there.put(&pass, &kpi("a"), meaning("", "by hand"), Some(revision)).await.unwrap();
        let stale = there.put(&pass, &kpi("a"), meaning("s", ""), Some(revision)).await.err().unwrap();
        assert_eq!(stale.kind, ErrorKind::Conflict);
        tokio::time::advance(POLICY.usable_for).await;
        here.learn(&pass, &[(kpi("a"), meaning("ms", ""))]).await.unwrap();
        assert_eq!(of(&here, "a").await, Some((meaning("", "by hand"), true)));
        assert_eq!(of(&here, "c").await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn other_nodes_learn_within_seconds_that_a_kpi_was_deleted() {
        let (meta, pass) = (Arc::new(MemoryMeta::default()), pass());
        let (here, there) = (MeaningService::new(meta.clone()), MeaningService::new(meta.clone()));
        let stated = [(kpi("a"), meaning("ms", ""))];
        assert_eq!(there.forgotten(&pass), None, "nothing was read yet");
        there.learn(&pass, &stated).await.unwrap();
        assert_eq!(there.forgotten(&pass), Some(0));
        here.forget(&pass, &kpi("a")).await.unwrap();
        here.forget(&pass, &kpi("b")).await.unwrap();
        tokio::time::advance(POLICY.fresh_for).await;
        let seen = async || {
            tokio::task::yield_now().await;
            there.forgotten(&pass)
        };
        while seen().await != Some(1) {}
        // The statement of a row that is not known any more is kept.
        there.learn(&pass, &stated).await.unwrap();
        assert_eq!(here.stored(&pass).await.unwrap().get(&kpi("a")).unwrap().meaning, meaning("ms", ""));
    }
}
