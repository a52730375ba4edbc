//! Keyed block projection with cancelling noise: obfuscation that keeps the ranking.
//!
//! A veil is a secret linear map. Documents go through `M`, queries through its inverse transpose, so a
//! server that sees neither side in the clear can still rank one against the other:
//!
//! ```text
//! M = C2 · P · C1        C1, C2: block-diagonal, B secret invertible blocks each
//!                        P: secret permutation of the D coordinates
//! document  y = M   · ( (1 + ε) [ z ; n ; 0 ] + η )      n: fresh noise; ε, η: jitter, 0 in the plain scheme
//! query     x = M⁻ᵀ · [ q ; 0 ; m ] · ρ                  m: fresh noise, ρ: fresh positive scale
//! score     <y, x> = ρ <z, q>                            the noise cancels (n meets 0, 0 meets m)
//! ```
//!
//! It keeps out curiosity and bulk scanning, not a determined adversary: about `d` known pairs, or enough
//! documents, rebuild `M`. The crate `pmirs-lab` holds the attacks that do it; SECURITY.md prints how many
//! documents each of them needs.
//!
//! # Example
//!
//! ```
//! use pmirs_veil::{Veil, VeilParams};
//! use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//!
//! let mut key = ChaCha20Rng::from_seed([7; 32]); // in PMIRS: drawn from the collection's veil key
//! let mut fresh = ChaCha20Rng::from_seed([8; 32]); // in PMIRS: the system's randomness
//! let veil = Veil::new(VeilParams::plain(64), &mut key)?;
//!
//! let mut z = vec![0.0_f32; 64];
//! let mut q = vec![0.0_f32; 64];
//! z[3] = 1.0;
//! (q[3], q[4]) = (0.6, 0.8);
//!
//! let y = veil.document(&z, &mut fresh)?;
//! let x = veil.query(&q, &mut fresh)?;
//! let score: f32 = y.iter().zip(&x.values).map(|(a, b)| a * b).sum();
//! assert!((score / x.rho - 0.6).abs() < 1e-4);
//! # Ok::<(), pmirs_veil::VeilError>(())
//! ```
//!
//! # Contents
//!
//! - [`VeilParams`], [`Jitter`]: the public shape of a veil; the paper's variant and a pure rotation are
//!   special cases, kept for comparison.
//! - [`Veil`], [`VeiledQuery`]: the secret map itself.
//! - [`ScoreErrorBound`]: how far a veiled, quantised score can lie from the true cosine, which lets a client
//!   decide when its top k is exact.

mod blocks;
mod bound;
mod error;
mod orthogonal;
mod params;
mod veil;

pub use bound::ScoreErrorBound;
pub use error::VeilError;
pub use params::{Jitter, VeilParams};
pub use veil::{Veil, VeiledQuery};
