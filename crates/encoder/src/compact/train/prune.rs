//! Structured pruning: the channels that the loss would miss least are taken out.
//!
//! A gate on channel c, at 1, multiplies what the channel hands on. The loss's slope at that gate is
//! g_c = Σ_o w[c, o] · ∂L/∂w[c, o] over the weights that read the channel, and its square, summed over batches,
//! is the Taylor score of Molchanov et al. (2019, section 3.1, the gate formulation): what removing the channel
//! would change. Channels go one group at a time, the least score per unit of the budgets that are still
//! exceeded first. The channels of the residual stream stay: every block reads and writes them. Units of the head's
//! hidden layer have gates as well, and go to the number that the plan names.
//!
//! The text tower has no channels to gate: its words lie along few directions, and a narrower one keeps the principal
//! ones ([`narrow_text`]).

use faer::Accum;
use rayon::prelude::*;

use super::TrainError;
use super::axes::Moments;
use super::recipe::PrunePlan;
use super::student::Student;
use crate::compact::CompactArchitecture;
use crate::compact::kernels::product;
use crate::compact::text::TextShape;
use crate::compact::trunk::Architecture;

/// Least channels of a layer, whatever their scores.
const FEWEST: usize = 16;

/// Where channels can go: between the expand and the project layer of a block, and after the last layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The block's number, from 0.
    Block(usize),
    Features,
    /// The hidden layer of the head.
    Hidden,
}

/// Sums of squared gate slopes, per place and channel.
#[derive(Clone, Debug)]
pub(crate) struct Scores {
    places: Vec<(Place, Vec<f64>)>,
}

impl Scores {
    pub(crate) fn new(student: &Student) -> Self {
        let CompactArchitecture { trunk, head_hidden, .. } = &student.architecture;
        let blocks = trunk.blocks.iter().enumerate().map(|(at, block)| (Place::Block(at), block.expand));
        let places = blocks.chain([(Place::Features, trunk.features), (Place::Hidden, *head_hidden)]);
        Self { places: places.map(|(place, channels)| (place, vec![0.0; channels])).collect() }
    }

    /// Adds one batch's squared slopes: `values` and their `gradient`, in the student's layout.
    pub(crate) fn add(&mut self, student: &Student, values: &[f32], gradient: &[f32]) {
        self.places.par_iter_mut().for_each(|(place, scores)| {
            let mut slopes = vec![0.0_f64; scores.len()];
            for name in readers(*place) {
                let Some(spec) = student.spec(&name) else { continue };
                let columns = spec.shape.last().copied().unwrap_or(1);
                let (Some(values), Some(gradient)) = (values.get(spec.range()), gradient.get(spec.range()))
                else {
                    continue;
                };
                let rows = values.chunks_exact(columns).zip(gradient.chunks_exact(columns));
                for (slope, (values, gradient)) in slopes.iter_mut().zip(rows) {
                    *slope +=
                        values.iter().zip(gradient).map(|(v, g)| f64::from(*v) * f64::from(*g)).sum::<f64>();
                }
            }
            for (score, slope) in scores.iter_mut().zip(slopes) {
                *score += slope * slope;
            }
        });
    }

    /// The channels of each place that stay within the plan's budgets, in order; `None` when nothing is left to
    /// take out and they are still exceeded.
    fn keep(&self, student: &Student, plan: &PrunePlan) -> Option<Vec<(Place, Vec<usize>)>> {
        let mut kept: Vec<(Place, Vec<usize>)> =
            self.places.iter().map(|(place, scores)| (*place, ranked(scores))).collect();
        for (place, channels) in &mut kept {
            match place {
                Place::Features => channels.truncate(plan.features),
                Place::Hidden => {
                    channels.truncate(plan.hidden.unwrap_or(usize::MAX));
                    continue;
                }
                Place::Block(_) => {}
            }
            // A network may come in with channels that are no multiple.
            channels.truncate((channels.len() / plan.multiple).max(1) * plan.multiple);
        }
        loop {
            let now = cost_of(student, plan, &kept);
            if now.excess(plan) <= 0.0 {
                break;
            }
            let candidates = kept.iter().zip(&self.places).enumerate();
            let cheapest = candidates
                .filter(|(_, ((place, channels), _))| {
                    *place != Place::Hidden
                        && prunable(&student.architecture.trunk, *place)
                        && channels.len() >= FEWEST + plan.multiple
                })
                .map(|(at, ((_, channels), (_, scores)))| {
                    let going = channels.iter().rev().take(plan.multiple);
                    let missed: f64 = going.filter_map(|&channel| scores.get(channel)).sum();
                    let mut fewer = kept.clone();
                    if let Some((_, channels)) = fewer.get_mut(at) {
                        channels.truncate(channels.len() - plan.multiple);
                    }
                    let gain = now.excess(plan) - cost_of(student, plan, &fewer).excess(plan);
                    (at, missed / gain.max(1e-12))
                })
                .min_by(|a, b| a.1.total_cmp(&b.1));
            let (at, _) = cheapest?;
            if let Some((_, channels)) = kept.get_mut(at) {
                channels.truncate(channels.len() - plan.multiple);
            }
        }
        for (_, channels) in &mut kept {
            channels.sort_unstable();
        }
        Some(kept)
    }
}

