//! The layers over shares.

#![expect(
    clippy::indexing_slicing,
    reason = "sizes were checked when the network was made, and at the entry here"
)]

use super::hidden_length::{masked, pooled, sliced};
use super::layer::{Extent, Layer, Network, Node, Windows};
use crate::error::{Error, shape};
use crate::kernels::matrix::{Both, places, product, tap};
use crate::party::Party;
use crate::ring::{add_to, added};
use crate::share::{Shares, Unmasked};

/// Real numbers as fixed point with `fraction` bits after the point, rounded to the nearest.
pub fn fixed(values: &[f32], fraction: u32) -> Vec<u64> {
    let scale = f64::from(1_u32 << fraction);
    values.iter().map(|value| ((f64::from(*value) * scale).round() as i64).cast_unsigned()).collect()
}

/// Fixed point as real numbers.
pub fn real(values: &[u64], fraction: u32) -> Vec<f32> {
    let scale = f64::from(1_u32 << fraction);
    values.iter().map(|value| (value.cast_signed() as f64 / scale) as f32).collect()
}

/// One party's shares of one node's weights, readied for products.
pub struct SharedWeights {
    /// Component i of the weights.
    own: Vec<u64>,
    /// Components i and i+1 together.
    sum: Vec<u64>,
    /// Component i of the bias, with twice the bits after the point.
    bias: Vec<u64>,
}

impl SharedWeights {
    /// From shares of a node's weights, and of its bias after them, both in fixed point with `fraction` bits.
    ///
    /// # Errors
    /// When there are fewer shares than the node has weights.
    pub fn new(shares: &Shares<u64>, [weights, biases]: [usize; 2], fraction: u32) -> Result<Self, Error> {
        shape("the weights of a layer", weights + biases, shares.len())?;
        let (own, bias) = shares.own.split_at(weights);
        let (next, _) = shares.next.split_at(weights);
        let bias = bias.iter().map(|value| value << fraction).collect();
        Ok(Self { own: own.to_vec(), sum: added(own, next), bias })
    }
}

impl std::fmt::Debug for SharedWeights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharedWeights({} redacted)", self.own.len())
    }
}

impl Network {
    /// The result for one input, as shares with [`fraction`](Self::fraction) bits after the point.
    ///
    /// # Errors
    /// When an operand has another size than the layers say, or another party fails.
    pub fn evaluate(
        &self,
        party: &mut Party,
        weights: &[SharedWeights],
        input: Shares<u64>,
    ) -> Result<Shares<u64>, Error> {
        shape("the nodes with weights", self.nodes.len(), weights.len())?;
        shape("the values that enter a network", self.input().len(), input.len())?;
        for (node, weights) in self.nodes.iter().zip(weights) {
            shape("the weights of a layer", node.layer.weights()[0], weights.own.len())?;
            shape("the bias of a layer", node.layer.weights()[1], weights.bias.len())?;
        }
        let last_read = self.last_read();
        let mut maps: Vec<Option<Shares<u64>>> = vec![Some(input)];
        for (index, (node, weights)) in self.nodes.iter().zip(weights).enumerate() {
            let map = self.shared_layer(party, index, node, weights, &maps)?;
            maps.push(Some(map));
            // What no later node reads need not be kept.
            for (at, map) in maps.iter_mut().enumerate() {
                if last_read[at] <= index {
                    *map = None;
                }
            }
        }
        maps.pop().flatten().ok_or(Error::SessionOver)
    }

    /// The last node that reads each map; the result is read by nobody and kept.
    fn last_read(&self) -> Vec<usize> {
        let mut last = vec![0; self.nodes.len() + 1];
        for (index, node) in self.nodes.iter().enumerate() {
            last[node.input] = index;
            if let Some(beside) = node.layer.beside() {
                last[beside] = index;
            }
        }
        last[self.nodes.len()] = usize::MAX;
        last
    }

