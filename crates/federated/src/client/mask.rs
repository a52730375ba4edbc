//! Step 4: shares for others are put aside, and the vector goes out under its masks.

use pmirs_crypto::Error::Malformed;
use pmirs_crypto::shamir::Share;
use pmirs_crypto::{ExchangeKey, MaskSeed};
use pmirs_wire::Digest;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::share::Shared;
use super::{Member, Outcome, Table, advance};
use crate::Error;
use crate::message::{Inbox, Received, Step, frame, write_upload};
use crate::pair::{adds, info, is_ascending, list_digest, piece_digest, pieces_statement, upload_statement};

/// Words masked at a time, so that they stay in a core's cache while all masks pass over them.
const BLOCK: usize = 32 << 10;
const STEP: Step = Step::Inbox;

/// Waits for the list of survivors.
#[derive(Serialize, Deserialize)]
pub struct Masked {
    pub(super) table: Table,
    pub(super) sharers: Vec<u32>,
    pub(super) held: Vec<Held>,
}

impl std::fmt::Debug for Masked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masked(holds shares of {}, redacted)", self.held.len())
    }
}

/// What a member keeps for another: at most one of the two is ever revealed. Both are empty if the other sealed
/// something that is no pair of shares, which nobody else can see: a member that does so harms itself alone.
#[derive(Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) of: u32,
    pub(super) own: Zeroizing<Vec<u8>>,
    pub(super) root: Zeroizing<Vec<u8>>,
}

/// What others sent.
struct Opened {
    held: Vec<Held>,
    /// Seeds of the masks with those who chose this member.
    incoming: Vec<(u32, MaskSeed)>,
}

impl Held {
    fn open(of: u32, key: &ExchangeKey, info: &[u8], sealed: &[u8]) -> Self {
        let opened = key.open(info, sealed).unwrap_or_default();
        let (pair, rest) = opened.as_chunks::<{ Share::LEN }>();
        let (own, root) = match pair {
            [own, root]
                if rest.is_empty() && [own, root].iter().all(|share| Share::from_bytes(share).is_ok()) =>
            {
                (own.to_vec(), root.to_vec())
            }
            _ => (Vec::new(), Vec::new()),
        };
        Self { of, own: Zeroizing::new(own), root: Zeroizing::new(root) }
    }

    pub(super) fn again(&self) -> Self {
        Self { of: self.of, own: self.own.clone(), root: self.root.clone() }
    }
}

impl Shared {
    /// Opens the pieces of others and masks the vector with everyone among its neighbours who shared.
    ///
    /// # Errors
    /// For pieces that are forged, of strangers or for others; and where fewer members shared than the
    /// round needs, or fewer of this member's neighbours than give a secret back.
    pub fn mask(self, member: &Member<'_>, inbox: &[u8], vector: &[u32]) -> Outcome<Masked, Self> {
        advance(self, |state| {
            let expected = member.round.layout().words();
            if vector.len() != expected {
                return Err(Error::Length { what: "the vector", expected, got: vector.len() });
            }
            let inbox: Inbox = frame::hear(member.round, STEP, inbox)?;
            state.check_sharers(member, &inbox)?;
            let Opened { held, incoming } = state.receive(member, &inbox)?;
            let masks = state.masks(member, &inbox.sharers, incoming);
            let mut words = vector.to_vec();
            apply(&masks, &mut words);
            let sharers = list_digest("sharers", &inbox.sharers);
            let bytes = state.upload(member, &sharers, &words);
            Ok((Masked { table: state.table.clone(), sharers: inbox.sharers, held }, bytes))
        })
    }

    fn check_sharers(&self, member: &Member<'_>, inbox: &Inbox) -> Result<(), Error> {
        let lie = |what| Err(Error::Coordinator { step: STEP, what });
        let sharers = &inbox.sharers;
        if !is_ascending(sharers.iter().copied()) || !sharers.iter().all(|sharer| self.table.has(*sharer)) {
            return lie("sharers that are out of order or not on the roster");
        }
        if sharers.binary_search(&member.number).is_err() {
            return lie("this member shared, and is not among the sharers");
        }
        let too_few = |got, needed| Err(Error::TooFew { step: STEP, got, needed });
        if sharers.len() < self.table.needed as usize {
            return too_few(sharers.len(), self.table.needed as usize);
        }
        let near = self.outgoing.iter().filter(|(to, _)| sharers.binary_search(to).is_ok()).count();
        if near < self.table.threshold as usize {
            return too_few(near, self.table.threshold as usize);
        }
        Ok(())
    }

