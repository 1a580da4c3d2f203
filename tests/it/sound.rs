//! Live sound: packets, a stream that real decoders accept, and an audible spike.
//!
//! Only [`real_time`] depends on the clock. The other tests count packets.

mod decoders;
mod http;
mod real_time;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Server, Socket, eventually, noise};

/// Samples per channel in a packet of 20 ms.
const FRAME: usize = 960;

fn now_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

async fn packet(socket: &mut Socket) -> (u64, Vec<u8>) {
    loop {
        if let Message::Binary(bytes) = socket.next().await.expect("the mix goes on") {
            return (u64::from_be_bytes(bytes[..8].try_into().unwrap()), bytes[8..].to_vec());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mix_runs_only_while_a_listener_is_connected() {
    let server = Server::start_with(&[("sound.linger_seconds", json!(0))], Default::default()).await;
    server.post("a.b", &noise(now_ms() - 100_000, 100, 10.0)).await;
    assert_eq!(server.get("/mixes/default").await.1["running"], false);

    let mut socket = server.listen().await;
    let config = socket.json().await;
    assert_eq!((&config["type"], &config["sample_rate"]), (&json!("config"), &json!(48_000)));
    let (mut last, _) = packet(&mut socket).await;
    for _ in 0..100 {
        let (number, opus) = packet(&mut socket).await;
        assert!(number > last && !opus.is_empty());
        last = number;
    }
    let (_, mix) = server.get("/mixes/default").await;
    assert_eq!((&mix["running"], &mix["listeners"]), (&json!(true), &json!(1)));
    assert!(!mix["sounding"].as_array().unwrap().is_empty(), "{mix}");

    drop(socket);
    eventually("the mix stops without listeners", async || {
        (server.get("/mixes/default").await.1["running"] == false).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_listeners_hear_the_same_packets() {
    let server = Server::start().await;
    server.post("a", &noise(now_ms() - 100_000, 100, 10.0)).await;
    let (mut one, mut two) = (server.listen().await, server.listen().await);
    let mut heard = std::collections::BTreeMap::new();
    for _ in 0..30 {
        let (number, opus) = packet(&mut one).await;
        heard.insert(number, opus);
    }
    let mut shared = 0;
    for _ in 0..30 {
        let (number, opus) = packet(&mut two).await;
        if let Some(other) = heard.get(&number) {
            assert_eq!(*other, opus);
            shared += 1;
        }
    }
    assert!(shared > 10, "only {shared} packets in common");
}

#[tokio::test(flavor = "multi_thread")]
async fn mix_settings_apply_to_all_and_survive_a_restart() {
    let server = Server::start().await;
    server.post("a", &[(now_ms(), 1.0)]).await;
    let patch = async |body: serde_json::Value, revision: &str| {
        let request = server.http().patch(server.workspace_url("/mixes/default")).header("if-match", revision);
        request.json(&body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(patch(json!({"mode": "cues", "polarity": {"a": "down"}}), "\"0\"").await, 200);
    assert_eq!(patch(json!({"mode": "ambient"}), "\"0\"").await, 412, "the revision is stale");
    assert_eq!(patch(json!({"voices": 99}), "*").await, 400);
    assert_eq!(patch(json!({"volume": 1}), "*").await, 400);
    assert_eq!(server.get("/mixes/other").await.0, 404);
    let data = server.shut_down().await;
    let server = Server::start_in(data, &[], Default::default()).await;
    let (_, mix) = server.get("/mixes/default").await;
    assert_eq!((&mix["mode"], &mix["polarity"]["a"], &mix["revision"]), (&json!("cues"), &json!("down"), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn posted_spike_becomes_audible() {
    let server = Server::start().await;
    assert!(packets_until_audible(&server, 1_500).await.is_some(), "the spike is never heard");
}

/// Posts a spike and listens until the sound has become louder and its spectrum has changed.
/// Returns the number of packets until then; `None` after `most` packets.
async fn packets_until_audible(server: &Server, most: usize) -> Option<usize> {
    let now = now_ms();
    server.post("shop.orders", &noise(now - 400_000, 400, 100.0)).await;
    let mut socket = server.listen().await;
    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo).unwrap();
    let mut pcm = vec![0.0_f32; FRAME * 2];
    let mut next = async || {
        let (_, opus) = packet(&mut socket).await;
        let samples = decoder.decode_float(&opus, &mut pcm, false).unwrap();
        (0..samples).map(|i| (pcm[2 * i] + pcm[2 * i + 1]) / 2.0).collect::<Vec<f32>>()
    };
    // The bed fades in during the first three seconds.
    for _ in 0..150 {
        next().await;
    }
    let mut calm = Vec::new();
    for _ in 0..50 {
        calm.extend(next().await);
    }
    server.post("shop.orders", &[(now, 2_000.0)]).await;
    let mut after = Vec::new();
    for packets in 1..=most {
        after.extend(next().await);
        // Half a second of sound, compared every tenth of a second.
        let recent = &after[after.len().saturating_sub(25 * FRAME)..];
        let louder = 10.0 * (loudest(recent) / loudest(&calm)).log10() > 3.0;
        if packets % 5 == 0 && louder && spectral_difference(&calm, recent) > 0.2 {
            return Some(packets);
        }
    }
    None
}

/// The mean power of the loudest tenth of a second.
fn loudest(pcm: &[f32]) -> f32 {
    let power = |part: &[f32]| part.iter().map(|x| x * x).sum::<f32>() / part.len() as f32;
    pcm.chunks(FRAME * 5).map(power).fold(0.0, f32::max)
}

/// Half the L1 distance of two normalised spectra in third-octave bands from 100 Hz. 0 means equal,
/// 1 means nothing in common.
fn spectral_difference(a: &[f32], b: &[f32]) -> f32 {
    let bands: Vec<f32> = (0..18).map(|i| 100.0 * 2.0_f32.powf(i as f32 / 3.0)).collect();
    let spectrum = |pcm: &[f32]| {
        let energy: Vec<f32> =
            bands.iter().map(|hz| (0..5).map(|i| goertzel(pcm, hz * (1.0 + 0.05 * i as f32))).sum()).collect();
        let total: f32 = energy.iter().sum::<f32>().max(1e-12);
        energy.into_iter().map(move |x| x / total).collect::<Vec<_>>()
    };
    spectrum(a).iter().zip(spectrum(b)).map(|(x, y)| (x - y).abs()).sum::<f32>() / 2.0
}

/// Power at one frequency (Goertzel's algorithm), averaged over windows of 100 ms.
fn goertzel(pcm: &[f32], hz: f32) -> f32 {
    let coefficient = 2.0 * (std::f32::consts::TAU * hz / 48_000.0).cos();
    pcm.chunks_exact(4_800)
        .map(|window| {
            let (s1, s2) = window.iter().fold((0.0, 0.0), |(s1, s2), x| (x + coefficient * s1 - s2, s1));
            s1 * s1 + s2 * s2 - coefficient * s1 * s2
        })
        .sum()
}
