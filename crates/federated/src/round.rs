//! A round's plan and group together, checked, with what follows from them: its name, its vector, its scale.

use std::sync::Arc;

use pmirs_wire::Digest;

use crate::fixed::{Fixed, Layout};
use crate::graph::{self, Parameters};
use crate::group::Group;
use crate::message::digest;
use crate::plan::RoundPlan;
use crate::{Error, clip};

/// A round that can be run: only [`Round::new`] makes one.
#[derive(Debug, Clone)]
pub struct Round {
    plan: RoundPlan,
    group: Arc<Group>,
    id: Digest,
    layout: Layout,
    fixed: Fixed,
}

impl Round {
    /// Checks a plan for a group.
    ///
    /// # Errors
    /// [`Error::Plan`] for a field that no honest round has, or when clip, noise and cohort leave no room in
    /// 32 bits.
    pub fn new(plan: RoundPlan, group: Arc<Group>) -> Result<Self, Error> {
        plan.check(group.len())?;
        let layout = Layout::of(plan.weights as usize, &plan.compression);
        let words = layout.words();
        let clip = plan.compression.largest_coordinate(plan.clip);
        let fixed = Fixed::new(plan.cohort, clip, plan.noise.deviation(), words, plan.compression.lanes())?;
        let id = digest("round", &[&pmirs_wire::encode(&plan)?, &group.digest().0]);
        Ok(Self { plan, group, id, layout, fixed })
    }

    /// The plan.
    pub fn plan(&self) -> &RoundPlan {
        &self.plan
    }

    /// The group.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// The round's name, which every message carries: a digest of plan and group, so that members who were
    /// shown different plans cannot take part in one round.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// How the vector is laid out.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// How numbers become words of it.
    pub fn fixed(&self) -> &Fixed {
        &self.fixed
    }

    /// The L2 sensitivity of one member's integers before noise, for the calibration of that noise: the most
    /// that [`clip::encode`] lets through, in units of 1/scale.
    pub fn sensitivity(&self) -> f64 {
        clip::integer_norm_bound(self.plan.clip * self.fixed.scale(), self.layout.coordinates())
    }

    /// Fewest honest members whose sum can be revealed, over all rosters that the plan allows: what noise
    /// that members share is to be calibrated to. Corrupt members may leave theirs out.
    pub fn fewest_honest(&self) -> usize {
        let honest = (self.plan.quorum as usize..=self.plan.cohort as usize).map(|members| {
            let (_, corrupt) = self.plan.rates.of(members);
            graph::confirmations(members, corrupt).max(self.plan.quorum as usize).saturating_sub(corrupt)
        });
        honest.min().unwrap_or_default()
    }

    /// Neighbours, threshold and confirmations for this many members.
    pub fn parameters(&self, members: usize) -> Result<Parameters, Error> {
        graph::parameters(members, &self.plan.rates)
    }

    /// Members that must be heard at every step: the quorum, or as many as must confirm a list of survivors.
    pub(crate) fn needed(&self, parameters: &Parameters) -> usize {
        (self.plan.quorum as usize).max(parameters.confirmations)
    }
}
