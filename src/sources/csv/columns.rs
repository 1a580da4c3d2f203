//! Detects the role of each column of a file: the time, a KPI, a label, or none. Pure.

use ::csv::ByteRecord;

use super::cell::is_missing;
use super::error::CsvError;
use super::time::parse_time;
use earcon_model::{KpiName, Labels};

/// Names of time columns, compared without case.
const TIME_NAMES: [&str; 5] = ["timestamp", "time", "date", "ts", "datetime"];

/// Names of annotations in labelled data sets. They are never values.
const ANNOTATION_NAMES: [&str; 3] = ["label", "is_anomaly", "anomaly"];

/// Names of the column with the KPI's name, in files with one value per row.
const KPI_NAMES: [&str; 2] = ["kpi", "metric"];

const LABEL_PREFIX: &str = "label.";

/// How the KPIs of a file are named.
#[derive(Debug, Clone)]
pub struct Naming {
    /// The KPI of a single value column, or the prefix of several (`kpi.column`). `None`: columns
    /// name the KPIs.
    pub kpi: Option<KpiName>,
    /// The KPI of a single value column without a specific name (`value`, or no header): the file's
    /// name.
    pub fallback: KpiName,
}

/// The role of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Role {
    Time,
    Value(KpiName),
    /// The name of the row's KPI.
    Kpi,
    Label(String),
    Skipped,
}

/// The columns of one file with their roles.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) has_header: bool,
    pub(super) roles: Vec<Role>,
    pub(super) time: usize,
    /// The column that names the row's KPI, and the prefix of its names.
    pub(super) kpi: Option<(usize, Option<KpiName>)>,
    pub(super) has_labels: bool,
    pub(super) no_labels: Labels,
    pub(super) warning: Option<String>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            has_header: false,
            roles: Vec::new(),
            time: 0,
            kpi: None,
            has_labels: false,
            no_labels: Labels::none(),
            warning: None,
        }
    }
}

impl Columns {
    /// Detects the columns from the first rows of the file, including the header if there is one.
    pub(super) fn detect(rows: &[&ByteRecord], naming: &Naming) -> Result<Self, CsvError> {
        let (first, rest) = rows.split_first().ok_or(CsvError::Empty)?;
        let has_header = is_header(first);
        let data = if has_header { rest } else { rows };
        let names = column_names(first, has_header);
        let time = if has_header { names.iter().position(|name| is_time_name(name)).unwrap_or(0) } else { 0 };
        check_time(data, time, &names)?;

        // A column without a name under a header is the row number of a data frame, not a value.
        let is_unnamed = |c: usize| has_header && first[c].is_empty();
        let is_value = |&c: &usize| c != time && !is_unnamed(c) && !is_set_aside(&names[c]) && holds_numbers(data, c);
        let long = if has_header { long_form(&names, data, time) } else { None };
        let values: Vec<usize> = match long {
            Some((_, value)) => vec![value],
            None => (0..names.len()).filter(is_value).collect(),
        };
        if values.is_empty() {
            return Err(CsvError::NoValues { columns: names.join(", ") });
        }
        let mut columns = Self { has_header, roles: vec![Role::Skipped; names.len()], time, ..Self::default() };
        columns.roles[time] = Role::Time;
        columns.name_labels(&names);
        columns.name_kpis(&names, &values, naming);
        if let Some((kpi, _)) = long {
            columns.roles[kpi] = Role::Kpi;
            columns.kpi = Some((kpi, naming.kpi.clone()));
        }
        columns.warn_of_skipped(&names);
        Ok(columns)
    }

    fn name_labels(&mut self, names: &[String]) {
        let mut keys: Vec<String> = Vec::new();
        for (column, name) in names.iter().enumerate() {
            let Some(key) = name.strip_prefix(LABEL_PREFIX).map(clean_key) else { continue };
            if column == self.time || keys.contains(&key) || keys.len() == Labels::MAX {
                continue;
            }
            self.roles[column] = Role::Label(key.clone());
            keys.push(key);
        }
        self.has_labels = !keys.is_empty();
    }

    fn name_kpis(&mut self, names: &[String], values: &[usize], naming: &Naming) {
        if let [only] = values {
            let own = Some(names[*only].as_str()).filter(|name| self.has_header && !name.eq_ignore_ascii_case("value"));
            let kpi = naming.kpi.clone().or_else(|| own.map(name_from)).unwrap_or_else(|| naming.fallback.clone());
            self.roles[*only] = Role::Value(kpi);
            return;
        }
        let mut taken: Vec<KpiName> = Vec::new();
        for &column in values {
            let name = &names[column];
            let full = |name: &str| match &naming.kpi {
                Some(prefix) => name_from(&format!("{prefix}.{}", name_from(name))),
                None => name_from(name),
            };
            let mut kpi = full(name);
            if taken.contains(&kpi) {
                // Two names differ only in illegal characters: the column number makes them unique.
                kpi = full(&format!("column_{}.{name}", column + 1));
            }
            taken.push(kpi.clone());
            self.roles[column] = Role::Value(kpi);
        }
    }

