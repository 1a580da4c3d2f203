//! What listeners get: packets on time, a stream that real decoders accept, and a spike that can be heard.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Server, Socket, noise};

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
async fn packets_come_every_20_ms_and_only_while_somebody_listens() {
    let server = Server::start_with(&[("sound.linger_seconds", json!(0))], Default::default()).await;
    server.post("a.b", &noise(now_ms() - 100_000, 100, 10.0)).await;
    assert_eq!(server.get("/mixes/default").await.1["running"], false);

    let mut socket = server.listen().await;
    let config = socket.json().await;
    assert_eq!((&config["type"], &config["sample_rate"]), (&json!("config"), &json!(48_000)));
    let (first, _) = packet(&mut socket).await;
    let started = Instant::now();
    let mut last = first;
    for _ in 0..100 {
        let (number, opus) = packet(&mut socket).await;
        assert!(number > last && !opus.is_empty());
        last = number;
    }
    let per_packet = started.elapsed().as_secs_f64() / (last - first) as f64;
    assert!((0.015..0.030).contains(&per_packet), "{per_packet} s a packet: paced by the clock, not by the reader");
    let (_, mix) = server.get("/mixes/default").await;
    assert_eq!((&mix["running"], &mix["listeners"]), (&json!(true), &json!(1)));
    assert!(!mix["sounding"].as_array().unwrap().is_empty(), "{mix}");

    drop(socket);
    crate::support::eventually("the mix stops when nobody listens", async || {
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
async fn settings_change_for_everybody_and_survive_a_restart() {
    let server = Server::start().await;
    server.post("a", &[(now_ms(), 1.0)]).await;
    let patch = async |body: serde_json::Value, revision: &str| {
        let request = server.http().patch(server.workspace_url("/mixes/default")).header("if-match", revision);
        request.json(&body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(patch(json!({"mode": "cues", "polarity": {"a": "down"}}), "\"0\"").await, 200);
    assert_eq!(patch(json!({"mode": "ambient"}), "\"0\"").await, 412, "somebody else changed it first");
    assert_eq!(patch(json!({"voices": 99}), "*").await, 400);
    assert_eq!(patch(json!({"volume": 1}), "*").await, 400);
    assert_eq!(server.get("/mixes/other").await.0, 404);
    let data = server.shut_down().await;
    let server = Server::start_in(data, &[], Default::default()).await;
    let (_, mix) = server.get("/mixes/default").await;
    assert_eq!((&mix["mode"], &mix["polarity"]["a"], &mix["revision"]), (&json!("cues"), &json!("down"), &json!(1)));
}

/// A minute of the stream as a radio client hears it, and a listener who joins late; both until the server says goodbye.
#[tokio::test(flavor = "multi_thread")]
async fn decoders_accept_the_stream_without_a_warning() {
    let server = Server::start().await;
    server.post("a.b", &noise(now_ms() - 200_000, 200, 10.0)).await;
    let (seconds, late_seconds) = if std::env::var_os("CI").is_some() { (61, 5) } else { (8, 3) };
    let listen = async || server.http().get(server.workspace_url("/mixes/default/live.ogg")).send().await.unwrap();
    let response = listen().await;
    assert_eq!(response.headers()["content-type"], "audio/ogg");
    assert!(response.headers().contains_key("icy-name"));
    let from_the_start = tokio::spawn(response.bytes());
    tokio::time::sleep(Duration::from_secs(seconds - late_seconds)).await;
    let joined_late = tokio::spawn(listen().await.bytes());
    tokio::time::sleep(Duration::from_secs(late_seconds)).await;
    server.shut_down().await;

    for (recording, length) in [(from_the_start, seconds), (joined_late, late_seconds)] {
        let stream = recording.await.unwrap().expect("the stream ends as it should");
        check_with("opusinfo", &["-"], &stream, &["WARNING", "ERROR"]);
        check_with("ffprobe", &["-v", "warning", "-i", "-"], &stream, &["[", "rror"]);
        if let Some(pcm) = decode(&stream) {
            let decoded = pcm.len() as f64 / 2.0 / 48_000.0;
            let expected = length as f64;
            assert!((expected - 1.0..expected + 2.0).contains(&decoded), "{decoded} s of sound in {expected} s");
        }
    }
}

/// Runs a checker on the stream; skips with a line when it is not installed (CI installs it).
fn check_with(program: &str, args: &[&str], stream: &[u8], complaints: &[&str]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().write_all(stream).unwrap();
    let path = file.path().to_str().unwrap();
    let args: Vec<_> = args.iter().map(|arg| if *arg == "-" { path } else { arg }).collect();
    let Ok(output) = Command::new(program).args(args).output() else {
        assert!(std::env::var_os("CI").is_none(), "{program} must be installed in CI");
        eprintln!("skipped: {program} is not installed");
        return;
    };
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for complaint in complaints {
        assert!(!said.contains(complaint), "{program} complains:\n{said}");
    }
}

fn decode(stream: &[u8]) -> Option<Vec<f32>> {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-i", "-", "-f", "f32le", "-ar", "48000", "-ac", "2", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take()?;
    let stream = stream.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&stream));
    let output = child.wait_with_output().ok()?;
    writer.join().ok()?.ok()?;
    Some(output.stdout.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect())
}

/// Posts a spike and listens: within half a second the sound has become louder and its spectrum another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_posted_spike_is_heard_within_half_a_second() {
    let server = Server::start().await;
    let now = now_ms();
    server.post("shop.orders", &noise(now - 400_000, 400, 100.0)).await;
    let mut socket = server.listen().await;
    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo).unwrap();
    let mut pcm = vec![0.0_f32; FRAME * 2];
    let mut heard: Vec<f32> = Vec::new();
    let mut listen_for = async |frames: usize, heard: &mut Vec<f32>, socket: &mut Socket| {
        for _ in 0..frames {
            let (_, opus) = packet(socket).await;
            let samples = decoder.decode_float(&opus, &mut pcm, false).unwrap();
            heard.extend((0..samples).map(|i| (pcm[2 * i] + pcm[2 * i + 1]) / 2.0));
        }
    };
    // The bed needs a moment to fade in.
    listen_for(150, &mut heard, &mut socket).await;
    heard.clear();
    listen_for(50, &mut heard, &mut socket).await;
    let calm = heard.clone();
    server.post("shop.orders", &[(now, 2_000.0)]).await;
    heard.clear();
    listen_for(25, &mut heard, &mut socket).await;
    let after = heard;

    let loudest = |pcm: &[f32]| {
        pcm.chunks(FRAME * 5)
            .map(|part| part.iter().map(|x| x * x).sum::<f32>() / part.len() as f32)
            .fold(0.0, f32::max)
    };
    let gain_db = 10.0 * (loudest(&after) / loudest(&calm)).log10();
    assert!(gain_db > 3.0, "the spike raised the loudest tenth of a second by only {gain_db:.1} dB");
    let difference = spectral_difference(&calm, &after);
    assert!(difference > 0.2, "the spectrum changed by only {difference:.2}");
}

/// Half the L1 distance of two normalised spectra in third-octave bands from 100 Hz: 0 the same, 1 nothing in common.
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
