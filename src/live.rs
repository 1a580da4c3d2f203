//! The live view of a workspace: state, filters, resumes, and their wire format.
//!
//! Pure: the hub owns the state, the gateway owns the sockets.

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
