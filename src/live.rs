//! What somebody who follows a workspace sees: the state after the newest event, which events a filter lets through,
//! how a resume is answered, and the wire format of all of it. Pure: the hub owns the state, the gateway the sockets.

pub mod compact;
pub mod conflation;
pub mod filter;
pub mod frame;
pub mod resume;
pub mod sentence;
pub mod split;
pub mod view;
pub mod wire;
pub mod wire_anomaly;
pub mod wire_incident;

pub use conflation::{Conflation, RateError};
pub use filter::{Filter, FilterError};
pub use frame::MessageFrame;
pub use resume::{Resume, Since};
pub use view::{KpiRun, KpiView, LiveView, SeriesView};
