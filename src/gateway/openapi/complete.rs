//! Adds to the collected OpenAPI document what derived schemas cannot express: the body of an
//! error, and the exact form of names, times and small vocabularies.

use serde_json::{Map, Value, json};

use super::operations::{KPI, complete_operation};
use crate::gateway::http::problem::Kind;

const LABEL_KEY: &str = r"^[^\u0000-@\[-^`{-\u00a9][^\u0000-\u002d/:-@\[-^`{-\u00a9]{0,63}$";

/// Completes the document.
pub(super) fn complete(mut document: Value) -> Value {
    for (name, schema) in schemas() {
        merge(&mut document["components"]["schemas"][name], schema);
    }
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            complete_operation(path, operation);
        }
    }
    document
}

/// The additions to the schemas.
fn schemas() -> Vec<(&'static str, Value)> {
    let property = |name: &str, schema: Value| json!({ "properties": { name: schema } });
    let one_of = |name: &str, values: &[&str]| property(name, json!({ "enum": values }));
    let types: Vec<String> = Kind::ALL.iter().map(|kind| kind.uri()).collect();
    vec![
        (
            "Problem",
            json!({
                "type": "object",
                "description": "An error (RFC 9457).",
                "required": ["type", "title", "status", "detail"],
                "properties": {
                    "type": { "type": "string", "enum": types },
                    "title": { "type": "string" },
                    "status": { "type": "integer" },
                    "detail": { "type": "string" },
                    "rejected": { "type": "array", "items": { "$ref": "#/components/schemas/Rejected" } },
                    "rejected_total": { "type": "integer", "minimum": 0 },
                },
            }),
        ),
        ("Kpi", one_of("state", &["running", "parked"])),
        ("Series", one_of("state", &["warming", "normal", "anomalous", "stalled", "ended"])),
        ("Anomaly", one_of("state", &["open", "closed"])),
        ("Anomaly", one_of("direction", &["above", "below"])),
        ("Anomaly", one_of("reason", &["robust_z", "residual_z", "volatility", "slope", "loss"])),
        ("Incident", one_of("state", &["open", "closed", "merged"])),
        ("Member", one_of("state", &["open", "closed"])),
        ("Member", one_of("direction", &["above", "below"])),
        ("Member", one_of("reason", &["robust_z", "residual_z", "volatility", "slope", "loss"])),
        ("Member", one_of("link", &["first", "same_kpi", "shared", "companion", "burst", "overflow"])),
        (
            "TimelineEntry",
            one_of("what", &["joined", "returned", "grew", "ended", "acknowledged", "alerted", "merged", "left"]),
        ),
        ("Voice", one_of("role", &["voice", "bed"])),
        ("Mix", one_of("mode", &["ambient", "cues"])),
        ("Mix", property("polarity", json!({ "additionalProperties": { "enum": ["up", "down"] } }))),
        ("Experiment", one_of("stage", &["shadow", "canary", "promoted", "rolled_back", "stopped"])),
        ("Job", one_of("state", &["running", "cancelling", "done", "cancelled", "failed"])),
        ("ClusterNode", one_of("state", &["alive", "leaving", "silent"])),
        (
            "ChangeBody",
            json!({ "additionalProperties": false, "properties": {
                "mode": { "enum": ["ambient", "cues", null] },
                "voices": { "minimum": 0, "maximum": 8 },
                "polarity": {
                    "propertyNames": { "pattern": KPI }, "additionalProperties": { "enum": ["up", "down"] }, "maxProperties": 10_000,
                },
            } }),
        ),
        (
            "AcknowledgeBody",
            json!({ "additionalProperties": false, "properties": { "note": {
                "maxLength": 2_000, "description": "at most 2,000 bytes of UTF-8"
            } } }),
        ),
        (
            "FeedbackBody",
            json!({ "additionalProperties": false, "properties": {
                "outcome": { "enum": ["real", "false"] },
                "note": { "maxLength": 2_000, "description": "at most 2,000 bytes of UTF-8" },
            } }),
        ),
        ("Feedback", one_of("outcome", &["real", "false"])),
        ("IngestBody", property("samples", json!({ "minItems": 1 }))),
        (
            "IngestSample",
            json!({ "properties": {
                "kpi": { "pattern": KPI },
                "labels": {
                    "propertyNames": { "pattern": LABEL_KEY }, "maxProperties": 16,
                    "additionalProperties": { "pattern": "^[^\u{0}-\u{1f}\u{7f}-\u{9f},]{1,64}$" },
                },
                "timestamp": { "type": null, "format": null, "anyOf": [
                    { "type": "integer", "format": "int64" },
                    { "type": "string", "format": "date-time" }, { "type": "null" },
                ] },
            } }),
        ),
    ]
}

/// Puts `more` into `value`, member by member; null removes a member (RFC 7396), except inside
/// lists.
fn merge(value: &mut Value, more: Value) {
    match more {
        Value::Object(members) => {
            if !value.is_object() {
                *value = json!({});
            }
            for (name, member) in members {
                if member.is_null() {
                    value.as_object_mut().map(|object| object.remove(&name));
                } else {
                    merge(&mut value[name], member);
                }
            }
        }
        other => *value = other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::http::problem::PROBLEM_JSON;

    #[test]
    fn every_error_has_the_body_of_an_error() {
        let operation = json!({ "parameters": [{ "name": "kpi", "schema": { "type": "string" } }],
            "requestBody": {}, "responses": { "200": { "description": "ok" }, "404": { "description": "no such KPI" } } });
        let document = complete(json!({ "components": { "schemas": {} },
            "paths": { "/api/v1/workspaces/{workspace}/kpis/{kpi}": { "post": operation } } }));
        let operation = &document["paths"]["/api/v1/workspaces/{workspace}/kpis/{kpi}"]["post"];
        assert_eq!(operation["parameters"][0]["schema"]["pattern"], KPI);
        let responses = operation["responses"].as_object().unwrap();
        let statuses: Vec<_> = responses.keys().map(String::as_str).collect();
        assert_eq!(statuses, ["200", "400", "403", "404", "413", "415", "500", "503"]);
        assert_eq!(responses["404"]["description"], "no such KPI");
        assert!(responses["200"].get("content").is_none());
        for (status, response) in responses.iter().filter(|(status, _)| *status != "200") {
            assert!(response["content"].get(PROBLEM_JSON).is_some(), "{status}");
        }
        assert!(responses["503"].get("headers").is_some());
    }

    #[test]
    fn merging_adds_replaces_and_removes() {
        let mut value = json!({ "a": { "b": 1, "c": 2 }, "d": [1] });
        merge(&mut value, json!({ "a": { "b": null, "e": 3 }, "d": [2, null] }));
        assert_eq!(value, json!({ "a": { "c": 2, "e": 3 }, "d": [2, null] }));
    }
}
