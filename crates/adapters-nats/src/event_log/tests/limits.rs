//! Full streams, large messages, and servers that refuse access.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;

use super::{JetStreamLog, JetStreamLogSettings, all, event, events, fresh, log, next_events};
use crate::test_server::PrivateServer;
use earcon_model::Seq;
use earcon_ports::{ErrorKind, EventLog, SharedLog};

/// Appends events of 10,000 bytes until one is refused. Returns the next event and the refusal.
async fn append_until_refused(
    log: &JetStreamLog,
    pass: &earcon_tenancy::WorkspacePass,
    mut next: Seq,
) -> (Seq, String) {
    loop {
        match log.append(pass, vec![event(next, 10_000)]).await {
            Ok(()) => next += 1,
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Unavailable);
                return (next, error.to_string());
            }
        }
        assert!(next < 100_000, "nothing is ever refused");
    }
}

async fn assert_refuses_until_trimmed(log: &JetStreamLog, says: &str) {
    let pass = fresh();
    log.open(&pass).await.unwrap();
    let (next, error) = append_until_refused(log, &pass, 1).await;
    assert!(error.contains(says), "{error}");
    assert!(next > 50, "refused at once: {error}");
    let kept: Vec<_> = all(log, &pass, 1).await.iter().map(|event| event.seq).collect();
    assert_eq!(kept, (1..next).collect::<Vec<_>>(), "a full log forgets nothing");
    assert!(log.append(&pass, vec![event(next, 10_000)]).await.is_err());

    let middle = next / 2;
    assert_eq!(log.trim(&pass, middle).await.unwrap(), middle);
    let (after, _) = append_until_refused(log, &pass, next).await;
    assert!(after > next, "a trimmed log takes events again");
    assert_eq!(log.trim(&pass, after).await.unwrap(), after);
    log.append(&pass, events(after..=after)).await.unwrap();
    assert_eq!(log.open(&pass).await.unwrap().next, after + 1);
    assert_eq!(all(log, &pass, 1).await, events(after..=after));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn full_log_refuses_until_it_is_trimmed() {
    let server = PrivateServer::start("").await;
    let log = JetStreamLog::connect(server.client().await, JetStreamLogSettings::new(1, 2_000_000)).await.unwrap();
    assert_refuses_until_trimmed(&log, "storage.log_megabytes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn full_server_refuses_until_the_log_is_trimmed() {
    let directory = tempfile::tempdir().unwrap();
    let config = "jetstream { store_dir: \"DIR/store\", max_file_store: 4000000 }";
    let server = PrivateServer::start_in(directory, config).await;
    assert_refuses_until_trimmed(&log(&server.client().await).await, "max_file_store").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn appends_larger_than_a_message_are_split_and_read_whole() {
    let server = PrivateServer::start("max_payload: 8192").await;
    let (pass, log, other) = (fresh(), log(&server.client().await).await, log(&server.client().await).await);
    log.open(&pass).await.unwrap();
    let mut following = other.follow(&pass, 3).await.unwrap();
    // Single events larger than a message, many small events in one append, and mixtures.
    let sizes = |seq: Seq| if seq.is_multiple_of(7) { 50_000 } else { 700 };
    let written: Vec<_> = (1..=100).map(|seq| event(seq, sizes(seq))).collect();
    for part in [&written[..1], &written[1..30], &written[30..31], &written[31..90], &written[90..]] {
        log.append(&pass, part.to_vec()).await.unwrap();
    }
    assert_eq!(next_events(&mut following, 98).await, written[2..]);
    for from in [1, 2, 29, 30, 31, 32, 33, 89, 90, 91, 100] {
        for reader in [&log, &other] {
            assert_eq!(all(reader, &pass, from).await, written[from as usize - 1..], "from {from}");
        }
    }
    for seq in 1..=100 {
        assert_eq!(other.seq_at(&pass, seq * 10 - 3).await.unwrap(), seq as Seq);
    }
    assert_eq!(other.trim(&pass, 60).await.unwrap(), 1, "only the writer moves the fence, which holds the epochs");
    assert_eq!(log.trim(&pass, 60).await.unwrap(), 32, "an append is never cut");
    assert_eq!(other.trim(&pass, 95).await.unwrap(), 91, "the fence is behind it now");
    assert_eq!(all(&log, &pass, 1).await, written[90..]);
    assert_eq!(log.trim(&pass, 101).await.unwrap(), 101);
    assert_eq!(log.open(&pass).await.unwrap().next, 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn stream_of_another_format_is_refused_with_its_name() {
    let server = PrivateServer::start("").await;
    let client = server.client().await;
    let context = async_nats::jetstream::new(client.clone());
    for (metadata, says) in [(None, "log format none"), (Some("2"), "log format 2")] {
        let pass = fresh();
        let name = format!("earcon_log_{}", pass.key().with_organisation('='));
        let metadata = metadata.map(|format: &str| ("earcon_log_format".to_owned(), format.to_owned()));
        let subjects = vec![format!("earcon.log.{}", pass.key().with_organisation('.'))];
        let config = jetstream::stream::Config { name: name.clone(), subjects, ..Default::default() };
        context
            .create_stream(jetstream::stream::Config { metadata: metadata.into_iter().collect(), ..config })
            .await
            .unwrap();
        let log = log(&client).await;
        let follow = log.follow(&pass, 1).await.err().unwrap();
        for error in [log.open(&pass).await.unwrap_err(), log.head(&pass).await.unwrap_err(), follow] {
            assert_eq!(error.kind, ErrorKind::Invalid);
            let sentence = error.to_string();
            assert!(sentence.contains(&name) && sentence.contains(says), "{sentence}");
            assert!(sentence.contains("reads only format 1"), "{sentence}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn connecting_without_jetstream_or_permission_names_the_cause() {
    let directory = tempfile::tempdir().unwrap();
    let server = PrivateServer::start_in(directory, "").await;
    let error = JetStreamLog::connect(server.client().await, JetStreamLogSettings::new(1, 1)).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.to_string().contains("nats-server"), "{error}");

    let config = "authorization { users: [{ user: a, password: b, permissions: { publish: \"else.>\" } }] }";
    let server = PrivateServer::start(config).await;
    let client = async_nats::ConnectOptions::with_user_and_password("a".into(), "b".into());
    let client = client.connect(server.url()).await.unwrap();
    let error = JetStreamLog::connect(client, JetStreamLogSettings::new(1, 1)).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.to_string().contains("may this user publish"), "{error}");

    let server = PrivateServer::start("").await;
    let settings = JetStreamLogSettings::new(3, 1 << 30);
    let log = Arc::new(JetStreamLog::connect(server.client().await, settings).await.unwrap());
    let error = log.open(&fresh()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.to_string().contains("nats.replicas"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn account_that_requires_a_stream_limit_gets_one() {
    let config = "accounts { A: { jetstream: { max_file: 1G, max_mem: 1M, max_bytes_required: true }, \
                  users: [{ user: a, password: b }] } }";
    let server = PrivateServer::start(config).await;
    let client = async_nats::ConnectOptions::with_user_and_password("a".into(), "b".into());
    let client = client.connect(server.url()).await.unwrap();
    let settings = JetStreamLogSettings { retry_for: Duration::from_secs(5), ..JetStreamLogSettings::new(1, 1 << 20) };
    let log = JetStreamLog::connect(client, settings).await.unwrap();
    assert_refuses_until_trimmed(&log, "storage.log_megabytes").await;
}
