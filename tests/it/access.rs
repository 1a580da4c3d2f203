//! Accounts: who may do what, over HTTP.

mod matrix;
mod streams;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::Server;
use earcon::app::Overrides;

const PASSWORD: &str = "seven owls over a lake";

/// A server that asks everybody who they are, and its first owner's key.
struct Guarded {
    server: Server,
    owner: Person,
}

/// A signed-in user.
struct Person {
    token: String,
    user: String,
}

impl Guarded {
    async fn start() -> Self {
        let server = Server::start_with(&[("accounts.required", json!(true))], Overrides::default()).await;
        let secret = server.accounts().owner_link().await.unwrap().expect("there is no owner yet");
        let owner = claim(&server, &secret, "owner").await;
        Self { server, owner }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.server.http().request(method, self.server.url(path))
    }

    async fn send(&self, by: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.request(method, path).bearer_auth(by).json(&body);
        let response = request.send().await.unwrap();
        let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// A new organisation of the owner.
    async fn organisation(&self, id: &str) {
        let path = format!("/api/v1/organisations/{id}");
        let (status, answer) = self.send(&self.owner.token, Method::PUT, &path, json!({"name": id})).await;
        assert_eq!(status, 201, "{answer}");
    }

    /// A new member of an organisation.
    async fn member(&self, organisation: &str, role: &str, login: &str) -> Person {
        let path = format!("/api/v1/organisations/{organisation}/invitations");
        let (status, answer) = self.send(&self.owner.token, Method::POST, &path, json!({"role": role})).await;
        assert_eq!(status, 201, "{answer}");
        claim(&self.server, answer["secret"].as_str().unwrap(), login).await
    }

    /// A key of a person.
    async fn key(&self, person: &Person, organisation: &str, wish: Value) -> String {
        let path = format!("/api/v1/organisations/{organisation}/keys");
        let (status, answer) = self.send(&person.token, Method::POST, &path, wish).await;
        assert_eq!(status, 201, "{answer}");
        answer["key"].as_str().unwrap().to_owned()
    }
}

/// Uses an owner link or an invitation. The access token is that of the cookie.
async fn claim(server: &Server, secret: &str, login: &str) -> Person {
    let body = json!({"secret": secret, "login": login, "name": login, "password": PASSWORD});
    let response = server.http().post(server.url("/api/v1/session/claim")).json(&body).send().await.unwrap();
    assert_eq!(response.status(), 201);
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().map(|text| text.to_str().unwrap()).collect();
    let token = cookies.iter().find_map(|text| text.strip_prefix("earcon_session=")).expect("a cookie");
    let token = token.split(';').next().unwrap().to_owned();
    let answer: Value = response.json().await.unwrap();
    Person { token, user: answer["user"]["id"].as_str().unwrap().to_owned() }
}

#[tokio::test]
async fn nobody_reads_anything_without_credentials() {
    let guarded = Guarded::start().await;
    for path in
        ["/api/v1/workspaces", "/api/v1/workspaces/local/kpis", "/metrics", "/api/v1/cluster", "/api/v1/session"]
    {
        let response = guarded.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 401, "{path}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"earcon\"");
    }
    for path in ["/healthz", "/readyz", "/", "/api/v1/openapi.json"] {
        assert_eq!(guarded.request(Method::GET, path).send().await.unwrap().status(), 200, "{path}");
    }
}

#[tokio::test]
async fn an_owner_link_works_once() {
    let guarded = Guarded::start().await;
    assert_eq!(guarded.server.accounts().owner_link().await.unwrap(), None, "there is an owner");
}

#[tokio::test]
async fn agents_carry_a_key_in_each_place_of_their_protocols() {
    let guarded = Guarded::start().await;
    let key = guarded.key(&guarded.owner, "default", json!({"name": "agent", "permissions": ["ingest"]})).await;
    let line = "load,host=a value=1";
    let write = |path: &str| guarded.request(Method::POST, path).body(line);
    for (name, request) in [
        ("bearer", write("/write").bearer_auth(&key)),
        ("token", write("/api/v2/write").header("authorization", format!("Token {key}"))),
        ("basic", write("/write").basic_auth("telegraf", Some(&key))),
        ("query", write(&format!("/write?db=x&u=telegraf&p={key}"))),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 204, "{name}");
    }
    let (mistyped, refused) = (format!("{}x", &key[..key.len() - 1]), write("/write"));
    let answer = refused.bearer_auth(&mistyped).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(!answer.text().await.unwrap().contains(&mistyped), "a secret is not repeated");
}

#[tokio::test]
async fn a_key_for_some_kpis_sends_no_others() {
    let guarded = Guarded::start().await;
    let wish = json!({"name": "shop", "permissions": ["ingest"], "kpis": "shop.*"});
    let key = guarded.key(&guarded.owner, "default", wish).await;
    let rows = json!({"samples": [{"kpi": "shop.orders", "value": 1}, {"kpi": "other", "value": 2}]});
    let (status, answer) = guarded.send(&key, Method::POST, "/api/v1/workspaces/local/kpis/ingest", rows).await;
    assert_eq!((status, &answer["accepted"], &answer["rejected_total"]), (200, &json!(1), &json!(1)), "{answer}");
    assert_eq!(answer["rejected"][0]["error"], "the key does not permit the KPI other");
}

