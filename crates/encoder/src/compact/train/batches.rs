//! What each step shows: photos, words, prototypes and names, drawn by the recipe's seed.

use rand::seq::SliceRandom as _;

use super::guide::Guide;
use super::objective::{Affinity, Batch, Rows};
use super::recipe::StagePlan;
use super::rng::stream;
use super::session::Session;
use super::words;

/// What the batches of one learning step of the recipe are drawn from.
pub(crate) struct Source<'a> {
    pub session: &'a Session,
    pub plan: &'a StagePlan,
    /// The step of the recipe, and the member of a committee: whose draws these are.
    pub purpose: String,
    /// The teacher's classes as features, one row each.
    pub prototypes: &'a Rows,
    pub guide: Option<&'a Guide>,
    /// Neighbours of each captioned photo that join its batch.
    pub neighbours: usize,
}

impl Source<'_> {
    /// The photos of a step, captioned ones first, and how many those are.
    pub(crate) fn photos(&self, step: u64) -> (Vec<usize>, usize) {
        let Session { captioned, classed, .. } = self.session;
        let mut photos = self.some(captioned, self.plan.batch.min(captioned.len()), "order", step);
        let with_captions = photos.len();
        photos.extend(self.some(classed, self.plan.class_photos, "class order", step));
        (photos, with_captions)
    }

    /// Photos of a step, with their hard negatives where there is a guide.
    fn some(&self, all: &[usize], count: usize, purpose: &str, step: u64) -> Vec<usize> {
        let Some(guide) = self.guide.filter(|_| self.neighbours > 0) else {
            return self.draw(all, count, purpose, step);
        };
        let drawn = self.draw(all, count.div_ceil(self.neighbours + 1), purpose, step);
        let mut rng = self.stream(&format!("neighbours {purpose}"), step);
        guide.among_likes(&drawn, self.neighbours, count, &mut rng)
    }

    fn stream(&self, purpose: &str, number: u64) -> rand_chacha::ChaCha8Rng {
        stream(self.session.recipe.seed, &format!("{purpose} {}", self.purpose), number)
    }

    /// Consecutive places of endless shuffled epochs.
    fn draw(&self, all: &[usize], count: usize, purpose: &str, step: u64) -> Vec<usize> {
        let mut chosen = Vec::with_capacity(count);
        let mut epoch = (u64::MAX, Vec::new());
        let (count, length) = (count as u64, all.len().max(1) as u64);
        for place in step * count..(step + 1) * count {
            let number = place / length;
            if epoch.0 != number {
                let mut order = all.to_vec();
                order.shuffle(&mut self.stream(purpose, number));
                epoch = (number, order);
            }
            chosen.extend(epoch.1.get((place % length) as usize));
        }
        chosen
    }

    /// Words, prototypes and names that go with a step's photos.
    pub(crate) fn batch(&self, step: u64, photos: &[usize], with_captions: usize) -> Batch {
        let session = self.session;
        let mut rng = self.stream("words", step);
        let plurals = self.plan.plurals;
        let mut batch = Batch::default();
        let (captioned, classed) = photos.split_at(with_captions.min(photos.len()));
        for &photo in captioned {
            let [caption, other] = session.captions(photo, &mut rng);
            batch.captions.push(caption);
            batch.other_captions.push(other);
        }
        for &photo in classed {
            let (class, phrase) = session.class(photo, plurals, &mut rng);
            batch.classes.push(class);
            batch.class_phrases.push(phrase);
        }
        batch.prototypes.width = self.prototypes.width;
        let classes = self.prototypes.count();
        for class in rand::seq::index::sample(&mut rng, classes, self.plan.prototypes.min(classes)) {
            let names = session.corpus.labels.get(class).map(Vec::as_slice).unwrap_or_default();
            let usual = names.get(..names.len().min(2)).unwrap_or_default();
            if let Some(name) = rand::seq::IndexedRandom::choose(usual, &mut rng) {
                batch.prototypes.values.extend_from_slice(self.prototypes.row(class));
                batch.prototype_names.push(session.tokens(&words::phrase(name, plurals, &mut rng)));
            }
        }
        let names = session.clip.len();
        for name in rand::seq::index::sample(&mut rng, names, self.plan.names.min(names)) {
            if let (Some((text, _)), Some(row)) = (session.corpus.names.get(name), session.clip.get(name)) {
                batch.clip.width = row.len();
                batch.clip.values.extend(row);
                batch.names.push(session.tokens(&words::phrase(text, plurals, &mut rng)));
            }
        }
        let entries = session.corpus.glossary.len();
        for entry in rand::seq::index::sample(&mut rng, entries, self.plan.glossary.min(entries)) {
            if let Some((word, shows)) = session.corpus.glossary.get(entry) {
                batch.entries.push(session.tokens(&words::phrase(word, plurals, &mut rng)));
                batch.descriptions.push(session.tokens(shows));
            }
        }
        if let Some(guide) = self.guide.filter(|_| self.plan.terms.affinity > 0.0) {
            batch.affinity = Some(affinity(guide, photos, &batch));
        }
        batch
    }
}

fn affinity(guide: &Guide, photos: &[usize], batch: &Batch) -> Affinity {
    let rows = |rows: Vec<Vec<f32>>| Rows { width: rows.first().map_or(0, Vec::len), values: rows.concat() };
    let sentences =
        |sentences: &[Vec<u32>]| rows(sentences.iter().map(|tokens| guide.sentence(tokens)).collect());
    let words: Vec<Vec<u32>> = batch.captions.iter().chain(&batch.class_phrases).cloned().collect();
    Affinity {
        photos: rows(photos.iter().map(|&photo| guide.photo(photo).to_vec()).collect()),
        words: sentences(&words),
        other_words: sentences(&batch.other_captions),
        sharpness: guide.sharpness,
    }
}
