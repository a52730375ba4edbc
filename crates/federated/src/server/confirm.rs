//! Step 5: survivors confirm the one list of survivors.

use std::collections::BTreeMap;

use pmirs_wire::{Bytes, Digest, Message};

use super::sum::Summed;
use super::{Heard, Mail, Register, Unmasking};
use crate::Error;
use crate::message::{Confirm, Proof, Signed, Step, frame};
use crate::pair::{list_digest, survivors_statement};

const STEP: Step = Step::Confirm;

/// Collects confirmations.
#[derive(Debug)]
pub struct Confirming {
    summed: Summed,
    statement: Digest,
    heard: Register,
    confirmations: BTreeMap<u32, Bytes>,
}

impl Confirming {
    pub(super) fn new(summed: Summed) -> Self {
        let list = list_digest("survivors", &summed.survivors);
        let statement = survivors_statement(&summed.table.round, &summed.table.roster, &summed.view, &list);
        Self { summed, statement, heard: Register::default(), confirmations: BTreeMap::new() }
    }

    /// Takes a survivor's confirmation.
    ///
    /// # Errors
    /// For a message that is not one, of someone who did not survive, or a confirmation of another list.
    pub fn accept(&mut self, bytes: &[u8]) -> Result<Heard, Error> {
        let round = &self.summed.table.round;
        let opened = frame::open(round, STEP, Confirm::MAX_BYTES, bytes)?;
        let member = opened.member;
        if self.summed.survivors.binary_search(&member).is_err() {
            return Err(Error::Stranger { member, step: STEP });
        }
        if self.heard.check(member, STEP, &opened.digest)? == Heard::Again {
            return Ok(Heard::Again);
        }
        let Confirm { signature } = pmirs_wire::decode(opened.body)?;
        round
            .group()
            .verify(member, STEP, "the survivors", &self.statement, signature.as_ref())
            .map_err(|_| Error::OtherView { member, step: STEP, what: "list of survivors" })?;
        self.heard.insert(member, opened.digest);
        self.confirmations.insert(member, signature);
        Ok(Heard::New)
    }

    /// Members that have confirmed.
    pub fn members(&self) -> Vec<u32> {
        self.heard.members()
    }

    /// Members who may confirm: the survivors.
    pub fn expected(&self) -> &[u32] {
        &self.summed.survivors
    }

    pub(super) fn needed(&self) -> usize {
        self.summed.table.parameters.confirmations
    }

    /// Ends the step: a proof for everyone who confirmed.
    ///
    /// # Errors
    /// [`Error::TooFew`] where too few confirmed.
    pub fn close(self) -> Result<(Unmasking, Mail), Error> {
        let needed = self.summed.table.parameters.confirmations;
        self.heard.close(STEP, needed)?;
        // The first suffice, and keep the proofs short.
        let confirmations = self.confirmations.into_iter().take(needed);
        let confirmations: Vec<Signed> =
            confirmations.map(|(member, signature)| Signed { member, signature }).collect();
        let mut chosen_by: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (from, to) in self.summed.graph.encapsulations.keys() {
            chosen_by.entry(*to).or_default().push(*from);
        }
        let mail = self.heard.members().into_iter().map(|to| {
            let chosen_by = chosen_by.get(&to).into_iter().flatten();
            let statements = chosen_by.filter_map(|from| {
                let statement = self.summed.statements.get(from)?;
                Some(Signed { member: *from, signature: Bytes(statement.to_vec()) })
            });
            let proof = Proof { confirmations: confirmations.clone(), statements: statements.collect() };
            Ok((to, frame::announce(&self.summed.table.round, Step::Proof, &proof)?))
        });
        let mail = mail.collect::<Result<_, Error>>()?;
        Ok((Unmasking::new(self.summed, self.heard.members(), chosen_by), mail))
    }
}
