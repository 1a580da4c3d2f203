//! The role of each column: the time, a KPI, a label, or none.

use ::csv::ByteRecord;
use serde::Serialize;

use super::cell::{Look, look};
use super::clocks::Clocks;
use super::columns::Columns;
use super::decimal::{self, Decimal};
use super::error::TableError;
use super::name_from;
use super::options::TableOptions;
use super::other_dates;
use super::repeats;
use super::sparse;
use super::spelling::Spellings;
use super::time::{TimeReader, detect};
use super::time_column::{self, TimeColumns, is_time_name};
use earcon_model::KpiName;

/// The most columns, as many as a spreadsheet has.
const MAX_COLUMNS: usize = 16_384;
/// Columns that a message names.
const NAMED: usize = 20;
/// Names of annotations in labelled data sets. They are never values.
pub(super) const ANNOTATION_NAMES: [&str; 3] = ["label", "is_anomaly", "anomaly"];
/// Names of the column with the KPI's name, in files with one value per row.
pub(super) const KPI_NAMES: [&str; 2] = ["kpi", "metric"];
/// The first cells of the lines above a table of InfluxDB.
const INFLUX_ANNOTATIONS: [&str; 3] = ["#datatype", "#group", "#default"];
/// The columns that each table of InfluxDB has, unless it was pivoted.
const INFLUX_COLUMNS: [&str; 3] = ["_time", "_value", "_field"];
/// The beginning of the name of a column that becomes a label in any case.
pub(super) const LABEL_PREFIX: &str = "label.";

/// The role of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Role {
    /// The time of the row.
    Time,
    /// A value of this KPI.
    Value(KpiName),
    /// The name of the row's KPI.
    Kpi,
    /// The value of a label with this key.
    Label(String),
    /// Not used, and why.
    Unused(&'static str),
}

/// A column and what it becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnDescription {
    /// Its name in the header, or `column_N`.
    pub name: String,
    /// `time`, `value`, `kpi`, `label` or `unused`.
    pub role: &'static str,
    /// The name of the KPI or the key of the label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub becomes: Option<String>,
    /// Why it is not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// The columns of one table with their roles.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) has_header: bool,
    pub(super) names: Vec<String>,
    pub(super) roles: Vec<Role>,
    pub(super) time: usize,
    /// The column with the time of day, if `time` holds the date alone.
    pub(super) clock: Option<usize>,
    pub(super) times: TimeReader,
    /// Decides the times that clocks show twice.
    pub(super) clocks: Clocks,
    /// How the rows write the names of their KPIs.
    pub(super) spellings: Spellings,
    /// Sentences about columns that the warning repeats.
    notes: Vec<String>,
    /// The columns without a value in the first rows, whose role stays open.
    pub(super) open: Vec<usize>,
    pub(super) decimal: Decimal,
    /// The column that names the row's KPI, and the prefix of its names.
    pub(super) kpi: Option<(usize, Option<KpiName>)>,
}

impl Layout {
    /// Detects the columns from the first rows of the table, including the header if there is one.
    /// `lines` are the lines of the rows.
    pub(super) fn detect(
        lines: &[u64],
        rows: &[&ByteRecord],
        options: &TableOptions,
        separator: u8,
    ) -> Result<Self, TableError> {
        let (first, rest) = rows.split_first().ok_or(TableError::Empty)?;
        if first.len() > MAX_COLUMNS {
            return Err(TableError::TooManyColumns { count: first.len(), most: MAX_COLUMNS });
        }
        check_annotations(lines, rows)?;
        let names = header_text(first)?;
        let has_header = is_header(&names);
        let (data, lines) = if has_header { (rest, &lines[1..]) } else { (rows, lines) };
        let names: Vec<String> = names
            .into_iter()
            .enumerate()
            .map(|(i, name)| if has_header && !name.is_empty() { name } else { format!("column_{}", i + 1) })
            .collect();
        let values = &options.values;
        let mut columns = Columns { first, data, lines, names: &names, has_header, values, time: 0, clock: None };
        columns.check_stated()?;
        let TimeColumns { time, clock } = time_column::find(&columns, options)?;
        (columns.time, columns.clock) = (time, clock);
        let times = columns.times(options)?;
        let long = if has_header { columns.long_form() } else { None };
        if let (Some((_, value)), Some(stated)) = (long, values.first()) {
            return Err(TableError::StatedInLongForm { column: stated.clone(), value: names[value].clone() });
        }
        let roles = (0..names.len()).map(|column| columns.role(column, long));
        let mut roles: Vec<Role> = roles.collect::<Result<_, _>>()?;
        other_dates::set_aside(&mut roles, &columns, options, &times)?;
        let values: Vec<usize> = (0..names.len()).filter(|column| matches!(roles[*column], Role::Value(_))).collect();
        let open = Self::open_columns(&roles);
        if values.is_empty() {
            if let Some(column) = open.first() {
                return Err(TableError::NoValuesYet { rows: data.len(), column: names[*column].clone() });
            }
            let separator = if separator == b'\t' { "tab".to_owned() } else { char::from(separator).to_string() };
            return Err(TableError::NoValues { columns: listed(&names), separator });
        }
        let notes = sparse::set_aside(&mut roles, &columns);
        let decimal = decimal::decide(&columns, values.iter().copied(), options, separator)?;
        columns.check_names(&roles)?;
        name_kpis(&mut roles, &names, &values, has_header, options);
        let kpi = long.map(|(kpi, _)| (kpi, options.kpi.clone()));
        let (clocks, spellings) = (Clocks::default(), Spellings::default());
        let layout =
            Self { has_header, names, roles, time, clock, times, clocks, spellings, notes, open, decimal, kpi };
        repeats::check(&layout, data, lines)?;
        Ok(layout)
    }