/// Channels, the most important first.
fn ranked(scores: &[f64]) -> Vec<usize> {
    let score = |at: &usize| scores.get(*at).copied().unwrap_or_default();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| score(b).total_cmp(&score(a)).then(a.cmp(b)));
    order
}

/// The tensors that read a place's channels, a row each.
fn readers(place: Place) -> Vec<String> {
    match place {
        Place::Block(at) => vec![format!("trunk.block_{:02}.project.weight", at + 1)],
        Place::Features => vec!["head.direct.weight".into(), "head.inner.weight".into()],
        Place::Hidden => vec!["head.outer.weight".into()],
    }
}

/// The tensors that write a place's channels, a column each.
fn writers(architecture: &Architecture, place: Place) -> Vec<String> {
    let layers = match place {
        Place::Block(at) => {
            let block = format!("trunk.block_{:02}", at + 1);
            let widens = architecture.blocks.get(at).is_some_and(|block| block.widens);
            let before = if widens { format!("{block}.expand") } else { "trunk.stem".into() };
            vec![before, format!("{block}.depthwise")]
        }
        Place::Features => vec!["trunk.last".into()],
        Place::Hidden => vec!["head.inner".into()],
    };
    layers.into_iter().flat_map(|layer| [format!("{layer}.weight"), format!("{layer}.bias")]).collect()
}

/// Whether a block's channels are its own: a first block without an expand layer shares them with the stem, and
/// any other such block with the residual stream.
fn prunable(architecture: &Architecture, place: Place) -> bool {
    match place {
        Place::Features | Place::Hidden => true,
        Place::Block(at) => at == 0 || architecture.blocks.get(at).is_some_and(|block| block.widens),
    }
}

/// What a network of the kept channels would cost, beside the budgets.
struct Costs {
    multiply_adds: usize,
    relus: usize,
    parameters: usize,
}

impl Costs {
    /// How far the budgets are exceeded, as shares of them; at most 0 when none is.
    fn excess(&self, plan: &PrunePlan) -> f64 {
        let over = |have: usize, most: usize| (have as f64 / most.max(1) as f64 - 1.0).max(0.0);
        over(self.multiply_adds, plan.multiply_adds)
            + over(self.relus, plan.relus)
            + over(self.parameters, plan.parameters)
    }
}

fn narrowed(student: &Student, plan: &PrunePlan, kept: &[(Place, Vec<usize>)]) -> CompactArchitecture {
    let mut architecture = student.architecture.clone();
    architecture.trunk.bounded = plan.bounded;
    for (place, channels) in kept {
        if !prunable(&student.architecture.trunk, *place) {
            continue;
        }
        match *place {
            Place::Features => architecture.trunk.features = channels.len(),
            Place::Hidden => architecture.head_hidden = channels.len(),
            Place::Block(at) => {
                if let Some(block) = architecture.trunk.blocks.get_mut(at) {
                    block.expand = channels.len();
                    if !block.widens {
                        architecture.trunk.stem = channels.len();
                    }
                }
            }
        }
    }
    architecture
}

fn cost_of(student: &Student, plan: &PrunePlan, kept: &[(Place, Vec<usize>)]) -> Costs {
    let network = Student::new(narrowed(student, plan, kept), plan.size);
    let cost = network.image_cost();
    Costs {
        multiply_adds: cost.multiply_adds,
        relus: cost.relus,
        parameters: network.image.trunk().layout().len(),
    }
}

