//! Tests of real time. They need an idle machine and are run apart from all others:
//! `cargo test --test it real_time -- --ignored --test-threads=1`.
//!
//! The pacing itself is tested on virtual time, in `actors/mix/pacing.rs`.

use std::time::{Duration, Instant};

use super::decoders::assert_decodes;
use super::{now_ms, packet, packets_until_audible};
use crate::support::{Server, noise};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "real time: needs an idle machine"]
async fn packets_arrive_every_20_ms() {
    let server = Server::start().await;
    server.post("a.b", &noise(now_ms() - 100_000, 100, 10.0)).await;
    let mut socket = server.listen().await;
    let (first, _) = packet(&mut socket).await;
    let started = Instant::now();
    let mut last = first;
    for _ in 0..100 {
        last = packet(&mut socket).await.0;
    }
    let per_packet = started.elapsed().as_secs_f64() / (last - first) as f64;
    assert!((0.015..0.030).contains(&per_packet), "{per_packet} s per packet: paced by the clock, not by the reader");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "real time: needs an idle machine"]
async fn posted_spike_is_audible_within_half_a_second() {
    let server = Server::start().await;
    assert!(packets_until_audible(&server, 25).await.is_some(), "not heard within 25 packets of 20 ms");
}

/// A minute of the stream as a radio client receives it, and a listener that joins late.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "real time: needs an idle machine, opus-tools and ffmpeg"]
async fn minute_of_the_stream_is_a_minute_of_sound() {
    const SECONDS: u64 = 61;
    const LATE_SECONDS: u64 = 5;
    let server = Server::start().await;
    server.post("a.b", &noise(now_ms() - 200_000, 200, 10.0)).await;
    let listen = async || server.http().get(server.workspace_url("/mixes/default/live.ogg")).send().await.unwrap();
    let from_the_start = tokio::spawn(listen().await.bytes());
    tokio::time::sleep(Duration::from_secs(SECONDS - LATE_SECONDS)).await;
    let joined_late = tokio::spawn(listen().await.bytes());
    tokio::time::sleep(Duration::from_secs(LATE_SECONDS)).await;
    server.shut_down().await;

    for (recording, length) in [(from_the_start, SECONDS), (joined_late, LATE_SECONDS)] {
        let stream = recording.await.unwrap().expect("the stream ends in order");
        let (decoded, expected) = (assert_decodes(&stream), length as f64);
        assert!((expected - 1.0..expected + 2.0).contains(&decoded), "{decoded} s of sound in {expected} s");
    }
}
