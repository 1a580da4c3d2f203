//! Contexts: the servers that a person has logged in to, each with its key. Pure: text in, text
//! out. [`file`] keeps them.

pub(super) mod file;
mod key;

use std::collections::BTreeMap;

use toml::{Table, Value};
use url::Url;

pub(super) use self::key::{key_of, shown};

/// A server with the key to it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Context {
    /// The server's URL.
    pub(super) url: String,
    /// The API key.
    pub(super) key: String,
}

/// All contexts by name, and the one in use.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Contexts {
    current: Option<String>,
    all: BTreeMap<String, Context>,
}

impl Contexts {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// A sentence with the place of the mistake. It shows no value, because values are keys.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let table: Table = text.parse().map_err(|error| syntax(text, &error))?;
        let mut contexts = Self::default();
        let mut wanted = None;
        for (field, value) in table {
            match (field.as_str(), value) {
                ("current", Value::String(name)) => wanted = Some(name),
                ("contexts", Value::Table(all)) => {
                    for (name, value) in all {
                        context_name(&name).map_err(|reason| format!("contexts.{name}: {reason}"))?;
                        let context = context(&name, value)?;
                        contexts.all.insert(name, context);
                    }
                }
                ("current", _) => return Err("current: it is no text".to_owned()),
                ("contexts", _) => return Err("contexts: it is no table".to_owned()),
                (other, _) => return Err(format!("{other}: there is no such setting")),
            }
        }
        match wanted {
            Some(name) if !contexts.all.contains_key(&name) => Err(format!("current: there is no context {name}")),
            current => Ok(Self { current, ..contexts }),
        }
    }

    /// The text of the file.
    pub(super) fn to_text(&self) -> String {
        let entry = |context: &Context| {
            let fields = [("url", &context.url), ("key", &context.key)];
            Value::Table(
                fields.map(|(name, text)| (name.to_owned(), Value::String(text.clone()))).into_iter().collect(),
            )
        };
        let mut table = Table::new();
        if let Some(current) = &self.current {
            table.insert("current".to_owned(), Value::String(current.clone()));
        }
        let all = self.all.iter().map(|(name, context)| (name.clone(), entry(context))).collect();
        table.insert("contexts".to_owned(), Value::Table(all));
        table.to_string()
    }

    /// The names and contexts, in the order of the names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Context)> {
        self.all.iter()
    }

    /// The context in use.
    pub(super) fn current(&self) -> Option<(&String, &Context)> {
        self.all.get_key_value(self.current.as_ref()?)
    }

    /// The context of a name.
    ///
    /// # Errors
    /// A sentence with the names that there are.
    pub(super) fn named(&self, name: &str) -> Result<(&String, &Context), String> {
        self.all.get_key_value(name).ok_or_else(|| match self.all.is_empty() {
            true => format!("there is no context {name}, and no other: `earcon login` makes one"),
            false => {
                let names: Vec<&str> = self.all.keys().map(String::as_str).collect();
                format!("there is no context {name}; there are {}", names.join(", "))
            }
        })
    }

    /// The context of the server at `url`: the one in use if it is of this server, else the first.
    pub(super) fn of_server(&self, url: &str) -> Option<(&String, &Context)> {
        let matches = |(_, context): &(&String, &Context)| is_same_server(&context.url, url);
        self.current().filter(matches).or_else(|| self.all.iter().find(matches))
    }

    /// Adds or replaces a context, and takes it into use.
    pub(super) fn log_in(&mut self, name: &str, context: Context) {
        self.all.insert(name.to_owned(), context);
        self.current = Some(name.to_owned());
    }

    /// Takes a context into use.
    ///
    /// # Errors
    /// As [`named`](Self::named).
    pub(super) fn take(&mut self, name: &str) -> Result<(), String> {
        self.current = Some(self.named(name)?.0.clone());
        Ok(())
    }

    /// Removes a context. None is in use then if it was the one.
    ///
    /// # Errors
    /// As [`named`](Self::named).
    pub(super) fn log_out(&mut self, name: &str) -> Result<(), String> {
        self.named(name)?;
        self.all.remove(name);
        self.current = self.current.take().filter(|current| current != name);
        Ok(())
    }
}

fn context(name: &str, value: Value) -> Result<Context, String> {
    let Value::Table(fields) = value else { return Err(format!("contexts.{name}: it is no table")) };
    let (mut url, mut key) = (None, None);
    for (field, value) in fields {
        match (field.as_str(), value) {
            ("url", Value::String(text)) => url = Some(text),
            ("key", Value::String(text)) => {
                key = Some(key_of(&text).map_err(|reason| format!("contexts.{name}.key: {reason}"))?.to_owned());
            }
            ("url" | "key", _) => return Err(format!("contexts.{name}.{field}: it is no text")),
            _ => return Err(format!("contexts.{name}.{field}: there is no such setting")),
        }
    }
    let missing = |field: &str| format!("contexts.{name}: {field} is missing");
    Ok(Context { url: url.ok_or_else(|| missing("url"))?, key: key.ok_or_else(|| missing("key"))? })
}

/// The line of a syntax error. The parser's own message would show the line, which may be a key.
fn syntax(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {} is no TOML", before.matches('\n').count() + 1)
}

/// Checks the name of a context.
///
/// # Errors
/// The rule.
pub(super) fn context_name(text: &str) -> Result<String, String> {
    let legal = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    let rule = || "a context's name has 1 to 64 characters of ASCII, without spaces".to_owned();
    if legal { Ok(text.to_owned()) } else { Err(rule()) }
}

