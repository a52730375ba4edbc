//! A search of some cells of the collection's tree.
//!
//! 1. *Slots.* Each says which shuffle of the cells it knows and how many queries that served. Where the three differ, or it
//!    served its period, the cells are shuffled anew by a permutation that none of them knows: a cell's *slot* is its
//!    place there. Rows that were removed since are marked void (`mark` of `pmirs-mpc`).
//! 2. *Cells.* Scores of the centroids, and the slots of the best are opened: this is what the three learn of a query.
//! 3. *Rows.* Scores of all places of these slots and of all rows that came after the tree, then the best k as ever. A void
//!    place scores less than any row, and bears the number 0.
//!
//! Nobody learns which row lies in which slot: the rows' numbers are shares, and travel with the scores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pmirs_mpc::{Party, Rows, Shares, Unmasked, width_of_differences};
use pmirs_wire::Digest;
use pmirs_wire::split::{Found, List, Probing, Search, Touched, TreePlan, Version};

use super::meeting::Stopped;
use super::search::{pair, scores_of};
use crate::refusal::Refusal;
use crate::state::{Shared, read};
use crate::store::tree::{Body, Planted, Slots, Source};

/// What a party says of its slots: the session that made them, and the queries that they served.
const SAID: usize = 9;

/// The tree and what lies beside it, as they are when a search begins.
struct View {
    plan: TreePlan,
    dim: usize,
    /// Rows of the collection.
    rows: usize,
    /// Rows that the tree was made of.
    numbered: usize,
    removed: Vec<u32>,
    slots: Option<Arc<Slots>>,
    source: Source,
    others: Others,
}

/// Rows that came after the tree.
struct Others {
    own: Vec<u32>,
    next: Vec<u32>,
    /// Their numbers: those of the present version's rows, after the tree's.
    numbers: Vec<u32>,
}

pub(super) fn find(
    party: &mut Party,
    shared: &Shared,
    (session, version): ([u8; 32], Version),
    search: &Search,
    probing: &Probing,
    queries: &[Shares<u32>],
) -> Result<Found, Stopped> {
    let view = view(shared, version, probing)?;
    let (slots, shuffled) = slots(party, shared, session, probing, &view, queries.len() as u32)?;

    let centroids = Rows::new(slots.body.centroids.own(), slots.body.centroids.next(), view.dim)?;
    let scores = scores_of(&centroids, search.metric, queries)?;
    let touched = party.open_best(scores, probing.probes as usize, width_of_differences(search.largest))?;

    let void_shows = !view.removed.is_empty();
    let tables = queries
        .iter()
        .zip(&touched)
        .map(|(query, touched)| table(party, &view, &slots, search, query, touched, void_shows))
        .collect::<Result<Vec<_>, Stopped>>()?;
    let lists = best(party, &tables, search)?;
    let traffic = party.traffic();
    let touched = Touched {
        slots: probing.probes,
        of: view.plan.cells,
        others: view.others.numbers.len() as u64,
        numbered: view.numbered as u64,
        shuffled,
    };
    Ok(Found {
        session: Digest(session),
        version,
        rows: view.rows as u64,
        lists,
        rounds: traffic.rounds,
        sent: traffic.sent,
        touched: Some(touched),
    })
}

fn view(shared: &Shared, version: Version, probing: &Probing) -> Result<View, Stopped> {
    let here = read(shared);
    let conflict = |what: &str| Stopped::Here(Refusal::conflict(what));
    if here.version() != version {
        return Err(conflict("the collection changed meanwhile: search again"));
    }
    let planted: Option<(&Planted, Source)> = here.tree().zip(here.tree_source());
    let Some((tree, source)) = planted.filter(|(tree, _)| tree.id == probing.tree) else {
        return Err(conflict("tree: this server has no such tree: its owner makes it anew"));
    };
    if probing.probes == 0 || probing.probes > tree.plan.cells {
        let most = tree.plan.cells;
        return Err(Stopped::Here(Refusal::bad(format!(
            "probes is {}, outside 1 to {most}",
            probing.probes
        ))));
    }
    let numbered = tree.items().len();
    let dim = here.dim();
    let mut others = Others { own: Vec::new(), next: Vec::new(), numbers: Vec::new() };
    for row in here.rows_beside_tree() {
        let matrix = here.matrix();
        let of = |words: &[u32]| words.get(row * dim..(row + 1) * dim).unwrap_or_default().to_vec();
        others.own.extend(of(&matrix.own));
        others.next.extend(of(&matrix.next));
        others.numbers.push((numbered + row + 1) as u32);
    }
    Ok(View {
        plan: tree.plan,
        dim,
        rows: here.items().len(),
        numbered,
        removed: tree.removed().to_vec(),
        slots: tree.slots(),
        source,
        others,
    })
}

