//! `earcon doctor`: checks a data directory, and repairs its logs.

use std::path::Path;
use std::process::ExitCode;

use super::output::{UNAVAILABLE, complain, say};
use crate::app::clock::SystemClock;
use crate::app::doctor::{Report, check, repair};
use earcon_model::Clock;

pub(super) fn run(data: &Path, with_repair: bool) -> ExitCode {
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
        return repair_logs(data);
    }
    if report.logs.iter().any(|log| !log.damages.is_empty()) {
        say(&format!(
            "To keep what is whole: earcon doctor --data {} --repair. Or restore the directory from a backup.",
            data.display()
        ));
    }
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
        log.damages.iter().for_each(|damage| say(&format!("  DAMAGE {damage}")));
    }
    say(&format!("database: {} records", report.records));
    report.database.iter().for_each(|damage| say(&format!("  DAMAGE {damage}")));
}

fn repair_logs(data: &Path) -> ExitCode {
    match repair(data, SystemClock.now_ms()) {
        Ok(repaired) => {
            for log in &repaired {
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
