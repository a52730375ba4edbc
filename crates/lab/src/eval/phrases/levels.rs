//! The same question at each protection level: in the clear here, or through a real collection on a real server.
//!
//! A protected answer is whatever the client library returns: phrases are imported into a fresh collection, at
//! `veiled` the cloud ranks their veiled int8 vectors, at `sealed` this machine's own index does, and the client
//! re-ranks by the true cosine. The paper's threshold looks at the softmax over all n phrases, so the client asks
//! for all n; the best K alone are asked for as K, which leaves the choice of candidates to the cloud.

use std::time::{Duration, Instant};

use pmirs_encoder::Embedding;
use pmirs_vault::{
    Collection, Cutoff, Import, ItemKind, Protection, Query as Wanted, SearchOptions, VaultError,
};

use super::super::{EvalError, dot};
use super::repository::{Query, Repository};
use super::rule::most;
use crate::world::World;

/// A protection level, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Plaintext,
    Protected(Protection),
}

pub(super) const LEVELS: [Level; 3] =
    [Level::Plaintext, Level::Protected(Protection::Veiled), Level::Protected(Protection::Sealed)];

impl Level {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Protected(protection) => protection.name(),
        }
    }
}

/// Phrases by their place in the repository with their cosines, best first, and how long they took.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ranked {
    pub(super) phrases: Vec<(usize, f32)>,
    pub(super) ms: f64,
}

/// What a picture got: the best K, and all.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answered {
    pub(super) truth: usize,
    pub(super) best: Ranked,
    pub(super) all: Ranked,
}

/// Embeddings that the benchmark runs on: of every picture, and of every label in every wording.
pub(super) struct Embedded {
    pub(super) pictures: Vec<Embedding>,
    pub(super) phrases: Vec<Vec<Embedding>>,
}

impl Embedded {
    fn picture(&self, at: usize) -> &[f32] {
        self.pictures.get(at).map_or(&[], Embedding::as_slice)
    }

    fn phrases_of(&self, repository: &Repository) -> Vec<&[f32]> {
        let phrase = |&(label, template): &(usize, usize)| {
            self.phrases
                .get(label)
                .and_then(|wordings| wordings.get(template))
                .map_or(&[][..], Embedding::as_slice)
        };
        repository.phrases.iter().map(phrase).collect()
    }

    /// Answers in the clear.
    pub(super) fn ask(&self, repository: &Repository, queries: &[Query]) -> Vec<Answered> {
        let phrases = self.phrases_of(repository);
        let answer = |&Query { picture, truth }: &Query| {
            let picture = self.picture(picture);
            let ranked = |k: usize| {
                let begun = Instant::now();
                let mut scored: Vec<(usize, f32)> =
                    phrases.iter().map(|phrase| dot(picture, phrase)).enumerate().collect();
                scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                scored.truncate(k);
                Ranked { phrases: scored, ms: ms(begun.elapsed()) }
            };
            Answered { truth, best: ranked(most(phrases.len())), all: ranked(phrases.len()) }
        };
        queries.iter().map(answer).collect()
    }

    /// Answers through a collection at this protection level, which is made for it and deleted afterwards.
    pub(super) fn ask_through(
        &self,
        world: &World,
        protection: Protection,
        repository: &Repository,
        queries: &[Query],
    ) -> Result<Vec<Answered>, EvalError> {
        let phrases = self.phrases_of(repository);
        let collection = world.vault.create_collection("phrases", protection)?;
        collection.import(phrases.iter().enumerate().map(|(at, phrase)| Import {
            name: at.to_string(),
            kind: ItemKind::Text,
            media_type: "text/plain".to_owned(),
            content: at.to_string().into_bytes(),
            embedding: phrase.to_vec(),
        }))?;
        // The first search derives the veil, or follows and opens the index: once per collection, not per query.
        if let Some(first) = queries.first() {
            search(&collection, self.picture(first.picture), 1)?;
        }
        let answered = queries
            .iter()
            .map(|&Query { picture, truth }| {
                let picture = self.picture(picture);
                let best = search(&collection, picture, most(phrases.len()))?;
                Ok(Answered { truth, best, all: search(&collection, picture, phrases.len())? })
            })
            .collect::<Result<_, EvalError>>()?;
        collection.delete()?;
        Ok(answered)
    }
}

fn search(collection: &Collection<'_>, picture: &[f32], k: usize) -> Result<Ranked, EvalError> {
    let options = SearchOptions { k, cutoff: Cutoff::None, ..SearchOptions::default() };
    let answer = collection.search(&Wanted::Embedding(picture.to_vec()), &options)?;
    if let Some(warning) = answer.warnings.into_iter().next() {
        return Err(VaultError::BadAnswer { request: "search".to_owned(), reason: warning }.into());
    }
    let phrases = answer
        .hits
        .iter()
        .map(|hit| Ok((hit.meta.name.parse::<usize>()?, hit.score)))
        .collect::<Result<_, std::num::ParseIntError>>()
        .map_err(|error| VaultError::Internal(format!("a phrase has another name: {error}")))?;
    Ok(Ranked { phrases, ms: ms(answer.breakdown.total) })
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
