//! A series as one line of block characters. Pure.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws at most `width` characters. Each is the mean of its share of the values, scaled between
/// the smallest and the largest mean.
pub(super) fn line(values: &[f64], width: usize) -> String {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let width = width.min(finite.len());
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let means: Vec<f64> =
        (0..width).map(|i| mean(&finite[i * finite.len() / width..(i + 1) * finite.len() / width])).collect();
    let least = means.iter().copied().fold(f64::INFINITY, f64::min);
    let span = means.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least;
    let block = |value: &f64| {
        let share = if span > 0.0 { (value - least) / span } else { 0.0 };
        // The cast saturates, so that even an overflowed span stays within the table.
        BLOCKS[((share * 7.0).round() as usize).min(7)]
    };
    means.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_shows_the_shape_of_the_values() {
        assert_eq!(line(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 60), "▁▂▃▄▅▆▇█");
        assert_eq!(line(&[5.0; 3], 60), "▁▁▁");
        assert_eq!(line(&[], 60), "");
        assert_eq!(line(&[1.0, f64::NAN, 9.0], 60), "▁█");
        let ramp: Vec<f64> = (0..1_000).map(f64::from).collect();
        assert_eq!(line(&ramp, 60).chars().count(), 60);
        assert_eq!(line(&[f64::MIN, f64::MAX], 60).chars().count(), 2);
    }
}