    fn shared_layer(
        &self,
        party: &mut Party,
        index: usize,
        node: &Node,
        weights: &SharedWeights,
        maps: &[Option<Shares<u64>>],
    ) -> Result<Shares<u64>, Error> {
        let (from, to) = (self.extents[node.input], self.extents[index + 1]);
        let map = |at: usize| maps[at].as_ref().ok_or(Error::SessionOver);
        let x = map(node.input)?;
        let both = Both { own: &x.own, next: &x.next };
        match node.layer {
            Layer::Convolution { window, stride, .. } => {
                let windows = Windows { input: from, output: to, window, stride };
                let [own, next] = [&x.own, &x.next].map(|x| unfolded(windows, x));
                let inner = own.len() / to.places();
                let parts = matrix(Both { own: &own, next: &next }, weights, inner, to.channels);
                party.truncate(parts, self.fraction)
            }
            Layer::Linear { inputs, outputs, .. } => {
                party.truncate(matrix(both, weights, inputs, outputs), self.fraction)
            }
            Layer::Lookup { rows, width } => party.reshare(matrix(both, weights, rows, width)),
            Layer::Depthwise { window, stride, .. } => {
                let windows = Windows { input: from, output: to, window, stride };
                party.truncate(depthwise(windows, both, weights), self.fraction)
            }
            Layer::Relu => party.relu(x, self.width),
            Layer::BoundedRelu { most } => self.bounded_relu(party, x, most),
            Layer::Mean => party.truncate(mean(from, &x.own, self.fraction), self.fraction),
            Layer::Add { with } => x.plus(map(with)?),
            Layer::Slice { from: first, channels } => {
                let [own, next] = [&x.own, &x.next].map(|x| sliced(x, from.channels, first, channels));
                Ok(Shares { own, next })
            }
            Layer::Mask { by } => party.reshare(masked(both, map(by)?)),
            Layer::Pool { by } => party.truncate(pooled(both, from.channels, map(by)?), self.fraction),
        }
    }
}

impl Network {
    /// Both ReLUs in one batch.
    fn bounded_relu(&self, party: &mut Party, x: &Shares<u64>, most: u32) -> Result<Shares<u64>, Error> {
        let most = vec![u64::from(most) << self.fraction; x.len()];
        let mut both = x.clone();
        both.append(&x.minus(&Shares::of_public(party.role(), &most))?);
        let mut kept = party.relu(&both, self.width)?;
        let above = Shares { own: kept.own.split_off(x.len()), next: kept.next.split_off(x.len()) };
        kept.minus(&above)
    }
}

fn matrix(x: Both<'_, u64>, weights: &SharedWeights, inner: usize, columns: usize) -> Unmasked<u64> {
    let mut parts = product(x, &weights.sum, &weights.own, inner, columns);
    if !weights.bias.is_empty() {
        parts.chunks_exact_mut(columns).for_each(|row| add_to(row, &weights.bias));
    }
    Unmasked(parts)
}

fn unfolded(windows: Windows, x: &[u64]) -> Vec<u64> {
    let channels = windows.input.channels;
    let [rows, columns] = windows.window;
    let mut out = Vec::with_capacity(windows.output.places() * rows * columns * channels);
    for place in 0..windows.output.places() {
        for tap in windows.taps(place) {
            match tap {
                Some(at) => out.extend_from_slice(&x[at * channels..][..channels]),
                None => out.resize(out.len() + channels, 0),
            }
        }
    }
    out
}

fn depthwise(windows: Windows, x: Both<'_, u64>, weights: &SharedWeights) -> Unmasked<u64> {
    let channels = windows.input.channels;
    let mut parts = vec![0; windows.output.len()];
    places(&mut parts, channels, |place, out| {
        out.copy_from_slice(&weights.bias);
        let weights = weights.sum.chunks_exact(channels).zip(weights.own.chunks_exact(channels));
        for (at, (sum, own)) in windows.taps(place).zip(weights) {
            let Some(at) = at else { continue };
            let here = at * channels..(at + 1) * channels;
            tap(Both { own: &x.own[here.clone()], next: &x.next[here] }, sum, own, out);
        }
    });
    Unmasked(parts)
}

fn mean(extent: Extent, own: &[u64], fraction: u32) -> Unmasked<u64> {
    let mut sums = vec![0; extent.channels];
    own.chunks_exact(extent.channels).for_each(|row| add_to(&mut sums, row));
    let share = ((1_u64 << fraction) as f64 / extent.places() as f64).round() as u64;
    Unmasked(sums.into_iter().map(|sum: u64| sum.wrapping_mul(share)).collect())
}
