use proptest::prelude::*;

use super::*;
use crate::naming;
use crate::{ParsedBatch, Rules, SeriesCache};

const NOW: i64 = 42;

fn parse_batch(body: &[u8], precision: Precision) -> ParsedBatch {
    let cache = SeriesCache::new(Rules::default(), 1_000, 1);
    let mut batch = Batch::new(&cache, NOW, 100_000);
    parse(body, precision, &mut batch).unwrap();
    batch.finish()
}

/// `kpi{labels} row timestamp value` of each sample, in order.
fn samples(parsed: &ParsedBatch) -> Vec<String> {
    let mut all = Vec::new();
    for batch in &parsed.batches {
        for series in &batch.series {
            for (row, sample) in &series.rows {
                let (kpi, labels) = (batch.kpi.as_str(), series.labels.as_str());
                all.push((*row, format!("{kpi}{{{labels}}} {row} {} {}", sample.timestamp_ms, sample.value)));
            }
        }
    }
    all.sort_by_key(|(row, _)| *row);
    all.into_iter().map(|(_, text)| text).collect()
}

fn errors(parsed: &ParsedBatch) -> Vec<u32> {
    let mut rows: Vec<u32> = parsed.rejected.iter().map(|rejected| rejected.row).collect();
    rows.sort_unstable();
    rows
}

#[test]
fn points_become_samples_of_measurement_and_field() {
    let body = b"cpu,host=a,core=0 usage=1.5,idle=98i,up=t 1500000000\nload,host=a value=2u 1500000001\r\n\n# a comment\nload value=-3";
    let parsed = parse_batch(body, Precision::Seconds);
    let expected = [
        "cpu.usage{core:0,host:a} 0 1500000000000 1.5",
        "cpu.idle{core:0,host:a} 0 1500000000000 98",
        "cpu.up{core:0,host:a} 0 1500000000000 1",
        "load{host:a} 1 1500000001000 2",
        "load{} 4 42 -3",
    ];
    assert_eq!(samples(&parsed), expected);
    assert!(parsed.rejected.is_empty(), "{:?}", parsed.rejected);
}

#[test]
fn escapes_and_texts_are_parsed() {
    let body = br#"disk\ use,path=C:\\Program\ Files\,x,a\=b=c value=1,note="a \"quoted\", text=1
with two lines",other=2 7
next value=3 8"#;
    let parsed = parse_batch(body, Precision::Milliseconds);
    let expected = [
        r"disk_use_fc49f73206fee06c{a_b_13b47f4c75263e17:c,path:C:\\Program Files;x_0df2ffc790b2db3b} 0 7 1",
        r"disk_use.other_6cf3f7ce33d00a39{a_b_13b47f4c75263e17:c,path:C:\\Program Files;x_0df2ffc790b2db3b} 0 7 2",
        "next{} 2 8 3",
    ];
    assert_eq!(samples(&parsed), expected);
    assert_eq!((parsed.ignored, parsed.rejected.len()), (1, 0));
}

#[test]
fn every_precision_becomes_milliseconds() {
    for (name, timestamp, expected) in [
        ("", "1500000000123999999", 1_500_000_000_123),
        ("n", "-1", -1),
        ("us", "1500000000123999", 1_500_000_000_123),
        ("ms", "1500000000123", 1_500_000_000_123),
        ("s", "1500000000", 1_500_000_000_000),
        ("m", "25000000", 1_500_000_000_000),
        ("h", "416666", 1_499_997_600_000),
    ] {
        let precision = Precision::parse(name).unwrap();
        let parsed = parse_batch(format!("a value=1 {timestamp}").as_bytes(), precision);
        assert_eq!(parsed.batches[0].series[0].rows[0].1.timestamp_ms, expected, "{name}");
    }
    assert_eq!(Precision::parse("d"), None);
    assert_eq!(errors(&parse_batch(b"a value=1 9223372036854775807", Precision::Hours)), [0]);
}

