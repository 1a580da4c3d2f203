//! The imports among source files, read from their text.
//!
//! A path is resolved to the file of its deepest module. A file that re-exports others (a module
//! face) imports them, so a circle through a face is found as well. Test modules do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::{files_of, is_test_file};

/// A module path without `crate`, for example `["actors", "hub", "handle"]`.
type Module = Vec<String>;

/// The imports among the modules of the server that are in the given folders.
pub(super) struct Imports(BTreeMap<String, BTreeSet<String>>);

impl Imports {
    /// Reads `src/<folder>.rs` and all files below `src/<folder>/`, without tests.
    pub(super) fn of(folders: &[&str]) -> Self {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let files = folders.iter().flat_map(|folder| files_of(folder)).filter(|file| !is_test_file(file));
        let sources = files.map(|file| {
            let module = file.strip_prefix(&src).unwrap().with_extension("");
            let module = module.components().map(|part| part.as_os_str().to_str().unwrap().to_owned()).collect();
            (module, fs::read_to_string(file).unwrap())
        });
        Self::parse(&sources.collect())
    }

    fn parse(sources: &BTreeMap<Module, String>) -> Self {
        let modules: BTreeSet<Module> = sources.keys().cloned().collect();
        let imports = sources.iter().map(|(module, text)| {
            let imports = imports_of(module, text, &modules);
            (module.join("::"), imports.iter().map(|imported| imported.join("::")).collect())
        });
        Self(imports.collect())
    }

    /// Every import: the importing module and the imported one, like `actors::hub`.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(from, to)| to.iter().map(|to| (from.as_str(), to.as_str())))
    }

    /// A circle of imports, if there is one.
    pub(super) fn circle(&self) -> Option<Vec<&str>> {
        let (mut done, mut path) = (BTreeSet::new(), Vec::new());
        self.0.keys().find_map(|module| self.visit(module, &mut done, &mut path))
    }

    fn visit<'a>(
        &'a self,
        module: &'a str,
        done: &mut BTreeSet<&'a str>,
        path: &mut Vec<&'a str>,
    ) -> Option<Vec<&'a str>> {
        if let Some(start) = path.iter().position(|visited| *visited == module) {
            return Some([&path[start..], &[module]].concat());
        }
        if done.contains(module) {
            return None;
        }
        path.push(module);
        let circle = self.0[module].iter().find_map(|imported| self.visit(imported, done, path));
        path.pop();
        done.insert(module);
        circle
    }
}

fn imports_of(module: &Module, text: &str, modules: &BTreeSet<Module>) -> BTreeSet<Module> {
    let tokens = tokens(&production(text));
    // Names by which the file refers to modules: its children, and modules that it imports.
    let children = modules.iter().filter(|child| child.len() == module.len() + 1 && child.starts_with(module));
    let mut names: BTreeMap<String, Module> =
        children.map(|child| (child.last().unwrap().clone(), child.clone())).collect();
    let mut imports = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        let before = |n: usize| at.checked_sub(n).map_or("", |before| tokens[before].as_str());
        let starts_path = tokens.get(at + 1).is_some_and(|next| next == "::") && before(1) != "::";
        let is_visibility = before(1) == "in" && before(2) == "(";
        if !starts_path || is_visibility {
            at += 1;
            continue;
        }
        let mut paths = Vec::new();
        at = tree(&tokens, at, &[], &mut paths);
        for path in paths {
            let Some(path) = absolute(module, &path, &names) else { continue };
            let deepest = (1..=path.len()).rev().find(|length| modules.contains(&path[..*length]));
            let Some(length) = deepest else { continue };
            if length == path.len() {
                names.insert(path[length - 1].clone(), path.clone());
            }
            if path[..length] != module[..] {
                imports.insert(path[..length].to_vec());
            }
        }
    }
    imports
}

/// The code without its test module, comments and texts.
fn production(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let lines = text.lines().map(|line| {
        let code = line.split("//").next().unwrap_or(line);
        // Every second part of a line is between quotes. Texts over several lines are taken for
        // code; they hold no paths.
        code.split('"').step_by(2).collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let length = if is_name(first) {
            rest.find(|c| !is_name(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            tokens.push(rest[..length].to_owned());
        }
        rest = &rest[length..];
    }
    tokens
}

/// Reads a path or a tree of paths in braces from `at` on; returns the position behind it.
fn tree(tokens: &[String], mut at: usize, prefix: &[String], paths: &mut Vec<Module>) -> usize {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        if token == "{" {
            at += 1;
            while tokens.get(at).is_some_and(|token| token != "}") {
                at = tree(tokens, at, &path, paths);
                at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
            }
            return at + 1;
        }
        // `self` in braces is the module itself.
        if token != "self" || path.is_empty() {
            path.push(token.clone());
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token != "::") {
            break;
        }
        at += 1;
    }
    paths.push(path);
    // A new name does not matter to imports.
    if tokens.get(at).is_some_and(|token| token == "as") { at + 2 } else { at }
}

/// The path from the root of the crate; `None` if it leads to another crate.
fn absolute(module: &Module, path: &[String], names: &BTreeMap<String, Module>) -> Option<Module> {
    let (first, mut rest) = path.split_first()?;
    let mut base = match first.as_str() {
        "crate" => Vec::new(),
        "self" => module.clone(),
        "super" => module[..module.len() - 1].to_vec(),
        name => names.get(name)?.clone(),
    };
    while let Some(("super", after)) = rest.split_first().map(|(first, after)| (first.as_str(), after)) {
        base.pop();
        rest = after;
    }
    base.extend_from_slice(rest);
    Some(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(sources: &[(&str, &str)]) -> Imports {
        let module = |path: &str| path.split('/').map(str::to_owned).collect();
        Imports::parse(&sources.iter().map(|(path, text)| (module(path), (*text).to_owned())).collect())
    }

    #[test]
    fn a_circle_is_found_through_a_face_and_through_an_imported_module() {
        let face = [
            ("a", "mod b;\nmod c;"),
            ("a/b", "mod handle;\npub use handle::Handle;"),
            ("a/b/handle", "use crate::a::{c::{C, D as E}, other::Thing};"),
            ("a/c", "use super::b::Handle;"),
        ];
        assert_eq!(parse(&face).circle().unwrap(), ["a::b", "a::b::handle", "a::c", "a::b"]);
        let module =
            [("a", ""), ("a/b", "use super::c;\nfn f() { c::d::g() }"), ("a/c", ""), ("a/c/d", "use crate::a::b::B;")];
        assert_eq!(parse(&module).circle().unwrap(), ["a::b", "a::c::d", "a::b"]);
    }

    #[test]
    fn comments_texts_tests_and_declarations_are_no_imports() {
        let sources = [
            ("a", "pub mod b;\npub mod c;"),
            ("a/b", "//! See [`crate::a::c`].\nuse std::fmt; fn f() { g(\"crate::a::c\") } // super::c::C"),
            (
                "a/c",
                "use self::d::D;\nuse crate::a::b::{self, B};\n#[cfg(test)]\nmod tests {\n use super::super::b::B; }",
            ),
            ("a/c/d", "type T = super::super::b::B;"),
        ];
        let all: Vec<_> = parse(&sources).all().map(|(from, to)| format!("{from} {to}")).collect();
        assert_eq!(all, ["a::c a::b", "a::c a::c::d", "a::c::d a::b"]);
        assert_eq!(parse(&sources).circle(), None);
    }
}
