//! What may be wrong with one of the three, or with a row, and how it is put right.

use std::sync::OnceLock;

use pmirs_vault::{Audit, Collection, Import, ItemKind, Query, Quiet, Role, SearchOptions, VaultError};
use pmirs_wire::ItemId;
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::split::Answer;

use crate::liar::named;
use crate::share;
use crate::split::found;
use crate::three::{NAMES, Three};
use crate::world::World;

/// Coordinates in which [`axis`] is not zero.
const WIDE: usize = 64;

fn axis() -> Vec<f32> {
    let root = (WIDE as f32).sqrt();
    (0..dim()).map(|at| if at < WIDE { 1.0 / root } else { 0.0 }).collect()
}

/// A unit vector that leans towards the axis, the less the larger its number.
fn leaning(number: usize, of: usize) -> Vec<f32> {
    let cosine = 0.9 - 1.6 * number as f32 / of as f32;
    let mut vector: Vec<f32> = axis().into_iter().map(|x| x * cosine).collect();
    vector[WIDE + number % (dim() - WIDE)] = (1.0 - cosine * cosine).sqrt();
    vector
}

fn import(collection: &Collection<'_>, numbers: std::ops::Range<usize>, of: usize) {
    let items = numbers.map(|number| Import {
        name: format!("{number:03}"),
        kind: ItemKind::Text,
        media_type: "text/plain".into(),
        content: number.to_le_bytes().to_vec(),
        embedding: leaning(number, of),
    });
    collection.import(items).unwrap();
}

fn dim() -> usize {
    static DIM: OnceLock<usize> = OnceLock::new();
    *DIM.get_or_init(|| pmirs_encoder::Encoder::compact_builtin().unwrap().info().dim)
}

fn along_the_axis() -> Query {
    Query::Embedding(axis())
}

fn names(collection: &Collection<'_>, options: &SearchOptions) -> Vec<String> {
    let answer = collection.search(&along_the_axis(), options).unwrap();
    assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
    answer.hits.into_iter().map(|hit| hit.meta.name).collect()
}

fn best(k: usize) -> SearchOptions {
    SearchOptions { k, ..SearchOptions::default() }
}

#[test]
fn a_party_that_lost_its_store_is_named_and_repaired() {
    let world = World::new();
    let mut three = Three::new(&world);
    let split = world.vault.create_split_collection("split", three.trio.clone()).unwrap();
    let id = split.info().id;
    import(&split, 0..20, 20);
    let before = names(&split, &best(5));
    drop(split);
    let eva = world.person("eva");
    share(&world, "split", &eva, "eva", Role::Writer);
    for (place, name) in NAMES.into_iter().enumerate() {
        three.lose(place, id, &[&world.vault, &eva]);
        let split = world.vault.collection("split").unwrap();
        let lacks = |error: VaultError| match error {
            VaultError::PartyLacks { party } => assert_eq!(party, name),
            other => panic!("{other}"),
        };
        let started = std::time::Instant::now();
        lacks(split.search(&along_the_axis(), &best(5)).unwrap_err());
        // The two others do not wait for it.
        assert!(started.elapsed() < std::time::Duration::from_secs(8), "{:?}", started.elapsed());
        let new = Import {
            name: format!("added while {name} lacked"),
            kind: ItemKind::Text,
            media_type: "text/plain".into(),
            content: name.as_bytes().to_vec(),
            embedding: leaning(19, 20),
        };
        lacks(split.import([new]).unwrap_err());
        lacks(eva.collection("split").unwrap().search(&along_the_axis(), &best(5)).unwrap_err());
        assert!(matches!(split.repair(Some("west"), false, &Quiet), Err(VaultError::Parties(_))));
        // A writer is enough.
        let report = eva.collection("split").unwrap().repair(None, false, &Quiet).unwrap();
        assert_eq!(report.repaired, [name]);
        assert_eq!(names(&split, &best(5)), before);
        // What was added meanwhile has its row by now.
        assert_eq!(names(&split, &best(50)).len(), 21 + place);
        assert_eq!(split.repair(Some(name), false, &Quiet).unwrap().repaired, [] as [&str; 0]);
        assert!(split.verify(&Quiet).unwrap().faults.is_empty());
    }
    // Two of them at once are too many.
    three.lose(0, id, &[]);
    three.lose(1, id, &[&world.vault]);
    let split = world.vault.collection("split").unwrap();
    match split.repair(None, false, &Quiet) {
        Err(VaultError::Party { party, .. }) => assert_eq!(party, "north and east"),
        other => panic!("{other:?}"),
    }
    // And even so the collection can be deleted.
    split.delete().unwrap();
}

