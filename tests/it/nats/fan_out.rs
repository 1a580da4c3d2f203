//! Events and samples as messages.

use std::collections::BTreeSet;
use std::time::Duration;

use earcon::app::Overrides;
use serde_json::{Value, json};

use crate::support::nats::{NatsClient, NatsServer, body, header};
use crate::support::{Server, eventually, noise};

const START: i64 = 1_767_225_600_000;

async fn start(nats: &NatsServer) -> Server {
    Server::start_with(&nats.settings(), Overrides::default()).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn events_arrive_in_order_and_equal_to_the_websocket() {
    let nats = NatsServer::start().await;
    let server = start(&nats).await;
    let mut all = nats.client().await.follow("earcon.v1.default.local.>").await;
    server.post("shop.orders", &noise(START, 1, 100.0)).await;
    let first = all.next().await;
    assert_eq!(header(&first, "Earcon-Seq"), "1", "a new workspace is published from its first event on");

    let mut socket = server.follow().await;
    socket.send(json!({"type": "subscribe", "since": "live"})).await;
    let epoch = socket.until("subscribed").await["epoch"].as_str().unwrap().to_owned();
    for second in noise(START + 1_000, 400, 100.0).chunks(20) {
        server.post("shop.orders", second).await;
    }
    server.post("shop.orders", &[(START + 402_000, 900.0)]).await;
    server.post("shop.orders", &noise(START + 403_000, 80, 100.0)).await;
    let mut types = BTreeSet::new();
    while !types.contains("anomaly.closed") {
        let shown = socket.json().await;
        let message = all.next().await;
        assert_eq!(body(&message), shown, "the same JSON, in the same order");
        let event_type = shown["type"].as_str().unwrap().to_owned();
        let subject = match event_type.as_str() {
            "samples" => "earcon.v1.default.local.samples.shop.orders".to_owned(),
            other => format!("earcon.v1.default.local.events.{other}"),
        };
        assert_eq!(message.subject.as_str(), subject);
        let id = format!("{epoch}:{}", shown["seq"]);
        for (name, value) in [
            ("ce-specversion", "1.0"),
            ("ce-id", &id),
            ("Nats-Msg-Id", &id),
            ("ce-source", "/workspaces/local"),
            ("ce-type", &format!("earcon.{event_type}")),
            ("ce-subject", shown["subject"].as_str().unwrap()),
            ("content-type", "application/json"),
            ("Earcon-Epoch", &epoch),
            ("Earcon-Seq", &shown["seq"].to_string()),
        ] {
            assert_eq!(header(&message, name), value, "{name}");
        }
        let time: jiff::Timestamp = header(&message, "ce-time").parse().unwrap();
        assert_eq!(json!(time.as_millisecond()), shown["time"]);
        types.insert(event_type);
    }
    assert!(types.contains("samples") && types.contains("anomaly.opened"), "{types:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn wildcards_match_kpi_families_and_no_name_escapes_them() {
    let nats = NatsServer::start().await;
    let server = start(&nats).await;
    let client = nats.client().await;
    let mut family = client.follow("earcon.v1.default.local.samples.checkout.>").await;
    let mut all = client.follow("earcon.v1.default.local.>").await;
    let mut events = client.follow("earcon.v1.default.local.events.>").await;
    let mut others = client.follow("earcon.v1.default.other.>").await;
    let names = [
        "checkout.revenue.eu",
        "checkout..x",
        "a.b.",
        "events.anomaly.opened",
        "x.earcon.v1.default.other.events",
        "a:b-c_d",
    ];
    for name in names {
        server.post(name, &[(START, 1.0)]).await;
    }
    let mut seen = Vec::new();
    for name in names {
        let message = all.next().await;
        assert_eq!(header(&message, "ce-subject"), format!("kpi/{name}"));
        seen.push(message.subject.to_string());
    }
    let under = |rest: &str| format!("earcon.v1.default.local.samples.{rest}");
    let expected = [
        "checkout.revenue.eu",
        "checkout.%.x",
        "a.b.%",
        "events.anomaly.opened",
        "x.earcon.v1.default.other.events",
        "a:b-c_d",
    ];
    assert_eq!(seen, expected.map(under));
    assert_eq!(body(&family.next().await)["kpi"], "checkout.revenue.eu");
    assert_eq!(body(&family.next().await)["kpi"], "checkout..x");
    let quiet = Duration::from_millis(200);
    assert_eq!((family.silence(quiet).await, events.silence(quiet).await, others.silence(quiet).await), (0, 0, 0));
}

/// Samples acknowledged while NATS is down are published when it is back.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn events_during_a_nats_outage_are_published_after_it() {
    let mut nats = NatsServer::start().await;
    let server = start(&nats).await;
    let mut seqs = BTreeSet::new();
    let client = nats.client().await;
    let mut follower = client.follow("earcon.v1.default.local.samples.load").await;
    let mut posted = 0;
    let mut post = async |server: &Server| {
        posted += 1;
        server.post("load", &[(START + posted * 1_000, 1.0)]).await["seq"].as_u64().unwrap()
    };
    let mut last = 0;
    for round in 0..3 {
        for _ in 0..50 {
            last = post(&server).await;
        }
        if round == 0 {
            // Some events have been published, others are in flight when the server dies.
            seqs.insert(header(&follower.next().await, "Earcon-Seq").parse::<u64>().unwrap());
        }
        nats.kill();
        for _ in 0..50 {
            last = post(&server).await;
        }
        nats.restart().await;
        // Core NATS stores no messages: what is sent before the follower is back does not reach it.
        // So each pause is followed by one more event, until the newest one has arrived.
        let begun = tokio::time::Instant::now();
        while seqs.last() != Some(&last) {
            match follower.next_within(Duration::from_secs(2)).await {
                Some(message) => drop(seqs.insert(header(&message, "Earcon-Seq").parse().unwrap())),
                None => last = post(&server).await,
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "nothing is published after the outage");
        }
    }
    eprintln!("{} of {last} events arrived at a client that lost its connection too", seqs.len());
    let lag = || async { (server.metric("earcon_consumer_failures_total").await > 0.0).then_some(()) };
    eventually("the consumer noticed", lag).await;
}

/// A JetStream stream stores all messages, so no client can miss one: it has every event once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn stream_holds_every_event_once_after_restarts_of_both() {
    let mut nats = NatsServer::start().await;
    let config = async_nats::jetstream::stream::Config {
        name: "CAPTURE".into(),
        subjects: vec!["earcon.v1.default.local.samples.>".into()],
        ..Default::default()
    };
    async_nats::jetstream::new(nats.client().await.0).create_stream(config).await.unwrap();
    let mut server = start(&nats).await;
    let mut last = 0;
    for round in 0..4_i64 {
        for n in 0..100_i64 {
            let at = START + (round * 1_000 + n) * 1_000;
            last = server.post("load", &[(at, 1.0)]).await["seq"].as_u64().unwrap();
            if n == 50 && round == 1 {
                nats.kill();
            }
        }
        match round {
            1 => nats.restart().await,
            2 => {
                let data = server.shut_down().await;
                server = Server::start_in(data, &nats.settings(), Overrides::default()).await;
            }
            _ => {}
        }
    }
    let stream = async_nats::jetstream::new(nats.client().await.0).get_stream("CAPTURE").await.unwrap();
    let held = || async { (stream.get_info().await.unwrap().state.messages >= last).then_some(()) };
    eventually("every event is in the stream", held).await;
    let mut seqs = Vec::new();
    for at in 1..=stream.get_info().await.unwrap().state.last_sequence {
        let message = stream.get_raw_message(at).await.unwrap();
        seqs.push(message.headers.get("Earcon-Seq").unwrap().as_str().parse::<u64>().unwrap());
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=last).collect::<Vec<_>>(), "deduplicated by Nats-Msg-Id");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn server_starts_without_nats_and_connects_later() {
    let mut nats = NatsServer::start().await;
    nats.kill();
    let server = start(&nats).await;
    let answer = server.post("load", &[(START, 1.0)]).await;
    nats.restart().await;
    let mut all = nats.client().await.follow("earcon.v1.default.local.>").await;
    // The first event may have been published before the subscription. A later one was not.
    let next = server.post("load", &[(START + 1_000, 1.0)]).await;
    loop {
        let seq = body(&all.next().await)["seq"].clone();
        if seq == next["seq"] {
            break;
        }
        assert_eq!(seq, answer["seq"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn enabling_fan_out_does_not_publish_old_events() {
    let nats = NatsServer::start().await;
    let mut all = nats.client().await.follow("earcon.v1.default.local.>").await;
    let server = Server::start().await;
    server.post("load", &noise(START, 10, 1.0)).await;
    let data = server.shut_down().await;
    let server = Server::start_in(data, &nats.settings(), Overrides::default()).await;
    let new = server.post("load", &[(START + 60_000, 1.0)]).await;
    assert_eq!(body(&all.next().await)["seq"], new["seq"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn batch_larger_than_a_message_is_published_in_parts() {
    let nats = NatsServer::start().await;
    let server = start(&nats).await;
    let mut all = nats.client().await.follow("earcon.v1.default.local.samples.big").await;
    let rows = noise(START, 40_000, 10.0);
    server.post("big", &rows).await;
    let (mut times, mut ids, mut parts) = (Vec::new(), BTreeSet::new(), 0);
    while times.len() < rows.len() {
        let message = all.next().await;
        let (part, of) =
            header(&message, "Earcon-Part").split_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        parts += 1;
        assert_eq!(part, parts.to_string());
        assert!(parts <= of.parse().unwrap());
        ids.insert(header(&message, "Nats-Msg-Id"));
        let event = body(&message);
        assert_eq!(event["seq"], 1);
        let samples = event["data"]["series"][0]["samples"].as_array().unwrap().clone();
        times.extend(samples.iter().map(|row| row[0].as_i64().unwrap()));
    }
    assert!(parts > 1);
    assert_eq!(ids.len(), parts, "each part has an identifier of its own");
    assert_eq!(times, rows.iter().map(|row| row.0).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn hundred_subscribers_need_one_publish_per_event() {
    let nats = NatsServer::start().await;
    let server = start(&nats).await;
    server.post("load", &[(START, 1.0)]).await;
    let mut followers = Vec::new();
    for _ in 0..100 {
        followers.push(nats.client().await.follow("earcon.v1.default.local.samples.load").await);
    }
    let (before_in, before_out) = (nats.figure("in_msgs").await, nats.figure("out_msgs").await);
    let events = 50;
    for n in 1..=events {
        server.post("load", &[(START + n * 1_000, 1.0)]).await;
    }
    for follower in &mut followers {
        for _ in 0..events {
            let _message = follower.next().await;
        }
    }
    let (sent_in, sent_out) = (nats.figure("in_msgs").await - before_in, nats.figure("out_msgs").await - before_out);
    eprintln!("{events} events to 100 subscribers: {sent_in} messages in, {sent_out} out");
    assert!(sent_out >= 100 * events as u64);
    // One publish per event, and an echo for each flush. One publish per subscriber would be 100.
    assert!(sent_in < 20 * events as u64, "{sent_in} messages for {events} events");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn events_of_two_workspaces_go_to_different_subjects() {
    let nats = NatsServer::start().await;
    let server = start(&nats).await;
    let client = nats.client().await;
    let (mut local, mut other) =
        (client.follow("earcon.v1.default.local.>").await, client.follow("earcon.v1.default.other.>").await);
    let rows = json!({"samples": [{"kpi": "a", "timestamp": START, "value": 2.0}]});
    let made = server.http().put(server.url("/api/v1/workspaces/other")).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let url = server.url("/api/v1/workspaces/other/kpis/ingest");
    let answer: Value = server.http().post(url).json(&rows).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["accepted"], 1);
    server.post("a", &[(START, 1.0)]).await;
    assert_eq!(body(&other.next().await)["workspace"], "other");
    assert_eq!(body(&local.next().await)["workspace"], "local");
    let quiet = Duration::from_millis(200);
    assert_eq!((local.silence(quiet).await, other.silence(quiet).await), (0, 0));
}

/// With a wrong password everything but NATS works and the failure shows. With the right password
/// no event is missing.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs NATS"]
async fn wrong_credentials_show_as_lag_and_fail_nothing_else() {
    let nats = NatsServer::start_with(&["--user", "earcon", "--pass", "right"]).await;
    let settings = |password: &str| {
        let mut settings = nats.settings();
        settings.extend([("nats.user", json!("earcon")), ("nats.password", json!(password))]);
        settings
    };
    let server = Server::start_with(&settings("wrong"), Overrides::default()).await;
    let failures = server.metric("earcon_consumer_failures_total").await;
    server.post("load", &noise(START, 10, 1.0)).await;
    let failing = || async { (server.metric("earcon_consumer_failures_total").await > failures).then_some(()) };
    eventually("the fan-out fails visibly", failing).await;
    let data = server.shut_down().await;

    let options = async_nats::ConnectOptions::new().user_and_password("earcon".into(), "right".into());
    let client = NatsClient(options.connect(nats.url()).await.unwrap());
    let mut all = client.follow("earcon.v1.default.local.>").await;
    let server = Server::start_in(data, &settings("right"), Overrides::default()).await;
    assert_eq!(body(&all.next().await)["seq"], 1);
    drop(server);
}
