//! Every route × every role × another tenant. The routes are those of the OpenAPI document, which
//! the router makes; a route without a case fails the test.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Guarded, Person};

/// The need of a route, stated here once more on purpose.
enum Expected {
    /// Nothing.
    Open,
    /// To be known.
    Known,
    /// A right in the workspace.
    Right(&'static str),
    /// A right over the server, which only members of `default` have.
    Server,
    /// A right over the organisation, or 403.
    Organisation(&'static str),
    /// It is about the caller's own session or keys, and is tried elsewhere.
    Own,
}

fn expected(method: &str, path: &str) -> Expected {
    use Expected::*;
    if let Some(inner) = path.strip_prefix("/api/v1/workspaces/{workspace}") {
        return match (method, inner) {
            ("post", "/tickets") => Known,
            ("post", "/write" | "/api/v2/write" | "/api/v1/write" | "/v1/metrics" | "/collectd/write") => {
                Right("ingest")
            }
            ("get" | "post", "/kpis/ingest") => Right("ingest"),
            ("post", "/kpis/upload") => Right("upload"),
            ("put" | "delete", "") => Right("manage-workspaces"),
            ("delete", "/kpis/{kpi}" | "/kpis/{kpi}/samples") => Right("delete-data"),
            ("post", "/kpis/{kpi}/resume") | ("put", "/kpis/{kpi}/settings") => Right("edit-kpis"),
            ("put", "/ingest/rules") => Right("edit-rules"),
            ("patch", "/mixes/{mix}") => Right("edit-mixes"),
            ("get", inner) if inner.starts_with("/mixes") => Right("listen"),
            ("get", _) => Right("read"),
            ("post", "/anomalies/{id}/acknowledge" | "/incidents/{id}/acknowledge") => Right("acknowledge"),
            ("post", "/anomalies/{id}/feedback") => Right("feedback"),
            ("post", "/anomalies/{id}/mute" | "/mutes") | ("put" | "delete", "/mutes/{mute}") => Right("mute"),
            ("put", "/detectors/{entry}") | ("post", "/jobs") | ("delete", "/jobs/{job}") => Right("edit-detectors"),
            ("post", inner) if inner.starts_with("/experiments") => Right("edit-detectors"),
            other => panic!("the route {other:?} of a workspace has no case"),
        };
    }
    if let Some(inner) = path.strip_prefix("/api/v1/organisations/{organisation}") {
        return match (method, inner) {
            ("put", "") => Organisation("manage-organisation"),
            ("get", "/members" | "/invitations") | ("put" | "delete", "/members/{user}") => {
                Organisation("manage-members")
            }
            ("post", "/invitations") | ("delete", "/invitations/{invitation}") => Organisation("manage-members"),
            ("get", "/audit") => Organisation("read-audit"),
            (_, "/keys" | "/keys/{key}" | "/keys/{key}/rotate" | "/sessions" | "/sessions/{session}") => Own,
            other => panic!("the route {other:?} of an organisation has no case"),
        };
    }
    match (method, path) {
        ("get", "/healthz" | "/health" | "/readyz" | "/ping") => Open,
        ("get", "/metrics" | "/api/v1/cluster") => Server,
        ("get", "/api/v1/workspaces" | "/api/v1/organisations") | ("post", "/query") => Known,
        ("post", "/write" | "/api/v2/write" | "/api/v1/write" | "/v1/metrics" | "/collectd/write") => Right("ingest"),
        (_, path) if path.starts_with("/api/v1/session") => Own,
        other => panic!("the route {other:?} has no case"),
    }
}

/// All operations of the router.
async fn operations(guarded: &Guarded) -> Vec<(String, String)> {
    let document = guarded.request(Method::GET, "/api/v1/openapi.json").send().await.unwrap();
    let document: Value = document.json().await.unwrap();
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let methods: Vec<_> = item.as_object().unwrap().keys().cloned().collect();
        methods.into_iter().map(|method| (method, path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

/// Asks for a route in a workspace or organisation. The body and the names are wrong on purpose: an
/// admitted caller learns that, and changes nothing.
async fn ask(
    guarded: &Guarded,
    by: Option<&str>,
    (method, path): (&str, &str),
    (workspace, organisation): (&str, &str),
) -> u16 {
    let path =
        path.replace("{workspace}", workspace).replace("{organisation}", organisation).replace("{mix}", "default");
    let path =
        path.split('/').map(|part| if part.starts_with('{') { "none" } else { part }).collect::<Vec<_>>().join("/");
    let mut request = guarded.request(method.to_uppercase().parse().unwrap(), &path).body("{");
    request = request.header("content-type", "application/json").header("x-earcon-workspace", workspace);
    if let Some(by) = by {
        request = request.bearer_auth(by);
    }
    // An endless answer is not read to its end.
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn every_route_admits_exactly_those_who_have_the_right() {
    let guarded = Guarded::start().await;
    guarded.organisation("acme").await;
    guarded.organisation("beta").await;
    for workspace in ["acme.shop", "beta.shop"] {
        let path = format!("/api/v1/workspaces/{workspace}");
        assert_eq!(guarded.send(&guarded.owner.token, Method::PUT, &path, json!({})).await.0, 201);
    }
    let mut people: Vec<(String, Person, Vec<String>)> = Vec::new();
    for role in ["listener", "viewer", "operator", "editor", "admin", "owner"] {
        let person =
            guarded.member("acme", role, role.to_owned().as_str().replace("owner", "second-owner").as_str()).await;
        let (_, session) = guarded.send(&person.token, Method::GET, "/api/v1/session", json!({})).await;
        let rights = session["organisations"][0]["permissions"].as_array().unwrap();
        people.push((role.to_owned(), person, rights.iter().map(|right| right.as_str().unwrap().to_owned()).collect()));
    }
    let mut all = operations(&guarded).await;
    // A sign-out would end the sessions of the test.
    all.retain(|(_, path)| !path.starts_with("/api/v1/session"));
    assert!(all.len() > 80, "the document lists {} operations", all.len());
    let mut wrong = Vec::new();
    let mut cells = 0;
    for (method, path) in &all {
        let route = (method.as_str(), path.as_str());
        let expected = expected(method, path);
        let nobody = ask(&guarded, None, route, ("acme.shop", "acme")).await;
        let is_open = matches!(expected, Expected::Open | Expected::Own) && !path.contains("{organisation}");
        if (nobody == 401) == is_open && !matches!(expected, Expected::Own) {
            wrong.push(format!("{method} {path} without credentials: {nobody}"));
        }
        cells += 1;
        for (role, person, rights) in &people {
            let own = ask(&guarded, Some(&person.token), route, ("acme.shop", "acme")).await;
            let foreign = ask(&guarded, Some(&person.token), route, ("beta.shop", "beta")).await;
            cells += 2;
            let has = |right: &str| rights.iter().any(|known| known == right);
            let (own_is_right, foreign_is_right) = match expected {
                Expected::Open => (own < 400, foreign < 400),
                Expected::Known => (own != 401 && own != 403, true),
                Expected::Right(right) => ((own == 403) != has(right) && own != 401, foreign == 404),
                Expected::Server => (own == 403, foreign == 403),
                // A body that cannot be read is refused before the rights are looked at.
                Expected::Organisation(right) if method == "get" => ((own == 403) != has(right), foreign == 404),
                Expected::Organisation(_) => (own == 400 || own == 403, foreign == 400 || foreign == 404),
                Expected::Own => (true, !path.contains("{organisation}") || foreign == 400 || foreign == 404),
            };
            if !own_is_right {
                wrong.push(format!("{method} {path} as {role}: {own}"));
            }
            if !foreign_is_right {
                wrong.push(format!("{method} {path} as {role} of another organisation: {foreign}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cells} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn lists_show_only_what_the_caller_may_see() {
    let guarded = Guarded::start().await;
    guarded.organisation("acme").await;
    assert_eq!(guarded.send(&guarded.owner.token, Method::PUT, "/api/v1/workspaces/acme.shop", json!({})).await.0, 201);
    let viewer = guarded.member("acme", "viewer", "vi").await;
    let (_, list) = guarded.send(&viewer.token, Method::GET, "/api/v1/workspaces", json!({})).await;
    assert_eq!(list, json!({"workspaces": [{"id": "acme.shop"}], "may_create": false}));
    let (_, list) = guarded.send(&viewer.token, Method::GET, "/api/v1/organisations", json!({})).await;
    assert_eq!(list, json!({"organisations": [{"id": "acme", "name": "acme"}]}));
    let (_, list) = guarded.send(&guarded.owner.token, Method::GET, "/api/v1/workspaces", json!({})).await;
    assert_eq!((list["workspaces"].as_array().unwrap().len(), &list["may_create"]), (2, &json!(true)));
}
