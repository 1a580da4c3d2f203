//! Streams that are open end when their key is revoked.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Guarded;
use futures_util::StreamExt;

/// The longest time between a revocation and the end of a stream.
const SOON: Duration = Duration::from_secs(5);

async fn socket(
    guarded: &Guarded,
    path: &str,
    key: Option<&str>,
) -> Result<tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>, Error> {
    let mut request = guarded.server.url(path).replace("http://", "ws://").into_client_request().unwrap();
    if let Some(key) = key {
        request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    }
    Ok(connect_async(request).await?.0)
}

async fn key_of(guarded: &Guarded, permission: &str) -> (String, String) {
    let wish = json!({"name": permission, "permissions": [permission]});
    let key = guarded.key(&guarded.owner, "default", wish).await;
    let id = key.split('_').nth(1).unwrap().to_owned();
    (key, id)
}

#[tokio::test]
async fn sockets_close_when_their_key_is_revoked() {
    let guarded = Guarded::start().await;
    for (permission, path) in [
        ("read", "/api/v1/workspaces/local/events"),
        ("listen", "/api/v1/workspaces/local/mixes/default/live"),
        ("ingest", "/api/v1/workspaces/local/kpis/ingest"),
    ] {
        let (key, id) = key_of(&guarded, permission).await;
        assert!(socket(&guarded, path, None).await.is_err(), "{path}: nobody without a key");
        let mut open = socket(&guarded, path, Some(&key)).await.unwrap();
        let revoke = format!("/api/v1/organisations/default/keys/{id}");
        assert_eq!(guarded.send(&guarded.owner.token, Method::DELETE, &revoke, Value::Null).await.0, 204);
        let close = timeout(SOON, async {
            loop {
                if let Some(Ok(Message::Close(frame))) = open.next().await {
                    return frame;
                }
            }
        });
        let Ok(Some(CloseFrame { code, reason })) = close.await else { panic!("{path} did not end in time") };
        assert_eq!((code, reason.as_str()), (CloseCode::Policy, "the access was withdrawn or has expired"), "{path}");
        assert!(socket(&guarded, path, Some(&key)).await.is_err(), "{path}: not again");
    }
}

#[tokio::test]
async fn answers_without_end_end_when_their_key_is_revoked() {
    let guarded = Guarded::start().await;
    for (permission, path) in
        [("read", "/api/v1/workspaces/local/events"), ("listen", "/api/v1/workspaces/local/mixes/default/live.ogg")]
    {
        let (key, id) = key_of(&guarded, permission).await;
        let open = guarded.request(Method::GET, path).bearer_auth(&key).send().await.unwrap();
        assert_eq!(open.status(), 200, "{path}");
        let revoke = format!("/api/v1/organisations/default/keys/{id}");
        assert_eq!(guarded.send(&guarded.owner.token, Method::DELETE, &revoke, Value::Null).await.0, 204);
        // The rest of the answer, if it has an end.
        assert!(timeout(SOON, open.bytes()).await.is_ok(), "{path} did not end in time");
    }
}

#[tokio::test]
async fn a_ticket_opens_one_stream_once() {
    let guarded = Guarded::start().await;
    let path = "/api/v1/workspaces/local/tickets";
    let (status, answer) = guarded.send(&guarded.owner.token, Method::POST, path, json!({"purpose": "events"})).await;
    assert_eq!(status, 201, "{answer}");
    let ticket = answer["ticket"].as_str().unwrap();
    let with = |path: &str| format!("/api/v1/workspaces/{path}?ticket={ticket}");
    assert!(socket(&guarded, &with("local/mixes/default/live"), None).await.is_err(), "for another purpose");
    assert!(socket(&guarded, &with("local/kpis"), None).await.is_err());
    let read = guarded.request(Method::GET, &with("local/kpis")).send().await.unwrap();
    assert_eq!(read.status(), 401, "a ticket opens streams alone");
    assert!(socket(&guarded, &with("local/events"), None).await.is_ok());
    assert!(socket(&guarded, &with("local/events"), None).await.is_err(), "it was used");
}

#[tokio::test]
async fn a_stream_ends_when_the_secret_of_its_key_is_replaced() {
    let guarded = Guarded::start().await;
    let (key, id) = key_of(&guarded, "read").await;
    let path = "/api/v1/workspaces/local/events";
    let mut open = socket(&guarded, path, Some(&key)).await.unwrap();
    let rotate = format!("/api/v1/organisations/default/keys/{id}/rotate");
    let (status, answer) = guarded.send(&guarded.owner.token, Method::POST, &rotate, json!({"overlap_hours": 0})).await;
    assert_eq!(status, 200, "{answer}");
    let closed = async { while !matches!(open.next().await, Some(Ok(Message::Close(_))) | None) {} };
    assert!(timeout(SOON, closed).await.is_ok());
    assert!(socket(&guarded, path, Some(&key)).await.is_err());
    assert!(socket(&guarded, path, answer["key"].as_str()).await.is_ok());
}
