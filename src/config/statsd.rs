//! `[statsd]`: the UDP listener for StatsD lines.

use std::net::SocketAddr;
use std::time::Duration;

use super::problem::Problem;
use super::reader::Reader;
use earcon_model::WorkspaceId;

/// StatsD over UDP.
#[derive(Debug, Clone, PartialEq)]
pub struct Statsd {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The workspace that gets the samples.
    pub workspace: WorkspaceId,
    /// Time after which the aggregates become samples.
    pub flush_every: Duration,
    /// Most distinct series.
    pub max_series: usize,
}

/// Reads the section. `None` without an address.
pub(super) fn statsd(read: &mut Reader) -> Option<Statsd> {
    let listen = read.optional("statsd.listen");
    let workspace = read.text("statsd.workspace");
    let flush_every = read.seconds("statsd.flush_seconds", 1, 3_600);
    let max_series = read.number("statsd.max_series", 1, 1_000_000) as usize;
    let workspace = WorkspaceId::new(&workspace).map_err(|error| {
        if !workspace.is_empty() {
            read.problem("statsd.workspace", error.to_string());
        }
    });
    let listen = listen?.parse().map_err(|_| {
        read.problem("statsd.listen", "must be an address such as \"127.0.0.1:8125\", or \"\" for none".into());
    });
    Some(Statsd { listen: listen.ok()?, workspace: workspace.ok()?, flush_every, max_series })
}

/// Refuses addresses beyond loopback, because StatsD has no authentication.
pub(super) fn check(statsd: &Statsd, problems: &mut Vec<Problem>) {
    if !statsd.listen.ip().is_loopback() {
        let message = format!(
            "{} can be reached from other machines, but StatsD has no authentication; \
             use a loopback address such as 127.0.0.1",
            statsd.listen
        );
        problems.push(Problem { key: "statsd.listen".into(), message });
    }
}
