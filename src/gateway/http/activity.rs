//! What a connection is doing, and until when it may. The time is an argument.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a client may take for each part of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The head of a request, from its first byte; also the first byte of a new connection.
    pub head: Duration,
    /// The body of a request.
    pub body: Duration,
    /// Least rate of a body, after the first seconds of it: as many as a head may take.
    pub body_bytes_per_second: u64,
    /// The pause between an answer and the next request.
    pub idle: Duration,
    /// The time that a client may take nothing of what is written to it.
    pub write: Duration,
    /// The interval of pings to a WebSocket. One that sends nothing for two of them is closed.
    pub ping: Duration,
    /// How long connections have to end when the server shuts down.
    pub close: Duration,
    /// How long requests that are being handled then have.
    pub finish: Duration,
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits for the next request.
    Idle,
    /// The head of a request arrives. A new connection begins here.
    Head,
    /// The body of a request arrives. The body has a clock of its own.
    Body,
    /// A whole request is being handled.
    Handling,
    /// An answer is being written. Writing has a clock of its own.
    Answering,
}

/// The phase of one connection, and since when.
#[derive(Debug)]
pub(crate) struct Activity(Mutex<(Phase, Instant)>);

impl Activity {
    /// A new connection.
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new((Phase::Head, now)))
    }

    /// The connection does something else from now on.
    pub(crate) fn enter(&self, phase: Phase, now: Instant) {
        *self.state() = (phase, now);
    }

    /// Goes on to `to`, if the connection is in phase `from`. Returns whether it was.
    pub(crate) fn advance(&self, from: Phase, to: Phase, now: Instant) -> bool {
        let mut state = self.state();
        let goes_on = state.0 == from;
        if goes_on {
            *state = (to, now);
        }
        goes_on
    }

    /// The phase.
    pub(crate) fn phase(&self) -> Phase {
        self.state().0
    }

    /// When the client must have gone on; `None` if something else keeps the time.
    pub(crate) fn deadline(&self, times: &Times) -> Option<Instant> {
        let (phase, since) = *self.state();
        match phase {
            Phase::Idle => Some(since + times.idle),
            Phase::Head => Some(since + times.head),
            Phase::Body | Phase::Handling | Phase::Answering => None,
        }
    }

    /// When a connection may be cut during a shutdown that began at `began`.
    pub(crate) fn cut_at(&self, times: &Times, began: Instant) -> Instant {
        let (phase, since) = *self.state();
        match phase {
            Phase::Handling => began + times.finish,
            // An answer that began late gets its time, too.
            Phase::Answering => began.max(since) + times.close,
            Phase::Idle | Phase::Head | Phase::Body => began + times.close,
        }
    }

    fn state(&self) -> MutexGuard<'_, (Phase, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The clock of one body: a total time, a least rate, and a longest silence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    began: Instant,
    received: u64,
    /// Since when the server waits for bytes. The time that it takes for those before is its own.
    waiting: Option<Instant>,
    times: Times,
}

impl Pace {
    /// A body whose first byte may arrive from now on.
    pub(crate) fn new(times: Times, now: Instant) -> Self {
        Self { began: now, received: 0, waiting: None, times }
    }

    /// Bytes have arrived.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
        self.waiting = None;
    }

    /// The server did not look for so long: that is not the client's time.
    pub(crate) fn excuse(&mut self, time: Duration) {
        self.began += time;
        self.waiting = self.waiting.map(|since| since + time);
    }

    /// The server waits for the next bytes.
    pub(crate) fn wait(&mut self, now: Instant) {
        self.waiting.get_or_insert(now);
    }

    /// When the next bytes must have arrived.
    pub(crate) fn deadline(&self) -> Instant {
        let earned = self.received as f64 / self.times.body_bytes_per_second.max(1) as f64;
        let by_rate = self.times.head + Duration::from_secs_f64(earned.min(1e9));
        let until = self.began + by_rate.min(self.times.body);
        // Bytes that came early do not pay for a long silence.
        self.waiting.map_or(until, |since| until.min(since + self.times.head))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const TIMES: Times = Times {
        head: Duration::from_secs(10),
        body: Duration::from_secs(100),
        body_bytes_per_second: 1_000,
        idle: Duration::from_secs(60),
        write: Duration::from_secs(30),
        ping: Duration::from_secs(25),
        close: Duration::from_secs(1),
        finish: Duration::from_secs(5),
    };

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn heads_and_pauses_have_limits_of_their_own() {
        let now = Instant::now();
        let activity = Activity::new(now);
        assert_eq!(activity.deadline(&TIMES), Some(now + seconds(10)), "a connection that sends nothing");
        for phase in [Phase::Body, Phase::Handling, Phase::Answering] {
            activity.enter(phase, now);
            assert_eq!(activity.deadline(&TIMES), None, "{phase:?}");
        }
        activity.enter(Phase::Idle, now);
        assert_eq!(activity.deadline(&TIMES), Some(now + seconds(60)));
        activity.advance(Phase::Idle, Phase::Head, now + seconds(20));
        activity.advance(Phase::Idle, Phase::Head, now + seconds(25));
        assert_eq!(activity.deadline(&TIMES), Some(now + seconds(30)), "later bytes of a head win no time");
    }

    #[test]
    fn a_shutdown_waits_longer_for_requests_that_have_arrived() {
        let now = Instant::now();
        let activity = Activity::new(now);
        for phase in [Phase::Head, Phase::Body, Phase::Answering, Phase::Idle] {
            activity.enter(phase, now);
            assert_eq!(activity.cut_at(&TIMES, now), now + seconds(1), "{phase:?}");
        }
        activity.enter(Phase::Handling, now);
        assert_eq!(activity.cut_at(&TIMES, now), now + seconds(5));
        activity.enter(Phase::Answering, now + seconds(4));
        assert_eq!(activity.cut_at(&TIMES, now), now + seconds(5), "its answer begins late");
    }

    #[test]
    fn a_body_has_a_least_rate_and_a_total_time() {
        let now = Instant::now();
        let mut pace = Pace::new(TIMES, now);
        assert_eq!(pace.deadline(), now + seconds(10));
        pace.received(5_000);
        assert_eq!(pace.deadline(), now + seconds(15), "five seconds at the least rate");
        pace.received(1_000_000);
        assert_eq!(pace.deadline(), now + seconds(100), "no rate allows more than the total");
    }

    #[test]
    fn time_in_which_the_server_does_not_look_is_its_own() {
        let now = Instant::now();
        let mut pace = Pace::new(TIMES, now);
        pace.wait(now);
        pace.excuse(seconds(20));
        assert_eq!(pace.deadline(), now + seconds(30));
    }

    #[test]
    fn bytes_that_came_early_do_not_pay_for_a_long_silence() {
        let now = Instant::now();
        let mut pace = Pace::new(TIMES, now);
        pace.received(50_000);
        pace.wait(now + seconds(20));
        pace.wait(now + seconds(25));
        assert_eq!(pace.deadline(), now + seconds(30), "it waits since the first time");
        pace.received(1);
        assert!(pace.deadline() > now + seconds(59), "the time that the server takes is its own");
        pace.wait(now + seconds(55));
        assert!(pace.deadline() < now + seconds(61), "a silence wins no time");
    }
}
