//! What a federation is, fixed before its first round: who, on which model, under which terms.
//!
//! The owner of a federation writes its charter and signs it. A federation's name is the digest of its charter, so
//! that whoever knows the name knows the members' identities, the coordinator's, the model that training starts from
//! and every setting of every round: a round's plan is derived from charter and [`chain`](crate::chain), never told.

use std::sync::Arc;

use pmirs_crypto::{Context, Identity, PublicIdentity, Signature};
use pmirs_wire::{Bytes, Digest, Message};
use serde::{Deserialize, Serialize};

use crate::clip::AdaptiveClip;
use crate::compress::Compression;
use crate::graph::Rates;
use crate::group::MAX_MEMBERS;
use crate::message::digest;
use crate::model::Manifest;
use crate::optimiser::Rule;
use crate::plan::{Noise, RoundPlan, Training, Weighting};
use crate::{Error, Group};

/// Most rounds of a federation.
pub const MAX_ROUNDS: u32 = 10_000;
/// Most tries at one round.
pub const MAX_ATTEMPTS: u32 = 100;
/// Most bytes of a name.
pub const MAX_NAME: usize = 200;
/// The longest that a step may wait: 30 days, in milliseconds.
pub const MAX_WAIT_MS: u64 = 30 * 24 * 3600 * 1000;

/// What a federation is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Charter {
    /// What people call it.
    pub name: String,
    /// Random, so that the same terms agreed twice are two federations.
    pub nonce: Digest,
    /// The fingerprint of the owner's identity.
    pub owner: Digest,
    /// The fingerprint of the identity that signs what each round gave.
    pub coordinator: Digest,
    /// The model pack that training starts from, in the members' words.
    pub base: String,
    /// What of it trains, in the members' words.
    pub part: String,
    /// The tensors that train.
    pub manifest: Manifest,
    /// The digest of their numbers before the first round.
    pub model: Digest,
    /// The members' encoded public identities; a member's number is its place here.
    pub members: Vec<Bytes>,
    /// How rounds are run.
    pub terms: Terms,
}

impl Message for Charter {
    const NAME: &'static str = "charter";
    const MAX_BYTES: usize = (512 << 10) + MAX_MEMBERS * 1400;
}

/// How the rounds of a federation are run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// How many there are.
    pub rounds: u32,
    /// What each member does with its data.
    pub training: Training,
    /// What the coordinator does with the mean update.
    pub rule: Rule,
    /// Most of a member's update, in L2 norm, in the first round.
    pub clip: f64,
    /// How the clip moves from round to round; it stays where this is nothing.
    pub adaptive: Option<Adaptive>,
    /// Standard deviation of each member's noise over the clip; 0 is none.
    pub noise: f64,
    /// How members with many examples count.
    pub weighting: Weighting,
    /// How updates are made shorter.
    pub compression: Compression,
    /// How many members may vanish or lie.
    pub rates: Rates,
    /// Fewest members whose sum may be revealed.
    pub quorum: u32,
    /// Most members of one round.
    pub cohort: u32,
    /// How long a round waits for more members once there are enough, in milliseconds.
    pub gather_ms: u64,
    /// How long every later step waits, in milliseconds.
    pub step_ms: u64,
    /// Tries at one round before the federation stops.
    pub attempts: u32,
}

/// A clip that follows the updates; see [`AdaptiveClip`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Adaptive {
    /// The share of members aimed at that need no clipping.
    pub quantile: f64,
    /// How fast; 0.2 in the paper.
    pub rate: f64,
    /// The least that the clip becomes.
    pub least: f64,
    /// The most.
    pub largest: f64,
}

impl Adaptive {
    /// The rule.
    ///
    /// # Errors
    /// [`Error::Plan`] for one that is none.
    pub fn rule(&self) -> Result<AdaptiveClip, Error> {
        let Self { quantile, rate, least, largest } = *self;
        AdaptiveClip::new(quantile, rate, least, largest)
            .map_err(|error| wrong("adaptive", format!("{self:?}"), &error.to_string()))
    }
}

