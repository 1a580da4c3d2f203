//! Decides the times that clocks show twice, in the autumn: which of the two a row means.
//!
//! The rows of a series decide it. In a file that is oldest first, the hour is first shown for the
//! first time; if the times then do not grow, it is shown again. A third pass, or an hour after
//! later rows, cannot be decided, and such rows are refused. Rows of a series that does not repeat
//! the hour are read as the first pass, and a warning counts them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::time::{Moment, Repeated};
use earcon_model::wording::counted;
use earcon_model::{KpiName, Labels};

/// Series that are followed. Times of further ones that clocks show twice are refused.
const MOST_SERIES: usize = 100_000;

/// The times so far, by series.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    newest_first: bool,
    latest: HashMap<u64, Latest>,
    /// The rows that were read as the first and as the second pass of their hour.
    passes: [u64; 2],
    /// The rows of series that have left an hour after one pass.
    single: u64,
    /// The first of these rows.
    first_single: Option<Place>,
}

/// A row in a repeated hour, for messages.
#[derive(Debug, Clone)]
struct Place {
    line: u64,
    at: Repeated,
}

/// The latest row of a series.
#[derive(Debug, Clone)]
enum Latest {
    /// Milliseconds since 1970.
    At(i64),
    /// In an hour that clocks repeat.
    Within {
        at: Repeated,
        is_second: bool,
        /// The rows so far, and the first one, if they are all of one pass.
        single: Option<(u64, Place)>,
    },
}

impl Clocks {
    /// Says how the rows are ordered, before the first one.
    pub(super) fn begin(&mut self, newest_first: bool) {
        self.newest_first = newest_first;
    }

    /// When the next row of a series is, milliseconds since 1970. `Err` is the reason if it cannot
    /// be decided.
    pub(super) fn decide(
        &mut self,
        moment: Moment,
        series: (&Option<KpiName>, &Labels),
        line: u64,
    ) -> Result<i64, String> {
        let mut hasher = DefaultHasher::new();
        series.hash(&mut hasher);
        let key = hasher.finish();
        let at = match moment {
            Moment::Missing { local, zone } => {
                return Err(format!("{local} does not exist: the clocks of {zone} skip it"));
            }
            Moment::At(ms) => {
                self.leave(key);
                if self.latest.len() < MOST_SERIES || self.latest.contains_key(&key) {
                    self.latest.insert(key, Latest::At(ms));
                }
                return Ok(ms);
            }
            Moment::Repeated(at) => at,
        };
        let is_second = self.pass(key, &at).ok_or_else(|| undecided(&at))?;
        self.passes[usize::from(is_second)] += 1;
        let ms = if is_second { at.second_ms } else { at.first_ms };
        let single = match self.latest.get(&key) {
            Some(Latest::Within { at: before, is_second: pass, single }) if before.is_with(&at) => match single {
                Some((rows, place)) if *pass == is_second => Some((rows + 1, place.clone())),
                _ => None,
            },
            _ => {
                self.leave(key);
                Some((1, Place { line, at: at.clone() }))
            }
        };
        self.latest.insert(key, Latest::Within { at, is_second, single });
        Ok(ms)
    }

    /// Whether the row is in the second pass. `None` if it cannot be decided.
    fn pass(&self, key: u64, at: &Repeated) -> Option<bool> {
        let newest_first = self.newest_first;
        let goes_on = |before: &Repeated| if newest_first { at.local < before.local } else { at.local > before.local };
        match self.latest.get(&key) {
            None => (self.latest.len() < MOST_SERIES).then_some(newest_first),
            Some(Latest::Within { at: before, is_second, .. }) if before.is_with(at) => {
                match (goes_on(before), *is_second == newest_first) {
                    (true, _) => Some(*is_second),
                    (false, true) => Some(!is_second),
                    // The hour would be shown for the third time.
                    (false, false) => None,
                }
            }
            Some(Latest::At(ms)) => self.comes_next(*ms, at),
            Some(Latest::Within { at: before, .. }) => self.comes_next(before.first_ms, at),
        }
    }

    /// The pass that comes next to another time, if the file does not go back to it.
    fn comes_next(&self, latest_ms: i64, at: &Repeated) -> Option<bool> {
        let is_next = if self.newest_first { latest_ms > at.second_ms } else { latest_ms < at.first_ms };
        is_next.then_some(self.newest_first)
    }

    /// Counts the rows of an hour with one pass, as the series goes on.
    fn leave(&mut self, key: u64) {
        if let Some(Latest::Within { single: Some((rows, place)), .. }) = self.latest.remove(&key) {
            self.single += rows;
            self.first_single.get_or_insert(place);
        }
    }

    /// A sentence about the rows in repeated hours. `None` if there are none.
    pub(super) fn warning(&self) -> Option<String> {
        let [first, second] = self.passes;
        if first + second == 0 {
            return None;
        }
        let open = self.latest.values().filter_map(|latest| match latest {
            Latest::Within { single: Some((rows, place)), .. } => Some((*rows, place)),
            _ => None,
        });
        let open: Vec<(u64, &Place)> = open.collect();
        let single = self.single + open.iter().map(|(rows, _)| rows).sum::<u64>();
        let places = open.iter().map(|(_, place)| *place).chain(&self.first_single);
        let told = |place: &Place| (place.line, format!("line {}, {}", place.line, place.at.local), place.at.clone());
        let first_single = places.min_by_key(|place| place.line).map(told);
        let rows = counted(first + second, "row lies", "rows lie");
        let passes = format!(
            "{rows} in an hour that the clocks repeat: {first} read as its first pass and {second} as its second, by \
             the order of the rows"
        );
        Some(match first_single {
            None => passes,
            Some((_, place, at)) => format!(
                "{passes}; {single} of them, first {place}, cannot be told apart, because their series has one pass \
                 only: if it is the other one, write the offset into the time, such as {}{}",
                at.local, at.first_offset
            ),
        })
    }
}

fn undecided(at: &Repeated) -> String {
    let Repeated { local, zone, first_offset, .. } = at;
    format!(
        "the clocks of {zone} show {local} twice, and the order of the rows does not tell which is meant; write the \
         offset into the time, such as {local}{first_offset}"
    )
}
