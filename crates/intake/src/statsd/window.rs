//! What a series gathers between two flushes, and the samples that come of it.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

use super::{Kind, Line, number};

/// Values of a timer that are kept for its quantiles; beyond it, a sample of them.
const KEPT: usize = 4_096;
/// Members of a set that are told apart.
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
    /// With what was not sent because of the sample rate.
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

    /// Takes one value of a line in.
    pub(super) fn take(&mut self, text: &str, line: &Line<'_>) -> Result<(), String> {
        match self {
            Window::Counter(sum) => *sum = finite(*sum + number(text)? / line.rate),
            Window::Gauge(value) => {
                let said = number(text)?;
                let change = text.starts_with(['+', '-']);
                *value = finite(if change { *value + said } else { said });
            }
            Window::Timer(timer) => timer.take(number(text)?, 1.0 / line.rate),
            Window::Set(members) => {
                if members.len() >= MEMBERS {
                    return Err(format!("is of a set with more than {MEMBERS} members"));
                }
                members.insert(xxh3_64(text.as_bytes()));
            }
        }
        Ok(())
    }

    /// The samples of the window as suffixes of the name and values, and begins the next one.
    pub(super) fn finish(&mut self, seconds: f64, mut emit: impl FnMut(&'static str, f64)) {
        match self {
            Window::Counter(sum) => emit("", finite(std::mem::take(sum) / seconds)),
            // A gauge stands where it stands; changes count from there.
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
    fn take(&mut self, value: f64, weight: f64) {
        self.seen += 1;
        self.count += weight;
        self.sum = finite(self.sum + value * weight);
        if self.kept.len() < KEPT {
            self.kept.push(value);
            return;
        }
        // Reservoir sampling (Vitter 1985, algorithm R), with a hash of the number in place of a die.
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
            // The nearest rank: a value that was measured, however few there are.
            let rank = (share * kept.len() as f64).ceil() as usize;
            if let Some(value) = kept.get(rank.saturating_sub(1)) {
                emit(suffix, *value);
            }
        }
    }
}

/// Sums of finite values may leave the range of numbers.
fn finite(value: f64) -> f64 {
    value.clamp(f64::MIN, f64::MAX)
}
