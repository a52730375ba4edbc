//! The protocols of the split level: three parties that together compute what none of them can see.
#![expect(missing_docs, reason = "x")]
pub mod bench;
mod compare;
mod error;
pub mod frame;
mod kernels;
mod link;
pub mod memory;
mod multiply;
mod party;
mod prss;
mod reveal;
mod score;
mod selection;
mod shuffle;
mod ring;
mod role;
mod select;
mod share;
mod sign;
mod sort;
mod thirds;
mod top_k;

pub use compare::width_of_differences;
pub use error::{Error, Reason};
pub use frame::Step;
pub use link::{Link, LinkFault};
pub use multiply::local_products;
pub use party::{Party, Traffic};
pub use prss::PairKeys;
pub use ring::Ring;
pub use role::{Role, Side};
pub use score::Rows;
pub use top_k::Found;
pub use share::{BitShares, Shares, Unmasked, deal, reconstruct};
