//! Collections that go over to another model: half moved they answer as they will when they are moved, whoever stops,
//! adds, lacks the pack or lies meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use pmirs_encoder::Encoder;
use pmirs_party::Embedded;
use pmirs_vault::{
    Answer, Audit, Collection, Happening, Index, IndexOptions, Progress, Protection, Query, Quiet, Role,
    SearchOptions, Vault, VaultError,
};
use pmirs_wire::collection::{CollectionList, CollectionRecord};
use pmirs_wire::{decode, encode};

use crate::liar::{Liar, named};
use crate::packs::{narrow, shaken};
use crate::world::{World, plain};
use crate::{add, share};

const QUESTIONS: [&str; 4] =
    ["a dog on the beach", "a red car", "two bicycles in the rain", "somebody cooks"];

/// A folder with so many notes and a few pictures.
fn notes(world: &World, count: usize) -> PathBuf {
    let folder = world.folder.path().join("notes");
    fs::create_dir_all(&folder).unwrap();
    let who =
        ["A brown dog", "An old man", "A red car", "A small boat", "The cook", "A child", "Two bicycles"];
    let does = ["waits", "runs along", "sleeps", "is seen", "was painted"];
    let place = ["on the beach", "in the rain", "by the river", "at night", "in the kitchen", "under a tree"];
    for at in 0..count {
        let (a, b, c) = (at % who.len(), (at / who.len()) % does.len(), (at / 5) % place.len());
        let text = format!("{} {} {}, number {at}.", who[a], does[b], place[c]);
        fs::write(folder.join(format!("{at:03}.txt")), text).unwrap();
    }
    for (at, rgb) in [[200, 30, 30], [30, 160, 40], [30, 60, 200], [240, 220, 20]].into_iter().enumerate() {
        fs::write(folder.join(format!("picture-{at}.png")), plain(48, 48, rgb)).unwrap();
    }
    folder
}

/// Everybody of a test has the old model; those who are given it have the new one too.
struct Models {
    old: Arc<Encoder>,
    new: Arc<Encoder>,
}

impl Models {
    fn of(world: &World) -> Self {
        let folder = world.folder.path();
        let models = Self { old: shaken(folder, "1", 0, 1), new: shaken(folder, "2", 24, 2) };
        world.vault.use_encoder(models.old.clone()).offer_encoder(models.new.clone());
        models
    }
}

fn made<'a>(world: &'a World, protection: Protection, parties: &mut Vec<Embedded>) -> Collection<'a> {
    if protection != Protection::Split {
        return world.vault.create_collection("album", protection).unwrap();
    }
    parties.extend(Embedded::trio(&world.folder.path().join("parties")).unwrap());
    world.vault.create_split_collection("album", parties[0].parties().clone()).unwrap()
}

fn ask(vault: &Vault, words: &str, audit: Audit) -> Answer {
    let options = SearchOptions { audit, ..SearchOptions::default() };
    vault.collection("album").unwrap().search(&Query::text(words), &options).unwrap()
}

/// Names and scores of the best ten for each question.
fn answers(vault: &Vault, audit: Audit) -> Vec<Vec<(String, f32)>> {
    let told = |answer: Answer| {
        assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
        answer.hits.into_iter().map(|hit| (hit.meta.name, hit.score)).collect::<Vec<_>>()
    };
    QUESTIONS.iter().map(|words| told(ask(vault, words, audit))).collect()
}

/// Pictures are embedded in batches, which moves the last bits.
#[track_caller]
fn same(left: &[Vec<(String, f32)>], right: &[Vec<(String, f32)>]) {
    assert_eq!(left.len(), right.len());
    for (left, right) in left.iter().zip(right) {
        assert_eq!(left.len(), right.len());
        for ((name, score), (other, expected)) in left.iter().zip(right) {
            assert!(name == other && (score - expected).abs() < 1e-4, "{left:?}\n{right:?}");
        }
    }
}

/// How many items are of which model.
fn of_model(vault: &Vault, model: &str) -> usize {
    let items = vault.collection("album").unwrap().items().unwrap();
    items.iter().filter(|item| item.meta.model == model).count()
}

