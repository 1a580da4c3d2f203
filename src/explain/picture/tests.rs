use super::scene::{Role, Shape};
use super::*;
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
        rank: None,
        feedback: None,
        muted: None,
        unit: None,
        end: None,
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
    lay_out(&PictureData { anomaly: &anomaly, points, from_ms, to_ms, local_ms: &local, zone: "Europe/Berlin" }, SIZE)
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
        "171.5, above 101.2 expected",
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

#[test]
fn numbers_are_written_as_everywhere_with_the_unit() {
    let large = |at: i64, value: f64| Point { at_ms: START + at, low: value, high: value, ..points()[0] };
    let points: Vec<Point> = (0..40).map(|i| large(i * 60_000, if i == 20 { 9e9 } else { 1e8 })).collect();
    let anomaly = Anomaly { peak_value: 9e9, unit: Some("By/s".into()), ..anomaly(1_200_000, 1_275_000) };
    let (from_ms, to_ms) = (START, START + 2_400_000);
    let data = PictureData { anomaly: &anomaly, points: &points, from_ms, to_ms, local_ms: &|at| at, zone: "UTC" };
    let text = svg(&lay_out(&data, SIZE), Theme::Light);
    assert!(text.contains("9 GB/s, above 101.2 B/s expected"), "{text}");
    assert!(text.contains(">2 GB/s<") && !text.contains("0e9"), "{text}");
    // Ticks that would read alike show their decimals.
    let near: Vec<Point> = (0..40).map(|i| large(i * 60_000, 5_000.0 + (i % 3) as f64 * 0.1)).collect();
    let flat = Anomaly { peak_value: 5_000.1, peak_expected: f64::NAN, unit: None, ..anomaly.clone() };
    let text = svg(&lay_out(&PictureData { anomaly: &flat, points: &near, ..data }, SIZE), Theme::Light);
    assert!(text.contains(">5000.10<"), "{text}");
}

#[test]
fn ticks_are_round_and_few() {
    assert_eq!(super::axes::numbers(0.3, 97.0, 5), (vec![20.0, 40.0, 60.0, 80.0], 0));
    assert_eq!(super::axes::numbers(-0.012, 0.013, 3).1, 2);
    assert_eq!(super::axes::numbers(5.0, 5.0, 3).0.len(), 1);
    let day = super::axes::times(START, START + 86_400_000, 8, &|at| at);
    assert_eq!(day.len(), 8);
    assert_eq!((day[0].1.as_str(), day[7].1.as_str()), ("03:00", "Mar 02"));
}
