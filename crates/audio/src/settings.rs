//! The options of a mix.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::limits::MAX_VOICES;
use super::scale::{Key, Scale};
use earcon_model::KpiName;

/// The continuous part of a mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A continuous bed and voices, with cues on top.
    #[default]
    Ambient,
    /// Cues only, over a sparse heartbeat that shows that the stream is alive.
    Cues,
}

/// Whether the pitch rises or falls with the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Polarity {
    /// Pitch rises when the value rises.
    #[default]
    Up,
    /// Pitch rises when the value falls.
    Down,
}

/// The settings of a mix. Build them with [`MixSettings::validated`]. Deserialising validates too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct MixSettings {
    /// The continuous part.
    pub mode: Mode,
    /// Number of series with a voice of their own, 0 to [`MAX_VOICES`]. People can follow two or
    /// three.
    pub voices: u8,
    /// KPIs with a chosen polarity; all others have [`Polarity::Up`].
    pub polarity: BTreeMap<KpiName, Polarity>,
    /// The key of all notes.
    pub key: Key,
    /// The five notes of the key.
    pub scale: Scale,
    /// Determines the assignment of timbres, registers and positions.
    pub seed: u64,
}

/// Why settings are rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// More voices than the renderer has.
    #[error("voices must be 0 to {MAX_VOICES}, got {0}")]
    Voices(u8),
}

impl MixSettings {
    /// Returns the settings if all fields are within their bounds.
    ///
    /// # Errors
    /// The first field out of bounds.
    pub fn validated(self) -> Result<Self, SettingsError> {
        if usize::from(self.voices) > MAX_VOICES { Err(SettingsError::Voices(self.voices)) } else { Ok(self) }
    }

    /// The polarity of a KPI.
    pub fn polarity_of(&self, kpi: &KpiName) -> Polarity {
        self.polarity.get(kpi).copied().unwrap_or_default()
    }
}

impl Default for MixSettings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            voices: 3,
            polarity: BTreeMap::new(),
            key: Key::default(),
            scale: Scale::default(),
            seed: 0,
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Unchecked {
    mode: Mode,
    voices: u8,
    polarity: BTreeMap<KpiName, Polarity>,
    key: Key,
    scale: Scale,
    seed: u64,
}

impl Default for Unchecked {
    fn default() -> Self {
        let MixSettings { mode, voices, polarity, key, scale, seed } = MixSettings::default();
        Self { mode, voices, polarity, key, scale, seed }
    }
}

impl TryFrom<Unchecked> for MixSettings {
    type Error = SettingsError;

    fn try_from(raw: Unchecked) -> Result<Self, SettingsError> {
        let Unchecked { mode, voices, polarity, key, scale, seed } = raw;
        Self { mode, voices, polarity, key, scale, seed }.validated()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_fields_take_their_defaults() {
        let settings: MixSettings = serde_json::from_str("{}").unwrap();
        assert_eq!(settings, MixSettings::default());
        assert_eq!((settings.mode, settings.voices), (Mode::Ambient, 3));
    }

    #[test]
    fn settings_round_trip() {
        let text =
            r#"{"mode":"cues","voices":8,"polarity":{"db.latency":"down"},"key":"f_sharp","scale":"minor","seed":7}"#;
        let settings: MixSettings = serde_json::from_str(text).unwrap();
        assert_eq!(settings.polarity_of(&KpiName::new("db.latency").unwrap()), Polarity::Down);
        assert_eq!(settings.polarity_of(&KpiName::new("db.errors").unwrap()), Polarity::Up);
        assert_eq!(serde_json::to_string(&settings).unwrap(), text);
    }

    #[test]
    fn too_many_voices_are_rejected_by_name() {
        let refused = serde_json::from_str::<MixSettings>(r#"{"voices": 9}"#).unwrap_err().to_string();
        assert!(refused.contains("voices must be 0 to 8, got 9"), "{refused}");
        assert_eq!(MixSettings { voices: 9, ..Default::default() }.validated(), Err(SettingsError::Voices(9)));
    }

    #[test]
    fn unknown_fields_are_rejected() {
        assert!(serde_json::from_str::<MixSettings>(r#"{"volume": 3}"#).is_err());
    }
}
