//! Step 6: shares for the masks of the confirmed survivors, and of no others.

use pmirs_wire::Bytes;

use super::confirm::Confirmed;
use super::{Member, Outcome, advance};
use crate::Error;
use crate::message::{Proof, Reveal, Signed, Step, frame};
use crate::pair::{is_ascending, upload_statement};

const STEP: Step = Step::Proof;

impl Confirmed {
    /// Reveals one share of every member that gave this one a piece: of its own mask's seed if it survived,
    /// of its root if it did not. The state is gone then: the round is over for this member, who keeps the
    /// message until it has arrived.
    ///
    /// # Errors
    /// For a proof with too few or forged confirmations, and where a survivor whose share this member holds
    /// did not state that it masked for the same sharers.
    pub fn reveal(self, member: &Member<'_>, proof: &[u8]) -> Outcome<(), Self> {
        advance(self, |state| {
            let proof: Proof = frame::hear(member.round, STEP, proof)?;
            state.check_confirmations(member, &proof.confirmations)?;
            state.check_statements(member, &proof.statements)?;
            let shares = state.held.iter().map(|held| {
                let survived = state.survivors.binary_search(&held.of).is_ok();
                let share = if survived { &held.own } else { &held.root };
                (held.of, Bytes(share.to_vec()))
            });
            let reveal = Reveal { shares: shares.collect() };
            let bytes = frame::seal(member.round, member.identity, member.number, Step::Reveal, &reveal)?;
            Ok(((), bytes))
        })
    }

    fn check_confirmations(&self, member: &Member<'_>, confirmations: &[Signed]) -> Result<(), Error> {
        let ascending = is_ascending(confirmations.iter().map(|signed| signed.member));
        let survivor = |signed: &Signed| self.survivors.binary_search(&signed.member).is_ok();
        if !ascending || !confirmations.iter().all(survivor) {
            let what = "confirmations that are out of order, repeated or not of survivors";
            return Err(Error::Coordinator { step: STEP, what });
        }
        let (got, needed) = (confirmations.len(), self.table.confirmations as usize);
        if got < needed {
            return Err(Error::TooFew { step: STEP, got, needed });
        }
        confirmations.iter().try_for_each(|signed| {
            let signature = signed.signature.as_ref();
            member.round.group().verify(signed.member, STEP, "the survivors", &self.statement, signature)
        })
    }

    fn check_statements(&self, member: &Member<'_>, statements: &[Signed]) -> Result<(), Error> {
        let survived = |of: &u32| self.survivors.binary_search(of).is_ok();
        let expected = self.held.iter().map(|held| held.of).filter(survived);
        if !expected.eq(statements.iter().map(|signed| signed.member)) {
            let what = "not one upload statement for each survivor who shared with this member";
            return Err(Error::Coordinator { step: STEP, what });
        }
        statements.iter().try_for_each(|signed| {
            let stated = upload_statement(member.round, &self.table.digest, &self.sharers, signed.member);
            let signature = signed.signature.as_ref();
            member.round.group().verify(signed.member, STEP, "an upload", &stated, signature)
        })
    }
}
