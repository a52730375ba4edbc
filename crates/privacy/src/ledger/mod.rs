//! What a member let out: an append-only list of releases, each signed, each naming the one before by its hash.
//!
//! A [`Ledger`] in memory has been checked: its chain is whole, and the member signed every entry. It says what all
//! releases cost together, and [`Ledger::spend`] refuses one that the member's [`Budget`] does not allow. The ledger
//! holds no data and no results: only what was released, to whom, and behind how much noise.
//!
//! A ledger is one device's. Two devices of one identity can each write a valid one, and each spend the whole budget.
//!
//! The chain shows when an entry in the middle was altered, moved or left out. That the end was cut off shows only
//! beside a [`LedgerHead`] that was remembered elsewhere.

mod budget;
mod chain;
mod costs;
mod entry;
mod error;
mod release;
mod summary;

pub use budget::{Budget, Refusal};
pub use chain::{Ledger, LedgerHead, Spent};
pub use entry::{MAX_ENTRIES, MAX_LEDGER};
pub use error::LedgerError;
pub use release::{Purpose, Release};
pub use summary::{DataShare, Share, Summary};
