//! `earcon login` and `earcon logout`: contexts with the key to a server.

use std::process::ExitCode;

use clap::Args;
use earcon_client::{Client, Error, Rights, Session, Trust};

use super::contexts::file::{ContextsFile, Problem};
use super::contexts::{Context, Contexts, context_name, is_same_server, key_of, name_of_server, shown};
use super::output::{NOT_PERMITTED, USAGE, complain, say};
use super::secret;
use super::server::{DEFAULT_URL, KEY_VARIABLE, TrustArgs, block_on, failed};

#[derive(Args)]
pub(super) struct LoginArgs {
    /// URL of the server [default: that of the context, else http://127.0.0.1:7070]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    trust: TrustArgs,
    /// API key. Other accounts of this machine can see arguments, so prefer to leave it out
    /// [default: it is asked for without being shown, or read from a pipe]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Name of the context [default: that of the server's context, else its host and port]
    #[arg(long, value_name = "NAME", value_parser = context_name)]
    name: Option<String>,
}

#[derive(Args)]
pub(super) struct LogoutArgs {
    /// Context to forget [default: the one in use]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// Prints a problem. Returns its exit code.
pub(super) fn refused((code, problem): Problem) -> ExitCode {
    complain(&problem);
    ExitCode::from(code)
}

/// Verifies a key with its server, and keeps it.
pub(super) fn login(args: LoginArgs) -> ExitCode {
    let read = ContextsFile::of_user().and_then(|file| file.read().map(|contexts| (file, contexts)));
    let (file, contexts) = match read {
        Ok(read) => read,
        Err(problem) => return refused(problem),
    };
    let (url, name) = destination(&args, &contexts);
    let trust = match args.trust.trust() {
        Ok(trust) => trust,
        Err(code) => return code,
    };
    block_on(secret::until_interrupted(ask_and_keep(&file, (&url, trust), &name, args.key)))
}

async fn ask_and_keep(file: &ContextsFile, (url, trust): (&str, Trust), name: &str, key: Option<String>) -> ExitCode {
    let client = match Client::trusting(url, trust) {
        Ok(client) => client,
        Err(error) => return failed(&error),
    };
    warn_of_plain_text(client.url());
    let read = match key {
        Some(key) => Ok(key),
        None => secret::read(&format!("Key for {} (it is not shown): ", client.url())).await,
    };
    let key = match read.and_then(|key| key_of(key.trim()).map(str::to_owned)) {
        Ok(key) => key,
        Err(reason) => return refused((USAGE, format!("not logged in: {reason}"))),
    };
    match verified(client, &key).await {
        Ok((url, session)) => keep(file, name, Context { url, key }, &session),
        Err(code) => code,
    }
}

/// The URL and the name of the context to make or replace.
fn destination(args: &LoginArgs, contexts: &Contexts) -> (String, String) {
    let named = args.name.as_deref().and_then(|name| contexts.named(name).ok());
    let known = match (&args.url, &args.name) {
        (Some(url), None) => contexts.of_server(url),
        (None, None) => contexts.current(),
        (_, Some(_)) => named,
    };
    let url = args.url.clone().or_else(|| Some(known?.1.url.clone())).unwrap_or_else(|| DEFAULT_URL.to_owned());
    let name = args.name.clone().or_else(|| Some(known?.0.clone())).unwrap_or_else(|| name_of_server(&url));
    (url, name)
}

/// Asks the server whose key it is.
async fn verified(client: Client, key: &str) -> Result<(String, Session), ExitCode> {
    let client = client.with_key(key).map_err(|error| failed(&error))?;
    match client.session().await {
        Ok(session) if session.kind == "local" => {
            complain(&format!(
                "not logged in: {} does not look at keys, because it has no accounts. No command needs a key there",
                client.url()
            ));
            Err(ExitCode::FAILURE)
        }
        Ok(session) => Ok((client.url().to_owned(), session)),
        // The hint of other commands would be to log in.
        Err(error @ Error::Refused { status: 401, .. }) => {
            complain(&format!("not logged in: {error}"));
            Err(ExitCode::from(NOT_PERMITTED))
        }
        Err(error) => Err(failed(&error)),
    }
}

fn keep(file: &ContextsFile, name: &str, context: Context, session: &Session) -> ExitCode {
    let (url, key) = (context.url.clone(), shown(&context.key).to_owned());
    let kept = file.change(|contexts| {
        let before = contexts.named(name).ok().map(|(_, before)| before.url.clone());
        contexts.log_in(name, context);
        Ok(before.filter(|before| !is_same_server(before, &url)))
    });
    let replaced = match kept {
        Ok(replaced) => replaced,
        Err(problem) => return refused(problem),
    };
    say(&format!("logged in to {url} with the key {key}: context {name}, in {}", file.path().display()));
    if let Some(before) = replaced {
        complain(&format!("the context {name} was of {before} before"));
    }
    session.organisations.iter().for_each(|rights| say(&format!("  {}", sentence(rights))));
    if let Some(end) = &session.expires_at {
        say(&format!("  it ends at {end}"));
    }
    if std::env::var(KEY_VARIABLE).is_ok_and(|key| !key.is_empty()) {
        complain(&format!("{KEY_VARIABLE} is set: other commands use that key instead"));
    }
    ExitCode::SUCCESS
}

/// `default: ingest, read; workspaces local, shop`
fn sentence(rights: &Rights) -> String {
    let workspaces = match &rights.workspaces {
        Some(workspaces) if workspaces.is_empty() => "no workspace".to_owned(),
        Some(workspaces) => format!("workspaces {}", workspaces.join(", ")),
        None => "all workspaces".to_owned(),
    };
    format!("{}: {}; {workspaces}", rights.id, rights.permissions.join(", "))
}

/// A key that goes over a network in the clear is everybody's.
fn warn_of_plain_text(url: &str) {
    if let Some(host) = url::Url::parse(url).ok().filter(|url| url.scheme() == "http") {
        let loopback = match host.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        };
        if !loopback {
            complain(&format!("{url} has no TLS: others on the way can read the key"));
        }
    }
}

