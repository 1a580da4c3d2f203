//! An incident: anomalies of several series that belong together, with the first mover and a
//! timeline.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::anomaly::{Acknowledgement, AnomalyId, Direction, Feature};
use super::deletion::DeletionScope;
use super::ids::{KpiName, Labels, Seq, WorkspaceId};
use super::severity::Severity;
use super::wording::{departure, series_name};

/// Names an incident for ever. The same incident found again in a replay has the same identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IncidentId(pub Uuid);

impl IncidentId {
    /// Version 5 UUID (RFC 9562) of the workspace and the anomaly the incident began with.
    pub fn of(workspace: &WorkspaceId, first: AnomalyId) -> Self {
        let name = format!("earcon:{workspace}:incident:{first}");
        Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
    }
}

impl std::fmt::Display for IncidentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a series is a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Link {
    /// The incident began with it.
    First,
    /// Another series of the same KPI is a member.
    SameKpi,
    /// It shares this with a member and with few other series: `key:value`, or `name.*` of KPIs.
    Shared(String),
    /// It has usually become anomalous together with a member before.
    Companion,
    /// Unusually many KPIs became anomalous at the same time.
    Burst,
    /// There were too many open incidents for one more.
    Overflow,
}

/// One series in an incident, over all its episodes since the incident began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its latest anomaly.
    pub anomaly: AnomalyId,
    /// The KPI.
    pub kpi: KpiName,
    /// The series of that KPI.
    pub labels: Labels,
    /// When its first episode began, milliseconds UTC, by its samples.
    pub opened_at_ms: i64,
    /// When its latest episode ended; `None` while it is open.
    pub closed_at_ms: Option<i64>,
    /// The highest score of all its episodes.
    pub peak_score: f32,
    /// When that was.
    pub peak_at_ms: i64,
    /// Its direction then.
    pub direction: Direction,
    /// The feature that contributed most then. Of a value that repeats, the direction says nothing.
    pub reason: Feature,
    /// How many episodes it has had in this incident.
    pub episodes: u32,
    /// Why it is a member.
    pub link: Link,
    /// The mute that suppresses its alert; `None` if it is not muted.
    pub muted: Option<String>,
    /// Whether its latest anomaly was acknowledged.
    pub acknowledged: bool,
    /// Whether its series was known for less than two hours when its first episode began.
    pub learning: bool,
}

/// What happened in the course of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimelineKind {
    /// A series became anomalous, and a member with it.
    Joined,
    /// A member that had ended became anomalous again.
    Returned,
    /// A member's deviation clearly grew.
    Grew,
    /// A member's episode ended.
    Ended,
    /// A person acknowledged a member's anomaly.
    Acknowledged,
    /// The incident was alerted.
    Alerted,
    /// Another incident became part of this one; the member is its first mover.
    Merged,
    /// A member's deviation grew so far beyond this incident that it is one of its own.
    Left,
}

/// One line of an incident's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When, milliseconds UTC: by the samples, or by the clock for acknowledgements and alerts.
    pub at_ms: i64,
    /// The kind of entry.
    pub what: TimelineKind,
    /// The KPI it happened to; of [`TimelineKind::Alerted`], the first mover's.
    pub kpi: KpiName,
    /// The series of that KPI.
    pub labels: Labels,
}

