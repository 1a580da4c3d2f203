//! Pitch: five notes of a key, and the mapping of a control value to one of them.

use serde::{Deserialize, Serialize};

/// The note a mix is tuned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Key {
    C,
    CSharp,
    #[default]
    D,
    DSharp,
    E,
    F,
    FSharp,
    G,
    GSharp,
    A,
    ASharp,
    B,
}

impl Key {
    /// MIDI number of the lowest note of a voice in the lowest register: D♯3 (155 Hz) to D4 (294
    /// Hz). So the highest note of the highest register stays below G6, where pitch is still
    /// perceived well.
    fn root(self) -> i32 {
        let in_fourth_octave = 60 + self as i32;
        if in_fourth_octave > 62 { in_fourth_octave - 12 } else { in_fourth_octave }
    }
}

/// Five notes that sound well in any combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Major pentatonic: bright.
    #[default]
    Major,
    /// Minor pentatonic: dark.
    Minor,
}

impl Scale {
    fn semitones(self) -> [i32; 5] {
        match self {
            Scale::Major => [0, 2, 4, 7, 9],
            Scale::Minor => [0, 3, 5, 7, 10],
        }
    }
}

/// Frequency in Hz (equal temperament, A4 = 440 Hz) of a step of the scale. Step 0 is the root;
/// negative steps are below it.
pub(super) fn step_hz(key: Key, scale: Scale, step: i32) -> f32 {
    let octave = step.div_euclid(5);
    let degree = scale.semitones()[step.rem_euclid(5) as usize];
    let midi = key.root() + 12 * octave + degree;
    440.0 * ((midi - 69) as f32 / 12.0).exp2()
}

/// Number of steps of a voice from the lowest to the highest level.
pub(super) const SPAN: f32 = 8.0;

/// Maps a moving level to a step with hysteresis, so that noise at the edge between two notes does
/// not trill.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quantiser {
    step: Option<i32>,
}

impl Quantiser {
    /// Half a step of hysteresis: a quarter beyond the rounding edge on either side.
    const LEAVE: f32 = 0.75;

    /// The step for `level` 0..1.
    pub(super) fn quantise(&mut self, level: f32) -> i32 {
        let position = level.clamp(0.0, 1.0) * SPAN;
        let step = match self.step {
            Some(step) if (position - step as f32).abs() <= Self::LEAVE => step,
            _ => position.round() as i32,
        };
        self.step = Some(step);
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_of_every_key_stay_in_the_audible_pitch_range() {
        let keys = [Key::C, Key::CSharp, Key::D, Key::DSharp, Key::E, Key::F, Key::FSharp, Key::G, Key::GSharp, Key::A];
        for key in keys.into_iter().chain([Key::ASharp, Key::B]) {
            for scale in [Scale::Major, Scale::Minor] {
                assert!(step_hz(key, scale, 0) > 150.0);
                assert!(step_hz(key, scale, SPAN as i32 + 4) < 1569.0, "{key:?} {scale:?}");
            }
        }
    }

    #[test]
    fn five_steps_are_an_octave() {
        let root = step_hz(Key::D, Scale::Minor, 0);
        assert!((root - 293.66).abs() < 0.01);
        assert!((step_hz(Key::D, Scale::Minor, 5) / root - 2.0).abs() < 1e-5);
        assert!((step_hz(Key::D, Scale::Minor, -5) / root - 0.5).abs() < 1e-5);
    }

    #[test]
    fn noise_at_an_edge_does_not_trill() {
        let mut quantiser = Quantiser::default();
        let edge = 3.5 / SPAN;
        let first = quantiser.quantise(edge - 0.01);
        for i in 0..100 {
            let noise = if i % 2 == 0 { 0.02 } else { -0.02 };
            assert_eq!(quantiser.quantise(edge + noise), first);
        }
        assert_eq!(quantiser.quantise(4.0 / SPAN), 4);
    }

    #[test]
    fn a_jump_lands_on_the_nearest_step_at_once() {
        let mut quantiser = Quantiser::default();
        assert_eq!(quantiser.quantise(0.0), 0);
        assert_eq!(quantiser.quantise(1.0), 8);
        assert_eq!(quantiser.quantise(7.0), 8, "levels beyond the range are clamped");
    }
}
