//! Sentences whose length nobody learns.
//!
//! Every sentence is filled up to as many places as the longest may have. Beside its one-hot vector each place brings
//! two shared numbers: whether the sentence has it, m in {0, 1}, and its weight in the mean, a = m / length. A place that
//! is filled up has a one-hot vector of zeros, so that its row of the table is zero, as the padding of a convolution is;
//! before the next convolution m makes it zero again, and in the sum over places a leaves it out. So the result is that
//! of the sentence alone, at the cost of the longest.

use super::compact::{Plan, TextTower};
use super::layer::{Extent, Layer, Network};
use super::shared::fixed;
use crate::error::{Error, range};
use crate::kernels::matrix::Both;
use crate::ring::add_to;
use crate::share::{Shares, Unmasked};

/// Channels of a place beside the one-hot vector: mask and weight.
const BESIDE: usize = 2;

impl TextTower {
    /// The tower over sentences of up to [`tokens`](Self::tokens) tokens, filled up; its input is what
    /// [`filled_up`](Self::filled_up) makes of one.
    ///
    /// # Errors
    /// When the sizes do not fit each other.
    pub fn network_of_any_length(&self, fraction: u32, width: usize) -> Result<Network, Error> {
        self.check()?;
        let mut plan = Plan::default();
        let channels = self.width;
        let mask = plan.push_after(0, Layer::Slice { from: self.vocabulary, channels: 1 });
        let share = plan.push_after(0, Layer::Slice { from: self.vocabulary + 1, channels: 1 });
        plan.push_after(0, Layer::Slice { from: 0, channels: self.vocabulary });
        let mut entry = plan.push(Layer::Lookup { rows: self.vocabulary, width: channels });
        for layer in 0..self.layers {
            if layer > 0 {
                entry = plan.push(Layer::Mask { by: mask });
            }
            let window = [3, 1];
            plan.push(Layer::Convolution {
                window,
                stride: 1,
                inputs: channels,
                outputs: channels,
                bias: true,
            });
            plan.push(Layer::Relu);
            entry = plan.push(Layer::Add { with: entry });
        }
        plan.push(Layer::Pool { by: share });
        plan.push(Layer::Linear { inputs: channels, outputs: self.dim, bias: true });
        let input = Extent { height: self.tokens, width: 1, channels: self.vocabulary + BESIDE };
        Network::new(input, plan.0, fraction, width)
    }

    /// A sentence as that network takes it: one-hot vectors and masks as integers, weights in fixed point.
    ///
    /// # Errors
    /// When it has more tokens than the tower takes, or one that is not in the vocabulary.
    pub fn filled_up(&self, tokens: &[u32], fraction: u32) -> Result<Vec<u64>, Error> {
        self.check()?;
        range("the tokens of a sentence", 0, self.tokens, tokens.len())?;
        let channels = self.vocabulary + BESIDE;
        let mut input = vec![0; self.tokens * channels];
        let share = fixed(&[1.0 / tokens.len().max(1) as f32], fraction);
        for (place, &token) in input.chunks_exact_mut(channels).zip(tokens) {
            range("a token", 0, self.vocabulary - 1, token as usize)?;
            let (one_hot, beside) = place.split_at_mut(self.vocabulary);
            if let Some(slot) = one_hot.get_mut(token as usize) {
                *slot = 1;
            }
            beside.iter_mut().zip([1].iter().chain(&share)).for_each(|(slot, value)| *slot = *value);
        }
        Ok(input)
    }
}

/// Some channels of every place.
pub(super) fn sliced(x: &[u64], channels: usize, from: usize, count: usize) -> Vec<u64> {
    x.chunks_exact(channels).flat_map(|place| place.iter().skip(from).take(count)).copied().collect()
}

/// Every place times its own number: x_own·(m_own + m_next) + x_next·m_own for each channel.
pub(super) fn masked(x: Both<'_, u64>, by: &Shares<u64>) -> Unmasked<u64> {
    let channels = x.own.len() / by.len().max(1);
    let places = x.own.chunks_exact(channels.max(1)).zip(x.next.chunks_exact(channels.max(1)));
    let parts = places.zip(by.own.iter().zip(&by.next)).flat_map(|((own, next), (&m_own, &m_next))| {
        let sum = m_own.wrapping_add(m_next);
        let part =
            move |(own, next): (&u64, &u64)| own.wrapping_mul(sum).wrapping_add(next.wrapping_mul(m_own));
        own.iter().zip(next).map(part)
    });
    Unmasked(parts.collect())
}

/// The sum over places of such products.
pub(super) fn pooled(x: Both<'_, u64>, channels: usize, by: &Shares<u64>) -> Unmasked<u64> {
    let Unmasked(products) = masked(x, by);
    let mut sums = vec![0; channels];
    products.chunks_exact(channels).for_each(|place| add_to(&mut sums, place));
    Unmasked(sums)
}