/// An incident as of its latest event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The identifier. A replay gives the same one.
    pub id: IncidentId,
    /// Counts the events about it, from 1.
    pub revision: u32,
    /// The newest event that it takes into account.
    pub cause_seq: Seq,
    /// Onset of its first member, milliseconds UTC.
    pub opened_at_ms: i64,
    /// The latest anomalous sample of a member, as of this event, milliseconds UTC.
    pub last_at_ms: i64,
    /// When the last member's episode ended, or the incident was merged into another; `None` while
    /// open.
    pub closed_at_ms: Option<i64>,
    /// The incident that it was merged into.
    pub merged_into: Option<IncidentId>,
    /// When it was alerted, by the clock; `None` for one that is only recorded.
    pub alerted_at_ms: Option<i64>,
    /// The highest score among its members.
    pub peak_score: f32,
    /// Its surprise in bits: that of the most surprising member, plus the logarithm of the number
    /// of members. Muted members do not count; 0 if all are muted. The budget ranks by it.
    pub surprise: f32,
    /// The member that probably moved first: an index into `members`.
    pub first_mover: u32,
    /// In the order they joined, at most [`Incident::MAX_MEMBERS`]; further ones are only counted.
    pub members: Vec<Member>,
    /// How many series there are in it.
    pub members_total: u32,
    /// How many of them are anomalous now.
    pub members_open: u32,
    /// What happened, in order; when it is long, the middle is missing.
    pub timeline: Vec<TimelineEntry>,
    /// How many entries are missing in the middle of `timeline`.
    pub timeline_left_out: u32,
    /// Set once a person has acknowledged the incident with all its members at that time.
    pub acknowledged: Option<Acknowledgement>,
}

impl Incident {
    /// Most members that are listed.
    pub const MAX_MEMBERS: usize = 200;
    /// Most entries of a timeline.
    pub const MAX_TIMELINE: usize = 100;

    /// The likely first mover.
    pub fn first(&self) -> Option<&Member> {
        self.members.get(self.first_mover as usize)
    }

    /// How urgent it is: by its surprise, its members, its duration so far, and whether one of them
    /// has lost most of its value. Muted and new series do not count for the last.
    pub fn severity(&self) -> Severity {
        let lasted_ms = self.last_at_ms.saturating_sub(self.opened_at_ms);
        let loses = |member: &Member| member.reason == Feature::Loss && member.muted.is_none() && !member.learning;
        Severity::of_incident(self.surprise, self.members_total, lasted_ms, self.members.iter().any(loses))
    }

    /// Whether it was alerted.
    pub fn is_alerted(&self) -> bool {
        self.alerted_at_ms.is_some()
    }

    /// A short description: the first mover, how it departs, and the number of other series.
    pub fn title(&self) -> String {
        let Some(first) = self.first() else { return "no series is left".into() };
        let what = departure(first.reason, Some(first.direction));
        let others = match self.members_total.saturating_sub(1) {
            0 => String::new(),
            others => format!(", with {others} other series"),
        };
        format!("{} {what}{others}", series_name(&first.kpi, &first.labels))
    }

    /// Adds an entry to the timeline, behind those of its time. A full one drops the oldest entry
    /// of its second half.
    pub fn note(&mut self, entry: TimelineEntry) {
        if self.timeline.len() >= Self::MAX_TIMELINE {
            self.timeline.remove(Self::MAX_TIMELINE / 2);
            self.timeline_left_out += 1;
        }
        // News of a member may come late: its end, or a peak before that of another.
        let place = self.timeline.partition_point(|before| before.at_ms <= entry.at_ms);
        self.timeline.insert(place, entry);
    }
}

impl Incident {
    /// Removes the members whose anomalies a deletion in `kpi` covers, and the lines of the
    /// timeline about them. Returns whether there were any.
    pub fn erase(&mut self, kpi: &KpiName, scope: &DeletionScope) -> bool {
        let goes = |member: &Member| {
            member.kpi == *kpi && scope.covers_episode(&member.labels, member.opened_at_ms, member.peak_at_ms)
        };
        let first = self.first().filter(|first| !goes(first)).map(|first| first.anomaly);
        let (before, open) = (self.members.len(), |all: &[Member]| {
            all.iter().filter(|member| member.closed_at_ms.is_none()).count() as u32
        });
        let open_before = open(&self.members);
        let gone: Vec<Labels> = self.members.iter().filter(|member| goes(member)).map(|m| m.labels.clone()).collect();
        if gone.is_empty() {
            return false;
        }
        self.members.retain(|member| !goes(member));
        self.timeline.retain(|entry| entry.kpi != *kpi || !gone.contains(&entry.labels));
        self.members_total = self.members_total.saturating_sub((before - self.members.len()) as u32);
        self.members_open = self.members_open.saturating_sub(open_before - open(&self.members));
        self.peak_score = self.members.iter().map(|member| member.peak_score).fold(0.0, f32::max);
        let first = first.and_then(|first| self.members.iter().position(|member| member.anomaly == first));
        self.first_mover = first.unwrap_or(0) as u32;
        self.begin_with_members();
        true
    }

