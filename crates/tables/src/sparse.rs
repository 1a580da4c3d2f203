//! Columns of text that are empty in most rows, such as a comment.
//!
//! As a label, such a column would split a series: the few rows with a text would begin another
//! one. So it is not used if it tells no rows of one time apart.

use std::collections::HashSet;

use super::columns::Columns;
use super::layout::{LABEL_PREFIX, Role};
use earcon_model::wording::counted;

/// Takes the role of a label from such columns. Returns a sentence about each other column of text
/// that some rows leave empty: these rows are series of their own.
pub(super) fn set_aside(roles: &mut [Role], columns: &Columns<'_>) -> Vec<String> {
    let rows = columns.data.len();
    let is_text = |column: usize| {
        matches!(roles[column], Role::Label(_))
            && columns.names[column].strip_prefix(LABEL_PREFIX).is_none_or(str::is_empty)
    };
    let filled = |column: usize| columns.cells(column).count();
    let partly: Vec<usize> =
        (0..roles.len()).filter(|column| is_text(*column) && (1..rows).contains(&filled(*column))).collect();
    let mut notes = Vec::new();
    for column in partly {
        let telling = |left_out: Option<usize>| different_rows(roles, columns, left_out);
        let tells_apart = telling(None) != telling(Some(column));
        if !tells_apart && filled(column) * 2 < rows {
            roles[column] = Role::Unused(
                "it is empty in most rows and tells none of one time apart; call it label.<name> to keep it",
            );
        } else {
            let (name, empty) = (&columns.names[column], counted((rows - filled(column)) as u64, "row", "rows"));
            let mut note = format!("column {name:?} is empty in {empty} of {rows}, which become a series without it");
            if tells_apart {
                note.push_str(": write its value into each row if the cells were merged or left out");
            }
            notes.push(note);
        }
    }
    notes
}

/// The number of different times, KPIs and labels in the rows, without one column.
pub(super) fn different_rows(roles: &[Role], columns: &Columns<'_>, left_out: Option<usize>) -> usize {
    let is_part =
        |column: &usize| matches!(roles[*column], Role::Time | Role::Kpi | Role::Label(_)) && Some(*column) != left_out;
    let parts: Vec<usize> = (0..roles.len()).filter(is_part).collect();
    let rows = columns.data.iter().map(|row| parts.iter().map(|column| row.get(*column)).collect::<Vec<_>>());
    rows.collect::<HashSet<_>>().len()
}
