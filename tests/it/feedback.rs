//! Feedback on anomalies, mutes, explanations and pictures.

use earcon::app::Overrides;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Server, eventually};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn now_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

/// The start of the last full hour.
fn last_hour() -> i64 {
    (now_ms() / HOUR - 1) * HOUR
}

/// The ordinary value of minute `i`.
fn ordinary(i: i64) -> f64 {
    100.0 + ((i * 7_919) % 101) as f64 / 10.0
}

/// Posts three days and half an hour of ordinary minutes, up to half past the last full hour, and
/// then a spike. Returns the anomaly.
async fn with_a_spike(server: &Server, kpi: &str) -> Value {
    let begin = last_hour() - 3 * DAY;
    let count = 3 * 24 * 60 + 30;
    let samples: Vec<(i64, f64)> = (0..count).map(|i| (begin + i * MINUTE, ordinary(i))).collect();
    server.post(kpi, &samples).await;
    server.post(kpi, &[(begin + count * MINUTE, 5_000.0)]).await;
    anomaly(server, &format!("kpi={kpi}&open=true")).await
}

/// The latest anomaly of a listing. Waits until history has it.
async fn anomaly(server: &Server, query: &str) -> Value {
    eventually("the anomaly is listed", async || {
        let (_, listing) = server.get(&format!("/anomalies?{query}")).await;
        listing["anomalies"].get(0).cloned()
    })
    .await
}

fn id(anomaly: &Value) -> &str {
    anomaly["id"].as_str().expect("an identifier")
}

