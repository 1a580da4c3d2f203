//! `earcon doctor`: checks a data directory, and repairs it.

use std::path::Path;
use std::process::ExitCode;

use super::output::{IO, NO_INPUT, UNAVAILABLE, complain, say};
use super::serve::own_files_only;
use crate::app::clock::SystemClock;
use crate::app::doctor::{OpenError, Repairs, Report, Unfinished, check, repair};
use earcon_model::{Clock, rfc3339};

pub(super) fn run(data: &Path, with_repair: bool) -> ExitCode {
    own_files_only();
    let report = match check(data) {
        Ok(report) => report,
        Err(error) => return failed(&error),
    };
    show(&report);
    if report.is_clean() {
        for record in &report.records {
            say(&format!("an earlier repair left the list of its losses in {}", record.display()));
        }
        say(&format!("{}: no damage found", data.display()));
        return start_is_possible(&report);
    }
    if with_repair {
        return run_repair(data);
    }
    match report.refusal(data) {
        Some(refusal) => complain(&refusal.to_string()),
        None => say(&format!(
            "To keep all that is whole: earcon doctor --data {} --repair. Or restore the directory from a backup.",
            data.display()
        )),
    }
    ExitCode::from(UNAVAILABLE)
}

/// A check needs no right to write, and a start does. A read-only file system is no reason to fail:
/// snapshots are checked there.
fn start_is_possible(report: &Report) -> ExitCode {
    let Some(error) = &report.not_writable else { return ExitCode::SUCCESS };
    complain(&format!("with the rights of this account the server cannot start: {error}"));
    if error.is_read_only() { ExitCode::SUCCESS } else { ExitCode::from(IO) }
}

fn failed(error: &OpenError) -> ExitCode {
    complain(&error.to_string());
    ExitCode::from(match error {
        OpenError::NoData { .. } => NO_INPUT,
        error if error.is_io() => IO,
        _ => UNAVAILABLE,
    })
}

fn show(report: &Report) {
    for log in &report.logs {
        say(&format!(
            "log of {}: {} in {}, {} bytes, {}, {}",
            log.workspace,
            counted(log.events, "event"),
            counted(log.segments as u64, "segment"),
            log.bytes,
            counted(log.epochs as u64, "epoch"),
            if log.next > log.first {
                format!("sequence numbers {} to {}", log.first, log.next - 1)
            } else {
                "no sequence numbers".to_owned()
            }
        ));
        if log.known_missing > 0 {
            let verb = if log.known_missing == 1 { "is" } else { "are" };
            let missing = counted(log.known_missing, "sequence number");
            say(&format!("  {missing} {verb} missing since an earlier repair"));
        }
        log.gaps.iter().for_each(|gap| say(&format!("  missing since an earlier repair: {gap}")));
        log.damages.iter().for_each(|damage| say(&format!("  DAMAGE {damage}")));
    }
    report.misplaced.iter().for_each(|place| say(&format!("WRONG PLACE {place}")));
    report.database.iter().for_each(|finding| say(&format!("database: DAMAGE {finding}")));
    report.unfinished.iter().for_each(show_unfinished);
}

/// What a repair that did not end has found: the next one names it again.
fn show_unfinished(repair: &Unfinished) {
    say(&format!("A repair that began at {} did not end. It has found:", rfc3339(repair.began_ms)));
    repair.database.iter().for_each(|finding| say(&format!("  database: {finding}")));
    for workspace in &repair.deleted {
        say(&format!("  {}", deleted(workspace)));
    }
    for (workspace, missing) in &repair.logs {
        say(&format!("  log of {workspace}: {}", if missing.is_empty() { "no event is lost" } else { "damaged" }));
        missing.iter().for_each(|missing| say(&format!("  lost: {missing}")));
    }
    repair.doubts.iter().for_each(|doubt| say(&format!("UNCERTAIN {doubt}")));
}

fn deleted(workspace: &str) -> String {
    format!("workspace {workspace}: it was deleted, and the database was older than that; what it still had is deleted")
}

/// A number and its noun.
fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn run_repair(data: &Path) -> ExitCode {
    let repairs = match repair(data, SystemClock.now_ms()) {
        Ok(repairs) => repairs,
        Err(error) => return failed(&error),
    };
    repairs.database.iter().for_each(|finding| say(&format!("database: {finding}")));
    if let Some(record) = repairs.record.as_ref().filter(|_| !repairs.database.is_empty()) {
        say(&format!("database: repaired; see {}", record.display()));
    }
    repairs.deleted.iter().for_each(|workspace| say(&deleted(workspace)));
    for log in &repairs.logs {
        say(&format!("log of {}: repaired; see {}", log.workspace, log.record.display()));
        log.missing.iter().for_each(|missing| say(&format!("  lost: {missing}")));
    }
    repairs.doubts.iter().for_each(|doubt| say(&format!("UNCERTAIN {doubt}")));
    match check(data) {
        Ok(report) if report.is_clean() => {
            say(&summary(data, &repairs, &report));
            ExitCode::SUCCESS
        }
        Ok(report) => {
            show(&report);
            complain(
                "damage is left that a repair does not change; restore the directory from a backup, or move the \
                      parts that are named away and repair again",
            );
            ExitCode::from(UNAVAILABLE)
        }
        Err(error) => failed(&error),
    }
}

/// The end of a repair: events kept and lost, and that the server can start.
fn summary(data: &Path, repairs: &Repairs, report: &Report) -> String {
    let events: u64 = report.logs.iter().map(|log| log.events).sum();
    let losses: usize = repairs.logs.iter().map(|log| log.missing.len()).sum();
    let lost = match (losses, repairs.database.is_empty()) {
        (0, true) => "As far as this directory can tell, no event is lost.".to_owned(),
        (0, false) => {
            "As far as this directory can tell, no event is lost. The lines about the database say what it kept."
                .to_owned()
        }
        (count, _) => {
            format!("The {} above {} lost.", counted(count as u64, "range"), if count == 1 { "is" } else { "are" })
        }
    };
    let record = repairs
        .record
        .as_ref()
        .map_or_else(String::new, |record| format!("The list of all losses is {}. ", record.display()));
    format!(
        "The repair succeeded. Kept: {} in {}. {lost} {record}The server can start: earcon serve --data {}",
        counted(events, "event"),
        counted(report.logs.len() as u64, "log"),
        data.display()
    )
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_no_plural() {
        assert_eq!(
            [counted(0, "segment"), counted(1, "segment"), counted(2, "segment")].join(", "),
            "0 segments, 1 segment, 2 segments"
        );
    }
}
