//! The best rows for some queries, in shares that only the client joins.

use std::sync::Arc;

use pmirs_mpc::{Party, Rows, Shares, Unmasked, width_of_differences};
use pmirs_wire::split::{Answer, Component, Found, List, Metric, Parts, Search, SharePair, Version};
use pmirs_wire::{Bytes, Digest, limits};

use super::meeting::{Met, Stopped};
use super::tree;
use crate::commands::own_parts;
use crate::refusal::Refusal;
use crate::state::{Node, Shared, read};
use crate::store::component_words;

/// The largest product of two int8 coordinates.
const LARGEST_PRODUCT: u64 = 128 * 128;
/// The largest square of the difference of two.
const LARGEST_SQUARE: u64 = 255 * 255;

/// Checks what can be checked before the others are bothered.
pub(crate) fn check(
    node: &Node,
    shared: &Shared,
    search: &Search,
    parts: &Bytes,
) -> Result<Vec<Shares<u32>>, Refusal> {
    let within = |what: &str, got: u32, most: usize| {
        if (1..=most).contains(&(got as usize)) {
            return Ok(());
        }
        Err(Refusal::bad(format!("{what} is {got}, outside 1 to {most}")))
    };
    within("queries", search.queries, limits::SPLIT_QUERIES)?;
    within("k", search.k, limits::SPLIT_CANDIDATES)?;
    let dim = read(shared).dim();
    let term = match search.metric {
        Metric::InnerProduct => LARGEST_PRODUCT,
        Metric::SquaredDistance => LARGEST_SQUARE,
    };
    let largest = term * dim as u64;
    if u64::from(search.largest) > largest || search.largest == 0 {
        return Err(Refusal::bad(format!("largest is {}, outside 1 to {largest}", search.largest)));
    }
    let parts =
        own_parts(node, &search.parts, parts)?.ok_or_else(|| Refusal::bad("parts: a query is missing"))?;
    queries(&parts, search.queries as usize, dim)
}

fn queries(Parts { own, next, .. }: &Parts, count: usize, dim: usize) -> Result<Vec<Shares<u32>>, Refusal> {
    let words = |component: &Component| {
        let words = component_words(component, count * dim);
        let fits = words.len() == count * dim;
        fits.then_some(words)
            .ok_or_else(|| Refusal::bad(format!("parts: they must have {} words", count * dim)))
    };
    let (own, next) = (words(own)?, words(next)?);
    let each = own.chunks_exact(dim).zip(next.chunks_exact(dim));
    each.map(|(own, next)| {
        Shares::new(own.to_vec(), next.to_vec()).map_err(|error| Refusal::internal(&error))
    })
    .collect()
}

pub(super) async fn run(
    node: &Arc<Node>,
    shared: &Shared,
    met: &mut Met,
    session: [u8; 32],
    version: Version,
    search: Search,
    parts: Bytes,
) -> Result<Answer, Refusal> {
    let queries = check(node, shared, &search, &parts)?;
    let shared = Arc::clone(shared);
    met.compute(node, session, move |party| match &search.tree {
        Some(probing) => tree::find(party, &shared, (session, version), &search, probing, &queries),
        None => find(party, &shared, version, &search, &queries),
    })
    .await
    .map(|found| Answer::Found(Found { session: Digest(session), ..found }))
}

fn find(
    party: &mut Party,
    shared: &Shared,
    version: Version,
    search: &Search,
    queries: &[Shares<u32>],
) -> Result<Found, Stopped> {
    let (scores, rows) = {
        let here = read(shared);
        if here.version() != version {
            let changed = Refusal::conflict("the collection changed meanwhile: search again");
            return Err(Stopped::Here(changed));
        }
        let matrix = here.matrix();
        let rows = Rows::new(&matrix.own, &matrix.next, here.dim())?;
        (scores_of(&rows, search.metric, queries)?, here.items().len())
    };
    let lists = if rows == 0 {
        queries.iter().map(|_| List { rows: pair(&[], &[]), scores: pair(&[], &[]) }).collect()
    } else {
        let width = width_of_differences(search.largest);
        let found = party.top_k(scores, search.k as usize, width)?;
        let list = |found: pmirs_mpc::Found| List {
            rows: pair(found.rows.own(), found.rows.next()),
            scores: pair(found.scores.own(), found.scores.next()),
        };
        found.into_iter().map(list).collect()
    };
    let traffic = party.traffic();
    let session = Digest([0; 32]);
    let (rows, rounds, sent) = (rows as u64, traffic.rounds, traffic.sent);
    Ok(Found { session, version, rows, lists, rounds, sent, touched: None })
}

/// This party's parts of the scores of rows: the better, the larger.
pub(super) fn scores_of(
    rows: &Rows<'_>,
    metric: Metric,
    queries: &[Shares<u32>],
) -> Result<Vec<Unmasked<u32>>, pmirs_mpc::Error> {
    match metric {
        Metric::InnerProduct => rows.inner_products(queries),
        // The nearest have the largest score.
        Metric::SquaredDistance => {
            Ok(rows.squared_distances(queries)?.into_iter().map(Unmasked::negated).collect())
        }
    }
}

pub(super) fn pair(own: &[u32], next: &[u32]) -> SharePair {
    let bytes = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>().into();
    SharePair { own: bytes(own), next: bytes(next) }
}
