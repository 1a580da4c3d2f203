use super::scene::{Role, Shape};
use super::text::detail;
use super::*;
use earcon_model::quantity::Unit;
use earcon_model::{Anomaly, AnomalyId, Direction, Feature, KpiName, Labels};

const START: i64 = 1_772_323_200_000;
const SIZE: Size = Size { width: 900, height: 360 };

fn anomaly(opened: i64, last: i64) -> Anomaly {
    Anomaly {
        id: AnomalyId(uuid::Uuid::nil()),
        kpi: KpiName::new("checkout.revenue").unwrap(),
        labels: Labels::parse("region:eu,shop:a<b").unwrap(),
        opened_at_ms: START + opened,
        last_at_ms: START + last,
        closed_at_ms: None,
        peak_score: 0.99,
        peak_at_ms: START + opened + 20_000,
        peak_value: 171.5,
        peak_expected: 101.2,
        peak_lower: 88.0,
        peak_upper: 114.0,
        direction: Direction::Above,
        reason: Feature::ResidualZ,
        samples: 12,
        detector: "d".into(),
        acknowledged: None,
        feedback: None,
        muted: None,
        unit: None,
        end: None,
        learning: false,
    }
}

fn points() -> Vec<Point> {
    let noise = |i: i64| ((i * 7_919) % 101) as f64 / 101.0 - 0.5;
    (0..360)
        .filter(|i| !(80..110).contains(i))
        .map(|i| {
            let expected = 100.0 + 10.0 * (i as f64 / 60.0).sin();
            let value = expected
                + 8.0 * noise(i)
                + if (240..=255).contains(&i) { 68.0 - 4.0 * (i - 244).abs() as f64 } else { 0.0 };
            let known = i >= 30;
            let edge = |side: f64| if known { expected + side * 13.0 } else { f64::NAN };
            let expected = if known { expected } else { f64::NAN };
            Point { at_ms: START + i * 5_000, low: value, high: value, expected, lower: edge(-1.0), upper: edge(1.0) }
        })
        .collect()
}

fn scene(points: &[Point]) -> Scene {
    let anomaly = anomaly(1_200_000, 1_275_000);
    let local = |at: i64| at + 3_600_000;
    let (from_ms, to_ms) = (START, START + 1_800_000);
    let (anomaly, finding, zone) = (&anomaly, "revenue is <above>", "Europe/Berlin");
    lay_out(&PictureData { anomaly, finding, points, from_ms, to_ms, local_ms: &local, zone }, SIZE)
}

#[test]
fn the_picture_shows_the_episode_its_peak_the_band_and_local_times() {
    let scene = scene(&points());
    let text = svg(&scene, Theme::Auto);
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
    for part in [
        "polygon class=\"f-band\"",
        "polyline class=\"s-expected\"",
        "polyline class=\"s-alarm\"",
        "circle class=\"f-alarm\"",
        "polygon class=\"f-area\"",
        "prefers-color-scheme",
        ">01:05<",
        "a&lt;b",
        ">171.5, expected 88–114, 2026-03-01 01:20:20 Europe/Berlin<",
        ">checkout.revenue (region:eu, shop:a&lt;b)<",
        r#"aria-label="revenue is &lt;above&gt;""#,
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains("NaN") && !text.contains("a<b"));
    // Two thirds of the way along, where the episode is.
    let Some(Shape::Dot(_, x, y, _)) = scene.shapes.iter().find(|shape| matches!(shape, Shape::Dot(..))) else {
        panic!()
    };
    assert!((600.0..660.0).contains(x) && (52.0..90.0).contains(y), "{x} {y}");
    let values = scene.shapes.iter().filter(|shape| matches!(shape, Shape::Line { role: Role::Value, .. })).count();
    assert_eq!(values, 2, "there is a gap");
}

