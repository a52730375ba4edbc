//! Clusters of vectors (Lloyd 1982, seeded as k-means++, Arthur and Vassilvitskii 2007), the same on every machine.

use pmirs_crypto::Prg;
use rand_core::Rng as _;
use rayon::prelude::*;

/// Passes at most; clusters of captions settle long before.
const PASSES: usize = 50;

/// The cluster of each vector, `count` clusters at most.
pub(super) fn clusters(vectors: &[Vec<f32>], count: usize, seed: u64) -> Vec<u32> {
    let mut rng = Prg::new(&pmirs_crypto::sha256(&seed.to_le_bytes()), b"clusters");
    let mut centres = spread(vectors, count, &mut rng);
    let mut own = vec![0_u32; vectors.len()];
    for _ in 0..PASSES {
        let nearest: Vec<u32> = vectors.par_iter().map(|vector| nearest(vector, &centres).0 as u32).collect();
        if nearest == own {
            break;
        }
        own = nearest;
        for (number, centre) in centres.iter_mut().enumerate() {
            let members = vectors.iter().zip(&own).filter(|(_, own)| **own as usize == number);
            let (mut sum, mut many) = (vec![0.0_f64; centre.len()], 0);
            for (vector, _) in members {
                sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += f64::from(*value));
                many += 1;
            }
            // A cluster that lost its last vector stays where it was.
            if many > 0 {
                *centre = sum.into_iter().map(|sum| (sum / f64::from(many)) as f32).collect();
            }
        }
    }
    own
}

/// Centres far apart: each is drawn by its squared distance from those before.
fn spread(vectors: &[Vec<f32>], count: usize, rng: &mut Prg) -> Vec<Vec<f32>> {
    let mut centres: Vec<Vec<f32>> = Vec::new();
    let mut share = |of: f64| of * (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    while centres.len() < count.min(vectors.len()) {
        let far = |vector: &Vec<f32>| if centres.is_empty() { 1.0 } else { nearest(vector, &centres).1 };
        let distances: Vec<f64> = vectors.par_iter().map(far).collect();
        let mut left = share(distances.iter().sum());
        let drawn = distances.iter().position(|distance| {
            left -= distance;
            left < 0.0
        });
        let Some(vector) = vectors.get(drawn.unwrap_or(0)) else { break };
        centres.push(vector.clone());
    }
    centres
}

/// The nearest centre and the squared distance to it.
fn nearest(vector: &[f32], centres: &[Vec<f32>]) -> (usize, f64) {
    let distance =
        |centre: &Vec<f32>| vector.iter().zip(centre).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    let all = centres.iter().map(distance).enumerate();
    all.min_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap_or((0, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_lie_apart_are_told_apart() {
        let vectors: Vec<Vec<f32>> = (0..60)
            .map(|at| {
                let (group, jitter) = (at % 3, (at * 7 % 11) as f32 / 100.0);
                vec![10.0 * (group == 0) as u8 as f32 + jitter, 10.0 * (group == 1) as u8 as f32 - jitter]
            })
            .collect();
        for seed in 0..5 {
            let own = clusters(&vectors, 3, seed);
            for (at, cluster) in own.iter().enumerate() {
                assert_eq!(*cluster, own[at % 3], "seed {seed}");
            }
            assert!(own[0] != own[1] && own[1] != own[2] && own[0] != own[2], "seed {seed}");
            assert_eq!(own, clusters(&vectors, 3, seed));
        }
        assert_eq!(clusters(&vectors[..2], 20, 1).len(), 2);
    }
}
