//! How fast samples are taken in; run by hand: `cargo test --release --lib throughput -- --ignored --nocapture`.

use std::time::Instant;

use super::*;

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Events of `rows` samples for each of `series` series until there are `samples` of them, flushed as the consumer does.
async fn measure(name: &str, series: usize, rows: i64, samples: usize, flush_every: usize) {
    let Some(database) = database("throughput of the series store").await else { return };
    let usual = SeriesSettings::default();
    let settings = SeriesSettings {
        batch_rows: number("BATCH_ROWS", usual.batch_rows),
        in_flight: number("IN_FLIGHT", usual.in_flight),
        ..usual
    };
    let (store, pass) = (ScyllaSeries::new(database, settings).await.unwrap(), fresh());
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let (each, began) = (series * rows as usize, Instant::now());
    let (mut seq, mut unflushed, mut applying) = (0, 0, std::time::Duration::ZERO);
    while (seq as usize) * each < samples {
        let mut event = super::samples(seq + 1, series, now_ms + seq as i64 * rows * 1_000, rows).as_ref().clone();
        event.time_ms = now_ms + seq as i64;
        let before = Instant::now();
        apply(&store, &pass, &[Arc::new(event)]).await;
        applying += before.elapsed();
        (seq, unflushed) = (seq + 1, unflushed + each);
        if unflushed >= flush_every {
            store.flush(&pass).await.unwrap();
            unflushed = 0;
        }
    }
    store.flush(&pass).await.unwrap();
    let (seconds, taken) = (began.elapsed().as_secs_f64(), seq as usize * each);
    let rate = taken as f64 / seconds;
    eprintln!("{name}: {taken} samples in {seconds:.1} s = {rate:.0} samples/s, {settings:?}, apply {applying:.1?}");
    let query = SeriesQuery { labels: Labels::parse("n:0").unwrap(), ..everything() };
    for step_ms in [3_600_000, 60_000, 10_000] {
        let began = Instant::now();
        let found = store.rollups(&pass, &query, step_ms).await.unwrap();
        let steps: usize = found.iter().map(|series| series.rows.len()).sum();
        eprintln!("  one series, {steps} rollups of {step_ms} ms: {:.1?}", began.elapsed());
    }
    assert_eq!(store.cursor(&pass).await.unwrap(), seq);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; run by hand"]
async fn throughput_of_large_events() {
    measure("1,000 samples of 100 series an event", 100, 10, number("SAMPLES", 1_000_000), 250_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; run by hand"]
async fn throughput_of_small_events() {
    measure("10 samples of 10 series an event", 10, 1, number("SAMPLES", 1_000_000), 250_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; run by hand"]
async fn throughput_of_many_series() {
    measure("5 samples each of 10,000 series, then a flush", 10_000, 5, number("SAMPLES", 1_000_000), 50_000).await;
}
