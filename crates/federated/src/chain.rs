//! What the rounds of a federation gave, one record behind the other, each signed by the coordinator and naming the
//! one before: the end of the chain names the model that they led to.
//!
//! ```text
//! charter ─▶ record 0 ─▶ record 1 ─▶ …          record n = H(n − 1), round's name, survivors, clip's share, model after it
//! ```
//!
//! Both sides keep one. The coordinator's is what it resumes from; a member's is what it believes: the next round's plan
//! follows from charter and chain alone, so a coordinator can only say which try it is.

use std::sync::Arc;

use pmirs_crypto::{Context, Identity, PublicIdentity, Signature};
use pmirs_wire::{Bytes, Digest, Message};
use serde::{Deserialize, Serialize};

use crate::charter::{Charter, MAX_ATTEMPTS};
use crate::clip::Aggregate;
use crate::group::MAX_MEMBERS;
use crate::message::digest;
use crate::optimiser::Optimiser;
use crate::server::Revealed;
use crate::{Error, Group, Round};

/// What one round gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The federation.
    pub federation: Digest,
    /// Hash of the record before; the federation's name for the first.
    pub previous: Digest,
    /// The round's number.
    pub number: u32,
    /// The try that came through.
    pub attempt: u32,
    /// The round's name: a digest of its plan and group.
    pub round: Digest,
    /// Whose updates are in the sum.
    pub survivors: Vec<u32>,
    /// The sum was longer than honest members can make it, and changed nothing.
    pub discarded: bool,
    /// The members' mean loss, as far as noise lets it show.
    pub loss: f64,
    /// The members' mean quality on pairs of their own that they held back, as far as noise lets it show; ½ stands for
    /// those who told none.
    pub quality: f64,
    /// The share of members whose update needed no clipping.
    pub within: f64,
    /// The L2 norm of the mean update.
    pub norm: f64,
    /// The digest of the weights after this round.
    pub model: Digest,
    /// When it ended, by the coordinator's clock, in milliseconds since 1970.
    pub ended_ms: u64,
}

impl Message for Record {
    const NAME: &'static str = "record of a round";
    const MAX_BYTES: usize = (1 << 10) + MAX_MEMBERS * 5;
}

/// A record's bytes and the coordinator's signature on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRecord {
    /// The encoded [`Record`].
    pub record: Bytes,
    /// Ed25519.
    pub signature: Bytes,
}

impl Message for SignedRecord {
    const NAME: &'static str = "signed record of a round";
    const MAX_BYTES: usize = Record::MAX_BYTES + 256;
}

/// A charter and all that followed from it so far, checked.
#[derive(Debug, Clone)]
pub struct Chain {
    charter: Arc<Charter>,
    id: Digest,
    group: Arc<Group>,
    coordinator: PublicIdentity,
    head: Digest,
    next: u32,
    model: Digest,
    clip: f64,
}

impl Chain {
    /// A federation before its first round.
    ///
    /// # Errors
    /// [`Error::Plan`] for a charter that no federation can be run by, or another coordinator than it names;
    /// [`Error::NoGraph`] where its largest roster cannot aggregate safely.
    pub fn begin(charter: Charter, coordinator: PublicIdentity) -> Result<Self, Error> {
        if Digest(coordinator.fingerprint()) != charter.coordinator {
            let got = Digest(coordinator.fingerprint()).to_string();
            return Err(Error::Plan { field: "coordinator", got, expected: charter.coordinator.to_string() });
        }
        let (group, id) = (charter.group()?, charter.id()?);
        let (model, clip) = (charter.model, charter.terms.clip);
        let chain =
            Self { charter: Arc::new(charter), id, group, coordinator, head: id, next: 0, model, clip };
        let round = chain.round(0)?;
        // What no roster can aggregate would otherwise be found out only when all had come.
        round.parameters(round.plan().cohort as usize)?;
        Ok(chain)
    }

    /// The charter.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The federation's name.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// The members.
    pub fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// The hash of the latest record, or the federation's name.
    pub fn head(&self) -> Digest {
        self.head
    }

    /// The number of the round that is due: as many as there are records.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// The digest of the weights that it starts from, or ended with.
    pub fn model(&self) -> Digest {
        self.model
    }

