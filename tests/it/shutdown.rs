//! Orderly shutdown: no acknowledged sample is lost, streams end, the directory is released.

use std::time::{Duration, Instant};

use earcon::app::{App, Overrides, StartError};
use earcon::config::Config;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Server, noise};

const START: i64 = 1_767_225_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_ends_followers_and_listeners() {
    let server = Server::start().await;
    server.post("a", &noise(START, 50, 1.0)).await;
    let (mut follower, mut listener) = (server.follow().await, server.listen().await);
    follower.send(json!({"type": "subscribe"})).await;
    follower.until("subscribed").await;
    listener.until("config").await;
    let mut ogg = server.http().get(server.workspace_url("/mixes/default/live.ogg")).send().await.unwrap();
    let first = ogg.chunk().await.unwrap().expect("the stream begins");
    let sse = server.http().get(server.workspace_url("/events")).send().await.unwrap();
    let data = server.shut_down().await;
    while follower.next().await.is_some() {}
    while listener.next().await.is_some() {}
    assert!(first.starts_with(b"OggS"));
    let rest = ogg.bytes().await.expect("the stream ends as it should");
    assert!(rest.windows(4).any(|bytes| bytes == b"OggS"), "the last page was sent");
    sse.bytes().await.expect("the events end as they should");
    drop(data);
}

#[tokio::test(flavor = "multi_thread")]
async fn workspaces_are_closed_side_by_side() {
    async fn closed(workspaces: usize) -> Duration {
        let server = Server::start().await;
        for number in 0..workspaces {
            let url = format!("http://{}/api/v1/workspaces/w{number}", server.address());
            assert_eq!(server.http().put(url).send().await.unwrap().status(), 201);
        }
        let began = Instant::now();
        server.shut_down().await;
        began.elapsed()
    }
    let (few, many) = (closed(2).await, closed(40).await);
    // One after the other they take twelve times as long and more.
    assert!(many < 8 * few, "{few:?} and {many:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_complete_after_a_restart() {
    let server = Server::start().await;
    server.post("a", &noise(START, 500, 10.0)).await;
    let data = server.shut_down().await;
    let server = Server::start_in(data, &[], Overrides::default()).await;
    let (_, raw) = server.get(&format!("/kpis/a/samples?from={START}&to={}", START + 500_000)).await;
    assert_eq!(raw["series"][0]["samples"].as_array().unwrap().len(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_or_port_in_use_is_a_clear_error() {
    let server = Server::start().await;
    server.post("a", &[(START, 1.0)]).await;
    let port = server.url("").rsplit(':').next().unwrap().to_owned();
    let data = TempDir::new().unwrap();
    let config = |listen: String, data: String| {
        Config::load(None, &[("server.listen", json!(listen)), ("storage.data", json!(data))]).unwrap()
    };
    let taken = config(format!("127.0.0.1:{port}"), data.path().display().to_string());
    let error = App::start(&taken, Overrides::default()).await.err().expect("the port is taken");
    assert!(matches!(error, StartError::Listen { .. }) && error.to_string().contains("--listen"), "{error}");

    let dir = data.path().join("file");
    std::fs::write(&dir, "not a directory").unwrap();
    let not_a_directory = config("127.0.0.1:0".into(), dir.display().to_string());
    let error = App::start(&not_a_directory, Overrides::default()).await.err().expect("a file is no directory");
    assert!(error.to_string().contains("file"), "{error}");

    let data = server.shut_down().await;
    let first = Server::start_in(data, &[], Overrides::default()).await;
    let dir = first.data_path();
    let second = config("127.0.0.1:0".into(), dir.clone());
    let error = App::start(&second, Overrides::default()).await.err().expect("the directory is in use");
    assert!(error.to_string().contains(&dir), "{error}");
}