#[test]
fn a_party_that_was_set_back_is_named_and_repaired() {
    let world = World::new();
    let mut three = Three::new(&world);
    let split = world.vault.create_split_collection("split", three.trio.clone()).unwrap();
    let id = split.info().id;
    import(&split, 0..4, 20);
    let backup = world.folder.path().join("backup");
    three.restart(|folders| crate::copy(&folders[2], &backup));
    world.vault.move_parties(&three.trio).unwrap();
    for number in [4, 8, 12] {
        import(&world.vault.collection("split").unwrap(), number..number + 4, 20);
    }
    three.restart(|folders| {
        std::fs::remove_dir_all(&folders[2]).unwrap();
        crate::copy(&backup, &folders[2]);
    });
    world.vault.move_parties(&three.trio).unwrap();
    let split = world.vault.collection("split").unwrap();
    for outcome in [
        split.search(&along_the_axis(), &best(3)).map(drop),
        split.remove(&[split.items().unwrap()[0].item]).map(drop),
    ] {
        assert!(matches!(&outcome, Err(VaultError::PartyLacks { party }) if party == "south"), "{outcome:?}");
    }
    assert_eq!(split.repair(None, false, &Quiet).unwrap().repaired, ["south"]);
    assert_eq!(names(&split, &best(3)), ["001", "002", "003"]);
    assert_eq!(split.info().id, id);
}

#[test]
fn a_client_that_died_after_the_first_decided_is_made_up_for() {
    let world = World::new();
    let three = Three::new(&world);
    let split = world.vault.create_split_collection("split", three.trio.clone()).unwrap();
    let id = split.info().id;
    import(&split, 0..10, 10);
    // Another program of the same person decides on a removal at the first, and dies.
    let user = three.user(&world.words);
    let rows = user.rows(0, id);
    let base = user.state(0, id).unwrap().version;
    let prepared = user.prepare(id, base, &[], &rows[..1]).unwrap();
    user.ask(0, &user.order(id, prepared.commit())).unwrap();
    assert_eq!([0, 1, 2].map(|place| user.state(place, id).unwrap().rows), [9, 10, 10]);
    // The log still has the item, so it gets a row again before anything is found.
    let split = world.vault.collection("split").unwrap();
    assert_eq!(names(&split, &best(20)).len(), 10);
    assert_eq!([0, 1, 2].map(|place| user.state(place, id).unwrap().rows), [10, 10, 10]);
    // And one that died while it deleted: what is left goes with the next attempt.
    user.ask(0, &user.order(id, pmirs_wire::split::Action::Delete)).unwrap();
    world.vault.delete_collection("split").unwrap();
    for place in 0..3 {
        let no = user.state(place, id).unwrap_err().refused();
        assert_eq!(no.problem.kind, ProblemKind::NotFound);
    }
}

/// Another row for items than their embeddings, along the axis: by any program of somebody who may write.
fn misplace(three: &Three, world: &World, collection: &Collection<'_>, items: &[ItemId], steps: i8) {
    let user = three.user(&world.words);
    let mut row = vec![0_i8; dim()];
    row[..WIDE].fill(steps);
    let rows: Vec<(ItemId, Vec<i8>)> = items.iter().map(|item| (*item, row.clone())).collect();
    user.change(collection.info().id, &rows, items).unwrap();
}

fn item(collection: &Collection<'_>, name: &str) -> ItemId {
    collection.items().unwrap().into_iter().find(|it| it.meta.name == name).unwrap().item
}

#[test]
fn a_row_that_is_a_share_of_something_else_is_named_and_put_right() {
    let world = World::new();
    let three = Three::new(&world);
    let split = world.vault.create_split_collection("split", three.trio.clone()).unwrap();
    import(&split, 0..20, 20);
    let before = names(&split, &best(20));
    let wrong = item(&split, "003");
    misplace(&three, &world, &split, &[wrong], -100);
    let answer = split.search(&along_the_axis(), &best(20)).unwrap();
    let named =
        answer.warnings.iter().any(|it| it.contains(&wrong.to_string()) && it.contains("party repair"));
    assert!(named && !answer.exact, "{:?}", answer.warnings);
    // The true cosine orders them all the same.
    let told: Vec<String> = answer.hits.into_iter().map(|hit| hit.meta.name).collect();
    assert_eq!(told, before);
    let faults = split.verify(&Quiet).unwrap().faults;
    assert_eq!(faults.iter().map(|fault| (fault.item, fault.field)).collect::<Vec<_>>(), [(wrong, "row")]);
    assert_eq!(split.repair(None, true, &Quiet).unwrap().rows, 20);
    assert_eq!(names(&split, &best(20)), before);
    assert!(split.verify(&Quiet).unwrap().faults.is_empty());
    // Sealed anew under another key, embeddings are rounded again: that is no other embedding.
    assert!(split.rekey(true, &Quiet).unwrap().damaged.is_empty());
    assert!(world.vault.collection("split").unwrap().verify(&Quiet).unwrap().faults.is_empty());
}

