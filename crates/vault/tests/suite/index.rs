//! The index of a split collection: searches through it find nearly what the scan finds, and follow what comes and goes.

use pmirs_crypto::Prg;
use pmirs_party::Embedded;
use pmirs_vault::{
    Answer, Audit, Collection, Import, Index, IndexOptions, ItemKind, Protection, Query, Quiet, Role,
    SearchOptions, VaultError,
};
use rand_core::Rng;

use crate::share;
use crate::world::World;

const OPTIONS: IndexOptions = IndexOptions { rows_per_cell: 8, share: 0.25, period: 3 };

/// Vectors of unit length around some centres.
fn vectors(count: usize, dim: usize, seed: u8) -> Vec<Vec<f32>> {
    let mut rng = Prg::new(&[seed; 32], b"vectors");
    let mut drawn = |near: Option<&Vec<f32>>, spread: f32| -> Vec<f32> {
        let mut coordinate = || (rng.next_u32() % 2001) as f32 / 1000.0 - 1.0;
        let values: Vec<f32> =
            (0..dim).map(|at| near.map_or(0.0, |near| near[at]) + spread * coordinate()).collect();
        let length = values.iter().map(|x| x * x).sum::<f32>().sqrt();
        values.into_iter().map(|x| x / length).collect()
    };
    let mut centres = Prg::new(&[77; 32], b"centres");
    let centres: Vec<Vec<f32>> = (0..12)
        .map(|_| (0..dim).map(|_| (centres.next_u32() % 2001) as f32 / 1000.0 - 1.0).collect::<Vec<f32>>())
        .map(|centre| {
            let length = centre.iter().map(|x| x * x).sum::<f32>().sqrt();
            centre.into_iter().map(|x| x / length).collect()
        })
        .collect();
    (0..count).map(|at| drawn(Some(&centres[at % 12]), 0.05)).collect()
}

fn import(collection: &Collection<'_>, vectors: &[Vec<f32>], name: &str) {
    let items = vectors.iter().enumerate().map(|(at, embedding)| Import {
        name: format!("{name}-{at}.txt"),
        kind: ItemKind::Text,
        media_type: "text/plain".into(),
        content: format!("{name} {at}").into_bytes(),
        embedding: embedding.clone(),
    });
    collection.import(items).unwrap();
}

fn search(collection: &Collection<'_>, query: &[f32], index: Index) -> Answer {
    let options = SearchOptions { index, audit: Audit::Some(3), ..SearchOptions::default() };
    collection.search(&Query::Embedding(query.to_vec()), &options).unwrap()
}

fn names(answer: &Answer) -> Vec<String> {
    answer.hits.iter().map(|hit| hit.meta.name.clone()).collect()
}

#[test]
fn an_index_finds_what_the_scan_finds_and_follows_what_comes_and_goes() {
    let world = World::new();
    let running = Embedded::trio(&world.folder.path().join("parties")).unwrap();
    let split = world.vault.create_split_collection("split", running[0].parties().clone()).unwrap();
    let ben = world.person("ben");
    let dim = world.vault.encoder().unwrap().info().dim;
    import(&split, &vectors(240, dim, 1), "first");
    let query = vectors(12, dim, 2);

    let missing = SearchOptions { index: Index::Tree, ..SearchOptions::default() };
    let none = split.search(&Query::Embedding(query[0].clone()), &missing).unwrap_err();
    assert!(matches!(none, VaultError::NoIndex(_)), "{none}");
    assert_eq!(split.index().unwrap(), None);
    let report = split.make_index(&OPTIONS, &Quiet).unwrap();
    assert_eq!((report.rows, report.cells, report.capacity, report.probes), (240, 30, 10, 7));

    let mut found = 0;
    let mut shuffled = Vec::new();
    for query in &query[..6] {
        let (scan, tree) = (search(&split, query, Index::Scan), search(&split, query, Index::Tree));
        assert!(scan.used.is_none() && tree.warnings.is_empty(), "{:?}", tree.warnings);
        assert!(!tree.exact, "what some cells hold is not proven to be the best");
        let used = tree.used.unwrap();
        assert_eq!((used.touched, used.cells, used.others, used.stale), (7, 30, 0, false));
        shuffled.push(used.shuffled);
        let scanned = names(&scan);
        found += names(&tree).iter().filter(|name| scanned.contains(name)).count();
        for hit in &tree.hits {
            let same = scan.hits.iter().find(|other| other.item == hit.item);
            assert!(same.is_none_or(|same| same.score.to_bits() == hit.score.to_bits()));
        }
    }
    assert!(found >= 57, "{found} of 60");
    assert_eq!(shuffled, [true, false, false, true, false, false], "after three searches, other slots");

    // What comes is found at once, what goes is not found any more.
    import(&split, &query[6..8], "later");
    let gone = search(&split, &query[0], Index::Tree).hits.remove(0);
    split.remove(&[gone.item]).unwrap();
    assert_eq!(names(&search(&split, &query[6], Index::Tree))[0], "later-0.txt");
    let again = search(&split, &query[0], Index::Tree);
    assert!(again.hits.iter().all(|hit| hit.item != gone.item) && again.warnings.is_empty());
    assert_eq!(again.hits.len(), 10);
    let state = split.index().unwrap().unwrap();
    assert_eq!((state.removed, state.added, state.is_stale()), (1, 2, false));

    // A reader searches through it, and does not make one; shares that a revocation made fresh still fit.
    share(&world, "split", &ben, "ben", Role::Reader);
    let his = ben.collection("split").unwrap();
    assert_eq!(names(&search(&his, &query[1], Index::Tree)), names(&search(&split, &query[1], Index::Tree)));
    let refused = [his.make_index(&OPTIONS, &Quiet).map(drop), his.drop_index().map(drop)];
    assert!(refused.iter().all(|it| matches!(it, Err(VaultError::NotAllowed { .. }))), "{refused:?}");
    world.vault.collection("split").unwrap().revoke("ben").unwrap();
    let split = world.vault.collection("split").unwrap();
    let after = search(&split, &query[0], Index::Tree);
    assert!(after.used.unwrap().shuffled, "no slots outlive the shares that they had");
    assert_eq!(names(&after), names(&again));

    // Much changes: it says so, and is made anew.
    import(&split, &vectors(60, dim, 3), "many");
    let stale = search(&split, &query[2], Index::Tree);
    assert!(
        stale.used.unwrap().stale && stale.warnings[0].contains("collection index"),
        "{:?}",
        stale.warnings
    );
    assert_eq!(split.make_index(&OPTIONS, &Quiet).unwrap().rows, 301);
    let fresh = search(&split, &query[2], Index::Tree);
    assert!(fresh.warnings.is_empty() && fresh.used.unwrap().others == 0);
    assert!(split.drop_index().unwrap() && !split.drop_index().unwrap());
    assert_eq!(search(&split, &query[2], Index::Scan).hits.len(), 10);

    let sealed = world.vault.create_collection("sealed", Protection::Sealed).unwrap();
    assert!(sealed.make_index(&OPTIONS, &Quiet).is_err());
}
