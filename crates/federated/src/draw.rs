//! Drawing from a generator, the same on every machine.

use rand_core::Rng;

/// A number below `below`, without bias (Lemire 2019): below 0 there is none, and 0 comes back.
pub(crate) fn below(rng: &mut impl Rng, below: u64) -> u64 {
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(below);
        if product as u64 >= below.wrapping_neg() % below.max(1) {
            return (product >> 64) as u64;
        }
    }
}

/// So many of these, each set as likely as any other, in ascending order of place.
pub(crate) fn sample<T: Copy>(rng: &mut impl Rng, from: &[T], count: usize) -> Vec<T> {
    let mut left = count.min(from.len());
    let mut drawn = Vec::with_capacity(left);
    for (at, value) in from.iter().enumerate() {
        if left > 0 && below(rng, (from.len() - at) as u64) < left as u64 {
            drawn.push(*value);
            left -= 1;
        }
    }
    drawn
}

/// A random order.
pub(crate) fn shuffle<T>(rng: &mut impl Rng, values: &mut [T]) {
    for at in (1..values.len()).rev() {
        values.swap(at, below(rng, at as u64 + 1) as usize);
    }
}
