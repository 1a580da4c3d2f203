//! Detector entries: named settings with revisions that never change.

use std::collections::BTreeMap;

use super::records::EntryRecord;
use super::{DetectorError, DetectorService, MOST};
use crate::services::records::Page;
use earcon_model::detector::{CONFIGURED, is_name};
use earcon_model::{DetectorEntry, DetectorRef};
use earcon_ports::PortError;
use earcon_tenancy::WorkspacePass;

/// The detectors of a workspace.
#[derive(Debug, Clone)]
pub struct DetectorList {
    /// The live detector where no experiment runs.
    pub live: DetectorRef,
    /// Every revision of every entry, in the order of their names.
    pub entries: Vec<DetectorEntry>,
    /// How many entries cannot be read and are left out.
    pub unreadable: usize,
}

impl DetectorService {
    /// The algorithm that is configured.
    pub fn configured(&self) -> &'static str {
        self.configured.detector.as_str()
    }

    /// The live detector, and every revision of every entry.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn detectors(&self, pass: &WorkspacePass) -> Result<DetectorList, DetectorError> {
        let (assignment, _) = self.records.assignment(pass).await?;
        let page = self.all_entries(pass).await?;
        let unreadable = page.unreadable.len();
        let entries = page.values().into_iter().flat_map(|entry| entry.revisions).collect();
        Ok(DetectorList { live: assignment.live, entries, unreadable })
    }

    /// Adds a revision to an entry, which is made if there is none. Settings equal to those of the
    /// latest revision are that revision.
    ///
    /// # Errors
    /// If a setting breaks a rule, or there are too many entries or revisions.
    pub async fn put_entry(
        &self,
        pass: &WorkspacePass,
        name: &str,
        detector: String,
        options: BTreeMap<String, f64>,
    ) -> Result<DetectorEntry, DetectorError> {
        let mut added = DetectorEntry { name: name.to_owned(), revision: 0, detector, options };
        self.configured
            .with_entry(&added)
            .map_err(|problems| DetectorError::Invalid(problems.iter().map(ToString::to_string).collect()))?;
        let is_new = self.records.entries.get(pass, name).await?.is_none();
        if is_new && self.all_entries(pass).await?.count() >= MOST {
            return Err(DetectorError::NotNow(format!("the workspace has its {MOST} entries")));
        }
        let add = |old: Option<&EntryRecord>| {
            let mut entry = old.cloned().unwrap_or_default();
            let latest = entry.revisions.last();
            added.revision = latest.map_or(0, |latest| latest.revision);
            if latest == Some(&added) {
                return Ok(None);
            }
            if entry.revisions.len() >= MOST {
                return Err(DetectorError::NotNow(format!("{name} has its {MOST} revisions")));
            }
            added.revision += 1;
            entry.revisions.push(added.clone());
            Ok(Some(entry))
        };
        self.records.entries.update(pass, name, add).await?;
        Ok(added)
    }

    /// The detector of `name@revision`, `name` (its latest revision) or `default`.
    pub(super) async fn resolve(&self, pass: &WorkspacePass, text: &str) -> Result<DetectorRef, DetectorError> {
        if text == CONFIGURED {
            return Ok(DetectorRef::Configured);
        }
        let unknown =
            || DetectorError::Unknown(format!("there is no entry {text:?}; an entry is named like \"calm@2\""));
        let (name, revision) = match text.split_once('@') {
            Some((name, revision)) => (name, Some(revision.parse::<u32>().map_err(|_| unknown())?)),
            None => (text, None),
        };
        if !is_name(name) {
            return Err(unknown());
        }
        let entry = self.records.entries.get(pass, name).await?.ok_or_else(unknown)?;
        let mut newest_first = entry.value.revisions.into_iter().rev();
        let found = newest_first.find(|entry| revision.is_none_or(|revision| entry.revision == revision));
        found.map(|entry| DetectorRef::Entry(Box::new(entry))).ok_or_else(unknown)
    }

    /// Two requests at once may make one entry more than there may be.
    async fn all_entries(&self, pass: &WorkspacePass) -> Result<Page<EntryRecord>, PortError> {
        self.records.entries.all(pass, 2 * MOST).await
    }
}
