//! Requests of the server to others, as the configuration allows them.

use std::io::Write;

use earcon::app::Overrides;
use earcon_ports::{HttpErrorKind, HttpRequest};
use serde_json::json;
use tempfile::{NamedTempFile, TempDir};

use crate::support::Server;
use crate::support::command::Running;

fn request(server: &Server) -> HttpRequest {
    HttpRequest::new(reqwest::Method::GET, server.url("/healthz").parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_does_not_reach_itself_unless_it_is_allowed() {
    let server = Server::start().await;
    let error = server.outbound().send(request(&server)).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Refused);
    assert!(error.to_string().contains("127.0.0.1 is a loopback address"), "{error}");
    let allowed = Server::start_with(&[("outbound.allow", json!("http://127.0.0.1"))], Overrides::default()).await;
    assert_eq!(allowed.outbound().send(request(&server)).await.unwrap().status, 200);
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_refuses_the_start() {
    let (mut file, data) = (NamedTempFile::new().unwrap(), TempDir::new().unwrap());
    file.write_all(b"no certificate").unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()];
    let path = file.path().display().to_string();
    let ended = Running::start_with(&arguments, &[("EARCON_OUTBOUND__CA_FILE", &path)]).end();
    assert_eq!(ended.status.code(), Some(64), "{}", ended.err);
    assert!(ended.err.contains("outbound.ca_file") && ended.err.contains(&path), "{}", ended.err);
}
