//! Every message and stored record of PMIRS, with its version, its size limit and its golden bytes.
//!
//! A [`Message`] travels or rests as one version byte followed by CBOR (RFC 8949). The limit is checked
//! before anything is decoded, unknown versions and trailing bytes are errors, and a golden file in this
//! crate's tests pins the bytes of each one.
//!
//! Three kinds of message live here, and the difference matters:
//!
//! - what the cloud reads: [`account`], [`device`], [`pairing`], [`people`], [`collection`], [`log`], [`item`],
//!   [`search`], [`access`], [`federation`], [`envelope`];
//! - what the three servers of the split level read, and keep: [`split`];
//! - what only clients read, because it is sealed before it leaves: [`sealed`].
//!
//! With the feature `schema`, what the cloud reads and answers describes itself by JSON Schema.
//!
//! ```
//! use pmirs_wire::{decode, encode, item::RemoveItems, ItemId};
//!
//! let request = RemoveItems { items: vec![ItemId([7; 16])] };
//! let bytes = encode(&request)?;
//! assert_eq!(bytes[0], 1); // the version
//! assert_eq!(decode::<RemoveItems>(&bytes)?.items, request.items);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod access;
pub mod account;
mod codec;
pub mod collection;
pub mod device;
pub mod envelope;
pub mod federation;
mod id;
pub mod item;
pub mod limits;
pub mod log;
pub mod pairing;
pub mod people;
pub mod problem;
pub mod sealed;
pub mod search;
pub mod split;

pub use codec::{DecodeError, EncodeError, Message, decode, encode};
pub use id::{AccountId, Bytes, CollectionId, DeviceId, Digest, FilterToken, IdError, ItemId};
