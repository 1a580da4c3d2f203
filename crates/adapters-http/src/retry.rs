//! Whether a request is sent again, and when. Time and chance are arguments.

use std::time::{Duration, SystemTime};

use earcon_ports::{HttpErrorKind, Repeat};
use http::{HeaderMap, Method, StatusCode, header};

/// The pause after the first failure. It doubles with each one.
const FIRST: Duration = Duration::from_millis(250);
/// The longest pause that no server asked for.
const LONGEST: Duration = Duration::from_secs(10);

/// How an attempt ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome<'a> {
    /// With an answer.
    Answer(StatusCode, &'a HeaderMap),
    /// Without one. Whether the other server may have got the request.
    Failure {
        /// The failure.
        kind: HttpErrorKind,
        /// The request may have arrived.
        sent: bool,
    },
}

/// The attempts of one request.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    repeatable: bool,
    never: bool,
    left: u32,
    failures: u32,
}

impl Retry {
    pub(crate) fn new(method: &Method, repeat: Repeat, attempts: u32) -> Self {
        let repeatable = repeat == Repeat::Always || method.is_idempotent();
        Self { repeatable, never: repeat == Repeat::Never, left: attempts.saturating_sub(1), failures: 0 }
    }

    /// The pause before the next attempt. `None` if the outcome is the last word. `left` is the
    /// time that the request still has, `chance` a number from 0 to 1.
    pub(crate) fn next(
        &mut self,
        outcome: Outcome<'_>,
        left: Duration,
        now: SystemTime,
        chance: f64,
    ) -> Option<Duration> {
        if self.never || self.left == 0 || !self.may_repeat(outcome) {
            return None;
        }
        let usual = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        let pause = match outcome {
            Outcome::Answer(_, headers) => match asked_for(headers, now) {
                // Clients that were sent away together do not come back together.
                Some(asked) => asked.checked_add(FIRST.mul_f64(chance))?,
                None => jittered(usual, chance),
            },
            Outcome::Failure { .. } => jittered(usual, chance),
        };
        // A pause that leaves no time for an attempt is not begun.
        if pause >= left {
            return None;
        }
        self.left -= 1;
        self.failures += 1;
        Some(pause)
    }

    fn may_repeat(&self, outcome: Outcome<'_>) -> bool {
        match outcome {
            Outcome::Answer(status, _) => self.repeatable && is_temporary(status),
            // Room here does not come sooner by asking again.
            Outcome::Failure { kind: HttpErrorKind::Busy, .. } => false,
            Outcome::Failure { kind, sent } => kind.is_temporary() && (self.repeatable || !sent),
        }
    }
}

