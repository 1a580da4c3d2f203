use std::path::Path;
use std::process::{Command, Output};

use ogg::reading::PacketReader;

use super::*;
use crate::demo_timeline::DemoTimeline;
use crate::{Encoder, FRAME_SAMPLES, Frame, Renderer};
use bytes::Bytes;

/// The packets of `seconds` of an eventful mix.
fn packets(seconds: u32) -> (Vec<Bytes>, u16) {
    let (mut timeline, mut renderer, mut encoder) = (DemoTimeline::new(), Renderer::new(1), Encoder::new().unwrap());
    let mut frame: Frame = [0.0; FRAME_SAMPLES * 2];
    let frames = seconds * 50;
    let encode = |_| {
        renderer.render(&timeline.next_scene(), &mut frame);
        encoder.encode(&frame).unwrap()
    };
    ((0..frames).map(encode).collect(), Encoder::new().unwrap().pre_skip().unwrap())
}

fn stream(packets: &[Bytes], pre_skip: u16, joined_at: u64) -> Vec<u8> {
    let (mut listener, headers) = ListenerStream::begin(0xEA4C04, pre_skip, joined_at);
    let (mut pages, mut bytes) = (Pages::default(), headers.to_vec());
    for (number, packet) in (joined_at / FRAME_SAMPLES as u64..).zip(packets) {
        let page = pages.push(number, packet.clone(), 2);
        bytes.extend(page.map(|page| listener.write(&page)).into_iter().flatten());
    }
    bytes.extend(pages.finish().map(|page| listener.write(&page)).into_iter().flatten());
    bytes
}

/// Header fields of every page: sequence number, flags, granule position.
fn pages(mut bytes: &[u8]) -> Vec<(u32, u8, u64)> {
    let mut pages = Vec::new();
    while !bytes.is_empty() {
        assert_eq!(&bytes[..5], b"OggS\0");
        let granule = u64::from_le_bytes(bytes[6..14].try_into().unwrap());
        pages.push((u32::from_le_bytes(bytes[18..22].try_into().unwrap()), bytes[5], granule));
        let segments = usize::from(bytes[26]);
        let body: usize = bytes[27..27 + segments].iter().map(|lace| usize::from(*lace)).sum();
        bytes = &bytes[27 + segments + body..];
    }
    pages
}

fn fake_packets(count: u8) -> Vec<Bytes> {
    (0..count).map(|i| Bytes::from(vec![0xFC, i, 1, 2])).collect()
}

#[test]
fn packets_arrive_once_and_in_order() {
    for count in 0..8 {
        let sent = fake_packets(count);
        let mut reader = PacketReader::new(std::io::Cursor::new(stream(&sent, 312, 0)));
        let mut got = Vec::new();
        while let Some(packet) = reader.read_packet().unwrap() {
            got.push(Bytes::from(packet.data));
        }
        assert!(got[0].starts_with(b"OpusHead") && got[1].starts_with(b"OpusTags"));
        assert_eq!(got[2..], sent);
    }
}

#[test]
fn pages_count_from_zero_and_the_last_ends_the_stream() {
    let pages = pages(&stream(&fake_packets(7), 312, 0));
    let numbers: Vec<u32> = pages.iter().map(|page| page.0).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    let flags: Vec<u8> = pages.iter().map(|page| page.1).collect();
    assert_eq!(flags, [2, 0, 0, 0, 0, 4], "beginning and end of stream, nothing continued");
    let granules: Vec<u64> = pages.iter().map(|page| page.2).collect();
    assert_eq!(granules, [0, 0, 1_920, 3_840, 5_760, 6_720]);
}

#[test]
fn late_listener_starts_at_the_current_position() {
    let pages = pages(&stream(&fake_packets(4), 312, 480_000));
    let places: Vec<(u32, u64)> = pages.iter().map(|page| (page.0, page.2)).collect();
    assert_eq!(places, [(0, 0), (1, 0), (2, 481_920), (3, 483_840)]);
}

#[test]
fn empty_stream_has_no_last_page() {
    assert!(Pages::default().finish().is_none());
}

#[test]
fn large_packets_end_a_page_early() {
    let sent: Vec<Bytes> = (0..9).map(|i| vec![i; 20_000 + usize::from(i)].into()).collect();
    let mut pages = Pages::default();
    let (mut listener, headers) = ListenerStream::begin(1, 0, 0);
    let mut bytes = headers.to_vec();
    for (number, packet) in sent.iter().enumerate() {
        bytes.extend(
            pages.push(number as u64, packet.clone(), 50).map(|page| listener.write(&page)).into_iter().flatten(),
        );
    }
    bytes.extend(pages.finish().map(|page| listener.write(&page)).into_iter().flatten());
    let mut reader = PacketReader::new(std::io::Cursor::new(bytes));
    let headers = [reader.read_packet().unwrap(), reader.read_packet().unwrap()];
    assert!(headers.iter().all(Option::is_some));
    for packet in sent {
        assert_eq!(reader.read_packet().unwrap().unwrap().data, packet);
    }
}

/// Runs a decoder. Panics if it is not installed.
fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; `make setup-test` installs it"))
}

fn output_text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
#[ignore = "needs opus-tools and ffmpeg"]
fn decoders_accept_whole_and_joined_streams_without_warning() {
    let directory = tempfile::tempdir().unwrap();
    let (packets, pre_skip) = packets(62);
    let late = 2_001;
    let whole = stream(&packets, pre_skip, 0);
    let joined = stream(&packets[late..], pre_skip, (late * FRAME_SAMPLES) as u64);
    for (name, bytes, sent) in [("whole", whole, packets.len()), ("joined", joined, packets.len() - late)] {
        let file = directory.path().join(format!("{name}.ogg"));
        std::fs::write(&file, bytes).unwrap();
        assert_decoders_accept(&file, sent as f64 * 0.02);
    }
}

fn assert_decoders_accept(file: &Path, seconds: f64) {
    let (ogg, wav) = (file.to_string_lossy(), file.with_extension("wav"));
    let output = run("opusinfo", &[&ogg]);
    let info = output_text(&output);
    assert!(output.status.success() && !info.to_lowercase().contains("warning"), "{info}");
    assert!(info.contains("earcon"), "the vendor is named: {info}");
    let output = run("ffprobe", &["-v", "warning", &ogg]);
    assert!(output.status.success() && output_text(&output).is_empty(), "{}", output_text(&output));
    let output = run("ffmpeg", &["-v", "warning", "-i", &ogg, "-f", "null", "-"]);
    assert!(output.status.success() && output_text(&output).is_empty(), "{}", output_text(&output));
    let output = run("opusdec", &["--quiet", "--force-wav", &ogg, &wav.to_string_lossy()]);
    assert!(output.status.success(), "{}", output_text(&output));
    let decoded = std::fs::metadata(&wav).unwrap().len() as f64 / (48_000.0 * 4.0);
    assert!((decoded - seconds).abs() < 0.1, "{decoded} of {seconds} seconds");
}
