//! Parses StatsD lines: `name:value|type|@rate|#tag:value,…`, as defined by the original daemon and
//! DogStatsD. Pure: bytes in, lines or named rejections out. [`Aggregator`] turns lines into
//! samples.
//!
//! Supported: counters (`c`), gauges (`g`; a sign marks a change), timers and histograms (`ms`,
//! `h`, `d`), sets (`s`), several values in one line (`name:1:2:3|ms`), sample rates and tags.
//! Container (`c:`) and timestamp (`T`) fields, events (`_e{`) and service checks (`_sc|`) are
//! legal but ignored.

mod aggregate;
mod line;
mod window;

pub use aggregate::{Aggregator, PacketSummary};
pub use line::{Kind, Line, parse_line};
