//! What a follower of a workspace gets: the state after the newest event, the events that its filter admits, the answer
//! to a resume, and the wire format of all of it. Pure: the hub owns the state, the gateway the sockets.

pub mod compact;
pub mod conflation;
pub mod filter;
pub mod frame;
pub mod resume;
pub mod sentence;
pub mod split;
pub mod view;
pub mod wire;

pub use conflation::{Conflation, RateError};
pub use filter::{Filter, FilterError};
pub use frame::MessageFrame;
pub use resume::{Resume, Since};
pub use view::{KpiRun, KpiView, LiveView, SeriesView};
