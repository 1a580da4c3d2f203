//! A picture of an anomaly: the values around it, the expected value and the band, with the
//! anomalous time marked.
//!
//! It is laid out once as plain shapes with colours by role. [`svg`] and [`png`] draw these shapes,
//! so both look alike.

mod axes;
mod data;
mod layout;
mod png;
mod scene;
mod svg;
mod text;

pub use data::{PictureData, Point};
pub use layout::lay_out;
pub use png::png;
pub use scene::{Scene, Size, Theme};
pub use svg::svg;

/// Least and largest width, in pixels.
pub const WIDTHS: std::ops::RangeInclusive<u32> = 240..=2_400;
/// Least and largest height, in pixels.
pub const HEIGHTS: std::ops::RangeInclusive<u32> = 160..=1_200;

#[cfg(test)]
mod tests;