    /// Takes out the member at a place, and returns it. Its lines of the timeline stay. `None` if
    /// no member is listed there.
    pub fn take_member(&mut self, place: usize) -> Option<Member> {
        if place >= self.members.len() {
            return None;
        }
        let first = self.first().map(|first| first.anomaly);
        let member = self.members.remove(place);
        self.members_total = self.members_total.saturating_sub(1);
        if member.closed_at_ms.is_none() {
            self.members_open = self.members_open.saturating_sub(1);
        }
        self.peak_score = self.members.iter().map(|member| member.peak_score).fold(0.0, f32::max);
        let first = self.members.iter().position(|member| Some(member.anomaly) == first);
        self.first_mover = first.unwrap_or(0) as u32;
        Some(member)
    }

    /// Begins the incident with the first onset that is known of its members, after members left.
    /// An incident whose list of members is cut keeps its beginning.
    fn begin_with_members(&mut self) {
        if self.members_total as usize > self.members.len() {
            return;
        }
        if let Some(first) = self.members.iter().map(|member| member.opened_at_ms).min() {
            self.opened_at_ms = self.opened_at_ms.max(first);
        }
    }

    /// An open incident with one member of each KPI: an example for the tests of several crates.
    #[doc(hidden)]
    pub fn example(kpis: &[&str]) -> Self {
        let member = |kpi: &&str| Member {
            anomaly: AnomalyId(Uuid::new_v5(&Uuid::nil(), kpi.as_bytes())),
            kpi: KpiName::new(kpi).expect("a legal name"),
            labels: Labels::none(),
            opened_at_ms: 0,
            closed_at_ms: None,
            peak_score: 0.9,
            peak_at_ms: 0,
            direction: Direction::Below,
            reason: Feature::ResidualZ,
            episodes: 1,
            link: Link::First,
            muted: None,
            acknowledged: false,
            learning: false,
        };
        Self {
            id: IncidentId(Uuid::nil()),
            revision: 1,
            cause_seq: 1,
            opened_at_ms: 0,
            last_at_ms: 0,
            closed_at_ms: None,
            merged_into: None,
            alerted_at_ms: None,
            peak_score: 0.9,
            surprise: 1.0,
            first_mover: 0,
            members: kpis.iter().map(member).collect(),
            members_total: kpis.len() as u32,
            members_open: kpis.len() as u32,
            timeline: Vec::new(),
            timeline_left_out: 0,
            acknowledged: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_names_the_first_mover_and_counts_the_others() {
        let mut incident = Incident::example(&["shop.orders"]);
        assert_eq!(incident.title(), "shop.orders is below the expected range");
        incident.members_total = 40;
        incident.members[0].labels = Labels::parse("region:eu").unwrap();
        assert_eq!(incident.title(), "shop.orders (region:eu) is below the expected range, with 39 other series");
        incident.members_total = 2;
        incident.members[0].direction = Direction::Above;
        assert_eq!(incident.title(), "shop.orders (region:eu) is above the expected range, with 1 other series");
        incident.members[0].reason = Feature::Volatility;
        assert_eq!(incident.title(), "shop.orders (region:eu) repeats the same value, with 1 other series");
    }

    #[test]
    fn a_member_that_has_lost_most_of_its_value_makes_a_warning() {
        let mut incident = Incident::example(&["shop.orders", "shop.users"]);
        assert_eq!(incident.severity(), Severity::Info);
        incident.members[1].reason = Feature::Loss;
        assert_eq!(incident.severity(), Severity::Warning);
        incident.members[1].learning = true;
        assert_eq!(incident.severity(), Severity::Info, "a new series");
        (incident.members[1].learning, incident.members[1].muted) = (false, Some("m".into()));
        assert_eq!(incident.severity(), Severity::Info, "a muted one");
    }

    #[test]
    fn erased_members_go_with_their_lines() {
        let mut incident = Incident::example(&["a", "b", "c"]);
        incident.first_mover = 2;
        for kpi in ["a", "b"] {
            let kpi = KpiName::new(kpi).unwrap();
            incident.note(TimelineEntry { at_ms: 0, what: TimelineKind::Joined, kpi, labels: Labels::none() });
        }
        let kpi = |name| KpiName::new(name).unwrap();
        assert!(!incident.erase(&kpi("d"), &DeletionScope::Kpi));
        assert!(incident.erase(&kpi("a"), &DeletionScope::Kpi));
        assert_eq!((incident.members.len(), incident.members_total, incident.members_open), (2, 2, 2));
        assert_eq!((incident.timeline.len(), incident.first().unwrap().kpi.as_str()), (1, "c"));
        assert!(incident.erase(&kpi("c"), &DeletionScope::Kpi));
        assert_eq!(incident.first().unwrap().kpi.as_str(), "b");
    }

    #[test]
    fn a_member_that_is_taken_out_leaves_the_others_and_the_first_mover() {
        let mut incident = Incident::example(&["a", "b", "c"]);
        incident.first_mover = 2;
        assert_eq!(incident.take_member(3), None);
        assert_eq!(incident.take_member(0).unwrap().kpi.as_str(), "a");
        assert_eq!((incident.members_total, incident.members_open), (2, 2));
        assert_eq!(incident.first().unwrap().kpi.as_str(), "c");
        incident.members[1].closed_at_ms = Some(1);
        incident.members_open = 1;
        assert_eq!(incident.take_member(1).unwrap().kpi.as_str(), "c");
        assert_eq!((incident.members_total, incident.members_open), (1, 1));
        assert_eq!(incident.first().unwrap().kpi.as_str(), "b");
    }

    #[test]
    fn a_timeline_is_in_the_order_of_time() {
        let mut incident = Incident::example(&["a"]);
        let Member { kpi, labels, .. } = incident.members[0].clone();
        for (at_ms, what) in [(5, TimelineKind::Joined), (9, TimelineKind::Ended), (7, TimelineKind::Grew)] {
            incident.note(TimelineEntry { at_ms, what, kpi: kpi.clone(), labels: labels.clone() });
        }
        assert_eq!(incident.timeline.iter().map(|entry| entry.at_ms).collect::<Vec<_>>(), [5, 7, 9]);
    }

    #[test]
    fn a_long_timeline_keeps_its_beginning_and_its_end() {
        let mut incident = Incident::example(&["a"]);
        for at_ms in 0..250 {
            let Member { kpi, labels, .. } = incident.members[0].clone();
            incident.note(TimelineEntry { at_ms, what: TimelineKind::Grew, kpi, labels });
        }
        let times: Vec<_> = incident.timeline.iter().map(|entry| entry.at_ms).collect();
        assert_eq!((times.len(), times[0], times[49], times[50], times[99]), (100, 0, 49, 200, 249));
        assert_eq!(incident.timeline_left_out, 150);
    }

    #[test]
    fn an_incident_begins_with_the_first_onset_of_the_members_that_stay() {
        let mut incident = Incident::example(&["a", "b", "c"]);
        (0..3).for_each(|i| incident.members[i].opened_at_ms = 1_000 * (i as i64 + 1));
        incident.opened_at_ms = 1_000;
        let mut cut = incident.clone();
        assert!(incident.erase(&KpiName::new("a").unwrap(), &DeletionScope::Kpi));
        assert_eq!(incident.opened_at_ms, 2_000);
        assert!(incident.erase(&KpiName::new("c").unwrap(), &DeletionScope::Kpi));
        assert_eq!(incident.opened_at_ms, 2_000);
        // Members that are not listed may have begun earlier.
        cut.members_total = 70;
        assert!(cut.erase(&KpiName::new("a").unwrap(), &DeletionScope::Kpi));
        assert_eq!(cut.opened_at_ms, 1_000);
    }
}
