//! What a round asks of its members, as data: announced by the coordinator, shown to a member before it
//! consents.

use pmirs_wire::{Digest, Message};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::compress::Compression;
use crate::graph::{Attendance, Rates};
use crate::group::MAX_MEMBERS;

/// Most weights that a round trains.
pub const MAX_WEIGHTS: usize = 1 << 26;
/// Most steps of one member in one round.
pub const MAX_LOCAL_STEPS: u32 = 1 << 20;
/// Most examples of one step.
pub const MAX_BATCH: u32 = 1 << 16;

/// One round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoundPlan {
    /// The federation that the round belongs to.
    pub federation: Digest,
    /// The round's number, from 0.
    pub number: u32,
    /// Which try at this number: a round that failed is tried again under another name.
    pub attempt: u32,
    /// Digest of the global weights that training starts from.
    pub model: Digest,
    /// How many weights train.
    pub weights: u32,
    /// What each member does with its data.
    pub training: Training,
    /// Most of a member's update, in L2 norm; longer ones are scaled down to it.
    pub clip: f64,
    /// What is added to each member's update inside the mask.
    pub noise: Noise,
    /// How members with many examples count.
    pub weighting: Weighting,
    /// How updates are made shorter.
    pub compression: Compression,
    /// How many members may vanish or lie.
    pub rates: Rates,
    /// Fewest survivors that may be named, corrupt ones among them; how many honest members a sum then has for certain is
    /// [`Round::fewest_honest`](crate::Round::fewest_honest).
    pub quorum: u32,
    /// Most members that may take part.
    pub cohort: u32,
    /// When the coordinator stops waiting, in milliseconds since 1970. This crate reads no clock; its callers
    /// do.
    pub deadline_ms: u64,
}

impl Message for RoundPlan {
    const NAME: &'static str = "round plan";
    const MAX_BYTES: usize = 4 << 10;
}

/// Local training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Optimiser steps on the member's own data.
    pub local_steps: u32,
    /// Examples of one step.
    pub batch: u32,
    /// The local learning rate over the federation's rounds.
    pub schedule: Schedule,
    /// FedProx's μ (Li et al. 2020): the loss gains μ/2 · ‖w − w_global‖². 0 is FedAvg.
    pub proximal: f64,
}

/// A learning rate by round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Schedule {
    /// The same in every round.
    Constant {
        /// The rate.
        rate: f64,
    },
    /// Falls along half a cosine to `last` at round `rounds`.
    Cosine {
        /// The rate of round 0.
        rate: f64,
        /// The rate of the end.
        last: f64,
        /// Rounds until then.
        rounds: u32,
    },
    /// Multiplied by `factor` every `every` rounds.
    Step {
        /// The rate of round 0.
        rate: f64,
        /// The factor.
        factor: f64,
        /// Rounds between two changes.
        every: u32,
    },
}

impl Schedule {
    /// The rate of a round.
    pub fn rate(&self, round: u32) -> f64 {
        match *self {
            Self::Constant { rate } => rate,
            Self::Cosine { rate, last, rounds } => {
                let done = f64::from(round.min(rounds)) / f64::from(rounds.max(1));
                last + (rate - last) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
            Self::Step { rate, factor, every } => {
                rate * factor.powi((round / every.max(1)).min(1 << 20) as i32)
            }
        }
    }

    fn is_sound(&self) -> bool {
        let (Self::Constant { rate } | Self::Cosine { rate, .. } | Self::Step { rate, .. }) = *self;
        let other = match *self {
            Self::Constant { .. } => 0.0,
            Self::Cosine { last, .. } => last,
            Self::Step { factor, .. } => factor,
        };
        [rate, other].iter().all(|value| value.is_finite() && *value >= 0.0)
    }
}

/// Noise of one member, in every word that it sends: discrete Gaussian, drawn by the round's
/// [`Guarantee`](crate::private::Guarantee), which says what it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Noise {
    /// None.
    None,
    /// Integers with this standard deviation in the update's own units.
    PerMember {
        /// The standard deviation.
        deviation: f64,
    },
}

