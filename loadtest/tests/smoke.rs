//! The load generator on small loads, against the raw server and against Earcon.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Loads run one at a time, because each keeps a machine busy.
static TURN: Mutex<()> = Mutex::new(());
/// Time limit for one load. Only guards against a load that hangs.
const LIMIT: Duration = Duration::from_secs(400);

fn loadtest(arguments: &[&str]) -> Output {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let out = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let err = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).map(|_| bytes)
    });
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child.kill().unwrap();
                panic!("loadtest {arguments:?} did not end");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    Output { status, stdout: out.join().unwrap().unwrap(), stderr: err.join().unwrap().unwrap() }
}

/// Runs a scenario, which must succeed. Returns its figures.
fn figures(scenario: &str, target: &str, changes: &[&str]) -> impl Fn(&str) -> f64 + use<> {
    let mut arguments = vec!["run", scenario, "--json", "--target", target];
    let earcon = (target == "earcon").then(earcon);
    if let Some(path) = &earcon {
        arguments.extend(["--server", path.to_str().expect("a path of the test is text")]);
    }
    for change in changes {
        arguments.extend(["--set", change]);
    }
    let output = loadtest(&arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let reports: Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    let report = reports[0].clone();
    assert_eq!((&report["scenario"], &report["target"]), (&scenario.into(), &target.into()));
    move |name: &str| {
        let found = report["figures"].as_array().unwrap().iter().find(|figure| figure["name"] == name);
        found.and_then(|figure| figure["value"].as_f64()).unwrap_or_else(|| panic!("no figure {name:?} in {report:#}"))
    }
}

/// The server's binary, in the directory of this one's. Panics if it has not been built.
fn earcon() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_loadtest")).with_file_name("earcon");
    assert!(path.exists(), "{} has not been built; `cargo test --workspace` builds it", path.display());
    path
}

const SMALL_FAN_OUT: &[&str] = &["connections=20", "messages_per_second=20", "seconds=1"];
const SMALL_AUDIENCE: &[&str] = &["listeners=15", "warm_up_seconds=0.5", "seconds=2"];
const SMALL_INGEST: &[&str] = &[
    "kpis=5",
    "series_per_kpi=20",
    "batch=50",
    "connections=2",
    "samples_per_series=20",
    "warm_up_samples_per_series=5",
    "settle_seconds=0",
];

#[test]
fn messages_reach_all_connections_of_the_raw_server() {
    let figure = figures("websocket", "raw", SMALL_FAN_OUT);
    assert_eq!((figure("connections"), figure("missing deliveries")), (20.0, 0.0));
    // The message with the head of its frame.
    assert_eq!(figure("message"), 434.0);
    assert!(figure("latency p50") > 0.0 && figure("latency p50") <= figure("latency max"));
}

#[test]
fn events_reach_all_followers_of_earcon() {
    let figure = figures("websocket", "earcon", SMALL_FAN_OUT);
    assert_eq!((figure("connections"), figure("missing deliveries")), (20.0, 0.0));
    assert!(figure("message") > 100.0 && figure("deliveries per server CPU second") > 0.0);
}

#[test]
fn audio_is_received_as_packets_and_as_pages() {
    for target in ["raw", "earcon"] {
        let figure = figures("audio", target, SMALL_AUDIENCE);
        assert!(figure("packets") > 0.0 && figure("listeners per core") > 0.0, "{target}");
        let figure = figures("audio-ogg", target, SMALL_AUDIENCE);
        assert!(figure("listeners per core") > 0.0 && figure("bitrate per listener") > 0.0, "{target}");
    }
}

#[test]
fn samples_are_sent_in_all_protocols() {
    for scenario in ["ingest-json", "ingest-influx", "ingest-prometheus"] {
        let figure = figures(scenario, "raw", SMALL_INGEST);
        assert_eq!(figure("samples"), 2_000.0);
        assert!(figure("samples/s") > 0.0 && figure("body") > 1.0);
    }
}

#[test]
fn earcon_counts_and_scores_all_samples() {
    let figure = figures("ingest-json", "earcon", SMALL_INGEST);
    assert_eq!((figure("samples the server does not count"), figure("samples not scored (late)")), (0.0, 0.0));
}

#[test]
fn probes_arrive_and_surprises_have_cues() {
    let small = ["background_samples_per_second=200", "batch=20", "series=40", "probes_per_second=10"];
    let changes = [&small[..], &["seconds=2", "mixes=1", "cues_per_mix=2"]].concat();
    let figure = figures("latency", "earcon", &changes);
    assert_eq!((figure("probes"), figure("probes that did not arrive")), (20.0, 0.0));
    assert_eq!((figure("surprises"), figure("surprises without a cue")), (2.0, 0.0));
}

#[test]
fn connections_subscribe_and_leave() {
    let figure = figures("churn", "earcon", &["workers=4", "seconds=1"]);
    assert!(figure("connections") > 0.0);
}

#[test]
fn soak_reports_memory() {
    let load = ["connections=3", "listeners=3", "samples_per_second=200", "batch=20", "series=40"];
    let figure = figures("soak", "earcon", &[&load[..], &["seconds=3", "warm_up_seconds=0"]].concat());
    assert!(figure("memory at the end") > 0.0 && figure("memory growth").is_finite());
}

#[test]
fn targets_are_compared_in_one_table() {
    let mut arguments = vec!["compare", "websocket", "--targets", "raw,raw", "--rounds", "2"];
    SMALL_FAN_OUT.iter().for_each(|change| arguments.extend(["--set", change]));
    let output = loadtest(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.lines().next().is_some_and(|line| line.matches("raw").count() == 2), "{text}");
    assert!(text.contains("deliveries per server CPU second"), "{text}");
}

#[test]
fn invalid_commands_name_the_problem() {
    for (arguments, about) in [
        (&["run", "nonsense"][..], "nonsense"),
        (&["run", "websocket", "--target", "icecast"], "icecast"),
        (&["run", "websocket", "--set", "connections=0"], "connections"),
        (&["run", "websocket", "--server", "/nonexistent/earcon"], "/nonexistent/earcon"),
        (&["run", "ingest-influx", "--target", "victoriametrics", "--peers", "/nonexistent"], "scripts/peers.sh"),
    ] {
        let output = loadtest(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(about), "{arguments:?}: {said}");
    }
}
