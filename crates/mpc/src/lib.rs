//! The protocols of the split level: three parties that together compute what none of them can see.
//!
//! Values are shared among three parties, x = x0 + x1 + x2, and P_i holds (x_i, x_{i+1}). Any one party sees random
//! numbers; any two could join them, so the three belong to different operators. The protocols are *semi-honest*: a
//! party that follows them learns nothing but the result it is meant to learn, and one that does not can make results
//! wrong, which a client's audit finds, but is named whenever what it sends is not what it must send.
//!
//! The crate does no I/O. A [`Party`] runs straight-line code over a [`Link`] to its two neighbours; memory, TCP and
//! a hostile peer are interchangeable behind it. All three make the same calls in the same order; every frame is
//! labelled with session, step and round, and its length is known before it comes.
//!
//! # Example
//!
//! ```
//! use pmirs_crypto::Prg;
//! use pmirs_mpc::{Found, Hit, Rows, bench::three_parties, deal, width_of_differences};
//!
//! // A program passes the system's generator; a fixed one belongs in examples and tests alone.
//! let mut rng = Prg::new(&[7; 32], b"example");
//! // Two coordinates of each of four rows, and a query, dealt to three parties by whoever owns them.
//! let rows = deal(&mut rng, &[1_u32, 2, 3, 4, 5, 6, 7, 8]);
//! let query = deal(&mut rng, &[10_u32, 1]);
//!
//! // Each party scores its shares and takes part in finding the best two. None of them learns which these are.
//! let found = three_parties(&mut rng, |party| {
//!     let mine = &rows[party.role().index()];
//!     let scores = Rows::new(mine.own(), mine.next(), 2)?
//!         .inner_products(&[query[party.role().index()].clone()])?;
//!     Ok(party.top_k(scores, 2, width_of_differences(100))?.remove(0))
//! })?;
//!
//! // Whoever asked joins the shares, and puts them in order.
//! assert_eq!(Found::join(found)?, [Hit { row: 3, score: 78 }, Hit { row: 2, score: 56 }]);
//! # Ok::<(), pmirs_mpc::Error>(())
//! ```
//!
//! # Contents
//!
//! - Ground: [`Role`], [`frame`] (what goes over the wire), [`Link`], [`memory`] (three parties in one process),
//!   [`PairKeys`] (common randomness), [`Party`] (rounds), [`Error`] (who is to blame).
//! - Sharing: [`Shares`], [`BitShares`], [`Unmasked`] (parts that must be masked first), [`deal`], [`reconstruct`].
//! - `multiply`, `reveal`: products and openings. `sign` (`thirds`, `carry`), `select`, `compare`: [`Party::sign`],
//!   [`Party::choose`], [`Party::compare_exchange`], [`Party::maximum`], [`Party::count_at_least`].
//! - `score`, `shuffle` (`permutation`), `top_k` (`selection`, `pairs`), `sort`: [`Rows`], [`Party::shuffle`],
//!   [`Party::top_k`], [`Party::sort`].
//! - `cells`, `payload`: an index of cells that are searched in part: [`Party::shuffle_blocks`], [`Party::open_best`],
//!   [`Party::mark`], [`Party::top_k_carrying`].
//! - `truncate`, [`network`]: fixed point, ReLU, and small networks under sharing.
//! - `kernels`: the loops where the time goes. [`mod@bench`]: how long things take.
//!
//! | protocol | rounds | bytes sent a value and party, on average |
//! |---|---|---|
//! | inner products, distances ([`Rows`]) | 0 | 0 |
//! | [`Party::reshare`], [`Party::multiply`] | 1 | one element |
//! | [`Party::reveal`] | 1 | two elements |
//! | [`Party::sign`], 32 bits (25) | 5 | 7.3 (5.0) |
//! | [`Party::select`], [`Party::choose`] | 2 | 4/3 of an element |
//! | [`Party::compare_exchange`] | 7 | a sign and 4/3 of an element |
//! | [`Party::shuffle`] | 3 | 8 a column |
//! | [`Party::top_k`], 25 bits | at most 45 | about 16 a row |
//! | [`Party::truncate`], 16 bits | 2 | 10 |
//! | [`Party::relu`], 32 bits | 7 | 18 |

pub mod bench;
mod carry;
mod cells;
mod compare;
mod error;
pub mod frame;
mod kernels;
mod link;
pub mod memory;
mod multiply;
pub mod network;
mod pairs;
mod party;
mod payload;
mod permutation;
mod prss;
mod reveal;
mod ring;
mod role;
mod score;
mod select;
mod selection;
mod share;
mod shuffle;
mod sign;
mod sort;
mod thirds;
mod top_k;
mod truncate;
#[cfg(test)]
mod views;

pub use compare::width_of_differences;
pub use error::{Error, Reason};
pub use frame::{SessionId, Step};
pub use link::{Link, LinkFault};
pub use multiply::local_products;
pub use party::{Party, Traffic};
pub use payload::Carried;
pub use prss::PairKeys;
pub use ring::Ring;
pub use role::{Role, Side};
pub use score::Rows;
pub use share::{BitShares, Shares, Unmasked, deal, reconstruct};
pub use top_k::{Found, Hit};
pub use truncate::TRUNCATION_BOUND;