    /// The shares of others, and the mask seeds that they encapsulated.
    fn receive(&self, member: &Member<'_>, inbox: &Inbox) -> Result<Opened, Error> {
        let lie = |what| Error::Coordinator { step: STEP, what };
        if !is_ascending(inbox.pieces.iter().map(|received| received.from)) {
            return Err(lie("pieces that are out of order or repeated"));
        }
        let (exchange, mask) = (self.secrets.exchange().key(), self.secrets.root().key());
        let mut opened = Opened { held: Vec::new(), incoming: Vec::new() };
        for received in &inbox.pieces {
            let Received { from, piece, .. } = received;
            if piece.to != member.number || *from == member.number {
                return Err(lie("a piece for somebody else"));
            }
            if inbox.sharers.binary_search(from).is_err() {
                return Err(lie("a piece of a member who has not shared"));
            }
            self.check_piece(member, received)?;
            let info = info(member.round, &self.table.digest, *from, member.number);
            let crypto = |source| Error::Crypto { step: STEP, source };
            opened.held.push(Held::open(*from, &exchange, &info, piece.sealed.as_ref()));
            let wrong = Error::Crypto { step: STEP, source: Malformed { what: "encapsulation" } };
            let encapsulation = piece.encapsulation.as_ref().try_into().map_err(|_| wrong)?;
            opened.incoming.push((*from, mask.decapsulate(&info, encapsulation).map_err(crypto)?));
        }
        Ok(opened)
    }

    /// Whether the sender signed this piece among its others.
    fn check_piece(&self, member: &Member<'_>, received: &Received) -> Result<(), Error> {
        let Received { from, piece, digests, signature } = received;
        let digest = piece_digest(member.round, &self.table.digest, *from, piece).0;
        let signed = pieces_statement(member.round, &self.table.digest, *from, digests.as_ref());
        if !digests.as_ref().as_chunks::<32>().0.contains(&digest) {
            return Err(Error::Forged { member: *from, what: "a piece" });
        }
        member.round.group().verify(*from, STEP, "a piece", &signed, signature.as_ref())
    }

    /// The seeds of all masks, and whether to add them: the member's own, which comes off only if it survives, and
    /// one with each neighbour who shared. Where two chose each other, the lower number's counts.
    fn masks(
        &self,
        member: &Member<'_>,
        sharers: &[u32],
        incoming: Vec<(u32, MaskSeed)>,
    ) -> Vec<(MaskSeed, bool)> {
        let own = member.number;
        let chose = |other: u32| self.outgoing.binary_search_by_key(&other, |(to, _)| *to).is_ok();
        let chosen_by: Vec<u32> = incoming.iter().map(|(from, _)| *from).collect();
        let mine = self.outgoing.iter().filter(|(to, _)| {
            sharers.binary_search(to).is_ok() && (own < *to || chosen_by.binary_search(to).is_err())
        });
        let mine = mine.map(|(to, seed)| (MaskSeed::from_secret(seed), adds(own, *to)));
        let theirs = incoming.into_iter().filter(|(from, _)| *from < own || !chose(*from));
        let pairwise = mine.chain(theirs.map(|(from, seed)| (seed, adds(own, from))));
        std::iter::once((self.secrets.own(), true)).chain(pairwise).collect()
    }

    fn upload(&self, member: &Member<'_>, sharers: &Digest, words: &[u32]) -> Vec<u8> {
        let round = member.round;
        let statement = member.sign(&upload_statement(round, &self.table.digest, sharers, member.number));
        frame::seal_with(round, member.identity, member.number, Step::Upload, |out| {
            write_upload(out, &self.table.digest, sharers, &statement, words);
        })
    }
}

/// Adds or subtracts masks; on every core, if there is enough to do.
pub(crate) fn apply(masks: &[(MaskSeed, bool)], words: &mut [u32]) {
    let one = |at: usize, block: &mut [u32]| {
        for (seed, add) in masks {
            if *add {
                seed.add_to(at * BLOCK, block);
            } else {
                seed.subtract_from(at * BLOCK, block);
            }
        }
    };
    if words.len() <= BLOCK {
        one(0, words);
    } else {
        words.par_chunks_mut(BLOCK).enumerate().for_each(|(at, block)| one(at, block));
    }
}