impl Charter {
    /// The federation's name: the digest of all of this.
    ///
    /// # Errors
    /// [`Error::Encode`] for a charter above its limit.
    pub fn id(&self) -> Result<Digest, Error> {
        Ok(digest("charter", &[&pmirs_wire::encode(self)?]))
    }

    /// Checks all that can be checked of it alone, and gives the group.
    ///
    /// # Errors
    /// [`Error::Plan`], naming the field.
    pub fn group(&self) -> Result<Arc<Group>, Error> {
        self.check()?;
        let read = |bytes: &Bytes| PublicIdentity::from_bytes(bytes.as_ref());
        let members: Result<Vec<PublicIdentity>, _> = self.members.iter().map(read).collect();
        let members = members.map_err(|error| wrong("members", error.to_string(), "public identities"))?;
        Ok(Arc::new(Group::new(members)?))
    }

    /// Signs it, as its owner.
    ///
    /// # Errors
    /// As [`id`](Self::id).
    pub fn sign(&self, owner: &Identity) -> Result<Signature, Error> {
        Ok(owner.sign(Context::Federated, &self.id()?.0))
    }

    /// Checks its owner's signature.
    ///
    /// # Errors
    /// [`Error::Plan`] where the identity is not the owner's, or has not signed this.
    pub fn verify(&self, owner: &PublicIdentity, signature: &Signature) -> Result<(), Error> {
        if Digest(owner.fingerprint()) != self.owner {
            return Err(wrong("owner", self.owner.to_string(), "the fingerprint of whoever signed"));
        }
        owner
            .verify(Context::Federated, &self.id()?.0, signature)
            .map_err(|_| wrong("signature", "one that does not fit".into(), "the owner's"))
    }

    /// The plan of a round on a model, under a clip.
    pub(crate) fn plan(
        &self,
        federation: Digest,
        number: u32,
        attempt: u32,
        model: Digest,
        clip: f64,
    ) -> RoundPlan {
        let terms = &self.terms;
        let deviation = terms.noise * clip;
        RoundPlan {
            federation,
            number,
            attempt,
            model,
            weights: self.manifest.weights() as u32,
            training: terms.training.clone(),
            clip,
            noise: if deviation > 0.0 { Noise::PerMember { deviation } } else { Noise::None },
            weighting: terms.weighting,
            compression: terms.compression,
            rates: terms.rates,
            quorum: terms.quorum,
            cohort: terms.cohort,
            deadline_ms: 0,
        }
    }

    fn check(&self) -> Result<(), Error> {
        let terms = &self.terms;
        for (field, text) in [("name", &self.name), ("base", &self.base), ("part", &self.part)] {
            if text.is_empty() || text.len() > MAX_NAME || text.chars().any(char::is_control) {
                return Err(wrong(
                    field,
                    format!("{} bytes", text.len()),
                    "1 to 200 bytes without control characters",
                ));
            }
        }
        let within = |field, got: u64, least: u64, most: u64| match got {
            got if (least..=most).contains(&got) => Ok(()),
            got => Err(wrong(field, got.to_string(), &format!("{least} to {most}"))),
        };
        within("rounds", terms.rounds.into(), 1, MAX_ROUNDS.into())?;
        within("attempts", terms.attempts.into(), 1, MAX_ATTEMPTS.into())?;
        within("gather_ms", terms.gather_ms, 1, MAX_WAIT_MS)?;
        within("step_ms", terms.step_ms, 1, MAX_WAIT_MS)?;
        within("manifest", self.manifest.weights() as u64, 1, crate::plan::MAX_WEIGHTS as u64)?;
        if !(terms.noise.is_finite() && terms.noise >= 0.0) {
            return Err(wrong("noise", terms.noise.to_string(), "0 or more"));
        }
        terms.rule.check()?;
        terms.adaptive.map_or(Ok(()), |adaptive| adaptive.rule().map(drop))
    }
}

fn wrong(field: &'static str, got: String, expected: &str) -> Error {
    Error::Plan { field, got, expected: expected.into() }
}
