//! Samples ingested from messages.

use earcon::app::Overrides;
use serde_json::{Value, json};

use crate::support::nats::NatsServer;
use crate::support::{Server, eventually};

const START: i64 = 1_767_225_600_000;
const INGEST: &str = "earcon.v1.default.local.ingest";

fn row(at: i64) -> Value {
    json!({"kpi": "load", "timestamp": at, "value": 1.5})
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn request_is_answered_like_a_post() {
    let nats = NatsServer::start().await;
    let server = Server::start_with(&nats.settings(), Overrides::default()).await;
    let client = nats.client().await;
    let document = json!({"samples": [row(START), {"kpi": "not a name", "value": 1}]}).to_string();
    let (status, content_type, answer) = client.ask(INGEST, &[], document).await;
    assert_eq!((status, content_type.as_str()), (200, "application/json"));
    assert_eq!((&answer["accepted"], &answer["rejected_total"]), (&json!(1), &json!(1)));
    assert_eq!(answer["rejected"][0]["row"], 1);

    let lines = format!("{}\n{}\n", row(START + 1_000), row(START + 2_000));
    let (status, _, guessed) = client.ask(INGEST, &[], lines.clone()).await;
    assert_eq!((status, &guessed["accepted"], &guessed["epoch"]), (200, &json!(2), &answer["epoch"]));
    let named = [("Content-Type", "application/x-ndjson; charset=utf-8")];
    let (status, _, again) = client.ask(INGEST, &named, lines).await;
    assert_eq!((status, &again["accepted"]), (200, &json!(2)));
    assert!(again["seq"].as_u64() > guessed["seq"].as_u64());

    let (_, kpi) = server.get("/kpis/load").await;
    assert_eq!(kpi["series"][0]["value"], 1.5, "{kpi}");
    let unknown =
        client.ask("earcon.v1.default.brand-new.ingest", &[], json!({"samples": [row(START)]}).to_string()).await;
    assert_eq!(unknown.0, 404, "samples create no workspace, as over HTTP");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn refusal_names_the_reason() {
    let nats = NatsServer::start().await;
    let mut settings = nats.settings();
    let small = [("server.max_body_bytes", json!(2_048)), ("ingest.max_batch_samples", json!(20))];
    settings.extend(small);
    let _server = Server::start_with(&settings, Overrides::default()).await;
    let client = nats.client().await;
    let good = json!({"samples": [row(START)]}).to_string();
    assert_eq!(client.ask(INGEST, &[], good.clone()).await.0, 200);
    let short = format!("{}\n", json!({"kpi": "k", "value": 1})).repeat(21);
    let refused = async |subject: &str, headers: &[(&str, &str)], body: &[u8], status: u16, kind: &str, says: &str| {
        let (got, content_type, problem) = client.ask(subject, headers, body).await;
        assert_eq!((got, content_type.as_str()), (status, "application/problem+json"), "{problem}");
        assert_eq!((&problem["type"], &problem["status"]), (&json!(kind), &json!(status)), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    };
    let (bad, large, csv) = ("/problems/bad-request", "/problems/too-large", [("content-type", "text/csv")]);
    refused(INGEST, &[], b"{\"samples\": 7", 400, bad, "the body must be").await;
    refused(INGEST, &[], &[0xFF, 0x00], 400, bad, "the body must be").await;
    let no_good = br#"{"samples": [{"kpi": "a b", "value": 1}]}"#;
    refused(INGEST, &[], no_good, 400, "/problems/nothing-accepted", "every row").await;
    refused(INGEST, &csv, good.as_bytes(), 415, "/problems/unsupported-media-type", "text/csv").await;
    refused(INGEST, &[], &[b' '; 3_000], 413, large, "at most 2048 bytes").await;
    refused(INGEST, &[], short.as_bytes(), 413, large, "at most 20 samples").await;
    refused("earcon.v1.default.No%2EWay.ingest", &[], good.as_bytes(), 400, bad, "workspace must be").await;
    let (status, _, problem) = client.ask("earcon.v1.default.unknown.ingest", &[], good).await;
    assert_eq!(status, 404, "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn messages_without_reply_are_ingested_in_order() {
    let nats = NatsServer::start().await;
    let server = Server::start_with(&nats.settings(), Overrides::default()).await;
    let client = nats.client().await;
    let refused = server.metric("earcon_nats_ingest_refused_total").await;
    let sent = 2_000;
    for n in 0..sent {
        let body = json!({"samples": [row(START + n * 1_000)]}).to_string();
        client.0.publish(INGEST, body.into()).await.unwrap();
        if n % 100 == 0 {
            client.0.publish(INGEST, "nonsense".into()).await.unwrap();
        }
    }
    let last = START + (sent - 1) * 1_000;
    let seen = || async {
        let (status, kpi) = server.get("/kpis/load").await;
        (status == 200 && kpi["series"][0]["timestamp"] == last).then_some(kpi)
    };
    let kpi = eventually("the last message was taken", seen).await;
    assert_eq!(kpi["series"][0]["late"], 0, "a message that overtakes another would make that one late");
    let counted =
        || async { (server.metric("earcon_nats_ingest_refused_total").await >= refused + 20.0).then_some(()) };
    eventually("the refused messages were counted", counted).await;
    let path = format!("/kpis/load/samples?from={START}&to={}", last + 1);
    let (_, history) = server.get(&path).await;
    let rows: usize =
        history["series"].as_array().unwrap().iter().map(|s| s["samples"].as_array().unwrap().len()).sum();
    assert_eq!(rows as i64, sent);
}

/// Messages received before the shutdown are committed and answered.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn shutdown_answers_all_received_messages() {
    let nats = NatsServer::start().await;
    let server = Server::start_with(&nats.settings(), Overrides::default()).await;
    let client = nats.client().await;
    client.ask(INGEST, &[], json!({"samples": [row(START)]}).to_string()).await;
    let asking: Vec<_> = (1..200)
        .map(|n| {
            let body = json!({"samples": [row(START + n * 1_000)]}).to_string();
            let client = client.0.clone();
            tokio::spawn(async move { client.request(INGEST, body.into()).await })
        })
        .collect();
    // NATS keeps the order: once one is answered, the others have reached the server.
    eventually("one is answered", || async { asking.iter().any(|asked| asked.is_finished()).then_some(()) }).await;
    let data = server.shut_down().await;
    let (mut accepted, mut unanswered) = (1, 0);
    for asked in asking {
        match asked.await.unwrap() {
            Ok(answer) => {
                let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
                accepted += i64::from(answer["accepted"] == 1);
            }
            // Sent after the subscription had ended: the sender gets "no responders".
            Err(error) => {
                assert_eq!(error.kind(), async_nats::RequestErrorKind::NoResponders);
                unanswered += 1;
            }
        }
    }
    eprintln!("{accepted} accepted, {unanswered} without a responder");
    let server = Server::start_in(data, &[], Overrides::default()).await;
    let (_, history) = server.get(&format!("/kpis/load/samples?from={START}&to={}", START + 1_000_000)).await;
    let rows = history["series"][0]["samples"].as_array().unwrap().len() as i64;
    assert_eq!(rows, accepted, "what was accepted is there, and nothing else");
}
