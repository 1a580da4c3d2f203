//! The poster with real servers, each on its own port.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::post;
use earcon_client::Trust;
use tokio::net::TcpListener;

use super::*;
use earcon_model::{KpiName, Sample};

type Answer = (u16, Option<&'static str>, &'static str);

/// A server with prepared answers. It repeats the last one and keeps the requests.
#[derive(Clone)]
struct Server {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: Arc<Mutex<Vec<(String, serde_json::Value)>>>,
    url: String,
}

impl Server {
    async fn answering(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
        let server = Self { answers, requests: Arc::default(), url };
        let routes = axum::Router::new()
            .route("/api/v1/workspaces/{workspace}/kpis/ingest", post(answer))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        server
    }

    fn poster(&self) -> Poster {
        patient(
            Poster::new(
                &self.url,
                (&Trust::public().unwrap(), None),
                &WorkspaceId::new("local").unwrap(),
                Arrival::Live,
            )
            .unwrap(),
        )
    }

    fn requests(&self) -> Vec<(String, serde_json::Value)> {
        self.requests.lock().unwrap().clone()
    }
}

async fn answer(
    State(server): State<Server>,
    Path(workspace): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    server.requests.lock().unwrap().push((workspace, serde_json::from_slice(&body).unwrap()));
    let mut answers = server.answers.lock().unwrap();
    let (status, wait, text) = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0] };
    let mut headers = HeaderMap::new();
    if let Some(wait) = wait {
        headers.insert(header::RETRY_AFTER, wait.parse().unwrap());
    }
    (axum::http::StatusCode::from_u16(status).unwrap(), headers, text)
}

/// The same poster with short pauses.
fn patient(mut poster: Poster) -> Poster {
    poster.retries.first_pause = Duration::from_millis(1);
    poster.retries.longest_pause = Duration::from_millis(4);
    poster
}

fn samples() -> Vec<SourceSample> {
    let sample = |labels: &str, timestamp_ms, value| SourceSample {
        kpi: KpiName::new("shop.revenue").unwrap(),
        labels: Labels::parse(labels).unwrap(),
        sample: Sample { timestamp_ms, value },
    };
    vec![sample("region:eu,url:http://x", 1_000, 12.5), sample("", 2_000, -3.0)]
}

