//! A round's plan and group together, checked, with what follows from them: its name, its vector, its scale.

use std::sync::Arc;

use pmirs_wire::Digest;

use crate::Error;
use crate::fixed::{Fixed, Layout, Load};
use crate::graph::{Attendance, Parameters};
use crate::group::Group;
use crate::message::digest;
use crate::plan::RoundPlan;
use crate::private::Guarantee;

/// A round that can be run: only [`Round::new`] makes one.
#[derive(Debug, Clone)]
pub struct Round {
    plan: RoundPlan,
    group: Arc<Group>,
    id: Digest,
    layout: Layout,
    fixed: Fixed,
    guarantee: Option<Guarantee>,
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
        let fixed = Fixed::new(&Load {
            members: plan.cohort,
            clip: plan.clip,
            largest: plan.compression.largest_coordinate(plan.clip),
            deviation: plan.noise.deviation(),
            layout,
        })?;
        let guarantee = Guarantee::of(&plan, group.len(), layout, &fixed)?;
        let id = digest("round", &[&pmirs_wire::encode(&plan)?, &group.digest().0]);
        Ok(Self { plan, group, id, layout, fixed, guarantee })
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

    /// What the round's noise is worth to a member; nothing in a round without.
    pub fn guarantee(&self) -> Option<&Guarantee> {
        self.guarantee.as_ref()
    }

    /// Fewest honest members whose sum can be revealed, over all rosters that the plan allows (see
    /// [`graph`](crate::graph)): what noise that members share is to be calibrated to. Corrupt members may leave
    /// theirs out.
    pub fn fewest_honest(&self) -> usize {
        self.plan.fewest_honest(self.group.len())
    }

    /// Neighbours, threshold and confirmations for this many members of the group.
    ///
    /// # Errors
    /// [`Error::NoGraph`] where no graph of so many is safe.
    pub fn parameters(&self, members: usize) -> Result<Parameters, Error> {
        self.attendance(members).parameters()
    }

    /// A roster of so many members, at its worst.
    pub(crate) fn attendance(&self, members: usize) -> Attendance {
        self.plan.attendance(self.group.len(), members)
    }

    /// Members that must be heard at every step: the quorum, or as many as must confirm a list of survivors.
    pub(crate) fn needed(&self, parameters: &Parameters) -> usize {
        (self.plan.quorum as usize).max(parameters.confirmations)
    }
}
