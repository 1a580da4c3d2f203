//! The detector of Netdata: k-means with two clusters over differenced, smoothed and lagged values.
//!
//! Netdata, *ML configuration* (`num samples to diff` 1, `to smooth` 3, `to lag` 5, 18 models). A
//! model is trained on the last six hours of a one-second series; here on 360 rows, every 180. The
//! distance is that to the nearest centre, scaled so that the farthest training vector has 1, and
//! the smallest over all models.

use std::collections::VecDeque;

use super::distance::Distance;

const LAGS: usize = 5;
const SMOOTHED: usize = 3;
const TRAINED_ON: usize = 360;
const EVERY: usize = 180;
const MODELS: usize = 18;
const ROUNDS: usize = 20;

type Vector = [f64; LAGS + 1];

struct Model {
    centres: [Vector; 2],
    nearest: f64,
    farthest: f64,
}

#[derive(Default)]
pub(super) struct KMeans {
    last: Option<f64>,
    moves: VecDeque<f64>,
    smoothed: VecDeque<f64>,
    vectors: VecDeque<Vector>,
    models: VecDeque<Model>,
    rows: usize,
}

impl KMeans {
    fn vector(&mut self, value: f64) -> Option<Vector> {
        let step = value - self.last.replace(value)?;
        pushed(&mut self.moves, step, SMOOTHED);
        let mean = self.moves.iter().sum::<f64>() / self.moves.len() as f64;
        pushed(&mut self.smoothed, mean, LAGS + 1);
        let mut vector = Vector::default();
        (self.smoothed.len() > LAGS).then(|| {
            vector.iter_mut().zip(&self.smoothed).for_each(|(to, from)| *to = *from);
            vector
        })
    }
}

impl Distance for KMeans {
    fn push(&mut self, _local_ms: i64, value: f64) -> f64 {
        let Some(vector) = self.vector(value) else { return 0.0 };
        let scores = self.models.iter().map(|model| model.score(&vector));
        let score = scores.reduce(f64::min).unwrap_or(0.0).max(0.0);
        pushed(&mut self.vectors, vector, TRAINED_ON);
        self.rows += 1;
        if self.rows.is_multiple_of(EVERY) && self.vectors.len() == TRAINED_ON {
            let model = Model::trained(self.vectors.make_contiguous());
            pushed(&mut self.models, model, MODELS);
        }
        score
    }
}

impl Model {
    fn trained(vectors: &[Vector]) -> Self {
        let norm = |vector: &&Vector| distance(vector, &Vector::default());
        let by_norm = |a: &&Vector, b: &&Vector| norm(a).total_cmp(&norm(b));
        let least = vectors.iter().min_by(by_norm).copied().unwrap_or_default();
        let most = vectors.iter().max_by(by_norm).copied().unwrap_or_default();
        let mut centres = [least, most];
        for _ in 0..ROUNDS {
            let mut sums = [(Vector::default(), 0.0); 2];
            for vector in vectors {
                let nearer = usize::from(distance(vector, &centres[1]) < distance(vector, &centres[0]));
                sums[nearer].0.iter_mut().zip(vector).for_each(|(sum, one)| *sum += one);
                sums[nearer].1 += 1.0;
            }
            for (centre, (sum, count)) in centres.iter_mut().zip(&sums).filter(|(_, sum)| sum.1 > 0.0) {
                *centre = sum.map(|sum| sum / count);
            }
        }
        let mut model = Self { centres, nearest: f64::INFINITY, farthest: 0.0 };
        for vector in vectors {
            let far = model.distance(vector);
            (model.nearest, model.farthest) = (model.nearest.min(far), model.farthest.max(far));
        }
        model
    }

    fn distance(&self, vector: &Vector) -> f64 {
        distance(vector, &self.centres[0]).min(distance(vector, &self.centres[1]))
    }

    fn score(&self, vector: &Vector) -> f64 {
        let (far, range) = (self.distance(vector) - self.nearest, self.farthest - self.nearest);
        if range > 0.0 {
            far / range
        } else if far > 0.0 {
            1e3
        } else {
            0.0
        }
    }
}

fn distance(a: &Vector, b: &Vector) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

fn pushed<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    queue.push_back(item);
    if queue.len() > most {
        queue.pop_front();
    }
}
