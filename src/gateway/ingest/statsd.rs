//! StatsD over UDP. Packets get no answer, so refusals are counted and logged.
//!
//! `earcon_intake::statsd` parses lines and aggregates windows. The resulting samples are committed
//! like those of every other protocol.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::commit::{RetryLimits, submit_with_retry};
use super::state::IngestState;
use crate::gateway::http::log_limit::LogLimit;
use crate::telemetry::{Metric, count};
use earcon_intake::ParsedBatch;
use earcon_intake::statsd::{Aggregator, PacketSummary};
use earcon_model::{Arrival, KpiBatch, WorkspaceId};
use earcon_tenancy::WorkspacePass;

/// The largest UDP packet.
const PACKET: usize = 65_536;
/// Most packets read in a row before other work has its turn.
const READ_AT_ONCE: usize = 256;
/// Most packets read at the end: more than a socket's buffer holds.
const READ_AT_END: usize = 100_000;
/// How long samples wait while the workspace takes nothing, before they are dropped.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);
/// Pause after an error of the socket.
const PAUSE: Duration = Duration::from_millis(500);

/// The address, and how lines become samples.
#[derive(Debug, Clone)]
pub struct StatsdSettings {
    /// The address.
    pub listen: SocketAddr,
    /// The workspace that gets the samples.
    pub workspace: WorkspaceId,
    /// How often the aggregated values become samples.
    pub flush_every: Duration,
    /// Most series of a window.
    pub max_series: usize,
}

/// The running listener.
pub struct StatsdGateway {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl StatsdGateway {
    /// Binds and begins to listen.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(crate) async fn start(state: IngestState, settings: &StatsdSettings) -> io::Result<Self> {
        let socket = UdpSocket::bind(settings.listen).await?;
        let address = socket.local_addr()?;
        let now = Instant::now();
        let listener = Listener {
            pass: state.access.system(&settings.workspace),
            state,
            aggregator: Aggregator::new(settings.max_series),
            flushed: now,
            delivery: None,
            log: LogLimit::over("StatsD"),
        };
        let task = tokio::spawn(listener.serve(socket, settings.flush_every));
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until everything received before the shutdown is delivered.
    pub async fn finish(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the StatsD listener failed");
        }
    }
}

struct Listener {
    state: IngestState,
    pass: WorkspacePass,
    aggregator: Aggregator,
    /// When the window began.
    flushed: Instant,
    /// The pending samples of the window before. One window at a time, so that they arrive in
    /// order.
    delivery: Option<JoinHandle<Result<(), String>>>,
    log: LogLimit,
}

impl Listener {
    async fn serve(mut self, socket: UdpSocket, flush_every: Duration) {
        let mut buffer = vec![0; PACKET];
        let mut flush = interval_at(self.flushed + flush_every, flush_every);
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let state = self.state.clone();
        let shutdown = state.shutting_down();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                readable = socket.readable() => match readable {
                    Ok(()) => self.receive(&mut buffer, READ_AT_ONCE, |buffer| socket.try_recv_from(buffer)),
                    Err(error) => {
                        self.log.refused("the socket", &error.to_string());
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                _ = flush.tick() => {
                    // The window grows while the samples of the one before are pending; its length
                    // is measured.
                    if self.delivery.as_ref().is_none_or(JoinHandle::is_finished) {
                        self.delivered().await;
                        self.deliver();
                    }
                }
                () = &mut shutdown => break,
            }
        }
        // Packets from before the shutdown are in the socket's buffer, which is bounded. They are
        // read from the system directly, because the runtime may not have seen them yet.
        match socket.into_std() {
            Ok(socket) => self.receive(&mut buffer, READ_AT_END, |buffer| socket.recv_from(buffer)),
            Err(error) => self.log.refused("the socket", &error.to_string()),
        }
        self.delivered().await;
        self.deliver();
        self.delivered().await;
    }

