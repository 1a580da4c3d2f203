//! `earcon login` and the commands that use its key, against a server of prepared answers.

mod prepared;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::json;

use self::prepared::{Person, Prepared, REASON};

fn said(output: &Output) -> String {
    format!("{}{}", out(output), String::from_utf8_lossy(&output.stderr))
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn key(letter: char) -> String {
    format!("ek_{}_{}", String::from(letter).repeat(12), String::from(letter).repeat(56))
}

#[test]
fn login_keeps_a_verified_key_for_its_owner_and_its_server_alone() {
    let (server, other, anna) = (Prepared::new(), Prepared::new(), Person::new());
    server.accept();
    other.accept();
    let login = anna.types(&["login", "--url", &server.url], &format!("{}\n", key('a')), &[]);
    assert!(login.status.success(), "{}", said(&login));
    assert!(said(&login).contains("default: read; workspaces local"), "{}", said(&login));
    assert!(said(&login).contains("ek_aaaaaaaaaaaa") && !said(&login).contains(&key('a')), "{}", said(&login));
    let asked = server.only();
    assert_eq!((asked.line.as_str(), asked.key), ("GET /api/v1/session", Some(key('a'))));
    assert_eq!(fs::metadata(anna.file()).unwrap().permissions().mode() & 0o777, 0o600);

    let listed = anna.runs(&["workspaces", "list"]);
    assert_eq!((out(&listed).as_str(), server.only().key), ("shop\n", Some(key('a'))));
    anna.runs(&["workspaces", "list", "--url", &other.url]);
    assert_eq!(other.only().key, None, "the key of one server is for no other");
    anna.types(&["workspaces", "list"], "", &[("EARCON_KEY", &key('e'))]);
    assert_eq!(server.only().key, Some(key('e')));
    anna.types(&["workspaces", "list", "--key", &key('o')], "", &[("EARCON_KEY", &key('e'))]);
    assert_eq!(server.only().key, Some(key('o')));

    fs::set_permissions(anna.file(), fs::Permissions::from_mode(0o644)).unwrap();
    let refused = anna.runs(&["workspaces", "list"]);
    assert!(refused.status.code() == Some(64) && said(&refused).contains("chmod 600"), "{}", said(&refused));
    assert!(server.take().is_empty());
}

#[test]
fn login_with_a_key_that_is_not_accepted_keeps_nothing() {
    let (server, anna) = (Prepared::new(), Person::new());
    let login = |stdin: &str| anna.types(&["login", "--url", &server.url], stdin, &[]);
    let refused = login(&key('a'));
    assert_eq!(refused.status.code(), Some(77), "{}", said(&refused));
    assert!(said(&refused).contains(REASON) && !said(&refused).contains("earcon login"), "{}", said(&refused));
    server.take();
    for (typed, part) in [("", "nothing was typed"), (&key('q')[..71], "missing"), ("ei_qqq_qqq", "invitation")] {
        let refused = login(typed);
        assert_eq!(refused.status.code(), Some(64), "{}", said(&refused));
        assert!(said(&refused).contains(part) && !said(&refused).contains("qqq"), "{}", said(&refused));
    }
    assert!(server.take().is_empty(), "no server is asked about a text that is no key");
    server.answer("GET /api/v1/session", 200, &json!({"kind": "local", "user": null, "expires_at": null}));
    let needless = login(&key('a'));
    assert!(needless.status.code() == Some(1) && said(&needless).contains("no accounts"), "{}", said(&needless));
    assert!(!anna.file().exists());
}

#[test]
fn contexts_are_listed_chosen_and_forgotten() {
    let (one, two, anna) = (Prepared::new(), Prepared::new(), Person::new());
    one.accept();
    two.accept();
    assert!(said(&anna.runs(&["context", "list"])).contains("earcon login"));
    anna.logs_in(&one, &key('a'), "one");
    anna.logs_in(&two, &key('b'), "two");
    let listed = out(&anna.runs(&["context", "list"]));
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[1].starts_with("   one") && lines[2].starts_with("*  two"), "{listed}");
    assert!(listed.contains("ek_bbbbbbbbbbbb") && !listed.contains(&key('b')), "{listed}");
    anna.runs(&["workspaces", "list", "--context", "one"]);
    assert_eq!(one.only().key, Some(key('a')));
    assert!(anna.runs(&["context", "use", "one"]).status.success());
    anna.runs(&["workspaces", "list"]);
    assert_eq!(one.only().key, Some(key('a')));
    let unknown = anna.runs(&["context", "use", "three"]);
    assert!(unknown.status.code() == Some(64) && said(&unknown).contains("there are one, two"), "{}", said(&unknown));

    assert!(said(&anna.runs(&["logout"])).contains("the context one is forgotten"));
    assert!(!fs::read_to_string(anna.file()).unwrap().contains(&key('a')));
    let none = anna.runs(&["logout"]);
    assert!(none.status.code() == Some(64) && said(&none).contains("no context is in use"), "{}", said(&none));
    assert!(anna.runs(&["logout", "--context", "two"]).status.success());
    assert!(said(&anna.runs(&["context", "list"])).contains("no contexts"));
}

