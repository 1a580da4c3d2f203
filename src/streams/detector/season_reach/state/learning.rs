//! What a value teaches, after it was judged.

use super::super::ladder::{SLOW, STEPS};
use super::hold::Course;
use super::judgement::Distances;
use super::{
    ANOTHER_SOURCE, ANOTHER_UNIT, CUT_AFTER_MS, EDGE, FIRST_DAY_MS, GOES_ON, JUDGED_FROM, Now, STARTS_ANEW_FROM, State,
};
use crate::arithmetic::{larger, smaller};

impl State {
    /// Learns a value. Returns true if it comes from another source and all is to be forgotten.
    pub(super) fn learn(&mut self, now: &Now, found: &Distances, outlier: bool, alerts: bool) -> bool {
        let age_ms = now.age_ms;
        let seen = f64::from(self.seen);
        let (below, above) = self.ladder.followed();
        let base = self.ladder.baselines[0];
        let distance = now.rest - base;
        let goes_on = now.judged && self.goes_on(found.z[0]);
        if (outlier && !goes_on) || (alerts && self.first_edge == 0.0) {
            self.first_edge = self.ladder.edge(0, found.z[0] > 0.0);
        }
        // Before the first outlier, the means have to show whether a shift lasts.
        let fault = outlier || (now.judged && self.fault_goes_on(found.z[0]));
        let outlier = outlier || goes_on;
        if self.seen > 0 {
            self.ladder.learn_means(&found.means, &found.distances, now.early, now.judged, fault, self.pace);
        }
        if now.judged {
            let k = seen - f64::from(JUDGED_FROM);
            self.ladder.learn_reaches(&found.z, larger(20.0 / (k + 1.0), 1.0) as f32, self.pace);
        }
        let accepted = now.judged && self.count_outlier(found, outlier);
        let far = distance.abs() > ANOTHER_SOURCE * if distance > 0.0 { above } else { below };
        if accepted && (far || another_unit(now.value, base + now.season)) && self.seen >= STARTS_ANEW_FROM {
            return true;
        }
        let frozen = outlier && !accepted;
        if now.judged {
            let (factor, accepted_after) = (self.limiter.factor(), self.accepted_after());
            let course = Course { found, factor, accepted, accepted_after, hour: now.hour };
            self.hold.learn(&course, &mut self.visits);
        }
        let range = (now.judged && !accepted).then_some((below, above));
        if !frozen {
            self.ladder.follow(&now.rests, range, now.early, self.pace);
        }
        if accepted {
            self.ladder.accept(&now.rests);
        }
        // Errors during a fault say nothing about the candidates.
        if !frozen {
            self.compare_seasons(now);
        }
        // In the first day a slot has no other values. Until the third one, a profile has to find
        // its shape: that of a job every night, too.
        let kept = if frozen && age_ms < FIRST_DAY_MS {
            base + now.season
        } else if frozen && age_ms > CUT_AFTER_MS {
            base + now.season + distance.clamp(-below, above)
        } else {
            now.value
        };
        self.season.learn(now.place, kept, self.per_day, seen, &mut self.cold.profiles);
        if now.judged {
            self.learn_crossings(found);
        }
        self.features.learn(distance, now.early);
        self.steps.learn(now.value);
        self.seen = self.seen.saturating_add(1);
        false
    }

    /// Learns how well the seasons predict a value, and changes to another one if that is better.
    fn compare_seasons(&mut self, now: &Now) {
        let (profiles, candidates) = (&mut self.cold.profiles, &now.seasonal.candidates);
        let change = self.season.compare(now.value, candidates, self.per_day, now.age_ms, now.judged, profiles);
        if let Some((difference, ratio)) = change {
            self.ladder.change_season(0..SLOW, difference, ratio);
        }
        if let Some((difference, ratio)) = self.season.compare_slowly(now.value, candidates, self.per_day, now.early) {
            self.ladder.change_season(SLOW..STEPS, difference, ratio);
        }
    }

    /// Whether a value at this distance continues a fault that has alerted.
    pub(super) fn fault_goes_on(&self, z: f64) -> bool {
        self.first_edge > 0.0 && self.goes_on(z)
    }

    /// Whether a value at this distance continues the outliers before it.
    fn goes_on(&self, z: f64) -> bool {
        let same_side = self.outliers != 0 && (self.outliers > 0) == (z > 0.0);
        same_side && z.abs() >= GOES_ON * smaller(self.first_edge, self.ladder.edge(0, z > 0.0))
    }

    /// Counts outliers in a row on one side. Returns whether their level is accepted now.
    fn count_outlier(&mut self, found: &Distances, outlier: bool) -> bool {
        let z = found.z[0];
        if outlier || z.abs() >= self.ladder.edge(0, z > 0.0) {
            let side = if z > 0.0 { 1 } else { -1 };
            self.outliers = if self.outliers.signum() * side < 0 { side } else { self.outliers.saturating_add(side) };
        } else {
            self.outliers -= self.outliers.signum();
        }
        let accepted = f64::from(self.outliers.abs()) >= self.accepted_after();
        if accepted {
            self.outliers = 0;
        }
        if self.outliers == 0 {
            self.first_edge = 0.0;
        }
        accepted
    }

    fn learn_crossings(&mut self, found: &Distances) {
        let z = found.z[0];
        self.hours.learn(z, found.taught_edge / EDGE);
        self.limiter.learn(found.taught * EDGE, self.per_day, self.pace);
    }
}

/// Whether two values differ as the same quantity does in two units. Zero is no other unit.
fn another_unit(value: f64, expected: f64) -> bool {
    let ratio = value / expected;
    value != 0.0 && expected != 0.0 && !(1.0 / ANOTHER_UNIT..=ANOTHER_UNIT).contains(&ratio) && ratio > 0.0
}
