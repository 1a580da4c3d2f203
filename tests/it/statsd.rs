//! StatsD over UDP: a bad line affects no other line, and a shutdown stores all counts.

use std::net::UdpSocket;

use serde_json::{Value, json};

use crate::support::{Server, eventually};

fn settings(flush_seconds: u32) -> Vec<(&'static str, Value)> {
    vec![("statsd.listen", json!("127.0.0.1:0")), ("statsd.flush_seconds", json!(flush_seconds))]
}

fn send(server: &Server, packet: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    // On the loopback interface the packet is in the receiver's buffer when `send_to` returns.
    assert_eq!(socket.send_to(packet.as_bytes(), server.statsd_address()).unwrap(), packet.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn statsd_lines_become_samples_of_the_workspace() {
    let server = Server::start_with(&settings(1), Default::default()).await;
    let line = "checkout.paid:5|c|#region:eu\nnonsense\nqueue:7|g\nqueue:+3|g\npage:10:20|ms\nusers:ann|s";
    send(&server, line);
    let last = async |kpi: &str| {
        let (status, answer) = server.get(&format!("/kpis/{kpi}")).await;
        (status == 200).then(|| answer["series"][0].clone()).filter(|series| series["value"].is_number())
    };
    let queue = eventually("the gauge is there", async || last("queue").await).await;
    assert_eq!(queue["value"], 10.0);
    for (kpi, value) in
        [("users", 1.0), ("page.count", 2.0), ("page.mean", 15.0), ("page.p50", 10.0), ("page.p99", 20.0)]
    {
        let series = eventually("all of the flush is there", async || last(kpi).await).await;
        assert_eq!(series["value"], value, "{kpi}");
    }
    let paid = eventually("the counter is there", async || last("checkout.paid").await).await;
    assert_eq!(paid["labels"], json!({"region": "eu"}));
    // The rate of the first window, or zero if a second window is over already.
    assert!(paid["value"].as_f64().unwrap() >= 0.0);
    assert!(server.metric("earcon_statsd_refused_total").await >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn statsd_counts_before_a_shutdown_are_stored() {
    let server = Server::start_with(&settings(3_600), Default::default()).await;
    for _ in 0..10 {
        send(&server, "queue:+2|g");
    }
    let data = server.shut_down().await;
    let server = Server::start_in(data, &[], Default::default()).await;
    let (_, answer) = server.get("/kpis/queue").await;
    assert_eq!(answer["series"][0]["value"], 20.0, "{answer}");
}
