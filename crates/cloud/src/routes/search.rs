//! Search over veiled vectors.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use pmirs_wire::Bytes;
use pmirs_wire::collection::Role;
use pmirs_wire::search::{Candidate, Candidates, Search};

use super::CollectionPath;
use crate::app::App;
use crate::auth::Bearer;
use crate::check;
use crate::ranking::{RankingError, Wanted, quantised};
use crate::refusal::Refusal;
use crate::speech::{Answer, Incoming};
use crate::storage::{Membership, Row};

/// How often a search starts over because items it found were removed meanwhile.
const ATTEMPTS: usize = 4;

pub(super) async fn search(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    CollectionPath(id): CollectionPath,
    body: Incoming<Search>,
) -> Result<Answer<Candidates>, Refusal> {
    let candidates = app.run(move |app| {
        let membership = app.member(bearer, &id, Role::Reader)?;
        let search = body.read()?;
        check::search(&search, &membership)?;
        app.search(&membership, &search)
    });
    candidates.await.map(Answer::ok)
}

impl App {
    fn search(&self, membership: &Membership, search: &Search) -> Result<Candidates, Refusal> {
        let mut answer = self.search_once(membership, search)?;
        for _ in 1..ATTEMPTS {
            if answer.whole {
                break;
            }
            answer = self.search_once(membership, search)?;
        }
        Ok(answer.candidates)
    }

    fn search_once(&self, membership: &Membership, search: &Search) -> Result<Attempt, Refusal> {
        let started = Instant::now();
        let epoch = (membership.place, search.epoch, membership.veiled_dim as usize);
        let (skip, count) = (search.skip as usize, search.count as usize);
        let wanted = Wanted { query: quantised(&search.query), filter: &search.filter, skip, count };
        let ranked =
            self.rankings.top(&*self.store, epoch, &wanted, self.limits.search_threads).map_err(|error| {
                match error {
                    RankingError::Storage(error) => error.into(),
                    RankingError::Index(error) => Refusal::internal(&error),
                }
            })?;
        let score_us = started.elapsed().as_micros() as u64;
        self.metrics.scored(ranked.scored);

        let rows: Vec<Row> = ranked.rows.iter().map(|&(row, _)| row).collect();
        let parts = self.store.sealed_parts(&rows)?;
        let whole = parts.iter().all(Option::is_some);
        let candidates = parts
            .into_iter()
            .zip(&ranked.rows)
            .filter_map(|(parts, &(_, score))| {
                let parts = parts?;
                let (meta, embedding) = (Bytes(parts.meta), Bytes(parts.embedding));
                Some(Candidate { item: parts.item, score, meta, embedding })
            })
            .collect();
        Ok(Attempt { candidates: Candidates { candidates, rows: ranked.scored, score_us }, whole })
    }
}

struct Attempt {
    candidates: Candidates,
    /// Nothing that was ranked had been removed by the time it was read.
    whole: bool,
}
