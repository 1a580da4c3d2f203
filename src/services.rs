//! Application logic that is neither an actor nor a route: typed records, caches, and the rules for
//! changing them.
//!
//! A service is built from ports, pure modules and actor handles. It has no mailbox and knows
//! nothing of HTTP. Its errors are typed; the gateway renders them.
//!
//! Actors use the lower part: [`records`], [`cached`], [`retry`], [`mutes`], [`incidents`],
//! [`mixes`], [`storage_health`] and [`detectors::records`]. These files import no actor. The upper
//! part ([`anomalies`], [`wake`]) uses actor handles, and only the gateway and the composition root
//! use it. So there is no circle.

pub mod anomalies;
pub mod cached;
pub mod clock_health;
pub mod deletion;
pub mod detectors;
pub mod incidents;
pub mod local_time;
pub mod meanings;
pub mod mixes;
pub mod mutes;
pub mod records;
pub mod retry;
pub mod rules;
pub mod storage_health;
#[cfg(test)]
mod testing;
pub mod wake;