#[test]
fn bad_lines_are_named_and_good_ones_kept() {
    let body: &[u8] = b"good value=1\nno_fields\na value=\na value=x\n,a=b value=1\na,b value=1\na value=1 soon\na value=1 5 6\n\
        a value=\"open\na =1\na value=1,\na,b= value=1\n\xff\xfe value=1\na value=NaN\na\\ \na value=1,x=2\"z\ngood value=2";
    let parsed = parse_batch(body, Precision::Nanoseconds);
    assert_eq!(samples(&parsed), ["good{} 0 42 1", "good{} 16 42 2"]);
    assert_eq!(errors(&parsed), (1..=15).collect::<Vec<_>>(), "{:?}", parsed.rejected);
}

#[test]
fn version_2_knows_four_precisions() {
    for (name, one, two) in
        [("", true, true), ("ns", true, true), ("us", true, true), ("ms", true, true), ("s", true, true)]
            .into_iter()
            .chain(["n", "u", "m", "h"].map(|name| (name, true, false)))
            .chain([("min", false, false)])
    {
        assert_eq!((Precision::parse(name).is_some(), Precision::parse_second(name).is_some()), (one, two), "{name}");
    }
}

#[test]
fn bad_field_rejects_the_whole_point() {
    let parsed = parse_batch(b"a x=1,y=oops,z=3", Precision::Nanoseconds);
    assert_eq!((samples(&parsed).len(), errors(&parsed)), (0, vec![0]));
    assert!(parsed.rejected[0].error.contains("\"y\"") && parsed.rejected[0].error.contains("oops"));
}

#[test]
fn dots_of_measurement_and_field_stay_apart() {
    let parsed = parse_batch(b"a.b c=1 1\na b.c=2 1\na.b value=3 1", Precision::Milliseconds);
    let names: Vec<&str> = parsed.batches.iter().map(|batch| batch.kpi.as_str()).collect();
    assert_eq!((names[0], names[2]), ("a.b.c", "a.b"));
    assert!(names[1].starts_with("a.b.c_") && names[1].len() == 22, "{names:?}");
}

#[test]
fn later_of_two_names_that_become_one_is_refused() {
    let cache = SeriesCache::new(Rules::default(), 1_000, 1);
    let send = |body: &str| {
        let mut batch = Batch::new(&cache, NOW, 100);
        parse(body.as_bytes(), Precision::Milliseconds, &mut batch).unwrap();
        let parsed = batch.finish();
        (samples(&parsed), errors(&parsed))
    };
    let body = "a b=1,c=2 1\na.b value=3 1\na.b,k=v value=4 1\na b=5 2\nx y=1 1\nz y=1 1";
    for round in 0..3 {
        let (taken, refused) = send(body);
        assert_eq!(refused, [1], "round {round}");
        assert_eq!(taken[..4], ["a.b{} 0 1 1", "a.c{} 0 1 2", "a.b{k:v} 2 1 4", "a.b{} 3 2 5"], "round {round}");
    }
    // A request that begins as a known one without such names.
    let known = "a b=1 1\nc d=1 1\ne f=1 1\ng h=1 1";
    for _ in 0..3 {
        assert_eq!(send(known).1, Vec::<u32>::new());
    }
    assert_eq!(send(&format!("{known}\na.b value=2 1")).1, [4]);
    assert_eq!(send("a.b value=2 1").0, ["a.b{} 0 1 2"]);
    // Two spellings of one name are one name, but a sender that uses both at once may mean two.
    assert_eq!(send("\u{e9} x=1 1\ne\u{301} x=2 2").1, [1]);
    assert_eq!(send("e\u{301} x=2 2\ne\u{301} x=3 3").0, ["é.x{} 0 2 2", "é.x{} 1 3 3"]);
    assert_eq!(send("a,\u{e9}=1 x=1 1\na,e\u{301}=1 x=2 2").1, [1], "keys of labels");
}

#[test]
fn names_that_a_rule_makes_equal_are_one() {
    let rules = r#"{"rules": [{"name": "*", "kpi": "all"}]}"#;
    let rules = crate::rules::RulesDocument::parse(rules.as_bytes()).unwrap();
    let cache = SeriesCache::new(rules, 1_000, 1);
    let mut batch = Batch::new(&cache, NOW, 100);
    parse(b"a b=1 1\na.b value=3 2\nc value=4 3", Precision::Milliseconds, &mut batch).unwrap();
    let parsed = batch.finish();
    assert_eq!((samples(&parsed).len(), errors(&parsed)), (3, vec![]));
}

