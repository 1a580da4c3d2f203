//! The import rule, checked by reading the sources.

mod gateway;
mod imports;

use std::fs;
use std::path::{Path, PathBuf};

use imports::Imports;

const PURE: [&str; 13] = [
    "model",
    "streams",
    "incidents",
    "audio",
    "live",
    "tenancy",
    "identity",
    "cluster",
    "intake",
    "mutes",
    "explain",
    "evaluation",
    "experiments",
];
/// Pure modules that are crates. Their Cargo.toml limits their imports.
const CRATES: [&str; 6] = ["model", "streams", "audio", "tenancy", "intake", "identity"];
const IMPURE_WORDS: [&str; 8] =
    ["tokio", "ractor", "axum::", "std::time", "SystemTime", "Instant::now", "std::fs", "std::net::Tcp"];

fn rust_files(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The files of a module: `src/name.rs` and everything below `src/name/`.
fn files_of(module: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let src = root.join("src");
    let mut files = Vec::new();
    let own_crate = root.join("crates").join(module).join("src");
    if own_crate.is_dir() {
        rust_files(&own_crate, &mut files);
        return files;
    }
    if src.join(module).is_dir() {
        rust_files(&src.join(module), &mut files);
    }
    let own = src.join(format!("{module}.rs"));
    if own.is_file() {
        files.push(own);
    }
    assert!(!files.is_empty(), "there is no module {module}");
    files
}

/// Code lines without comments, up to a trailing test module.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let production = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(&text).to_owned();
    let lines = production.lines().enumerate().map(|(i, line)| (i + 1, line.trim().to_owned()));
    lines.filter(|(_, line)| !line.starts_with("//")).collect()
}

fn is_test_file(path: &Path) -> bool {
    path.components().any(|part| ["tests", "tests.rs", "testing.rs"].iter().any(|name| part.as_os_str() == *name))
}

fn offences(module: &str, offends: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for path in files_of(module).iter().filter(|path| !is_test_file(path)) {
        for (number, line) in code(path) {
            if offends(&line) {
                found.push(format!("{}:{number}: {line}", path.display()));
            }
        }
    }
    found
}

#[test]
fn pure_modules_hold_no_runtime_clock_or_io() {
    for module in PURE {
        let found = offences(module, |line| IMPURE_WORDS.iter().any(|word| line.contains(word)));
        assert!(found.is_empty(), "{module} must stay pure:\n{}", found.join("\n"));
    }
}

#[test]
fn pure_modules_of_the_server_import_none_of_its_other_modules() {
    for module in PURE.iter().filter(|module| !CRATES.contains(module)) {
        let found = offences(module, |line| {
            line.split("crate::").skip(1).any(|rest| {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                name != *module
            })
        });
        assert!(found.is_empty(), "{module} may import only crates:\n{}", found.join("\n"));
    }
}

#[test]
fn ports_know_neither_actors_nor_technology() {
    let found = offences("ports", |line| ["fjall", "ractor", "tokio"].iter().any(|word| line.contains(word)));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn only_the_composition_root_names_adapters() {
    for module in ["actors", "gateway", "sources", "cli", "config", "telemetry", "live"] {
        let found = offences(module, |line| line.contains("earcon_adapters_"));
        assert!(found.is_empty(), "{module} must not name adapters:\n{}", found.join("\n"));
    }
}

#[test]
fn the_gateway_scores_and_encodes_nothing() {
    let found = offences("gateway", |line| line.contains("earcon_streams") || line.contains("Encoder"));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn services_have_neither_routes_nor_mailboxes() {
    let found = offences("services", |line| {
        ["axum", "ractor", "crate::gateway", "crate::app", "earcon_adapters_"].iter().any(|word| line.contains(word))
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Actors use the lower services, so only the upper ones may use actor handles. Otherwise there
/// would be a circle.
#[test]
fn services_that_actors_use_import_no_actor() {
    const UPPER: [&str; 2] = ["anomalies", "wake"];
    let is_upper = |line: &str| UPPER.iter().any(|name| line.contains(&format!("services/{name}")));
    let found = offences("services", |line| line.contains("crate::actors"));
    let found: Vec<String> = found.into_iter().filter(|line| !is_upper(line)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    let found = offences("actors", |line| UPPER.iter().any(|name| line.contains(&format!("services::{name}"))));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Records go through `services::records`, which lists in bounded pages and reports unreadable
/// records.
#[test]
fn handlers_and_sources_use_no_meta_store() {
    for module in ["gateway", "sources", "cli"] {
        let found = offences(module, |line| line.contains("MetaStore"));
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Through module faces as well. Services that actors use, and those that use actors, are part of
/// the same graph.
#[test]
fn actors_import_each_other_without_a_circle() {
    let imports = Imports::of(&["actors", "services"]);
    assert!(imports.all().count() > 100, "the scanner finds the imports");
    if let Some(circle) = imports.circle() {
        panic!("a circle of imports: {}", circle.join(" -> "));
    }
}

/// The crates among the pure modules are left out: the scanner reads the modules of the server.
#[test]
fn pure_modules_and_the_composition_root_have_no_circle_of_imports() {
    for module in PURE.iter().filter(|module| !CRATES.contains(module)).chain(&["app"]) {
        let imports = Imports::of(&[module]);
        assert!(imports.all().next().is_some(), "the scanner finds the imports of {module}");
        if let Some(circle) = imports.circle() {
            panic!("a circle of imports: {}", circle.join(" -> "));
        }
    }
}

#[test]
fn only_supervisors_import_the_behaviour_of_an_actor() {
    const SUPERVISORS: [&str; 4] =
        ["actors::node::actor", "actors::workspace::actor", "actors::workspace::children", "actors::remote::mirror"];
    let imports = Imports::of(&["actors", "services", "gateway", "sources", "cli"]);
    let found: Vec<_> = imports
        .all()
        .filter(|(from, to)| to.ends_with("::actor") && !SUPERVISORS.contains(from))
        .map(|(from, to)| format!("{from} imports {to}"))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The compiler keeps code without an authorizer from getting a pass; this keeps it from making an
/// authorizer.
#[test]
fn only_the_composition_root_makes_an_authorizer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&src(), &mut files);
    // crates/contract is test code that other crates share.
    let crates = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    crates.filter(|path| !path.ends_with("contract")).for_each(|path| rust_files(&path.join("src"), &mut files));
    let in_app = |path: &Path| path.starts_with(src().join("app")) || path == src().join("app.rs");
    let mut makers = 0;
    for path in files.iter().filter(|path| !is_test_file(path)) {
        for (number, line) in code(path) {
            let makes = line.contains("Authorizer::") || line.contains("Authorizer as ");
            makers += usize::from(makes);
            assert!(!makes || in_app(path), "{}:{number}: {line}", path.display());
        }
    }
    assert_eq!(makers, 1, "the composition root makes one");
}
