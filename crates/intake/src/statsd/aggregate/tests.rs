use proptest::prelude::*;

use super::*;

fn flushed(aggregator: &mut Aggregator) -> Vec<(String, f64)> {
    let batches = aggregator.flush(10_000, 10.0);
    let mut all = Vec::new();
    for KpiBatch { kpi, series } in batches {
        for SeriesBatch { labels, rows, ended_at_ms, .. } in series {
            let name = if labels.is_empty() { kpi.to_string() } else { format!("{kpi}{{{labels}}}") };
            all.extend(ended_at_ms.map(|_| (format!("{name} ended"), 0.0)));
            all.extend(rows.into_iter().map(|(_, sample)| (name.clone(), sample.value)));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn after(packets: &[&str]) -> Vec<(String, f64)> {
    let mut aggregator = Aggregator::new(100);
    for packet in packets {
        let summary = aggregator.ingest(packet.as_bytes());
        assert_eq!((summary.rejected, summary.first_error), (0, None));
    }
    flushed(&mut aggregator)
}

fn assert_flushed(all: &[(String, f64)], expected: &[(&str, f64)]) {
    let all: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(all, expected);
}

#[test]
fn counters_become_rates_per_second() {
    assert_flushed(&after(&["a:1|c\na:4|c|@0.5\n", "a:2:3|c", "b:-5|c"]), &[("a", 1.4), ("b", -0.5)]);
}

#[test]
fn idle_counter_stays_at_zero_and_then_ends() {
    let mut aggregator = Aggregator::new(10);
    aggregator.ingest(b"a:10|c");
    assert_flushed(&flushed(&mut aggregator), &[("a", 1.0)]);
    for _ in 1..IDLE_FLUSHES {
        assert_flushed(&flushed(&mut aggregator), &[("a", 0.0)]);
    }
    assert_flushed(&flushed(&mut aggregator), &[("a ended", 0.0)]);
    assert_flushed(&flushed(&mut aggregator), &[]);
    assert!(aggregator.series.is_empty() && aggregator.positions.is_empty() && aggregator.spellings.is_empty());
    aggregator.ingest(b"a:10|c");
    assert_flushed(&flushed(&mut aggregator), &[("a", 1.0)]);
}

#[test]
fn gauges_accept_values_and_changes_and_give_no_idle_samples() {
    let mut aggregator = Aggregator::new(10);
    aggregator.ingest(b"g:10|g\ng:+5|g\ng:-3|g");
    assert_flushed(&flushed(&mut aggregator), &[("g", 12.0)]);
    assert_flushed(&flushed(&mut aggregator), &[]);
    aggregator.ingest(b"g:-2|g");
    assert_flushed(&flushed(&mut aggregator), &[("g", 10.0)]);
    aggregator.ingest(b"g:0|g\ng:-1.5|g");
    assert_flushed(&flushed(&mut aggregator), &[("g", -1.5)]);
}

#[test]
fn timers_become_count_mean_and_quantiles() {
    let values: Vec<String> = (1..=100).rev().map(|i| i.to_string()).collect();
    let packet = format!("t:{}|ms|#x:y", values.join(":"));
    assert_flushed(
        &after(&[&packet]),
        &[
            ("t.count{x:y}", 100.0),
            ("t.mean{x:y}", 50.5),
            ("t.p50{x:y}", 50.0),
            ("t.p95{x:y}", 95.0),
            ("t.p99{x:y}", 99.0),
        ],
    );
    let sampled = after(&["t:7|h|@0.25"]);
    assert_eq!((sampled[0].1, sampled[1].1), (4.0, 7.0));
}

#[test]
fn sets_count_their_members() {
    assert_flushed(&after(&["users:ann|s\nusers:bob|s\nusers:ann|s"]), &[("users", 2.0)]);
}

#[test]
fn tags_become_labels_in_every_spelling() {
    assert_flushed(
        &after(&["a:10|c|#env:prod,az:1", "a:10|c|#az:1,env:prod", "a:10|c|#canary,1st:x"]),
        &[("a{_1st_bc7f3738c8cebdfc:x,canary:true}", 1.0), ("a{az:1,env:prod}", 2.0)],
    );
    assert_flushed(&after(&["a b/c:10|c|#k:1,k:2"]), &[("a_b_c_8b4be53aafc676c3{k:2}", 1.0)]);
}

#[test]
fn different_names_stay_different_series() {
    let all = after(&["温度:21|g\n湿度:60|g\nвлажность:5|c\na/b:1|g\na%b:2|g"]);
    let names: std::collections::BTreeSet<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((all.len(), names.len()), (5, 5), "{all:?}");
    assert!(names.contains("温度{}") || names.contains("温度"), "{names:?}");
}

#[test]
fn timer_and_series_with_a_name_of_its_own_are_refused_together() {
    let refused = |packet: &str| {
        let mut aggregator = Aggregator::new(100);
        let summary = aggregator.ingest(packet.as_bytes());
        (summary.lines, summary.first_error.unwrap_or_default())
    };
    let (lines, error) = refused("t:5|ms\nt.count:1|c\nt.p95:1|g\nt:6|ms");
    assert_eq!(lines, 2);
    assert!(error.contains("is a counter, but t.count is also made of the timer t"), "{error}");
    let (lines, error) = refused("t.mean:1|g\nt:5|ms\nt.mean:2|g");
    assert_eq!(lines, 2);
    assert!(error.contains("is a timer, and its t.mean is already a gauge"), "{error}");
    assert_eq!(refused("t:5|ms\nt.count:1|c|#a:b\nt.count:1|ms\nt.max:1|g").0, 4);
}

#[test]
fn byte_order_mark_is_no_part_of_a_name() {
    assert_flushed(&after(&["\u{feff}a:5|g"]), &[("a", 5.0)]);
}

#[test]
fn line_is_counted_whole_or_not_at_all() {
    for line in ["b:4:x:8|c", "b:4:x:8|ms", "b:4:x|g", "b:4|c:x|c"] {
        let mut aggregator = Aggregator::new(10);
        let summary = aggregator.ingest(line.as_bytes());
        assert_eq!((summary.lines, summary.rejected), (0, 1), "{line}");
        assert!(flushed(&mut aggregator).iter().all(|(_, value)| *value == 0.0), "{line}");
    }
    assert_flushed(&after(&["c:5|c\0", "\0c:5|c \r"]), &[("c", 1.0)]);
}

#[test]
fn bad_lines_are_counted_named_and_do_not_affect_others() {
    let mut aggregator = Aggregator::new(2);
    let summary = aggregator.ingest(b"a:1|c\nnonsense\na:x|c\na:1|g\n\nb:1|g\nc:1|c\na:9|c");
    assert_eq!((summary.lines, summary.rejected), (3, 4));
    assert_eq!(summary.first_error.as_deref(), Some("\"nonsense\" has no type; write name:value|type"));
    assert_flushed(&flushed(&mut aggregator), &[("a", 1.0), ("b", 1.0)]);
    let many: Vec<String> = (0..20).map(|i| format!("k{i}:v")).collect();
    let summary = aggregator.ingest(format!("a:1|c|#{}", many.join(",")).as_bytes());
    assert!(summary.first_error.unwrap().contains("at most 16 labels"));
}

#[test]
fn series_without_a_good_value_is_dropped() {
    let mut aggregator = Aggregator::new(1);
    assert_eq!(aggregator.ingest(b"a:x|g").rejected, 1);
    assert_flushed(&flushed(&mut aggregator), &[]);
    assert_eq!(aggregator.ingest(b"b:1|g").rejected, 0);
}

#[test]
fn busy_timer_is_sampled_and_its_count_is_exact() {
    let mut aggregator = Aggregator::new(1);
    for i in 0..200_000 {
        aggregator.ingest(format!("t:{}|ms", i % 1_000).as_bytes());
    }
    let all = flushed(&mut aggregator);
    assert_eq!(all[0].1, 200_000.0);
    assert_eq!(all[1].1, 499.5);
    for (at, expected) in [(2, 500.0), (3, 950.0), (4, 990.0)] {
        assert!((all[at].1 - expected).abs() < 40.0, "{all:?}");
    }
}

proptest! {
    #[test]
    fn arbitrary_packets_never_panic_and_give_finite_samples(packet in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"a:1|cgms@#\n-+.e9,".to_vec())], 0..200)) {
        let mut aggregator = Aggregator::new(5);
        aggregator.ingest(&packet);
        for batch in aggregator.flush(0, 10.0) {
            prop_assert!(batch.series.iter().flat_map(|series| &series.rows).all(|(_, sample)| sample.value.is_finite()));
        }
        prop_assert!(aggregator.series.len() <= 5);
    }

    #[test]
    fn counting_does_not_depend_on_the_packets(values in prop::collection::vec(0u32..1_000, 1..50), cut in 0usize..50) {
        let line = |value: &u32| format!("a:{value}|c");
        let lines: Vec<String> = values.iter().map(line).collect();
        let (head, tail) = lines.split_at(cut.min(lines.len()));
        let expected = f64::from(values.iter().sum::<u32>()) / 10.0;
        let all = after(&[&head.join("\n"), &tail.join("\n")]);
        prop_assert_eq!(all, vec![("a".to_owned(), expected)]);
    }
}

#[test]
fn a_tag_without_a_name_costs_its_line() {
    let mut aggregator = Aggregator::new(10);
    let summary = aggregator.ingest(b"a:1|c|#:x\na:1|c|#region:eu,:\na:1|c|#region:,eu");
    assert_eq!((summary.lines, summary.rejected), (1, 2));
    assert_eq!(summary.first_error.as_deref(), Some("\"a:1|c|#:x\" has the tag \":x\", which has no name"));
}
