//! Followers over WebSocket: count messages and measure the time since each should have been sent.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use hdrhistogram::Histogram;
use memchr::memmem::Finder;
use tokio::time::timeout;

use super::{Admission, Work};
use crate::net::PATIENCE;
use crate::net::websocket::{CLOSE, PING, PONG, Socket, TEXT};
use crate::server::Target;

/// The text before the timestamp that identifies a message, in the messages of all targets.
pub(crate) const MARK: &str = "\"samples\":[[";

/// How to subscribe to a target's messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subscription {
    pub(crate) path: &'static str,
    /// Sent once the connection is open.
    pub(crate) hello: &'static str,
    /// Part of the message that confirms the subscription.
    pub(crate) ready: &'static str,
    /// An empty command that must be echoed.
    pub(crate) ping: &'static str,
}

impl Subscription {
    pub(crate) fn for_target(target: Target) -> anyhow::Result<Self> {
        Ok(match target {
            Target::Earcon => Self {
                path: "/api/v1/workspaces/local/events",
                hello: r#"{"type":"subscribe","since":"live"}"#,
                ready: r#""subscribed""#,
                ping: "",
            },
            Target::Centrifugo => Self {
                path: "/connection/websocket",
                hello: "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"load\"}}",
                ready: r#""id":2,"subscribe""#,
                ping: "{}",
            },
            Target::Raw => Self { path: "/events", hello: "", ready: r#""subscribed""#, ping: "" },
            Target::VictoriaMetrics | Target::Icecast => bail!("{} has no WebSocket", target.name()),
        })
    }
}

/// The due time of each message. Set once, when the load begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeline {
    pub(crate) start: Instant,
    pub(crate) every: Duration,
    /// Timestamp of message 0. Each next one is `step` later.
    pub(crate) first: i64,
    pub(crate) step: i64,
    pub(crate) count: u32,
}

impl Timeline {
    /// The number of the message with this timestamp. `None` for the warm-up.
    pub(crate) fn number(&self, timestamp: i64) -> Option<u32> {
        let number = u32::try_from((timestamp - self.first).checked_div(self.step)?).ok()?;
        (timestamp >= self.first && number < self.count).then_some(number)
    }

    pub(crate) fn timestamp(&self, number: u32) -> i64 {
        self.first + self.step * i64::from(number)
    }

    pub(crate) fn due(&self, number: u32) -> Instant {
        self.start + self.every * number
    }
}

/// The messages received by the followers of one thread.
pub(crate) struct Received {
    /// Microseconds from the time a message should have been sent until it arrived.
    pub(crate) latencies: Histogram<u64>,
    /// Messages of the timeline.
    pub(crate) messages: u64,
    /// Their bytes, including WebSocket framing.
    pub(crate) bytes: u64,
    /// Other frames: snapshots, anomalies, warm-up.
    pub(crate) others: u64,
    pub(crate) last: Option<Instant>,
    find: Finder<'static>,
}

impl Default for Received {
    fn default() -> Self {
        let find = Finder::new(MARK);
        Self { latencies: histogram(), messages: 0, bytes: 0, others: 0, last: None, find }
    }
}

/// A histogram from a microsecond to ten minutes, with three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    // The arguments are constants that the crate accepts. The tests of this module check it.
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("valid bounds")
}

impl Received {
    /// Counts a frame. Returns its number of messages of the timeline.
    fn count_frame(&mut self, payload: &[u8], size: usize, at: Instant, timeline: Option<&Timeline>) -> u64 {
        let Some(timeline) = timeline else { return 0 };
        let mut found = 0;
        for position in self.find.find_iter(payload) {
            let digits = payload.get(position + MARK.len()..).unwrap_or_default();
            let Some(number) = timeline.number(leading_number(digits)) else { continue };
            let late = at.saturating_duration_since(timeline.due(number));
            self.latencies.saturating_record(u64::try_from(late.as_micros()).unwrap_or(u64::MAX));
            found += 1;
        }
        if found > 0 {
            self.messages += found;
            self.bytes += size as u64;
            self.last = Some(at);
        } else {
            self.others += 1;
        }
        found
    }
}