async fn sensitivity(server: &Server, kpi: &str) -> f64 {
    let (status, view) = server.get(&format!("/kpis/{kpi}")).await;
    assert_eq!(status, 200, "{view}");
    view["series"][0]["sensitivity"].as_f64().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_changes_the_sensitivity_and_survives_a_restart() {
    let server = Server::start().await;
    let found = with_a_spike(&server, "revenue").await;
    assert_eq!(sensitivity(&server, "revenue").await, 1.0);
    let path = format!("/anomalies/{}/feedback", id(&found));
    let mut events = server.follow().await;
    events.send(json!({"type": "subscribe", "since": "live", "filter": {"types": ["anomaly.feedback"]}})).await;
    assert_eq!(events.json().await["type"], "subscribed");

    let (status, updated) = server.send(Method::POST, &path, json!({"outcome": "false", "note": "a test"})).await;
    assert_eq!(status, 200, "{updated}");
    assert_eq!(
        (updated["feedback"]["outcome"].as_str(), updated["feedback"]["note"].as_str()),
        (Some("false"), Some("a test"))
    );
    let event = events.json().await;
    assert_eq!((event["type"].as_str(), event["data"]["id"].as_str()), (Some("anomaly.feedback"), Some(id(&found))));
    assert_eq!(event["data"]["feedback"]["outcome"], "false");
    let calmer = sensitivity(&server, "revenue").await;
    assert!((calmer - 2f64.powf(-0.25)).abs() < 1e-6, "{calmer}");
    assert_eq!(event["data"]["sensitivity"].as_f64(), Some(calmer));

    let server = Server::start_in(server.shut_down().await, &[], Overrides::default()).await;
    assert_eq!(sensitivity(&server, "revenue").await, calmer);
    let (_, read) = server.get(&format!("/anomalies/{}", id(&found))).await;
    assert_eq!(read["feedback"], updated["feedback"]);

    let (status, updated) = server.send(Method::POST, &path, json!({"outcome": "real"})).await;
    assert_eq!((status, updated["feedback"]["outcome"].as_str()), (200, Some("real")), "the last feedback counts");
    let more = sensitivity(&server, "revenue").await;
    assert!((more - 2f64.powf(0.125)).abs() < 1e-6, "{more}");
    for wrong in [json!({"outcome": "maybe"}), json!({}), json!({"outcome": "real", "note": "x".repeat(2_001)})] {
        assert_eq!(server.send(Method::POST, &path, wrong).await.0, 400);
    }
    let unknown = format!("/anomalies/{}/feedback", uuid::Uuid::nil());
    assert_eq!(server.send(Method::POST, &unknown, json!({"outcome": "real"})).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn explanation_compares_with_the_same_hour_of_four_weeks() {
    let server = Server::start().await;
    let found = with_a_spike(&server, "revenue").await;
    // Higher than the spike, in the same hour of yesterday. Late, so it is stored but not scored.
    server.post("revenue", &[(last_hour() - DAY + 30_000, 9_000.0)]).await;
    // Also higher, but in another hour.
    server.post("revenue", &[(last_hour() - DAY - 30_000, 9_000.0)]).await;
    let path = format!("/anomalies/{}", id(&found));
    let explained = eventually("history has the late sample", async || {
        let (status, explained) = server.get(&path).await;
        assert_eq!(status, 200, "{explained}");
        (explained["explanation"]["rarity"]["of_samples"] == 211).then_some(explained)
    })
    .await;
    let explanation = &explained["explanation"];
    // Three days of 60 minutes, 30 minutes of today, and the late sample.
    assert_eq!(explanation["rarity"]["percent"], 99.52);
    assert_eq!(explanation["rarity"]["days"], 4);
    assert_eq!(explanation["rarity"]["hour_of_day"].as_i64(), Some(last_hour() / HOUR % 24));
    assert_eq!(
        (explanation["actual"].as_f64(), explanation["since"].as_i64()),
        (Some(5_000.0), found["opened_at"].as_i64())
    );
    let expected = explanation["expected"].as_f64().expect("a forecast");
    assert!((90.0..120.0).contains(&expected), "{expected}");
    let sentence = explanation["sentence"].as_str().expect("a sentence");
    assert!(sentence.contains("5000 where") && sentence.contains("since "), "{sentence}");
    assert!(found["sentence"].as_str().is_some_and(|short| sentence.starts_with(short)), "{found}");
    assert_eq!(explanation["similar"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn similar_episodes_are_listed_with_their_outcome() {
    let server = Server::start().await;
    let first = with_a_spike(&server, "revenue").await;
    let feedback = json!({"outcome": "real"});
    assert_eq!(server.send(Method::POST, &format!("/anomalies/{}/feedback", id(&first)), feedback).await.0, 200);
    let begin = last_hour() + 31 * MINUTE;
    let calm: Vec<(i64, f64)> = (0..400).map(|i| (begin + i * 1_000, ordinary(i))).collect();
    server.post("revenue", &calm).await;
    anomaly(&server, "kpi=revenue&open=false").await;
    server.post("revenue", &[(begin + 400_000, 20_000.0)]).await;
    let second = anomaly(&server, "kpi=revenue&open=true").await;
    assert_ne!(id(&first), id(&second));
    let (_, explained) = server.get(&format!("/anomalies/{}", id(&second))).await;
    let similar = explained["explanation"]["similar"].as_array().expect("a list");
    if first["reason"] == second["reason"] {
        assert_eq!((similar.len(), similar[0]["id"].as_str()), (1, Some(id(&first))), "{explained}");
        assert_eq!(
            (similar[0]["outcome"].as_str(), similar[0]["peak"]["value"].as_f64()),
            (Some("real"), Some(5_000.0))
        );
    } else {
        assert!(similar.is_empty(), "{explained}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn picture_shows_the_episode_and_is_cached_by_etag() {
    let server = Server::start().await;
    let found = with_a_spike(&server, "revenue").await;
    let url = |form: &str| server.workspace_url(&format!("/anomalies/{}/picture.{form}", id(&found)));
    let svg = server.http().get(url("svg?width=600&height=300")).send().await.unwrap();
    assert_eq!((svg.status().as_u16(), &svg.headers()["content-type"]), (200, &"image/svg+xml".parse().unwrap()));
    let etag = svg.headers()["etag"].clone();
    let text = svg.text().await.unwrap();
    for part in [
        r#"viewBox="0 0 600 300""#,
        "polygon class=\"f-area\"",
        "circle class=\"f-alarm\"",
        "polygon class=\"f-band\"",
        "polyline class=\"s-value\"",
        "revenue",
        "5000",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let again = server.http().get(url("svg?width=600&height=300")).header("if-none-match", etag);
    assert_eq!(again.send().await.unwrap().status(), 304);
    let png = server.http().get(url("png?theme=dark")).send().await.unwrap();
    assert_eq!(&png.headers()["content-type"], "image/png");
    assert!(png.bytes().await.unwrap().starts_with(b"\x89PNG\r\n\x1a\n"));
    for wrong in ["svg?width=10", "png?height=100000", "svg?theme=pink", "svg?width=wide"] {
        assert_eq!(server.http().get(url(wrong)).send().await.unwrap().status(), 400, "{wrong}");
    }
    let unknown = server.workspace_url(&format!("/anomalies/{}/picture.svg", uuid::Uuid::nil()));
    assert_eq!(server.http().get(unknown).send().await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn muted_series_is_scored_and_listed_as_muted() {
    let server = Server::start().await;
    server.post("warm.up", &[(last_hour(), 1.0)]).await;
    let window = json!({"name": "deployment", "reason": "release 7", "kpis": ["shop.*"],
        "from": now_ms() - HOUR, "until": now_ms() + 6 * HOUR});
    let (status, made) = server.send(Method::POST, "/mutes", window.clone()).await;
    assert_eq!((status, &made["active"], &made["document"]), (201, &json!(true), &window), "{made}");

    let mut events = server.follow().await;
    events.send(json!({"type": "subscribe", "since": "live", "filter": {"types": ["anomaly.opened"]}})).await;
    assert_eq!(events.json().await["type"], "subscribed");
    let muted = with_a_spike(&server, "shop.revenue").await;
    assert_eq!(muted["muted"], "deployment");
    let opened = events.json().await;
    assert_eq!((opened["kpi"].as_str(), opened["data"]["muted"].as_str()), (Some("shop.revenue"), Some("deployment")));
    let loud = with_a_spike(&server, "latency").await;
    assert_eq!(loud["muted"], Value::Null);
    let opened = loop {
        let event = events.json().await;
        if event["kpi"] == "latency" {
            break event;
        }
    };
    assert_eq!(opened["data"]["muted"], Value::Null);
    let (_, explained) = server.get(&format!("/anomalies/{}", id(&muted))).await;
    assert_eq!((&explained["mute"]["name"], &explained["mute"]["reason"]), (&json!("deployment"), &json!("release 7")));
    assert_eq!(explained["mute"]["until"], window["until"]);

    let path = format!("/mutes/{}", made["id"].as_str().expect("an identifier"));
    let server = Server::start_in(server.shut_down().await, &[], Overrides::default()).await;
    let (_, kept) = server.get(&path).await;
    assert_eq!(kept["document"], window);
    assert_eq!(server.send(Method::DELETE, &path, json!({})).await.0, 204);
    assert_eq!(server.get(&path).await.0, 404);
    assert_eq!(
        anomaly(&server, "kpi=shop.revenue").await["muted"],
        Value::Null,
        "the episode continues and is no longer muted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mute_from_an_anomaly_and_guarded_changes() {
    let server = Server::start().await;
    let found = with_a_spike(&server, "revenue").await;
    let path = format!("/anomalies/{}/mute", id(&found));
    for wrong in [json!({}), json!({"for": "a while"}), json!({"for": "-2h"})] {
        assert_eq!(server.send(Method::POST, &path, wrong).await.0, 400);
    }
    let (status, made) = server.send(Method::POST, &path, json!({"for": "2h", "reason": "known"})).await;
    assert_eq!((status, &made["active"]), (201, &json!(true)), "{made}");
    assert_eq!(made["until"].as_i64().zip(made["created_at"].as_i64()).map(|(until, at)| until - at), Some(2 * HOUR));
    let (_, now) = server.get(&format!("/anomalies/{}", id(&found))).await;
    assert_eq!(now["muted"], made["document"]["name"]);

    let mute = format!("/mutes/{}", made["id"].as_str().expect("an identifier"));
    let nightly = json!({"name": "backup", "schedule":
        {"start": "2026-01-01T02:00", "rrule": "FREQ=DAILY", "for": "1h", "time_zone": "Europe/Berlin"}});
    let replace = |revision: &str| {
        let request = server.http().put(server.workspace_url(&mute)).header("if-match", format!("\"{revision}\""));
        request.json(&nightly).send()
    };
    assert_eq!(replace("77").await.unwrap().status(), 412);
    let replaced = replace("1").await.unwrap();
    assert_eq!((replaced.status().as_u16(), &replaced.headers()["etag"]), (200, &"\"2\"".parse().unwrap()));
    let (_, listed) = server.get("/mutes").await;
    assert_eq!((listed["mutes"].as_array().map(Vec::len), &listed["mutes"][0]["document"]), (Some(1), &nightly));
    assert!(listed["mutes"][0]["next"].is_i64(), "{listed}");

    let (status, problem) = server.send(Method::POST, "/mutes", json!({"name": "", "kpis": ["a b"]})).await;
    assert_eq!((status, problem["problems"].as_array().map(Vec::len)), (400, Some(3)), "{problem}");
}