#[test]
fn field_given_twice_rejects_its_line() {
    let many = (0..40).map(|at| format!("f{at}=1")).collect::<Vec<_>>().join(",");
    let body = format!(
        "m v=1,v=2 1\nm v=\"two\nlines\",v=2 1\nm {many},f7=2 1\nm \u{e9}=1,e\u{301}=2 1\nm a\\ b=1,x=2,a\\ b=3 1\n\
        m v=1,V=2 1\nm \u{e9}=1,e=2 1\nm {many} 1"
    );
    let parsed = parse_batch(body.as_bytes(), Precision::Milliseconds);
    assert_eq!(errors(&parsed), [0, 1, 3, 4, 5], "{:?}", parsed.rejected);
    assert_eq!(parsed.rejected[0].error, "field \"v\" is given twice");
    assert_eq!(samples(&parsed)[..4], ["m.v{} 6 1 1", "m.V{} 6 1 2", "m.\u{e9}{} 7 1 1", "m.e{} 7 1 2"]);
    assert_eq!(samples(&parsed).len(), 44);
}

#[test]
fn tags_in_another_order_are_the_same_series() {
    let parsed = parse_batch(b"a,x=1,y=2 value=1 1\na,y=2,x=1 value=2 2", Precision::Milliseconds);
    assert_eq!(parsed.batches.len(), 1);
    assert_eq!(parsed.batches[0].series.len(), 1);
}

#[test]
fn known_series_is_not_parsed_again() {
    let cache = SeriesCache::new(Rules::default(), 1_000, 1);
    for _ in 0..2 {
        let mut batch = Batch::new(&cache, NOW, 10);
        parse(b"a,x=1 value=1\nbad field\n", Precision::Nanoseconds, &mut batch).unwrap();
        let parsed = batch.finish();
        assert_eq!(samples(&parsed), ["a{x:1} 0 42 1"]);
        assert_eq!(cache.len(), 1);
    }
}

fn escaped(text: &str) -> String {
    text.chars().flat_map(|c| if matches!(c, ' ' | ',' | '=') { vec!['\\', c] } else { vec![c] }).collect()
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let cache = SeriesCache::new(Rules::default(), 1_000, 1);
        // Only what looks like UTF-16 is refused as a whole.
        let _refused = parse(&body, Precision::Nanoseconds, &mut Batch::new(&cache, NOW, 100_000)).is_err();
    }

    #[test]
    fn almost_valid_bytes_never_panic(body in "([a=, \"\\\\0-9.\n#i]|value=1){0,120}") {
        parse_batch(body.as_bytes(), Precision::Seconds);
    }

    #[test]
    fn written_values_are_read_back(
        points in proptest::collection::vec(("[a-z][a-z =,]{0,6}[a-z]", "[a-z][a-z =,]{0,6}[a-z]", -1e12f64..1e12, 0i64..4_000_000_000_000), 1..20),
    ) {
        let line = |(name, tag, value, at): &(String, String, f64, i64)| {
            // In a measurement an equals sign is not escaped, but may be.
            format!("{},tag={} value={value} {at}", escaped(name), escaped(tag))
        };
        let body = points.iter().map(line).collect::<Vec<_>>().join("\n");
        let parsed = parse_batch(body.as_bytes(), Precision::Milliseconds);
        prop_assert!(parsed.rejected.is_empty(), "{:?}", parsed.rejected);
        let expected: Vec<String> = points.iter().enumerate().map(|(row, (name, tag, value, at))| {
            let (kpi, tag) = (naming::kpi_name(name).unwrap(), naming::label_value(tag));
            format!("{kpi}{{tag:{tag}}} {row} {at} {value}")
        }).collect();
        prop_assert_eq!(samples(&parsed), expected);
    }

    #[test]
    fn malformed_line_does_not_affect_others(
        bad in "[ -!#-~]{0,30}", before in 1usize..5, after in 1usize..5,
    ) {
        let good = |n: usize| "good,k=v value=1 1\n".repeat(n);
        let body = format!("{}{bad}\n{}", good(before), good(after));
        let parsed = parse_batch(body.as_bytes(), Precision::Milliseconds);
        let kept = samples(&parsed).iter().filter(|sample| sample.starts_with("good{k:v}")).count();
        prop_assert!(kept >= before + after, "{kept} of {}", before + after);
    }
}
