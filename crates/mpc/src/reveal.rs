//! Values that all three parties may know.
//!
//! P_i lacks component i+2; both others hold it, and both send it. 1 round, two elements a value and party. Two that
//! differ end the session, naming the pair: the honest party cannot tell which of the two lies.

use crate::error::Error;
use crate::frame::Step;
use crate::party::{Party, Round};
use crate::ring::{Ring, added, pack, unpack};
use crate::role::Role;
use crate::share::{BitShares, Shares};

impl Party {
    /// Opens values to all three parties.
    ///
    /// # Errors
    /// [`Error::Disagree`] when two parties sent different components; or when another party fails.
    pub fn reveal<R: Ring>(&mut self, shares: &Shares<R>) -> Result<Vec<R>, Error> {
        let missing: Vec<R> = self.missing_component(&shares.own, &shares.next)?;
        Ok(added(&added(&shares.own, &shares.next), &missing))
    }

    /// Opens bits to all three parties.
    ///
    /// # Errors
    /// [`Error::Disagree`] when two parties sent different components; or when another party fails.
    pub fn reveal_bits(&mut self, shares: &BitShares) -> Result<Vec<bool>, Error> {
        let missing: Vec<u64> = self.missing_component(&shares.own, &shares.next)?;
        let words = shares.own.iter().zip(&shares.next).zip(&missing).map(|((a, b), c)| a ^ b ^ c);
        let mut bits = Vec::with_capacity(shares.bits.next_multiple_of(64));
        for word in words {
            bits.extend((0..64).map(|place| word >> place & 1 == 1));
        }
        bits.truncate(shares.bits);
        Ok(bits)
    }

    fn missing_component<R: Ring>(&mut self, own: &[R], next: &[R]) -> Result<Vec<R>, Error> {
        let bytes = size_of_val(own);
        let round =
            Round { to_previous: pack(next), to_next: pack(own), from_previous: bytes, from_next: bytes };
        let [from_previous, from_next] = self.exchange(Step::Reveal, round)?;
        if from_previous.bytes() != from_next.bytes() {
            let mut pair: [Role; 2] = [self.role().next(), self.role().previous()];
            pair.sort();
            let error = Error::Disagree { pair };
            self.abort(&error);
            return Err(error);
        }
        Ok(unpack(from_next.bytes(), own.len()))
    }
}
