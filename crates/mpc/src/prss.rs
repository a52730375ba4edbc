//! Common randomness of two parties without a message: pseudo-random secret sharing (Cramer, Damgård, Ishai 2005).
//!
//! Share number i is held by P_i and by the party before it, and so is key number i. P_i therefore has two streams:
//! one in common with the previous party (key i), one with the next (key i+1). Three parties that each take the pair
//! (F(key i), F(key i+1)) hold replicated shares of a random value; three that take F(key i) - F(key i+1) hold
//! additive parts of zero.
//!
//! A draw is addressed by step, round and lane, and an address is served once: a second draw is an error, in every
//! build. Round numbers are those of the frames, so parties that lost step notice by the labels.

use std::collections::HashSet;

use pmirs_crypto::{HalfKey, PairKey, PairStream};
use rayon::prelude::*;

use crate::error::Error;
use crate::frame::{SessionId, Step};
use crate::ring::Ring;
use crate::role::{Role, Side};

/// Bytes that are drawn at once: they stay in the first cache until they are read as ring elements.
const CHUNK: usize = 8 << 10;
/// Bytes above which both cores draw.
const LARGE: usize = 256 << 10;

/// A party's keys with its two neighbours.
pub struct PairKeys {
    /// In common with the previous party.
    pub previous: PairKey,
    /// In common with the next party.
    pub next: PairKey,
}

impl PairKeys {
    /// What binds a half key to its direction: the context (an agreement's number, a collection), from whom, to whom.
    pub fn exchange_info(context: &[u8], from: Role, to: Role) -> Vec<u8> {
        [b"pmirs/mpc/pair/v1\0", context, &[0, from as u8, to as u8]].concat()
    }

    /// The key that `here` and `other` have in common, from the half that each sent the other
    /// ([`HalfKey::send`], [`HalfKey::receive`]).
    pub fn join(here: Role, other: Role, sent: HalfKey, received: HalfKey) -> PairKey {
        if here < other { PairKey::join(sent, received) } else { PairKey::join(received, sent) }
    }
}

/// Where a draw lies: no two draws of a session have the same address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) step: Step,
    pub(crate) round: u32,
    pub(crate) lane: u8,
}

impl Address {
    fn position(self) -> u64 {
        u64::from(self.step as u8) << 56 | u64::from(self.lane) << 48 | u64::from(self.round)
    }
}

/// The streams of one session, and which of their addresses were served.
pub(crate) struct Prss {
    previous: PairStream,
    next: PairStream,
    served: [HashSet<Address>; 2],
    /// A planted mistake for the tests of views: every draw of a lane starts at the same place.
    #[cfg(test)]
    pub(crate) stuck: bool,
}

impl Prss {
    pub(crate) fn new(keys: &PairKeys, session: &SessionId) -> Self {
        Self {
            previous: keys.previous.stream(session),
            next: keys.next.stream(session),
            served: [HashSet::new(), HashSet::new()],
            #[cfg(test)]
            stuck: false,
        }
    }

    /// `count` elements that this party and its neighbour at `side` draw alike.
    pub(crate) fn draw<R: Ring>(
        &mut self,
        side: Side,
        address: Address,
        count: usize,
    ) -> Result<Vec<R>, Error> {
        let [of_previous, of_next] = &mut self.served;
        let (stream, served) = match side {
            Side::Previous => (&self.previous, of_previous),
            Side::Next => (&self.next, of_next),
        };
        let Address { step, round, lane } = address;
        if !served.insert(address) {
            return Err(Error::ReusedRandomness { step, round, lane });
        }
        let position = address.position();
        #[cfg(test)]
        let position = if self.stuck { 0 } else { position };
        let mut values = vec![R::default(); count];
        let per_chunk = CHUNK / R::BYTES;
        let fill = |(index, chunk): (usize, &mut [R])| {
            let mut bytes = [0; CHUNK];
            let (bytes, _) = bytes.split_at_mut(chunk.len() * R::BYTES);
            stream.fill(position, (index * (CHUNK / 16)) as u64, bytes);
            R::read(bytes, chunk);
        };
        if count * R::BYTES < LARGE {
            values.chunks_mut(per_chunk).enumerate().for_each(fill);
        } else {
            values.par_chunks_mut(per_chunk).enumerate().for_each(fill);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prss() -> Prss {
        let keys =
            PairKeys { previous: PairKey::from_secret(&[1; 32]), next: PairKey::from_secret(&[2; 32]) };
        Prss::new(&keys, &[3; 32])
    }

    const ADDRESS: Address = Address { step: Step::Reshare, round: 7, lane: 0 };

    #[test]
    fn an_address_is_served_once() {
        let mut prss = prss();
        let first: Vec<u64> = prss.draw(Side::Next, ADDRESS, 4).unwrap();
        let again = prss.draw::<u64>(Side::Next, ADDRESS, 4);
        assert_eq!(again, Err(Error::ReusedRandomness { step: Step::Reshare, round: 7, lane: 0 }));
        let others = [
            Address { round: 8, ..ADDRESS },
            Address { lane: 1, ..ADDRESS },
            Address { step: Step::Reveal, ..ADDRESS },
        ];
        for other in others {
            assert_ne!(prss.draw::<u64>(Side::Next, other, 4).unwrap(), first, "{other:?}");
        }
        assert_ne!(prss.draw::<u64>(Side::Previous, ADDRESS, 4).unwrap(), first, "the other neighbour's key");
    }

    #[test]
    fn three_identities_agree_on_three_keys() {
        let mut rng = pmirs_crypto::Prg::new(&[5; 32], b"exchange");
        let identities = Role::ALL
            .map(|_| pmirs_crypto::Identity::from_seed(&pmirs_crypto::IdentitySeed::generate(&mut rng)));
        // What each sends each: the bytes, and its half.
        let mut send = |from: Role, to: Role| {
            let info = PairKeys::exchange_info(b"collection", from, to);
            HalfKey::send(&mut rng, &identities[to.index()].public(), &info)
        };
        for role in Role::ALL {
            let next = role.next();
            let (to_next, forward) = send(role, next);
            let (to_role, backward) = send(next, role);
            let receive = |from: Role, to: Role, bytes| {
                let info = PairKeys::exchange_info(b"collection", from, to);
                HalfKey::receive(&identities[to.index()], &info, bytes).unwrap()
            };
            let here = PairKeys::join(role, next, forward, receive(next, role, &to_role));
            let there = PairKeys::join(next, role, backward, receive(role, next, &to_next));
            assert!(here == there, "{role} and {next}");
        }
    }

    #[test]
    fn a_long_draw_begins_like_a_short_one() {
        let short: Vec<u32> = prss().draw(Side::Next, ADDRESS, 10).unwrap();
        let long: Vec<u32> = prss().draw(Side::Next, ADDRESS, 300_000).unwrap();
        assert_eq!(short, long[..10]);
        let (head, tail) = long.split_at(CHUNK / 4);
        assert_ne!(head[..8], tail[..8], "chunks continue the stream, they do not repeat it");
    }
}
