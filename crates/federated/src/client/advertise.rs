//! Step 1: fresh keys for this round, signed.

use pmirs_crypto::{ExchangeSeed, MaskRoot, MaskSeed};
use pmirs_wire::{Bytes, Digest};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Member;
use crate::Error;
use crate::message::{Advert, Step, frame};
use crate::pair::commitment;

/// A member's secrets of one round.
#[derive(Serialize, Deserialize)]
pub(super) struct Secrets {
    /// Opens what neighbours seal to this member. Never shared.
    exchange: Zeroizing<[u8; 32]>,
    /// Gives all pairwise masks. Shared, and revealed if the member vanishes before its upload.
    root: Zeroizing<[u8; 32]>,
    /// The member's own mask. Shared, and revealed if its upload counts.
    own: Zeroizing<[u8; 32]>,
}

impl Secrets {
    fn draw(rng: &mut impl CryptoRng) -> Self {
        let mut fresh = || {
            let mut bytes = Zeroizing::new([0; 32]);
            rng.fill_bytes(bytes.as_mut());
            bytes
        };
        Self { exchange: fresh(), root: fresh(), own: fresh() }
    }

    pub(super) fn exchange(&self) -> ExchangeSeed {
        ExchangeSeed::from_secret(&self.exchange)
    }

    pub(super) fn root(&self) -> MaskRoot {
        MaskRoot::from_secret(&self.root)
    }

    pub(super) fn own(&self) -> MaskSeed {
        MaskSeed::from_secret(&self.own)
    }

    pub(super) fn again(&self) -> Self {
        Self { exchange: self.exchange.clone(), root: self.root.clone(), own: self.own.clone() }
    }
}

/// Waits for the roster.
#[derive(Serialize, Deserialize)]
pub struct Advertised {
    pub(super) secrets: Secrets,
    pub(super) advert: Digest,
}

impl std::fmt::Debug for Advertised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Advertised(redacted)")
    }
}

/// Begins a round.
///
/// # Errors
/// None that a member of the group meets.
pub fn advertise(rng: &mut impl CryptoRng, member: &Member<'_>) -> Result<(Advertised, Vec<u8>), Error> {
    let secrets = Secrets::draw(rng);
    let advert = Advert {
        exchange: Bytes(secrets.exchange().key().public().to_bytes()),
        mask: Bytes(secrets.root().key().public().to_bytes()),
        commitment: commitment(member.round, member.number, secrets.own().expose_secret()),
    };
    let bytes = frame::seal(member.round, member.identity, member.number, Step::Advert, &advert)?;
    let limit = <Advert as pmirs_wire::Message>::MAX_BYTES;
    let advert = frame::open(member.round, Step::Advert, limit, &bytes)?.digest;
    Ok((Advertised { secrets, advert }, bytes))
}
