//! How many of the items that a search did not embed anew may belong to its answer.
//!
//! Cosines of two models are not comparable, and nothing about one bounds the other: an item that nobody has embedded
//! by the new model may have any cosine. What a search learns on its way is how the two go together for this very
//! query: of each candidate that it embedded, the old cosine s and the new one t. From these it fits t = a + b·s by
//! least squares and predicts what lies behind its last candidate, where s is smaller still. That a single item there
//! reaches the k-th new cosine has at most the probability of the tail of Student's t with m - 2 degrees of freedom
//! (Student's prediction interval for a simple regression), and n such items are expected to hold at most n times as many.
//!
//! This is an estimate and no proof: it is right as far as what is left scatters like what was seen. It is a proof only
//! where nothing is left.

/// Below so many expected missing items, a search goes no further.
pub(super) const ENOUGH: f64 = 0.01;

/// Pairs that a fit needs.
const LEAST_PAIRS: usize = 16;

/// How many of `left` items, whose old cosines are at most the least of the `pairs` (old, new), are expected to have a
/// new cosine of `bar` or more. Infinite where the pairs say too little.
pub(super) fn expected(pairs: &[(f32, f32)], left: usize, bar: f32) -> f64 {
    if left == 0 {
        return 0.0;
    }
    let count = pairs.len() as f64;
    if pairs.len() < LEAST_PAIRS {
        return f64::INFINITY;
    }
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        pairs.iter().map(|&(old, new)| of(f64::from(old), f64::from(new))).sum()
    };
    let (old_mean, new_mean) = (sum(&|old, _| old) / count, sum(&|_, new| new) / count);
    let spread = sum(&|old, _| (old - old_mean).powi(2));
    let together = sum(&|old, new| (old - old_mean) * (new - new_mean));
    // Where the old model says nothing, or the contrary, what is left is as good as what was seen.
    let slope = if spread > 0.0 { (together / spread).max(0.0) } else { 0.0 };
    let predict = |old: f64| new_mean + slope * (old - old_mean);
    let freedom = count - 2.0;
    let variance = sum(&|old, new| (new - predict(old)).powi(2)) / freedom;
    let last = pairs.iter().map(|&(old, _)| f64::from(old)).fold(f64::INFINITY, f64::min);
    let reach = if spread > 0.0 { (last - old_mean).powi(2) / spread } else { 0.0 };
    let deviation = (variance * (1.0 + 1.0 / count + reach)).sqrt();
    let distance = f64::from(bar) - predict(last);
    if distance <= 0.0 {
        return f64::INFINITY;
    }
    left as f64 * tail(distance / deviation.max(1e-6), freedom)
}

/// An upper bound on the probability that Student's t with these degrees of freedom exceeds z > 0: the density is at
/// most 0.4 (1 + x²/ν)^(-(ν+1)/2), and from z on at most x/z times that, whose integral is elementary.
fn tail(z: f64, freedom: f64) -> f64 {
    let integral = freedom / (freedom - 1.0) * (1.0 + z * z / freedom).powf(-(freedom - 1.0) / 2.0);
    (0.4 / z * integral).min(0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Standard normal numbers, made by hand from a fixed sequence.
    fn noise(seed: u64) -> impl Iterator<Item = f32> {
        let mut state = seed;
        let mut uniform = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        };
        std::iter::repeat_with(move || {
            let (a, b) = (uniform(), uniform());
            ((-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()) as f32
        })
    }

    /// Bounds lie above tabulated values, and not by much.
    #[test]
    fn the_tail_bounds_students_t() {
        for (z, freedom, table) in
            [(2.0, 60.0, 0.025_02), (2.660, 60.0, 0.005), (3.460, 60.0, 0.000_5), (3.646, 30.0, 0.0005)]
        {
            let bound = tail(z, freedom);
            assert!(bound >= table && bound < 1.35 * table, "{z} {freedom}: {bound} {table}");
        }
    }

    #[test]
    fn nothing_left_misses_nothing_and_little_seen_says_nothing() {
        let pairs: Vec<(f32, f32)> =
            (0..64).map(|at| (0.9 - at as f32 / 100.0, 0.9 - at as f32 / 100.0)).collect();
        assert!(expected(&pairs, 0, 0.5).abs() < f64::EPSILON);
        assert!(expected(&pairs[..4], 10, 0.5).is_infinite());
        // What lies behind the last candidate is above the bar.
        assert!(expected(&pairs, 10, 0.1).is_infinite());
        assert!(expected(&pairs, 1_000_000, 0.6) < ENOUGH, "two models that agree need no more");
    }

    /// Over many made-up queries, what a search leaves out when it stops is as rare as it says.
    #[test]
    fn what_is_expected_to_be_missing_is_missing_about_as_often() {
        let (items, k, queries) = (2_000, 10, 300);
        for scatter in [0.02, 0.05] {
            let (mut missed, mut looked) = (0, 0);
            for query in 0..queries {
                let mut numbers = noise(query + 1);
                let mut pairs: Vec<(f32, f32)> = (0..items)
                    .map(|_| {
                        let old = 0.1 * numbers.next().unwrap();
                        (old, 0.05 + 0.9 * old + scatter * numbers.next().unwrap())
                    })
                    .collect();
                pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
                let mut count = 64;
                loop {
                    let mut best: Vec<f32> = pairs[..count].iter().map(|&(_, new)| new).collect();
                    best.sort_by(|a, b| b.total_cmp(a));
                    if count == items || expected(&pairs[..count], items - count, best[k - 1]) <= ENOUGH {
                        missed += pairs[count..].iter().filter(|&&(_, new)| new >= best[k - 1]).count();
                        looked += count;
                        break;
                    }
                    count = (2 * count).min(items);
                }
            }
            let share = missed as f64 / queries as f64;
            assert!(share <= 2.0 * ENOUGH, "scatter {scatter}: {share} of an item is missing on average");
            assert!(looked < queries as usize * items, "scatter {scatter}: it always looks at everything");
        }
    }
}
