//! `earcon tail`, `listen` and `query` against a running server.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use earcon::app::Overrides;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::command::{Ended, Running, wait};
use crate::support::{Server, eventually, noise};

const START: i64 = 1_767_225_600_000;

/// Waits for a command without blocking the server, whose tasks may run on this thread.
async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let running = Running::start_with(arguments, environment);
    tokio::task::block_in_place(|| running.end())
}

fn line(tail: &mut Running, part: &str) -> String {
    tokio::task::block_in_place(|| tail.line(part))
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_prints_events_as_text_and_json() {
    let server = Server::start().await;
    let url = server.url("/");
    server.post("shop.orders", &[(START, 7.0)]).await;
    server.post("other", &[(START, 1.0)]).await;
    let mut people = Running::start(&["tail", "shop.*", "--since", "snapshot", "--url", &url]);
    let mut programs = Running::start(&["tail", "shop.*", "--since", "snapshot", "--url", &url, "--json"]);
    assert!(line(&mut people, "shop.orders").contains("warming up"), "the state first");
    let snapshot: Value = serde_json::from_str(&line(&mut programs, "")).unwrap();
    assert_eq!((&snapshot["type"], snapshot["kpis"].as_array().unwrap().len()), (&json!("snapshot"), 1));

    server.post("other", &[(START + 1_000, 1.0)]).await;
    let posted = server.post("shop.orders", &[(START + 1_000, 12.25)]).await;
    let shown = line(&mut people, "");
    assert!(shown.starts_with("00:00:01.000  shop.orders") && shown.contains("12.25"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "no colours into a pipe: {shown:?}");
    let event: Value = serde_json::from_str(&line(&mut programs, "")).unwrap();
    assert_eq!((&event["seq"], &event["type"]), (&posted["seq"], &json!("samples")));
    assert_eq!(event["data"]["series"][0]["samples"][0][1], 12.25);
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_reconnects_after_a_server_restart() {
    let server = Server::start().await;
    let url = server.url("/");
    server.post("a", &[(START, 1.0)]).await;
    let mut tail = Running::start(&["tail", "--since", "snapshot", "--url", &url]);
    line(&mut tail, "warming up");
    let data = server.shut_down().await;
    tokio::task::block_in_place(|| tail.complaint("coming back"));
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let server = Server::start_in(data, &[("server.listen", json!(address))], Overrides::default()).await;
    server.post("a", &[(START + 1_000, 77.0)]).await;
    assert!(line(&mut tail, "77").starts_with("00:00:01.000  a "));
    tokio::task::block_in_place(|| tail.complaint("connected again; all that was missed follows"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_ends_without_output_on_interrupt_and_closed_pipe() {
    let server = Server::start().await;
    let url = server.url("/");
    server.post("a", &[(START, 1.0)]).await;
    let mut interrupted = Running::start(&["tail", "--since", "snapshot", "--url", &url]);
    line(&mut interrupted, "warming up");
    interrupted.interrupt();
    let ended = tokio::task::block_in_place(|| interrupted.end());
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("", ""), "an interrupt is no error");

    let mut child = Command::new(env!("CARGO_BIN_EXE_earcon"))
        .args(["tail", "--since", "snapshot", "--url", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    // The snapshot may have been written before the pipe was closed. Later samples were not.
    let mut at = START;
    let posting = async {
        loop {
            at += 1_000;
            server.post("a", &[(at, 1.0)]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let ending = tokio::task::spawn_blocking(move || (wait(&mut child), child));
    let (status, mut child) = tokio::select! {
        ended = ending => ended.unwrap(),
        () = posting => unreachable!("it posts until it is dropped"),
    };
    let mut complaints = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut complaints).unwrap();
    assert_eq!((status.code(), complaints.as_str()), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_line_of_a_new_kpi_has_its_unit() {
    let server = Server::start().await;
    let url = server.url("/");
    server.post("before", &[(START, 1.0)]).await;
    let mut tail = Running::start(&["tail", "--since", "snapshot", "--url", &url]);
    line(&mut tail, "before");
    let row = serde_json::json!({"kpi": "latency", "timestamp": START, "value": 12.5, "unit": "ms"});
    server.ingest(&serde_json::json!({"samples": [row]})).await;
    let first = line(&mut tail, "latency");
    assert!(first.contains("12.5 ms"), "{first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_what_is_not_there_says_so_and_fails() {
    let server = Server::start().await;
    let url = server.url("/");
    server.post("a", &[(START, 1.0)]).await;
    let cases: [(&[&str], &str); 5] = [
        (&["none"], "none"),
        (&["a", "--labels", "r:eu"], "a has no series with these labels"),
        (&["a", "--labels", "r:eu", "--dry-run"], "a has no series with these labels"),
        (&["a", "--from", "2026-01-02", "--to", "2026-01-03"], "a has no samples and anomalies of that time"),
        (&["--whole-workspace", "--workspace", "none"], "none"),
    ];
    for (what, part) in cases {
        let yes: &[&str] = if what.contains(&"--dry-run") { &[] } else { &["--yes"] };
        let ended = run(&[&["delete", "--url", &url], what, yes].concat(), &[]).await;
        assert_eq!((ended.status.code(), ended.out.as_str()), (Some(1), ""), "{what:?}: {}", ended.err);
        assert!(ended.err.contains(part), "{what:?}: {}", ended.err);
    }
    let ended = run(&["delete", "a", "--yes", "--url", &url], &[]).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_are_a_clear_error() {
    let server = Server::start().await;
    let url = server.url("/");
    server.post("a", &[(START, 1.0)]).await;
    let nowhere = "http://127.0.0.1:9";
    let cases: [(&[&str], i32, &str); 9] = [
        (&["tail", "--url", nowhere], 69, nowhere),
        (&["listen", "--url", nowhere, "--output", "/dev/null"], 69, "earcon serve"),
        (&["query", "a", "--url", nowhere], 69, nowhere),
        (&["tail", "--url", &url, "--workspace", "none"], 69, "no workspace"),
        (&["tail", "--types", "sample"], 64, "anomaly.opened"),
        (&["tail", "--rate", "1000"], 64, "0.01 to 100"),
        (&["query", "a", "--from", "yesterday"], 64, "2026-01-01T00:00Z"),
        (&["query"], 64, "KPI"),
        (&["query", "none", "--url", &url], 69, "none"),
    ];
    for (arguments, code, part) in cases {
        let ended = run(arguments, &[]).await;
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(part) && ended.out.is_empty(), "{arguments:?}: {}", ended.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_writes_a_file_or_feeds_a_player() {
    let server = Server::start().await;
    let url = server.url("/");
    server.post("a", &[(START, 1.0)]).await;
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let ended = run(&["listen", "--url", &url, "--seconds", "1", "--output", &path("a.ogg")], &[]).await;
    assert!(ended.status.success() && ended.err.is_empty(), "{}", ended.err);
    assert_one_second_of_sound(&fs::read(path("a.ogg")).unwrap());

    // Without a player, and with one that only stores its input.
    let none = run(&["listen", "--url", &url], &[("PATH", &path("nowhere"))]).await;
    assert_eq!(none.status.code(), Some(69), "{}", none.err);
    assert!(none.err.contains("apt install mpv") && none.err.contains("--output"), "{}", none.err);
    let player = dir.path().join("ffplay");
    fs::write(&player, format!("#!/bin/sh\nexec /bin/cat > {}\n", path("played.ogg"))).unwrap();
    fs::set_permissions(&player, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let ended = run(&["listen", "--url", &url, "--seconds", "1"], &[("PATH", dir.path().to_str().unwrap())]).await;
    assert!(ended.status.success(), "{}", ended.err);
    assert_one_second_of_sound(&fs::read(path("played.ogg")).unwrap());
}

fn assert_one_second_of_sound(bytes: &[u8]) {
    let mut reader = ogg::PacketReader::new(std::io::Cursor::new(bytes));
    let mut packets = 0;
    while let Some(packet) = reader.read_packet().expect("whole pages") {
        assert!(packets > 0 || packet.data.starts_with(b"OpusHead"));
        packets += 1;
    }
    // Two header packets, 50 packets of 20 ms, and at most a few more pages.
    assert!((52..120).contains(&packets), "{packets} packets");
}

#[tokio::test(flavor = "multi_thread")]
async fn query_prints_history_in_three_formats() {
    let server = Server::start().await;
    let url = server.url("/");
    let mut samples = noise(START, 400, 100.0);
    samples.push((START + 400_000, 900.0));
    server.post("shop.orders", &samples).await;
    eventually("history has all samples", async || {
        let (_, answer) = server.get(&format!("/kpis/shop.orders/samples?from={START}&to={}", START + 500_000)).await;
        (answer["series"][0]["samples"].as_array()?.len() == 401).then_some(())
    })
    .await;
    let query = ["query", "shop.orders", "--url", &url, "--from", "2026-01-01T00:00Z", "--to", "2026-01-01T00:10Z"];

    let table = run(&query, &[]).await;
    assert!(table.status.success(), "{}", table.err);
    let lines: Vec<_> = table.out.lines().collect();
    assert_eq!(lines[0], "shop.orders  401 rows");
    assert!(lines[1].trim().ends_with('█'), "the spike at the end shows: {}", lines[1]);
    assert!(lines[2].contains("timestamp") && lines[3].starts_with("2026-01-01T00:00:00+00:00"), "{}", lines[3]);
    assert_eq!(lines.len(), 404);

    let csv = run(&[&query[..], &["--format", "csv"]].concat(), &[]).await;
    let mut rows = csv.out.lines();
    assert_eq!(rows.next(), Some("kpi,labels,timestamp,value,score,expected,lower,upper"));
    assert!(rows.next().unwrap().starts_with(&format!("shop.orders,,{START},")), "{}", csv.out);
    assert_eq!(rows.count(), 400);

    let json = run(&[&query[..], &["--format", "json", "--step", "1m"]].concat(), &[]).await;
    let answer: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(answer["series"][0]["samples"].as_array().unwrap().len(), 7, "one row a minute");
    assert_eq!(answer["columns"][1], "count");

    let listed = run(&["query", "--anomalies", "--url", &url, "--format", "csv"], &[]).await;
    assert!(
        listed.out.lines().any(|line| line.contains(",shop.orders,,open,") && line.contains(",900,")),
        "{}",
        listed.out
    );
    let shown = run(&["query", "shop.orders", "--anomalies", "--url", &url], &[]).await;
    assert!(shown.out.contains("900 above"), "{}", shown.out);
    let nothing = run(&["query", "shop.orders", "--anomalies", "--url", &url, "--to", "2025-01-01"], &[]).await;
    assert_eq!(nothing.out, "no anomalies in that time\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_with_a_rate_holds_samples_back() {
    let server = Server::start().await;
    let url = server.url("/");
    server.post("a", &[(START, 0.0)]).await;
    // One event in a hundred seconds: during this test, samples held back stay held back.
    let mut tail = Running::start(&["tail", "--since", "snapshot", "--url", &url, "--json", "--rate", "0.01"]);
    line(&mut tail, "snapshot");
    for i in 1..=20 {
        server.post("a", &[(START + i * 1_000, i as f64)]).await;
    }
    server.post("b", &[(START, 1.0)]).await;
    let [first, next] = [line(&mut tail, "samples"), line(&mut tail, "samples")];
    let (first, next): (Value, Value) = (serde_json::from_str(&first).unwrap(), serde_json::from_str(&next).unwrap());
    assert_eq!((&first["kpi"], first.get("conflated")), (&json!("a"), None), "{first}");
    assert_eq!(next["kpi"], "b", "the rate applies to each KPI: {next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_with_a_rate_counts_every_event_and_ends_with_the_newest() {
    let server = Server::start().await;
    let url = server.url("/");
    server.post("a", &[(START, 0.0)]).await;
    let mut tail = Running::start(&["tail", "--since", "snapshot", "--url", &url, "--json", "--rate", "1"]);
    line(&mut tail, "snapshot");
    for i in 1..=20 {
        server.post("a", &[(START + i * 1_000, i as f64)]).await;
    }
    let (mut events, mut newest) = (0, Value::Null);
    while events < 20 {
        let event: Value = serde_json::from_str(&line(&mut tail, "samples")).unwrap();
        events += event["conflated"].as_u64().unwrap_or(1);
        newest = event["data"]["series"][0]["samples"].as_array().unwrap().last().unwrap()[1].clone();
    }
    assert_eq!((events, newest), (20, json!(20.0)), "each event counts once, the newest value arrives");
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_that_reorder_text_are_escaped_in_json_and_kept_in_csv_for_programs() {
    let server = Server::start().await;
    let url = server.url("/");
    let mut tail = Running::start(&["tail", "--since", "snapshot", "--url", &url, "--json"]);
    line(&mut tail, "snapshot");
    let row = json!({"kpi": "a", "labels": {"l": "x\u{202e}y"}, "timestamp": START, "value": 1});
    assert_eq!(server.ingest(&json!({"samples": [row]})).await.0, 200);
    let shown = line(&mut tail, "\"samples\"");
    assert!(shown.contains("x\\u202ey") && !shown.contains('\u{202e}'), "{shown}");
    let event: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(event["data"]["series"][0]["labels"]["l"], "x\u{202e}y", "it is the same text");
    let query = ["query", "a", "--url", &url, "--from", "2026-01-01T00:00Z", "--to", "2026-01-01T00:10Z", "--format"];
    let json = eventually("history has the sample", async || {
        let json = run(&[&query[..], &["json"]].concat(), &[]).await.out;
        json.contains("[[").then_some(json)
    })
    .await;
    assert!(json.contains("x\\u202ey") && !json.contains('\u{202e}'), "{json}");
    let csv = run(&[&query[..], &["csv"]].concat(), &[]).await.out;
    assert!(csv.contains("x\u{202e}y"), "a program gets the text as it is: {csv}");
}
