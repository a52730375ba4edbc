//! A coordinator written out, that checks nothing and says what it likes to whom it likes; members that work for it
//! answer it as often as it asks.

use std::collections::BTreeMap;

use pmirs_crypto::{Identity, Prg, sha256};
use pmirs_federated::client::{self, Masked, Member, Progress};
use pmirs_federated::message::{
    Adverts, Confirm, Inbox, Piece, Proof, Received, Reveal, Roster, Seat, Shares, Signed, Step, Survivors,
    Wanted,
};
use pmirs_federated::{Error, Round};
use pmirs_wire::{Bytes, Digest, Message};

use super::{HEAD, digest};

/// Members at the step before they are told who survived, and what they sent.
pub struct Hostile<'a> {
    round: &'a Round,
    identities: &'a [Identity],
    masked: BTreeMap<u32, Vec<u8>>,
    statements: BTreeMap<u32, Vec<u8>>,
    /// Who gave each member a share.
    pub holders: BTreeMap<u32, Vec<u32>>,
}

/// A coordinator's frame.
pub fn announce<M: Message>(round: &Round, step: Step, message: &M) -> Vec<u8> {
    let head = [&[1, step as u8], round.id().0.as_slice(), &u32::MAX.to_be_bytes()].concat();
    [head, pmirs_wire::encode(message).unwrap()].concat()
}

/// What a member's frame says.
pub fn read<M: Message>(frame: &[u8]) -> M {
    pmirs_wire::decode(&frame[HEAD..frame.len() - 64]).unwrap()
}

/// The seat that an advert gives.
pub fn seat(member: u32, advert: &[u8]) -> Seat {
    let (frame, signature) = advert.split_at(advert.len() - 64);
    let body = &frame[HEAD..];
    Seat {
        member,
        advert: Digest(sha256(body)),
        length: body.len() as u32,
        signature: Bytes(signature.to_vec()),
    }
}

impl<'a> Hostile<'a> {
    /// Runs the members of this roster as far as their uploads, with as many neighbours and shares as the coordinator
    /// says.
    pub fn run(
        round: &'a Round,
        identities: &'a [Identity],
        roster: &[u32],
        neighbours: u32,
        threshold: u32,
    ) -> Result<Self, Error> {
        let seat_of = |member: u32| Member::new(round, &identities[member as usize]).unwrap();
        let coins = |member: u32, step: Step| Prg::new(&[member as u8; 32], &[step as u8]);
        let advertised: BTreeMap<u32, _> = roster
            .iter()
            .map(|member| {
                (*member, client::advertise(&mut coins(*member, Step::Advert), &seat_of(*member)).unwrap())
            })
            .collect();
        let seats = advertised.iter().map(|(member, (_, advert))| seat(*member, advert)).collect();
        let said = announce(round, Step::Roster, &Roster { neighbours, threshold, seats });
        let adverts: BTreeMap<u32, Vec<u8>> =
            advertised.iter().map(|(member, (_, advert))| (*member, advert.clone())).collect();
        let (mut shared, mut shares) = (BTreeMap::new(), BTreeMap::new());
        for (member, (state, _)) in advertised {
            let (mut rng, place) = (coins(member, Step::Shares), seat_of(member));
            let (state, wanted) = state.choose(&mut rng, &place, &said).map_err(|refused| refused.error)?;
            let wanted: Wanted = read(&wanted);
            let frames = wanted.members.iter().map(|other| Bytes(adverts[other].clone())).collect();
            let given = announce(round, Step::Adverts, &Adverts { frames });
            let (state, sent) = state.share(&mut rng, &place, &given).map_err(|refused| refused.error)?;
            shared.insert(member, state);
            shares.insert(member, read::<Shares>(&sent));
        }
        let mut hostile = Self {
            round,
            identities,
            masked: BTreeMap::new(),
            statements: BTreeMap::new(),
            holders: BTreeMap::new(),
        };
        for (member, state) in shared {
            let pieces = received(round, member, &shares);
            hostile.holders.insert(member, pieces.iter().map(|piece| piece.from).collect());
            let inbox = announce(round, Step::Inbox, &Inbox { sharers: roster.to_vec(), pieces });
            let vector = vec![0; round.layout().words()];
            let (state, upload) =
                state.mask(&seat_of(member), &inbox, &vector).map_err(|refused| refused.error)?;
            hostile.masked.insert(member, Progress::Masked(state).to_bytes().unwrap().to_vec());
            hostile.statements.insert(member, upload[HEAD + 65..HEAD + 129].to_vec());
        }
        Ok(hostile)
    }

    /// What these members reveal to each other's confirmations of these survivors.
    pub fn reveals(&self, confirmers: &[u32], survivors: &[u32]) -> BTreeMap<u32, Result<Reveal, Error>> {
        let list = announce(self.round, Step::Survivors, &Survivors { members: survivors.to_vec() });
        let mut confirmed = BTreeMap::new();
        let mut confirmations = Vec::new();
        let mut reveals = BTreeMap::new();
        for member in confirmers {
            match self.masked(*member).confirm(&self.seat(*member), &list) {
                Ok((state, confirm)) => {
                    let Confirm { signature } = read(&confirm);
                    confirmations.push(Signed { member: *member, signature });
                    confirmed.insert(*member, state);
                }
                Err(refused) => drop(reveals.insert(*member, Err(refused.error))),
            }
        }
        for (member, state) in confirmed {
            let stated = self.holders[&member].iter().filter(|of| survivors.contains(of));
            let statements = stated
                .map(|of| Signed { member: *of, signature: Bytes(self.statements[of].clone()) })
                .collect();
            let proof = Proof { confirmations: confirmations.clone(), statements };
            let proof = announce(self.round, Step::Proof, &proof);
            let revealed = state.reveal(&self.seat(member), &proof);
            reveals
                .insert(member, revealed.map(|((), reveal)| read(&reveal)).map_err(|refused| refused.error));
        }
        reveals
    }

    fn seat(&self, member: u32) -> Member<'_> {
        Member::new(self.round, &self.identities[member as usize]).unwrap()
    }

    /// The member's state once more, as one that works for the coordinator keeps it.
    fn masked(&self, member: u32) -> Masked {
        match Progress::from_bytes(&self.masked[&member]).unwrap() {
            Progress::Masked(state) => state,
            other => panic!("{other:?}"),
        }
    }
}

/// All pieces for one member.
fn received(round: &Round, to: u32, shares: &BTreeMap<u32, Shares>) -> Vec<Received> {
    let of = |(from, shares): (&u32, &Shares)| {
        let piece = shares.pieces.iter().find(|piece| piece.to == to)?.clone();
        let digests =
            shares.pieces.iter().flat_map(|piece| piece_digest(round, &shares.roster, *from, piece));
        let (digests, signature) = (Bytes(digests.collect()), shares.signature.clone());
        Some(Received { from: *from, piece, digests, signature })
    };
    shares.iter().filter_map(of).collect()
}

/// What binds a piece to round, roster, sender and receiver.
pub fn pair(round: &Round, roster: &Digest, from: u32, to: u32) -> [u8; 32] {
    digest("pair", &[&round.id().0, &roster.0, &from.to_be_bytes(), &to.to_be_bytes()])
}

/// A digest of a piece and of those it is for.
pub fn piece_digest(round: &Round, roster: &Digest, from: u32, piece: &Piece) -> [u8; 32] {
    let pair = pair(round, roster, from, piece.to);
    digest("piece", &[&pair, piece.encapsulation.as_ref(), piece.sealed.as_ref()])
}
