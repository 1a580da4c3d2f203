//! Experiments with detectors: shadow, canary, promotion, rollback.

mod promotion;
mod rollback;
mod training;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Socket;

const START: i64 = 1_767_225_600_000;
const KPIS: [&str; 2] = ["a.x", "b.x"];

/// A policy with limits that only a gross fault breaks. The test alone changes the stage.
fn patient() -> Value {
    json!({
        "limits": {"alerts_per_10k": 10_000, "cost_ratio": 10_000, "p99_us": 1_000_000},
        "shares": [100], "stage_seconds": 7_776_000, "stage_samples": 1,
    })
}

/// Samples `from` to `to` of every KPI: noise with spikes, each higher than all before.
fn body(from: usize, to: usize) -> Value {
    let mut rows = Vec::new();
    for kpi in KPIS {
        for i in from..to {
            let noise = ((i * 7_919 + kpi.len()) % 101) as f64 / 50.0;
            let value = if i % 250 == 249 { 100.0 * 4f64.powi((i / 250) as i32) } else { 10.0 + noise };
            rows.push(json!({"kpi": kpi, "timestamp": START + i as i64 * 1_000, "value": value}));
        }
    }
    json!({"samples": rows})
}

/// As `eventually`, with two minutes: evidence is stored every few seconds.
async fn in_time<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    for _ in 0..1_200 {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never happened: {what}");
}

/// Reads until the detectors of `count` KPIs have changed; returns the data of the changes.
async fn changes(socket: &mut Socket, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    while found.len() < count {
        found.push(socket.until("detector.changed").await["data"].clone());
    }
    found
}
