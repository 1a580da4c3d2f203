//! Properties of every parser, for any input.

use earcon_intake::{Batch, IntakeError, ParsedBatch, Rules, SeriesCache};
use earcon_model::KpiName;
use earcon_tables::{Problems, TableOptions, TableReader};

/// Parses twice, first with an empty cache and then with a full one. Both results must be equal.
pub fn gather(parse: impl Fn(&mut Batch<'_>) -> Result<(), IntakeError>) -> Option<ParsedBatch> {
    let cache = SeriesCache::new(Rules::default(), 100_000, 1);
    let run = || {
        let mut batch = Batch::new(&cache, 42, 10_000);
        parse(&mut batch).map(|()| batch.finish())
    };
    let (cold, warm) = (run(), run());
    match (cold, warm) {
        (Ok(cold), Ok(warm)) => {
            // Quantiles of cumulative histograms need a second point, so the series may differ.
            assert!(cold.batches.len() <= warm.batches.len());
            assert_eq!(cold.rejected, warm.rejected);
            for batch in &cold.batches {
                assert!(batch.series.iter().all(|series| !series.rows.is_empty() || series.ended_at_ms.is_some()));
            }
            Some(cold)
        }
        (Err(cold), Err(warm)) => {
            assert_eq!(cold, warm);
            None
        }
        (cold, warm) => panic!("with an empty cache: {cold:?}; with a full cache: {warm:?}"),
    }
}

/// Reads a table to its end. Each sample must be finite, and each row must give something or be
/// named, except rows without content.
pub fn read_table(file: &[u8]) {
    let fallback = KpiName::new("table").expect("the name keeps the rule");
    let Ok(mut rows) = TableReader::new(file, &TableOptions::new(fallback)) else { return };
    let (mut samples, mut problems) = (Vec::new(), Problems::default());
    while let Ok(true) = rows.read_row(&mut samples, &mut problems) {
        assert!(samples.iter().all(|one| one.sample.value.is_finite()));
        assert!(rows.bytes_read() <= 4 * file.len() as u64 + 16, "UTF-8 has at most two bytes for one of the file");
        samples.clear();
    }
}
