//! The role of each column: the time, a KPI, a label, or none.

use std::collections::HashSet;

use ::csv::ByteRecord;
use serde::Serialize;

use super::cell::{Look, is_missing, look};
use super::error::TableError;
use super::name_from;
use super::options::{DecimalSign, TableOptions};
use super::time::{Ambiguous, TimeReader, detect};
use earcon_intake::naming;
use earcon_model::{KpiName, Labels};

/// Names of time columns, compared without case.
const TIME_NAMES: [&str; 5] = ["timestamp", "time", "date", "ts", "datetime"];
/// Names of annotations in labelled data sets. They are never values.
const ANNOTATION_NAMES: [&str; 3] = ["label", "is_anomaly", "anomaly"];
/// Names of the column with the KPI's name, in files with one value per row.
const KPI_NAMES: [&str; 2] = ["kpi", "metric"];
const LABEL_PREFIX: &str = "label.";
/// From this number of rows on, a column whose texts are mostly different is free text.
const ROWS_TO_JUDGE_TEXT: usize = 20;

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
    pub(super) times: TimeReader,
    pub(super) decimal: DecimalSign,
    /// The column that names the row's KPI, and the prefix of its names.
    pub(super) kpi: Option<(usize, Option<KpiName>)>,
}

impl Layout {
    /// Detects the columns from the first rows of the table, including the header if there is one.
    pub(super) fn detect(rows: &[&ByteRecord], options: &TableOptions, separator: u8) -> Result<Self, TableError> {
        let (first, rest) = rows.split_first().ok_or(TableError::Empty)?;
        let names = header_text(first)?;
        let has_header = is_header(&names);
        let data = if has_header { rest } else { rows };
        let names: Vec<String> = names
            .into_iter()
            .enumerate()
            .map(|(i, name)| if has_header && !name.is_empty() { name } else { format!("column_{}", i + 1) })
            .collect();
        let time = if has_header { names.iter().position(|name| is_time_name(name)).unwrap_or(0) } else { 0 };
        let columns = Columns { first, data, names: &names, has_header, time };
        let times = columns.times(options)?;
        let decimal = columns.decimal(options)?;
        let long = if has_header { columns.long_form() } else { None };
        let mut roles: Vec<Role> = (0..names.len()).map(|column| columns.role(column, long)).collect();
        let values: Vec<usize> = (0..names.len()).filter(|column| matches!(roles[*column], Role::Value(_))).collect();
        if values.is_empty() {
            let separator = if separator == b'\t' { "tab".to_owned() } else { char::from(separator).to_string() };
            return Err(TableError::NoValues { columns: names.join(", "), separator });
        }
        columns.check_names(&roles)?;
        name_kpis(&mut roles, &names, &values, has_header, options);
        let kpi = long.map(|(kpi, _)| (kpi, options.kpi.clone()));
        Ok(Self { has_header, names, roles, time, times, decimal, kpi })
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

    /// A warning about columns that are not used. `None` if all are.
    pub(super) fn warning(&self) -> Option<String> {
        let unused = self.names.iter().zip(&self.roles).filter_map(|(name, role)| match role {
            Role::Unused(reason) => Some(format!("{name} ({reason})")),
            _ => None,
        });
        let unused: Vec<String> = unused.collect();
        (!unused.is_empty()).then(|| format!("columns that are not used: {}", unused.join(", ")))
    }
}

/// The first rows, seen by column.
struct Columns<'a> {
    first: &'a ByteRecord,
    data: &'a [&'a ByteRecord],
    names: &'a [String],
    has_header: bool,
    time: usize,
}