#[test]
fn every_command_that_asks_a_server_says_how_to_log_in() {
    let (server, anna) = (Prepared::new(), Person::new());
    let file = anna.0.path().join("a.csv");
    fs::write(&file, "timestamp,value\n2026-01-01 00:00:00,1\n").unwrap();
    let file = file.to_str().unwrap();
    let commands: &[&[&str]] = &[
        &["tail"],
        &["listen", "--output", "/dev/null"],
        &["query", "a"],
        &["query", "--anomalies"],
        &["delete", "a", "--yes"],
        &["delete", "--whole-workspace", "--yes"],
        &["replay", file, "--speed", "0"],
        &["backfill", file],
        &["workspaces", "list"],
        &["workspaces", "create", "a"],
        &["cluster", "status"],
        &["keys", "list"],
        &["keys", "create", "a", "--may", "ingest"],
        &["keys", "rotate", "a"],
        &["keys", "revoke", "a"],
        &["organisations", "list"],
        &["organisations", "create", "a"],
        &["members", "list"],
        &["members", "invite", "--role", "viewer"],
        &["members", "grant", "anna", "--role", "viewer"],
        &["members", "remove", "anna"],
    ];
    for command in commands {
        let output = anna.runs(&[command, &["--url", &server.url, "--key", &key('k')][..]].concat());
        let text = said(&output);
        assert_eq!(output.status.code(), Some(77), "{command:?}: {text}");
        assert!(text.contains(REASON), "{command:?}: {text}");
        assert!(text.contains(&format!("earcon login --url {}", server.url)), "{command:?}: {text}");
        assert!(!text.contains(&key('k')), "{command:?}: {text}");
        let asked = server.take();
        assert!(!asked.is_empty() && asked.iter().all(|each| each.key == Some(key('k'))), "{command:?}: {asked:?}");
    }
    server.answer("GET /api/v1/workspaces", 403, &json!({"status": 403, "detail": "it may only send samples"}));
    let output = anna.runs(&["workspaces", "list", "--url", &server.url, "--key", &key('k')]);
    let text = said(&output);
    assert!(output.status.code() == Some(77) && text.contains("only send samples"), "{text}");
    assert!(!text.contains("earcon login"), "another login would not help: {text}");
}

