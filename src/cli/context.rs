//! `earcon context`: lists the contexts of `earcon login`, and takes one into use.

use std::process::ExitCode;

use clap::Subcommand;

use super::contexts::file::ContextsFile;
use super::contexts::{Contexts, shown};
use super::login::refused;
use super::output::say;
use super::text::table;

#[derive(Subcommand)]
pub(super) enum ContextCommand {
    /// List the contexts. A star marks the one in use
    List,
    /// Take a context into use
    Use {
        /// Name of the context
        #[arg(value_name = "NAME")]
        name: String,
    },
}

pub(super) fn run(command: &ContextCommand) -> ExitCode {
    let done = ContextsFile::of_user().and_then(|file| match command {
        ContextCommand::List => Ok(listed(&file.read()?)),
        ContextCommand::Use { name } => file.change(|contexts| {
            contexts.take(name)?;
            let url = &contexts.named(name)?.1.url;
            Ok(format!("the context {name} is in use: {url}"))
        }),
    });
    match done {
        Ok(text) => {
            say(text.trim_end());
            ExitCode::SUCCESS
        }
        Err(problem) => refused(problem),
    }
}

fn listed(contexts: &Contexts) -> String {
    let current = contexts.current().map(|(name, _)| name);
    let row = |(name, context): (&String, &super::contexts::Context)| {
        let mark = if Some(name) == current { "*" } else { "" };
        vec![mark.to_owned(), name.clone(), context.url.clone(), shown(&context.key).to_owned()]
    };
    let rows: Vec<Vec<String>> = contexts.iter().map(row).collect();
    if rows.is_empty() {
        return "There are no contexts. `earcon login` makes one.".to_owned();
    }
    table(&["", "NAME", "URL", "KEY"], &rows)
}

#[cfg(test)]
mod tests {
    use super::super::contexts::Context;
    use super::*;

    #[test]
    fn the_list_marks_the_context_in_use_and_shows_no_secret() {
        let mut contexts = Contexts::default();
        assert!(listed(&contexts).contains("earcon login"));
        for name in ["a", "b"] {
            let key = format!("ek_{}_{}", "i".repeat(12), "s".repeat(56));
            contexts.log_in(name, Context { url: format!("http://{name}"), key });
        }
        let text = listed(&contexts);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1..], ["   a     http://a  ek_iiiiiiiiiiii", "*  b     http://b  ek_iiiiiiiiiiii"]);
    }
}
