//! Sound over NATS.

use std::time::Duration;

use earcon::app::Overrides;
use serde_json::json;

use crate::support::nats::{NatsServer, header};
use crate::support::{Server, eventually, noise};

const LISTEN: &str = "earcon.v1.default.local.audio.default.listen";

fn now_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn sound_is_published_while_requested_and_ends_after() {
    let nats = NatsServer::start().await;
    let server = Server::start_with(&nats.settings(), Overrides::default()).await;
    server.post("shop.orders", &noise(now_ms() - 200_000, 200, 100.0)).await;
    let client = nats.client().await;
    let mut packets = client.follow("earcon.v1.default.local.audio.default").await;
    assert_eq!(packets.silence(Duration::from_millis(300)).await, 0, "no listener has asked");

    let (status, _, stream) = client.ask(LISTEN, &[], "").await;
    assert_eq!(status, 200, "{stream}");
    assert_eq!(stream["subject"], "earcon.v1.default.local.audio.default");
    let format = (&stream["codec"], &stream["sample_rate"], &stream["channels"], &stream["frame_ms"]);
    assert_eq!(format, (&json!("opus"), &json!(48_000), &json!(2), &json!(20)));
    assert_eq!(stream["hold_seconds"], 15);
    // A second listener shares the packets and is no second listener of the mix.
    let (_, _, again) = nats.client().await.ask(LISTEN, &[], "anything").await;
    assert_eq!(again["stream"], stream["stream"]);
    let (_, mix) = server.get("/mixes/default").await;
    assert_eq!((&mix["listeners"], &mix["running"]), (&json!(1), &json!(true)));

    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo).unwrap();
    let (mut pcm, mut energy, mut last) = (vec![0.0_f32; 960 * 2], 0.0, None);
    for _ in 0..150 {
        let packet = packets.next().await;
        let number: u64 = header(&packet, "Earcon-Packet").parse().unwrap();
        assert!(last.is_none_or(|last| number > last), "in order, each once");
        last = Some(number);
        assert_eq!(header(&packet, "ce-type"), "earcon.audio.packet");
        assert_eq!(header(&packet, "ce-id"), format!("{}:{number}", stream["stream"].as_str().unwrap()));
        assert!(header(&packet, "Earcon-Timestamp").parse::<i64>().unwrap() > 0);
        let samples = decoder.decode_float(&packet.payload, &mut pcm, false).expect("an Opus packet");
        assert_eq!(samples, 960);
        energy += pcm.iter().map(|x| x * x).sum::<f32>();
    }
    assert!(energy > 0.0, "three seconds of silence");
    let heard = packets.silence(Duration::from_secs(2)).await;
    eprintln!("{heard} more packets until the last request expired");
    let stopped = || async { (server.get("/mixes/default").await.1["listeners"] == 0).then_some(()) };
    eventually("the mix has no listener", stopped).await;

    let (_, _, later) = client.ask(LISTEN, &[], "").await;
    assert_ne!(later["stream"], stream["stream"], "a new broadcast has its own stream identifier");
    packets.next().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn listen_request_for_a_missing_mix_is_refused() {
    let nats = NatsServer::start().await;
    let server = Server::start_with(&nats.settings(), Overrides::default()).await;
    server.post("a", &[(now_ms(), 1.0)]).await;
    let client = nats.client().await;
    for subject in ["earcon.v1.default.local.audio.other.listen", "earcon.v1.default.nowhere.audio.default.listen"] {
        let (status, _, problem) = client.ask(subject, &[], "").await;
        assert_eq!((status, &problem["type"]), (404, &json!("/problems/not-found")), "{problem}");
    }
    let (status, _, _) = client.ask("earcon.v1.default.No.audio.default.listen", &[], "").await;
    assert_eq!(status, 400);
}
