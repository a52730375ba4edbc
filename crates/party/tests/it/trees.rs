//! A tree: searched in full it finds what the scan finds, through changes, restarts and fresh shares; in part, what lies in
//! the best cells.

use std::collections::HashMap;

use pmirs_crypto::{Dealt, sha256};
use pmirs_mpc::{Shares, reconstruct};
use pmirs_wire::collection::Role;
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::split::{
    Action, Answer, Found, Parts, PartyRequest, Planting, Probing, Receipt, Search, SharePair, State,
    Touched, TreeAction, TreePlan, TreeState, Version,
};
use pmirs_wire::{Bytes, Digest, ItemId, encode};

use crate::client::{No, User, dot, random, random_rows, rng, vector, words};
use crate::orders::share;
use crate::{DIM, ID, World};

type Rows = Vec<(ItemId, Vec<i8>)>;

const PLAN: TreePlan = TreePlan { cells: 6, capacity: 13, probes: 2, period: 4 };

/// The words of a tree whose cells hold rows one after another, by their numbers.
fn tree_words(order: &[ItemId], rows: &Rows, plan: TreePlan) -> Vec<u32> {
    let by_item: HashMap<ItemId, &Vec<i8>> = rows.iter().map(|(item, vector)| (*item, vector)).collect();
    let each = order.len().div_ceil(plan.cells as usize);
    let mut all = Vec::new();
    for cell in 0..plan.cells as usize {
        let members: Vec<usize> = (cell * each..((cell + 1) * each).min(order.len())).collect();
        let vectors: Vec<&Vec<i8>> = members.iter().map(|row| by_item[&order[*row]]).collect();
        let centroid: Vec<i8> =
            (0..DIM).map(|at| vectors.iter().map(|vector| vector[at] / 4).sum::<i8>()).collect();
        all.extend(words(&centroid));
        all.extend(vectors.iter().flat_map(|vector| words(vector)));
        let empty = plan.capacity as usize - members.len();
        all.extend(vec![0; empty * DIM]);
        all.extend(members.iter().map(|row| *row as u32 + 1).chain(vec![0; empty]));
        all.extend(members.iter().map(|_| 0).chain(vec![1; empty]));
    }
    assert_eq!(all.len(), plan.words(DIM));
    all
}

fn dealt(words: &[u32]) -> ([Bytes; 3], [Digest; 3]) {
    let Dealt { seeds: [first, second], rest } = Dealt::new(&mut rng(words.len() as u64), words);
    let parts = Parts::of_three(*first.expose_secret(), *second.expose_secret(), &rest.0, [[7; 32]; 3]);
    let parts = parts.map(|parts| Bytes(encode(&parts).unwrap()));
    let digests = parts.each_ref().map(|parts| Digest(sha256(&parts.0)));
    (parts, digests)
}

/// Hands over a tree in pieces of so many words.
fn upload(user: &User, upload: Digest, words: &[u32], piece: usize) -> Result<(), No> {
    for (number, words) in words.chunks(piece).enumerate() {
        let (parts, digests) = dealt(words);
        let at = (number * piece) as u64;
        let action = TreeAction::Piece { upload, at, words: words.len() as u32, parts: digests };
        for answer in user.ask_all(&user.order(ID, Action::Tree(action)), &parts) {
            answer?;
        }
    }
    Ok(())
}

/// Prepares a change at these places, P0 first; commits it at those.
fn plant_at(
    user: &User,
    base: Version,
    tree: Option<Planting>,
    prepare: &[usize],
    commit: &[usize],
) -> Result<Option<State>, No> {
    let order = user.order(ID, Action::Tree(TreeAction::Plant { base, tree }));
    let mut receipts: [Bytes; 3] = Default::default();
    let mut first: Option<Receipt> = None;
    for &place in prepare {
        let word = first.as_ref().map(|receipt| Bytes(encode(receipt).unwrap()));
        let request = PartyRequest { order: order.clone(), parts: Bytes::default(), first: word };
        let Answer::Receipt(receipt) = user.send(place, &request)? else { panic!("no receipt") };
        receipts[place] = receipt.signature.clone();
        first.get_or_insert(receipt);
    }
    let sequence = first.unwrap().sequence;
    let prepared = Digest(sha256(&order.order.0));
    let order = user.order(ID, Action::Commit { prepared, sequence, receipts });
    let (mut word, mut last) = (None, None);
    for &place in commit {
        let request = PartyRequest { order: order.clone(), parts: Bytes::default(), first: word.clone() };
        let Answer::State(state) = user.send(place, &request)? else { panic!("no state") };
        word = word.or_else(|| state.decision.clone());
        last = Some(state);
    }
    Ok(last)
}

