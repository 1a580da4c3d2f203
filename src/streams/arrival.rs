//! The circumstances of an arrival: live or history, when, and under which limits of series.

use super::natural::NaturalRange;
use earcon_model::Arrival;

/// What is true outside of a KPI while it takes samples.
#[derive(Clone, Copy)]
pub struct Conditions<'a> {
    /// Time of the log, milliseconds UTC. It never goes back.
    pub now_ms: i64,
    /// Time of the wall clock, milliseconds UTC. It is behind `now_ms` after it was set back.
    pub wall_ms: i64,
    /// The range of the KPI's values by its unit.
    pub natural: NaturalRange,
    /// Room for further series.
    pub room: &'a dyn SeriesRoom,
}

impl Conditions<'static> {
    /// A clock that was never set back, no unit, and room for every series.
    pub fn at(now_ms: i64) -> Self {
        Self { now_ms, wall_ms: now_ms, natural: NaturalRange::Any, room: &Unlimited }
    }
}

/// Room for the series of a KPI, which it shares with others.
pub trait SeriesRoom {
    /// Takes the room for one more series.
    ///
    /// # Errors
    /// Why there is none, in a sentence for the sender.
    fn take(&self) -> Result<(), String>;
}

/// Room for every series.
struct Unlimited;

impl SeriesRoom for Unlimited {
    fn take(&self) -> Result<(), String> {
        Ok(())
    }
}

/// How samples arrive, and when.
#[derive(Clone, Copy)]
pub(super) struct ArrivalContext<'a> {
    pub(super) arrival: Arrival,
    pub(super) conditions: Conditions<'a>,
}

impl ArrivalContext<'static> {
    /// As the log has it.
    pub(super) fn replayed(arrival: Arrival, now_ms: i64) -> Self {
        Self { arrival, conditions: Conditions::at(now_ms) }
    }
}

/// The number of series up to which another one may be added.
#[derive(Clone, Copy)]
pub(super) enum SeriesLimit<'a> {
    /// The limit of the settings, or that of the workspace's rules if it is lower; and the room.
    Sender(Option<u32>, &'a dyn SeriesRoom),
    /// No limit: the log only holds series that were admitted under the limits of their time.
    Replay,
}
