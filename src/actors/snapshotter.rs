//! Scoring state to the snapshot store.
//!
//! **Owns** the newest unsaved snapshot of each part of each KPI. Streams take
//! [turns](super::snapshot_turns), so a slow store bounds itself. **A crash loses** snapshots,
//! which costs replay time, not data. After them it saves the [watermark](load_watermark).

pub(super) mod actor;
mod handle;
mod waiting;
mod watermark;

pub use handle::{HandedOver, SavedChange, Snapshotter, StateChange};
pub use watermark::load_watermark;
pub(in crate::actors) use watermark::save_watermark;
