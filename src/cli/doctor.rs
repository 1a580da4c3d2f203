//! `earcon doctor`: checks a data directory, and repairs it.

use std::path::Path;
use std::process::ExitCode;

use super::output::{UNAVAILABLE, complain, say};
use super::serve::own_files_only;
use crate::app::clock::SystemClock;
use crate::app::doctor::{Report, check, repair};
use earcon_model::Clock;

pub(super) fn run(data: &Path, with_repair: bool) -> ExitCode {
    own_files_only();
    let report = match check(data) {
        Ok(report) => report,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(UNAVAILABLE);
        }
    };
    show(&report);
    if report.is_clean() {
        say(&format!("{}: no damage found", data.display()));
        return ExitCode::SUCCESS;
    }
    if with_repair {
        return run_repair(data);
    }
    say(&format!(
        "To keep all that is whole: earcon doctor --data {} --repair. Or restore the directory from a backup.",
        data.display()
    ));
    ExitCode::from(UNAVAILABLE)
}

fn show(report: &Report) {
    for log in &report.logs {
        say(&format!(
            "log of {}: {} events in {} segments, {} bytes, {} epochs, sequence numbers {} to {}",
            log.workspace,
            log.events,
            log.segments,
            log.bytes,
            log.epochs,
            log.first,
            log.next.saturating_sub(1)
        ));
        if log.known_missing > 0 {
            say(&format!("  {} sequence numbers are missing since an earlier repair", log.known_missing));
        }
        log.gaps.iter().for_each(|gap| say(&format!("  missing since an earlier repair: {gap}")));
        log.damages.iter().for_each(|damage| say(&format!("  DAMAGE {damage}")));
    }
    report.database.iter().for_each(|finding| say(&format!("database: DAMAGE {finding}")));
}

fn run_repair(data: &Path) -> ExitCode {
    match repair(data, SystemClock.now_ms()) {
        Ok(repaired) => {
            repaired.database.iter().for_each(|finding| say(&format!("database: {finding}")));
            for log in &repaired.logs {
                say(&format!("log of {}: repaired; see {}", log.workspace, log.record.display()));
                log.missing.iter().for_each(|missing| say(&format!("  lost: {missing}")));
            }
        }
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(UNAVAILABLE);
        }
    }
    match check(data) {
        Ok(report) if report.is_clean() => ExitCode::SUCCESS,
        Ok(report) => {
            show(&report);
            complain("damage is left that a repair does not change; restore the directory from a backup");
            ExitCode::from(UNAVAILABLE)
        }
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(UNAVAILABLE)
        }
    }
}