fn plant(user: &User, rows: &Rows, plan: TreePlan) -> Digest {
    let order = user.rows(0, ID);
    let id = Digest(random(&mut rng(order.len() as u64)));
    upload(user, id, &tree_words(&order, rows, plan), 1000).unwrap();
    let base = user.state(0, ID).unwrap().version;
    plant_at(user, base, Some(Planting { upload: id, plan }), &[0, 1, 2], &[0, 1, 2]).unwrap();
    shown(user, 1).unwrap().tree
}

fn shown(user: &User, place: usize) -> Option<TreeState> {
    match user.ask(place, &user.order(ID, Action::Tree(TreeAction::Show))).unwrap() {
        Answer::Tree(tree) => tree,
        other => panic!("{other:?}"),
    }
}

fn raw(user: &User, probing: Probing, queries: &[Vec<i8>], k: u32) -> [Result<Found, No>; 3] {
    let (parts, digests) = User::deal(queries);
    let search = Search {
        queries: queries.len() as u32,
        k,
        metric: user.metric,
        largest: 4096,
        parts: digests,
        tree: Some(probing),
    };
    user.ask_all(&user.order(ID, Action::Search(search)), &parts).map(|answer| {
        answer.map(|answer| match answer {
            Answer::Found(found) => found,
            other => panic!("{other:?}"),
        })
    })
}

fn joined(found: &[Found; 3], list: usize, pick: fn(&pmirs_wire::split::List) -> &SharePair) -> Vec<u32> {
    let shares = found.each_ref().map(|found| {
        let pair = pick(&found.lists[list]);
        let words =
            |bytes: &Bytes| bytes.0.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        Shares::new(words(&pair.own), words(&pair.next)).unwrap()
    });
    reconstruct(&shares).unwrap()
}

/// Items and scores that a tree finds, best first.
fn find(user: &User, probing: Probing, queries: &[Vec<i8>], k: u32) -> (Vec<Vec<(ItemId, i32)>>, Touched) {
    let [first, second, third] = raw(user, probing, queries, k);
    let found = [first.unwrap(), second.unwrap(), third.unwrap()];
    let touched = found[0].touched.unwrap();
    assert!(found.iter().all(|one| one.touched == Some(touched) && one.session == found[0].session));
    let Answer::Rows(page) =
        user.ask(2, &user.order(ID, Action::Tree(TreeAction::Rows { from: 0 }))).unwrap()
    else {
        panic!("no rows")
    };
    let mut items: Vec<ItemId> = page.items.0.as_chunks().0.iter().map(|id| ItemId(*id)).collect();
    assert_eq!(items.len() as u64, touched.numbered);
    items.extend(user.rows(0, ID));
    let lists = (0..queries.len()).map(|list| {
        let numbers = joined(&found, list, |list| &list.rows);
        let scores = joined(&found, list, |list| &list.scores);
        let mut both: Vec<(ItemId, i32)> = numbers
            .into_iter()
            .zip(scores)
            .filter(|(number, _)| *number > 0)
            .map(|(number, score)| (items[number as usize - 1], score.cast_signed()))
            .collect();
        both.sort_by_key(|(item, score)| (-score, *item));
        both
    });
    (lists.collect(), touched)
}

fn in_the_clear(rows: &Rows, query: &[i8]) -> Vec<(ItemId, i32)> {
    let mut all: Vec<(ItemId, i32)> = rows.iter().map(|(item, vector)| (*item, dot(vector, query))).collect();
    all.sort_by_key(|(item, score)| (-score, *item));
    all
}

/// All cells together hold what the scan finds: every row once, nothing that is gone, no empty place.
fn check_whole(user: &User, tree: Digest, rows: &Rows, queries: &[Vec<i8>]) {
    let (found, _) = find(user, Probing { tree, probes: PLAN.cells }, queries, 200);
    for (query, found) in queries.iter().zip(found) {
        assert_eq!(found, in_the_clear(rows, query));
    }
}

