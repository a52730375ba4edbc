//! Coins whose bias is a ratio of integers, or the exponential of one.

use rand_core::Rng;

/// Denominators stay below this, so that twice a remainder fits and a few factors more do too.
pub(crate) const LARGEST_DENOMINATOR: u128 = 1 << 100;

/// True with probability `numerator / denominator`, exactly, for `numerator ≤ denominator`, `0 < denominator < 2¹²⁷`.
///
/// A uniform `U` in [0, 1) is compared with the ratio, and only as many of its bits are drawn as that takes. The first
/// 32 confine `U` to `[w, w+1) / 2³²`, and the leading 31 bits of both integers confine the ratio to
/// `[n/(d+1), (n+1)/d]`; two products tell whether the intervals are apart. They meet about once in 2²⁹ draws, and
/// then the ratio's binary digits are compared with the bits of `U` one by one.
pub(crate) fn ratio(numerator: u128, denominator: u128, rng: &mut impl Rng) -> bool {
    let shift = (128 - denominator.leading_zeros()).saturating_sub(31);
    let blur = u64::from(shift > 0);
    let (n, d) = ((numerator >> shift) as u64, (denominator >> shift) as u64);
    let word = rng.next_u32();
    if (u64::from(word) + 1) * (d + blur) <= n << 32 {
        return true;
    }
    if u64::from(word) * d >= (n + blur) << 32 {
        return false;
    }
    by_digits(numerator, denominator, word, rng)
}

/// The same comparison, by long division: the first digit that differs from the drawn bit decides.
#[cold]
fn by_digits(numerator: u128, denominator: u128, first: u32, rng: &mut impl Rng) -> bool {
    let (mut remainder, mut word) = (numerator, first);
    loop {
        for position in (0..32).rev() {
            remainder <<= 1;
            let digit = remainder >= denominator;
            if digit {
                remainder -= denominator;
            }
            if digit != (word >> position & 1 == 1) {
                return digit;
            }
        }
        word = rng.next_u32();
    }
}

/// True with probability `exp(-numerator / denominator)`, exactly (Canonne, Kamath and Steinke 2020, algorithm 1).
///
/// For a ratio `γ` of at most 1, coins of bias `γ/1, γ/2, γ/3, ...` are tossed until one fails; the number of tosses is
/// odd with probability `1 - γ + γ²/2! - ... = exp(-γ)`. A larger ratio takes a coin of `exp(-1)` for each whole part.
pub(crate) fn exp_minus(numerator: u128, denominator: u128, rng: &mut impl Rng) -> bool {
    let mut rest = numerator;
    while rest > denominator {
        if !exp_minus_at_most_one(1, 1, rng) {
            return false;
        }
        rest -= denominator;
    }
    exp_minus_at_most_one(rest, denominator, rng)
}

/// True with probability `exp(-1)`, exactly.
pub(crate) fn exp_minus_one(rng: &mut impl Rng) -> bool {
    exp_minus_at_most_one(1, 1, rng)
}

fn exp_minus_at_most_one(numerator: u128, denominator: u128, rng: &mut impl Rng) -> bool {
    let (mut tosses, mut scaled) = (1_u32, denominator);
    // 2²⁶ tosses have probability 1/(2²⁶)!; until then `scaled` stays below 2¹²⁷.
    while ratio(numerator, scaled, rng) {
        tosses += 1;
        scaled += denominator;
    }
    tosses % 2 == 1
}

/// Uniform in `0..bound`, by Lemire's multiplication with rejection; with words of 32 bits where they suffice.
pub(crate) fn below(bound: u64, rng: &mut impl Rng) -> u64 {
    let Ok(narrow) = u32::try_from(bound) else { return below_wide(bound, rng) };
    let mut product = u64::from(rng.next_u32()) * bound;
    if (product as u32) < narrow {
        let threshold = narrow.wrapping_neg() % narrow;
        while (product as u32) < threshold {
            product = u64::from(rng.next_u32()) * bound;
        }
    }
    product >> 32
}