    /// The clip of the round that is due.
    pub fn clip(&self) -> f64 {
        self.clip
    }

    /// Whether all rounds are done.
    pub fn is_complete(&self) -> bool {
        self.next >= self.charter.terms.rounds
    }

    /// The round that is due, at this try.
    ///
    /// # Errors
    /// [`Error::Plan`] where the charter allows no such round.
    pub fn round(&self, attempt: u32) -> Result<Round, Error> {
        if attempt >= MAX_ATTEMPTS {
            let (got, expected) = (attempt.to_string(), format!("below {MAX_ATTEMPTS}"));
            return Err(Error::Plan { field: "attempt", got, expected });
        }
        let plan = self.charter.plan(self.id, self.next, attempt, self.model, self.clip);
        Round::new(plan, self.group.clone())
    }

    /// What a round's sum makes of the model: moves weights and optimiser, and writes the record. A sum that honest
    /// members cannot have given changes neither.
    ///
    /// # Errors
    /// For a sum or weights of another length; nothing has changed then.
    pub fn conclude(
        &self,
        round: &Round,
        revealed: &Revealed,
        weights: &mut [f32],
        optimiser: &mut Optimiser,
        ended_ms: u64,
    ) -> Result<Record, Error> {
        let aggregate = Aggregate::decode(round, &revealed.sum, revealed.survivors.len())?;
        let discarded = !aggregate.is_plausible(round);
        if !discarded {
            optimiser.step(weights, &aggregate.mean)?;
        }
        let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
        Ok(Record {
            federation: self.id,
            previous: self.head,
            number: self.next,
            attempt: round.plan().attempt,
            round: round.id(),
            survivors: revealed.survivors.clone(),
            discarded,
            loss: finite(aggregate.loss),
            quality: finite(aggregate.quality),
            within: finite(aggregate.within),
            norm: finite(aggregate.norm),
            model: self.charter.manifest.digest(weights)?,
            ended_ms,
        })
    }

    /// Signs a record, as the coordinator.
    ///
    /// # Errors
    /// [`Error::Encode`] above its limit.
    pub fn sign(record: &Record, coordinator: &Identity) -> Result<SignedRecord, Error> {
        let record = pmirs_wire::encode(record)?;
        let signature = coordinator.sign(Context::Federated, &statement(&record).0);
        Ok(SignedRecord { record: Bytes(record), signature: Bytes(signature.0.to_vec()) })
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// [`Error::Record`] for one that does not follow the head, is of another round than the charter gives, or is not
    /// signed by the coordinator; the chain stays as it was.
    pub fn append(&mut self, signed: &SignedRecord) -> Result<Record, Error> {
        let number = self.next;
        let wrong = |what| Error::Record { number, what };
        let statement = statement(signed.record.as_ref());
        let signature: [u8; 64] = signed.signature.as_ref().try_into().map_err(|_| wrong("no signature"))?;
        self.coordinator
            .verify(Context::Federated, &statement.0, &Signature(signature))
            .map_err(|_| wrong("not signed by the coordinator"))?;
        let record: Record = pmirs_wire::decode(signed.record.as_ref())?;
        if record.federation != self.id || record.previous != self.head || record.number != number {
            return Err(wrong("it does not follow the one before"));
        }
        if self.is_complete() {
            return Err(wrong("all rounds are done"));
        }
        if record.round != self.round(record.attempt)?.id() {
            return Err(wrong("its plan is not the one that charter and chain give"));
        }
        if record.discarded && record.model != self.model {
            return Err(wrong("a round that was discarded changed the model"));
        }
        let adaptive = self.charter.terms.adaptive.map(|adaptive| adaptive.rule()).transpose()?;
        let clip = adaptive.map_or(self.clip, |adaptive| adaptive.next(self.clip, record.within));
        self.head = digest("chain", &[signed.record.as_ref(), &signature]);
        self.model = record.model;
        self.clip = clip;
        self.next += 1;
        Ok(record)
    }
}

/// What the coordinator signs.
fn statement(record: &[u8]) -> Digest {
    digest("record", &[record])
}