#[test]
fn wrong_scores_do_not_hide_what_they_push_out() {
    let world = World::new();
    let three = Three::new(&world);
    let split = world.vault.create_split_collection("split", three.trio.clone()).unwrap();
    import(&split, 0..40, 40);
    // Those that lean least score more than the best one does, and take every place among the candidates.
    let pushed: Vec<ItemId> = (20..40).map(|number| item(&split, &format!("{number:03}"))).collect();
    misplace(&three, &world, &split, &pushed, 120);
    let options = SearchOptions { k: 1, audit: Audit::All, ..SearchOptions::default() };
    let searched = split.search(&along_the_axis(), &options);
    if let Err(VaultError::Altered { reason, .. }) = &searched {
        assert!(reason.contains("session"), "{reason}");
    }
    named(searched, "search answer");
    split.repair(None, true, &Quiet).unwrap();
    assert_eq!(names(&split, &options), ["000"]);
}

#[test]
fn a_party_that_lies_is_named() {
    let world = World::new();
    let three = Three::new(&world);
    let (trio, liar) = three.with_liar(0);
    let split = world.vault.create_split_collection("split", trio.clone()).unwrap();
    import(&split, 0..10, 10);
    drop(split);
    let search = || {
        // What was fetched before is not asked for again, so it is asked as another device would.
        world.vault.forget_collection("split").unwrap();
        let split = world.vault.collection("split").unwrap();
        split.search(&along_the_axis(), &best(3)).map(|answer| answer.hits.len())
    };
    assert_eq!(search().unwrap(), 3);
    let blames = |searched: Result<usize, VaultError>, who: &str| match searched {
        Err(VaultError::Party { party, .. }) => assert!(party.contains(who), "{party}"),
        other => panic!("{other:?}"),
    };
    // It lists two rows the other way round: what is found would go by other items' names.
    liar.tells(|_, answer| {
        if let Answer::Rows(page) = answer {
            let (first, rest) = page.items.0.split_at_mut(16);
            first.swap_with_slice(&mut rest[..16]);
        }
    });
    blames(search(), "north");
    // Other shares of the scores, of the rows' numbers, and of fewer of them.
    for lie in [0, 1, 2] {
        liar.tells(move |_, answer| {
            if let Answer::Found(found) = answer {
                let list = &mut found.lists[0];
                match lie {
                    0 => list.scores.own.0[0] ^= 1,
                    1 => list.rows.next.0[0] ^= 1,
                    _ => drop(list.scores.next.0.drain(..4)),
                }
            }
        });
        blames(search(), "of the three");
    }
    // Another session, another number of rows.
    liar.tells(|_, answer| {
        if let Answer::Found(found) = answer {
            found.rows += 1;
        }
    });
    blames(search(), "east");
    // Something else altogether.
    liar.tells(|_, answer| {
        if let Answer::Found(_) = answer {
            *answer = Answer::Gone;
        }
    });
    blames(search(), "north");
    liar.is_honest();
    assert_eq!(search().unwrap(), 3);
}

#[test]
fn embeddings_of_another_length_than_one_are_refused() {
    let world = World::new();
    let three = Three::new(&world);
    let split = world.vault.create_split_collection("split", three.trio.clone()).unwrap();
    for factor in [0.9, 1.1, 0.0, f32::NAN] {
        let embedding = leaning(1, 10).into_iter().map(|x| x * factor).collect();
        let import = Import {
            name: "note".into(),
            kind: ItemKind::Text,
            media_type: "text/plain".into(),
            content: b"note".to_vec(),
            embedding,
        };
        assert!(matches!(split.import([import]), Err(VaultError::Query(_))), "times {factor}");
    }
    assert_eq!(found(&world.vault, "split", "anything").len(), 0);
}
