//! Prometheus remote write 1.0 over HTTP.

use serde_json::json;

use crate::support::{Server, eventually};

const START: i64 = 1_767_225_600_000;

/// A protobuf field of bytes. Only for lengths below 128, which take one byte.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 128);
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

pub(super) fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Vec<u8> {
    let mut message = Vec::new();
    for (key, value) in labels {
        message.extend(field(1, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat()));
    }
    for (timestamp, value) in samples {
        let mut sample = [&[1 << 3 | 1][..], &value.to_le_bytes()[..], &[2 << 3][..]].concat();
        let mut rest = *timestamp as u64;
        while rest >= 0x80 {
            sample.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        sample.push(rest as u8);
        message.extend(field(2, &sample));
    }
    message
}

/// A compressed write request.
pub(super) fn request(all: &[Vec<u8>]) -> Vec<u8> {
    let request: Vec<u8> = all.iter().flat_map(|series| field(1, series)).collect();
    snap::raw::Encoder::new().compress_vec(&request).unwrap()
}

async fn write(server: &Server, all: &[Vec<u8>]) -> (u16, String) {
    let body = request(all);
    let post = server.http().post(server.url("/api/v1/write")).header("content-type", "application/x-protobuf");
    let post = post.header("content-encoding", "snappy").header("x-prometheus-remote-write-version", "0.1.0");
    let answer = post.body(body).send().await.expect("the server answers");
    (answer.status().as_u16(), answer.text().await.expect("a body"))
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_write_series_are_durable_when_answered() {
    let server = Server::start().await;
    let load = series(&[("__name__", "node_load1"), ("instance", "a:9100")], &[(START, 0.5), (START + 15_000, 0.75)]);
    assert_eq!(write(&server, &[load]).await, (204, String::new()));
    let path = format!("/kpis/node_load1/samples?from={START}&to={}", START + 60_000);
    let rows = eventually("both samples are in the history", async || {
        let (status, answer) = server.get(&path).await;
        let rows = answer["series"][0]["samples"].as_array().filter(|rows| rows.len() == 2).cloned();
        if status == 200 { rows } else { None }
    })
    .await;
    assert_eq!((&rows[1][0], &rows[1][1]), (&json!(START + 15_000), &json!(0.75)));
    let (_, kpi) = server.get("/kpis/node_load1").await;
    assert_eq!(kpi["series"][0]["labels"], json!({"instance": "a:9100"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_series_is_named_and_the_rest_is_accepted() {
    let server = Server::start().await;
    let good = series(&[("__name__", "good")], &[(START, 1.0)]);
    let nameless = series(&[("job", "x")], &[(START, 1.0)]);
    let (status, text) = write(&server, &[good, nameless]).await;
    assert_eq!(status, 400);
    assert!(text.contains("time series 1: ") && text.contains("__name__"), "{text}");
    assert_eq!(server.get("/kpis/good").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nan_samples_are_accepted_and_ignored() {
    let server = Server::start().await;
    let nan = series(&[("__name__", "nan")], &[(START, f64::NAN), (START + 1, f64::INFINITY)]);
    assert_eq!(write(&server, &[nan]).await, (204, String::new()));
    assert!(server.metric("earcon_ingest_ignored_total").await >= 2.0, "counted, together with other tests'");
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_damaged_bodies_and_other_versions_are_refused() {
    let settings = [("server.max_body_bytes", json!(100_000))];
    let server = Server::start_with(&settings, Default::default()).await;
    let post = async |content_type: &str, encoding: &str, body: Vec<u8>| {
        let post = server.http().post(server.url("/api/v1/write")).header("content-type", content_type);
        post.header("content-encoding", encoding).body(body).send().await.unwrap().status().as_u16()
    };
    let bomb = snap::raw::Encoder::new().compress_vec(&vec![0; 1_000_000]).unwrap();
    assert!(bomb.len() < 100_000);
    assert_eq!(post("application/x-protobuf", "snappy", bomb).await, 413);
    assert_eq!(post("application/x-protobuf", "snappy", b"nonsense".to_vec()).await, 400);
    let damaged = snap::raw::Encoder::new().compress_vec(b"\x0a\x7f").unwrap();
    assert_eq!(post("application/x-protobuf", "snappy", damaged).await, 400);
    let three = "application/x-protobuf;proto=io.prometheus.write.v3.Request";
    assert_eq!(post(three, "snappy", Vec::new()).await, 415);
    assert_eq!(post("application/x-protobuf", "zstd", Vec::new()).await, 415);
}

/// A series of version 2: symbols, a type, and samples.
fn second(labels: &[u8], kind: u8, samples: &[(i64, f64)]) -> Vec<u8> {
    let read = series(&[], samples);
    field(5, &[field(1, labels), read, field(5, &[8, kind])].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn version_2_is_taken_and_its_answer_says_how_much() {
    let server = Server::start().await;
    let symbols = ["", "__name__", "jobs_active_count", "region", "eu"].map(|symbol| field(4, symbol.as_bytes()));
    let gauge = second(&[1, 2, 3, 4], 2, &[(START, 5.0), (START + 15_000, 3.0)]);
    let nameless = second(&[3, 4], 2, &[(START, 1.0)]);
    let body = [symbols.concat(), gauge, nameless].concat();
    let post = server.http().post(server.url("/api/v1/write")).header("content-encoding", "snappy");
    let post = post.header("content-type", "application/x-protobuf; proto=\"io.prometheus.write.v2.Request\"");
    let answer = post.body(snap::raw::Encoder::new().compress_vec(&body).unwrap()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 400);
    let written = |name: &str| answer.headers()[format!("x-prometheus-remote-write-{name}-written")].clone();
    assert_eq!(
        (written("samples"), written("histograms"), written("exemplars")),
        ("2".parse().unwrap(), "0".parse().unwrap(), "0".parse().unwrap())
    );
    let (_, kpi) = server.get("/kpis/jobs_active_count").await;
    assert_eq!(kpi["series"][0]["labels"], json!({"region": "eu"}));
    let live = &kpi["series"][0];
    assert_eq!(live["value"], 3.0, "a gauge in spite of its suffix: {live}");
}
