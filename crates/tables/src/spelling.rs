//! How the rows of a file write the names of their KPIs.
//!
//! Characters such as `é` may be written as one or as two, and a file may also hold a name that was
//! made legal. Both are one name, so within a file the second spelling is refused: its rows may
//! mean another KPI.

use std::collections::HashMap;

use earcon_intake::naming;
use earcon_model::KpiName;

/// Names whose spelling is remembered. Of further ones, only composed characters are taken.
const MOST_NAMES: usize = 100_000;

/// How each name is written first.
#[derive(Debug, Default)]
pub(super) struct Spellings(HashMap<KpiName, u64>);

impl Spellings {
    /// Looks at the name of a row, which became the name of this KPI. `Err` is the reason if it is
    /// written otherwise than before.
    pub(super) fn see(&mut self, written: &str, kpi: &KpiName) -> Result<(), String> {
        let written = written.trim();
        let is_alike = match self.0.get(kpi) {
            Some(first) => *first == naming::fingerprint(written),
            None if self.0.len() < MOST_NAMES => {
                self.0.insert(kpi.clone(), naming::fingerprint(written));
                true
            }
            None => naming::spelling(written) == 0,
        };
        if is_alike {
            return Ok(());
        }
        Err(format!(
            "the name {kpi} is written with other characters than before; write both rows alike, or under two names"
        ))
    }
}
