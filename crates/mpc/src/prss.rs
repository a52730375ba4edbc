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

use pmirs_crypto::{PairKey, PairStream};
use rayon::prelude::*;

use crate::error::Error;
use crate::frame::{SessionId, Step};
use crate::ring::Ring;
use crate::role::Side;

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