#[test]
fn a_tree_finds_what_the_scan_finds_through_changes_restarts_and_fresh_shares() {
    let world = World::new();
    let (user, mut rng) = (world.user(1), rng(71));
    user.create(ID, DIM as u32);
    let queries: Vec<Vec<i8>> = (0..2).map(|_| vector(&mut rng, DIM)).collect();
    let mut rows = random_rows(&mut rng, 60, DIM);
    user.change(ID, &rows, &[]).unwrap();
    assert_eq!(shown(&user, 0), None);
    let tree = plant(&user, &rows, PLAN);
    check_whole(&user, tree, &rows, &queries);

    // Rows that come are looked at, rows that go are not found, those that came and went neither.
    let more = random_rows(&mut rng, 7, DIM);
    let gone: Vec<ItemId> = [0, 59, 30, 31].map(|place: usize| rows[place].0).to_vec();
    user.change(ID, &more, &gone).unwrap();
    rows.retain(|(item, _)| !gone.contains(item));
    rows.extend(more);
    check_whole(&user, tree, &rows, &queries);
    let gone = [rows.remove(3).0, rows.pop().unwrap().0];
    user.change(ID, &[], &gone).unwrap();
    check_whole(&user, tree, &rows, &queries);
    let state = shown(&user, 2).unwrap();
    assert_eq!((state.rows, state.removed, state.added), (60, 5, 6));

    let world = world.restart();
    let user = world.user(1);
    assert_eq!(shown(&user, 0).unwrap().queries, None, "nobody remembers the slots of before");
    check_whole(&user, tree, &rows, &queries);

    let base = user.state(0, ID).unwrap().version;
    for answer in user.ask_all(&user.order(ID, Action::Refresh { base }), &Default::default()) {
        answer.unwrap();
    }
    assert_eq!(shown(&user, 0).unwrap().queries, None, "slots of old shares are gone");
    check_whole(&user, tree, &rows, &queries);
    let world = world.restart();
    let user = world.user(1);
    check_whole(&user, tree, &rows, &queries);

    // Another tree takes its place, and none that of this one.
    let other = plant(&user, &rows, TreePlan { cells: 4, capacity: 16, probes: 1, period: 9 });
    assert_eq!(shown(&user, 0).unwrap().rows, 61);
    let refused =
        raw(&user, Probing { tree, probes: 1 }, &queries, 3).map(|answer| answer.unwrap_err().refused());
    assert!(refused.iter().any(|it| it.problem.kind == ProblemKind::Conflict), "{refused:?}");
    let (found, _) = find(&user, Probing { tree: other, probes: 4 }, &queries, 5);
    assert_eq!(found[0], in_the_clear(&rows, &queries[0])[..5]);
    let base = user.state(0, ID).unwrap().version;
    plant_at(&user, base, None, &[0, 1, 2], &[0, 1, 2]).unwrap();
    assert_eq!(shown(&user, 1), None);
    let store = world.folder.path().join("east/collections").join(ID.to_string());
    let left = std::fs::read_dir(store).unwrap().filter(|entry| {
        entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "tree")
    });
    assert_eq!(left.count(), 0, "shares of a tree that is gone are erased");
    assert_eq!(user.search(ID, &queries, 3).unwrap().len(), 2, "the scan works as ever");
}