#[test]
fn a_png_is_as_large_as_asked_for_and_has_the_colours_of_its_theme() {
    for theme in [Theme::Light, Theme::Dark] {
        let bytes = png(&scene(&points()), theme).unwrap();
        let image = tiny_skia::Pixmap::decode_png(&bytes).unwrap();
        assert_eq!((image.width(), image.height()), (900, 360));
        let [r, g, b] = Role::Paper.colour(theme == Theme::Dark);
        let corner = image.pixel(1, 1).unwrap();
        assert_eq!([corner.red(), corner.green(), corner.blue()], [r, g, b]);
        let [r, g, b] = Role::Alarm.colour(theme == Theme::Dark);
        assert!(image.pixels().iter().any(|pixel| [pixel.red(), pixel.green(), pixel.blue()] == [r, g, b]));
        if let Ok(dir) = std::env::var("EARCON_PICTURES") {
            std::fs::write(format!("{dir}/{theme:?}.png"), bytes).unwrap();
        }
    }
}

#[test]
fn odd_series_make_a_picture_too() {
    let one =
        Point { at_ms: START + 1_210_000, low: 5.0, high: 5.0, expected: f64::NAN, lower: f64::NAN, upper: f64::NAN };
    let huge = Point { low: -1e300, high: 1e300, expected: f64::MAX, lower: -f64::MAX, upper: f64::MAX, ..one };
    let late = Point { at_ms: i64::MAX, ..one };
    let cases: [&[Point]; 6] = [&[], &[one], &[one, one], &[one, huge], &[huge, huge, late], &[late]];
    for points in cases {
        let scene = scene(points);
        let text = svg(&scene, Theme::Light);
        assert!(!text.contains("NaN") && !text.contains("inf"), "{points:?}");
        assert!(png(&scene, Theme::Light).is_some());
    }
}

/// A text of an SVG: its anchor, its box, and its letters.
struct Label {
    anchor: String,
    left: f32,
    right: f32,
    base: f32,
    text: String,
}

/// Reads the texts of an SVG. A letter of its 12 px font is 7.22 px wide.
fn labels(svg: &str) -> Vec<Label> {
    assert!(svg.contains("text{font:12px "), "at least 10 px");
    let parse = |text: &str| {
        let attribute =
            |name: &str| text.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let number = |name: &str| attribute(name).parse::<f32>().unwrap();
        let inner = text.split('>').nth(1).unwrap().split('<').next().unwrap();
        let inner = inner.replace("&lt;", "<").replace("&amp;", "&");
        let width: f32 = inner.chars().map(|letter| if letter > '\u{3000}' { 14.44 } else { 7.22 }).sum();
        let anchor = attribute("text-anchor");
        let left = match anchor.as_str() {
            "start" => number("x"),
            "middle" => number("x") - 0.5 * width,
            _ => number("x") - width,
        };
        Label { anchor, left, right: left + width, base: number("y"), text: inner }
    };
    svg.split("<text ").skip(1).map(parse).collect()
}

