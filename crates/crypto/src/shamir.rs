//! Shamir's secret sharing (1979) of 32 bytes, each byte a polynomial over GF(2⁸).
//!
//! ```text
//! f(x) = secret + a₁x + … + aₜ₋₁xᵗ⁻¹      share i = f(i), i = 1 .. n, n ≤ 255      secret = Σᵢ f(i) · Πⱼ j / (j - i)
//! ```
//!
//! The field is that of AES (FIPS 197 section 4): bytes modulo x⁸ + x⁴ + x³ + x + 1. It is mathematics rather
//! than a cipher, and written here because the crates at hand look products up in tables by secret bytes;
//! this code takes neither branch nor address from a secret. Fewer than t shares say nothing at all about the
//! secret. A wrong share gives a wrong secret: what is shared must be checkable by other means.

mod decode;

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Error;

const WHAT: &str = "shares";

/// One share: its place, which is public, and its bytes, which are not.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Share {
    index: u8,
    bytes: [u8; 32],
}

impl Share {
    /// Bytes of an encoded share.
    pub const LEN: usize = 33;

    /// Which share it is, counted from 1.
    pub fn index(&self) -> u8 {
        self.index
    }

    /// `index(1) ‖ bytes(32)`: as secret as the share.
    pub fn expose(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut bytes = Zeroizing::new([self.index; Self::LEN]);
        bytes.iter_mut().skip(1).zip(self.bytes).for_each(|(slot, byte)| *slot = byte);
        bytes
    }

    /// Reads what [`expose`](Self::expose) wrote. The caller zeroises its own copy.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, Error> {
        let [index, bytes @ ..] = bytes;
        if *index == 0 {
            Err(Error::Malformed { what: WHAT })
        } else {
            Ok(Self { index: *index, bytes: *bytes })
        }
    }
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share({}, redacted)", self.index)
    }
}

/// Splits a secret into `count` shares, any `threshold` of which give it back.
///
/// # Panics
/// Unless `1 ≤ threshold ≤ count`.
pub fn split(rng: &mut impl CryptoRng, secret: &[u8; 32], threshold: u8, count: u8) -> Vec<Share> {
    assert!((1..=count).contains(&threshold), "{threshold} of {count} shares");
    let mut coefficients = vec![[0; 32]; usize::from(threshold) - 1];
    for coefficient in &mut coefficients {
        rng.fill_bytes(coefficient);
    }
    let share = |index: u8| {
        let mut bytes = [0; 32];
        for coefficient in coefficients.iter().rev().chain([secret]) {
            for (byte, add) in bytes.iter_mut().zip(coefficient) {
                *byte = multiply(*byte, index) ^ add;
            }
        }
        Share { index, bytes }
    };
    let shares = (1..=count).map(share).collect();
    coefficients.zeroize();
    shares
}

/// The secret behind at least `threshold` shares with different places; of more, the first ones count.
pub fn combine<'a>(
    threshold: u8,
    shares: impl IntoIterator<Item = &'a Share>,
) -> Result<Zeroizing<[u8; 32]>, Error> {
    let expected = usize::from(threshold).max(1);
    let shares: Vec<&Share> = shares.into_iter().take(expected).collect();
    if threshold == 0 || shares.len() < expected {
        return Err(Error::TooFewShares { expected, got: shares.len() });
    }
    let mut secret = Zeroizing::new([0; 32]);
    for (at, share) in shares.iter().enumerate() {
        let (mut above, mut below) = (1, 1);
        for (_, other) in shares.iter().enumerate().filter(|(other, _)| *other != at) {
            if other.index == share.index {
                return Err(Error::Malformed { what: WHAT });
            }
            above = multiply(above, other.index);
            below = multiply(below, other.index ^ share.index);
        }
        let weight = multiply(above, invert(below));
        for (byte, part) in secret.iter_mut().zip(share.bytes) {
            *byte ^= multiply(part, weight);
        }
    }
    Ok(secret)
}

/// The secret behind shares of which some are false, if no more are than half of those beyond the threshold. A byte whose
/// shares lie on no polynomial of degree below the threshold is decoded after Berlekamp and Welch (US patent 4633470,
/// 1986; expired), and the shares that this finds false count for no further byte.
///
/// For whoever is to know the secret: its steps depend on the shares.
///
/// # Errors
/// Where too few shares are left, or too many are false for that to be seen. More false ones than that can also give a
/// wrong secret.
pub fn correct<'a>(
    threshold: u8,
    shares: impl IntoIterator<Item = &'a Share>,
) -> Result<Zeroizing<[u8; 32]>, Error> {
    let mut kept: Vec<&Share> = shares.into_iter().collect();
    let degree = usize::from(threshold);
    for at in 0..32 {
        if kept.len() < degree {
            return Err(Error::TooFewShares { expected: degree, got: kept.len() });
        }
        let points: Vec<[u8; 2]> = kept
            .iter()
            .map(|share| [share.index, share.bytes.get(at).copied().unwrap_or_default()])
            .collect();
        let polynomial = decode::polynomial(&points, degree).ok_or(Error::Malformed { what: WHAT })?;
        let mut fits = points.iter().map(|[x, y]| decode::value(&polynomial, *x) == *y);
        kept.retain(|_| fits.next().unwrap_or_default());
    }
    combine(threshold, kept)
}

