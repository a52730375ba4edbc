//! Who may ask the three servers: what the collection's log says, in statements that owners sign.

use pmirs_crypto::{Context, Identity, sha256};
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::split::{Action, Member, SignedStatement, State, Statement};
use pmirs_wire::{AccountId, Bytes, CollectionId, Digest, encode};

use super::ask::{Parties, is_conflict, pause};
use crate::VaultError;
use crate::history;

/// How often what somebody else overtook is tried again.
pub(crate) const ATTEMPTS: u32 = 24;

impl Parties {
    /// Makes the collection at all three.
    pub(crate) fn found(
        &self,
        collection: CollectionId,
        dim: u32,
        identity: &Identity,
    ) -> Result<State, VaultError> {
        let public = identity.public();
        let account = AccountId(public.fingerprint());
        let owner =
            Member { account, identity: Bytes(public.to_bytes()), role: pmirs_wire::collection::Role::Owner };
        let statement = Statement {
            collection,
            number: 0,
            previous: Digest([0; 32]),
            trio: self.trio(),
            dim,
            author: account,
            members: vec![owner],
            model: None,
        };
        self.govern(&statement, identity)
    }

    /// Has the three know these members from now on; `state` was read before the log was, so that nobody who was removed
    /// meanwhile comes back by it.
    pub(crate) fn tell_members(
        &self,
        state: &State,
        log: &history::State,
        collection: CollectionId,
        identity: &Identity,
    ) -> Result<State, VaultError> {
        let members: Vec<Member> = log
            .members
            .iter()
            .map(|(&account, member)| Member {
                account,
                identity: member.identity.clone(),
                role: member.role,
            })
            .collect();
        let statement = Statement {
            collection,
            number: state.statement + 1,
            previous: state.statement_hash,
            trio: self.trio(),
            dim: state.dim,
            author: AccountId(identity.public().fingerprint()),
            members,
            model: None,
        };
        self.govern(&statement, identity)
    }

    fn govern(&self, statement: &Statement, identity: &Identity) -> Result<State, VaultError> {
        let bytes = encode(statement)?;
        let signature = Bytes(identity.sign(Context::Membership, &bytes).0.to_vec());
        let statement_signed = SignedStatement { statement: Bytes(bytes), signature };
        let action = Action::Govern { statement: statement_signed };
        let order = self.order(statement.collection, action)?;
        let answers = self.ask_all(&order, [const { Bytes(Vec::new()) }; 3])?;
        self.agreed(answers)
    }

    /// Fresh shares of every row at all three; the old ones are erased.
    pub(crate) fn refresh(&self, collection: CollectionId) -> Result<State, VaultError> {
        for attempt in 1.. {
            let base = self.state(collection)?.version;
            let order = self.order(collection, Action::Refresh { base })?;
            match self.ask_all(&order, [const { Bytes(Vec::new()) }; 3]) {
                // Somebody changed the rows meanwhile.
                Err(error) if is_conflict(&error) && attempt < ATTEMPTS => pause(attempt)?,
                answers => return self.agreed(answers?),
            }
        }
        Err(VaultError::Busy)
    }

    /// Erases the collection at all three.
    pub(crate) fn delete(&self, collection: CollectionId) -> Result<(), VaultError> {
        let order = self.order(collection, Action::Delete)?;
        for place in 0..3 {
            match self.ask(place, &order, Bytes(Vec::new()), None) {
                // An earlier attempt may have come so far.
                Err(error) if error.refusal() == Some(ProblemKind::NotFound) => {}
                answer => drop(answer?),
            }
        }
        Ok(())
    }
}

/// What parts pin where none travel.
pub(crate) fn no_parts() -> [Digest; 3] {
    [Digest(sha256(&[])); 3]
}
