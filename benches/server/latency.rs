//! Latency from the scheduled time of a post until its event arrives over a WebSocket, at a fixed
//! rate.
//!
//! It counts from the scheduled time, so that a stalled server cannot hide its latency by slowing
//! the load.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::START_MS;
use super::client::{Connection, Shape, bodies};
use super::process::Earcon;

/// One KPI a connection, so that its samples arrive in order.
const CONNECTIONS: usize = 8;
/// 200 batches of 100 samples a second.
const SHAPE: Shape = Shape { kpis: 1, series: 100, turns: CONNECTIONS };
const EVERY: Duration = Duration::from_millis(5);
const BATCHES: usize = 3_000;

pub(crate) async fn run() {
    let earcon = Earcon::start();
    let warm_up = bodies(SHAPE, START_MS, 40);
    super::post_all(&earcon.address, warm_up, 1).await;
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let follower = tokio::spawn(follow(earcon.address.clone(), arrived));
    let ready = arrivals.recv().await;
    assert!(ready.is_some(), "the subscription is answered");

    let requests = bodies(SHAPE, START_MS + 40_000, BATCHES);
    let (jobs, connections) = pool(&earcon.address, CONNECTIONS).await;
    let started = Instant::now() + Duration::from_millis(50);
    for (i, request) in requests.into_iter().enumerate() {
        tokio::time::sleep_until((started + EVERY * i as u32).into()).await;
        jobs[i % jobs.len()].send(request).expect("the connection's task lives");
    }
    let mut latencies: Vec<f64> = Vec::with_capacity(BATCHES);
    while latencies.len() < BATCHES {
        let (timestamp, at): (i64, Instant) = arrivals.recv().await.expect("the follower goes on");
        let batch = (timestamp - START_MS - 40_000) / 1_000;
        latencies.push((at - (started + EVERY * batch as u32)).as_secs_f64() * 1_000.0);
    }
    drop(jobs);
    for connection in connections {
        connection.await.expect("a connection's task ends well");
    }
    follower.abort();
    latencies.sort_by(f64::total_cmp);
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    println!(
        "post to WebSocket at 20,000 samples/s: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}

async fn pool(address: &str, size: usize) -> (Vec<mpsc::UnboundedSender<Vec<u8>>>, Vec<tokio::task::JoinHandle<()>>) {
    let (mut jobs, mut tasks) = (Vec::new(), Vec::new());
    for _ in 0..size {
        let mut connection = Connection::open(address).await;
        let (sender, mut receiver) = mpsc::unbounded_channel::<Vec<u8>>();
        jobs.push(sender);
        tasks.push(tokio::spawn(async move {
            while let Some(request) = receiver.recv().await {
                connection.post(&request).await;
            }
        }));
    }
    (jobs, tasks)
}

/// Reports the arrival of each batch's event, identified by the timestamp of its samples. First
/// reports that it follows.
async fn follow(address: String, arrived: mpsc::UnboundedSender<(i64, Instant)>) {
    let url = format!("ws://{address}/api/v1/workspaces/local/events");
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.expect("a WebSocket");
    let subscribe = r#"{"type":"subscribe","since":"live","filter":{"types":["samples"]}}"#;
    socket.send(Message::text(subscribe)).await.expect("the server takes a message");
    while let Some(Ok(message)) = socket.next().await {
        let at = Instant::now();
        let Message::Text(text) = message else { continue };
        let timestamps = match text.split_once("\"samples\":[[") {
            Some((_, rest)) => rest.split(',').next().and_then(|text| text.parse().ok()),
            None if text.contains("\"subscribed\"") => Some(0),
            None => None,
        };
        if let Some(timestamp) = timestamps
            && arrived.send((timestamp, at)).is_err()
        {
            return;
        }
    }
}
