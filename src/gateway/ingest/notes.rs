//! What a sender should know about rows that were taken.
//!
//! Senders of most protocols do not see the notes, so a line of the log has the first of each kind,
//! at most once a minute.

use std::sync::{Mutex, PoisonError};

use super::meanings::Stated;
use crate::actors::admission::Receipt;
use crate::services::meanings::MeaningService;
use crate::telemetry::Repeats;
use earcon_model::{KpiName, Reading};
use earcon_tenancy::WorkspacePass;

/// Notes that one answer has, at most.
pub(super) const NOTES: usize = 20;

/// The notes about the rows of a receipt, after those of the parser. Keeps what the request stated,
/// if it stated something.
pub(crate) async fn notes(
    noted: Vec<String>,
    stated: Option<Stated>,
    receipt: &Receipt,
    meanings: &MeaningService,
    pass: &WorkspacePass,
) -> Vec<String> {
    let mut notes = noted;
    if let Some(first) = notes.first() {
        warn(&MERGED, pass, first);
    }
    if let Some(ahead) = &receipt.ahead {
        let note = ahead.to_string();
        warn(&AHEAD, pass, &note);
        notes.push(note);
    }
    let rereads = receipt.rereads.iter().take(NOTES);
    notes.extend(rereads.map(|(kpi, now)| reread(kpi, *now, meanings.unit(pass, kpi).as_deref())));
    if let (Some(note), false) = (notes.last(), receipt.rereads.is_empty()) {
        warn(&REREAD, pass, note);
    }
    if let Some(stated) = stated {
        notes.extend(stated.learn(receipt).await.iter().map(ToString::to_string));
    }
    notes.truncate(NOTES);
    notes
}

/// A KPI that is read otherwise from now on. Its unit is the one of the values before.
fn reread(kpi: &KpiName, now: Reading, unit: Option<&str>) -> String {
    let (now, before) = match now {
        Reading::Gauge => ("measurements", "totals of a counter"),
        Reading::Counter => ("totals of a counter", "measurements"),
    };
    let unit = unit.map_or_else(String::new, |unit| {
        format!("; its unit stays {unit:?}: if that is wrong now, PUT \u{2026}/kpis/{kpi}/settings")
    });
    format!("samples of {kpi} are read as {now} from now on, and were read as {before}, so they warm up again{unit}")
}

static MERGED: Mutex<Option<Repeats>> = Mutex::new(None);
static AHEAD: Mutex<Option<Repeats>> = Mutex::new(None);
static REREAD: Mutex<Option<Repeats>> = Mutex::new(None);

fn warn(repeats: &Mutex<Option<Repeats>>, pass: &WorkspacePass, note: &str) {
    let mut repeats = repeats.lock().unwrap_or_else(PoisonError::into_inner);
    // The text is the same for all notes of a kind: a minute passes between two lines.
    if let Some(unlogged) = repeats.get_or_insert_default().failed("note") {
        tracing::warn!(workspace = %pass.workspace(), unlogged, "{note}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_both_readings_and_the_unit_that_stays() {
        let kpi = KpiName::new("net.sent").unwrap();
        assert_eq!(
            reread(&kpi, Reading::Gauge, Some("By/s")),
            "samples of net.sent are read as measurements from now on, and were read as totals of a counter, so they \
             warm up again; its unit stays \"By/s\": if that is wrong now, PUT \u{2026}/kpis/net.sent/settings"
        );
        assert!(reread(&kpi, Reading::Counter, None).ends_with("were read as measurements, so they warm up again"));
    }
}
