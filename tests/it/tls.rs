//! TLS: everything that passes without it, certificates that change, and clients that hold on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use earcon_client::{EventData, Sample, Since, Sound, Update};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::authority::{Authority, Files, http, trusting};
use crate::support::command::Running;
use crate::support::{Server, eventually};

/// Only guards against a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn samples_events_sound_and_pages_pass_over_tls() {
    let authority = Authority::new("one");
    let files = Files::of(&authority);
    let server = files.serve(&[]).await;
    let workspace = trusting(&server, &authority.pem());
    let now = jiff::Timestamp::now().as_millisecond();
    let many: Vec<_> = (0..20_000).map(|at| Sample::new("many", f64::from(at)).at(now - i64::from(at))).collect();
    assert_eq!(workspace.ingest(&many).await.unwrap().accepted, 20_000, "a body of many records");
    let mut updates = workspace.follow().since(Since::Snapshot).start();
    while !matches!(timeout(PATIENCE, updates.next()).await.unwrap(), Some(Ok(Update::Snapshot(_)))) {}
    workspace.ingest(&[Sample::new("one", 1.0)]).await.unwrap();
    loop {
        match timeout(PATIENCE, updates.next()).await.unwrap() {
            Some(Ok(Update::Event(event)))
                if matches!(event.data, EventData::Samples { .. }) && event.kpi.as_deref() == Some("one") =>
            {
                break;
            }
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    let mut listening = workspace.listen("default").start();
    while !matches!(timeout(PATIENCE, listening.next()).await.unwrap(), Some(Ok(Sound::Packet(_)))) {}
    let http = http(&authority.pem());
    let base = format!("https://{}", server.address());
    for path in ["/", "/nowhere", "/api/v1/workspaces", "/api/v1/workspaces/local/mixes/default/live.ogg"] {
        let answer = http.get(format!("{base}{path}")).send().await.unwrap();
        assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000", "{path}");
    }
    let mut ogg = http.get(format!("{base}/api/v1/workspaces/local/mixes/default/live.ogg")).send().await.unwrap();
    assert!(ogg.chunk().await.unwrap().expect("the stream begins").starts_with(b"OggS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_told_nothing_without_tls_or_with_zero_days() {
    let authority = Authority::new("one");
    let files = Files::of(&authority);
    let server = files.serve(&[("tls.hsts_days", json!(0))]).await;
    let answer = http(&authority.pem()).get(format!("https://{}/", server.address())).send().await.unwrap();
    assert!(!answer.headers().contains_key("strict-transport-security"));
    let plain = Server::start().await;
    let answer = plain.http().get(plain.url("/")).send().await.unwrap();
    assert!(!answer.headers().contains_key("strict-transport-security"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_used_without_a_dropped_request_and_a_bad_one_is_not() {
    let (first, second, third) = (Authority::new("first"), Authority::new("second"), Authority::new("third"));
    let files = Files::of(&first);
    let server = files.serve(&[]).await;
    let url = format!("https://{}/healthz", server.address());
    let all = [first.pem(), second.pem(), third.pem()].concat();
    let mut updates = trusting(&server, &all).follow().since(Since::Snapshot).start();
    while !matches!(timeout(PATIENCE, updates.next()).await.unwrap(), Some(Ok(Update::Snapshot(_)))) {}
    let over = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn({
        let (client, url, over) = (http(&all), url.clone(), over.clone());
        async move {
            let mut answered = 0_u32;
            while !over.load(Ordering::Acquire) {
                let answer = client.get(&url).send().await.expect("no request is dropped");
                assert_eq!(answer.status(), 200);
                answered += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            answered
        }
    });
    let serves = |authority: &Authority| {
        let (client, url) = (http(&authority.pem()), url.clone());
        async move { client.get(url).send().await.ok() }
    };
    assert!(serves(&first).await.is_some() && serves(&second).await.is_none());
    files.write(second.issue());
    eventually("the second certificate is used", || serves(&second)).await;
    // Two looks at the files see each of these.
    let (certificate, key) = third.issue();
    for bad in [(certificate, second.issue().1), ("no certificate".to_owned(), key)] {
        files.write(bad);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(serves(&second).await.is_some() && serves(&third).await.is_none(), "the one before stays");
    }
    files.write(third.issue());
    eventually("the third certificate is used", || serves(&third)).await;
    over.store(true, Ordering::Release);
    assert!(load.await.unwrap() > 100);
    trusting(&server, &all).ingest(&[Sample::new("one", 1.0)]).await.unwrap();
    loop {
        match timeout(PATIENCE, updates.next()).await.unwrap() {
            Some(Ok(Update::Event(_))) => break,
            Some(Ok(Update::Disconnected { error, .. })) => panic!("an open connection was cut: {error}"),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Reads until the server ends the connection.
async fn end_of(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    let _reset = timeout(PATIENCE, stream.read_to_end(&mut read)).await.expect("the server ends it").is_err();
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_handshakes_do_not_keep_their_places() {
    let authority = Authority::new("one");
    let files = Files::of(&authority);
    let server =
        files.serve(&[("connections.max_per_address", json!(3)), ("connections.head_seconds", json!(1))]).await;
    let connect = || async { TcpStream::connect(server.address()).await.unwrap() };
    let (mut silent, mut begun, mut slow) = (connect().await, connect().await, connect().await);
    // The head of a record that never comes, and one byte of it after the other.
    begun.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).await.unwrap();
    slow.write_all(&[0x16]).await.unwrap();
    eventually("three places are taken", || async { (server_connections(&server) >= 3).then_some(()) }).await;
    assert!(end_of(&mut connect().await).await.is_empty(), "a fourth one has no place");
    let (mut slow_read, mut slow_write) = slow.into_split();
    let dripping = tokio::spawn(async move {
        for byte in [3, 1, 2, 0].into_iter().chain([1; 500]) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if slow_write.write_all(&[byte]).await.is_err() {
                return;
            }
        }
        panic!("the slow one may go on for ever");
    });
    end_of(&mut silent).await;
    end_of(&mut begun).await;
    let _reset = timeout(PATIENCE, slow_read.read_to_end(&mut Vec::new())).await.expect("the slow one is cut").is_err();
    dripping.await.unwrap();
    let health =
        || async { http(&authority.pem()).get(format!("https://{}/healthz", server.address())).send().await.ok() };
    eventually("others have their places", health).await;
}

/// Connections to the server from this process, as the system counts them: accepted ones too.
fn server_connections(server: &Server) -> usize {
    let port = format!(":{:04X} ", server.address().port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table
        .lines()
        .filter(|line| {
            line.split_whitespace().nth(1).is_some_and(|local| format!("{local} ").ends_with(&port))
                && line.contains(" 01 ")
        })
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn http_without_tls_is_answered_with_what_to_do() {
    let files = Files::of(&Authority::new("one"));
    let server = files.serve(&[]).await;
    for request in [
        "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "POST /write HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n123456789",
    ] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        let answer = timeout(PATIENCE, stream.read_to_end(&mut read)).await.expect("the server ends it");
        answer.expect("no reset overtakes the answer");
        let text = String::from_utf8(read).unwrap();
        assert!(text.starts_with("HTTP/1.1 400 ") && text.contains("begin the address with https://"), "{text}");
    }
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"\x00\x01\x02 neither of both").await.unwrap();
    let answer = end_of(&mut stream).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_encrypted_streams_and_handshakes() {
    let authority = Authority::new("one");
    let files = Files::of(&authority);
    let server = files.serve(&[]).await;
    let workspace = trusting(&server, &authority.pem());
    let mut updates = workspace.follow().since(Since::Snapshot).start();
    while !matches!(timeout(PATIENCE, updates.next()).await.unwrap(), Some(Ok(Update::Snapshot(_)))) {}
    let url = format!("https://{}/api/v1/workspaces/local/mixes/default/live.ogg", server.address());
    let mut ogg = http(&authority.pem()).get(url).send().await.unwrap();
    ogg.chunk().await.unwrap().expect("the stream begins");
    let mut silent = TcpStream::connect(server.address()).await.unwrap();
    timeout(PATIENCE, server.shut_down()).await.expect("the shutdown ends");
    match timeout(PATIENCE, updates.next()).await.unwrap() {
        Some(Ok(Update::Disconnected { error, .. })) => {
            assert!(error.to_string().contains("the server closed the connection"), "with a close frame: {error}");
        }
        other => panic!("{other:?}"),
    }
    ogg.bytes().await.expect("the end of the sound was announced");
    assert!(end_of(&mut silent).await.is_empty());
}

#[test]
fn a_certificate_that_cannot_be_used_refuses_the_start() {
    let (authority, data) = (Authority::new("one"), TempDir::new().unwrap());
    let refused = |certificate: &str, key: &str| {
        let files = Files::of(&authority);
        files.write((certificate.to_owned(), key.to_owned()));
        if certificate == "missing" {
            std::fs::remove_file(files.certificate()).unwrap();
        }
        let (certificate, key) = (files.certificate().display().to_string(), files.key().display().to_string());
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()];
        let ended =
            Running::start_with(&arguments, &[("EARCON_TLS__CERTIFICATE", &certificate), ("EARCON_TLS__KEY", &key)])
                .end();
        assert_eq!(ended.status.code(), Some(64), "{}", ended.err);
        ended.err
    };
    let ((certificate, key), (_, other)) = (authority.issue(), authority.issue());
    for (certificate, key, named, reason) in [
        ("missing", key.as_str(), "tls.certificate", "cannot be read"),
        ("text", &key, "tls.certificate", "no certificate in PEM"),
        (&certificate, "text", "tls.key", "no private key in PEM"),
        (&certificate, &certificate, "tls.key", "no private key in PEM"),
        (&certificate, &other, "tls.key", "not the key of the certificate"),
    ] {
        let complaint = refused(certificate, key);
        assert!(complaint.contains(named) && complaint.contains(reason) && complaint.contains(".pem"), "{complaint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_a_server_that_is_not_trusted_ends() {
    let server = Files::of(&Authority::new("one")).serve(&[]).await;
    let mut updates = trusting(&server, &Authority::new("two").pem()).follow().start();
    let ended = timeout(PATIENCE, updates.next()).await.unwrap();
    assert!(matches!(ended, Some(Err(earcon_client::Error::Untrusted { .. }))), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_speak_tls_and_check_the_certificate() {
    let files = Files::of(&Authority::new("one"));
    let server = files.serve(&[]).await;
    let url = format!("https://{}", server.address());
    let (authority, csv) = (files.authority().display().to_string(), files.authority().with_file_name("a.csv"));
    let now = jiff::Timestamp::now().as_millisecond();
    std::fs::write(&csv, format!("timestamp,value\n{},1\n{},2\n", now - 2_000, now - 1_000)).unwrap();
    let csv = csv.display().to_string();
    let commands: [&[&str]; 4] = [
        &["workspaces", "list"],
        &["cluster", "status"],
        &["replay", &csv, "--speed", "0", "--kpi", "a"],
        &["query", "a"],
    ];
    for command in commands {
        let with = |more: &[&str], environment: &[(&str, &str)]| {
            let ended = Running::start_with(&[command, &["--url", &url], more].concat(), environment).end();
            (ended.status.code(), format!("{}{}", ended.out, ended.err))
        };
        let (code, text) = with(&["--ca-file", &authority], &[]);
        assert_eq!(code, Some(0), "{command:?}: {text}");
        let (code, text) = with(&[], &[]);
        assert!(
            code == Some(69) && text.contains("is not trusted") && text.contains("--ca-file"),
            "{command:?}: {code:?} {text}"
        );
        assert_eq!(with(&[], &[("EARCON_CA_FILE", &authority)]).0, Some(0), "{command:?}");
        let (code, text) = with(&["--ca-file", &csv], &[]);
        assert!(code == Some(64) && text.contains("--ca-file"), "{command:?}: {code:?} {text}");
    }
}
