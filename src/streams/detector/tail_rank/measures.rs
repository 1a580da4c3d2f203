//! Measures of the newest values, summed in SIMD lanes and always in the same order.

/// Maximum number of values of a short median.
pub(super) const MEDIAN_OF: usize = 12;

/// The middle of at most twelve values, or the mean of the two middle ones.
pub(super) fn short_median(values: &[f32]) -> f32 {
    let mut sorted = [f32::INFINITY; MEDIAN_OF];
    sorted[..values.len()].copy_from_slice(values);
    // Odd-even transposition sort without branches: twelve rounds sort twelve values.
    for round in 0..MEDIAN_OF {
        for i in (round % 2..MEDIAN_OF - 1).step_by(2) {
            let (a, b) = (sorted[i], sorted[i + 1]);
            (sorted[i], sorted[i + 1]) = if a > b { (b, a) } else { (a, b) };
        }
    }
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { sorted[middle] } else { 0.5 * (sorted[middle - 1] + sorted[middle]) }
}

/// Sums use this many lanes, which processors compute in parallel, always in the same order.
const LANES: usize = 8;

/// Mean distance between neighbours; 0 for fewer than two values.
pub(super) fn mean_move(values: &[f32]) -> f32 {
    let moves = values.len().saturating_sub(1);
    if moves == 0 {
        return 0.0;
    }
    let (before, early) = values[..moves].as_chunks::<LANES>();
    let (after, late) = values[1..].as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (a, b) in before.iter().zip(after) {
        for lane in 0..LANES {
            sums[lane] += (b[lane] - a[lane]).abs();
        }
    }
    let rest: f32 = early.iter().zip(late).map(|(a, b)| (b - a).abs()).sum();
    (sums.iter().sum::<f32>() + rest) / moves as f32
}

/// Standard deviation of values clamped to `low..=high`; 0 without values.
pub(super) fn deviation(values: &[f32], low: f32, high: f32) -> f32 {
    let Some(&last) = values.last() else { return 0.0 };
    let within = |x: f32| {
        let raised = if x < low { low } else { x };
        if raised > high { high } else { raised }
    };
    // Squares of distances from a value of the series lose less precision than those from 0.
    let origin = within(last);
    let (chunks, rest) = values.as_chunks::<LANES>();
    // In two passes: in one pass the compiler pairs sums with squares instead of lanes with lanes.
    let mut sums = [0.0f32; LANES];
    for chunk in chunks {
        (0..LANES).for_each(|lane| sums[lane] += within(chunk[lane]) - origin);
    }
    let mut squares = [0.0f32; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            let distance = within(chunk[lane]) - origin;
            squares[lane] += distance * distance;
        }
    }
    for (lane, x) in rest.iter().enumerate() {
        let distance = within(*x) - origin;
        sums[lane] += distance;
        squares[lane] += distance * distance;
    }
    let n = values.len() as f64;
    let sum: f64 = sums.iter().map(|sum| f64::from(*sum)).sum();
    let square: f64 = squares.iter().map(|square| f64::from(*square)).sum();
    (square / n - (sum / n) * (sum / n)).max(0.0).sqrt() as f32
}
