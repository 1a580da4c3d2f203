//! Workspaces come into being by configuration and by permission, not by samples.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Server, answer};

async fn names(server: &Server) -> Vec<String> {
    let url = server.url("/api/v1/workspaces");
    let (_, all) = answer(server.http().get(url).send().await.unwrap()).await;
    all["workspaces"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

async fn put(server: &Server, name: &str) -> (u16, Value) {
    answer(server.http().put(server.url(&format!("/api/v1/workspaces/{name}"))).send().await.unwrap()).await
}

async fn send(server: &Server, path: &str, header: Option<&str>, body: &str) -> (u16, Value) {
    let request = server.http().post(server.url(path)).body(body.to_owned());
    let request = header.into_iter().fold(request, |request, name| request.header("x-earcon-workspace", name));
    answer(request.header("content-type", "application/json").send().await.unwrap()).await
}

const SAMPLE: &str = r#"{"samples": [{"kpi": "a", "timestamp": 1767225600000, "value": 1}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn samples_for_an_unknown_workspace_are_refused_with_what_to_do() {
    let server = Server::start().await;
    for (path, header, body) in [
        ("/api/v1/workspaces/shop/kpis/ingest", None, SAMPLE),
        ("/api/v1/workspaces/shop/kpis/ingest", None, "{"),
        ("/write", Some("shop"), "a v=1"),
        ("/api/v1/workspaces/shop/write", None, "a v=1"),
        ("/v1/metrics", Some("shop"), "{}"),
        ("/api/v1/workspaces/shop/kpis/upload?name=a.csv", None, "time,value\n1767225600,1\n"),
    ] {
        let (status, problem) = send(&server, path, header, body).await;
        let text = problem.to_string();
        assert_eq!(status, 404, "{path}: {text}");
        assert!(text.contains("earcon workspaces create shop"), "{path}: {text}");
    }
    assert_eq!(names(&server).await, ["local"]);
    assert_eq!(server.send(Method::GET, "/kpis", json!(null)).await.0, 200, "the configured one is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_workspace_takes_samples_and_is_there_after_a_restart() {
    let server = Server::start().await;
    assert_eq!(put(&server, "shop").await, (201, json!({"id": "shop"})));
    assert_eq!(put(&server, "shop").await.0, 200, "it exists");
    assert_eq!(put(&server, "No").await.0, 400);
    assert_eq!(send(&server, "/api/v1/workspaces/shop/kpis/ingest", None, SAMPLE).await.0, 200);
    let data = server.shut_down().await;
    let settings = [("workspaces.names", json!("desk")), ("workspaces.create", json!("nobody"))];
    let server = Server::start_in(data, &settings, Default::default()).await;
    assert_eq!(names(&server).await, ["desk", "local", "shop"], "a name that is not configured any more stays");
    assert_eq!(put(&server, "shop").await.0, 200);
    let (status, problem) = put(&server, "more").await;
    assert!(status == 403 && problem["detail"].as_str().unwrap().contains("workspaces.names"), "{problem}");
    let url = server.url("/api/v1/workspaces/shop?confirm=shop");
    let (status, problem) = answer(server.http().delete(url).send().await.unwrap()).await;
    assert!(status == 403 && problem["detail"].as_str().unwrap().contains("workspaces.create"), "{problem}");
    assert_eq!(names(&server).await, ["desk", "local", "shop"], "what could not be made again stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_counts_workspaces_that_exist() {
    let server = Server::start_with(&[("workspaces.max", json!(2))], Default::default()).await;
    for unknown in 0..5 {
        let path = format!("/api/v1/workspaces/unknown{unknown}/kpis/ingest");
        assert_eq!(send(&server, &path, None, SAMPLE).await.0, 404);
    }
    assert_eq!(put(&server, "shop").await.0, 201);
    assert_eq!(put(&server, "more").await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_is_being_made_is_never_unavailable() {
    let server = Server::start().await;
    let (server, mut asking) = (std::sync::Arc::new(server), tokio::task::JoinSet::new());
    for name in 0..20 {
        let path = format!("/api/v1/workspaces/w{name}");
        for _ in 0..4 {
            let (server, path) = (server.clone(), path.clone());
            asking.spawn(async move {
                let ingest = send(&server, &format!("{path}/kpis/ingest"), None, SAMPLE).await.0;
                let kpis = server.http().get(server.url(&format!("{path}/kpis"))).send().await.unwrap().status();
                [ingest, kpis.as_u16()]
            });
        }
        let server = server.clone();
        asking.spawn(async move { [put(&server, &format!("w{name}")).await.0; 2] });
    }
    while let Some(statuses) = asking.join_next().await {
        let statuses = statuses.unwrap();
        assert!(statuses.iter().all(|status| matches!(status, 200 | 201 | 404)), "{statuses:?}");
    }
}
