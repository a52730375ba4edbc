//! Keys, envelopes and sealed records: the only crate that names a cipher.
//!
//! Everything that PMIRS stores or sends in secret is made here, out of well-kept implementations of public
//! standards. The crate reads no file, no clock and no system randomness: randomness is an argument. Every
//! format begins with a version byte, has a length limit that is checked before memory is taken, and has a
//! golden file in `tests/golden`.
//!
//! ```text
//! IdentitySeed ──HKDF──> Identity ──> X-Wing key pair      receives grants
//!   24 words                     ├──> Ed25519 key pair     signs
//!   LockedIdentity               └──> LocalKey             seals files at rest
//!
//! CollectionKey ──HKDF(collection, epoch)──> content, metadata, veil, token keys
//!   granted to members by `grant`
//!
//! DeviceKey ──HKDF──> Ed25519 key pair         signs for one device, certified by the identity
//!
//! pairing: a new device gets the IdentitySeed from one that has it, and a person compares four words
//!
//! merkle: one digest for all items of a collection, which the log of changes signs
//!
//! PairKey: randomness that two parties of a protocol have in common, addressed and never used twice
//!
//! PartyKey: one of three servers of the split level, in TLS and under what it signs
//! ShareSeed: a component of a secret that is dealt to the three
//! exchange: keys of one round of a protocol, pairwise masks that either end's root gives back, and shamir shares of it
//!
//! ServerKey: every request and answer travels in an `envelope`
//! ```
//!
//! # Example
//!
//! ```
//! use pmirs_crypto::{CollectionKey, GrantContext, Identity, IdentitySeed, Kind, Place, Prg, grant};
//!
//! // A program passes the system's generator; a fixed one belongs in examples and tests alone.
//! let mut rng = Prg::new(&[7; 32], b"example");
//! let anna = Identity::from_seed(&IdentitySeed::generate(&mut rng));
//! let ben = Identity::from_seed(&IdentitySeed::generate(&mut rng));
//!
//! // Anna makes a collection key and grants it to Ben.
//! let key = CollectionKey::generate(&mut rng);
//! let context = GrantContext { collection: [1; 16], epoch: 0, role: 1 };
//! let granted = grant::seal(&mut rng, &anna, &ben.public(), &key, &context);
//!
//! // Anna seals a caption for one item; Ben opens it there, and nowhere else.
//! let place = Place { collection: [1; 16], item: [2; 16], epoch: 0, kind: Kind::ItemMeta };
//! let sealed = key.epoch_keys(&[1; 16], 0).metadata.seal(&mut rng, &place, b"a dog on a beach");
//! let keys = grant::open(&ben, &anna.public(), &granted, &context)?.epoch_keys(&[1; 16], 0);
//! assert_eq!(keys.metadata.open(&place, &sealed)?.as_slice(), b"a dog on a beach");
//! assert!(keys.metadata.open(&Place { item: [3; 16], ..place }, &sealed).is_err());
//! # Ok::<(), pmirs_crypto::Error>(())
//! ```

mod aead;
mod bytes;
mod collection;
mod content;
mod deal;
mod device;
pub mod envelope;
mod error;
mod exchange;
pub mod grant;
mod hash;
mod history;
mod identity;
mod locked;
mod mask;
pub mod merkle;
pub mod pairing;
mod pairwise;
mod party;
mod place;
mod prg;
mod record;
mod secret;
mod seed;
pub mod shamir;
mod suite;
mod token;
#[cfg(test)]
mod vectors;

pub use collection::{CollectionKey, EpochKeys, TokenKey, VeilSeed};
pub use content::{CHUNK, ContentKey, MAX_CONTENT, plain_len, sealed_len};
pub use deal::{Dealt, DealtRest, ShareSeed};
pub use device::{DeviceCertificate, DeviceKey, DevicePublicKey};
pub use envelope::{ResponseOpener, ResponseSealer, ServerKey, ServerPublicKey};
pub use error::{Error, StreamError};
pub use exchange::{
    ENCAPSULATION, EXCHANGE_OVERHEAD, ExchangeKey, ExchangePublicKey, ExchangeSeed, MAX_EXCHANGE, MaskRoot,
};
pub use grant::GrantContext;
pub use hash::{constant_time_eq, sha256};
pub use history::{are_head_words, entry_hash, head_words, leaf_digest};
pub use identity::{Context, Identity, PublicIdentity, Signature};
pub use locked::{Argon2Params, LockedIdentity};
pub use mask::MaskSeed;
pub use pairwise::{ENCAPSULATED_HALF, HalfKey, PairKey, PairStream};
pub use party::{PartyKey, PartyPublicKey};
pub use place::{CollectionId, ItemId, Kind, Place};
pub use prg::Prg;
pub use record::{LocalKey, MAX_LOCAL, MAX_RECORD, RECORD_OVERHEAD, RecordKey};
pub use seed::IdentitySeed;
pub use token::Token;
