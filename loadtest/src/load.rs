//! One module per kind of load. Each starts its target, loads it, and reports.

pub(crate) mod audio;
pub(crate) mod churn;
mod cues;
mod feed;
pub(crate) mod ingest;
pub(crate) mod latency;
mod publisher;
pub(crate) mod soak;
pub(crate) mod websocket;

use std::net::SocketAddr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;

use crate::net::http::{self, Connection};
use crate::report::{Better, Report};
use crate::scenario::{Load, Scenario};
use crate::server::{Programs, Target};
use crate::usage;

/// Runs a scenario on one target.
pub(crate) async fn run(scenario: &Scenario, target: Target, programs: &Programs) -> anyhow::Result<Report> {
    let name = &scenario.name;
    match &scenario.load {
        Load::Websocket(load) => websocket::run(name, load, target, programs).await,
        Load::Audio(load) => audio::run(name, load, target, programs).await,
        Load::Ingest(load) => ingest::run(name, load, target, programs).await,
        Load::Churn(load) => churn::run(name, load, target, programs).await,
        Load::Latency(load) => latency::run(name, load, target, programs).await,
        Load::Soak(load) => soak::run(name, load, target, programs).await,
    }
}

/// CPU time of server and client since its start.
pub(crate) struct Meter {
    pid: u32,
    began: Instant,
    server: f64,
    client: f64,
}

impl Meter {
    /// Starts to measure the CPU time of the server `pid` and of this process.
    pub(crate) fn start(pid: u32) -> anyhow::Result<Self> {
        let (server, client) = (usage::cpu_seconds(pid)?, usage::cpu_seconds(std::process::id())?);
        Ok(Self { pid, began: Instant::now(), server, client })
    }

    /// CPU seconds of the server since the start. Never zero, because it is used as a divisor.
    pub(crate) fn server_seconds(&self) -> anyhow::Result<f64> {
        Ok((usage::cpu_seconds(self.pid)? - self.server).max(0.01))
    }

    /// Adds wall time, the server's CPU time and the client's load. Warns if the client may have
    /// been the limit.
    pub(crate) fn report(&self, report: &mut Report, client_threads: usize) -> anyhow::Result<f64> {
        let (wall, server) = (self.began.elapsed().as_secs_f64(), self.server_seconds()?);
        let client = usage::cpu_seconds(std::process::id())? - self.client;
        report.add("duration", "s", wall, Better::Neither);
        report.add("server CPU", "s", server, Better::Lower);
        report.add("client CPU", "s", client, Better::Neither);
        let busy = client / wall / client_threads as f64;
        if busy > 0.85 {
            report.note(format!(
                "the client's threads were busy for {:.0} % of the time and may be the limit",
                busy * 100.0
            ));
        }
        Ok(server)
    }
}

/// Runs `work` on a separate thread, so that this one can handle signals.
async fn on_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let run = move || {
        let _unused = sender.send(work()).is_err();
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run).context("a thread")?;
    receiver.await.context("a thread panicked")?
}

/// Milliseconds since the Unix epoch.
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// The sum of a counter over all its labels, from the server's `/metrics`.
async fn server_counter(address: SocketAddr, name: &str) -> anyhow::Result<f64> {
    let mut connection = Connection::open(address).await?;
    let text = connection.must(&http::get("/metrics")).await.context("asking for metrics")?;
    Ok(sum_of(&String::from_utf8_lossy(text), name))
}

fn sum_of(metrics: &str, name: &str) -> f64 {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with([' ', '{']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    });
    values.sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn counter_is_summed_over_its_labels() {
        let text = "# TYPE a counter\na{x=\"1\"} 2\na{x=\"2\"} 3\nab 7\nb 9\n";
        assert_eq!(super::sum_of(text, "a"), 5.0);
    }
}
