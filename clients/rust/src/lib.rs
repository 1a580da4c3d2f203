#![doc = include_str!("../README.md")]

mod anomaly;
mod backoff;
mod client;
mod compact;
mod delete;
mod error;
mod event;
mod follow;
mod http;
mod incident;
mod ingest;
mod message;
mod query;
mod sentence;
mod series;
mod sound;
mod trust;

pub use anomaly::{Acknowledgement, Anomaly, AnomalyState, Direction, Feedback, FeedbackOutcome, Peak, Reason};
pub use backoff::Backoff;
pub use client::{Client, Workspace};
pub use delete::{Deletion, DeletionQuery};
pub use error::Error;
pub use event::{Acknowledged, AnomalyFeedback, Backfilled, Deleted, DeletedScope, Event, EventData};
pub use follow::{Follow, Following, Since, Update};
pub use incident::{FirstMover, Incident, IncidentState, Member, TimelineEntry};
pub use ingest::{Receipt, RejectedRow, Sample};
pub use jiff::tz::TimeZone;
pub use message::{DecodeError, Gap, Message, Snapshot, Subscribed};
pub use query::{AnomaliesQuery, AnomalyPage, History, HistoryQuery, HistorySeries, KpiList, KpiSettings, Units};
pub use sentence::sentence;
pub use series::{Features, Kpi, Labels, ScoredSample, Series, SeriesSamples, SeriesState, Warming};
pub use sound::{Cue, Listen, Listening, Ogg, Packet, Sound, SoundConfig, Voice};
pub use trust::Trust;