#[test]
fn a_half_moved_collection_answers_as_the_moved_one_at_every_level() {
    for protection in Protection::ALL {
        let world = World::new();
        let models = Models::of(&world);
        let mut parties = Vec::new();
        let album = made(&world, protection, &mut parties);
        assert_eq!(add(&album, &notes(&world, 126)).added, 130);
        let before = answers(&world.vault, Audit::All);
        let liar = Liar::stands_before(&world.vault);

        assert!(world.vault.collection("album").unwrap().use_model(&models.new).unwrap(), "{protection}");
        assert!(
            !world.vault.collection("album").unwrap().use_model(&models.new).unwrap(),
            "it is its model now"
        );
        let info = world.vault.collection("album").unwrap().info();
        assert_eq!(
            (info.model.as_str(), info.moving_from.as_slice()),
            ("trained 2", &["trained 1".to_owned()][..])
        );
        let unmoved = answers(&world.vault, Audit::All);
        assert_ne!(before, unmoved, "{protection}: the models do not differ enough for the test");

        // It ends after one batch; at `split` with what is new added and what is old not yet removed, and then after that.
        let ends: &[(usize, usize)] = match protection {
            Protection::Split => &[(130, 64), (66, 64)],
            Protection::Sealed | Protection::Veiled => &[(66, 64)],
        };
        for &left in ends {
            liar.dies_after(1);
            let ended = world.vault.collection("album").unwrap().reembed(&Quiet);
            assert!(ended.is_err(), "{ended:?}");
            liar.is_honest();
            let counts = (of_model(&world.vault, "trained 1"), of_model(&world.vault, "trained 2"));
            assert_eq!(counts, left, "{protection}");
            same(&answers(&world.vault, Audit::All), &unmoved);
            same(&answers(&world.vault, Audit::default()), &unmoved);
        }
        let report = world.vault.collection("album").unwrap().reembed(&Quiet).unwrap();
        assert_eq!((report.moved, report.given_up.as_slice()), (66, &["trained 1".to_owned()][..]));
        assert!(report.left.is_empty());
        assert_eq!((of_model(&world.vault, "trained 1"), of_model(&world.vault, "trained 2")), (0, 130));
        let answer = ask(&world.vault, QUESTIONS[0], Audit::All);
        assert!(answer.exact && answer.moving.is_none(), "{protection}: {answer:?}");
        same(&answers(&world.vault, Audit::All), &unmoved);
        let album = world.vault.collection("album").unwrap();
        assert!(album.info().moving_from.is_empty());
        assert!(album.verify(&Quiet).unwrap().faults.is_empty());
        let settled = album.events().unwrap().iter().filter(|it| it.what == Happening::Settled).count();
        assert_eq!(settled, 2, "one entry begins the move, one ends it");
        // As if it had been made with the new model.
        let fresh = world.vault.create_collection("fresh", Protection::Sealed).unwrap();
        assert!(fresh.use_model(&models.new).unwrap() && fresh.info().moving_from.is_empty());
        add(&fresh, &notes(&world, 126));
        let own = |words: &str| {
            let answer = fresh.search(&Query::text(words), &SearchOptions::default()).unwrap();
            answer.hits.into_iter().map(|hit| (hit.meta.name, hit.score)).collect::<Vec<_>>()
        };
        same(&QUESTIONS.map(own), &unmoved);
    }
}

