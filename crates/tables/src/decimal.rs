//! The decimal sign of a table.

use super::cell::{Look, look};
use super::columns::Columns;
use super::error::TableError;
use super::options::{DecimalSign, TableOptions};
use super::time::is_dotted_date;

/// The decimal sign, and whether the first rows hold a number that decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) sign: DecimalSign,
    pub(super) is_decided: bool,
}

impl Decimal {
    /// Takes a later number into account. False if the number has more than one meaning.
    pub(super) fn decided_by(&mut self, cell: &[u8]) -> bool {
        if !cell.iter().any(|byte| matches!(byte, b'.' | b',')) {
            return true;
        }
        let sign = match std::str::from_utf8(cell).map(look) {
            Ok(Look::Point) => DecimalSign::Point,
            Ok(Look::Comma) => DecimalSign::Comma,
            Ok(Look::PointOrThousands | Look::CommaOrThousands) => return false,
            _ => return true,
        };
        *self = Self { sign, is_decided: true };
        true
    }
}

/// What the numbers of the first rows say.
#[derive(Default)]
struct Signs<'a> {
    point: bool,
    comma: Option<(usize, &'a str)>,
    /// A number with one comma and three digits after it.
    unclear: Option<(usize, &'a str)>,
    /// The same with a point, in a column that also has whole numbers.
    mixed: Option<(usize, &'a str)>,
    /// The same with a point, in any column.
    thousandths: Option<(usize, &'a str)>,
}

/// The decimal sign of all columns that may hold values.
///
/// # Errors
/// The numbers have more than one meaning.
pub(super) fn decide(
    columns: &Columns<'_>,
    values: impl Iterator<Item = usize>,
    options: &TableOptions,
    separator: u8,
) -> Result<Decimal, TableError> {
    if let Some(sign) = options.decimal {
        return Ok(Decimal { sign, is_decided: true });
    }
    let mut signs = Signs::default();
    for column in values {
        signs.add(columns, column);
    }
    let ambiguous = |(column, example): (usize, &str)| {
        Err(TableError::AmbiguousDecimal { column: columns.names[column].clone(), example: example.to_owned() })
    };
    let decided = |sign| Ok(Decimal { sign, is_decided: true });
    // Countries that write a decimal comma separate fields by `;`, and dates by points.
    let has_comma = || separator == b';' || columns.cells(columns.time).any(is_dotted_date);
    match (signs.point, signs.comma, signs.unclear.or(signs.mixed)) {
        // The first rows contradict one another.
        (true, Some(example), _) => ambiguous(example),
        (true, None, _) => decided(DecimalSign::Point),
        (false, Some(_), _) => decided(DecimalSign::Comma),
        (false, None, Some(example)) => ambiguous(example),
        (false, None, None) => match signs.thousandths {
            Some(example) if has_comma() => ambiguous(example),
            // Three decimals in each number are usual where the decimal sign is a point.
            Some(_) => decided(DecimalSign::Point),
            None => Ok(Decimal { sign: DecimalSign::Point, is_decided: false }),
        },
    }
}

impl<'a> Signs<'a> {
    fn add(&mut self, columns: &Columns<'a>, column: usize) {
        let (mut whole, mut thousandths) = (false, None);
        for cell in columns.cells(column) {
            match look(cell) {
                Look::Comma => self.comma = self.comma.or(Some((column, cell))),
                Look::Point => self.point = true,
                Look::CommaOrThousands => self.unclear = self.unclear.or(Some((column, cell))),
                Look::Whole => whole = true,
                Look::PointOrThousands => thousandths = thousandths.or(Some((column, cell))),
                Look::Other => {}
            }
        }
        self.thousandths = self.thousandths.or(thousandths);
        self.mixed = self.mixed.or(thousandths.filter(|_| whole));
    }
}
