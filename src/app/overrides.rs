//! Parts of the server that a test may replace.

use std::sync::Arc;

use super::clock::SystemClock;
use crate::actors::context::Faults;
use crate::actors::supervision::RestartPolicy;
use earcon_model::Clock;

/// Parts that a test may replace.
#[derive(Clone)]
pub struct Overrides {
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Injected failures.
    pub faults: Faults,
    /// How streams are restarted.
    pub restart: RestartPolicy,
}

impl Default for Overrides {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), faults: Faults::default(), restart: RestartPolicy::default() }
    }
}
