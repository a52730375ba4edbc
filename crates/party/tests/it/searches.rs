//! What a search finds, against the same search in the clear.

use crate::client::{User, dot, random_rows, rng, vector};
use crate::{DIM, ID, World};
use pmirs_wire::ItemId;

/// The best scores of a query in the clear, and every row's.
fn in_the_clear(rows: &[(ItemId, Vec<i8>)], query: &[i8], k: usize) -> Vec<i32> {
    let mut scores: Vec<i32> = rows.iter().map(|(_, vector)| dot(vector, query)).collect();
    scores.sort_by_key(|score| -score);
    scores.truncate(k);
    scores
}

fn check(user: &User, rows: &[(ItemId, Vec<i8>)], queries: &[Vec<i8>], k: u32) {
    let order = user.rows(1, ID);
    assert_eq!(order.len(), rows.len());
    let found = user.search(ID, queries, k).unwrap();
    for (query, list) in queries.iter().zip(&found) {
        let scores: Vec<i32> = list.iter().map(|(_, score)| *score).collect();
        assert_eq!(scores, in_the_clear(rows, query, k as usize));
        for (row, score) in list {
            let item = order[*row as usize];
            let (_, vector) =
                rows.iter().find(|(id, _)| *id == item).expect("a row of an item that is there");
            assert_eq!(dot(vector, query), *score, "the score of another row");
        }
    }
}

#[test]
fn a_search_is_exact_through_adds_removals_and_restarts() {
    let world = World::new();
    let user = world.user(1);
    let mut rng = rng(11);
    user.create(ID, DIM as u32);
    let queries: Vec<Vec<i8>> = (0..2).map(|_| vector(&mut rng, DIM)).collect();
    check(&user, &[], &queries, 5);

    let mut rows = random_rows(&mut rng, 60, DIM);
    user.change(ID, &rows, &[]).unwrap();
    check(&user, &rows, &queries, 10);
    check(&user, &rows, &queries[..1], 100);

    let more = random_rows(&mut rng, 7, DIM);
    let gone: Vec<ItemId> = [0, 59, 30, 31].map(|place: usize| rows[place].0).to_vec();
    user.change(ID, &more, &gone).unwrap();
    rows.retain(|(item, _)| !gone.contains(item));
    rows.extend(more);
    check(&user, &rows, &queries, 10);

    let world = world.restart();
    let user = world.user(1);
    check(&user, &rows, &queries, 10);
    user.change(ID, &[], &rows.iter().map(|(item, _)| *item).collect::<Vec<_>>()).unwrap();
    check(&user, &[], &queries, 3);
}

#[test]
fn many_searches_at_once_do_not_wait_for_each_other_in_a_ring() {
    let world = World::new();
    let user = world.user(1);
    let mut rng = rng(12);
    user.create(ID, DIM as u32);
    let rows = random_rows(&mut rng, 40, DIM);
    user.change(ID, &rows, &[]).unwrap();
    let queries: Vec<Vec<i8>> = (0..12).map(|_| vector(&mut rng, DIM)).collect();
    std::thread::scope(|scope| {
        for query in &queries {
            scope.spawn(|| check(&user, &rows, std::slice::from_ref(query), 5));
        }
    });
}

#[test]
fn the_nearest_rows_by_euclidean_distance() {
    let world = World::new();
    let mut user = world.user(1);
    user.metric = pmirs_wire::split::Metric::SquaredDistance;
    let mut rng = rng(13);
    user.create(ID, DIM as u32);
    let rows = random_rows(&mut rng, 50, DIM);
    user.change(ID, &rows, &[]).unwrap();
    let query = vector(&mut rng, DIM);
    let square = |row: &[i8]| -> i32 {
        row.iter().zip(&query).map(|(x, y)| (i32::from(*x) - i32::from(*y)).pow(2)).sum()
    };
    let mut expected: Vec<i32> = rows.iter().map(|(_, row)| -square(row)).collect();
    expected.sort_by_key(|score| -score);
    let found = user.search(ID, std::slice::from_ref(&query), 6).unwrap();
    assert_eq!(found[0].iter().map(|(_, score)| *score).collect::<Vec<_>>(), expected[..6]);
}
