//! Comments and documents in plain words: the counted idiom stays rare, and lines stay short.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Words of a private dialect. They hide the subject of a sentence; docs/glossary.md has the terms
/// of the field.
const IDIOM: [&str; 16] = [
    "somebody",
    "nobody",
    "whoever",
    "what is",
    "what was",
    "what it",
    "what they",
    "who is",
    "who asks",
    "who sends",
    "told",
    "anew",
    "shall",
    "beside",
    "stands",
    "what's",
];

/// Longest line of a comment or a document, characters.
const LONGEST: usize = 100;

/// Share of comment lines that may hold a counted word, for quotations and names.
const MOST: f64 = 0.005;

/// Files and folders with comments, and the extensions that count there.
const SOURCES: [(&str, &[&str]); 18] = [
    (".ci/run", &[]),
    ("Cargo.toml", &[]),
    ("Makefile", &[]),
    ("benches", &["rs"]),
    ("build.rs", &[]),
    ("clients/python", &["py", "toml"]),
    ("clients/rust", &["rs", "toml"]),
    ("clients/typescript/src", &["ts"]),
    ("config", &["sh", "toml", "yaml", "yml"]),
    ("crates", &["rs", "toml"]),
    ("deny.toml", &[]),
    ("docs/asyncapi.yaml", &[]),
    ("fuzz", &["rs", "toml"]),
    ("loadtest", &["rs", "toml"]),
    ("scripts", &["py", "sh"]),
    ("src", &["rs", "toml"]),
    ("tests", &["py", "rs"]),
    ("web", &["ts", "tsx"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Adds `path` if it is a file, and the files below it with one of `extensions` if it is a folder.
fn collect(path: &Path, extensions: &[&str], files: &mut Vec<PathBuf>) {
    if path.is_file() {
        files.push(path.to_owned());
        return;
    }
    for entry in fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
        let path = entry.unwrap().path();
        let is_among = |name: Option<&OsStr>, list: &[&str]| list.iter().any(|found| name == Some(OsStr::new(found)));
        let wanted = if path.is_dir() {
            !is_among(path.file_name(), &["target", "node_modules", "dist"])
        } else {
            is_among(path.extension(), extensions)
        };
        if wanted {
            collect(&path, extensions, files);
        }
    }
}

/// Whether a line is a comment, by the language of its file. All lines of asyncapi.yaml count,
/// because it is a document.
fn is_comment(path: &Path, line: &str) -> bool {
    let marks: &[&str] = match path.extension().and_then(OsStr::to_str) {
        Some("rs") => &["//"],
        Some("ts" | "tsx") => &["//", "/*", "*"],
        _ if path.ends_with("docs/asyncapi.yaml") => return true,
        _ => &["#"],
    };
    marks.iter().any(|mark| line.trim_start().starts_with(mark))
}

/// Every comment line with its place.
fn comments() -> Vec<(String, String)> {
    let mut files = Vec::new();
    SOURCES.iter().for_each(|(source, extensions)| collect(&root().join(source), extensions, &mut files));
    assert!(files.len() > 600, "only {} source files were found", files.len());
    let mut found = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| is_comment(&path, line)) {
            found.push((format!("{}:{}", path.display(), number + 1), line.to_owned()));
        }
    }
    found
}

fn has_idiom(line: &str) -> bool {
    let plain = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' };
    let words: String = line.chars().map(plain).collect();
    let words = format!(" {} ", words.split_whitespace().collect::<Vec<_>>().join(" "));
    IDIOM.iter().any(|idiom| words.contains(&format!(" {idiom} ")))
}

#[test]
fn comments_use_plain_words() {
    let comments = comments();
    let found: Vec<_> = comments.iter().filter(|(_, line)| has_idiom(line)).collect();
    let share = found.len() as f64 / comments.len() as f64;
    let list: Vec<_> = found.iter().map(|(place, line)| format!("{place}: {}", line.trim())).collect();
    assert!(share < MOST, "{} of {} comment lines:\n{}", found.len(), comments.len(), list.join("\n"));
}

#[test]
fn comment_lines_are_short() {
    let too_long = |line: &str| line.chars().count() > LONGEST && !line.contains("http");
    let found: Vec<_> = comments().into_iter().filter(|(_, line)| too_long(line)).map(|(place, _)| place).collect();
    assert!(found.is_empty(), "longer than {LONGEST} characters:\n{}", found.join("\n"));
}

#[test]
fn document_lines_are_short() {
    let mut files = Vec::new();
    ["docs", "loadtest", "clients", "tests"]
        .iter()
        .for_each(|folder| collect(&root().join(folder), &["md"], &mut files));
    files.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)));
    let mut found = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let mut in_code = false;
        for (number, line) in text.lines().enumerate() {
            in_code ^= line.trim_start().starts_with("```");
            let exempt = in_code || line.trim_start().starts_with('|') || line.contains("](") || line.contains("http");
            if !exempt && line.chars().count() > LONGEST {
                found.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "longer than {LONGEST} characters:\n{}", found.join("\n"));
}