/// The name of a context that a person did not name: the host and port of the server.
pub(super) fn name_of_server(url: &str) -> String {
    let host = Url::parse(&with_scheme(url)).ok().and_then(|url| {
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        Some(format!("{}{port}", url.host_str()?))
    });
    host.and_then(|host| context_name(&host).ok()).unwrap_or_else(|| "default".to_owned())
}

/// Whether both are the address of one server.
pub(super) fn is_same_server(one: &str, other: &str) -> bool {
    let parts = |text: &str| {
        let url = Url::parse(&with_scheme(text)).ok()?;
        let path = url.path().trim_end_matches('/').to_owned();
        Some((url.scheme().to_owned(), url.host_str()?.to_owned(), url.port_or_known_default(), path))
    };
    parts(one).is_some_and(|parts_of_one| Some(parts_of_one) == parts(other))
}

/// The scheme is optional in addresses.
fn with_scheme(url: &str) -> String {
    if url.contains("://") { url.to_owned() } else { format!("http://{url}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(letter: char) -> String {
        format!("ek_{}_{}", "i".repeat(12), String::from(letter).repeat(56))
    }

    fn context(url: &str, letter: char) -> Context {
        Context { url: url.to_owned(), key: key(letter) }
    }

    #[test]
    fn contexts_are_read_back_as_they_were_written() {
        let mut contexts = Contexts::default();
        assert!(Contexts::parse(&contexts.to_text()).unwrap() == contexts);
        contexts.log_in("127.0.0.1:7070", context("http://127.0.0.1:7070", 'a'));
        contexts.log_in("a\"b.c", context("https://earcon.example/x", 'b'));
        let read = Contexts::parse(&contexts.to_text()).unwrap();
        assert!(read == contexts, "{}", contexts.to_text());
        assert_eq!(read.current().unwrap().0, "a\"b.c");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_by_its_place_and_shows_no_key() {
        let secret = key('s');
        let cases = [
            (format!("current = \"a\"\n[contexts.a]\nurl = \"u\"\nkey = \"{secret}"), "line 4"),
            ("current = \"a\"".to_owned(), "there is no context a"),
            ("colour = 1".to_owned(), "colour"),
            (format!("[contexts.a]\nkey = \"{secret}\""), "contexts.a: url is missing"),
            ("[contexts.a]\nurl = \"u\"".to_owned(), "contexts.a: key is missing"),
            (format!("[contexts.a]\nurl = \"u\"\nkey = [\"{secret}\"]"), "contexts.a.key"),
            (format!("[contexts.a]\nurl = \"u\"\nkey = \"{secret}x\""), "contexts.a.key"),
            (format!("[contexts.a]\nurl = \"u\"\nkey = \"{secret}\"\nrole = 1"), "contexts.a.role"),
            (format!("contexts = \"{secret}\""), "contexts: it is no table"),
        ];
        for (text, part) in cases {
            let Err(problem) = Contexts::parse(&text) else { panic!("{text} is read") };
            assert!(problem.contains(part) && !problem.contains("sss"), "{text}: {problem}");
        }
    }

    #[test]
    fn a_server_is_the_same_in_other_spellings_and_no_other_one() {
        for (one, other) in [
            ("127.0.0.1:7070", "http://127.0.0.1:7070/"),
            ("http://Earcon.example", "http://earcon.example:80"),
            ("https://e.example/x/", "https://e.example:443/x"),
        ] {
            assert!(is_same_server(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("http://e.example", "https://e.example"),
            ("http://e.example", "http://e.example:8080"),
            ("http://e.example/x", "http://e.example/y"),
            ("http://e.example", "http://e.example.org"),
            ("", ""),
        ] {
            assert!(!is_same_server(one, other), "{one} {other}");
        }
    }

    #[test]
    fn logging_out_of_the_context_in_use_leaves_none_in_use() {
        let mut contexts = Contexts::default();
        contexts.log_in("a", context("http://a", 'a'));
        contexts.log_in("b", context("http://b", 'b'));
        contexts.log_out("a").unwrap();
        assert_eq!(contexts.current().unwrap().0, "b");
        contexts.log_out("b").unwrap();
        assert!(contexts.current().is_none());
        assert!(contexts.log_out("b").unwrap_err().contains("no context b"));
    }

    #[test]
    fn the_context_in_use_is_preferred_among_those_of_one_server() {
        let mut contexts = Contexts::default();
        for (name, url) in [("a", "http://one"), ("b", "http://one"), ("c", "http://two")] {
            contexts.log_in(name, context(url, 'k'));
        }
        let name = |contexts: &Contexts, url: &str| contexts.of_server(url).map(|(name, _)| name.clone());
        assert_eq!(name(&contexts, "http://one/").as_deref(), Some("a"));
        contexts.take("b").unwrap();
        assert_eq!(name(&contexts, "http://one/").as_deref(), Some("b"));
        assert_eq!(name(&contexts, "http://three"), None);
        assert!(contexts.take("d").unwrap_err().contains("there are a, b, c"));
    }

    #[test]
    fn a_context_without_a_name_is_called_like_its_server() {
        assert_eq!(name_of_server("127.0.0.1:7070"), "127.0.0.1:7070");
        assert_eq!(name_of_server("https://earcon.example/x"), "earcon.example");
        assert_eq!(name_of_server("::"), "default");
    }
}
