//! Who may ask the three servers: what the collection's log says, in statements that owners sign.

use pmirs_crypto::{Context, Identity, sha256};
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::split::{Action, Answer, Member, Membership, SignedStatement, State, Statement};
use pmirs_wire::{AccountId, Bytes, CollectionId, Digest, decode, encode};

use super::ask::{Parties, is_conflict, pause};
use super::lies;
use crate::VaultError;
use crate::history;

/// How often what somebody else overtook is tried again.
pub(crate) const ATTEMPTS: u32 = 24;

/// What the three take for the members of a collection.
pub(crate) struct Known {
    pub(crate) statement: Statement,
    hash: Digest,
    /// Whether somebody went since all shares were fresh last.
    pub(crate) stale: bool,
}

/// The members that a collection's log has, as statements list them.
pub(crate) fn members_of(log: &history::State) -> Vec<Member> {
    let list = log.members.iter();
    list.map(|(&account, member)| Member { account, identity: member.identity.clone(), role: member.role })
        .collect()
}

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
        let action = Action::Govern { statement: signed(&statement, identity)? };
        let order = self.order(collection, action)?;
        let answers = self.ask_all(&order, [const { Bytes(Vec::new()) }; 3])?;
        self.agreed(answers)
    }

    /// Hands a first statement to one of the three.
    pub(super) fn found_at(
        &self,
        place: usize,
        statement: &Statement,
        identity: &Identity,
    ) -> Result<State, VaultError> {
        let action = Action::Govern { statement: signed(statement, identity)? };
        let order = self.order(statement.collection, action)?;
        self.read_state(place, self.ask(place, &order, Bytes(Vec::new()), None)?)
    }

    /// Who the three take for members. One that missed a statement hears of it first.
    pub(crate) fn membership(&self, collection: CollectionId) -> Result<Known, VaultError> {
        for attempt in 1.. {
            let order = self.order(collection, Action::Members)?;
            let answers = self.ask_all(&order, [const { Bytes(Vec::new()) }; 3]);
            let [first, second, third] = self.explained(collection, answers)?;
            let first = self.read_membership(0, first)?;
            let others = [self.read_membership(1, second)?, self.read_membership(2, third)?];
            if others.iter().all(|other| other.hash == first.hash) {
                let stale = first.stale || others.iter().any(|other| other.stale);
                return Ok(Known { stale, ..first });
            }
            if attempt == ATTEMPTS {
                break;
            }
            self.meet(collection)?;
            pause(attempt)?;
        }
        Err(lies("of the three", "they go on to have different members"))
    }

    fn read_membership(&self, place: usize, answer: Answer) -> Result<Known, VaultError> {
        let Answer::Members(Membership { statement, stale }) = answer else {
            return Err(lies(self.name(place), "it answers with something else than the members"));
        };
        let hash = Digest(sha256(&encode(&statement)?));
        let read = decode::<Statement>(&statement.statement.0);
        let statement = read.map_err(|error| lies(self.name(place), error))?;
        Ok(Known { statement, hash, stale })
    }

    /// Has the three know these members from now on; `known` was read before the log was, so that nobody who was removed
    /// meanwhile comes back by it.
    pub(crate) fn tell_members(
        &self,
        known: &Known,
        members: Vec<Member>,
        identity: &Identity,
    ) -> Result<(), VaultError> {
        let statement = Statement {
            number: known.statement.number + 1,
            previous: known.hash,
            author: AccountId(identity.public().fingerprint()),
            members,
            ..known.statement.clone()
        };
        let signed = signed(&statement, identity)?;
        let hash = Digest(sha256(&encode(&signed)?));
        let order = self.order(statement.collection, Action::Govern { statement: signed })?;
        // Of two statements of one number the first takes one, and the others follow its word.
        let receipt = self.receipt(0, self.ask(0, &order, Bytes(Vec::new()), None)?, hash)?;
        let word = Bytes(encode(&receipt)?);
        let told = [1, 2].map(|place| self.ask(place, &order, Bytes(Vec::new()), Some(word.clone())));
        told.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// Fresh shares of every row at all three; the old ones are erased.
    pub(crate) fn refresh(&self, collection: CollectionId) -> Result<State, VaultError> {
        for attempt in 1.. {
            let base = self.state(collection)?.version;
            let order = self.order(collection, Action::Refresh { base })?;
            let answers = self.ask_all(&order, [const { Bytes(Vec::new()) }; 3]);
            match self.explained(collection, answers) {
                // Somebody changed the rows meanwhile.
                Err(error) if is_conflict(&error) && attempt < ATTEMPTS => pause(attempt)?,
                answers => return self.settled(collection, answers?),
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

fn signed(statement: &Statement, identity: &Identity) -> Result<SignedStatement, VaultError> {
    let bytes = encode(statement)?;
    let signature = Bytes(identity.sign(Context::Membership, &bytes).0.to_vec());
    Ok(SignedStatement { statement: Bytes(bytes), signature })
}

/// What parts pin where none travel.
pub(crate) fn no_parts() -> [Digest; 3] {
    [Digest(sha256(&[])); 3]
}
