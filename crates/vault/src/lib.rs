//! The client library: the only place that holds keys and plaintext.
//!
//! A [`Vault`] is one person's home: an identity under a passphrase, a local store encrypted at rest, and an
//! account at a cloud. A [`Collection`] of it adds, searches, reads, removes and verifies items; whatever
//! leaves is sealed, veiled or both before it does.
//!
//! ```no_run
//! use std::path::Path;
//! use pmirs_vault::{AddOptions, LoginOptions, Protection, Query, Quiet, SearchOptions, Vault};
//!
//! let (vault, words) = Vault::create(Path::new("my-home"), "correct horse battery staple")?;
//! println!("write these down: {}", words.as_str());
//! let invite = std::fs::read_to_string("invite.txt")?.parse()?;
//! vault.login("http://127.0.0.1:7700", &LoginOptions { invite: Some(invite), ..LoginOptions::default() })?;
//!
//! let album = vault.create_collection("album", Protection::Veiled)?;
//! album.add(&["pictures".into()], &AddOptions::default(), &Quiet)?;
//! let answer = album.search(&Query::text("a dog on a beach"), &SearchOptions::default())?;
//! for hit in &answer.hits {
//!     println!("{:.3} {}", hit.score, hit.meta.name);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where a request goes:
//!
//! - [`add`]: files to sources, decode, embed, veil, seal, upload, each stage on its own thread.
//! - [`search`]: a query to candidates (from the cloud, or from the local index), opened and re-ranked here.
//! - [`privacy`]: what was let out for others to learn from, in a signed ledger, and how much more may be.
//! - [`federate`]: pictures and captions of one's own to an update of the model, and from there to a new pack.
//! - `remote`: every request sealed to the cloud's pinned key.
//! - `local`: what is kept between commands, encrypted at rest.

mod account;
pub mod add;
mod adopt;
mod collection;
mod contact;
mod device;
mod error;
pub mod federate;
mod fresh;
mod history;
mod keys;
mod local;
mod login;
pub mod privacy;
mod progress;
mod rekey;
pub mod remote;
pub mod search;
mod share;
mod split;
mod tag;
mod vault;
mod verify;

pub use account::{AccessEvent, ExportReport};
pub use add::{AddOptions, AddReport, Import, Skipped};
pub use adopt::ReembedReport;
pub use collection::{
    Collection, CollectionInfo, Collections, DamagedCollection, ItemSummary, UnlistedCollection,
};
pub use contact::{Contact, ContactWords};
pub use device::{Approval, Arriving, DeviceInfo, NewDevice};
pub use error::VaultError;
pub use history::{Event, Happening};
pub use login::{AccountInfo, LoginOptions};
pub use pmirs_crypto::{IdentitySeed, PublicIdentity};
pub use pmirs_wire::account::Invite;
pub use pmirs_wire::collection::{Protection, Role};
pub use pmirs_wire::sealed::{ItemKind, ItemMeta};
pub use pmirs_wire::{AccountId, CollectionId, DeviceId, ItemId};
pub use progress::{Progress, Quiet};
pub use rekey::RekeyReport;
pub use search::{
    AllFound, Answer, Audit, Breakdown, Cutoff, Filter, Hit, Index, Moving, Query, SearchOptions,
};
pub use share::{MemberInfo, Offer};
pub use split::{
    BareFound, BareRows, IndexOptions, IndexReport, IndexState, IndexUse, RepairReport, SplitModel,
};
pub use vault::{RecoveryWords, Vault, VaultStatus};
pub use verify::{Fault, Head, VerifyReport};