#[tokio::test]
async fn a_browser_repeats_a_text_for_each_change() {
    let guarded = Guarded::start().await;
    let cookie = format!("earcon_session={}", guarded.owner.token);
    let session = guarded.request(Method::GET, "/api/v1/session").header("cookie", &cookie).send().await.unwrap();
    let csrf = session.json::<Value>().await.unwrap()["csrf"].as_str().unwrap().to_owned();
    let change = || guarded.request(Method::PUT, "/api/v1/workspaces/new").header("cookie", &cookie);
    assert_eq!(change().send().await.unwrap().status(), 403);
    assert_eq!(change().header("x-earcon-csrf", "0").send().await.unwrap().status(), 403);
    assert_eq!(change().header("x-earcon-csrf", &csrf).send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn what_was_changed_is_in_the_audit_log_and_nobody_else_reads_it() {
    let guarded = Guarded::start().await;
    guarded.organisation("acme").await;
    let editor = guarded.member("acme", "editor", "ed").await;
    let (status, audit) =
        guarded.send(&guarded.owner.token, Method::GET, "/api/v1/organisations/acme/audit", json!({})).await;
    assert_eq!(status, 200);
    let what: Vec<_> = audit["records"].as_array().unwrap().iter().map(|record| record["what"].clone()).collect();
    assert!(what.contains(&json!("organisation.created")) && what.contains(&json!("invitation.created")), "{what:?}");
    let read = |by: &str, path: &str| {
        let (by, path) = (by.to_owned(), path.to_owned());
        let guarded = &guarded;
        async move { guarded.send(&by, Method::GET, &path, json!({})).await.0 }
    };
    assert_eq!(read(&editor.token, "/api/v1/organisations/acme/audit").await, 403);
    assert_eq!(read(&editor.token, "/api/v1/organisations/default/audit").await, 404);
}

#[tokio::test]
async fn the_last_owner_stays() {
    let guarded = Guarded::start().await;
    let path = format!("/api/v1/organisations/default/members/{}", guarded.owner.user);
    assert_eq!(guarded.send(&guarded.owner.token, Method::DELETE, &path, json!({})).await.0, 409);
    let lower = json!({"grants": [{"role": "viewer"}]});
    assert_eq!(guarded.send(&guarded.owner.token, Method::PUT, &path, lower).await.0, 409);
}

#[tokio::test]
async fn a_server_without_accounts_ignores_credentials() {
    let server = Server::start().await;
    let write = || server.http().post(server.url("/api/v2/write")).body("load value=1");
    for authorization in ["Token any", "Bearer ek_x", "Basic dGVsZWdyYWY6c2VjcmV0", "Basic %", "Digest x"] {
        let response = write().header("authorization", authorization).send().await.unwrap();
        assert_eq!(response.status(), 204, "{authorization}");
    }
    let session = server.http().get(server.url("/api/v1/session")).bearer_auth("ek_x").send().await.unwrap();
    assert_eq!(session.json::<Value>().await.unwrap()["kind"], "local");
}

#[tokio::test]
async fn an_invitation_ends_with_the_right_to_invite() {
    let guarded = Guarded::start().await;
    let admin = guarded.member("default", "admin", "ad").await;
    let invitations = "/api/v1/organisations/default/invitations";
    let (_, made) = guarded.send(&admin.token, Method::POST, invitations, json!({"role": "admin"})).await;
    let path = format!("/api/v1/organisations/default/members/{}", admin.user);
    assert_eq!(guarded.send(&guarded.owner.token, Method::DELETE, &path, json!({})).await.0, 204);
    let body = json!({"secret": made["secret"], "login": "back", "name": "back", "password": PASSWORD});
    let claim = guarded.request(Method::POST, "/api/v1/session/claim").json(&body).send().await.unwrap();
    assert_eq!(claim.status(), 403);
}

#[tokio::test]
async fn a_key_gives_no_role_that_permits_more_than_it_does() {
    let guarded = Guarded::start().await;
    let wish = json!({"name": "members", "permissions": ["manage-members"]});
    let key = guarded.key(&guarded.owner, "default", wish).await;
    let path = "/api/v1/organisations/default/invitations";
    assert_eq!(guarded.send(&key, Method::POST, path, json!({"role": "admin"})).await.0, 403);
    assert_eq!(guarded.send(&key, Method::POST, path, json!({"role": "listener"})).await.0, 403);
    let audit = "/api/v1/organisations/default/audit?after=18446744073709551615";
    assert_eq!(guarded.send(&guarded.owner.token, Method::GET, audit, json!({})).await.0, 400);
}