/// The slots that this search uses, and whether they are new.
fn slots(
    party: &mut Party,
    shared: &Shared,
    session: [u8; 32],
    probing: &Probing,
    view: &View,
    queries: u32,
) -> Result<(Arc<Slots>, bool), Stopped> {
    let mine = view.slots.as_ref().map_or([0; SAID], |slots| said(slots));
    let heard = party.hear(&mine)?;
    let (names, served) = mine.split_at(SAID - 1);
    let same = heard.iter().all(|theirs| theirs.starts_with(names));
    let most = heard.iter().filter_map(|theirs| theirs.last()).chain(served).max().copied();
    let over = most.unwrap_or(u32::MAX).saturating_add(queries) > view.plan.period;
    let (kept, fresh) = match &view.slots {
        Some(slots) if same && !over => (Arc::clone(slots), false),
        _ => (Arc::new(shuffle(party, session, view)?), true),
    };
    let slots = if kept.marked < view.removed.len() {
        Arc::new(without_removed(party, session, view, &kept)?)
    } else {
        kept
    };
    slots.queries.fetch_add(queries, Ordering::Relaxed);
    if let Some(tree) = read(shared).tree().filter(|tree| tree.id == probing.tree) {
        tree.take_slots(Arc::clone(&slots));
    }
    Ok((slots, fresh))
}

fn said(slots: &Slots) -> [u32; SAID] {
    let mut said = [0; SAID];
    let (words, _) = slots.session.as_chunks::<4>();
    let words = words.iter().map(|word| u32::from_le_bytes(*word));
    let queries = slots.queries.load(Ordering::Relaxed);
    said.iter_mut().zip(words.chain([queries])).for_each(|(slot, word)| *slot = word);
    said
}

/// Gives every cell a slot that no party can tell it by, and everything fresh shares.
fn shuffle(party: &mut Party, session: [u8; 32], view: &View) -> Result<Slots, Stopped> {
    let words = view.source.read().map_err(|error| {
        tracing::error!(%error, "a tree cannot be read");
        Stopped::Here(Refusal::conflict(
            "tree: this server's shares of it are damaged: its owner makes it anew",
        ))
    })?;
    let cells = view.plan.cells as usize;
    let shuffled = party.shuffle_blocks(&words, cells)?;
    drop(words);
    let capacity = view.plan.capacity as usize;
    let take = |from: usize, count: usize| {
        let of = |words: &[u32]| -> Vec<u32> {
            let cells = words.chunks_exact(view.plan.cell_words(view.dim));
            cells.flat_map(|cell| cell.get(from..from + count).unwrap_or_default()).copied().collect()
        };
        Shares::new(of(shuffled.own()), of(shuffled.next()))
    };
    let (rows, end) = (capacity * view.dim, view.dim + capacity * view.dim);
    Ok(Slots {
        session,
        body: Arc::new(Body { centroids: take(0, view.dim)?, rows: take(view.dim, rows)? }),
        numbers: take(end, capacity)?,
        voids: take(end + capacity, capacity)?,
        marked: 0,
        queries: AtomicU32::new(0),
    })
}