#[test]
fn listening_ends_when_the_key_is_revoked() {
    let (server, anna) = (Prepared::new(), Person::new());
    let path = "GET /api/v1/workspaces/local/mixes/default/live.ogg";
    // The first stream ends at once, and the next one is refused.
    server.answers.lock().unwrap().insert(path.to_owned(), (200, String::new()));
    let asked = server.asked.clone();
    let answers = server.answers.clone();
    let revoking = std::thread::spawn(move || {
        while asked.lock().unwrap().is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        answers.lock().unwrap().remove(path);
    });
    let output = anna.runs(&["listen", "--output", "/dev/null", "--url", &server.url, "--key", &key('k')]);
    revoking.join().unwrap();
    assert_eq!(output.status.code(), Some(77), "{}", said(&output));
    assert!(said(&output).contains("reconnecting") && said(&output).contains(REASON), "{}", said(&output));
}

#[test]
fn a_new_key_is_alone_on_stdout_and_identifiers_carry_no_secret() {
    let (server, anna) = (Prepared::new(), Person::new());
    server.accept();
    anna.logs_in(&server, &key('a'), "one");
    let keys = "/api/v1/organisations/acme/keys";
    let about = json!({
        "key": key('n'), "id": "nnnnnnnnnnnn", "prefix": "ek_nnnnnnnnnnnn", "name": "agent",
        "owner": {"kind": "user", "id": "u_1", "name": "Anna"}, "permissions": ["ingest"],
        "workspaces": ["acme.shop"], "kpis": "host.*", "mix": null, "created_at": "2026-01-01T00:00:00Z",
        "expires_at": null, "last_used_at": null, "revoked_at": null, "previous_until": "2026-01-02T00:00:00Z"
    });
    server.answer(&format!("POST {keys}"), 201, &about);
    server.answer(&format!("POST {keys}/nnnnnnnnnnnn/rotate"), 200, &about);
    server.answer(&format!("DELETE {keys}/nnnnnnnnnnnn"), 204, &json!(null));
    server.answer(&format!("GET {keys}"), 200, &json!({"keys": [about]}));
    let run = |arguments: &[&str]| {
        let output = anna.runs(&[&["keys"], arguments, &["--organisation", "acme"]].concat());
        assert!(output.status.success(), "{}", said(&output));
        output
    };
    let limits = ["--workspaces", "acme.shop", "--kpis", "host.*", "--days", "30"];
    let created = run(&[&["create", "agent", "--may", "ingest,read"][..], &limits].concat());
    assert_eq!(out(&created), format!("{}\n", key('n')));
    assert!(said(&created).contains("not shown again"), "{}", said(&created));
    let wanted = json!({"name": "agent", "permissions": ["ingest", "read"], "workspaces": ["acme.shop"], "kpis": "host.*", "days": 30});
    assert_eq!(server.only().body, wanted);
    let rotated = run(&["rotate", &key('n'), "--overlap-hours", "2"]);
    assert_eq!(out(&rotated), format!("{}\n", key('n')));
    assert!(said(&rotated).contains("valid until 2026-01-02"), "{}", said(&rotated));
    let asked = server.only();
    assert_eq!(asked.line, format!("POST {keys}/nnnnnnnnnnnn/rotate"), "no secret is in an address");
    assert_eq!(asked.body, json!({"overlap_hours": 2}));
    run(&["revoke", "ek_nnnnnnnnnnnn"]);
    let listed = out(&run(&["list"]));
    assert!(listed.contains("ingest (kpis host.*)") && !listed.contains(&key('n')), "{listed}");
    let wrong = anna.runs(&["keys", "create", "a"]);
    assert!(wrong.status.code() == Some(64) && said(&wrong).contains("--may"), "{}", said(&wrong));
}

