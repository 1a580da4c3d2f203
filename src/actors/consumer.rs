//! A cursor consumer: hands every event of the log to a handler, in order, each at least once.
//!
//! **Owns** its position. It lives on the live broadcast, which shares events by reference, and
//! reads the log if it is behind: at start, after falling out of the broadcast, after its store was
//! away. **A crash loses** nothing; it continues behind the handler's durable cursor. A store that
//! fails is tried again with growing pauses. Meanwhile the consumer lags, which is a gauge, and no
//! other actor is affected.

pub(super) mod actor;
mod fan_out;
mod handle;
mod handler;
mod history;

pub use fan_out::FanOut;
pub use handle::Consumer;
pub use handler::Handler;
pub use history::History;