    /// Reads up to `most` packets that have arrived.
    fn receive(&mut self, buffer: &mut [u8], most: usize, next: impl Fn(&mut [u8]) -> io::Result<(usize, SocketAddr)>) {
        for _ in 0..most {
            match next(buffer) {
                Ok((length, peer)) => self.ingest(&buffer[..length], peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // For example an ICMP error for a packet of ours; none is sent.
                Err(error) => return self.log.refused("the socket", &error.to_string()),
            }
        }
    }

    fn ingest(&mut self, packet: &[u8], peer: SocketAddr) {
        // Datagrams carry no credentials.
        if !peer.ip().to_canonical().is_loopback() {
            count(Metric::StatsdRefused, 1);
            return self.log.refused(&peer.to_string(), "only datagrams of this machine are accepted");
        }
        let PacketSummary { lines, rejected, first_error } = self.aggregator.ingest(packet);
        count(Metric::StatsdLines, lines.into());
        count(Metric::StatsdRefused, rejected.into());
        if let Some(error) = first_error {
            self.log.refused(&peer.to_string(), &error);
        }
    }

    fn deliver(&mut self) {
        let now = Instant::now();
        let seconds = (now - std::mem::replace(&mut self.flushed, now)).as_secs_f64();
        let batches = self.aggregator.flush(self.state.clock.now_ms(), seconds);
        if !batches.is_empty() {
            self.delivery = Some(tokio::spawn(deliver(self.state.clone(), self.pass.clone(), batches)));
        }
    }

    /// Waits for the pending samples.
    async fn delivered(&mut self) {
        let Some(delivery) = self.delivery.take() else { return };
        let why = match delivery.await {
            Ok(Ok(())) => return,
            Ok(Err(why)) => why,
            Err(error) => error.to_string(),
        };
        self.log.refused("a flush", &why);
    }
}

/// Commits samples, piece by piece.
///
/// # Errors
/// Why some samples were refused, or why the rest was dropped.
async fn deliver(state: IngestState, pass: WorkspacePass, batches: Vec<KpiBatch>) -> Result<(), String> {
    let give_up_at = Instant::now() + GIVE_UP_AFTER;
    let mut refused = None;
    for piece in pieces(batches, state.max_batch_samples) {
        let parsed = ParsedBatch { batches: piece, ..ParsedBatch::default() };
        let give_up_after = give_up_at.saturating_duration_since(Instant::now());
        let retry = RetryLimits { give_up_after, until_shutdown: false };
        let submitted = submit_with_retry(&state, &pass, parsed, Arrival::Live, retry).await;
        let receipt = submitted.map_err(|why| format!("samples were dropped: {why}"))?.receipt;
        count(Metric::StatsdRefused, receipt.rejected.len() as u64 + receipt.failed);
        if let Some(first) = receipt.rejected.first() {
            refused.get_or_insert_with(|| first.error.clone());
        }
    }
    refused.map_or(Ok(()), |first| Err(format!("some samples were not taken, the first: {first}")))
}

/// Cuts batches, whose series have a row or none, so that each piece has at most `most` of them.
fn pieces(batches: Vec<KpiBatch>, most: usize) -> Vec<Vec<KpiBatch>> {
    let mut pieces = vec![Vec::new()];
    let mut room = most;
    for KpiBatch { kpi, mut series } in batches {
        while !series.is_empty() {
            if room == 0 {
                pieces.push(Vec::new());
                room = most;
            }
            let rest = series.split_off(room.min(series.len()));
            room -= series.len();
            if let Some(piece) = pieces.last_mut() {
                piece.push(KpiBatch { kpi: kpi.clone(), series });
            }
            series = rest;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::{KpiName, Labels, SeriesBatch};

    #[test]
    fn pieces_have_at_most_so_many_series_and_lose_none() {
        let batch = |name: &str, count: usize| {
            let labels = |i| Labels::parse(&format!("s:{i}")).unwrap();
            let series = (0..count).map(|i| SeriesBatch::gauge(labels(i), None)).collect();
            KpiBatch { kpi: KpiName::new(name).unwrap(), series }
        };
        let pieces = pieces(vec![batch("a", 3), batch("b", 12), batch("c", 1)], 5);
        let sizes: Vec<usize> = pieces.iter().map(|piece| piece.iter().map(|batch| batch.series.len()).sum()).collect();
        assert_eq!(sizes, [5, 5, 5, 1]);
        let names: Vec<_> = pieces.iter().flatten().map(|batch| batch.kpi.as_str()).collect();
        assert_eq!(names, ["a", "b", "b", "b", "c"]);
    }
}
