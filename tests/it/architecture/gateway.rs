//! The floors of the gateway: no import runs upwards, and no files import each other in a circle.

use super::imports::Imports;

/// Modules from the ground up. A module imports from lower floors, and from its own folder.
const FLOORS: [&[&str]; 5] = [
    &["http"],
    &["websocket", "connection_group", "nats", "openapi"],
    &["api", "accounts", "ingest", "events", "audio", "dashboard"],
    &["assembly"],
    &["router", "listeners"],
];

/// Imports between modules of one floor. `gateway.rs` says why.
const SIDEWAYS: [(&str, &str); 1] = [("gateway::api::mixes", "gateway::audio::voice")];

/// The floor of a module, and its folder; `None` for the face of the gateway.
fn floor(module: &str) -> Option<(usize, &str)> {
    let folder = module.split("::").nth(1)?;
    let floor = FLOORS.iter().position(|floor| floor.contains(&folder));
    Some((floor.unwrap_or_else(|| panic!("{module} has no floor")), folder))
}

#[test]
fn no_import_of_the_gateway_runs_upwards() {
    let imports = Imports::of(&["gateway"]);
    let upwards = imports.all().filter(|(from, to)| match (floor(from), floor(to)) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some((from_floor, from_folder)), Some((to_floor, to_folder))) => {
            from_folder != to_folder && from_floor <= to_floor && !SIDEWAYS.contains(&(from, to))
        }
    });
    let upwards: Vec<String> = upwards.map(|(from, to)| format!("{from} -> {to}")).collect();
    assert!(upwards.is_empty(), "imports from the same floor or a higher one:\n{}", upwards.join("\n"));
}

#[test]
fn no_files_of_the_gateway_import_each_other_in_a_circle() {
    let imports = Imports::of(&["gateway"]);
    assert_eq!(imports.circle(), None);
}

#[test]
fn the_import_between_wings_is_still_needed() {
    let imports = Imports::of(&["gateway"]);
    for sideways in SIDEWAYS {
        assert!(imports.all().any(|import| import == sideways), "{sideways:?} is gone: remove it from the list");
    }
}