const OK: Answer = (200, None, r#"{"accepted": 2, "rejected": [], "rejected_total": 0, "seq": 7, "epoch": "e"}"#);

#[tokio::test]
async fn batch_is_posted_in_the_documented_format() {
    let server = Server::answering(&[OK]).await;
    let receipt = server.poster().post(&samples()).await.unwrap();
    assert_eq!(receipt, Receipt { accepted: 2, ..Receipt::default() });
    let expected = serde_json::json!({"samples": [
        {"kpi": "shop.revenue", "labels": {"region": "eu", "url": "http://x"}, "timestamp": 1000, "value": 12.5},
        {"kpi": "shop.revenue", "timestamp": 2000, "value": -3.0},
    ]});
    assert_eq!(server.requests(), [("local".to_owned(), expected)]);
}

#[tokio::test]
async fn rejected_rows_are_reported_without_an_error() {
    let body = r#"{"accepted": 1, "rejected": [{"row": 1, "error": "too old"}], "seq": 7, "epoch": "e"}"#;
    let receipt = Server::answering(&[(200, None, body)]).await.poster().post(&samples()).await.unwrap();
    assert_eq!((receipt.accepted, receipt.rejected_total), (1, 1));
    assert_eq!(receipt.rejected, [RejectedRow { row: 1, error: "too old".to_owned() }]);
}

#[tokio::test]
async fn full_server_sets_the_pause() {
    let server = Server::answering(&[(429, Some("7"), "")]).await;
    let attempt = server.poster().attempt(body_of(&samples())).await.unwrap();
    assert!(matches!(attempt, Attempt::Wait(pause) if pause == Duration::from_secs(7)));
}

#[tokio::test]
async fn full_server_gets_the_same_batch_again() {
    let server = Server::answering(&[(429, Some("1"), ""), OK]).await;
    assert_eq!(server.poster().post(&samples()).await.unwrap().accepted, 2);
    assert_eq!(server.requests().len(), 2);
    assert_eq!(server.requests()[0], server.requests()[1]);
}

#[tokio::test]
async fn overload_does_not_count_as_a_failed_attempt() {
    let mut answers = vec![(429, Some("0"), ""); 40];
    answers.push(OK);
    let server = Server::answering(&answers).await;
    assert_eq!(server.poster().post(&samples()).await.unwrap().accepted, 2);
    assert_eq!(server.requests().len(), 41);
}

#[tokio::test]
async fn refusal_is_reported_with_its_detail_and_not_retried() {
    let problem = r#"{"type": "/problems/bad-request", "title": "Bad request", "detail": "samples is missing"}"#;
    let server = Server::answering(&[(400, None, problem)]).await;
    let error = server.poster().post(&samples()).await.unwrap_err();
    assert!(
        matches!(&error, PostError::Refused { status, detail, .. } if status.as_u16() == 400 && detail == "samples is missing")
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn refusal_that_names_rows_is_a_receipt() {
    let problem = r#"{"title": "Nothing accepted", "rejected": [{"row": 0, "error": "too old"}], "rejected_total": 2}"#;
    let receipt = Server::answering(&[(400, None, problem)]).await.poster().post(&samples()).await.unwrap();
    assert_eq!((receipt.accepted, receipt.rejected_total), (0, 2));
}

#[tokio::test]
async fn temporary_server_errors_are_retried() {
    let server = Server::answering(&[(503, None, ""), (502, None, "<html>"), OK]).await;
    assert_eq!(server.poster().post(&samples()).await.unwrap().accepted, 2);
}

#[tokio::test]
async fn lasting_server_errors_are_reported_with_their_detail() {
    let server = Server::answering(&[(503, None, r#"{"title": "Unavailable", "detail": "the disk is full"}"#)]).await;
    let error = server.poster().post(&samples()).await.unwrap_err();
    assert!(matches!(&error, PostError::Refused { detail, .. } if detail == "the disk is full"), "{error}");
    assert_eq!(server.requests().len(), RETRIES.attempts_before_contact as usize);
}

#[tokio::test]
async fn connections_closed_without_an_answer_are_retried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::answering(&[OK]).await;
    let behind = server.url.strip_prefix("http://").unwrap().to_owned();
    tokio::spawn(async move {
        for _ in 0..2 {
            drop(listener.accept().await.unwrap());
        }
        let (mut inbound, _) = listener.accept().await.unwrap();
        let mut outbound = tokio::net::TcpStream::connect(behind).await.unwrap();
        tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await.unwrap();
    });
    let poster = patient(
        Poster::new(
            &address.to_string(),
            (&Trust::public().unwrap(), None),
            &WorkspaceId::new("local").unwrap(),
            Arrival::Live,
        )
        .unwrap(),
    );
    assert_eq!(poster.post(&samples()).await.unwrap().accepted, 2);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn unreachable_server_is_named_with_a_remedy() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{address}");
    let poster = patient(
        Poster::new(&url, (&Trust::public().unwrap(), None), &WorkspaceId::new("local").unwrap(), Arrival::Live)
            .unwrap(),
    );
    let message = poster.post(&samples()).await.unwrap_err().to_string();
    assert!(message.contains(&url) && message.contains("is earcon running there?"), "{message}");
    assert!(message.contains("refused"), "{message}");
}

#[tokio::test]
async fn other_program_on_the_port_is_recognised() {
    for (status, text) in [(200, "<html>hello</html>"), (200, "{}"), (404, "not found")] {
        let error = Server::answering(&[(status, None, text)]).await.poster().post(&samples()).await.unwrap_err();
        assert!(matches!(error, PostError::NotEarcon { .. }), "{status} {text}: {error}");
    }
}

#[test]
fn urls_are_parsed_with_and_without_scheme() {
    let endpoint = |url: &str| {
        Poster::new(url, (&Trust::public().unwrap(), None), &WorkspaceId::new("local").unwrap(), Arrival::Live)
            .map(|poster| poster.endpoint.to_string())
    };
    let ingest = "/api/v1/workspaces/local/kpis/ingest";
    assert_eq!(endpoint("localhost:8080").unwrap(), format!("http://localhost:8080{ingest}"));
    assert_eq!(endpoint("http://[::1]:8080/").unwrap(), format!("http://[::1]:8080{ingest}"));
    assert_eq!(endpoint("http://host/earcon/?x=1#y").unwrap(), format!("http://host/earcon{ingest}"));
    assert_eq!(endpoint("https://host").unwrap(), format!("https://host{ingest}"));
    for wrong in ["", "ftp://host", "http://", "http://host:port"] {
        assert!(matches!(endpoint(wrong), Err(PostError::Url { .. })), "{wrong:?}");
    }
}

#[test]
fn pauses_double_up_to_the_longest() {
    let pauses: Vec<u128> = [1, 2, 3, 6, 7, 1_000].map(|attempt| RETRIES.pause(attempt).as_millis()).to_vec();
    assert_eq!(pauses, [100, 200, 400, 3_200, 5_000, 5_000]);
}
