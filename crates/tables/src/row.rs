//! One row of a table as samples.

use ::csv::ByteRecord;

use super::cell::{excerpt, is_missing, parse_value};
use super::layout::{Layout, Role};
use super::time::Moment;
use super::{SourceSample, name_from};
use earcon_intake::naming;
use earcon_model::{KpiName, Labels, Sample};

impl Layout {
    /// Reads one row. `Err` is a problem of the whole row, `report` receives problems of single
    /// cells.
    pub(super) fn read(
        &mut self,
        line: u64,
        record: &ByteRecord,
        samples: &mut Vec<SourceSample>,
        report: &mut impl FnMut(String),
    ) -> Result<(), String> {
        if let Some(more) = record.iter().skip(self.roles.len()).position(|cell| !cell.is_empty()) {
            let fields = self.roles.len() + more + 1;
            return Err(format!("has {fields} fields where {} are expected", self.roles.len()));
        }
        let moment = self.time_of(record)?;
        let labels = self.labels_of(record)?;
        let named = self.kpi_of(record)?;
        if let (Some((column, _)), Some(kpi)) = (&self.kpi, &named) {
            let written = std::str::from_utf8(record.get(*column).unwrap_or_default()).unwrap_or_default();
            self.spellings.see(written, kpi)?;
        }
        let timestamp_ms = self.clocks.decide(moment, (&named, &labels), line)?;
        let mut cells = 0;
        for (cell, role) in record.iter().zip(&self.roles) {
            let Role::Value(kpi) = role else { continue };
            if is_missing(cell) {
                continue;
            }
            cells += 1;
            if !self.decimal.is_decided && !self.decimal.decided_by(cell) {
                report(format!("{kpi}: {:?} may be a fraction or thousands; state the decimal sign", excerpt(cell)));
                continue;
            }
            match parse_value(cell, self.decimal.sign) {
                Some(value) => samples.push(SourceSample {
                    kpi: named.as_ref().unwrap_or(kpi).clone(),
                    labels: labels.clone(),
                    sample: Sample { timestamp_ms, value },
                }),
                None => report(format!("{kpi}: {:?} is not a finite number", excerpt(cell))),
            }
        }
        if cells == 0 { Err("holds no value".to_owned()) } else { Ok(()) }
    }

    pub(super) fn time_of(&self, record: &ByteRecord) -> Result<Moment, String> {
        let cell = record.get(self.time).unwrap_or_default();
        let text = std::str::from_utf8(cell).ok();
        let form = self.times.format.name();
        if let Some(clock) = self.clock {
            let clock = record.get(clock).unwrap_or_default();
            let time = text.zip(std::str::from_utf8(clock).ok());
            let time = time.and_then(|(date, clock)| self.times.read_both(date, clock));
            let (cell, clock) = (excerpt(cell), excerpt(clock));
            return time
                .ok_or_else(|| format!("{cell:?} and {clock:?} are not a date of the form {form} and a time of day"));
        }
        let time = text.filter(|text| !self.times.is_rounded(text)).and_then(|text| self.times.read(text));
        time.ok_or_else(|| format!("{:?} is not a time of the form {form}", excerpt(cell)))
    }

    /// The KPI that the row names, in a file with a KPI column.
    fn kpi_of(&self, record: &ByteRecord) -> Result<Option<KpiName>, String> {
        let Some((column, prefix)) = &self.kpi else { return Ok(None) };
        let cell = record.get(*column).unwrap_or_default();
        if is_missing(cell) {
            return Err("names no KPI".to_owned());
        }
        let name = std::str::from_utf8(cell).map_err(|_| format!("{:?} is not UTF-8", excerpt(cell)))?;
        Ok(Some(prefix.as_ref().map_or_else(|| name_from(name), |prefix| name_from(&format!("{prefix}.{name}")))))
    }

    pub(super) fn labels_of(&self, record: &ByteRecord) -> Result<Labels, String> {
        let mut pairs = Vec::new();
        for (cell, role) in record.iter().zip(&self.roles) {
            if let Role::Label(key) = role
                && !is_missing(cell)
            {
                let value = std::str::from_utf8(cell).map_err(|_| format!("label {key:?} is not UTF-8"))?;
                pairs.push((key.as_str(), naming::own_label_value(value)));
            }
        }
        if pairs.is_empty() {
            return Ok(Labels::none());
        }
        Labels::from_pairs(pairs).map_err(|error| error.to_string())
    }
}
