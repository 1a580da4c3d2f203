//! Logic that all history stores share: events to changes, rows to rollups, and the filter of
//! anomalies.

pub mod filter;
pub mod fold;
pub mod rollup;
