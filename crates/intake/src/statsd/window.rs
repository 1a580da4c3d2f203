//! The values of a series between two flushes, and the samples made from them.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

use super::line::{Kind, Line, number};

/// Values of a timer that are kept for its quantiles; if there are more, a random sample of them.
const KEPT: usize = 4_096;
/// Maximum number of distinct members of a set.
const MEMBERS: usize = 65_536;

/// The values since the last flush.
#[derive(Debug)]
pub(super) enum Window {
    Counter(f64),
    Gauge(f64),
    Timer(Timer),
    Set(HashSet<u64>),
}

/// Count and sum of all values, and a sample of them.
#[derive(Debug, Default)]
pub(super) struct Timer {
    seen: u64,
    /// Includes values that were not sent because of the sample rate.
    count: f64,
    sum: f64,
    kept: Vec<f64>,
}

impl Window {
    pub(super) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Window::Counter(0.0),
            Kind::Gauge => Window::Gauge(0.0),
            Kind::Timer => Window::Timer(Timer::default()),
            Kind::Set => Window::Set(HashSet::new()),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Window::Counter(_) => Kind::Counter,
            Window::Gauge(_) => Kind::Gauge,
            Window::Timer(_) => Kind::Timer,
            Window::Set(_) => Kind::Set,
        }
    }

    /// Adds one value of a line.
    pub(super) fn add(&mut self, text: &str, line: &Line<'_>) -> Result<(), String> {
        match self {
            Window::Counter(sum) => *sum = finite(*sum + number(text)? / line.rate),
            Window::Gauge(value) => {
                let number_sent = number(text)?;
                let change = text.starts_with(['+', '-']);
                *value = finite(if change { *value + number_sent } else { number_sent });
            }
            Window::Timer(timer) => timer.add(number(text)?, 1.0 / line.rate),
            Window::Set(members) => {
                members.insert(xxh3_64(text.as_bytes()));
            }
        }
        Ok(())
    }

    /// Fails if a set has too many members for one more.
    pub(super) fn check_room(&self, line: &Line<'_>) -> Result<(), String> {
        match self {
            Window::Set(members)
                if members.len() >= MEMBERS
                    && line.values().any(|value| !members.contains(&xxh3_64(value.as_bytes()))) =>
            {
                Err(format!("is of a set with more than {MEMBERS} members"))
            }
            _ => Ok(()),
        }
    }

    /// Emits the samples of the window as name suffixes and values, and begins the next window.
    pub(super) fn finish(&mut self, seconds: f64, mut emit: impl FnMut(&'static str, f64)) {
        match self {
            Window::Counter(sum) => emit("", finite(std::mem::take(sum) / seconds)),
            // A gauge keeps its value; changes are relative to it.
            Window::Gauge(value) => emit("", *value),
            Window::Timer(timer) => timer.finish(emit),
            Window::Set(members) => {
                emit("", members.len() as f64);
                members.clear();
            }
        }
    }
}

impl Timer {
    fn add(&mut self, value: f64, weight: f64) {
        self.seen += 1;
        self.count += weight;
        self.sum = finite(self.sum + value * weight);
        if self.kept.len() < KEPT {
            self.kept.push(value);
            return;
        }
        // Reservoir sampling (Vitter 1985, algorithm R), with a hash of the index in place of
        // random numbers.
        let at = xxh3_64(&self.seen.to_le_bytes()) % self.seen;
        if let Some(slot) = usize::try_from(at).ok().and_then(|at| self.kept.get_mut(at)) {
            *slot = value;
        }
    }

    fn finish(&mut self, mut emit: impl FnMut(&'static str, f64)) {
        let Self { count, sum, mut kept, .. } = std::mem::take(self);
        kept.sort_by(f64::total_cmp);
        emit(".count", count);
        emit(".mean", finite(sum / count));
        for (suffix, share) in [(".p50", 0.5), (".p95", 0.95), (".p99", 0.99)] {
            // The nearest rank: always a measured value, even for few values.
            let rank = (share * kept.len() as f64).ceil() as usize;
            if let Some(value) = kept.get(rank.saturating_sub(1)) {
                emit(suffix, *value);
            }
        }
    }
}

/// Sums of finite values may overflow.
fn finite(value: f64) -> f64 {
    value.clamp(f64::MIN, f64::MAX)
}