#[test]
fn some_cells_are_touched_and_their_slots_serve_one_period() {
    let world = World::new();
    let (user, mut rng) = (world.user(1), rng(72));
    user.create(ID, DIM as u32);
    let rows = random_rows(&mut rng, 60, DIM);
    user.change(ID, &rows, &[]).unwrap();
    let tree = plant(&user, &rows, PLAN);
    let order = user.rows(0, ID);
    let probing = Probing { tree, probes: 2 };
    let mut shuffled = Vec::new();
    for _ in 0..9 {
        let query = vector(&mut rng, DIM);
        let (found, touched) = find(&user, probing, std::slice::from_ref(&query), 60);
        assert_eq!((touched.slots, touched.of, touched.others), (2, 6, 0));
        shuffled.push(touched.shuffled);
        // The rows of the two best cells, by the same arithmetic.
        let words = tree_words(&order, &rows, PLAN);
        let score = |cell: usize| {
            let centroid = &words[cell * PLAN.cell_words(DIM)..][..DIM];
            centroid.iter().zip(&query).map(|(a, b)| a.cast_signed() * i32::from(*b)).sum::<i32>()
        };
        let mut cells: Vec<usize> = (0..6).collect();
        cells.sort_by_key(|cell| -score(*cell));
        if score(cells[1]) == score(cells[2]) {
            continue;
        }
        let members: Rows = rows
            .iter()
            .filter(|(item, _)| {
                let row = order.iter().position(|it| it == item).unwrap();
                cells[..2].contains(&(row / 10))
            })
            .cloned()
            .collect();
        assert_eq!(found[0], in_the_clear(&members, &query));
    }
    assert_eq!(shuffled, [true, false, false, false, true, false, false, false, true]);
    // More queries than a period has are one period.
    let many: Vec<Vec<i8>> = (0..5).map(|_| vector(&mut rng, DIM)).collect();
    for _ in 0..2 {
        assert!(find(&user, probing, &many, 3).1.shuffled);
    }
    for (place, answer) in raw(&user, Probing { tree, probes: 7 }, &many, 3).into_iter().enumerate() {
        assert!(answer.is_err(), "P{place} looks into more cells than there are");
    }
    assert_eq!(find(&user, probing, &many, 3).0.len(), 5);
}

#[test]
fn a_tree_is_planted_at_all_three_or_at_none() {
    let world = World::new();
    let (user, mut rng) = (world.user(1), rng(73));
    user.create(ID, DIM as u32);
    let rows = random_rows(&mut rng, 20, DIM);
    user.change(ID, &rows, &[]).unwrap();
    let plan = TreePlan { cells: 2, capacity: 12, probes: 1, period: 9 };
    let words = tree_words(&user.rows(0, ID), &rows, plan);
    let planting = Planting { upload: Digest([1; 32]), plan };
    let base = user.state(0, ID).unwrap().version;
    upload(&user, planting.upload, &words, 500).unwrap();
    // Prepared everywhere, committed nowhere, and then everyone starts again: it lies ready, and nobody has it.
    let order = user.order(ID, Action::Tree(TreeAction::Plant { base, tree: Some(planting) }));
    let mut first: Option<Receipt> = None;
    let mut receipts: [Bytes; 3] = Default::default();
    for (place, signature) in receipts.iter_mut().enumerate() {
        let word = first.as_ref().map(|receipt| Bytes(encode(receipt).unwrap()));
        let request = PartyRequest { order: order.clone(), parts: Bytes::default(), first: word };
        let Answer::Receipt(receipt) = user.send(place, &request).unwrap() else { panic!("no receipt") };
        *signature = receipt.signature.clone();
        first.get_or_insert(receipt);
    }
    let world = world.restart();
    let user = world.user(1);
    assert!((0..3).all(|place| shown(&user, place).is_none()));
    // P0 decides, and the client is gone: the next search has the two others follow.
    let prepared = Digest(sha256(&order.order.0));
    let action = Action::Commit { prepared, sequence: first.unwrap().sequence, receipts };
    user.ask(0, &user.order(ID, action)).unwrap();
    assert!(shown(&user, 0).is_some() && shown(&user, 1).is_none());
    let query = [vector(&mut rng, DIM)];
    user.search(ID, &query, 3).unwrap();
    let tree = shown(&user, 2).unwrap().tree;
    let world = world.restart();
    let user = world.user(1);
    assert_eq!(shown(&user, 1).unwrap().tree, tree);
    let (found, _) = find(&user, Probing { tree, probes: 2 }, &query, 20);
    assert_eq!(found[0], in_the_clear(&rows, &query[0]));
}

