//! A collection key handed to a member, so that only the member can open it and everyone can see who gave it.
//!
//! ```text
//! grant = version(1) ‖ encapsulated key(1120) ‖ sealed collection key(32 + 16) ‖ signature(64)
//! info  = label ‖ collection(16) ‖ epoch(4) ‖ role(1) ‖ granter's fingerprint(32) ‖ member's fingerprint(32)
//! ```
//!
//! HPKE (RFC 9180) in base mode seals the key under `info`; the granter signs `info` and everything before
//! the signature. So a grant holds for this collection, epoch, role and member only, from this granter only:
//! the cloud that stores it can neither open it, nor promote a reader, nor pass it on.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::Error;
use crate::aead::TAG;
use crate::bytes::Reader;
use crate::collection::CollectionKey;
use crate::identity::{Context, Identity, PublicIdentity, Signature};
use crate::place::CollectionId;
use crate::suite::{self, ENCAPSULATED};

const VERSION: u8 = 1;
const WHAT: &str = "grant";
const SEALED: usize = 32 + TAG;
const SIGNATURE: usize = 64;

/// Bytes of a grant.
pub const LEN: usize = 1 + ENCAPSULATED + SEALED + SIGNATURE;

/// What a grant is bound to besides the two people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantContext {
    /// The collection.
    pub collection: CollectionId,
    /// The epoch whose key is granted.
    pub epoch: u32,
    /// What the member may do, as the caller numbers it.
    pub role: u8,
}

/// Seals a collection key for a member and signs it.
pub fn seal(
    rng: &mut impl CryptoRng,
    granter: &Identity,
    member: &PublicIdentity,
    key: &CollectionKey,
    context: &GrantContext,
) -> Vec<u8> {
    let info = info(&granter.public(), member, context);
    let (encapsulated, mut sender) = suite::sender(rng, member.kem(), &info);
    let mut grant = Vec::with_capacity(LEN);
    grant.push(VERSION);
    grant.extend_from_slice(&encapsulated);
    grant.extend_from_slice(&suite::seal(&mut sender, key.expose_secret()));
    let signature = granter.sign(Context::Grant, &[info.as_slice(), &grant].concat());
    grant.extend_from_slice(&signature.0);
    grant
}

/// Checks that this granter gave this member this role, then opens the collection key.
pub fn open(
    member: &Identity,
    granter: &PublicIdentity,
    grant: &[u8],
    context: &GrantContext,
) -> Result<CollectionKey, Error> {
    let info = info(granter, &member.public(), context);
    verify_info(granter, grant, &info)?;
    let mut reader = Reader::exact(WHAT, grant, LEN)?;
    reader.version(VERSION)?;
    let (encapsulated, sealed) = (reader.array()?, reader.array::<SEALED>()?);
    let key = suite::receiver(member.kem(), encapsulated, &info)
        .and_then(|mut receiver| receiver.open(sealed, &[]))
        .map(Zeroizing::new)
        .map_err(|_| Error::Unauthentic { what: WHAT })?;
    let key = <&[u8; 32]>::try_from(key.as_slice()).map_err(|_| Error::Malformed { what: WHAT })?;
    Ok(CollectionKey::from_secret(key))
}

/// Checks a grant's signature without opening it, as a server or another member can.
pub fn verify(
    granter: &PublicIdentity,
    member: &PublicIdentity,
    grant: &[u8],
    context: &GrantContext,
) -> Result<(), Error> {
    verify_info(granter, grant, &info(granter, member, context))
}

fn verify_info(granter: &PublicIdentity, grant: &[u8], info: &[u8]) -> Result<(), Error> {
    let length = Error::Length { what: WHAT, expected: LEN, got: grant.len() };
    Reader::exact(WHAT, grant, LEN)?.version(VERSION)?;
    let (signed, signature) = grant.split_last_chunk().ok_or(length)?;
    granter.verify(Context::Grant, &[info, signed].concat(), &Signature(*signature))
}

fn info(granter: &PublicIdentity, member: &PublicIdentity, context: &GrantContext) -> Vec<u8> {
    [
        b"pmirs/grant/v1\0".as_slice(),
        &context.collection,
        &context.epoch.to_be_bytes(),
        &[context.role],
        &granter.fingerprint(),
        &member.fingerprint(),
    ]
    .concat()
}