fn leading_number(digits: &[u8]) -> i64 {
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit()).take(18);
    digits.fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
}

/// One follower.
pub(crate) fn follow(
    address: SocketAddr,
    subscription: Subscription,
    timeline: Arc<OnceLock<Timeline>>,
) -> impl Fn(Rc<RefCell<Received>>, Admission) -> Work + Clone + Send + 'static {
    move |received, admission| {
        let timeline = timeline.clone();
        Box::pin(async move {
            let mut socket = subscribe(address, subscription).await?;
            let state = admission.ready();
            loop {
                ensure!(socket.fill().await?, "the server closed the connection");
                let (mut pongs, at) = (Vec::new(), Instant::now());
                while let Some(frame) = socket.next_frame()? {
                    match frame.opcode {
                        PING => pongs.push((PONG, frame.payload.to_vec())),
                        TEXT if !subscription.ping.is_empty() && frame.payload == subscription.ping.as_bytes() => {
                            pongs.push((TEXT, frame.payload.to_vec()));
                        }
                        CLOSE => bail!("the server closed: {}", String::from_utf8_lossy(frame.payload)),
                        _ => {
                            let found =
                                received.borrow_mut().count_frame(frame.payload, frame.size, at, timeline.get());
                            state.progress.fetch_add(found, Ordering::Relaxed);
                        }
                    }
                }
                for (opcode, payload) in pongs {
                    socket.send(opcode, &payload).await?;
                }
            }
        })
    }
}

/// Connects and waits until the subscription is confirmed.
pub(crate) async fn subscribe(address: SocketAddr, subscription: Subscription) -> anyhow::Result<Socket> {
    let mut socket = Socket::open(address, subscription.path).await?;
    if !subscription.hello.is_empty() {
        socket.send(TEXT, subscription.hello.as_bytes()).await?;
    }
    let subscribed = async {
        loop {
            ensure!(socket.fill().await?, "the server closed the connection instead of subscribing");
            while let Some(frame) = socket.next_frame()? {
                if memchr::memmem::find(frame.payload, subscription.ready.as_bytes()).is_some() {
                    return Ok(());
                }
            }
        }
    };
    match timeout(PATIENCE, subscribed).await {
        Ok(subscribed) => subscribed.map(|()| socket),
        Err(_) => bail!("no answer to a subscription within {PATIENCE:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline() -> Timeline {
        Timeline { start: Instant::now(), every: Duration::from_millis(10), first: 5_000, step: 1_000, count: 3 }
    }

    #[test]
    fn only_messages_of_the_timeline_count() {
        let timeline = timeline();
        let numbers: Vec<_> = [0, 4_999, 5_000, 7_000, 8_000].map(|at| timeline.number(at)).into();
        assert_eq!(numbers, [None, None, Some(0), Some(2), None]);
        assert_eq!(timeline.timestamp(2), 7_000);
    }

    #[test]
    fn messages_in_one_frame_are_counted_separately() {
        let mut received = Received::default();
        let frame = br#"{"samples":[[5000,1.0]]}{"samples":[[6000,1.0]]}{"samples":[[99,1.0]]}"#;
        let timeline = timeline();
        let at = timeline.start + Duration::from_millis(25);
        assert_eq!(received.count_frame(frame, 100, at, Some(&timeline)), 2);
        assert_eq!(received.count_frame(b"{}", 4, at, Some(&timeline)), 0);
        assert_eq!((received.messages, received.bytes, received.others), (2, 100, 1));
        // Due at 0 and 10 ms. The histogram keeps three digits.
        assert!((14_950..=15_050).contains(&received.latencies.min()));
        assert!((24_950..=25_050).contains(&received.latencies.max()));
    }

    #[test]
    fn messages_before_the_load_do_not_count() {
        let mut received = Received::default();
        assert_eq!(received.count_frame(br#""samples":[[5000"#, 10, Instant::now(), None), 0);
    }
}