#[test]
fn an_index_rests_while_a_split_collection_moves_and_says_so() {
    let world = World::new();
    let models = Models::of(&world);
    let mut parties = Vec::new();
    let album = made(&world, Protection::Split, &mut parties);
    add(&album, &notes(&world, 40));
    let shape = IndexOptions { rows_per_cell: 8, share: 0.25, period: 5 };
    album.make_index(&shape, &Quiet).unwrap();
    let through = |index: Index| {
        let options = SearchOptions { index, ..SearchOptions::default() };
        let album = world.vault.collection("album").unwrap();
        let answer = album.search(&Query::text(QUESTIONS[0]), &options).unwrap();
        let hits: Vec<(String, f32)> =
            answer.hits.into_iter().map(|hit| (hit.meta.name, hit.score)).collect();
        (hits, answer.used, answer.warnings)
    };

    assert!(world.vault.collection("album").unwrap().use_model(&models.new).unwrap());
    let (scanned, _, _) = through(Index::Scan);
    let (hits, used, warnings) = through(Index::Tree);
    same(&[hits], &[scanned]);
    assert!(used.is_none() && warnings.len() == 1 && warnings[0].contains("not the index"), "{warnings:?}");
    let refused = world.vault.collection("album").unwrap().make_index(&shape, &Quiet);
    assert!(matches!(refused, Err(VaultError::Query(_))), "{refused:?}");

    // Every row came after the index then: all are looked at until it is made anew.
    world.vault.collection("album").unwrap().reembed(&Quiet).unwrap();
    let (scanned, _, _) = through(Index::Scan);
    let (hits, used, warnings) = through(Index::Tree);
    same(&[hits], &[scanned]);
    assert!(used.is_some_and(|used| used.stale && used.others == 44), "{used:?}");
    assert!(warnings.len() == 1 && warnings[0].contains("collection index"), "{warnings:?}");
    let report = world.vault.collection("album").unwrap().make_index(&shape, &Quiet).unwrap();
    assert_eq!(report.rows, 44);
    let (_, used, warnings) = through(Index::Tree);
    assert!(used.is_some_and(|used| !used.stale && used.others == 0) && warnings.is_empty(), "{warnings:?}");
}

/// Owner and writer, and 84 items of which 20 are not moved yet.
fn half_moved(world: &World, models: &Models, protection: Protection, ben: &Vault) -> Liar {
    let album = world.vault.create_collection("album", protection).unwrap();
    assert_eq!(add(&album, &notes(world, 80)).added, 84);
    share(world, "album", ben, "ben", Role::Writer);
    let liar = Liar::stands_before(&world.vault);
    assert!(world.vault.collection("album").unwrap().use_model(&models.new).unwrap());
    liar.dies_after(1);
    assert!(world.vault.collection("album").unwrap().reembed(&Quiet).is_err());
    liar.is_honest();
    assert_eq!(of_model(&world.vault, "trained 1"), 20);
    liar
}

fn late(world: &World) -> PathBuf {
    let folder = world.folder.path().join("late");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("late.txt"), "A dog on the beach, and nothing else.").unwrap();
    folder
}

