//! Parts of a repair that database and logs share: its plan on the disk, and its steps.

pub(crate) mod directory;
pub(crate) mod progress;
pub(crate) mod steps;
