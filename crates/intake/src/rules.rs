//! A workspace's rules: they map raw series to KPIs and series. Pure and deterministic. The results
//! are kept in the [`SeriesCache`](super::SeriesCache), so the rules may be slow.

mod check;
mod document;
mod glob;
pub(super) mod mapping;

pub use document::{ReadingName, RuleDocument, RulesDocument};
pub use mapping::{MappedSeries, Rules};

#[cfg(test)]
mod tests;
