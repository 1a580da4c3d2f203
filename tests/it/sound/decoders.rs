//! The Ogg stream in real decoders: opusinfo, ffprobe and ffmpeg.

use std::io::{Cursor, Write};
use std::process::{Command, Output, Stdio};

use super::{FRAME, now_ms};
use crate::support::{Server, noise};

/// Packets that the first listener and the listener that joins late wait for.
const PACKETS: usize = 200;
const LATE_PACKETS: usize = 60;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs opus-tools and ffmpeg"]
async fn decoders_accept_the_stream_from_its_start_and_joined_late() {
    let server = Server::start().await;
    server.post("a.b", &noise(now_ms() - 200_000, 200, 10.0)).await;
    let listen = async || server.http().get(server.workspace_url("/mixes/default/live.ogg")).send().await.unwrap();
    let mut first = listen().await;
    assert_eq!(first.headers()["content-type"], "audio/ogg");
    assert!(first.headers().contains_key("icy-name"));
    let mut from_the_start = receive(&mut first, PACKETS).await;
    let mut late = listen().await;
    let mut joined_late = receive(&mut late, LATE_PACKETS).await;
    server.shut_down().await;

    from_the_start.extend(first.bytes().await.expect("the stream ends in order"));
    joined_late.extend(late.bytes().await.expect("the stream ends in order"));
    assert_decodes(&from_the_start);
    assert_decodes(&joined_late);
}

/// Reads until this many audio packets have arrived in whole pages.
async fn receive(response: &mut reqwest::Response, packets: usize) -> Vec<u8> {
    let mut stream = Vec::new();
    while audio_packets(&stream) < packets {
        stream.extend(response.chunk().await.unwrap().expect("the stream continues"));
    }
    stream
}

/// The number of audio packets in a stream, whose last page may be incomplete.
fn audio_packets(stream: &[u8]) -> usize {
    let mut reader = ogg::PacketReader::new(Cursor::new(stream));
    let mut packets: usize = 0;
    while let Ok(Some(_)) = reader.read_packet() {
        packets += 1;
    }
    // Two packets are headers.
    packets.saturating_sub(2)
}

/// Asserts that all decoders accept the stream without a warning, and that ffmpeg decodes every
/// packet. Returns the decoded seconds. Panics if a decoder is not installed.
pub(super) fn assert_decodes(stream: &[u8]) -> f64 {
    assert_silent(&run("opusinfo", &["-"], stream), &["WARNING", "ERROR"]);
    assert_silent(&run("ffprobe", &["-v", "warning", "-i", "-"], stream), &["[", "rror"]);
    let decode = ["-v", "error", "-i", "-", "-f", "f32le", "-ar", "48000", "-ac", "2", "pipe:1"];
    let decoded = run("ffmpeg", &decode, stream);
    assert!(decoded.status.success(), "{}", String::from_utf8_lossy(&decoded.stderr));
    // Four bytes a sample, two channels. The decoder drops the pre-skip, less than two packets.
    let frames = decoded.stdout.len() / 8;
    let sent = audio_packets(stream) * FRAME;
    assert!(frames <= sent && frames + 2 * FRAME > sent, "{frames} of {sent} samples are decoded");
    frames as f64 / 48_000.0
}

/// Runs a decoder. The argument `-` becomes the path of a file with the stream.
fn run(program: &str, args: &[&str], stream: &[u8]) -> Output {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(stream).unwrap();
    let path = file.path().to_str().unwrap();
    let args = args.iter().map(|arg| if *arg == "-" { path } else { arg });
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; `make setup-test` installs it"))
}

fn assert_silent(output: &Output, complaints: &[&str]) {
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for complaint in complaints {
        assert!(!said.contains(complaint), "{said}");
    }
}
