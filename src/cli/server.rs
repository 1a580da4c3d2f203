//! Arguments and errors of the commands that are clients of a running server.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use earcon_client::{Client, Error, Key, Trust, Workspace};

use super::contexts::file::{ContextsFile, Problem};
use super::contexts::{Contexts, key_of};
use super::output::{NOT_PERMITTED, UNAVAILABLE, USAGE, complain};
use earcon_model::WorkspaceId;

/// The server that is asked if nothing names one.
pub(super) const DEFAULT_URL: &str = "http://127.0.0.1:7070";
/// The environment variable with a key.
pub(super) const KEY_VARIABLE: &str = "EARCON_KEY";

/// Whose certificates are trusted.
#[derive(Args, Default)]
pub(super) struct TrustArgs {
    /// File with certificate authorities to trust besides the public ones, PEM, for https URLs
    #[arg(long, value_name = "FILE", env = "EARCON_CA_FILE")]
    ca_file: Option<PathBuf>,
}

impl TrustArgs {
    /// # Errors
    /// The exit code, after a complaint.
    pub(super) fn trust(&self) -> Result<Trust, ExitCode> {
        let Some(file) = &self.ca_file else { return Trust::public().map_err(|error| failed(&error)) };
        let refused = |reason: String| {
            complain(&format!("--ca-file {}: {reason}", file.display()));
            ExitCode::from(USAGE)
        };
        let pem = std::fs::read(file).map_err(|error| refused(format!("cannot be read: {error}")))?;
        Trust::with_pem(&pem).map_err(|error| refused(error.to_string()))
    }
}

/// Which server, and with which key.
#[derive(Args, Default)]
pub(super) struct Connection {
    /// URL of the server [default: that of the context, else http://127.0.0.1:7070]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    trust: TrustArgs,
    /// Context of `earcon login` [default: that of the URL if one is given, else the one in use]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// API key. Other accounts of this machine can see arguments, so prefer the environment
    /// variable EARCON_KEY or a context [default: EARCON_KEY, else that of the context]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// The server and its workspace.
#[derive(Args)]
pub(super) struct ServerArgs {
    #[command(flatten)]
    connection: Connection,
    /// The workspace
    #[arg(long, value_name = "NAME", default_value = "local", value_parser = |text: &str| WorkspaceId::new(text))]
    workspace: WorkspaceId,
}

/// A server's URL, and the key to it.
pub(super) struct Target {
    pub(super) url: String,
    pub(super) key: Option<String>,
}

impl Connection {
    /// The server and the key to use.
    pub(super) fn target(&self) -> Result<Target, ExitCode> {
        let variable = std::env::var(KEY_VARIABLE).ok();
        let chosen = self.choose(variable, || ContextsFile::of_user()?.read());
        chosen.map_err(|(code, problem)| {
            complain(&problem);
            ExitCode::from(code)
        })
    }

    /// A client of the server.
    pub(super) fn client(&self) -> Result<Client, ExitCode> {
        let Target { url, key } = self.target()?;
        let client = Client::trusting(&url, self.trust.trust()?).map_err(|error| failed(&error))?;
        match key {
            Some(key) => client.with_key(&key).map_err(|error| failed(&error)),
            None => Ok(client),
        }
    }

    /// A client of the server that shows no key.
    pub(super) fn client_without_key(&self) -> Result<Client, ExitCode> {
        Client::trusting(&self.target()?.url, self.trust.trust()?).map_err(|error| failed(&error))
    }

    /// Chooses among the arguments, the environment variable and the contexts. The key of a context
    /// goes to its own server only, unless a person names both the context and another URL.
    fn choose(
        &self,
        variable: Option<String>,
        contexts: impl FnOnce() -> Result<Contexts, Problem>,
    ) -> Result<Target, Problem> {
        let (from, given) = match &self.key {
            Some(key) => ("--key", Some(key.clone())),
            None => (KEY_VARIABLE, variable.filter(|key| !key.is_empty())),
        };
        if let Some(key) = &given {
            key_of(key).map_err(|reason| (USAGE, format!("{from}: {reason}")))?;
        }
        if let (Some(url), None, Some(_)) = (&self.url, &self.context, &given) {
            return Ok(Target { url: url.clone(), key: given });
        }
        let contexts = contexts()?;
        let context = match (&self.context, &self.url) {
            (Some(name), _) => Some(contexts.named(name).map_err(|problem| (USAGE, problem))?),
            (None, Some(url)) => contexts.of_server(url),
            (None, None) => contexts.current(),
        };
        let context = context.map(|(_, context)| context);
        let url = self.url.clone().or_else(|| Some(context?.url.clone())).unwrap_or_else(|| DEFAULT_URL.to_owned());
        Ok(Target { url, key: given.or_else(|| Some(context?.key.clone())) })
    }
}

impl ServerArgs {
    pub(super) fn workspace(&self) -> Result<Workspace, ExitCode> {
        Ok(self.connection.client()?.workspace(self.workspace.as_str()))
    }