/// From half of the pause to all of it.
fn jittered(pause: Duration, chance: f64) -> Duration {
    pause.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// The pause that `Retry-After` asks for (RFC 9110 §10.2.3): seconds, or a time. A time is taken by
/// the clock of the server that wrote it, if the answer says what that clock shows. `None` without
/// a header that can be read.
fn asked_for(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than a number holds are more than any request has.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let theirs = headers.get(header::DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    Some(until.duration_since(theirs.unwrap_or(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const LONG: Duration = Duration::from_secs(3_600);
    const GONE: Outcome<'static> = Outcome::Failure { kind: HttpErrorKind::Broken, sent: true };
    const AWAY: Outcome<'static> = Outcome::Failure { kind: HttpErrorKind::Unreachable, sent: false };

    fn now() -> SystemTime {
        httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap()
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    fn pause(pairs: &[(&'static str, &'static str)]) -> Option<Duration> {
        let outcome = headers(pairs);
        let outcome = Outcome::Answer(StatusCode::SERVICE_UNAVAILABLE, &outcome);
        Retry::new(&Method::GET, Repeat::IfIdempotent, 3).next(outcome, LONG, now(), 0.0)
    }

    #[test]
    fn retry_after_is_seconds_or_a_time() {
        let seconds = |number| Some(Duration::from_secs(number));
        assert_eq!(pause(&[("retry-after", "7")]), seconds(7));
        assert_eq!(pause(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")]), seconds(60));
        assert_eq!(pause(&[("retry-after", "Sunday, 06-Nov-94 08:50:37 GMT")]), seconds(60));
        assert_eq!(pause(&[("retry-after", "Sun Nov  6 08:50:37 1994")]), seconds(60));
        assert_eq!(pause(&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), seconds(0), "it is over");
        let their_clock = [("retry-after", "Sat, 06 Nov 2004 08:50:07 GMT"), ("date", "Sat, 06 Nov 2004 08:49:37 GMT")];
        assert_eq!(pause(&their_clock), seconds(30), "by the clock of the other server");
        for unreadable in ["", "soon", "-1", "1.5"] {
            assert_eq!(pause(&[("retry-after", unreadable)]), Some(FIRST / 2), "{unreadable:?}");
        }
        for endless in ["99999999", "99999999999999999999999"] {
            assert_eq!(pause(&[("retry-after", endless)]), None, "longer than the request has");
        }
    }

    #[test]
    fn pauses_grow_up_to_a_limit_and_vary() {
        let mut retry = Retry::new(&Method::GET, Repeat::IfIdempotent, 12);
        let pauses: Vec<_> =
            std::iter::from_fn(|| retry.next(GONE, LONG, now(), 1.0)).map(|one| one.as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000, 10_000, 10_000]);
        assert_eq!(Retry::new(&Method::GET, Repeat::Always, 2).next(GONE, LONG, now(), 0.0), Some(FIRST / 2));
    }

    #[test]
    fn a_pause_that_leaves_no_time_is_not_begun() {
        let mut retry = Retry::new(&Method::GET, Repeat::IfIdempotent, 3);
        assert_eq!(retry.next(GONE, FIRST, now(), 1.0), None);
        assert!(retry.next(GONE, FIRST, now(), 0.5).is_some());
    }

    #[test]
    fn only_what_does_no_harm_is_repeated_unless_the_caller_says_so() {
        let again =
            |method: Method, repeat, outcome| Retry::new(&method, repeat, 2).next(outcome, LONG, now(), 0.0).is_some();
        let none = HeaderMap::new();
        let busy = Outcome::Answer(StatusCode::SERVICE_UNAVAILABLE, &none);
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert!(again(method.clone(), Repeat::IfIdempotent, GONE) && again(method, Repeat::IfIdempotent, busy));
        }
        for method in [Method::POST, Method::PATCH] {
            assert!(!again(method.clone(), Repeat::IfIdempotent, GONE), "it may have been executed");
            assert!(!again(method.clone(), Repeat::IfIdempotent, busy));
            assert!(again(method.clone(), Repeat::IfIdempotent, AWAY), "it was never sent");
            assert!(again(method.clone(), Repeat::Always, GONE) && again(method.clone(), Repeat::Always, busy));
            assert!(!again(method, Repeat::Never, AWAY));
        }
        assert!(!again(Method::GET, Repeat::Never, busy));
    }

    #[test]
    fn final_outcomes_are_not_repeated() {
        let none = HeaderMap::new();
        for status in [200, 201, 301, 400, 401, 403, 404, 409, 501, 505] {
            let outcome = Outcome::Answer(StatusCode::from_u16(status).unwrap(), &none);
            assert_eq!(Retry::new(&Method::GET, Repeat::Always, 9).next(outcome, LONG, now(), 0.0), None, "{status}");
        }
        use HttpErrorKind::*;
        for kind in [Refused, Invalid, Tls, TooLarge, Redirect, Busy] {
            let outcome = Outcome::Failure { kind, sent: false };
            assert_eq!(Retry::new(&Method::GET, Repeat::Always, 9).next(outcome, LONG, now(), 0.0), None, "{kind:?}");
        }
    }

    #[test]
    fn attempts_are_counted() {
        for attempts in [0, 1] {
            assert_eq!(Retry::new(&Method::GET, Repeat::Always, attempts).next(AWAY, LONG, now(), 0.0), None);
        }
        let mut three = Retry::new(&Method::GET, Repeat::Always, 3);
        assert_eq!((0..9).filter(|_| three.next(AWAY, LONG, now(), 0.0).is_some()).count(), 2);
    }
}
