//! Samples at a fixed rate in the background, generated as they are sent, until it is stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use hdrhistogram::Histogram;

use crate::body::{Shape, request};
use crate::fleet::events::histogram;
use crate::net::http::Connection;
use crate::scenario::Protocol;
use crate::server::Target;

/// Most requests in flight.
const CONNECTIONS: usize = 8;

/// A running feed.
pub(crate) struct Feed {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<Histogram<u64>>>>,
}

/// The samples and their rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) shape: Shape,
    /// Time between two requests.
    pub(crate) every: Duration,
}

impl Plan {
    /// `series` series in ten KPIs. Timestamps have the distance of the sends. The first turns are
    /// in the past.
    pub(crate) fn new(address: SocketAddr, series: usize, batch: usize, samples_per_second: f64) -> Self {
        let kpis = series.min(10);
        let series_per_kpi = series / kpis;
        let step_ms = ((kpis * series_per_kpi) as f64 * 1_000.0 / samples_per_second).round().max(1.0) as i64;
        let first_ms = super::now_ms() - Self::WARM_UP_TURNS as i64 * step_ms;
        let shape = Shape { kpis, series_per_kpi, batch, first_ms, step_ms };
        let requests_a_turn = shape.requests_a_turn() as f64;
        let every = Duration::from_secs_f64(shape.series() as f64 / samples_per_second / requests_a_turn);
        Self { address, shape, every }
    }

    /// Number of turns that [`Plan::warm_up`] sends.
    const WARM_UP_TURNS: usize = 60;

    /// Sends samples until the series are known and scored.
    pub(crate) async fn warm_up(&self) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.address).await?;
        for turn in 0..Self::WARM_UP_TURNS {
            for part in 0..self.shape.requests_a_turn() {
                let rows = self.shape.rows(turn, part);
                connection.must(&request(Target::Earcon, Protocol::Json, rows)?).await.context("warming up")?;
            }
        }
        Ok(())
    }
}

impl Feed {
    pub(crate) fn start(plan: Plan) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let run = move || send(plan, &stopped);
        let thread = std::thread::Builder::new().name("feed".into()).spawn(run).context("a thread")?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Whether it has ended early because of an error.
    pub(crate) fn ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends the feed. Returns the microseconds from the due time of each request to its answer.
    pub(crate) fn stop(mut self) -> anyhow::Result<Histogram<u64>> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("the feed has been stopped before")?;
        thread.join().map_err(|_| anyhow!("the feed panicked"))?.context("the feed")
    }
}

/// Ends the thread even if the run fails.
impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn send(plan: Plan, stop: &Arc<AtomicBool>) -> anyhow::Result<Histogram<u64>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
    runtime.block_on(async {
        let start = Instant::now();
        let lanes = plan.shape.requests_a_turn().min(CONNECTIONS);
        let mut tasks = tokio::task::JoinSet::new();
        for lane in 0..lanes {
            tasks.spawn(send_lane(plan, start, lane, lanes, stop.clone()));
        }
        let mut all = histogram();
        while let Some(done) = tasks.join_next().await {
            all.add(done.context("a task of the feed")??).context("adding up latencies")?;
        }
        Ok(all)
    })
}

/// A series always uses the same connection, so that its samples arrive in order.
async fn send_lane(
    plan: Plan,
    start: Instant,
    lane: usize,
    lanes: usize,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<Histogram<u64>> {
    let mut connection = Connection::open(plan.address).await?;
    let mut latencies = histogram();
    let parts = plan.shape.requests_a_turn();
    for turn in 0.. {
        for part in (lane..parts).step_by(lanes) {
            let rows = plan.shape.rows(turn + Plan::WARM_UP_TURNS, part);
            let bytes = request(Target::Earcon, Protocol::Json, rows)?;
            let due = start + plan.every.mul_f64((turn * parts + part) as f64);
            tokio::time::sleep_until(due.into()).await;
            if stop.load(Ordering::Relaxed) {
                return Ok(latencies);
            }
            connection.must(&bytes).await?;
            latencies.saturating_record(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
    }
    Ok(latencies)
}