    /// Each column with what it becomes.
    pub(super) fn describe(&self) -> Vec<ColumnDescription> {
        let describe = |(name, role): (&String, &Role)| {
            let (role, becomes, reason) = match role {
                Role::Time => ("time", None, None),
                // Rows name the KPI.
                Role::Value(_) if self.kpi.is_some() => ("value", None, None),
                Role::Value(kpi) => ("value", Some(kpi.to_string()), None),
                Role::Kpi => ("kpi", None, None),
                Role::Label(key) => ("label", Some(key.clone()), None),
                Role::Unused(reason) => ("unused", None, Some(*reason)),
            };
            ColumnDescription { name: name.clone(), role, becomes, reason }
        };
        self.names.iter().zip(&self.roles).map(describe).collect()
    }

    /// A warning about columns that are not used, or are empty in some rows. `None` without any.
    pub(super) fn warning(&self) -> Option<String> {
        let unused = self.names.iter().zip(&self.roles).filter_map(|(name, role)| match role {
            Role::Unused(reason) => Some(format!("{name} ({reason})")),
            _ => None,
        });
        let unused: Vec<String> = unused.collect();
        let unused = (!unused.is_empty()).then(|| format!("columns that are not used: {}", listed(&unused)));
        let all: Vec<String> = unused.into_iter().chain(self.notes.iter().cloned()).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// The first of these texts, and how many more there are.
pub(super) fn listed(all: &[String]) -> String {
    let more = all.len().saturating_sub(NAMED);
    let first = all[..all.len() - more].join(", ");
    if more > 0 { format!("{first} and {more} more") } else { first }
}

/// Names the KPIs of value columns.
fn name_kpis(roles: &mut [Role], names: &[String], values: &[usize], has_header: bool, options: &TableOptions) {
    if let [only] = values {
        let own = Some(names[*only].as_str()).filter(|name| has_header && !name.eq_ignore_ascii_case("value"));
        let kpi = options.kpi.clone().or_else(|| own.map(name_from)).unwrap_or_else(|| options.fallback.clone());
        roles[*only] = Role::Value(kpi);
        return;
    }
    for &column in values {
        let name = &names[column];
        let kpi = options.kpi.as_ref().map_or_else(|| name_from(name), |prefix| name_from(&format!("{prefix}.{name}")));
        roles[column] = Role::Value(kpi);
    }
}

/// Refuses what InfluxDB exports: annotations, or the columns of its results.
fn check_annotations(lines: &[u64], rows: &[&ByteRecord]) -> Result<(), TableError> {
    let is_annotation = |row: &ByteRecord| {
        let first = row.get(0).map(<[u8]>::trim_ascii).unwrap_or_default();
        INFLUX_ANNOTATIONS.iter().any(|name| first.eq_ignore_ascii_case(name.as_bytes()))
    };
    let is_header = |row: &ByteRecord| INFLUX_COLUMNS.iter().all(|name| row.iter().any(|cell| cell == name.as_bytes()));
    let found = rows.iter().zip(lines).find(|(row, _)| is_annotation(row) || is_header(row));
    found.map_or(Ok(()), |(_, line)| Err(TableError::AnnotatedInflux { line: *line }))
}

/// A first row is a header if it names a time column, or contains neither a time nor a number.
fn is_header(first: &[String]) -> bool {
    let is_data = |cell: &String| super::parse_time(cell).is_some() || look(cell) != Look::Other;
    first.iter().any(|name| is_time_name(name))
        || !first.iter().any(|cell| is_data(cell) || matches!(detect(&[cell]), Ok(Some(_)) | Err(_)))
}

fn header_text(first: &ByteRecord) -> Result<Vec<String>, TableError> {
    let text = |cell: &[u8]| {
        let text = std::str::from_utf8(cell).map_err(|_| TableError::NotUtf8(" (perhaps Windows-1252)"))?;
        // A quote behind a space does not quote a field, but is not part of a name either.
        let unquoted = text.trim().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        Ok(unquoted.unwrap_or(text).trim().to_owned())
    };
    first.iter().map(text).collect()
}