#[test]
fn who_lacks_the_new_pack_adds_and_finds_what_is_left_and_is_told_which_pack_it_is() {
    for protection in Protection::ONE_CLOUD {
        let world = World::new();
        let models = Models::of(&world);
        let ben = world.person("ben");
        ben.use_encoder(models.old.clone());
        let _liar = half_moved(&world, &models, protection, &ben);

        let answer = ask(&ben, QUESTIONS[0], Audit::All);
        assert!(answer.hits.len() == 10 && answer.hits.iter().all(|hit| hit.meta.model == "trained 1"));
        let Answer { exact: false, warnings, moving: Some(moving), .. } = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(moving.ranked_by, "trained 1");
        let digest = pmirs_wire::Digest(models.new.pack().digest().unwrap()).to_string();
        assert!(warnings.len() == 1 && warnings[0].contains("'trained 2'"), "{warnings:?}");
        assert!(warnings[0].contains(&digest) && warnings[0].contains("pmirs model add"), "{warnings:?}");

        let added = add(&ben.collection("album").unwrap(), &late(&world));
        assert_eq!((added.added, added.earlier_model.as_deref()), (1, Some("trained 1")));
        assert_eq!(of_model(&world.vault, "trained 1"), 21);
        let half = answers(&world.vault, Audit::All);
        assert!(half[0].iter().any(|(name, _)| name == "late.txt"), "{half:?}");
        let report = world.vault.collection("album").unwrap().reembed(&Quiet).unwrap();
        assert_eq!((report.moved, report.given_up.len()), (21, 1));
        same(&answers(&world.vault, Audit::All), &half);

        // From now on nothing is left for those who lack it, and what they have is named.
        let album = ben.collection("album").unwrap();
        let refused = album.search(&Query::text("a dog"), &SearchOptions::default());
        let Err(VaultError::OtherModel { collection, digest: named, encoder }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((collection.as_str(), named, encoder.as_str()), ("trained 2", digest, "trained 1"));
        fs::write(world.folder.path().join("late/later.txt"), "One more.").unwrap();
        let refused = album.add(&[late(&world)], &pmirs_vault::AddOptions::default(), &Quiet);
        assert!(matches!(refused, Err(VaultError::OtherModel { .. })), "{refused:?}");
        // Other weights under the same name and version are another model.
        ben.offer_encoder(shaken(world.folder.path(), "2", 24, 9));
        let refused = album.search(&Query::text("a dog"), &SearchOptions::default());
        assert!(matches!(refused, Err(VaultError::OtherPack { .. })), "{refused:?}");
        ben.offer_encoder(models.new.clone());
        same(&answers(&ben, Audit::All), &half);
    }
}

#[test]
fn somebody_is_revoked_and_keys_change_in_the_middle_of_a_move() {
    for protection in Protection::ONE_CLOUD {
        let world = World::new();
        let models = Models::of(&world);
        let [ben, eva] = ["ben", "eva"].map(|name| world.person(name));
        for person in [&ben, &eva] {
            person.use_encoder(models.old.clone()).offer_encoder(models.new.clone());
        }
        let _liar = half_moved(&world, &models, protection, &ben);
        share(&world, "album", &eva, "eva", Role::Owner);
        let half = answers(&world.vault, Audit::All);
        same(&answers(&eva, Audit::All), &half);
        let refused = ben.collection("album").unwrap().use_model(&models.old);
        assert!(matches!(refused, Err(VaultError::NotAllowed { action: "settings", .. })), "{refused:?}");

        // Items of the old model come under the new key as they are.
        world.vault.collection("album").unwrap().rotate().unwrap();
        let rekeyed = eva.collection("album").unwrap().rekey(false, &Quiet).unwrap();
        assert!(rekeyed.moved >= 20, "{rekeyed:?}");
        assert_eq!(of_model(&world.vault, "trained 1"), 20);
        same(&answers(&world.vault, Audit::All), &half);

        // An owner revokes a member while the other moves items.
        let revokes = Revokes { owner: &eva, done: AtomicBool::new(false) };
        eva.add_contact("ben").unwrap();
        let report = world.vault.collection("album").unwrap().reembed(&revokes).unwrap();
        assert!(revokes.done.load(Ordering::SeqCst));
        assert_eq!((report.moved, report.given_up.len()), (20, 1));
        for person in [&world.vault, &eva] {
            same(&answers(person, Audit::All), &half);
            let album = person.collection("album").unwrap();
            assert_eq!((album.members().unwrap().len(), album.info().moving_from.len()), (2, 0));
            assert!(album.verify(&Quiet).unwrap().faults.is_empty());
        }
    }
}

/// Revokes Ben when the first items are about to be moved.
struct Revokes<'a> {
    owner: &'a Vault,
    done: AtomicBool,
}

impl Progress for Revokes<'_> {
    fn start(&self, phase: &'static str, _: Option<u64>) {
        if phase == "embedding anew" && !self.done.swap(true, Ordering::SeqCst) {
            self.owner.collection("album").unwrap().revoke("ben").unwrap();
        }
    }

    fn advance(&self, _: u64) {}

    fn skipped(&self, _: &Path, _: &str) {}

    fn finish(&self) {}
}

#[test]
fn a_sealed_collection_goes_over_to_another_length_and_back_and_the_others_refuse() {
    let world = World::new();
    let models = Models::of(&world);
    let narrow = narrow(world.folder.path());
    world.vault.offer_encoder(narrow.clone());
    let liar = Liar::stands_before(&world.vault);
    let album = world.vault.create_collection("veiled", Protection::Veiled).unwrap();
    let refused = album.use_model(&narrow);
    let Err(VaultError::OtherDimension { got: 20, expected: 256, .. }) = refused else {
        panic!("{refused:?}")
    };

    let album = world.vault.create_collection("album", Protection::Sealed).unwrap();
    add(&album, &notes(&world, 80));
    let before = answers(&world.vault, Audit::All);
    // The models have nothing in common, so everything is looked at, and that is a proof.
    assert!(album.use_model(&narrow).unwrap());
    let answer = ask(&world.vault, QUESTIONS[0], Audit::All);
    assert!(answer.exact && answer.moving.is_some_and(|moving| moving.missing == 0.0));
    let unmoved = answers(&world.vault, Audit::All);
    liar.dies_after(1);
    assert!(album.reembed(&Quiet).is_err());
    liar.is_honest();
    assert_eq!(of_model(&world.vault, "trained 1"), 20);
    same(&answers(&world.vault, Audit::All), &unmoved);
    // Half way it turns back.
    assert!(album.use_model(&models.old).unwrap());
    same(&answers(&world.vault, Audit::All), &before);
    assert_eq!(album.reembed(&Quiet).unwrap().moved, 64);
    same(&answers(&world.vault, Audit::All), &before);
    assert!(album.verify(&Quiet).unwrap().faults.is_empty());
}