impl Noise {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.deviation() == 0.0
    }

    /// The noise of a round whose clip is this many times as large, worth as much.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        match *self {
            Self::None => Self::None,
            Self::PerMember { deviation } => Self::PerMember { deviation: deviation * factor },
        }
    }

    /// The standard deviation of one member's noise, in the update's units.
    pub fn deviation(&self) -> f64 {
        match *self {
            Self::None => 0.0,
            Self::PerMember { deviation } => deviation,
        }
    }
}

/// How much a member's update counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Weighting {
    /// All alike: what differential privacy for members needs.
    Uniform,
    /// In proportion to its examples, up to this many.
    Examples {
        /// Examples that count fully.
        full: u32,
    },
}

impl Weighting {
    /// A member's weight, 0 to 1.
    pub fn weight(&self, examples: u64) -> f64 {
        match *self {
            Self::Uniform => 1.0,
            Self::Examples { full } => (examples as f64 / f64::from(full.max(1))).min(1.0),
        }
    }
}

impl RoundPlan {
    /// The same plan with another clip, and noise that is worth as much beside it.
    #[must_use]
    pub fn with_clip(self, clip: f64) -> Self {
        Self { noise: self.noise.scaled(clip / self.clip), clip, ..self }
    }

    /// A roster of so many members of a group of this size.
    pub(crate) fn attendance(&self, group: usize, members: usize) -> Attendance {
        let (dropout, corrupt) = (self.rates.dropouts(members), self.rates.corrupted(group));
        Attendance { members, dropout, corrupt, quorum: self.quorum as usize }
    }

    /// As [`Round::fewest_honest`](crate::Round::fewest_honest).
    pub(crate) fn fewest_honest(&self, group: usize) -> usize {
        let least = Attendance::smallest(self.quorum as usize, self.rates.corrupted(group));
        self.attendance(group, least).fewest_honest()
    }

    /// Whether a round can be run like this in a group of so many members.
    pub(crate) fn check(&self, group: usize) -> Result<(), Error> {
        let wrong = |field, got: String, expected: String| Err(Error::Plan { field, got, expected });
        let (cohort, quorum) = (self.cohort as usize, self.quorum as usize);
        if !(1..=MAX_WEIGHTS).contains(&(self.weights as usize)) {
            return wrong("weights", self.weights.to_string(), format!("1 to {MAX_WEIGHTS}"));
        }
        if !(3..=group.min(MAX_MEMBERS)).contains(&cohort) {
            return wrong("cohort", cohort.to_string(), format!("3 to {group}"));
        }
        if !(2..=cohort).contains(&quorum) {
            return wrong("quorum", quorum.to_string(), format!("2 to {cohort}"));
        }
        if !(self.clip.is_finite() && self.clip > 0.0) {
            return wrong("clip", self.clip.to_string(), "a positive number".into());
        }
        let noise = self.noise.deviation();
        if !(noise.is_finite() && noise >= 0.0) {
            return wrong("noise", noise.to_string(), "0 or more".into());
        }
        if noise > 0.0 && self.weighting != Weighting::Uniform {
            return wrong("weighting", format!("{:?}", self.weighting), "Uniform beside noise".into());
        }
        if noise > 0.0 && self.compression.lanes() > 1 {
            return wrong(
                "compression",
                format!("{:?}", self.compression),
                "whole words beside noise".into(),
            );
        }
        let training = &self.training;
        if !(training.proximal.is_finite() && training.proximal >= 0.0 && training.schedule.is_sound()) {
            return wrong("training", format!("{training:?}"), "rates of 0 or more".into());
        }
        for (field, got, most) in
            [("local_steps", training.local_steps, MAX_LOCAL_STEPS), ("batch", training.batch, MAX_BATCH)]
        {
            if got > most {
                return wrong(field, got.to_string(), format!("at most {most}"));
            }
        }
        self.compression.check(self.weights as usize)?;
        self.rates.check()?;
        let corrupt = self.rates.corrupted(group);
        let least = Attendance::smallest(quorum, corrupt);
        if cohort < least {
            let got = format!("{corrupt} corrupt of a group of {group}, and a cohort of {cohort}");
            return wrong("rates", got, "at least 3 honest members in every cohort".into());
        }
        Ok(())
    }
}
