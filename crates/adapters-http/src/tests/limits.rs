//! Size, time and number.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use earcon_ports::{HttpErrorKind, HttpRequest};
use futures_util::{StreamExt, stream};
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::time::{Instant, sleep};

use super::support::{Answer, Memory, answer, get};

const ALLOW: &[&str] = &["http://a.example"];

/// A body without a length, of parts with a pause before each.
fn parts(number: usize, size: usize, pause: Duration) -> Option<Answer> {
    let parts = stream::iter(0..number).then(move |_| async move {
        sleep(pause).await;
        Ok::<_, io::Error>(Frame::data(Bytes::from(vec![7; size])))
    });
    Some(Response::new(StreamBody::new(parts.boxed()).boxed_unsync()))
}

fn network(handler: impl Fn() -> Option<Answer> + Send + Sync + 'static) -> Memory {
    Memory::new(move |_, _| handler()).name("a.example", &[&["10.0.0.1"]])
}

fn limited(bytes: usize) -> HttpRequest {
    let mut request = get("http://a.example/");
    request.limits.answer_bytes = bytes;
    request
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_be_as_large_as_allowed_and_no_larger() {
    let none = Duration::ZERO;
    let whole = network(move || parts(10, 100, none)).client(ALLOW).send(limited(1_000)).await.unwrap();
    assert_eq!(whole.body, vec![7; 1_000]);
    let network = network(move || parts(usize::MAX, 100, none));
    let error = network.client(ALLOW).send(limited(1_000)).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::TooLarge, "an endless body: {error}");
}

#[tokio::test]
async fn an_answer_that_announces_too_much_is_not_begun() {
    let network = network(|| answer(200, &[], &[7; 1_001]));
    let client = network.client(ALLOW);
    let opened = client.open(limited(1_000)).await.map(|_| ()).unwrap_err();
    assert_eq!(opened.kind, HttpErrorKind::TooLarge, "{opened}");
    assert_eq!(client.send(limited(1_001)).await.unwrap().body.len(), 1_001);
}

#[tokio::test(start_paused = true)]
async fn silence_and_total_time_are_limited() {
    let began = Instant::now();
    let seconds = Duration::from_secs;
    let silent = network(move || parts(2, 1, seconds(3_600))).client(ALLOW).send(limited(1_000)).await.unwrap_err();
    assert_eq!((silent.kind, began.elapsed().as_secs()), (HttpErrorKind::TimedOut, 30), "{silent}");
    let began = Instant::now();
    let dripping = network(move || parts(1_000, 1, seconds(20))).client(ALLOW).send(limited(1_000)).await.unwrap_err();
    assert_eq!((dripping.kind, began.elapsed().as_secs()), (HttpErrorKind::TimedOut, 60), "{dripping}");
    let began = Instant::now();
    let mut body = network(move || parts(1_000, 1, seconds(20))).client(ALLOW).open(limited(1_000)).await.unwrap().body;
    let mut last = None;
    while let Some(part) = body.next().await {
        last = Some(part);
    }
    assert_eq!(last.unwrap().unwrap_err().kind, HttpErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 60, "an opened body has the same end");
}

#[tokio::test]
async fn a_body_that_ends_too_early_is_no_answer() {
    let broken = || {
        let parts = stream::iter([Ok(Frame::data(Bytes::from_static(b"part"))), Err(io::Error::other("gone"))]);
        Some(Response::new(StreamBody::new(parts).boxed_unsync()))
    };
    let error = network(broken).client(ALLOW).send(limited(1_000)).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Broken, "{error}");
}

#[tokio::test]
async fn nothing_is_decompressed() {
    use std::io::Write;
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![0; 10 << 20]).unwrap();
    let bomb: &'static [u8] = bomb.finish().unwrap().leak();
    let network = network(move || answer(200, &[("content-encoding", "gzip")], bomb));
    let client = network.client(ALLOW);
    let error = client.send(limited(1 << 20)).await.unwrap_err();
    assert!(error.kind == HttpErrorKind::Invalid && error.reason.contains("compressed"), "{error}");
    assert_eq!(network.requests()[0].1.headers()["accept-encoding"], "identity");
    let mut asked = limited(1 << 20);
    asked.headers.insert("accept-encoding", "gzip".parse().unwrap());
    assert_eq!(client.send(asked).await.unwrap().body, bomb, "who asks for it gets it as it is");
}

#[tokio::test]
async fn a_head_without_end_is_no_answer() {
    let large: &'static str = "x".repeat(100_000).leak();
    let network = network(move || answer(200, &[("x-large", large)], b""));
    assert_eq!(network.client(ALLOW).send(limited(1_000)).await.unwrap_err().kind, HttpErrorKind::Broken);
}

#[tokio::test(start_paused = true)]
async fn an_open_body_holds_the_place_of_its_request() {
    let network = network(|| parts(1, 1, Duration::ZERO));
    let client = network.client(ALLOW);
    let first = client.open(limited(10)).await.unwrap();
    let _second = client.open(limited(10)).await.unwrap();
    let third = client.open(limited(10)).await.map(|_| ()).unwrap_err();
    assert_eq!((third.kind, network.requests().len()), (HttpErrorKind::TimedOut, 2), "two are allowed: {third}");
    drop(first);
    client.open(limited(10)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_url_waits_for_no_place() {
    let network = network(|| parts(1, 1, Duration::ZERO));
    let client = network.client(ALLOW);
    let _held = (client.open(limited(10)).await.unwrap(), client.open(limited(10)).await.unwrap());
    let refused = client.send(get("http://user:password@a.example/")).await.unwrap_err();
    assert_eq!(refused.kind, HttpErrorKind::Refused, "{refused}");
}

#[tokio::test]
async fn connections_are_used_again() {
    let network = network(|| answer(200, &[], b"x"));
    let client = network.client(ALLOW);
    for _ in 0..5 {
        client.send(limited(10)).await.unwrap();
    }
    assert_eq!(network.connections().len(), 1);
}

/// Requests to ever new servers must not leave a connection each.
#[tokio::test]
async fn connections_beyond_a_number_are_not_kept() {
    let names: Vec<&'static str> = (0..12).map(|number| &*format!("host-{number}.example").leak()).collect();
    let network = Memory::new(|_, _| answer(200, &[], b"x"));
    let network = names.iter().fold(network, |network, name| network.name(name, &[&["10.0.0.1"]]));
    let client = network.client(&["http://*.example"]);
    let ask = async |name: &str| client.send(get(&format!("http://{name}/"))).await.unwrap();
    for name in &names {
        ask(name).await;
    }
    let made = network.connections().len();
    ask(names[0]).await;
    assert_eq!(network.connections().len(), made, "twice the number of requests at once is kept");
    ask(names[11]).await;
    assert_eq!(network.connections().len(), made + 1);
}
