//! Ingest rules of a workspace: guarded updates, application, persistence.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Server;

async fn line(server: &Server, body: &str) {
    let sent = server.http().post(server.url("/write")).body(body.to_owned()).send().await.unwrap();
    assert_eq!(sent.status(), 204, "{}", sent.text().await.unwrap());
}

async fn kpis(server: &Server) -> Vec<String> {
    let (_, answer) = server.get("/kpis").await;
    let kpis = answer["kpis"].as_array().into_iter().flatten();
    let mut names: Vec<String> = kpis.map(|kpi| kpi["kpi"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_apply_to_the_next_request_and_survive_a_restart() {
    let server = Server::start().await;
    let (status, shown) = server.get("/ingest/rules").await;
    assert_eq!((status, shown["revision"].as_u64()), (200, Some(0)));
    assert!(shown["shipped"].as_array().is_some_and(|rules| !rules.is_empty()), "{shown}");
    line(&server, "http,method=GET,host=a requests=1").await;
    let rules = json!({"rules": [{"name": "http.*", "kpi": "web.{method}.*", "drop_labels": ["host"]}, {"name": "noise*", "drop": true}]});
    let (status, put) = server.send(Method::PUT, "/ingest/rules", rules.clone()).await;
    assert_eq!((status, put["revision"].as_u64()), (200, Some(1)), "{put}");
    line(&server, "http,method=GET,host=a requests=1\nnoise value=1").await;
    assert_eq!(kpis(&server).await, ["http.requests", "web.GET.requests"]);
    let (_, web) = server.get("/kpis/web.GET.requests").await;
    assert_eq!(web["series"][0]["labels"], json!({}));
    let data = server.shut_down().await;
    let server = Server::start_in(data, &[], Default::default()).await;
    let (_, shown) = server.get("/ingest/rules").await;
    assert_eq!(shown["document"]["rules"], rules["rules"]);
    line(&server, "http,method=PUT,host=a requests=1").await;
    assert!(kpis(&server).await.contains(&"web.PUT.requests".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_rules_update_is_refused_and_problems_are_named() {
    let server = Server::start().await;
    let put = async |revision: &str, body: Value| {
        let url = server.workspace_url("/ingest/rules");
        let request = server.http().put(url).header("if-match", revision).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(put("\"0\"", json!({})).await.0, 200);
    assert_eq!(put("\"0\"", json!({"defaults": false})).await.0, 412);
    let (status, answer) = put("\"1\"", json!({"rules": [{"name": ""}, {"nam": "x"}], "x": 1})).await;
    assert_eq!((status, answer["problems"].as_array().map(Vec::len)), (400, Some(3)), "{answer}");
    let (_, shown) = server.get("/ingest/rules").await;
    assert_eq!((shown["revision"].as_u64(), shown["document"]["defaults"].as_bool()), (Some(1), Some(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_apply_to_their_workspace_only() {
    let server = Server::start_with(&[("workspaces.names", json!("local, other"))], Default::default()).await;
    let rules = json!({"rules": [{"name": "*", "kpi": "renamed"}]});
    assert_eq!(server.send(Method::PUT, "/ingest/rules", rules).await.0, 200);
    line(&server, "a value=1").await;
    let other = server.url("/api/v1/workspaces/other/write");
    assert_eq!(server.http().post(other).body("a value=1").send().await.unwrap().status(), 204);
    assert_eq!(kpis(&server).await, ["renamed"]);
    let url = server.url("/api/v1/workspaces/other/kpis/a");
    assert_eq!(server.http().get(url).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_limits_the_series_of_a_kpi() {
    let server = Server::start().await;
    let rules = json!({"rules": [{"name": "web.requests", "max_series": 2}]});
    assert_eq!(server.send(Method::PUT, "/ingest/rules", rules).await.0, 200);
    let lines = "web,path=/a requests=1\nweb,path=/b requests=1\nweb,path=/c requests=1\nweb,path=/c other=1";
    let answer = server.http().post(server.url("/write")).body(lines).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let text = answer.text().await.unwrap();
    assert!(text.contains("line 3") && text.contains("already has its 2 series"), "{text}");
    assert!(!text.contains("line 4"), "{text}");
    let (_, kpi) = server.get("/kpis/web.requests").await;
    assert_eq!(kpi["series"].as_array().map(Vec::len), Some(2), "{kpi}");
}
