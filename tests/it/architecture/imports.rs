//! The import graph of one folder of sources, read from their text.
//!
//! A file imports another one if it names a path into it: with `crate::`, `super::` or `self::`, or
//! through a child module that it declares. A path that ends at a re-export counts as an import of
//! the file with the re-export, and that file imports the one behind it. So circles through the face
//! of a module are seen as well. Declaring a module is no import.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::{files_of, is_test_file};

/// The modules of a folder, and which of them each imports.
pub(super) struct Imports {
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Imports {
    /// Reads `src/<folder>.rs` and all files below `src/<folder>/`, without tests.
    pub(super) fn of(folder: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let sources = files_of(folder).into_iter().filter(|path| !is_test_file(path)).map(|path| {
            let module = path.strip_prefix(&root).unwrap().with_extension("");
            let module: Vec<&str> = module.iter().map(|part| part.to_str().unwrap()).collect();
            (module.join("::"), fs::read_to_string(&path).unwrap())
        });
        Self::from_sources(sources.collect())
    }

    /// Reads sources by module path.
    fn from_sources(sources: BTreeMap<String, String>) -> Self {
        let known: BTreeSet<&str> = sources.keys().map(String::as_str).collect();
        let imports_of = |module: &str, text: &str| -> BTreeSet<String> {
            let paths = paths(module, &production_code(text));
            let found = paths.iter().filter_map(|path| nearest(&known, path));
            found.filter(|found| *found != module).map(str::to_owned).collect()
        };
        Self { edges: sources.iter().map(|(module, text)| (module.clone(), imports_of(module, text))).collect() }
    }

    /// Every import: the module that imports, and the imported one.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.edges.iter().flat_map(|(from, to)| to.iter().map(move |to| (from.as_str(), to.as_str())))
    }

    /// Groups of modules of which each reaches each other one.
    pub(super) fn circles(&self) -> Vec<Vec<&str>> {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            self.edges.keys().map(|module| (module.as_str(), self.reachable(module))).collect();
        let mut circles: BTreeSet<Vec<&str>> = BTreeSet::new();
        for (module, reached) in &reach {
            let circle: Vec<&str> = reached.iter().filter(|other| reach[**other].contains(module)).copied().collect();
            if reached.contains(module) {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    fn reachable(&self, from: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = self.edges[from].iter().map(String::as_str).collect();
        while let Some(module) = open.pop() {
            if reached.insert(module) {
                open.extend(self.edges[module].iter().map(String::as_str));
            }
        }
        reached
    }
}

/// The text without comments and without the test module at its end.
fn production_code(text: &str) -> String {
    let production = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let lines = production.lines().map(|line| line.split(" // ").next().unwrap_or(line));
    lines.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// All absolute paths, without `crate`, that code of a module names.
fn paths(module: &str, code: &str) -> Vec<Vec<String>> {
    let own: Vec<String> = module.split("::").map(str::to_owned).collect();
    let children: Vec<&str> = code
        .lines()
        .filter_map(|line| line.trim().strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name))
        .collect();
    let mut found = Vec::new();
    for (at, word) in words(code) {
        let before = code[..at].trim_end();
        // A restricted visibility, or the middle of a longer path.
        if before.ends_with("::") || before.ends_with("(in") || !code[at + word.len()..].starts_with("::") {
            continue;
        }
        let base = match word {
            "crate" => Vec::new(),
            "super" => own[..own.len() - 1].to_vec(),
            "self" => own.clone(),
            child if children.contains(&child) => own.iter().cloned().chain([child.to_owned()]).collect(),
            _ => continue,
        };
        expand(&base, &code[at + word.len()..], &mut found);
    }
    found
}

/// The identifiers of a text, with their positions.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        at += text[at..].find(is_word)?;
        let length = text[at..].find(|c| !is_word(c)).unwrap_or(text.len() - at);
        let word = (at, &text[at..at + length]);
        at += length;
        Some(word)
    })
}

/// Adds the paths that begin with `base` and go on with `rest`, which begins with `::`, to `found`.
fn expand(base: &[String], rest: &str, found: &mut Vec<Vec<String>>) {
    let Some(rest) = rest.strip_prefix("::") else {
        found.push(base.to_vec());
        return;
    };
    if let Some(group) = rest.strip_prefix('{') {
        for part in parts_of_group(group) {
            let (_, word) = words(part).next().unwrap_or((0, ""));
            step(base, word, part.trim_start().strip_prefix(word).unwrap_or(""), found);
        }
        return;
    }
    match words(rest).next() {
        Some((0, word)) => step(base, word, &rest[word.len()..], found),
        _ => found.push(base.to_vec()),
    }
}

fn step(base: &[String], word: &str, rest: &str, found: &mut Vec<Vec<String>>) {
    let base: Vec<String> = match word {
        "" | "self" => base.to_vec(),
        "super" => base[..base.len().saturating_sub(1)].to_vec(),
        word => base.iter().cloned().chain([word.to_owned()]).collect(),
    };
    expand(&base, rest, found);
}

/// The parts of a group in braces, whose text begins behind the opening one.
fn parts_of_group(text: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut parts) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&text[begin..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// The longest beginning of a path that is a module.
fn nearest<'a>(known: &BTreeSet<&'a str>, path: &[String]) -> Option<&'a str> {
    (1..=path.len()).rev().find_map(|length| known.get(path[..length].join("::").as_str()).copied())
}

#[test]
fn imports_are_read_from_all_forms_of_paths() {
    let sources = [
        ("a", "mod b;\npub mod c;\n// crate::a::c::Comment\npub use b::Thing;\npub(in crate::a) struct S;"),
        ("a::b", "use super::c::{self, d::{X, Y}};\nuse crate::other::Z;\n#[cfg(test)]\nmod tests { use crate::a; }"),
        ("a::c", "fn f() { let x = crate::a::Thing::new(); }"),
        ("a::c::d", "use std::fmt::{self};\npub struct X;"),
    ];
    let sources = sources.map(|(module, text)| (module.to_owned(), text.to_owned()));
    let imports = Imports::from_sources(sources.into());
    let all: Vec<_> = imports.all().collect();
    assert_eq!(all, [("a", "a::b"), ("a::b", "a::c"), ("a::b", "a::c::d"), ("a::c", "a")]);
    assert_eq!(imports.circles(), [vec!["a", "a::b", "a::c"]], "through the re-export in the face");
}
