//! Comments and documents in plain words: the counted idiom stays rare, and lines stay short.

use std::fs;
use std::path::{Path, PathBuf};

/// Words of a private dialect. They hide the subject of a sentence; docs/glossary.md has the field's terms.
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

const SOURCES: [&str; 8] = ["benches", "clients/rust", "crates", "fuzz", "loadtest", "src", "tests", "build.rs"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(path: &Path, extension: &str, files: &mut Vec<PathBuf>) {
    let skipped = ["target", "node_modules", "dist"];
    if path.is_file() {
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path.to_owned());
        }
    } else if !path.file_name().is_some_and(|name| skipped.iter().any(|skipped| name == *skipped)) {
        for entry in fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
            collect(&entry.unwrap().path(), extension, files);
        }
    }
}

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    SOURCES.iter().for_each(|source| collect(&root().join(source), "rs", &mut files));
    assert!(files.len() > 300, "only {} source files were found", files.len());
    files
}

/// Every comment line with its place.
fn comments() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("//")) {
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
    ["docs", "loadtest", "clients", "tests"].iter().for_each(|folder| collect(&root().join(folder), "md", &mut files));
    files.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)));
    let mut found = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let mut in_code = false;
        for (number, line) in text.lines().enumerate() {
            in_code ^= line.trim_start().starts_with("```");
            let exempt = in_code || line.starts_with('|') || line.contains("](") || line.contains("http");
            if !exempt && line.chars().count() > LONGEST {
                found.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "longer than {LONGEST} characters:\n{}", found.join("\n"));
}
