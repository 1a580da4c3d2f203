//! Adds to each operation the errors that any request may get, and the exact form of its
//! parameters.

use serde_json::{Value, json};

use crate::gateway::http::problem::PROBLEM_JSON;

const WORKSPACE: &str = "^([a-z0-9][a-z0-9-]{0,30}[.])?[a-z0-9][a-z0-9_-]{0,62}$";
/// Of an entry or an experiment.
const NAME: &str = "^[a-z0-9][a-z0-9_-]{0,62}$";
/// The name of a KPI: what it may not contain of ASCII. Beyond ASCII the pattern allows more than
/// the rule, because JSON Schema has no class for letters of any script.
pub(super) const KPI: &str = r"^[^\u0000-\u002f:-@\[-`{-\u00a9][^\u0000-,/;-@\[-^`{-\u00a9]{0,127}$";
/// The usual form of such a name.
const USUAL_KPI: &str = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$";
/// The cursor of a page of anomalies or incidents.
const CURSOR: &str = "^[0-9]{1,15}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";

/// Completes one operation of the path.
pub(super) fn complete_operation(path: &str, operation: &mut Value) {
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        if let Some(schema) = parameter_schema(&name) {
            parameter["schema"] = schema;
        }
        if name == "kpi" && parameter["in"] == "query" {
            // A filter by an illegal name is refused.
            parameter["schema"] = json!({ "type": "string", "pattern": USUAL_KPI,
                "description": "the name of a KPI; the pattern shows the usual form of one" });
        }
    }
    let takes_a_body = operation.get("requestBody").is_some();
    if path.ends_with("/acknowledge") {
        // An empty body means the same as `{}`.
        operation["requestBody"]["required"] = json!(false);
    }
    if path == "/query" {
        // The statement may be in the address instead.
        operation["requestBody"]["required"] = json!(false);
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    let mut common = vec![
        ("403", "not from or for this machine, or one workspace too many"),
        ("500", "something failed here; see the server's log"),
    ];
    if path.contains("{workspace}") {
        common.push(("400", "a name or parameter that breaks its rule"));
        common.push(("404", "no such workspace"));
        common.push(("503", "not available right now; try again"));
    }
    if path.starts_with("/api/v1/organisations") || path.starts_with("/api/v1/session") || path.ends_with("/tickets") {
        common.push(("400", "a name or a value that breaks its rule"));
        common.push(("401", "the caller is not known"));
        common.push(("409", "not possible in the present state"));
    }
    if takes_a_body {
        // Doors without a workspace in their path write to the one of the configuration.
        common.push(("404", "no such workspace"));
        common.push(("413", "the body is too large"));
        common.push(("415", "the content type or encoding is not understood"));
    }
    for (status, description) in common {
        responses.entry(status).or_insert_with(|| json!({ "description": description }));
    }
    let own_form = is_agent_protocol(path);
    for (status, response) in responses {
        if own_form && status.starts_with(['4', '5']) {
            response["content"] = json!({
                PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } },
                "application/json": { "schema": { "type": "object" } },
                "application/x-protobuf": {},
                "text/plain": { "schema": { "type": "string" } },
            });
        }
        if status.starts_with(['4', '5']) && response.get("content").is_none() {
            response["content"] = json!({ PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } } });
        }
        if matches!(status.as_str(), "429" | "503") {
            response["headers"] =
                json!({ "retry-after": { "description": "seconds", "schema": { "type": "string" } } });
        }
    }
}

/// Agents expect errors in the form of the server they were made for.
fn is_agent_protocol(path: &str) -> bool {
    path.ends_with("/write") || path.ends_with("/v1/metrics") || path == "/query"
}

/// The exact schema of a parameter; `None` keeps the derived one.
fn parameter_schema(name: &str) -> Option<Value> {
    let schema = match name {
        "workspace" | "confirm" => json!({ "type": "string", "pattern": WORKSPACE }),
        "kpi" => json!({ "type": "string", "pattern": KPI,
            "description": "letters and digits of any script, `.`, `_`, `:` and `-`; at most 128 bytes of UTF-8" }),
        "mix" => json!({ "type": "string", "enum": ["default"] }),
        "organisation" => json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,30}$" }),
        "user" => json!({ "type": "string", "pattern": "^u_[a-z2-7]{16}$" }),
        "key" | "session" | "invitation" => json!({ "type": "string", "pattern": "^[a-z2-7]{12}$" }),
        "entry" | "experiment" => json!({ "type": "string", "pattern": NAME }),
        "job" => json!({ "type": "string", "pattern": "^[0-9]{1,20}$" }),
        "id" => json!({ "type": "string", "format": "uuid" }),
        "from" | "to" => json!({ "anyOf": [
            { "type": "string", "pattern": "^-?[0-9]{1,15}$" }, { "type": "string", "format": "date-time" }
        ] }),
        "labels" => json!({ "type": "string", "pattern": "^([a-z][a-z0-9_]{0,9}:[A-Za-z0-9 :_-]{1,20})?$",
            "description": "`key:value,key:value`; the pattern shows the usual form of one" }),
        "step" => json!({ "type": "integer", "format": "int64", "minimum": 1_000 }),
        "If-Match" => json!({ "type": "string", "pattern": "^(\\*|\"?[0-9]{1,15}\"?)$" }),
        "width" => json!({ "type": "integer", "minimum": 240, "maximum": 2_400 }),
        "height" => json!({ "type": "integer", "minimum": 160, "maximum": 1_200 }),
        "theme" => json!({ "type": "string", "enum": ["light", "dark"] }),
        "before" => json!({ "type": "string", "pattern": CURSOR }),
        _ => return None,
    };
    Some(schema)
}
