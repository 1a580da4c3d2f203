//! The REST API, one file a topic.

pub(crate) mod anomalies;
pub(crate) mod anomaly_detail;
pub(crate) mod cluster;
pub(crate) mod detectors;
pub(crate) mod experiments;
pub(crate) mod health;
pub(crate) mod incidents;
pub(crate) mod jobs;
pub(crate) mod kpis;
pub(crate) mod mixes;
pub(crate) mod mutes;
pub(crate) mod samples;