#[test]
fn a_party_that_was_repaired_says_that_it_has_no_tree() {
    let world = World::new();
    let (user, mut rng) = (world.user(1), rng(74));
    user.create(ID, DIM as u32);
    let rows = random_rows(&mut rng, 20, DIM);
    user.change(ID, &rows, &[]).unwrap();
    let plan = TreePlan { cells: 2, capacity: 12, probes: 1, period: 9 };
    let tree = plant(&user, &rows, plan);
    let World { parties, folder } = world;
    for party in parties {
        party.stop().unwrap();
    }
    std::fs::remove_dir_all(folder.path().join("east/collections").join(ID.to_string())).unwrap();
    let parties = pmirs_party::Embedded::trio_with(folder.path(), &crate::limits()).unwrap();
    let world = World { parties, folder };
    let user = world.user(1);
    for answer in user.ask_all(&user.order(ID, Action::Repair { place: 1 }), &Default::default()) {
        answer.unwrap();
    }
    let query = [vector(&mut rng, DIM)];
    let refused =
        raw(&user, Probing { tree, probes: 1 }, &query, 3).map(|answer| answer.unwrap_err().refused());
    assert!(refused[1].problem.message.contains("makes it anew"), "{}", refused[1].problem.message);
    assert_eq!(user.search(ID, &query, 20).unwrap()[0].len(), 20, "the scan works as ever");
    // Fresh shares are made of the rows; the tree that one of them lacks ends.
    let base = user.state(0, ID).unwrap().version;
    for answer in user.ask_all(&user.order(ID, Action::Refresh { base }), &Default::default()) {
        answer.unwrap();
    }
    assert_eq!(shown(&user, 0), None);
    let tree = plant(&user, &rows, plan);
    let (found, _) = find(&user, Probing { tree, probes: 2 }, &query, 20);
    assert_eq!(found[0], in_the_clear(&rows, &query[0]));
}

#[test]
fn only_owners_plant_and_only_what_fits() {
    let world = World::new();
    let [anna, wendy] = [1, 2].map(|seed| world.user(seed));
    anna.create(ID, DIM as u32);
    share(&anna, &[(&wendy, Role::Writer)]);
    let rows = random_rows(&mut rng(75), 20, DIM);
    anna.change(ID, &rows, &[]).unwrap();
    let plan = TreePlan { cells: 2, capacity: 12, probes: 1, period: 9 };
    let words = tree_words(&anna.rows(0, ID), &rows, plan);
    let id = Digest([1; 32]);
    let kind = |answer: Result<(), No>| answer.unwrap_err().refused().problem.kind;
    assert_eq!(kind(upload(&wendy, id, &words, 500)), ProblemKind::Forbidden);
    let base = anna.state(0, ID).unwrap().version;
    let plant = |user: &User, plan, upload| {
        plant_at(user, base, Some(Planting { upload, plan }), &[0, 1, 2], &[0, 1, 2]).map(drop)
    };
    assert_eq!(kind(plant(&anna, plan, id)), ProblemKind::Conflict, "nothing was uploaded");
    upload(&anna, id, &words[..words.len() - 1], 500).unwrap();
    assert_eq!(kind(plant(&anna, plan, id)), ProblemKind::BadRequest, "a word is missing");
    upload(&anna, id, &words, 500).unwrap();
    assert_eq!(kind(plant(&anna, plan, Digest([2; 32]))), ProblemKind::Conflict, "another upload");
    assert_eq!(kind(plant(&wendy, plan, id)), ProblemKind::Forbidden);
    for bad in [
        TreePlan { cells: 0, ..plan },
        TreePlan { capacity: 9, ..plan },
        TreePlan { probes: 3, ..plan },
        TreePlan { period: 0, ..plan },
        TreePlan { cells: u32::MAX, capacity: u32::MAX, ..plan },
    ] {
        assert_eq!(kind(plant(&anna, bad, id)), ProblemKind::BadRequest, "{bad:?}");
    }
    // A piece out of turn, and one that is larger than any tree.
    let piece = |at, words: usize| {
        let (parts, digests) = dealt(&vec![1; words]);
        let action = TreeAction::Piece { upload: id, at, words: words as u32, parts: digests };
        let order = anna.order(ID, Action::Tree(action));
        anna.ask_all(&order, &parts).map(|answer| answer.unwrap_err().refused().problem.kind)
    };
    assert_eq!(piece(7, 10), [ProblemKind::Conflict; 3]);
    assert_eq!(piece(0, 21 * 16 * (2 * DIM + 2) + 1), [ProblemKind::BadRequest; 3]);
    plant(&anna, plan, id).unwrap();
    assert_eq!(shown(&wendy, 0).unwrap().plan, plan);
}
