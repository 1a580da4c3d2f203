//! The summary of a checked log, for the doctor.

use std::path::Path;

use super::damage::{Damage, Missing, Utc};
use super::states::State;
use earcon_model::{Seq, WorkspaceId};

/// The state of one log.
#[derive(Debug)]
pub struct LogReport {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Segment files that are whole or partly whole.
    pub segments: usize,
    /// Whole events.
    pub events: u64,
    /// Bytes of the log, without headers and unused space.
    pub bytes: u64,
    /// Epochs that the log remembers.
    pub epochs: usize,
    /// The first event; equals `next` if there is none.
    pub first: Seq,
    /// The sequence number of the next event.
    pub next: Seq,
    /// Sequence numbers that an earlier repair recorded as missing.
    pub known_missing: u64,
    /// The losses that earlier repairs recorded.
    pub gaps: Vec<Missing>,
    /// The damages.
    pub damages: Vec<Damage>,
    /// Whether another log is here than the one of the database's record.
    pub is_foreign: bool,
}

impl LogReport {
    /// Sentences about deletions that history does not find in this log when it is read again:
    /// those before the log begins, and those among events that an earlier repair did not find.
    pub(crate) fn doubts_of_history(&self) -> Vec<String> {
        let before = (self.first > 1).then(|| {
            format!(
                "workspace {}: its log begins with sequence number {}, and commits of the database are lost. Samples, \
                 series or KPIs that were deleted before may be there again; look for them, and delete them again",
                self.workspace, self.first
            )
        });
        before.into_iter().chain(doubt(&self.workspace, &self.gaps)).collect()
    }
}

/// What may have come back of an earlier workspace of the same name, with lost commits of the
/// database. The log of the new one does not know that it was deleted.
pub(crate) fn doubt_of_earlier(workspace: &WorkspaceId) -> String {
    format!(
        "workspace {workspace}: it was deleted and created again, and commits of the database are lost. Samples, \
         series, KPIs or settings of the deleted one may be there again; look for them, and delete them again"
    )
}

/// What may have come back with events that are lost, as a sentence without a full stop.
pub(crate) fn doubt(workspace: &WorkspaceId, lost: &[Missing]) -> Option<String> {
    let first = lost.first()?;
    let since = match lost.iter().filter_map(|missing| missing.after_ms).min() {
        Some(since) => format!("after {}", Utc(since)),
        None => format!("from sequence number {} on", first.first),
    };
    Some(format!(
        "workspace {workspace}: deletions may be among the lost events. Samples, series or KPIs that were deleted {since} \
         may be there again; look for them, and delete them again"
    ))
}

impl State {
    /// Summarizes the log. `logs` is the directory of all logs.
    pub(crate) fn report(&self, logs: &Path) -> LogReport {
        let damages = self.damages(logs);
        let check = match self {
            Self::Checked(check) => check,
            _ => return LogReport::empty(self.workspace().clone(), damages),
        };
        let mut report = LogReport::empty(check.workspace.clone(), damages);
        report.is_foreign = self.is_foreign();
        report.epochs = check.epochs().len();
        report.next = check.next().unwrap_or(1);
        let headers = check.segments.iter().filter_map(|segment| segment.file.header.as_ref());
        report.first = headers.map(|(header, _)| header.first).next().unwrap_or(report.next);
        for segment in &check.segments {
            let Some(scan) = &segment.scan else { continue };
            report.segments += 1;
            report.events += scan.content.events;
            report.known_missing += scan.content.known_missing;
            report.gaps.extend(&scan.gaps);
            report.bytes += scan.end - segment.file.header.as_ref().map_or(0, |(_, length)| *length);
        }
        report
    }
}

impl LogReport {
    fn empty(workspace: WorkspaceId, damages: Vec<Damage>) -> Self {
        Self {
            workspace,
            segments: 0,
            events: 0,
            bytes: 0,
            epochs: 0,
            first: 1,
            next: 1,
            known_missing: 0,
            gaps: Vec::new(),
            damages,
            is_foreign: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletions_before_the_beginning_of_a_log_and_in_gaps_are_doubted() {
        let mut report = LogReport::empty(WorkspaceId::new("w").unwrap(), Vec::new());
        assert!(report.doubts_of_history().is_empty(), "the log has all deletions");
        report.first = 7;
        let doubts = report.doubts_of_history();
        assert!(doubts.len() == 1 && doubts[0].starts_with("workspace w: its log begins with sequence number 7, "));
        let (last, after_ms, before_ms) = (Some(9), None, None);
        report.gaps.push(Missing { first: 8, last, is_open: false, or_removed: false, after_ms, before_ms });
        assert_eq!(report.doubts_of_history().len(), 2);
    }
}
