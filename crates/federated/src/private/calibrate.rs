//! How much noise a promise needs.

use std::sync::Arc;

use pmirs_privacy::{DistributedGaussian, Target};

use super::grid;
use crate::group::Group;
use crate::plan::{Noise, RoundPlan};
use crate::{Error, Round};

/// Noise is this much larger than it needs to be, so that a scale or a clip that moves later, and with them the rounding
/// of integers, do not cost a promise its last digit.
const MARGIN: f64 = 1.0 + 1e-5;
/// How much noise is raised where the scale that it leaves is too fine to draw it.
const COARSER: f64 = 1.02;
/// The scale falls by powers of two, so that few tries are enough.
const TRIES: u32 = 64;

/// A promise to every member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// ε of all of a member's rounds together.
    pub epsilon: f64,
    /// At this δ.
    pub delta: f64,
    /// The most rounds in which a member uploads, failed attempts among them.
    pub rounds: u32,
}

/// The least noise with which a plan keeps a promise; its own is not looked at.
///
/// More noise takes a coarser scale, on which rounding counts for more: so noise is raised until the scale that it leaves
/// is fine enough for it.
///
/// # Errors
/// [`Error::Plan`] for a goal that no noise reaches, or that leaves no room in 32 bits, and for whatever else
/// [`Round::new`] refuses.
pub fn calibrate(plan: &RoundPlan, group: &Arc<Group>, goal: &Goal) -> Result<Noise, Error> {
    let Goal { epsilon, delta, rounds } = *goal;
    let target = Target { epsilon, delta, rounds, sampled_at: None };
    let unreachable = |reason: String| {
        let got = format!("epsilon {epsilon} at delta {delta} over {rounds} rounds");
        Error::Plan { field: "privacy goal", got, expected: reason }
    };
    // A continuous Gaussian on no grid at all would need this much; nothing below it is enough.
    let least = target.gaussian().map_err(|error| unreachable(error.to_string()))?;
    let mut deviation = least * plan.clip / (plan.fewest_honest(group.len()) as f64).max(1.0).sqrt();
    for _ in 0..TRIES {
        let noise = Noise::PerMember { deviation };
        let round = Round::new(RoundPlan { noise, ..plan.clone() }, group.clone())?;
        let grid = grid(round.plan(), round.layout(), round.fixed());
        let needed = DistributedGaussian::for_target(grid, round.fewest_honest() as u32, &target)
            .map(|mechanism| mechanism.variance().value().sqrt() / grid.scale);
        match needed {
            Ok(needed) if needed <= deviation => return Ok(noise),
            Ok(needed) => deviation = needed * MARGIN,
            // So much noise cannot be drawn in steps so fine: a little more takes coarser ones.
            Err(_) => deviation *= COARSER,
        }
    }
    Err(unreachable("a goal that some noise reaches".into()))
}