/// The product in GF(2⁸), in the same steps whatever the factors are.
fn multiply(a: u8, b: u8) -> u8 {
    let (mut a, mut product) = (a, 0);
    for bit in 0..8 {
        product ^= a & 0_u8.wrapping_sub((b >> bit) & 1);
        a = (a << 1) ^ (0x1b & 0_u8.wrapping_sub(a >> 7));
    }
    product
}

/// a²⁵⁴ = 1 / a, and 0 for 0.
fn invert(a: u8) -> u8 {
    let (mut square, mut inverse) = (a, 1);
    for _ in 0..7 {
        square = multiply(square, square);
        inverse = multiply(inverse, square);
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Prg;

    /// FIPS 197 section 4.2: {57} · {83} = {c1}, {57} · {13} = {fe}; and every inverse.
    #[test]
    fn the_field_is_that_of_aes() {
        assert_eq!((multiply(0x57, 0x83), multiply(0x57, 0x13)), (0xc1, 0xfe));
        for a in 1..=255 {
            assert_eq!(multiply(a, invert(a)), 1, "{a}");
        }
    }

    #[test]
    fn any_threshold_of_the_shares_is_the_secret_and_one_fewer_is_not() {
        let mut rng = Prg::new(&[1; 32], b"shamir");
        let secret = [0xa5; 32];
        for (threshold, count) in [(1, 1), (1, 5), (2, 3), (5, 9), (70, 100), (255, 255)] {
            let mut shares = split(&mut rng, &secret, threshold, count);
            shares.reverse();
            assert_eq!(*combine(threshold, &shares).unwrap(), secret, "{threshold} of {count}");
            if threshold > 1 {
                let fewer = &shares[..usize::from(threshold) - 1];
                let error = Error::TooFewShares { expected: threshold.into(), got: fewer.len() };
                assert_eq!(combine(threshold, fewer), Err(error));
                assert_ne!(*combine(threshold - 1, fewer).unwrap(), secret);
            }
        }
    }

    /// Every value of the secret's byte is as likely behind one share of two: over all coefficients, a share
    /// takes each value once.
    #[test]
    fn one_share_of_two_says_nothing() {
        for secret in [0, 1, 0xff] {
            let mut seen = [false; 256];
            for coefficient in 0..=255 {
                seen[usize::from(multiply(coefficient, 7) ^ secret)] = true;
            }
            assert!(seen.iter().all(|value| *value), "secret {secret}");
        }
    }

    #[test]
    fn repeated_and_nameless_shares_are_refused() {
        let shares = split(&mut Prg::new(&[2; 32], b"shamir"), &[7; 32], 2, 3);
        let twice: Vec<Share> =
            [0, 0].map(|at| Share::from_bytes(&shares[at].expose()).unwrap()).into_iter().collect();
        assert_eq!(combine(2, &twice), Err(Error::Malformed { what: "shares" }));
        assert!(Share::from_bytes(&[0; 33]).is_err());
        assert!(combine(0, &shares).is_err());
    }

    /// As many false shares as can be told from the rest, in whatever bytes and places; one more, and there is no
    /// secret, or another one.
    #[test]
    fn false_shares_are_outvoted_by_the_ones_beyond_the_threshold() {
        use rand_core::Rng;
        let mut rng = Prg::new(&[3; 32], b"shamir");
        let secret = [0x5a; 32];
        for (threshold, count) in [(1, 3), (2, 2), (2, 4), (4, 9), (7, 10), (20, 31), (3, 60)] {
            let most = usize::from(count - threshold) / 2;
            for lies in 0..=most + 1 {
                let mut shares = split(&mut rng, &secret, threshold, count);
                let mut places: Vec<usize> = (0..shares.len()).collect();
                for liar in 0..lies {
                    let place = places.swap_remove(rng.next_u32() as usize % places.len());
                    // The first byte, the last, or all: what one byte does not show, another does.
                    let share = &mut shares[place].bytes;
                    match liar % 3 {
                        0 => share[0] ^= 1,
                        1 => share[31] ^= 0x80,
                        _ => share.iter_mut().for_each(|byte| *byte = rng.next_u32() as u8 | 1),
                    }
                }
                let found = correct(threshold, &shares);
                if lies <= most {
                    assert_eq!(
                        *found.unwrap(),
                        secret,
                        "{lies} of {count} are false, {threshold} are enough"
                    );
                } else if most > 0 && threshold > 1 {
                    // The liars of one byte may still be few enough.
                    assert!(found.is_err() || lies > 1, "{lies} of {count}");
                }
            }
        }
        let shares = split(&mut rng, &secret, 3, 5);
        assert!(correct(6, &shares).is_err() && correct(0, &shares[..0]).is_err());
    }

    /// A share under another's place.
    #[test]
    fn a_place_that_is_taken_twice_is_a_false_share() {
        let secret = [9; 32];
        let mut shares = split(&mut Prg::new(&[4; 32], b"shamir"), &secret, 3, 7);
        shares[5].index = 2;
        assert_eq!(*correct(3, &shares).unwrap(), secret);
    }
}