impl<'a> Columns<'a> {
    /// The cells of a column that hold something.
    fn cells(&self, column: usize) -> impl Iterator<Item = &'a str> {
        let cells = self.data.iter().filter_map(move |row| row.get(column)).filter(|cell| !is_missing(cell));
        cells.map(|cell| std::str::from_utf8(cell).unwrap_or("\u{fffd}"))
    }

    fn times(&self, options: &TableOptions) -> Result<TimeReader, TableError> {
        let zone = options.time_zone.clone();
        let column = || self.names[self.time].clone();
        let cells: Vec<&str> = self.cells(self.time).collect();
        let format = match options.time_format {
            Some(format) => Some(format),
            None => detect(&cells).map_err(|Ambiguous { example, meanings }| TableError::AmbiguousTime {
                column: column(),
                example,
                meanings,
            })?,
        };
        // A table without rows has no times to tell their form.
        let format = format.or(cells.is_empty().then_some(super::TimeFormat::Iso));
        let reader = format.map(|format| TimeReader { format, zone });
        let fits = |reader: &TimeReader| cells.is_empty() || cells.iter().any(|cell| reader.parse(cell).is_some());
        reader.filter(fits).ok_or_else(|| TableError::NoTime {
            column: column(),
            example: cells.first().unwrap_or(&"").chars().take(40).collect(),
        })
    }

    /// The decimal sign of all columns.
    fn decimal(&self, options: &TableOptions) -> Result<DecimalSign, TableError> {
        if let Some(decimal) = options.decimal {
            return Ok(decimal);
        }
        let mut unclear = None;
        let (mut commas, mut points) = (false, false);
        for column in (0..self.names.len()).filter(|column| *column != self.time) {
            for cell in self.cells(column) {
                match look(cell) {
                    Look::Comma => commas = true,
                    Look::Point => points = true,
                    Look::CommaOrThousands => unclear = unclear.or(Some((column, cell))),
                    Look::Whole | Look::Other => {}
                }
            }
        }
        match unclear {
            // Beside points, a comma stands between thousands: such cells are refused one by one.
            _ if points => Ok(DecimalSign::Point),
            _ if commas => Ok(DecimalSign::Comma),
            Some((column, example)) => {
                Err(TableError::AmbiguousDecimal { column: self.names[column].clone(), example: example.to_owned() })
            }
            None => Ok(DecimalSign::Point),
        }
    }

    /// The KPI column and the value column of a table with one value per row.
    fn long_form(&self) -> Option<(usize, usize)> {
        let position = |names: &[&str]| {
            self.names.iter().position(|name| names.iter().any(|known| name.eq_ignore_ascii_case(known)))
        };
        let (kpi, value) = (position(&KPI_NAMES)?, position(&["value"])?);
        (kpi != self.time && self.holds_numbers(value)).then_some((kpi, value))
    }

    /// The role of a column; KPIs of values are named later.
    fn role(&self, column: usize, long: Option<(usize, usize)>) -> Role {
        let name = &self.names[column];
        if column == self.time {
            return Role::Time;
        }
        // A column without a name under a header is the row number of a data frame.
        if self.has_header && self.first[column].trim_ascii().is_empty() {
            return Role::Unused("it has no name");
        }
        if let Some(key) = name.strip_prefix(LABEL_PREFIX).filter(|key| !key.is_empty()) {
            return Role::Label(naming::label_key(key).into_owned());
        }
        if ANNOTATION_NAMES.iter().any(|other| name.eq_ignore_ascii_case(other)) {
            return Role::Unused("it marks anomalies");
        }
        let label = || Role::Label(naming::label_key(name).into_owned());
        match long {
            Some((kpi, _)) if column == kpi => Role::Kpi,
            Some((_, value)) if column == value => Role::Value(name_from(name)),
            Some(_) => label(),
            None if self.holds_numbers(column) => Role::Value(name_from(name)),
            None if !self.has_header => Role::Unused("it holds text and has no name"),
            None if self.is_free_text(column) => Role::Unused("it holds free text; call it label.<name> to keep it"),
            None => label(),
        }
    }

    /// Whether at least half of the cells are numbers. A column that is empty so far counts as
    /// numeric.
    fn holds_numbers(&self, column: usize) -> bool {
        let (mut numbers, mut others) = (0, 0);
        for cell in self.cells(column) {
            if look(cell) == Look::Other { others += 1 } else { numbers += 1 }
        }
        numbers >= others
    }

    /// Whether most texts are different. As labels, each would begin a series.
    fn is_free_text(&self, column: usize) -> bool {
        let cells: Vec<&str> = self.cells(column).collect();
        let different: HashSet<&str> = cells.iter().copied().collect();
        cells.len() >= ROWS_TO_JUDGE_TEXT && different.len() * 2 > cells.len()
    }

    /// Refuses two used columns of one name, and too many labels.
    fn check_names(&self, roles: &[Role]) -> Result<(), TableError> {
        let used = |column: &usize| matches!(roles[*column], Role::Value(_) | Role::Label(_));
        let used: Vec<usize> = (0..roles.len()).filter(used).collect();
        for (i, first) in used.iter().enumerate() {
            if let Some(second) = used[i + 1..].iter().find(|second| self.names[**second] == self.names[*first]) {
                let name = self.names[*first].clone();
                return Err(TableError::SameName { first: first + 1, second: second + 1, name });
            }
        }
        let labels = roles.iter().zip(self.names).filter(|(role, _)| matches!(role, Role::Label(_)));
        let labels: Vec<&str> = labels.map(|(_, name)| name.as_str()).collect();
        if labels.len() > Labels::MAX {
            let (count, columns) = (labels.len(), labels.join(", "));
            return Err(TableError::TooManyLabels { count, columns, most: Labels::MAX });
        }
        Ok(())
    }
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

/// A first row is a header if it names a time column, or contains neither a time nor a number.
fn is_header(first: &[String]) -> bool {
    let is_data = |cell: &String| super::parse_time(cell).is_some() || look(cell) != Look::Other;
    first.iter().any(|name| is_time_name(name))
        || !first.iter().any(|cell| is_data(cell) || matches!(detect(&[cell]), Ok(Some(_)) | Err(_)))
}

fn is_time_name(name: &str) -> bool {
    TIME_NAMES.iter().any(|time| name.eq_ignore_ascii_case(time))
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
