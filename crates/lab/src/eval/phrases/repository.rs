//! The repositories of the benchmark: which labels, in which words, asked about with which pictures.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::domains::Labels;

/// Ways to say that a picture shows something.
pub(super) const TEMPLATES: [&str; 10] = [
    "a photograph that shows {}",
    "somebody took a picture of {}",
    "here you can see {}",
    "{} in the middle of the picture",
    "this picture is about {}",
    "a snapshot with {} in it",
    "what you are looking at is {}",
    "{} as seen by a photographer",
    "my favourite picture of {}",
    "there is {} in this scene",
];

/// Phrases to search among, and pictures to ask with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repository {
    pub(super) domain: usize,
    /// Label and template of each phrase.
    pub(super) phrases: Vec<(usize, usize)>,
    /// Pictures to fit thresholds with.
    pub(super) fitting: Vec<Query>,
    /// Pictures to judge with.
    pub(super) judged: Vec<Query>,
}

/// A picture, and which phrase is right for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) picture: usize,
    pub(super) truth: usize,
}

/// The pictures of each label in two halves, by their place in the list of all pictures.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Halves {
    pub(super) fitting: Vec<Vec<usize>>,
    pub(super) judged: Vec<Vec<usize>>,
}

impl Halves {
    /// Every second picture of a label, in an order drawn with `seed`; a single one is judged.
    pub(super) fn of(labels: &Labels, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut halves = Self { fitting: Vec::new(), judged: Vec::new() };
        let mut next = 0;
        for label in &labels.labels {
            let mut pictures: Vec<usize> = (next..next + label.pictures.len()).collect();
            next += pictures.len();
            pictures.shuffle(&mut rng);
            let every_second = |from: usize| pictures.iter().copied().skip(from).step_by(2).collect();
            halves.judged.push(every_second(0));
            halves.fitting.push(every_second(1));
        }
        halves
    }

    fn pictures(half: &[Vec<usize>]) -> usize {
        half.iter().map(Vec::len).sum()
    }

    /// How many pictures fit, how many judge.
    pub(super) fn counts(&self) -> (usize, usize) {
        (Self::pictures(&self.fitting), Self::pictures(&self.judged))
    }
}

/// The sizes that so many labels allow: those asked for, none above the number of labels, each once.
pub(super) fn sizes(asked: &[usize], labels: usize) -> Vec<usize> {
    let mut sizes: Vec<usize> = asked.iter().map(|&size| size.min(labels)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// Draws one repository per size for a domain. Its labels come first, in a drawn order, then those of other
/// domains; so in one iteration the larger repositories hold the smaller ones.
pub(super) fn draw(
    labels: &Labels,
    halves: &Halves,
    domain: usize,
    sizes: &[usize],
    per_class: usize,
    rng: &mut ChaCha20Rng,
) -> Vec<Repository> {
    let of_domain = |own: bool| {
        move |at: &usize| labels.labels.get(*at).is_some_and(|label| (label.domain == domain) == own)
    };
    let mut order: Vec<usize> = (0..labels.labels.len()).filter(of_domain(true)).collect();
    let mut others: Vec<usize> = (0..labels.labels.len()).filter(of_domain(false)).collect();
    order.shuffle(rng);
    others.shuffle(rng);
    order.extend(others);
    let phrases: Vec<(usize, usize)> =
        order.into_iter().map(|label| (label, rng.random_range(0..TEMPLATES.len()))).collect();
    let mut queries = |half: &[Vec<usize>]| -> Vec<Vec<Query>> {
        let mut pick = |(truth, &(label, _)): (usize, &(usize, usize))| {
            let mut pictures = half.get(label).cloned().unwrap_or_default();
            pictures.shuffle(rng);
            pictures.into_iter().take(per_class).map(|picture| Query { picture, truth }).collect()
        };
        phrases.iter().enumerate().map(&mut pick).collect()
    };
    let (fitting, judged) = (queries(&halves.fitting), queries(&halves.judged));
    let first = |queries: &[Vec<Query>], size: usize| queries.iter().take(size).flatten().copied().collect();
    sizes
        .iter()
        .map(|&size| Repository {
            domain,
            phrases: phrases.iter().take(size).copied().collect(),
            fitting: first(&fitting, size),
            judged: first(&judged, size),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::domains::Label;
    use super::*;

    /// Three labels in domain 0, two in domain 1, with 1 to 5 pictures.
    fn labels() -> Labels {
        let label = |at: usize| Label {
            words: format!("a {at}"),
            domain: usize::from(at >= 3),
            pictures: vec![PathBuf::new(); at + 1],
        };
        Labels { domains: vec!["a".into(), "b".into()], labels: (0..5).map(label).collect() }
    }

    #[test]
    fn halves_share_no_picture_and_miss_none() {
        let halves = Halves::of(&labels(), 3);
        assert_eq!(halves.counts(), (6, 9));
        let mut all: Vec<usize> = halves.fitting.iter().chain(&halves.judged).flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..15).collect::<Vec<_>>());
        assert_eq!(halves, Halves::of(&labels(), 3));
        assert_ne!(halves, Halves::of(&labels(), 4));
    }

    #[test]
    fn a_repository_holds_its_domain_first_and_then_others() {
        let (labels, halves) = (labels(), Halves::of(&labels(), 3));
        let drawn = |seed| draw(&labels, &halves, 1, &[1, 2, 4], 2, &mut ChaCha20Rng::seed_from_u64(seed));
        let repositories = drawn(1);
        assert_eq!(repositories, drawn(1));
        assert!((2..9).any(|seed| drawn(seed) != repositories));
        for (repository, size) in repositories.iter().zip([1, 2, 4]) {
            let labels: Vec<usize> = repository.phrases.iter().map(|(label, _)| *label).collect();
            assert_eq!(labels.len(), size);
            assert!(labels.iter().take(2).all(|label| [3, 4].contains(label)), "{labels:?}");
            assert!(labels.iter().skip(2).all(|label| *label < 3), "{labels:?}");
            for query in &repository.judged {
                let label = repository.phrases[query.truth].0;
                assert!(halves.judged[label].contains(&query.picture));
            }
            let most = repository.judged.iter().filter(|query| query.truth == 0).count();
            assert!((1..=2).contains(&most));
        }
    }

    #[test]
    fn sizes_end_at_the_number_of_labels() {
        assert_eq!(sizes(&[10, 20, 40, 60, 80, 100], 47), [10, 20, 40, 47]);
        assert_eq!(sizes(&[10, 20], 3), [3]);
    }

    #[test]
    fn each_template_takes_the_words_once() {
        assert!(TEMPLATES.iter().all(|template| template.matches("{}").count() == 1));
    }
}
