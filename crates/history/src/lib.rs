//! What stores of history have in common, whatever they keep it in: how rows become rollups, and which anomalies a filter
//! lets through.

pub mod filter;
pub mod fold;
pub mod rollup;
