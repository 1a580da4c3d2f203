//! Timbre: the instrument of a family of KPIs, shared by all of its series.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use earcon_model::{KpiName, SeriesId};

/// The instrument of a family. Each is eight harmonics with its own balance, so that one stays
/// recognisable at any pitch and brightness (musical timbres with several partials, after
/// Brewster's earcon guidelines).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timbre {
    /// All harmonics, gently falling.
    #[default]
    Reed,
    /// Odd harmonics alone: a clarinet, a stopped pipe.
    Hollow,
    /// Almost a sine.
    Flute,
    /// Octaves: an organ.
    Organ,
    /// A strong twelfth and upper partials: plucked metal.
    Tine,
}

impl Timbre {
    /// All timbres.
    pub const ALL: [Timbre; 5] = [Timbre::Reed, Timbre::Hollow, Timbre::Flute, Timbre::Organ, Timbre::Tine];

    /// The timbre of a KPI's family.
    pub(super) fn for_kpi(kpi: &KpiName, seed: u64) -> Self {
        let hash = xxh3_64_with_seed(kpi.family().as_bytes(), seed);
        Self::ALL[(hash % Self::ALL.len() as u64) as usize]
    }

    /// Relative amplitude of harmonics 1 to 8 at full brightness.
    pub(super) fn harmonics(self) -> [f32; 8] {
        match self {
            Timbre::Reed => [1.0, 0.62, 0.48, 0.36, 0.28, 0.2, 0.14, 0.1],
            Timbre::Hollow => [1.0, 0.06, 0.6, 0.05, 0.38, 0.04, 0.24, 0.03],
            Timbre::Flute => [1.0, 0.34, 0.14, 0.1, 0.06, 0.05, 0.03, 0.02],
            Timbre::Organ => [1.0, 0.7, 0.12, 0.5, 0.05, 0.1, 0.04, 0.3],
            Timbre::Tine => [1.0, 0.2, 0.55, 0.16, 0.36, 0.3, 0.1, 0.22],
        }
    }
}

/// The fixed place of a series in the mix, so that people can learn it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Placement {
    /// Steps of the scale by which its range is raised: 0, 2 or 4.
    pub(super) register: i32,
    /// −0.6 (left) to 0.6 (right).
    pub(super) pan: f32,
    /// Its note of the bed, 0..5.
    pub(super) bed_note: usize,
}

impl Placement {
    /// The placement of a series.
    pub(super) fn for_series(id: SeriesId, seed: u64) -> Self {
        let hash = xxh3_64_with_seed(&id.to_bytes(), seed);
        Self {
            register: (hash % 3) as i32 * 2,
            pan: ((hash >> 8) % 7) as f32 * 0.2 - 0.6,
            bed_note: ((hash >> 16) % 5) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::Labels;

    fn kpi(name: &str) -> KpiName {
        KpiName::new(name).unwrap()
    }

    #[test]
    fn a_family_shares_its_timbre() {
        assert_eq!(Timbre::for_kpi(&kpi("checkout.revenue"), 3), Timbre::for_kpi(&kpi("checkout.errors.5xx"), 3));
    }

    #[test]
    fn families_spread_over_all_timbres() {
        for timbre in Timbre::ALL {
            assert!(
                (0..100).any(|i| Timbre::for_kpi(&kpi(&format!("family{i}.x")), 0) == timbre),
                "{timbre:?} is never used"
            );
        }
    }

    #[test]
    fn another_seed_draws_another_assignment() {
        let differs = |i: u32| Timbre::for_kpi(&kpi(&format!("f{i}")), 0) != Timbre::for_kpi(&kpi(&format!("f{i}")), 1);
        assert!((0..20).any(differs));
    }

    #[test]
    fn seats_stay_within_their_bounds() {
        for i in 0..500 {
            let seat = Placement::for_series(SeriesId::of(&kpi(&format!("k{i}")), &Labels::none()), 9);
            assert!(seat.pan.abs() <= 0.6001 && matches!(seat.register, 0 | 2 | 4) && seat.bed_note < 5);
        }
    }
}
