use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::raw_series::{Protocol, RawSeries};
use earcon_model::Reading;

fn raw<'a>(protocol: Protocol, name: &'a str, labels: &[(&'a str, &'a str)]) -> RawSeries<'a> {
    let labels = labels.iter().map(|(k, v)| (Cow::Borrowed(*k), Cow::Borrowed(*v))).collect();
    RawSeries { labels, ..RawSeries::new(protocol, name.into()) }
}

fn mapped(rules: &Rules, raw: &RawSeries<'_>) -> (String, String, Reading) {
    let MappedSeries { kpi, labels, reading, .. } = rules.map(raw).unwrap().unwrap();
    (kpi.to_string(), labels.to_string(), reading)
}

#[test]
fn shipped_rules_are_valid_and_detect_counters_by_suffix() {
    let rules = Rules::default();
    let reading = |protocol, name| mapped(&rules, &raw(protocol, name, &[])).2;
    assert_eq!(reading(Protocol::Prometheus, "http_requests_total"), Reading::Counter);
    assert_eq!(reading(Protocol::Prometheus, "node_load1"), Reading::Gauge);
    assert_eq!(reading(Protocol::Influx, "http_requests_total"), Reading::Gauge);
}

#[test]
fn a_rule_names_kpis_after_labels_and_changes_labels() {
    let rules = RulesDocument::parse(
        br#"{"rules": [{"name": "http_*", "kpi": "web.{method}.*", "drop_labels": ["inst*"], "rename_labels": {"code": "status"},
            "reading": "counter", "max_series": 50}, {"name": "go_*", "drop": true}, {"name": "up", "keep_labels": ["job"]}]}"#,
    )
    .unwrap();
    let labels = [("method", "GET"), ("instance", "a:1"), ("code", "200")];
    let one = mapped(&rules, &raw(Protocol::Prometheus, "http_requests", &labels));
    assert_eq!(one, ("web.GET.requests".into(), "status:200".into(), Reading::Counter));
    let limit = |name| rules.map(&raw(Protocol::Prometheus, name, &[])).unwrap().unwrap().max_series;
    assert_eq!((limit("http_requests"), limit("up")), (Some(50), None));
    let without = mapped(&rules, &raw(Protocol::Prometheus, "http_requests", &labels[1..]));
    assert_eq!(without.0, "http_requests", "a label that is not there leaves the name");
    assert_eq!(rules.map(&raw(Protocol::Prometheus, "go_gc", &[])), Ok(None));
    let up = mapped(&rules, &raw(Protocol::Prometheus, "up", &[("job", "x"), ("instance", "y")]));
    assert_eq!(up.1, "job:x");
}

#[test]
fn foreign_names_are_made_legal_and_native_ones_rejected() {
    let rules = Rules::default();
    let labels = [("k8s.pod/name", "a,b"), ("empty", "")];
    let made = mapped(&rules, &raw(Protocol::Otlp, "http.server duration", &labels));
    assert!(made.0.starts_with("http.server_duration_"), "{}", made.0);
    assert!(made.1.starts_with("k8s.pod_name_") && made.1.contains(":a;b_"), "{}", made.1);
    let refused = rules.map(&raw(Protocol::Native, "a b", &[])).unwrap_err();
    assert!(refused.starts_with("kpi must be") && refused.contains("\"a b\""), "{refused}");
    let many: Vec<(String, &str)> = (0..17).map(|i| (format!("l{i}"), "v")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    let refused = rules.map(&raw(Protocol::Prometheus, "a", &many)).unwrap_err();
    assert!(refused.contains("at most 16 labels") && refused.contains("rules"), "{refused}");
}

#[test]
fn only_the_named_resource_attributes_become_labels() {
    let mut series = raw(Protocol::Otlp, "a", &[("host.name", "own")]);
    let pair = |k: &'static str, v: &'static str| (Cow::Borrowed(k), Cow::Borrowed(v));
    series.resource = vec![pair("service.name", "shop"), pair("telemetry.sdk.name", "x"), pair("host.name", "other")];
    assert_eq!(mapped(&Rules::default(), &series).1, "host.name:own,service.name:shop");
}

#[test]
fn every_problem_is_named_with_its_position() {
    let problems = RulesDocument::parse(
        br#"{"colour": 1, "defaults": "x", "rules": [{"kpi": "a"}, {"name": "a*", "kpi": "**{x"},
            {"name": "", "rename_labels": {"a": "b c"}}, {"name": "a", "reading": "sum"}]}"#,
    )
    .unwrap_err();
    let text = problems.join("\n");
    for place in
        ["colour:", "defaults:", "rules[0]:", "rules[1].kpi:", "rules[2].name:", "rules[2].rename_labels:", "rules[3]:"]
    {
        assert!(text.contains(place), "{place} in {text}");
    }
    assert!(text.contains("more stars"), "{text}");
    assert!(RulesDocument::parse(b"[]").is_err() && RulesDocument::parse(b"{").is_err());
    assert_eq!(RulesDocument::parse(b"{}").unwrap().document(), &RulesDocument::default());
}

proptest! {
    #[test]
    fn mapping_never_panics_and_is_deterministic(name in "\\PC{0,40}", key in "\\PC{0,20}", value in "\\PC{0,20}") {
        let rules = RulesDocument::parse(br#"{"rules": [{"name": "*a*", "kpi": "x.{k}*-*", "drop_labels": ["*b*"]}]}"#).unwrap();
        let series = raw(Protocol::Influx, &name, &[(&key, &value), ("k", "v")]);
        prop_assert_eq!(rules.map(&series), rules.map(&series));
    }

    #[test]
    fn arbitrary_documents_never_panic(json in "\\PC{0,100}") {
        let _refused = RulesDocument::parse(json.as_bytes()).is_err();
    }

    #[test]
    fn document_round_trips(drop: bool, counter: bool, name in "[a-z*]{1,8}", label in "[a-z]{1,5}") {
        let reading = if counter { "counter" } else { "gauge" };
        let text = format!(r#"{{"rules": [{{"name": "{name}", "drop": {drop}, "reading": "{reading}", "kpi": "x{{{label}}}"}}]}}"#);
        let rules = RulesDocument::parse(text.as_bytes()).unwrap();
        let again = RulesDocument::parse(&serde_json::to_vec(rules.document()).unwrap()).unwrap();
        prop_assert_eq!(rules.document(), again.document());
    }
}