/// Forgets a context with its key.
pub(super) fn logout(args: &LogoutArgs) -> ExitCode {
    let file = match ContextsFile::of_user() {
        Ok(file) => file,
        Err(problem) => return refused(problem),
    };
    let forgotten = file.change(|contexts| {
        let current = contexts.current().map(|(name, _)| name.clone());
        let none = || "no context is in use: name one with --context".to_owned();
        let name = args.context.clone().or(current).ok_or_else(none)?;
        let url = contexts.named(&name)?.1.url.clone();
        contexts.log_out(&name)?;
        Ok(format!("logged out of {url}: the context {name} is forgotten. The key is valid until it is revoked"))
    });
    match forgotten {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(problem) => refused(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_without_a_name_renews_the_context_of_its_server() {
        let mut contexts = Contexts::default();
        for (name, url) in [("shop", "http://shop.example"), ("lab", "http://lab.example")] {
            contexts.log_in(name, Context { url: url.to_owned(), key: String::new() });
        }
        let to = |url: Option<&str>, name: Option<&str>, contexts: &Contexts| {
            let [url, name] = [url, name].map(|text| text.map(str::to_owned));
            destination(&LoginArgs { url, trust: TrustArgs::default(), key: None, name }, contexts)
        };
        let pair = |url: &str, name: &str| (url.to_owned(), name.to_owned());
        assert_eq!(to(None, None, &contexts), pair("http://lab.example", "lab"));
        assert_eq!(to(Some("http://shop.example/"), None, &contexts), pair("http://shop.example/", "shop"));
        assert_eq!(to(Some("http://new.example"), None, &contexts), pair("http://new.example", "new.example"));
        assert_eq!(to(None, Some("shop"), &contexts), pair("http://shop.example", "shop"));
        assert_eq!(to(None, Some("new"), &contexts), pair(DEFAULT_URL, "new"));
        assert_eq!(to(None, None, &Contexts::default()), pair(DEFAULT_URL, "127.0.0.1:7070"));
    }

    #[test]
    fn rights_are_a_line() {
        let mut rights = Rights {
            id: "acme".to_owned(),
            name: "Acme".to_owned(),
            role: None,
            permissions: vec!["ingest".to_owned(), "read".to_owned()],
            workspaces: None,
        };
        assert_eq!(sentence(&rights), "acme: ingest, read; all workspaces");
        rights.workspaces = Some(vec!["acme.shop".to_owned()]);
        assert_eq!(sentence(&rights), "acme: ingest, read; workspaces acme.shop");
    }
}