    fn warn_of_skipped(&mut self, names: &[String]) {
        let skipped: Vec<&str> = names
            .iter()
            .zip(&self.roles)
            .filter_map(|(name, role)| (*role == Role::Skipped).then_some(name.as_str()))
            .collect();
        if !skipped.is_empty() {
            self.warning = Some(format!(
                "columns that are not used: {} (values must be numbers; name a column label.<name> to keep it as a label)",
                skipped.join(", ")
            ));
        }
    }
}

/// The KPI column and the value column of a file with one value per row.
fn long_form(names: &[String], data: &[&ByteRecord], time: usize) -> Option<(usize, usize)> {
    let kpi = names.iter().position(|name| KPI_NAMES.iter().any(|kpi| name.eq_ignore_ascii_case(kpi)))?;
    let value = names.iter().position(|name| name.eq_ignore_ascii_case("value"))?;
    (kpi != time && holds_numbers(data, value)).then_some((kpi, value))
}

/// A first row is a header if it names a time column, or contains neither a time nor a number.
fn is_header(first: &ByteRecord) -> bool {
    let cells = || first.iter().map(|cell| std::str::from_utf8(cell).unwrap_or_default());
    cells().any(is_time_name) || cells().all(|cell| parse_time(cell).is_none() && cell.parse::<f64>().is_err())
}

fn is_time_name(name: &str) -> bool {
    TIME_NAMES.iter().any(|time| name.eq_ignore_ascii_case(time))
}

/// Whether the name excludes the column from the values.
fn is_set_aside(name: &str) -> bool {
    name.starts_with(LABEL_PREFIX) || ANNOTATION_NAMES.iter().any(|other| name.eq_ignore_ascii_case(other))
}

fn column_names(first: &ByteRecord, has_header: bool) -> Vec<String> {
    let name = |(column, cell): (usize, &[u8])| {
        let name = String::from_utf8_lossy(cell).into_owned();
        if has_header && !name.is_empty() { name } else { format!("column_{}", column + 1) }
    };
    first.iter().enumerate().map(name).collect()
}

/// Checks that at least one of the first rows has a valid time.
fn check_time(data: &[&ByteRecord], time: usize, names: &[String]) -> Result<(), CsvError> {
    let mut cells = data.iter().map(|row| String::from_utf8_lossy(row.get(time).unwrap_or_default()));
    let Some(example) = cells.clone().next() else { return Ok(()) };
    if cells.any(|cell| parse_time(&cell).is_some()) {
        return Ok(());
    }
    Err(CsvError::NoTime { column: names[time].clone(), example: example.chars().take(40).collect() })
}

/// Whether at least half of the non-empty cells are numbers. A column that is empty so far counts
/// as numeric.
fn holds_numbers(data: &[&ByteRecord], column: usize) -> bool {
    let is_number = |cell: &[u8]| std::str::from_utf8(cell).is_ok_and(|text| text.parse::<f64>().is_ok());
    let cells = data.iter().filter_map(|row| row.get(column)).filter(|cell| !is_missing(cell));
    let (numbers, others) = cells.fold((0, 0), |(n, o), cell| if is_number(cell) { (n + 1, o) } else { (n, o + 1) });
    numbers >= others
}

/// Converts any text, such as a file name, to a legal KPI name. Illegal characters become `_`.
pub fn name_from(text: &str) -> KpiName {
    let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-') { c } else { '_' };
    let clean: String =
        text.chars().map(legal).skip_while(|c| !c.is_ascii_alphanumeric()).take(128).collect::<String>();
    let clean = clean.trim_end_matches('_');
    KpiName::new(if clean.is_empty() { "value" } else { clean }).expect("a cleaned name is legal")
}

/// Converts any text to a legal label key.
fn clean_key(text: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '_' };
    let key: String = text.chars().map(legal).take(63).collect();
    if key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') { key } else { format!("_{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn illegal_characters_of_names_are_replaced() {
        for (text, name) in [
            ("cpu.busy", "cpu.busy"),
            ("Requests / s", "Requests___s"),
            ("  _x (ms) ", "x__ms"),
            ("größe", "gr__e"),
            ("€", "value"),
            ("", "value"),
        ] {
            assert_eq!(name_from(text).as_str(), name, "{text:?}");
        }
        assert_eq!(name_from(&"x".repeat(500)).as_str().len(), 128);
    }

    #[test]
    fn label_keys_become_legal() {
        for text in ["region", "1st", "", "a b", "é", &"k".repeat(200)] {
            let key = clean_key(text);
            assert!(Labels::from_pairs([(key.as_str(), "x")]).is_ok(), "{text:?} became {key:?}");
        }
    }
}