/// The network without the channels that `scores` would miss least, within the plan's budgets; `None` when those
/// cannot be met.
pub(crate) fn prune(student: &Student, scores: &Scores, plan: &PrunePlan) -> Option<Student> {
    let kept = scores.keep(student, plan)?;
    let mut network = Student::new(narrowed(student, plan, &kept), plan.size);
    let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = student
        .layout
        .tensors()
        .iter()
        .map(|spec| (spec.name.clone(), spec.shape.clone(), student.tensor(&spec.name).to_vec()))
        .collect();
    for (place, channels) in &kept {
        if !prunable(&student.architecture.trunk, *place) {
            continue;
        }
        let (readers, writers) = (readers(*place), writers(&student.architecture.trunk, *place));
        for (name, shape, values) in &mut tensors {
            let columns = shape.last().copied().unwrap_or(1);
            if writers.contains(name) {
                let pick =
                    |row: &[f32]| channels.iter().filter_map(|&at| row.get(at).copied()).collect::<Vec<_>>();
                *values = values.chunks_exact(columns).flat_map(pick).collect();
                if let Some(last) = shape.last_mut() {
                    *last = channels.len();
                }
            }
            if readers.contains(name) {
                let row =
                    |&at: &usize| values.get(at * columns..(at + 1) * columns).unwrap_or_default().to_vec();
                *values = channels.iter().flat_map(row).collect();
            }
        }
        if *place == Place::Features {
            network.kept = channels.iter().filter_map(|&at| student.kept.get(at).copied()).collect();
        }
    }
    for (name, _, values) in &tensors {
        network.set(name, values);
    }
    Some(network)
}

/// The network with a text tower of `width`: each word keeps its part along the principal axes of what the words add
/// to a raw vector. Convolutions mix the old coordinates and are left out; a later step grows new ones.
pub(crate) fn narrow_text(student: &Student, width: usize) -> Result<Student, TrainError> {
    let TextShape { vocabulary, dim, .. } = student.architecture.text;
    let mut words = vec![0.0; vocabulary * dim];
    product(
        student.tensor("text.embedding"),
        student.tensor("text.out.weight"),
        Accum::Replace,
        1.0,
        vocabulary,
        &mut words,
    );
    let mut moments = Moments::new(dim);
    moments.add(&words, 1.0 / vocabulary as f32);
    let axes = moments.axes(width)?;
    let mut architecture = student.architecture.clone();
    architecture.text = TextShape { width, layers: 0, ..architecture.text };
    let mut narrow = Student::new(architecture, student.size);
    narrow.kept.clone_from(&student.kept);
    narrow.inherit(student);
    let along = |from: usize, axis: usize| axes[(from, axis)];
    let forth: Vec<f32> = (0..dim * width).map(|at| along(at / width, at % width)).collect();
    let back: Vec<f32> = (0..width * dim).map(|at| along(at % dim, at / dim)).collect();
    let mut table = vec![0.0; vocabulary * width];
    product(&words, &forth, Accum::Replace, 1.0, vocabulary, &mut table);
    narrow.set("text.embedding", &table);
    narrow.set("text.out.weight", &back);
    Ok(narrow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compact::train::judge::{dot, unit};

    /// Words that lie along two directions lose nothing in a tower of two.
    #[test]
    fn a_narrower_text_tower_keeps_what_its_words_span() {
        let text = TextShape { vocabulary: 6, width: 4, layers: 0, dim: 4 };
        let trunk = Architecture::mobilenet_v2();
        let mut student = Student::new(CompactArchitecture { head_hidden: 1, text, trunk }, 32);
        let table: Vec<f32> =
            (0..6).flat_map(|word| [1.0, word as f32, 1.0 - word as f32, 2.0 * word as f32]).collect();
        let out: Vec<f32> = (0..16).map(|at| ((at * 7919 + 13) % 101) as f32 / 101.0 - 0.5).collect();
        student.set("text.embedding", &table);
        student.set("text.out.weight", &out);
        student.set("text.out.bias", &[0.1, 0.2, 0.3, 0.4]);
        let narrow = narrow_text(&student, 2).unwrap();
        assert_eq!(narrow.tensor("text.embedding").len(), 12);
        for sentence in [vec![0], vec![1, 5], vec![2, 3, 4], Vec::new()] {
            let [wide, thin] = [&student, &narrow].map(|it| unit(it.embed_tokens(&sentence)));
            assert!((dot(&wide, &thin) - 1.0).abs() < 1e-5, "{sentence:?}");
        }
    }
}