#[test]
fn a_cloud_that_names_the_old_model_again_is_noticed() {
    for protection in Protection::ONE_CLOUD {
        let world = World::new();
        let models = Models::of(&world);
        let ben = world.person("ben");
        ben.use_encoder(models.old.clone()).offer_encoder(models.new.clone());
        let album = world.vault.create_collection("album", protection).unwrap();
        add(&album, &notes(&world, 20));
        share(&world, "album", &ben, "ben", Role::Reader);
        let liar = Liar::stands_before(&ben);
        let said: Arc<Mutex<Vec<_>>> = Arc::default();
        let keep = said.clone();
        liar.tells(move |request, response| {
            keep.lock().unwrap().push((request.path.clone(), response.body.0.clone()));
        });
        let before = answers(&ben, Audit::Some(0));
        liar.is_honest();
        album.use_model(&models.new).unwrap();
        album.reembed(&Quiet).unwrap();

        // The old settings beside the present log, to somebody who has not seen that yet.
        let old = {
            let said = said.lock().unwrap();
            let lists = said.iter().filter_map(|(_, body)| decode::<CollectionList>(body).ok());
            let records = lists.flat_map(|list| list.collections);
            records.map(|record| record.header).next_back().unwrap()
        };
        liar.tells(move |_, response| {
            if let Ok(mut list) = decode::<CollectionList>(&response.body.0)
                && !list.collections.is_empty()
            {
                list.collections.iter_mut().for_each(|record| record.header = old.clone());
                response.body.0 = encode(&list).unwrap();
            } else if let Ok(mut record) = decode::<CollectionRecord>(&response.body.0) {
                record.header = old.clone();
                response.body.0 = encode(&record).unwrap();
            }
        });
        let search = || {
            let album = ben.collection("album")?;
            album.search(&Query::text("a dog"), &SearchOptions::default()).map(drop)
        };
        named(search(), "header");
        liar.is_honest();
        assert_ne!(answers(&ben, Audit::All), before);
        // And all of it as it was.
        liar.tells(move |request, response| {
            let said = said.lock().unwrap();
            if let Some((_, old)) = said.iter().rev().find(|(path, _)| *path == request.path) {
                response.body.0 = old.clone();
            }
        });
        let searched = search();
        let Err(VaultError::Altered { field, .. }) = searched else { panic!("{searched:?}") };
        assert!(field == "history" || field == "header", "{field}");
        liar.is_honest();
        assert!(ben.collection("album").unwrap().verify(&Quiet).unwrap().faults.is_empty());
    }
}

#[test]
fn of_two_models_that_agree_few_items_are_looked_at() {
    for protection in Protection::ONE_CLOUD {
        let world = World::new();
        let folder = world.folder.path();
        let (old, new) = (shaken(folder, "1", 0, 1), shaken(folder, "2", 1, 2));
        world.vault.use_encoder(old).offer_encoder(new.clone());
        let album = world.vault.create_collection("album", protection).unwrap();
        add(&album, &notes(&world, 600));
        album.use_model(&new).unwrap();
        let mut half = Vec::new();
        let mut fetched = 0;
        for words in QUESTIONS {
            let answer = ask(&world.vault, words, Audit::All);
            let moving = answer.moving.unwrap();
            assert!(moving.looked_at < 400 && moving.missing <= 0.01, "{protection}, {words}: {moving:?}");
            assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
            fetched += moving.fetched;
            half.push(answer.hits.into_iter().map(|hit| (hit.meta.name, hit.score)).collect::<Vec<_>>());
        }
        assert!(fetched > 0);
        let again: usize =
            QUESTIONS.iter().map(|words| ask(&world.vault, words, Audit::All).moving.unwrap().fetched).sum();
        assert_eq!(again, 0, "what was embedded once is kept");
        album.reembed(&Quiet).unwrap();
        same(&answers(&world.vault, Audit::All), &half);
    }
}
