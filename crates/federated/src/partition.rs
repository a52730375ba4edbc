//! Examples split among members, for simulations.

use rand_core::Rng;
use rand_distr::{Distribution, Gamma};

use crate::Error;
use crate::draw::shuffle;

/// Examples 0 to `examples` − 1 in random order, in as equal parts as there can be.
pub fn iid(rng: &mut impl Rng, examples: usize, members: usize) -> Vec<Vec<usize>> {
    let mut all: Vec<usize> = (0..examples).collect();
    shuffle(rng, &mut all);
    let parts = members.max(1);
    (0..parts).map(|part| all.iter().skip(part).step_by(parts).copied().collect()).collect()
}

/// For every cluster, shares among the members are drawn from a symmetric Dirichlet distribution (Hsu, Qi,
/// Brown 2019; drawn by cluster as Yurochkin et al. 2019 do, so that every example goes to someone): at 0.3,
/// a member sees few clusters; at 100, all alike.
///
/// `clusters` has the cluster of each example. A member that came away empty-handed gets one example of the
/// richest.
///
/// # Errors
/// [`Error::Plan`] for an α that is not positive.
pub fn dirichlet(
    rng: &mut impl Rng,
    clusters: &[u32],
    members: usize,
    alpha: f64,
) -> Result<Vec<Vec<usize>>, Error> {
    let wrong = |_| Error::Plan { field: "alpha", got: alpha.to_string(), expected: "above 0".into() };
    let gamma = Gamma::new(alpha, 1.0).map_err(wrong)?;
    let mut parts = vec![Vec::new(); members.max(1)];
    let mut names = clusters.to_vec();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let of_cluster = clusters.iter().enumerate().filter(|(_, cluster)| **cluster == name);
        let mut examples: Vec<usize> = of_cluster.map(|(example, _)| example).collect();
        shuffle(rng, &mut examples);
        // A very small α can make all draws 0 in floating point: the first member then takes the cluster.
        let draws: Vec<f64> = parts.iter().map(|_| gamma.sample(rng)).collect();
        let sum: f64 = draws.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let (mut until, mut taken) = (0.0, 0);
        let last = parts.len() - 1;
        for (at, (part, draw)) in parts.iter_mut().zip(&draws).enumerate() {
            until += draw / sum * examples.len() as f64;
            let end = if at == last { examples.len() } else { (until.round() as usize).min(examples.len()) };
            part.extend(examples.iter().skip(taken).take(end.saturating_sub(taken)));
            taken = taken.max(end);
        }
    }
    feed_the_empty(&mut parts);
    Ok(parts)
}

fn feed_the_empty(parts: &mut [Vec<usize>]) {
    while let Some(empty) = parts.iter().position(Vec::is_empty) {
        let spare = parts.iter_mut().max_by_key(|part| part.len()).filter(|part| part.len() > 1);
        let Some(example) = spare.and_then(Vec::pop) else { return };
        if let Some(part) = parts.get_mut(empty) {
            part.push(example);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn is_partition(parts: &[Vec<usize>], examples: usize) -> bool {
        let mut all: Vec<usize> = parts.concat();
        all.sort_unstable();
        all.into_iter().eq(0..examples)
    }

    #[test]
    fn every_example_goes_to_one_member() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let equal = iid(&mut rng, 103, 10);
        assert!(is_partition(&equal, 103));
        assert!(equal.iter().all(|part| [10, 11].contains(&part.len())));
        let clusters: Vec<u32> = (0..2000).map(|example| example % 20).collect();
        for alpha in [1e-3, 0.3, 1.0, 1000.0] {
            let parts = dirichlet(&mut rng, &clusters, 30, alpha).unwrap();
            assert!(is_partition(&parts, 2000), "alpha {alpha}");
            assert!(parts.iter().all(|part| !part.is_empty()), "alpha {alpha}");
        }
        assert!(dirichlet(&mut rng, &clusters, 30, 0.0).is_err());
    }

    /// The share of a member's largest cluster, on average: near 1/20 when alike, most of it when not.
    #[test]
    fn a_small_alpha_gives_members_few_clusters() {
        let clusters: Vec<u32> = (0..20_000).map(|example| example % 20).collect();
        let concentration = |alpha: f64| {
            let parts = dirichlet(&mut ChaCha20Rng::seed_from_u64(2), &clusters, 20, alpha).unwrap();
            let largest = |part: &Vec<usize>| {
                let count = |name| part.iter().filter(|example| clusters[**example] == name).count();
                (0..20).map(count).max().unwrap() as f64 / part.len() as f64
            };
            parts.iter().map(largest).sum::<f64>() / 20.0
        };
        let (uneven, even) = (concentration(0.1), concentration(1000.0));
        assert!(uneven > 0.4 && even < 0.07, "{uneven}, {even}");
    }
}
