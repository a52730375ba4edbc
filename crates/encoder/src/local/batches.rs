//! What each local step shows, drawn from the round's seed.

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;

use super::examples::Examples;

/// A step's pictures, and two captions of each by picture and number: the same twice where there is one.
pub(super) struct Batch {
    pub pictures: Vec<usize>,
    pub captions: Vec<(usize, usize)>,
    pub others: Vec<(usize, usize)>,
}

/// Batches of endless shuffled passes over a member's pictures. No picture is twice in a batch, so a batch is never
/// larger than what there is.
pub(super) struct Batches<'a> {
    examples: &'a Examples,
    order: Vec<usize>,
    next: usize,
    size: usize,
    rng: ChaCha8Rng,
}

impl<'a> Batches<'a> {
    /// Of `mine`, the pictures of one member; those without a caption are passed over.
    pub(super) fn new(examples: &'a Examples, mine: &[usize], size: usize, seed: &[u8; 32]) -> Self {
        let order: Vec<usize> =
            mine.iter().copied().filter(|picture| examples.captions(*picture) > 0).collect();
        let size = size.clamp(1, order.len().max(1));
        Self { examples, next: order.len(), order, size, rng: ChaCha8Rng::from_seed(*seed) }
    }

    /// Pictures with captions.
    pub(super) fn pictures(&self) -> usize {
        self.order.len()
    }

    pub(super) fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rng
    }

    pub(super) fn next(&mut self) -> Batch {
        if self.next + self.size > self.order.len() {
            self.order.shuffle(&mut self.rng);
            self.next = 0;
        }
        let pictures = self.order.get(self.next..self.next + self.size).unwrap_or_default().to_vec();
        self.next += self.size;
        let (mut captions, mut others) = (Vec::new(), Vec::new());
        for &picture in &pictures {
            let count = self.examples.captions(picture).max(1);
            let first = self.rng.random_range(0..count);
            captions.push((picture, first));
            others.push((picture, (first + self.rng.random_range(1..count.max(2))) % count));
        }
        Batch { pictures, captions, others }
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{Said, Seen};
    use super::*;

    #[test]
    fn every_picture_is_shown_once_in_a_pass_beside_two_of_its_captions() {
        let said = |count| vec![Said::Tokens(vec![1]); count];
        let examples = Examples {
            seen: vec![Seen::Vector(vec![0.0]); 5],
            said: vec![said(1), said(5), said(0), said(2), said(3)],
        };
        let mut batches = Batches::new(&examples, &[0, 1, 2, 3, 4], 2, &[3; 32]);
        assert_eq!(batches.pictures(), 4, "one has no caption");
        for _ in 0..10 {
            let pass = [batches.next(), batches.next()];
            let mut shown: Vec<usize> = pass.iter().flat_map(|batch| batch.pictures.clone()).collect();
            shown.sort_unstable();
            assert_eq!(shown, [0, 1, 3, 4]);
            for batch in pass {
                for ((picture, first), (other, second)) in batch.captions.iter().zip(&batch.others) {
                    assert_eq!(picture, other);
                    assert!((first != second) == (examples.captions(*picture) > 1));
                }
            }
        }
        let mut few = Batches::new(&examples, &[1], 64, &[3; 32]);
        assert_eq!(few.next().pictures, [1]);
    }
}
