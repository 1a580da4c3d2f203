//! File upload with progress, and backfill from the command line.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Server;

const START: i64 = 1_767_225_600_000;

/// Uploads a file. Returns the status and the lines of the answer.
async fn upload(server: &Server, query: &str, content_type: &str, body: Vec<u8>) -> (u16, Vec<Value>) {
    let request = server.http().post(server.workspace_url(&format!("/kpis/upload?{query}")));
    let response = request.header("content-type", content_type).body(body).send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn wide(rows: i64) -> String {
    let row =
        |i: i64| format!("{},{},{}\n", START + i * 1_000, i % 7, if i == 17 { "many".into() } else { i.to_string() });
    std::iter::once("time,doors,steps\n".to_owned()).chain((0..rows).map(row)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn file_import_reports_progress_and_bad_cells() {
    let server = Server::start().await;
    let (status, lines) = upload(&server, "backfill=true&name=shop.csv", "text/csv", wide(8_000).into()).await;
    assert_eq!(status, 200);
    let (last, before) = lines.split_last().unwrap();
    assert!(!before.is_empty() && before.iter().all(|line| line["done"] == false), "{lines:?}");
    assert_eq!((&last["done"], &last["rows"], &last["accepted"]), (&json!(true), &json!(8_000), &json!(15_999)));
    assert_eq!((&last["skipped"], &last["rejected"], &last["late"]), (&json!(1), &json!(0), &json!(0)));
    assert!(last["problems"][0].as_str().unwrap().starts_with("line 19: steps"), "{last}");
    assert!(last["error"].is_null() && last["seq"].as_u64().unwrap() > 0);
    let (_, kpi) = server.get("/kpis/steps").await;
    assert_eq!((&kpi["series"][0]["value"], &kpi["series"][0]["state"]), (&json!(7_999.0), &json!("ended")));

    // A repeated upload changes nothing.
    let (_, lines) = upload(&server, "backfill=true&name=shop.csv", "text/csv", wide(8_000).into()).await;
    let last = lines.last().unwrap();
    assert_eq!((&last["accepted"], &last["late"]), (&json!(15_999), &json!(15_999)));
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_files_are_read_and_rows_that_replace_each_other_are_counted() {
    use std::io::Write as _;
    let server = Server::start_with(&[("ingest.max_upload_megabytes", json!(1))], Default::default()).await;
    let gzip = |text: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    let text = format!("time,load\n{START},1\n{START},2\n{},3\n{},4\n", START + 2_000, START + 1_000);
    let (status, lines) = upload(&server, "name=shop.csv.gz", "application/gzip", gzip(&text)).await;
    let last = lines.last().unwrap();
    assert_eq!((status, &last["accepted"], &last["late"], &last["replaced"]), (200, &json!(4), &json!(2), &json!(1)));
    let warning = last["warning"].as_str().unwrap();
    assert!(warning.contains("1 sample comes after") && warning.contains("1 sample has the same series"), "{warning}");
    let rows: String = (0..200_000).map(|i| format!("{},1\n", START + i)).collect();
    let (_, lines) = upload(&server, "name=a.csv.gz", "text/csv", gzip(&format!("time,load\n{rows}"))).await;
    let error = lines.last().unwrap()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("more than 1 MiB when it is decompressed"), "{error}");
    let (status, lines) = upload(&server, "name=a.csv", "text/csv", b"PK\x03\x04\x14\0".to_vec()).await;
    let detail = lines[0]["detail"].as_str().unwrap();
    assert!(status == 400 && detail.starts_with("this is a zip archive, not CSV"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_that_clocks_repeat_are_told_in_preview_and_answer() {
    let server = Server::start_with(&[("storage.history_days", json!(3_650))], Default::default()).await;
    let text = "time,load\n2025-10-26 02:30,1\n2025-10-26 02:30,2\n2026-03-29 02:30,3\n";
    for dry_run in [true, false] {
        let query = format!("time_zone=Europe/Berlin&dry_run={dry_run}");
        let (status, lines) = upload(&server, &query, "text/csv", text.into()).await;
        let last = lines.last().unwrap();
        assert_eq!((status, &last["skipped"]), (200, &json!(1)), "{last}");
        assert!(last["warning"].as_str().unwrap().contains("2 rows lie in an hour that the clocks repeat"), "{last}");
        assert!(last["problems"][0].as_str().unwrap().contains("the clocks of Europe/Berlin skip it"), "{last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn file_with_one_value_per_row_names_its_kpis() {
    let server = Server::start().await;
    let text = format!("timestamp,metric,value,label.region\n{START},sales,5,eu\n{START},visits,7,us\n");
    let (status, lines) = upload(&server, "kpi=shop", "text/csv; charset=utf-8", text.into()).await;
    assert_eq!((status, &lines.last().unwrap()["accepted"]), (200, &json!(2)));
    let (_, kpi) = server.get("/kpis/shop.visits").await;
    assert_eq!(kpi["series"][0]["labels"], json!({"region": "us"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_file_is_refused_before_any_row_is_ingested() {
    let server = Server::start_with(&[("ingest.max_upload_megabytes", json!(1))], Default::default()).await;
    let refused = async |query: &str, content_type: &str, body: &[u8]| {
        let (status, lines) = upload(&server, query, content_type, body.to_vec()).await;
        (status, lines[0]["type"].as_str().unwrap().to_owned(), lines[0]["detail"].as_str().unwrap().to_owned())
    };
    let xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    let (status, problem, _) = refused("", "text/csv", &vec![b'1'; (1 << 20) + 1]).await;
    assert_eq!((status, problem.as_str()), (413, "/problems/too-large"));
    assert_eq!(refused("", "image/png", b"x").await.0, 415);
    assert_eq!(refused("", "text/csv", b"").await.0, 400);
    let (status, _, detail) = refused("", "text/csv", b"time,value\nnoon,1\n").await;
    assert!(status == 400 && detail.contains("noon"), "{detail}");
    let (status, _, detail) = refused("", xlsx, b"PK nonsense").await;
    assert!(status == 400 && detail.contains("workbook"), "{detail}");
    assert_eq!(refused("kpi=a%20b", "text/csv", b"time,value\n1,1\n").await.0, 400);
    assert_eq!(server.get("/kpis").await.1["kpis"], json!([]), "nothing of them was taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn backfill_command_can_be_repeated() {
    let server = Server::start().await;
    let dir = TempDir::new().unwrap();
    let (first, second) = (dir.path().join("first.csv"), dir.path().join("second.csv"));
    std::fs::write(&first, wide(300)).unwrap();
    std::fs::write(&second, format!("time,doors\n{},3\n", START + 400_000)).unwrap();
    let backfill = || {
        let mut program = Command::new(env!("CARGO_BIN_EXE_earcon"));
        program.args(["backfill", first.to_str().unwrap(), second.to_str().unwrap(), "--kpi", "shop"]);
        program.args(["--url", &server.url("")]);
        async { tokio::task::spawn_blocking(move || program.output().unwrap()).await.unwrap() }
    };
    let output = backfill().await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("first.csv: 599 samples accepted, 0 rejected, 1 row or cell skipped"), "{said}");
    // A single value column gets the name of --kpi.
    assert_eq!(server.get("/kpis/shop").await.1["series"][0]["state"], "ended");
    assert_eq!(server.get("/kpis/shop.doors").await.1["series"][0]["state"], "ended");
    let (_, anomalies) = server.get(&format!("/anomalies?from={START}&to={}", START + 1_000_000)).await;
    assert_eq!(anomalies["anomalies"], json!([]));

    let again = backfill().await;
    let said = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(said.contains("599 samples accepted (599 late: stored, not scored"), "{said}");
}
