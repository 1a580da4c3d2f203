//! A server of prepared answers, and a person with settings of their own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) key: Option<String>,
    pub(super) body: Value,
}

/// A server that answers requests by their method and path. Everything else is 401.
pub(super) struct Prepared {
    pub(super) url: String,
    pub(super) asked: Arc<Mutex<Vec<Asked>>>,
    pub(super) answers: Arc<Mutex<BTreeMap<String, (u16, String)>>>,
    cookie: Arc<Mutex<Option<String>>>,
}

pub(super) const REASON: &str = "the key is unknown";

impl Prepared {
    pub(super) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { url, asked: Arc::default(), answers: Arc::default(), cookie: Arc::default() };
        let (asked, answers, cookie) = (server.asked.clone(), server.answers.clone(), server.cookie.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _gone = serve(stream, &asked, &answers, &cookie).is_none();
            }
        });
        server
    }

    pub(super) fn answer(&self, request: &str, status: u16, body: &Value) {
        self.answers.lock().unwrap().insert(request.to_owned(), (status, body.to_string()));
    }

    /// From now on each answer sets this cookie.
    pub(super) fn cookie(&self, cookie: &str) {
        *self.cookie.lock().unwrap() = Some(cookie.to_owned());
    }

    /// Accepts every key.
    pub(super) fn accept(&self) {
        let rights =
            json!({"id": "default", "name": "D", "role": null, "permissions": ["read"], "workspaces": ["local"]});
        let session = json!({"kind": "key", "user": null, "csrf": null, "expires_at": null, "organisations": [rights]});
        self.answer("GET /api/v1/session", 200, &session);
        self.answer("GET /api/v1/workspaces", 200, &json!({"workspaces": [{"id": "shop"}], "may_create": false}));
    }

    pub(super) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// The only request since the last look.
    pub(super) fn only(&self) -> Asked {
        let asked = self.take();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked[0].clone()
    }
}

fn serve(
    stream: TcpStream,
    asked: &Mutex<Vec<Asked>>,
    answers: &Mutex<BTreeMap<String, (u16, String)>>,
    cookie: &Mutex<Option<String>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        head.iter().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    let line = head[0].rsplit_once(" HTTP").unwrap().0.to_owned();
    let key = header("authorization").map(|value| value.strip_prefix("Bearer ").unwrap().to_owned());
    let body = serde_json::from_slice(&body).unwrap_or_default();
    asked.lock().unwrap().push(Asked { line: line.clone(), key, body });
    let unknown = || (401, json!({"status": 401, "title": "Unauthorised", "detail": REASON}).to_string());
    let path = line.split('?').next().unwrap();
    let (status, text) = answers.lock().unwrap().get(path).cloned().unwrap_or_else(unknown);
    let cookie = cookie.lock().unwrap().as_ref().map_or_else(String::new, |cookie| format!("set-cookie: {cookie}\r\n"));
    let answer =
        format!("HTTP/1.1 {status} X\r\n{cookie}connection: close\r\ncontent-length: {}\r\n\r\n{text}", text.len());
    (&stream).write_all(answer.as_bytes()).ok()
}

/// A person with a directory of settings.
pub(super) struct Person(pub(super) TempDir);

impl Person {
    pub(super) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(super) fn file(&self) -> std::path::PathBuf {
        self.0.path().join("earcon/contexts.toml")
    }

    pub(super) fn types(&self, arguments: &[&str], stdin: &str, variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_earcon"));
        command.args(arguments).env("XDG_CONFIG_HOME", self.0.path()).env_remove("EARCON_KEY");
        command.envs(variables.iter().copied());
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        // The program may end without reading it.
        let _unread = child.stdin.take().unwrap().write_all(stdin.as_bytes()).is_err();
        child.wait_with_output().unwrap()
    }

    pub(super) fn runs(&self, arguments: &[&str]) -> Output {
        self.types(arguments, "", &[])
    }

    pub(super) fn logs_in(&self, server: &Prepared, key: &str, name: &str) {
        let output = self.types(&["login", "--url", &server.url, "--name", name], key, &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        server.take();
    }
}