    /// The server with its authorities, the key as the library takes it, and the workspace.
    pub(super) fn destination(&self) -> Result<(String, Trust, Option<Key>, WorkspaceId), ExitCode> {
        let Target { url, key } = self.connection.target()?;
        let key = key.map(|key| Key::new(&key).map_err(|error| failed(&error))).transpose()?;
        Ok((url, self.connection.trust.trust()?, key, self.workspace.clone()))
    }
}

/// Prints an error with a hint, if there is one. Returns the exit code.
pub(super) fn failed(error: &Error) -> ExitCode {
    let hint = match error {
        Error::Unreachable { .. } => {
            "; is earcon running there? Start it with `earcon serve`, or give --url".to_owned()
        }
        Error::Untrusted { .. } => "; --ca-file names a file of authorities to trust".to_owned(),
        Error::NotEarcon { .. } => "; is another program listening on that port?".to_owned(),
        Error::Refused { url, status, .. } => denial_hint(*status, url),
        _ => String::new(),
    };
    complain(&format!("{error}{hint}"));
    match error {
        Error::Url { .. } | Error::Key { .. } | Error::Trust { .. } | Error::Refused { status: 0 | 400, .. } => {
            ExitCode::from(USAGE)
        }
        error if error.is_denied() => ExitCode::from(NOT_PERMITTED),
        _ => ExitCode::from(UNAVAILABLE),
    }
}

/// What to do after an answer that means: credentials are missing or wrong.
pub(super) fn denial_hint(status: u16, url: &str) -> String {
    // After a 403 the server says which right is missing.
    match status {
        401 => format!("; log in with `earcon login --url {url}`, or give a key with {KEY_VARIABLE} or --key"),
        _ => String::new(),
    }
}

/// As [`failed`]. The answer was no if the server knows no such thing (404), or its present state
/// forbids it (409).
pub(super) fn failed_or_no(error: &Error) -> ExitCode {
    let code = failed(error);
    if matches!(error, Error::Refused { status: 404 | 409, .. }) { ExitCode::FAILURE } else { code }
}

/// Runs a command to completion on its own runtime.
pub(super) fn block_on(command: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            complain(&format!("the runtime cannot start: {error}"));
            ExitCode::from(UNAVAILABLE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::contexts::Context;
    use super::*;

    fn key(letter: char) -> String {
        format!("ek_{}_{}", "i".repeat(12), String::from(letter).repeat(56))
    }

    /// `one` with the key `a`, and `two` with the key `b`, which is in use.
    fn contexts() -> Contexts {
        let mut contexts = Contexts::default();
        for (name, url, letter) in [("one", "http://one", 'a'), ("two", "http://two", 'b')] {
            contexts.log_in(name, Context { url: url.to_owned(), key: key(letter) });
        }
        contexts
    }

    fn chosen(url: Option<&str>, context: Option<&str>, own: Option<char>, variable: Option<String>) -> (String, char) {
        let [url, context] = [url, context].map(|text| text.map(str::to_owned));
        let connection = Connection { url, context, key: own.map(key), ..Connection::default() };
        let target = connection.choose(variable, || Ok(contexts())).unwrap_or_else(|(_, problem)| panic!("{problem}"));
        (target.url, target.key.map_or('-', |key| key.chars().last().unwrap()))
    }

    #[test]
    fn arguments_come_before_the_environment_and_both_before_the_context() {
        let two = |key| ("http://two".to_owned(), key);
        assert_eq!(chosen(None, None, None, None), two('b'));
        assert_eq!(chosen(None, None, None, Some(key('v'))), two('v'));
        assert_eq!(chosen(None, None, None, Some(String::new())), two('b'), "an empty variable is none");
        assert_eq!(chosen(None, None, Some('o'), Some(key('v'))), two('o'));
        assert_eq!(chosen(None, Some("one"), None, None), ("http://one".to_owned(), 'a'));
        assert_eq!(chosen(None, Some("one"), Some('o'), None), ("http://one".to_owned(), 'o'));
    }

    #[test]
    fn the_key_of_a_context_goes_to_no_other_server() {
        assert_eq!(chosen(Some("http://one/"), None, None, None), ("http://one/".to_owned(), 'a'));
        assert_eq!(chosen(Some("http://three"), None, None, None), ("http://three".to_owned(), '-'));
        let tunnel = chosen(Some("http://127.0.0.1:9"), Some("one"), None, None);
        assert_eq!(tunnel, ("http://127.0.0.1:9".to_owned(), 'a'), "a person named both");
    }

    #[test]
    fn without_contexts_the_server_of_this_machine_is_asked() {
        let target = Connection::default().choose(None, || Ok(Contexts::default())).ok().unwrap();
        assert_eq!((target.url.as_str(), target.key), (DEFAULT_URL, None));
    }

    #[test]
    fn a_wrong_key_or_context_is_refused_and_the_file_is_read_only_where_it_is_needed() {
        let refused = |connection: Connection, variable: Option<&str>| {
            let chosen = connection.choose(variable.map(str::to_owned), || Ok(contexts()));
            chosen.err().expect("it is refused")
        };
        let (code, problem) = refused(Connection { key: Some("ek_secret".to_owned()), ..Connection::default() }, None);
        assert!(code == USAGE && problem.starts_with("--key: ") && !problem.contains("secret"), "{problem}");
        let (_, problem) = refused(Connection::default(), Some("ek_secret"));
        assert!(problem.starts_with("EARCON_KEY: ") && !problem.contains("secret"), "{problem}");
        let (_, problem) = refused(Connection { context: Some("five".to_owned()), ..Connection::default() }, None);
        assert!(problem.contains("there are one, two"), "{problem}");
        let whole = Connection { url: Some("http://one".to_owned()), key: Some(key('o')), ..Connection::default() };
        assert!(whole.choose(None, || Err((USAGE, "the file is broken".to_owned()))).is_ok());
        assert!(Connection::default().choose(None, || Err((USAGE, "the file is broken".to_owned()))).is_err());
    }
}
