//! Adding and removing: all three or none, whatever is cut off where.

use crate::client::{No, random_rows, rng, vector};
use crate::{DIM, ID, World};
use pmirs_wire::problem::ProblemKind;

#[test]
fn a_prepared_batch_gives_way_only_when_p0_says_so() {
    let world = World::new();
    let (anna, mut rng) = (world.user(1), rng(21));
    anna.create(ID, DIM as u32);
    let base = anna.state(0, ID).unwrap().version;
    let old = anna.prepare(ID, base, &random_rows(&mut rng, 3, DIM), &[]).unwrap();
    // Her own newer batch takes its place at once, and the old one can never be committed.
    let new = anna.prepare(ID, base, &random_rows(&mut rng, 2, DIM), &[]).unwrap();
    let no = anna.commit(ID, &old).unwrap_err().refused();
    assert_eq!(no.problem.kind, ProblemKind::Conflict);
    let state = anna.commit(ID, &new).unwrap();
    assert_eq!((state.rows, state.version.number), (2, 1));
    // Committing again is answered as the first time.
    assert_eq!(anna.commit(ID, &new).unwrap().version, state.version);
    for place in 0..3 {
        assert_eq!(anna.state(place, ID).unwrap().version, state.version);
    }
    // A batch on an old version is refused.
    let no = anna.prepare(ID, base, &random_rows(&mut rng, 1, DIM), &[]).unwrap_err().refused();
    assert_eq!(no.problem.kind, ProblemKind::Conflict);
}

#[test]
fn a_client_that_dies_after_p0_decided_leaves_the_others_to_catch_up() {
    let world = World::new();
    let (anna, mut rng) = (world.user(1), rng(22));
    anna.create(ID, DIM as u32);
    let base = anna.state(0, ID).unwrap().version;
    let rows = random_rows(&mut rng, 4, DIM);
    let prepared = anna.prepare(ID, base, &rows, &[]).unwrap();
    let commit = anna.order(ID, prepared.commit());
    anna.ask(0, &commit).unwrap();
    assert_eq!([0, 1, 2].map(|place| anna.state(place, ID).unwrap().version.number), [1, 0, 0]);
    // Without P0's decision the others do not commit.
    let no = anna.ask(1, &commit).unwrap_err().refused();
    assert_eq!(no.problem.kind, ProblemKind::Conflict);

    // The next search brings all to the same version, also after all were restarted.
    let world = world.restart();
    let anna = world.user(1);
    let found = anna.search(ID, &[vector(&mut rng, DIM)], 10).unwrap();
    assert_eq!(found[0].len(), 4);
    assert_eq!([0, 1, 2].map(|place| anna.state(place, ID).unwrap().version.number), [1, 1, 1]);
}

#[test]
fn impossible_batches_are_refused() {
    let world = World::new();
    let (anna, mut rng) = (world.user(1), rng(23));
    anna.create(ID, DIM as u32);
    let rows = random_rows(&mut rng, 3, DIM);
    anna.change(ID, &rows, &[]).unwrap();
    let kind = |no: No| no.refused().problem.kind;
    assert_eq!(kind(anna.change(ID, &rows[..1], &[]).unwrap_err()), ProblemKind::Conflict, "there already");
    let stranger = random_rows(&mut rng, 1, DIM)[0].0;
    assert_eq!(kind(anna.change(ID, &[], &[stranger]).unwrap_err()), ProblemKind::Conflict, "not there");
    assert_eq!(kind(anna.change(ID, &[], &[]).unwrap_err()), ProblemKind::BadRequest, "empty");
    let short = vec![(stranger, vector(&mut rng, DIM - 1))];
    assert_eq!(kind(anna.change(ID, &short, &[]).unwrap_err()), ProblemKind::BadRequest, "of another size");
    assert_eq!(anna.state(0, ID).unwrap().rows, 3);
}

#[test]
fn a_late_receipt_does_not_push_out_what_was_decided() {
    let world = World::new();
    let (anna, mut rng) = (world.user(1), rng(24));
    anna.create(ID, DIM as u32);
    let base = anna.state(0, ID).unwrap().version;
    // One client gets P0's receipt and then sleeps; another one takes its place, and P0 decides.
    let mut asleep = anna.prepare_at(&[0], ID, base, &random_rows(&mut rng, 2, DIM), &[]).unwrap();
    let quick = anna.prepare(ID, base, &random_rows(&mut rng, 3, DIM), &[]).unwrap();
    anna.ask(0, &anna.order(ID, quick.commit())).unwrap();
    // The sleeper wakes up and goes on where it was.
    for place in [1, 2] {
        let no = anna.prepare_more(&mut asleep, place).unwrap_err().refused();
        assert_eq!(no.problem.kind, ProblemKind::Conflict);
    }
    assert_eq!(anna.search(ID, &[vector(&mut rng, DIM)], 10).unwrap()[0].len(), 3);
    assert_eq!([0, 1, 2].map(|place| anna.state(place, ID).unwrap().version.number), [1, 1, 1]);
    // Without P0's receipt, nothing is laid ready at the others.
    let base = anna.state(0, ID).unwrap().version;
    let rows = random_rows(&mut rng, 1, DIM);
    assert!(anna.prepare_at(&[1], ID, base, &rows, &[]).is_err());
}

#[test]
fn an_item_gets_another_row_in_one_batch() {
    let world = World::new();
    let (anna, mut rng) = (world.user(1), rng(25));
    anna.create(ID, DIM as u32);
    let rows = random_rows(&mut rng, 6, DIM);
    anna.change(ID, &rows, &[]).unwrap();
    let new = vector(&mut rng, DIM);
    let item = rows[2].0;
    let state = anna.change(ID, &[(item, new.clone())], &[item]).unwrap();
    assert_eq!(state.rows, 6);
    // Named twice it is refused, as before.
    assert!(anna.change(ID, &[(item, new.clone()), (item, new.clone())], &[item]).is_err());
    let check = |world: &World| {
        let anna = world.user(1);
        let found = &anna.search(ID, std::slice::from_ref(&new), 6).unwrap()[0];
        let of = |item| anna.rows(0, ID).iter().position(|known| *known == item).unwrap() as u32;
        let score = |item| found.iter().find(|(row, _)| *row == of(item)).unwrap().1;
        assert_eq!(score(item), crate::client::dot(&new, &new));
        assert_eq!(score(rows[5].0), crate::client::dot(&rows[5].1, &new));
    };
    check(&world);
    check(&world.restart());
}
