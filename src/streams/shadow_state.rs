//! The state of a shadow: one detector and one episode for each series.

use std::sync::Arc;

use super::detector::AnyDetector;
use super::episode::Episode;
use super::settings::StreamSettings;
use earcon_model::{DetectorRef, Reading};

/// The detectors of a shadow, by the position of their series.
#[derive(Debug, Clone)]
pub(super) struct Shadow {
    pub(super) choice: DetectorRef,
    pub(super) settings: Arc<StreamSettings>,
    pub(super) series: Vec<Option<Box<ShadowSeries>>>,
}

#[derive(Debug, Clone)]
pub(super) struct ShadowSeries {
    pub(super) reading: Reading,
    pub(super) detector: AnyDetector,
    pub(super) episode: Episode,
}

impl ShadowSeries {
    pub(super) fn new(reading: Reading, detector: AnyDetector) -> Self {
        Self { reading, detector, episode: Episode::default() }
    }
}

impl Shadow {
    pub(super) fn new(choice: DetectorRef, settings: Arc<StreamSettings>) -> Self {
        Self { choice, settings, series: Vec::new() }
    }

    pub(super) fn put(&mut self, position: u32, series: ShadowSeries) {
        let position = position as usize;
        if self.series.len() <= position {
            self.series.resize_with(position + 1, || None);
        }
        self.series[position] = Some(Box::new(series));
    }

    /// Keeps the series at the positions that stay. The others move up.
    pub(super) fn retain(&mut self, stays: &[bool]) {
        let mut stays = stays.iter();
        self.series.retain(|_| stays.next().is_some_and(|stays| *stays));
        // As after a restore, which knows only series with a detector.
        let used = self.series.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        self.series.truncate(used);
    }

    pub(super) fn remove(&mut self, position: usize) -> Option<Box<ShadowSeries>> {
        self.series.get_mut(position).and_then(Option::take)
    }
}