#[test]
fn members_are_invited_found_by_login_changed_and_removed() {
    let (server, anna) = (Prepared::new(), Person::new());
    server.accept();
    anna.logs_in(&server, &key('a'), "one");
    let path = "/api/v1/organisations/default";
    let bert = json!({"user": {"id": "u_2", "login": "bert", "name": "Bert", "disabled": false}, "grants": []});
    server.answer(&format!("GET {path}/members"), 200, &json!({"members": [bert]}));
    server.answer(&format!("PUT {path}/members/u_2"), 200, &bert);
    let last = json!({"status": 409, "detail": "an organisation needs an owner"});
    server.answer(&format!("DELETE {path}/members/u_2"), 409, &last);
    let link = "http://127.0.0.1/#/claim/ei_x";
    server.answer(&format!("POST {path}/invitations"), 201, &json!({"id": "i", "secret": "ei_x", "link": link}));
    let invited = anna.runs(&["members", "invite", "--role", "operator", "--workspaces", "local"]);
    assert_eq!(out(&invited), format!("{link}\n"), "{}", said(&invited));
    assert_eq!(server.only().body, json!({"role": "operator", "workspaces": ["local"], "days": 7}));
    let granted = anna.runs(&["members", "grant", "bert", "--role", "viewer"]);
    assert_eq!(out(&granted), "Bert is viewer now\n", "{}", said(&granted));
    let asked = server.take();
    assert_eq!(asked[1].line, format!("PUT {path}/members/u_2"));
    assert_eq!(asked[1].body, json!({"grants": [{"role": "viewer", "workspaces": null}]}));
    let removed = anna.runs(&["members", "remove", "bert"]);
    assert!(removed.status.code() == Some(1) && said(&removed).contains("needs an owner"), "{}", said(&removed));
    let unknown = anna.runs(&["members", "remove", "carl"]);
    assert!(unknown.status.code() == Some(1) && said(&unknown).contains("no member carl"), "{}", said(&unknown));
}

#[test]
fn a_person_signs_in_for_one_command_and_out_after_it() {
    let (server, anna) = (Prepared::new(), Person::new());
    let create = |stdin: &str| {
        let arguments = ["keys", "create", "agent", "--may", "ingest", "--as", "anna", "--url", &server.url];
        anna.types(&arguments, stdin, &[("EARCON_KEY", &key('e'))])
    };
    let refused = create("a wrong password\n");
    assert_eq!(refused.status.code(), Some(77), "{}", said(&refused));
    assert!(said(&refused).contains(REASON) && !said(&refused).contains("earcon login"), "{}", said(&refused));
    let asked = server.only();
    assert_eq!((asked.line.as_str(), asked.key), ("POST /api/v1/session", None), "the key is left out");
    assert_eq!(asked.body, json!({"login": "anna", "password": "a wrong password"}));

    let code = json!({"status": 401, "detail": "a code is needed", "code_required": true});
    server.answer("POST /api/v1/session", 401, &code);
    let unfinished = create(" password \n");
    assert!(said(&unfinished).contains("nothing was typed"), "{}", said(&unfinished));
    assert_eq!(server.only().body["password"], " password ", "spaces belong to a password");

    server.answer("POST /api/v1/session", 200, &json!({"kind": "user"}));
    server.cookie("earcon_session=the.access.token; Path=/; HttpOnly");
    let about = json!({
        "key": key('n'), "id": "n", "prefix": "ek_n", "name": "agent", "owner": {"kind": "user", "id": "u", "name": "Anna"},
        "permissions": ["ingest"], "workspaces": null, "kpis": null, "mix": null, "created_at": "t",
        "expires_at": null, "last_used_at": null, "revoked_at": null, "previous_until": null
    });
    server.answer("POST /api/v1/organisations/default/keys", 201, &about);
    server.answer("DELETE /api/v1/session", 204, &json!(null));
    let created = create("password\n");
    assert_eq!(out(&created), format!("{}\n", key('n')), "{}", said(&created));
    assert!(!said(&created).contains("goes on"), "{}", said(&created));
    let asked: Vec<_> = server.take().into_iter().map(|each| (each.line, each.key)).collect();
    let token = Some("the.access.token".to_owned());
    let wanted = [
        ("POST /api/v1/session".to_owned(), None),
        ("POST /api/v1/organisations/default/keys".to_owned(), token.clone()),
        ("DELETE /api/v1/session".to_owned(), token),
    ];
    assert_eq!(asked, wanted);
}
