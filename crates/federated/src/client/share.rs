//! Step 3: a share of each secret for every neighbour, sealed to it, and an encapsulation to agree on a mask
//! by.

use pmirs_crypto::{ExchangePublicKey, MaskSeed, shamir};
use pmirs_wire::{Bytes, Message};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::advertise::Secrets;
use super::choose::Chosen;
use super::{Member, Outcome, Table, advance};
use crate::Error;
use crate::message::{Advert, Adverts, Piece, Shares, Step, frame};
use crate::pair::{info, piece_digest, pieces_statement};

/// Waits for what others shared.
#[derive(Serialize, Deserialize)]
pub struct Shared {
    pub(super) secrets: Secrets,
    pub(super) table: Table,
    /// Chosen neighbours, and the seed of the mask with each.
    pub(super) outgoing: Vec<(u32, Zeroizing<[u8; 32]>)>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shared(with {}, redacted)", self.outgoing.len())
    }
}

impl Chosen {
    /// Checks the neighbours' adverts, splits the secrets and seals the shares.
    ///
    /// # Errors
    /// For adverts that are not those of the roster, or keys that are none.
    pub fn share(
        self,
        rng: &mut impl CryptoRng,
        member: &Member<'_>,
        adverts: &[u8],
    ) -> Outcome<Shared, Self> {
        advance(self, |state| {
            let keys = state.keys(member, adverts)?;
            let (threshold, count) = (state.table.threshold as u8, keys.len() as u8);
            let own = shamir::split(rng, state.secrets.own().expose_secret(), threshold, count);
            let root = shamir::split(rng, state.secrets.root().expose_secret(), threshold, count);
            let (mut pieces, mut outgoing) = (Vec::new(), Vec::new());
            for ((to, keys), (own, root)) in keys.iter().zip(own.iter().zip(&root)) {
                let info = info(member.round, &state.table.digest, member.number, *to);
                let (encapsulation, mask) = state.secrets.root().encapsulate(&keys.mask, &info);
                let both = Zeroizing::new([own.expose().as_slice(), root.expose().as_slice()].concat());
                let sealed = Bytes(keys.exchange.seal(rng, &info, &both));
                pieces.push(Piece { to: *to, encapsulation: Bytes(encapsulation.to_vec()), sealed });
                outgoing.push((*to, exposed(&mask)));
            }
            let roster = state.table.digest;
            let digest = |piece| piece_digest(member.round, &roster, member.number, piece).0;
            let digests: Vec<u8> = pieces.iter().flat_map(digest).collect();
            let signed = pieces_statement(member.round, &roster, member.number, &digests);
            let shares = Shares { roster, pieces, signature: Bytes(member.sign(&signed).to_vec()) };
            let bytes = frame::seal(member.round, member.identity, member.number, Step::Shares, &shares)?;
            Ok((Shared { secrets: state.secrets.again(), table: state.table.clone(), outgoing }, bytes))
        })
    }

    /// The neighbours' keys, which the roster pins by the digests of their adverts.
    fn keys(&self, member: &Member<'_>, adverts: &[u8]) -> Result<Vec<(u32, Keys)>, Error> {
        const STEP: Step = Step::Adverts;
        let adverts: Adverts = frame::hear(member.round, STEP, adverts)?;
        let lie = |what| Error::Coordinator { step: STEP, what };
        if adverts.frames.len() != self.neighbours.len() {
            return Err(lie("not as many adverts as were asked for"));
        }
        let pairs = self.neighbours.iter().zip(&adverts.frames);
        let keys = pairs.map(|((neighbour, advert), bytes)| {
            let opened = frame::open_unsigned(member.round, Step::Advert, Advert::MAX_BYTES, bytes.as_ref())?;
            if opened.digest != *advert || opened.member != *neighbour {
                return Err(lie("an advert that is not the roster's"));
            }
            Ok((*neighbour, Keys::read(&pmirs_wire::decode(opened.body)?)?))
        });
        keys.collect()
    }
}

/// A neighbour's public keys.
pub(crate) struct Keys {
    pub(crate) exchange: ExchangePublicKey,
    pub(crate) mask: ExchangePublicKey,
}

impl Keys {
    pub(crate) fn read(advert: &Advert) -> Result<Self, Error> {
        let read = |bytes: &Bytes| {
            ExchangePublicKey::from_bytes(bytes.as_ref())
                .map_err(|source| Error::Crypto { step: Step::Advert, source })
        };
        Ok(Self { exchange: read(&advert.exchange)?, mask: read(&advert.mask)? })
    }
}

fn exposed(mask: &MaskSeed) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(*mask.expose_secret())
}