/// Pictures as small as in a chat have a title, the unit and a scale that can be read.
#[test]
fn small_pictures_are_legible() {
    const MINUTE: i64 = 60_000;
    const DAY: i64 = 1_440 * MINUTE;
    let many = "datacenter:frankfurt-am-main-1,host:web-0123456789.example.org,店:東京駅前店";
    let series =
        [("shop.latency", "", "ms"), ("a", "region:eu", "By/s"), ("orders", many, "{request}/s"), ("p", "", "%")];
    let scales = [(100.0, 1.0), (0.0, 1e-7), (1e9, 3.0), (-5e4, 2e4), (0.5, 0.001), (3e15, 1e15), (1e-3, 1e-3)];
    let spans = [5 * MINUTE, 11 * MINUTE, 47 * MINUTE, 300 * MINUTE, 2 * DAY, 9 * DAY, 57 * DAY, 500 * DAY];
    for (number, span) in spans.into_iter().enumerate() {
        for (kpi, labelled, unit) in series {
            for (level, noise) in scales {
                let at = |i: i64| START + number as i64 * 7_777_777 + i * span / 100;
                let value =
                    |i: i64| level + noise * (((i * 7_919) % 101) as f64 / 101.0 + if i == 70 { 4.0 } else { 0.0 });
                let points: Vec<Point> = (0..100)
                    .map(|i| Point {
                        at_ms: at(i),
                        low: value(i),
                        high: value(i),
                        expected: level,
                        lower: level - noise,
                        upper: level + noise,
                    })
                    .collect();
                let odd = Anomaly {
                    kpi: KpiName::new(kpi).unwrap(),
                    labels: Labels::parse(labelled).unwrap(),
                    unit: Some(unit.into()),
                    opened_at_ms: at(70),
                    last_at_ms: at(71),
                    peak_at_ms: at(70),
                    peak_value: value(70),
                    peak_lower: level - noise,
                    peak_upper: level + noise,
                    ..anomaly(0, 0)
                };
                let local = |at: i64| at + 5 * 3_600_000 + 1_800_000;
                let (from_ms, to_ms) = (at(0), at(99));
                let data = PictureData {
                    anomaly: &odd,
                    finding: "",
                    points: &points,
                    from_ms,
                    to_ms,
                    local_ms: &local,
                    zone: "Asia/Kolkata",
                };
                let scene = lay_out(&data, Size { width: 285, height: 160 });
                check_small(&labels(&svg(&scene, Theme::Light)), kpi, unit);
                if let (Ok(dir), 100.0) = (std::env::var("EARCON_PICTURES"), level) {
                    std::fs::write(format!("{dir}/{kpi}-{number}.png"), png(&scene, Theme::Light).unwrap()).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_text_that_does_not_fit_loses_whole_parts_and_no_digits() {
    let long = Anomaly { peak_value: 123_456.75, peak_lower: 99_990.25, peak_upper: 100_010.75, ..anomaly(0, 0) };
    let local = |at: i64| at;
    let data = PictureData {
        anomaly: &long,
        finding: "",
        points: &[],
        from_ms: 0,
        to_ms: 1_000,
        local_ms: &local,
        zone: "America/Argentina/Buenos_Aires",
    };
    let unit = Unit::stated("furlongs");
    let shown = |room: f32| detail(&data, &unit, room);
    let (value, range) = ("123,457 furlongs", "99,990–100,011 furlongs");
    let texts = [shown(2_000.0), shown(520.0), shown(400.0), shown(320.0), shown(150.0)];
    assert!(texts[0].ends_with("2026-03-01 00:00:20 America/Argentina/Buenos_Aires"), "{}", texts[0]);
    assert_eq!(texts[1], format!("{value}, expected {range}, 2026-03-01 00:00:20"));
    assert_eq!(texts[2], format!("{value}, expected {range}"));
    assert_eq!(texts[3], format!("{value} ({range})"));
    assert_eq!(texts[4], value);
}

fn check_small(labels: &[Label], kpi: &str, unit: &str) {
    let all: Vec<&str> = labels.iter().map(|label| label.text.as_str()).collect();
    let title = &labels.iter().find(|label| label.base == 20.0).unwrap().text;
    assert!(title.starts_with(kpi) && (kpi != "orders" || title.ends_with('…')), "{all:?}");
    let letters = match unit {
        "By/s" => "B/s",
        "{request}/s" => "request/s",
        "ms" => "s",
        unit => unit,
    };
    assert!(
        labels.iter().any(|label| label.base == 149.0 && label.anchor == "end" && label.text.ends_with(letters)),
        "{all:?}"
    );
    let values = labels.iter().filter(|label| label.anchor == "end" && label.base < 149.0);
    let mut values: Vec<&str> = values.map(|label| label.text.as_str()).collect();
    values.dedup();
    let times = labels.iter().filter(|label| label.anchor == "middle").count();
    assert!(values.len() >= 2 && times >= 2, "{all:?}");
    for (place, one) in labels.iter().enumerate() {
        assert!(
            one.left >= 0.0 && one.right <= 285.0 && one.base >= 12.0 && one.base <= 157.0,
            "{}: {all:?}",
            one.text
        );
        for other in &labels[place + 1..] {
            let apart = one.right <= other.left || other.right <= one.left || (one.base - other.base).abs() >= 12.0;
            assert!(apart, "{} and {}: {all:?}", one.text, other.text);
        }
    }
}

#[test]
fn ticks_are_round_and_few() {
    assert_eq!(super::axes::numbers(0.3, 97.0, 5), [20.0, 40.0, 60.0, 80.0]);
    assert_eq!(super::axes::numbers(-0.012, 0.013, 3), [-0.01, 0.0, 0.01]);
    assert_eq!(super::axes::numbers(5.0, 5.0, 3).len(), 1);
    let day = super::axes::times(START, START + 86_400_000, 8, &|at| at);
    assert_eq!(day.len(), 8);
    assert_eq!((day[0].1.as_str(), day[7].1.as_str()), ("03:00", "Mar 02"));
}
