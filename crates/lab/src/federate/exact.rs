//! A round in floating point: the mean of the clipped updates, without rounding to integers, masks or noise.

use pmirs_federated::Round;
use pmirs_federated::optimiser::Optimiser;
use pmirs_federated::plan::RoundPlan;
use pmirs_federated::simulate::{Failed, Federation, RoundReport};
use pmirs_federated::trainer::{LocalTrainer as _, Trained};
use pmirs_vault::federate::Trainer;
use rayon::prelude::*;

/// What [`Federation::round`] does, with the same seeds for the same members, and all of them present.
pub(super) fn round(
    federation: &mut Federation<'_>,
    trainers: &mut [Trainer],
    weights: &mut [f32],
    optimiser: &mut Optimiser,
) -> Result<RoundReport, Failed> {
    let model = trainers.first().map(|it| it.manifest().digest(weights)).transpose()?;
    let plan = RoundPlan { model: model.unwrap_or(federation.plan.model), ..federation.plan.clone() };
    Round::new(plan.clone(), federation.group.clone())?;
    let trained: Vec<Trained> = trainers
        .par_iter_mut()
        .enumerate()
        .map(|(number, trainer)| {
            let member = number as u32;
            trainer
                .train(weights, &plan.training, plan.number, &federation.member_seed(member))
                .map_err(|error| Failed::Training { member, reason: error.to_string() })
        })
        .collect::<Result<_, _>>()?;
    let count = trained.len().max(1) as f64;
    let (mut mean, mut loss, mut within) = (vec![0.0_f64; weights.len()], 0.0, 0.0);
    for Trained { update, loss: own, .. } in &trained {
        let norm = update.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        let factor = if norm > plan.clip { plan.clip / norm } else { 1.0 };
        within += f64::from(u8::from(norm <= plan.clip)) / count;
        loss += own / count;
        mean.iter_mut().zip(update).for_each(|(mean, value)| *mean += f64::from(*value) * factor / count);
    }
    let norm = mean.iter().map(|value| value * value).sum::<f64>().sqrt();
    let mean: Vec<f32> = mean.into_iter().map(|value| value as f32).collect();
    optimiser.step(weights, &mean)?;
    federation.plan.number += 1;
    let members = trained.len();
    Ok(RoundReport { round: plan.number, members, loss, clip: plan.clip, within, norm, quality: 0.5 })
}
