//! Haar-orthogonal matrices in factored form, and the draws that a veil's key is made of.
//!
//! The orthogonal factor of a Gaussian matrix, with the signs of R's diagonal moved into Q, is
//! Haar-distributed. Householder's QR maps the first column `g` to `-sgn(g₁)‖g‖e₁` and leaves the trailing
//! matrix Gaussian and independent, so Q is a product of reflectors of fresh Gaussian vectors of falling
//! length, and R never needs to be computed (Stewart 1980, "The efficient generation of random orthogonal
//! matrices"; Mezzadri 2007 for the signs).
//!
//! A veil is rebuilt from its key on every client, so how these draws consume the generator is part of the
//! stored format: they are written out here instead of taken from a crate that may change them.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// `Q = H₁ ⋯ Hₙ₋₁ · diag(signs)`, Haar-distributed over the orthogonal matrices of its side.
pub(crate) struct Orthogonal {
    side: usize,
    /// The unit vectors of the reflectors, of length `n`, `n-1`, ..., 2, one after another.
    reflectors: Zeroizing<Vec<f64>>,
    signs: Zeroizing<Vec<f64>>,
}

impl Orthogonal {
    pub(crate) fn draw(side: usize, rng: &mut impl CryptoRng) -> Self {
        let mut gaussians = Gaussians::new(rng);
        let mut reflectors = Zeroizing::new(Vec::with_capacity(side * (side + 1) / 2));
        let mut signs = Zeroizing::new(Vec::with_capacity(side));
        for length in (2..=side).rev() {
            let start = reflectors.len();
            reflectors.extend((0..length).map(|_| gaussians.next()));
            let (_, column) = reflectors.split_at_mut(start);
            signs.push(reflect_to_axis(column));
        }
        signs.push(1.0_f64.copysign(gaussians.next()));
        Self { side, reflectors, signs }
    }

    /// Replaces `matrix` (row-major, `side` rows) by `Q · matrix`.
    pub(crate) fn apply_left(&self, matrix: &mut [f64]) {
        for (row, sign) in matrix.chunks_exact_mut(self.side).zip(self.signs.iter()) {
            for value in row {
                *value *= sign;
            }
        }
        let mut projection = Zeroizing::new(vec![0.0; self.side]);
        let mut end = self.reflectors.len();
        for length in 2..=self.side {
            let reflector = self.reflectors.get(end - length..end).unwrap_or_default();
            end -= length;
            let (_, rows) = matrix.split_at_mut((self.side - length) * self.side);
            projection.fill(0.0);
            for (row, v) in rows.chunks_exact(self.side).zip(reflector) {
                add_scaled(&mut projection, *v, row);
            }
            for (row, v) in rows.chunks_exact_mut(self.side).zip(reflector) {
                add_scaled(row, -2.0 * v, &projection);
            }
        }
    }
}

/// Turns a Gaussian column into the unit vector of the reflector that maps it to the first axis, and returns
/// the sign of the diagonal entry that it leaves in R.
fn reflect_to_axis(column: &mut [f64]) -> f64 {
    let length = column.iter().map(|value| value * value).sum::<f64>().sqrt();
    let sign = column.first().map_or(1.0, |first| 1.0_f64.copysign(*first));
    if let Some(first) = column.first_mut() {
        *first += sign * length;
    }
    let norm = column.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    for value in column {
        *value /= norm;
    }
    -sign
}

/// `target += factor · source`.
fn add_scaled(target: &mut [f64], factor: f64, source: &[f64]) {
    for (t, s) in target.iter_mut().zip(source) {
        *t += factor * s;
    }
}

/// Standard normal draws by Box and Muller's method: two words give two draws.
struct Gaussians<'a, R> {
    rng: &'a mut R,
    spare: Option<f64>,
}

impl<'a, R: CryptoRng> Gaussians<'a, R> {
    fn new(rng: &'a mut R) -> Self {
        Self { rng, spare: None }
    }

    fn next(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - uniform(self.rng)).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * uniform(self.rng)).sin_cos();
        self.spare = Some(radius * sin);
        radius * cos
    }
}

/// Uniform in `[0, 1)` with 53 bits, from one word.
pub(crate) fn uniform(rng: &mut impl CryptoRng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// A uniformly random permutation of `0..length` (Fisher and Yates), unbiased by rejection.
pub(crate) fn permutation(length: usize, rng: &mut impl CryptoRng) -> Zeroizing<Vec<u32>> {
    let mut order = Zeroizing::new((0..length as u32).collect::<Vec<_>>());
    for last in (1..length).rev() {
        order.swap(last, below(last as u64 + 1, rng) as usize);
    }
    order
}

/// Uniform in `0..bound` by Lemire's multiplication with rejection.
fn below(bound: u64, rng: &mut impl CryptoRng) -> u64 {
    let threshold = bound.wrapping_neg() % bound;
    loop {
        let wide = u128::from(rng.next_u64()) * u128::from(bound);
        if wide as u64 >= threshold {
            return (wide >> 64) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    fn identity(side: usize) -> Vec<f64> {
        (0..side * side).map(|i| if i % (side + 1) == 0 { 1.0 } else { 0.0 }).collect()
    }

    #[test]
    fn rows_are_orthonormal() {
        for side in [1, 2, 3, 17, 40] {
            let mut q = identity(side);
            Orthogonal::draw(side, &mut ChaCha20Rng::seed_from_u64(side as u64)).apply_left(&mut q);
            for i in 0..side {
                for j in 0..side {
                    let dot: f64 = (0..side).map(|k| q[i * side + k] * q[j * side + k]).sum();
                    assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-12, "side {side}, rows {i}, {j}");
                }
            }
        }
    }

    /// Haar measure: every entry has mean 0, variance 1/n and fourth moment 3/(n(n+2)), and half of the
    /// matrices have determinant -1 (checked through the trace of 1x1 ones).
    #[test]
    fn entries_have_the_moments_of_haar_measure() {
        let (side, draws) = (3, 20_000);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut moments = vec![[0.0_f64; 3]; side * side];
        for _ in 0..draws {
            let mut q = identity(side);
            Orthogonal::draw(side, &mut rng).apply_left(&mut q);
            for (moment, v) in moments.iter_mut().zip(&q) {
                *moment = [moment[0] + v, moment[1] + v * v, moment[2] + v.powi(4)];
            }
        }
        let n = side as f64;
        for [first, second, fourth] in moments {
            assert!((first / f64::from(draws)).abs() < 0.02);
            assert!((second / f64::from(draws) - 1.0 / n).abs() < 0.01);
            assert!((fourth / f64::from(draws) - 3.0 / (n * (n + 2.0))).abs() < 0.01);
        }
        let negative = (0..1000).filter(|_| {
            let mut q = identity(1);
            Orthogonal::draw(1, &mut rng).apply_left(&mut q);
            q[0] < 0.0
        });
        assert!((400..600).contains(&negative.count()));
    }

    #[test]
    fn permutations_hold_every_index_once_and_are_even() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let mut counts = [[0_u32; 5]; 5];
        for _ in 0..10_000 {
            let order = permutation(5, &mut rng);
            let mut sorted = order.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
            order.iter().enumerate().for_each(|(place, item)| counts[place][*item as usize] += 1);
        }
        assert!(counts.iter().flatten().all(|count| (1_800..2_200).contains(count)), "{counts:?}");
    }
}
