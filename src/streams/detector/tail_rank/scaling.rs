//! Scales the values of a series, so that `f32` is precise enough for any series.

use crate::stored::stored_fields;

/// Limit of scaled values: the sum of a hundred squares is finite.
const LARGEST_SCALED: f64 = (1u64 << 55) as f64;
/// Smallest unit as a share of the first value; smaller differences exceed its precision.
const FINEST: f64 = 1.0 / (1u64 << 20) as f64;
/// The anchor moves if the median is this many usual distances away; the unit changes if it is off
/// by `OFF_SCALE`.
const MAX_SHIFT: f32 = 256.0;
const OFF_SCALE: f32 = (1 << 20) as f32;

/// Scaled values are distances from an anchor, in units of a power of two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scaling {
    anchor: f64,
    /// The exponent of the unit; `None` before the first distance.
    exponent: Option<i16>,
}

stored_fields!(Scaling { anchor, exponent });

impl Scaling {
    pub(super) fn starting_at(value: f64) -> Self {
        Self { anchor: value, exponent: None }
    }

    /// Scales a value. The first value that differs from the anchor sets the unit.
    pub(super) fn scaled(&mut self, value: f64) -> f32 {
        let distance = value - self.anchor;
        if self.exponent.is_none() && distance != 0.0 {
            let unit = distance.abs().max(FINEST * self.anchor.abs());
            self.exponent = Some(exponent_of(unit));
        }
        let scaled = distance * power_of_two(-self.exponent.unwrap_or(0));
        // Adding zero removes the sign of a zero.
        scaled.clamp(-LARGEST_SCALED, LARGEST_SCALED) as f32 + 0.0
    }

    /// The value of a scaled one.
    pub(super) fn value(&self, scaled: f32) -> f64 {
        self.anchor + f64::from(scaled) * self.size()
    }

    /// The size of the unit.
    pub(super) fn size(&self) -> f64 {
        power_of_two(self.exponent.unwrap_or(0))
    }

    /// Moves the anchor to the median, and the unit to the usual distance, if they do not fit any
    /// more. Both arguments are scaled. Returns the factor for sizes after a change; the scaled
    /// median is 0 then.
    pub(super) fn fit(&mut self, median: f32, usual: f32) -> Option<f32> {
        let exponent = self.exponent.filter(|_| usual > 0.0)?;
        let off_scale = !(1.0 / OFF_SCALE..=OFF_SCALE).contains(&usual);
        if median.abs() <= MAX_SHIFT * usual && !off_scale {
            return None;
        }
        let anchor = self.anchor + f64::from(median) * power_of_two(exponent);
        if !anchor.is_finite() {
            return None;
        }
        let finer = if off_scale { exponent_of(f64::from(usual)) } else { 0 };
        self.anchor = anchor;
        self.exponent = Some((exponent + finer).clamp(-1000, 1000));
        Some(power_of_two(-finer) as f32)
    }
}

/// A scaled value clamped to its limits.
pub(super) fn clamped(scaled: f32) -> f32 {
    scaled.clamp(-(LARGEST_SCALED as f32), LARGEST_SCALED as f32) + 0.0
}

/// The exponent of a positive number, within ±1000.
fn exponent_of(number: f64) -> i16 {
    (((number.to_bits() >> 52) & 0x7ff) as i16 - 1023).clamp(-1000, 1000)
}

/// 2 to the power of an exponent within ±1000.
fn power_of_two(exponent: i16) -> f64 {
    f64::from_bits(((i64::from(exponent) + 1023) as u64) << 52)
}
