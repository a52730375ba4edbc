//! AdamW (Loshchilov and Hutter 2019) over one flat vector, with a moving average of the weights.

use serde::{Deserialize, Serialize};

use crate::compact::parameters::Layout;

/// Everything that a step changes; saved and restored as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    pub step: u64,
    pub values: Vec<f32>,
    pub first: Vec<f32>,
    pub second: Vec<f32>,
    /// Moving average of `values`: what is judged and published.
    pub average: Vec<f32>,
}

/// Step sizes of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Peak step of the trunk, relative to each tensor's own root mean square; 0 freezes it.
    ///
    /// Folding batch normalisation into the weights left tensors of very different scale, which an absolute
    /// step cannot serve.
    pub trunk: f32,
    /// Peak step of everything else.
    pub rest: f32,
    /// Decoupled weight decay, times the step.
    pub decay: f32,
    /// Steps of linear warm-up.
    pub warmup: u64,
    /// Steps in all; cosine decay to a hundredth of the peak.
    pub steps: u64,
    /// Memory of the weights' moving average.
    pub average: f32,
}

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.98;
const EPSILON: f32 = 1e-8;
/// Gradients longer than this are shortened to it.
const CLIP: f32 = 1.0;

impl State {
    pub(crate) fn new(values: Vec<f32>) -> Self {
        let zeros = vec![0.0; values.len()];
        Self { step: 0, average: values.clone(), values, first: zeros.clone(), second: zeros }
    }

    /// One step of AdamW down `gradient`; `step` counts from 0 within the stage.
    pub(crate) fn update(&mut self, layout: &Layout, gradient: &[f32], rates: &Rates) {
        let norm = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt() as f32;
        let shorten = if norm > CLIP { CLIP / norm } else { 1.0 };
        let schedule = rates.at(self.step);
        let time = (self.step + 1) as i32;
        let (unbias_1, unbias_2) = (1.0 - BETA_1.powi(time), 1.0 - BETA_2.powi(time));
        let memory = rates.average.min((1.0 + self.step as f32) / (10.0 + self.step as f32));
        for spec in layout.tensors() {
            let range = spec.range();
            let trunk = spec.name.starts_with("trunk.");
            let (Some(values), Some(first), Some(second), Some(average), Some(gradient)) = (
                self.values.get_mut(range.clone()),
                self.first.get_mut(range.clone()),
                self.second.get_mut(range.clone()),
                self.average.get_mut(range.clone()),
                gradient.get(range),
            ) else {
                continue;
            };
            let rate = schedule * if trunk { rates.trunk * scale(values) } else { rates.rest };
            if rate == 0.0 {
                continue;
            }
            let decay = if spec.shape.len() > 1 { rates.decay * schedule * rates.rest } else { 0.0 };
            let moments = first.iter_mut().zip(second).zip(average);
            for ((value, gradient), ((first, second), average)) in
                values.iter_mut().zip(gradient).zip(moments)
            {
                let gradient = gradient * shorten;
                *first = BETA_1 * *first + (1.0 - BETA_1) * gradient;
                *second = BETA_2 * *second + (1.0 - BETA_2) * gradient * gradient;
                let direction = (*first / unbias_1) / ((*second / unbias_2).sqrt() + EPSILON);
                *value -= rate * direction + decay * *value;
                *average = memory * *average + (1.0 - memory) * *value;
            }
        }
        self.step += 1;
    }
}

impl Rates {
    /// Share of the peak at `step`.
    fn at(&self, step: u64) -> f32 {
        if step < self.warmup {
            return (step + 1) as f32 / self.warmup as f32;
        }
        let done = (step - self.warmup) as f32 / (self.steps.saturating_sub(self.warmup)).max(1) as f32;
        0.01 + 0.99 * 0.5 * (1.0 + (std::f32::consts::PI * done.min(1.0)).cos())
    }
}

fn scale(values: &[f32]) -> f32 {
    let squares: f64 = values.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
    ((squares / values.len().max(1) as f64).sqrt() as f32).max(1e-4)
}
