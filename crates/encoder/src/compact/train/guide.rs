//! The teacher of affinities: which photos and sentences belong together, and how nearly, in its eyes.

use rand::seq::SliceRandom as _;
use rand_core::Rng;
use rayon::prelude::*;

use super::features::Features;
use super::judge::{centre_of, centred, dot, unit};
use super::session::Session;
use super::student::Student;

/// Nearest photos that are remembered of each photo.
pub(crate) const NEAREST: usize = 8;
/// Sentences whose mean is the centre of texts.
const CENTRE_SAMPLE: usize = 2000;

/// A network that others learn from.
pub(crate) struct Guide {
    /// Per photo of the corpus, the mean over its views, centred and of unit length.
    photos: Vec<Vec<f32>>,
    network: Student,
    text_centre: Vec<f32>,
    /// Its inverse temperature.
    pub sharpness: f32,
    /// Per training photo, those nearest to it that something else is said about: captioned ones among captioned
    /// ones, class photos among those of other classes.
    nearest: Vec<Vec<usize>>,
}

impl Guide {
    pub(crate) fn new(session: &Session, network: Student, features: &Features) -> Self {
        let count = session.corpus.photos.len();
        let seen: Vec<Vec<f32>> = (0..count)
            .into_par_iter()
            .map(|photo| unit(centre_of(&network.head().project(&network.values, features.rows(photo)))))
            .collect();
        let train: Vec<Vec<f32>> = session.train().filter_map(|photo| seen.get(photo).cloned()).collect();
        let photos = centred(&seen, &centre_of(&train));
        let said = if session.captioned.is_empty() { &session.classed } else { &session.captioned };
        let every = said.len().div_ceil(CENTRE_SAMPLE).max(1);
        let sentences = said.iter().step_by(every).map(|&photo| session.sentence(photo));
        let texts: Vec<Vec<f32>> =
            sentences.map(|sentence| network.embed_tokens(&session.tokens(&sentence))).collect();
        let text_centre = centre_of(&texts);
        let mut nearest = vec![Vec::new(); count];
        for among in [&session.captioned, &session.classed] {
            let lists: Vec<Vec<usize>> = among
                .par_iter()
                .map(|&photo| {
                    let others = among.iter().filter(|&&other| session.tells_apart(photo, other));
                    nearest_of(photo, others, &photos)
                })
                .collect();
            for (&photo, list) in among.iter().zip(lists) {
                if let Some(slot) = nearest.get_mut(photo) {
                    *slot = list;
                }
            }
        }
        Self { sharpness: network.log_scale().exp(), photos, network, text_centre, nearest }
    }

    pub(crate) fn photo(&self, photo: usize) -> &[f32] {
        self.photos.get(photo).map_or(&[], Vec::as_slice)
    }

    /// A sentence's vector, centred and of unit length.
    pub(crate) fn sentence(&self, tokens: &[u32]) -> Vec<f32> {
        let raw = unit(self.network.embed_tokens(tokens));
        unit(raw.iter().zip(&self.text_centre).map(|(value, centre)| value - centre).collect())
    }

    /// Each photo followed by up to `neighbours` of the photos nearest to it, none twice, `count` in all at most.
    pub(crate) fn among_likes(
        &self,
        drawn: &[usize],
        neighbours: usize,
        count: usize,
        rng: &mut impl Rng,
    ) -> Vec<usize> {
        let mut taken = std::collections::HashSet::new();
        let mut batch = Vec::with_capacity(count);
        for &photo in drawn {
            let mut near = self.nearest.get(photo).cloned().unwrap_or_default();
            near.shuffle(rng);
            let fresh = std::iter::once(photo).chain(near.into_iter().take(neighbours));
            batch.extend(fresh.filter(|photo| taken.insert(*photo)));
        }
        batch.truncate(count);
        batch
    }
}

/// The photos of `others` nearest to `photo`, the nearest first.
fn nearest_of<'a>(photo: usize, others: impl Iterator<Item = &'a usize>, photos: &[Vec<f32>]) -> Vec<usize> {
    let own = photos.get(photo).map_or(&[][..], Vec::as_slice);
    let mut scored: Vec<(f32, usize)> =
        others.filter_map(|&other| Some((dot(own, photos.get(other)?), other))).collect();
    let nearer = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if scored.len() > NEAREST {
        scored.select_nth_unstable_by(NEAREST, nearer);
        scored.truncate(NEAREST);
    }
    scored.sort_by(nearer);
    scored.into_iter().map(|(_, other)| other).collect()
}