/// The same slots, with the places of rows that are no more as void as empty ones.
fn without_removed(
    party: &mut Party,
    session: [u8; 32],
    view: &View,
    slots: &Slots,
) -> Result<Slots, Stopped> {
    let mut gone = vec![false; view.numbered + 1];
    for number in &view.removed {
        if let Some(gone) = gone.get_mut(*number as usize) {
            *gone = true;
        }
    }
    let marks = party.mark(&slots.numbers, |number| gone.get(number as usize).copied().unwrap_or(false))?;
    let ones = Shares::of_public(party.role(), &vec![1_u32; marks.len()]);
    let numbers = party.multiply(&slots.numbers, &ones.minus(&marks)?)?;
    Ok(Slots {
        // Other shares than those of the session before: who has only these must not meet who has only those.
        session,
        body: Arc::clone(&slots.body),
        numbers,
        // What was marked before has number 0 by now, which is never marked again.
        voids: slots.voids.plus(&marks)?,
        marked: view.removed.len(),
        queries: AtomicU32::new(slots.queries.load(Ordering::Relaxed)),
    })
}

/// One query's scores, numbers and, where rows were removed, which of them are void.
fn table(
    party: &Party,
    view: &View,
    slots: &Slots,
    search: &Search,
    query: &Shares<u32>,
    touched: &[u32],
    void_shows: bool,
) -> Result<Vec<Unmasked<u32>>, Stopped> {
    let (dim, capacity) = (view.dim, view.plan.capacity as usize);
    let query = std::slice::from_ref(query);
    let mut scores = Unmasked::of_shares(&Shares::new(Vec::new(), Vec::new())?);
    let mut score = |own: &[u32], next: &[u32]| -> Result<(), Stopped> {
        for part in scores_of(&Rows::new(own, next, dim)?, search.metric, query)? {
            scores.append(part);
        }
        Ok(())
    };
    let rows = &slots.body.rows;
    for slot in touched {
        let from = *slot as usize * capacity * dim;
        let of = from..from + capacity * dim;
        score(rows.own().get(of.clone()).unwrap_or_default(), rows.next().get(of).unwrap_or_default())?;
    }
    score(&view.others.own, &view.others.next)?;

    let places: Vec<u32> = touched
        .iter()
        .flat_map(|slot| (0..capacity as u32).map(move |at| slot * capacity as u32 + at))
        .collect();
    let (mut numbers, mut voids) = (slots.numbers.gathered(&places)?, slots.voids.gathered(&places)?);
    numbers.append(&Shares::of_public(party.role(), &view.others.numbers));
    voids.append(&Shares::of_public(party.role(), &vec![0; view.others.numbers.len()]));
    scores.add_shares(&voids.scaled(beyond(search.largest).wrapping_neg()))?;
    let mut table = vec![scores, Unmasked::of_shares(&numbers)];
    if void_shows {
        table.push(Unmasked::of_shares(&voids));
    }
    Ok(table)
}

/// What takes any score below any other: it lies beyond the difference of the two.
fn beyond(largest: u32) -> u32 {
    largest.saturating_mul(2).saturating_add(1)
}

/// Numbers and scores of the best; a removed row that is among them, because nothing else is left, shows neither.
fn best(party: &mut Party, tables: &[Vec<Unmasked<u32>>], search: &Search) -> Result<Vec<List>, Stopped> {
    let width = width_of_differences(beyond(search.largest));
    let found = party.top_k_carrying(tables, search.k as usize, width)?;
    let mut lists = Vec::with_capacity(found.len());
    for carried in found {
        let mut columns = carried.columns.into_iter();
        let numbers =
            columns.next().ok_or_else(|| Stopped::Here(Refusal::internal(&"a table without numbers")))?;
        let (numbers, scores) = match columns.next() {
            None => (numbers, carried.scores),
            Some(voids) => {
                let ones = Shares::of_public(party.role(), &vec![1_u32; voids.len()]);
                let kept = ones.minus(&voids)?;
                (party.multiply(&numbers, &kept)?, party.multiply(&carried.scores, &kept)?)
            }
        };
        lists.push(List {
            rows: pair(numbers.own(), numbers.next()),
            scores: pair(scores.own(), scores.next()),
        });
    }
    Ok(lists)
}
