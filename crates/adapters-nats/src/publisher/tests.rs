//! Against a real server.

use std::collections::BTreeMap;

use super::super::test_server;
use super::*;
use earcon_model::WorkspaceId;
use earcon_tenancy::Authorizer;

fn fresh() -> WorkspacePass {
    let name = format!("publisher-{}", uuid::Uuid::new_v4().simple());
    Authorizer::new().system(&WorkspaceId::new(&name).unwrap())
}

fn message(topic: &[&str], payload: impl Into<Bytes>) -> Publication {
    Publication {
        topic: topic.iter().map(|&part| part.to_owned()).collect(),
        headers: vec![("ce-id", "e:1".to_owned()), ("Nats-Msg-Id", "e:1".to_owned())],
        payload: payload.into(),
    }
}

async fn next(subscriber: &mut async_nats::Subscriber) -> async_nats::Message {
    timeout(PATIENCE, subscriber.next()).await.expect("a message comes in time").expect("the subscription stays")
}

#[tokio::test]
#[ignore = "needs NATS"]
async fn messages_arrive_in_order_with_their_headers() {
    let client = test_server::client().await;
    let pass = fresh();
    let mut all = client.subscribe(format!("earcon.v1.default.{}.>", pass.workspace())).await.unwrap();
    client.flush().await.unwrap();
    let publisher = NatsPublisher::new(test_server::client().await);
    let since = publisher.connection();
    let numbers: Vec<_> = (0..2_000).map(|n| message(&["events", "x"], n.to_string())).collect();
    publisher.publish(&pass, numbers).await.unwrap();
    publisher.flush(since).await.unwrap();
    for n in 0..2_000 {
        let message = next(&mut all).await;
        assert_eq!(message.payload, n.to_string());
        assert_eq!(message.subject.as_str(), format!("earcon.v1.default.{}.events.x", pass.workspace()));
        let headers: BTreeMap<_, _> =
            message.headers.unwrap().iter().map(|(k, v)| (k.to_string(), v[0].to_string())).collect();
        let expected = [("Nats-Msg-Id", "e:1"), ("ce-id", "e:1")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(headers, BTreeMap::from(expected));
    }
}

#[tokio::test]
#[ignore = "needs NATS"]
async fn a_hostile_name_stays_in_its_workspace() {
    let client = test_server::client().await;
    let (pass, other) = (fresh(), fresh());
    let mut theirs = client.subscribe(format!("earcon.v1.default.{}.>", other.workspace())).await.unwrap();
    let mut ours = client.subscribe(format!("earcon.v1.default.{}.samples.*", pass.workspace())).await.unwrap();
    client.flush().await.unwrap();
    let publisher = NatsPublisher::new(client.clone());
    let escape = format!("x.{}.events", other.workspace());
    let hostile = ["..", ">", "*", "a b", "", "%", "\r\n", "é.ü", escape.as_str()];
    let since = publisher.connection();
    publisher
        .publish(&pass, hostile.iter().map(|name| message(&["samples", name], (*name).to_owned())).collect())
        .await
        .unwrap();
    publisher.publish(&other, vec![message(&["end"], "end")]).await.unwrap();
    publisher.flush(since).await.unwrap();
    for name in hostile {
        assert_eq!(next(&mut ours).await.payload, *name);
    }
    assert_eq!(next(&mut theirs).await.payload, "end", "nothing else came under the other workspace");
}

#[tokio::test]
#[ignore = "needs NATS"]
async fn a_message_that_is_too_large_is_refused_and_the_others_are_sent() {
    let client = test_server::client().await;
    let pass = fresh();
    let mut all = client.subscribe(format!("earcon.v1.default.{}.>", pass.workspace())).await.unwrap();
    client.flush().await.unwrap();
    let publisher = NatsPublisher::new(client);
    let large = vec![b'x'; publisher.max_message_bytes()];
    let messages = vec![message(&["a"], "first"), message(&["a"], large), message(&["a"], "last")];
    let error = publisher.publish(&pass, messages).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(next(&mut all).await.payload, "first");
    assert_eq!(next(&mut all).await.payload, "last");
}

#[tokio::test]
#[ignore = "needs NATS"]
async fn a_flush_over_a_new_connection_admits_that_messages_may_be_lost() {
    let client = test_server::client().await;
    let publisher = NatsPublisher::new(client.clone());
    let since = publisher.connection();
    publisher.flush(since).await.unwrap();
    client.force_reconnect().await.unwrap();
    while publisher.connection() == since {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while publisher.check_connected().is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(publisher.flush(since).await.unwrap_err().kind, ErrorKind::Unavailable);
    publisher.flush(publisher.connection()).await.unwrap();
}

#[tokio::test]
async fn without_a_connection_nothing_is_queued() {
    let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
    // Nothing listens on the discard port of this machine.
    let client = options.connect("nats://127.0.0.1:9").await.unwrap();
    let publisher = NatsPublisher::new(client);
    let error = publisher.publish(&fresh(), vec![message(&["a"], "x")]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
}
