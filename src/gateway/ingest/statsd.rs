//! StatsD over UDP. Packets are taken without an answer, so what is refused is counted and named in the log; lines and windows
//! are `intake::statsd`'s, and what they become goes in through the same door as every request.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::gateway::http::log_limit::LogLimit;
use crate::gateway::http::state::Gateway;
use crate::telemetry::{Metric, count};
use earcon_intake::statsd::{Aggregator, PacketSummary};
use earcon_model::{Arrival, KpiBatch, WorkspaceId};
use earcon_tenancy::WorkspacePass;

/// The largest UDP packet.
const PACKET: usize = 65_536;
/// Packets taken together before anything else has its turn.
const TOGETHER: usize = 256;
/// Packets taken at the end: more than a socket's buffer holds.
const LAST: usize = 100_000;
/// How long samples wait for a door that is closed or a log that is away, before they are given up.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);

/// Where it listens, and what becomes of what it hears.
#[derive(Debug, Clone)]
pub struct StatsdSettings {
    /// The address.
    pub listen: SocketAddr,
    /// The workspace that gets the samples.
    pub workspace: WorkspaceId,
    /// How often what was counted becomes samples.
    pub flush_every: Duration,
    /// Series told apart.
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
    pub async fn start(gateway: Gateway, settings: &StatsdSettings) -> io::Result<Self> {
        let socket = UdpSocket::bind(settings.listen).await?;
        let address = socket.local_addr()?;
        let now = Instant::now();
        let edge = Edge {
            pass: gateway.access.system(&settings.workspace),
            gateway,
            aggregator: Aggregator::new(settings.max_series),
            flushed: now,
            delivery: None,
            complaints: LogLimit::over("StatsD"),
        };
        let task = tokio::spawn(edge.serve(socket, settings.flush_every));
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until what had come in before the gateway's shutdown is delivered.
    pub async fn finish(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the StatsD listener failed");
        }
    }
}

struct Edge {
    gateway: Gateway,
    pass: WorkspacePass,
    aggregator: Aggregator,
    /// When the window began.
    flushed: Instant,
    /// The samples of the window before, on their way. One at a time, so that they arrive in order.
    delivery: Option<JoinHandle<Result<(), String>>>,
    complaints: LogLimit,
}

impl Edge {
    async fn serve(mut self, socket: UdpSocket, flush_every: Duration) {
        let mut buffer = vec![0; PACKET];
        let mut flush = interval_at(self.flushed + flush_every, flush_every);
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let gateway = self.gateway.clone();
        let shutdown = gateway.shutting_down();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                readable = socket.readable() => match readable {
                    Ok(()) => self.receive(&mut buffer, TOGETHER, |buffer| socket.try_recv_from(buffer)),
                    Err(error) => {
                        self.complaints.refused("the socket", &error.to_string());
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                _ = flush.tick() => {
                    // While the samples before are on their way the window grows; its length is measured.
                    if self.delivery.as_ref().is_none_or(JoinHandle::is_finished) {
                        self.delivered().await;
                        self.deliver();
                    }
                }
                () = &mut shutdown => break,
            }
        }
        // What was sent before the shutdown is in the socket's buffer, which is bounded. The system is asked itself: the
        // runtime may not have heard of it yet.
        match socket.into_std() {
            Ok(socket) => self.receive(&mut buffer, LAST, |buffer| socket.recv_from(buffer)),
            Err(error) => self.complaints.refused("the socket", &error.to_string()),
        }
        self.delivered().await;
        self.deliver();
        self.delivered().await;
    }

    /// Takes up to `most` packets that are there.
    fn receive(&mut self, buffer: &mut [u8], most: usize, next: impl Fn(&mut [u8]) -> io::Result<(usize, SocketAddr)>) {
        for _ in 0..most {
            match next(buffer) {
                Ok((length, peer)) => self.take(&buffer[..length], peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Such as the word that a packet of ours was not wanted: there is none.
                Err(error) => return self.complaints.refused("the socket", &error.to_string()),
            }
        }
    }

    fn take(&mut self, packet: &[u8], peer: SocketAddr) {
        if let Err(denied) = self.gateway.access.admit(peer.ip(), self.pass.workspace()) {
            count(Metric::StatsdRefused, 1);
            return self.complaints.refused(&peer.to_string(), &denied.to_string());
        }
        let PacketSummary { lines, rejected, first_error } = self.aggregator.ingest(packet);
        count(Metric::StatsdLines, lines.into());
        count(Metric::StatsdRefused, rejected.into());
        if let Some(error) = first_error {
            self.complaints.refused(&peer.to_string(), &error);
        }
    }

    fn deliver(&mut self) {
        let now = Instant::now();
        let seconds = (now - std::mem::replace(&mut self.flushed, now)).as_secs_f64();
        let batches = self.aggregator.flush(self.gateway.clock.now_ms(), seconds);
        if !batches.is_empty() {
            self.delivery = Some(tokio::spawn(deliver(self.gateway.clone(), self.pass.clone(), batches)));
        }
    }

    /// Waits for the samples that are on their way.
    async fn delivered(&mut self) {
        let Some(delivery) = self.delivery.take() else { return };
        let why = match delivery.await {
            Ok(Ok(())) => return,
            Ok(Err(why)) => why,
            Err(error) => error.to_string(),
        };
        self.complaints.refused("a flush", &why);
    }
}

/// Commits samples, piece by piece. What is wrong with some of them, or why the rest was given up.
async fn deliver(gateway: Gateway, pass: WorkspacePass, batches: Vec<KpiBatch>) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let mut refused = None;
    for piece in pieces(batches, gateway.limits.max_batch_samples) {
        let receipt = loop {
            match gateway.directory.ingest(&pass, piece.clone(), Arrival::Live).await {
                // A stream that failed takes them the second time; those already there replace themselves.
                Ok((receipt, _)) if receipt.failed == 0 || Instant::now() >= deadline => break receipt,
                Ok(_) => {}
                Err(error) if Instant::now() >= deadline || !error.may_pass() => {
                    return Err(format!("samples were given up: {error}"));
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        };
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
            let series = (0..count).map(|i| SeriesBatch::gauge(labels(i), Vec::new())).collect();
            KpiBatch { kpi: KpiName::new(name).unwrap(), series }
        };
        let pieces = pieces(vec![batch("a", 3), batch("b", 12), batch("c", 1)], 5);
        let sizes: Vec<usize> = pieces.iter().map(|piece| piece.iter().map(|batch| batch.series.len()).sum()).collect();
        assert_eq!(sizes, [5, 5, 5, 1]);
        let names: Vec<_> = pieces.iter().flatten().map(|batch| batch.kpi.as_str()).collect();
        assert_eq!(names, ["a", "b", "b", "b", "c"]);
    }
}
