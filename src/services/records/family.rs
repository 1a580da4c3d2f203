//! The families of records in the meta store. The keys of two families never collide.

/// A family of records. Every key in the meta store starts with the prefix of exactly one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Mutes, by identifier.
    Mute,
    /// Detector entries with all their revisions, by name.
    DetectorEntry,
    /// Which detector is live and which experiment runs. One record.
    DetectorAssignment,
    /// Experiments, by name.
    Experiment,
    /// Training jobs, by number.
    Job,
    /// Incidents, by identifier.
    Incident,
    /// The state of the incident engine. One record.
    IncidentEngine,
    /// Settings of mixes, by name.
    Mix,
    /// Rules for samples that come in. One record.
    IngestRules,
    /// Units and descriptions of KPIs. One record.
    Meaning,
    /// How far events were published outside. One record.
    PublishCursor,
    /// What recovery has to know about the log. Its records are plain bytes.
    Recovery,
    /// That the workspace exists. One record of plain bytes.
    Workspace,
}

/// How the values of a family are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// JSON, which a person can read.
    Json,
    /// Postcard, for state that is mostly numbers.
    Postcard,
}

impl Family {
    /// Every family.
    pub const ALL: [Family; 13] = [
        Family::Mute,
        Family::DetectorEntry,
        Family::DetectorAssignment,
        Family::Experiment,
        Family::Job,
        Family::Incident,
        Family::IncidentEngine,
        Family::Mix,
        Family::IngestRules,
        Family::Meaning,
        Family::PublishCursor,
        Family::Recovery,
        Family::Workspace,
    ];

    /// What every key of the family starts with. It ends with the only slash in it.
    pub const fn prefix(self) -> &'static str {
        match self {
            Family::Mute => "mute/",
            Family::DetectorEntry => "detector/",
            Family::DetectorAssignment => "detector-assignment/",
            Family::Experiment => "experiment/",
            Family::Job => "job/",
            Family::Incident => "incident/",
            Family::IncidentEngine => "incident-engine/",
            Family::Mix => "mix/",
            Family::IngestRules => "ingest/",
            Family::Meaning => "meaning/",
            Family::PublishCursor => "fan-out/",
            Family::Recovery => "recovery/",
            Family::Workspace => "workspace/",
        }
    }

    /// The key of a record of the family.
    pub fn key(self, name: &str) -> String {
        format!("{}{name}", self.prefix())
    }

    pub(super) const fn format(self) -> Format {
        match self {
            Family::IncidentEngine => Format::Postcard,
            _ => Format::Json,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_two_families_never_collide() {
        for family in Family::ALL {
            let prefix = family.prefix();
            assert!(prefix.ends_with('/') && prefix.matches('/').count() == 1, "{prefix}");
            let others = Family::ALL.into_iter().filter(|other| *other != family);
            assert!(others.into_iter().all(|other| !prefix.starts_with(other.prefix())), "{prefix}");
        }
    }
}
