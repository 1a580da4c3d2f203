//! Cuts batches so that they fit into messages. Pure.

use earcon_model::{KpiBatch, KpiName, Rows, SeriesBatch};

/// Upper bounds of the size of a row and a series in a message, and of what precedes the batch.
const ROW_BYTES: usize = 24;
const SERIES_BYTES: usize = 160;
const HEADER_BYTES: usize = 128;

/// Cuts a batch so that each piece fits into a message. The rows of a series stay in their order.
/// Rows are copied only if their series has to be cut.
pub(super) fn pieces(batches: Vec<KpiBatch>, max_bytes: usize) -> Vec<Vec<KpiBatch>> {
    let max_bytes = max_bytes.saturating_sub(HEADER_BYTES);
    let rows_at_most = (max_bytes.saturating_sub(8_192) / ROW_BYTES).max(1);
    let mut pieces = Pieces { max_bytes, full: Vec::new(), last: Vec::new(), last_bytes: 0 };
    for KpiBatch { kpi, series } in batches {
        for mut whole in series {
            if whole.rows.len() <= rows_at_most {
                pieces.add(&kpi, whole);
                continue;
            }
            let rows = std::mem::take(&mut whole.rows);
            // The end-of-series marker comes after all rows.
            let ended_at_ms = whole.ended_at_ms.take();
            let mut chunks = rows.chunks(rows_at_most).peekable();
            while let Some(chunk) = chunks.next() {
                let ended_at_ms = ended_at_ms.filter(|_| chunks.peek().is_none());
                pieces.add(&kpi, SeriesBatch { rows: Rows::from_slice(chunk), ended_at_ms, ..whole.clone() });
            }
        }
    }
    pieces.finish()
}

/// The pieces of a batch while it is cut.
struct Pieces {
    max_bytes: usize,
    full: Vec<Vec<KpiBatch>>,
    last: Vec<KpiBatch>,
    /// An upper bound of the size of the last piece.
    last_bytes: usize,
}

impl Pieces {
    /// Adds rows that fit into a message, to the last piece if it has room for them.
    fn add(&mut self, kpi: &KpiName, series: SeriesBatch) {
        let names = kpi.as_str().len() + series.labels.as_str().len();
        let bytes = SERIES_BYTES + names + series.rows.len() * ROW_BYTES;
        if self.last_bytes > 0 && self.last_bytes + bytes > self.max_bytes {
            self.full.push(std::mem::take(&mut self.last));
            self.last_bytes = 0;
        }
        self.last_bytes += bytes;
        match self.last.last_mut().filter(|last| last.kpi == *kpi) {
            Some(last) => last.series.push(series),
            None => self.last.push(KpiBatch { kpi: kpi.clone(), series: vec![series] }),
        }
    }

    fn finish(mut self) -> Vec<Vec<KpiBatch>> {
        if !self.last.is_empty() {
            self.full.push(self.last);
        }
        self.full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::remote::request::RequestNumbers;
    use crate::actors::remote::wire::encode;
    use crate::actors::workspace::command::{AnyCommand, Ingest};
    use earcon_model::{Arrival, Labels, Sample};

    fn batch(kpi: &str, series: usize, rows: u32) -> KpiBatch {
        let series = (0..series)
            .map(|i| {
                let rows = (0..rows).map(|row| (row, Sample { timestamp_ms: i64::MAX, value: f64::from(row) }));
                SeriesBatch::gauge(Labels::parse(&format!("s:{i}")).unwrap(), rows)
            })
            .collect();
        KpiBatch { kpi: KpiName::new(kpi).unwrap(), series }
    }

    #[test]
    fn pieces_fit_and_lose_nothing() {
        let batches = vec![batch("a", 3, 10), batch("b", 1, 100_000), batch("c", 500, 2)];
        let max_bytes = 100_000;
        let pieces = pieces(batches.clone(), max_bytes);
        assert!(pieces.len() > 10);
        let numbers = RequestNumbers::new(uuid::Uuid::new_v4().to_string());
        let request = numbers.begin();
        for piece in &pieces {
            let command = AnyCommand::from(Ingest { batches: piece.clone(), arrival: Arrival::Live });
            let bytes = encode(&(request.header(), command)).unwrap();
            assert!(bytes.len() <= max_bytes, "{}", bytes.len());
        }
        let rows = |batches: &[KpiBatch]| -> Vec<(String, String, u32)> {
            let mut all = Vec::new();
            for batch in batches {
                for series in &batch.series {
                    all.extend(
                        series
                            .rows
                            .iter()
                            .map(|(row, _)| (batch.kpi.as_str().to_owned(), series.labels.as_str().to_owned(), *row)),
                    );
                }
            }
            all
        };
        assert_eq!(rows(&pieces.concat()), rows(&batches));
    }

    #[test]
    fn a_series_ends_with_the_last_of_its_pieces() {
        let mut large = batch("a", 1, 1_000);
        large.series[0].ended_at_ms = Some(7);
        let mut empty = batch("b", 1, 0);
        empty.series[0].ended_at_ms = Some(8);
        let pieces = pieces(vec![large, empty], 10_000);
        let ends: Vec<_> = pieces.iter().flatten().flat_map(|one| &one.series).map(|one| one.ended_at_ms).collect();
        assert!(ends.len() > 3);
        assert_eq!(ends.iter().flatten().collect::<Vec<_>>(), [&7, &8]);
        assert!(ends[ends.len() - 2..].iter().all(Option::is_some), "{ends:?}");
    }

    #[test]
    fn a_small_batch_stays_whole() {
        assert_eq!(pieces(vec![batch("a", 2, 2), batch("b", 1, 1)], 1_000_000).len(), 1);
        assert!(pieces(Vec::new(), 1_000_000).is_empty());
    }
}