fn below_wide(bound: u64, rng: &mut impl Rng) -> u64 {
    let threshold = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(bound);
        if product as u64 >= threshold {
            return (product >> 64) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::{Infallible, SeedableRng, TryRng};

    use super::*;

    /// A generator that gives the words it was given, and fails the test when it runs out.
    struct Words(Vec<u32>);

    impl TryRng for Words {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            Ok(self.0.remove(0))
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            unreachable!("coins draw words of 32 bits")
        }

        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
            unreachable!("coins draw words of 32 bits")
        }
    }

    /// Where 32 bits do not decide, the next ones do: 1/3 is 0.0101... in binary.
    #[test]
    fn a_tie_is_decided_by_the_next_word() {
        let third = 0x5555_5555;
        assert!(ratio(1, 3, &mut Words(vec![third, third - 1])));
        assert!(!ratio(1, 3, &mut Words(vec![third, third + 1])));
        assert!(ratio(1, 3, &mut Words(vec![third, third, third, 0])));
        // One word is enough everywhere else.
        assert!(ratio(1, 3, &mut Words(vec![third - 1])));
        assert!(!ratio(1, 3, &mut Words(vec![third + 1])));
    }

    /// Words around the ratio, for denominators beyond 31 bits, against long division alone.
    #[test]
    fn the_shortcut_agrees_with_long_division() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for bits in [1, 5, 20, 30, 31, 32, 33, 63, 64, 80, 100, 126] {
            for _ in 0..2_000 {
                let draw = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
                let denominator = (draw >> (128 - bits)).max(1);
                let numerator = u128::from(rng.next_u64()) % (denominator + 1);
                // The first 32 digits of the ratio, and their neighbours.
                let mut remainder = numerator;
                let mut near = 0_u32;
                for _ in 0..32 {
                    remainder <<= 1;
                    near <<= 1;
                    if remainder >= denominator {
                        remainder -= denominator;
                        near |= 1;
                    }
                }
                for word in [near.wrapping_sub(1), near, near.wrapping_add(1), rng.next_u32()] {
                    let rest: Vec<u32> = (0..4).map(|_| rng.next_u32()).collect();
                    let words = || Words([&[word], rest.as_slice()].concat());
                    let mut long = words();
                    let first = long.next_u32();
                    let expected = by_digits(numerator, denominator, first, &mut long);
                    assert_eq!(
                        ratio(numerator, denominator, &mut words()),
                        expected,
                        "{numerator}/{denominator}"
                    );
                }
            }
        }
    }

    #[test]
    fn certain_coins_are_certain() {
        for word in [0, 1, u32::MAX - 1, u32::MAX] {
            for denominator in [1, 7, 1 << 90] {
                assert!(ratio(denominator, denominator, &mut Words(vec![word, 0])));
                assert!(!ratio(0, denominator, &mut Words(vec![word, u32::MAX])));
            }
        }
    }

    /// Means of exponential coins, within five deviations of what they should be.
    #[test]
    fn exponential_coins_have_their_bias() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let draws = 200_000;
        for (numerator, denominator) in [(0, 1), (1, 1), (1, 3), (7, 2), (5 << 90, 9 << 91)] {
            let heads = (0..draws).filter(|_| exp_minus(numerator, denominator, &mut rng)).count();
            let bias = (-(numerator as f64) / denominator as f64).exp();
            let deviation = (bias * (1.0 - bias) / f64::from(draws)).sqrt();
            let mean = heads as f64 / f64::from(draws);
            assert!((mean - bias).abs() <= 5.0 * deviation, "{numerator}/{denominator}: {mean}, not {bias}");
        }
    }

    #[test]
    fn uniform_numbers_are_below_their_bound_and_even() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let mut counts = [0_u32; 7];
        (0..70_000).for_each(|_| counts[below(7, &mut rng) as usize] += 1);
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
        assert!((0..100).all(|_| below(1, &mut rng) == 0));
        assert!((0..100).all(|_| below((1 << 63) + 1, &mut rng) <= 1 << 63));
    }
}
