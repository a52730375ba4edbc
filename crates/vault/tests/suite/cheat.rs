//! A server that cheats: each way is detected and named, and once it is honest again nothing is lost.

use std::sync::{Arc, Mutex};

use pmirs_cloud::{Config, Embedded};
use pmirs_crypto::{Identity, IdentitySeed, Prg};
use pmirs_vault::{
    Audit, Import, ItemKind, LoginOptions, Protection, Query, Quiet, Role, SearchOptions, Vault, VaultError,
};
use pmirs_wire::collection::{CollectionList, CollectionRecord};
use pmirs_wire::envelope::{InnerRequest, InnerResponse, Method};
use pmirs_wire::item::{Change, Changes};
use pmirs_wire::log::{Action, Entry, Head, LogPage};
use pmirs_wire::people::Person;
use pmirs_wire::search::Candidates;
use pmirs_wire::{AccountId, Bytes, decode, encode};
use rand_core::Rng as _;

use crate::liar::{Liar, forked, named, on};
use crate::world::World;
use crate::{add, copy, home, share};

fn names(vault: &Vault, audit: Audit) -> Result<Vec<String>, VaultError> {
    let options = SearchOptions { audit, ..SearchOptions::default() };
    let answer = vault.collection("album")?.search(&Query::text("a dog"), &options)?;
    Ok(answer.hits.into_iter().map(|hit| hit.meta.name).collect())
}

/// A world with a filled album at each level, one after the other, and a liar before its person.
fn albums(test: impl Fn(&World, &Liar, Protection)) {
    for protection in Protection::ONE_CLOUD {
        let world = World::new();
        add(&world.vault.create_collection("album", protection).unwrap(), &world.pictures());
        let liar = Liar::stands_before(&world.vault);
        let honest = names(&world.vault, Audit::All).unwrap();
        assert_eq!(honest.len(), 6);
        test(&world, &liar, protection);
        liar.is_honest();
        assert!(world.vault.collection("album").unwrap().verify(&Quiet).unwrap().faults.is_empty());
    }
}

/// A path and what was answered.
type Said = (String, Vec<u8>);

#[test]
fn an_old_state_is_not_taken_for_the_present() {
    albums(|world, liar, protection| {
        // Everything that the server said is kept, and said again later.
        let said: Arc<Mutex<Vec<Said>>> = Arc::default();
        let keep = said.clone();
        liar.tells(move |request, response| {
            if request.method == Method::Get {
                keep.lock().unwrap().push((request.path.clone(), response.body.0.clone()));
            }
        });
        names(&world.vault, Audit::Some(0)).unwrap();
        liar.is_honest();
        let collection = world.vault.collection("album").unwrap();
        let gone = collection.items().unwrap()[0].item;
        collection.remove(&[gone]).unwrap();
        liar.tells(move |request, response| {
            let said = said.lock().unwrap();
            if let Some((_, old)) = said.iter().rev().find(|(path, _)| *path == request.path) {
                response.body.0 = old.clone();
            }
        });
        named(names(&world.vault, Audit::Some(2)), "history");
        liar.is_honest();
        assert_eq!(names(&world.vault, Audit::All).unwrap().len(), 5, "{protection}");
    });
}

#[test]
fn a_dropped_item_is_missed() {
    albums(|world, liar, protection| {
        match protection {
            Protection::Sealed => {
                // On a machine that has not seen it yet.
                world.vault.forget_collection("album").unwrap();
                liar.tells(on::<Changes>("/changes", |page| {
                    let first = page.changes.iter().position(|it| matches!(it, Change::Added(_)));
                    if let Some(at) = first {
                        page.changes.remove(at);
                    }
                }));
                named(names(&world.vault, Audit::Some(0)), "record");
                world.vault.forget_collection("album").unwrap();
            }
            Protection::Veiled | Protection::Split => {
                liar.tells(on::<Candidates>("/search", |answer| drop(answer.candidates.pop())));
                named(names(&world.vault, Audit::Some(0)), "search answer");
            }
        }
    });
}

#[test]
fn an_item_that_nobody_added_is_not_shown() {
    albums(|world, liar, protection| {
        // A removed item comes back: its record is authentic, and the log says that it is gone.
        let ghost: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
        let keep = ghost.clone();
        let end = if protection == Protection::Veiled { "/search" } else { "/changes" };
        world.vault.forget_collection("album").unwrap();
        liar.tells(move |request, response| {
            if request.path.split('?').next().unwrap().ends_with(end) {
                keep.lock().unwrap().get_or_insert_with(|| response.body.0.clone());
            }
        });
        names(&world.vault, Audit::Some(0)).unwrap();
        liar.is_honest();
        let collection = world.vault.collection("album").unwrap();
        collection.remove(&[collection.items().unwrap()[0].item]).unwrap();
        world.vault.forget_collection("album").unwrap();
        liar.tells(move |request, response| {
            if request.path.split('?').next().unwrap().ends_with(end) {
                response.body.0 = ghost.lock().unwrap().clone().unwrap();
            }
        });
        let outcome = names(&world.vault, Audit::Some(0));
        assert!(matches!(outcome, Err(VaultError::Altered { .. })), "{protection}: {outcome:?}");
        world.vault.forget_collection("album").unwrap();
        liar.is_honest();
        assert_eq!(names(&world.vault, Audit::All).unwrap().len(), 5);
    });
}

/// Alters this client's grants wherever a collection's record comes.
fn on_grants(
    change: impl Fn(&mut CollectionRecord) + Send,
) -> impl FnMut(&InnerRequest, &mut InnerResponse) + Send {
    move |_, response| {
        if let Ok(mut list) = decode::<CollectionList>(&response.body.0) {
            list.collections.iter_mut().for_each(&change);
            response.body.0 = encode(&list).unwrap();
        } else if let Ok(mut record) = decode::<CollectionRecord>(&response.body.0) {
            change(&mut record);
            response.body.0 = encode(&record).unwrap();
        }
    }
}

#[test]
fn grants_are_neither_dropped_nor_swapped() {
    albums(|world, liar, _| {
        world.vault.collection("album").unwrap().rotate().unwrap();
        liar.tells(on_grants(|record| drop(record.grants.pop())));
        named(names(&world.vault, Audit::Some(0)), "grants");
        liar.tells(on_grants(|record| {
            let epochs: Vec<u32> = record.grants.iter().rev().map(|grant| grant.epoch).collect();
            record.grants.iter_mut().zip(epochs).for_each(|(grant, epoch)| grant.epoch = epoch);
        }));
        named(names(&world.vault, Audit::Some(0)), "grant");
        liar.tells(on_grants(|record| {
            if let Some(grant) = record.grants.first_mut() {
                grant.role = Role::Reader;
            }
        }));
        named(names(&world.vault, Audit::Some(0)), "grant");
        liar.is_honest();
        assert_eq!(names(&world.vault, Audit::All).unwrap().len(), 6);
    });
}

/// Somebody with a role in the world's album.
fn member(world: &World, name: &str, role: Role) -> Vault {
    let person = world.person(name);
    share(world, "album", &person, name, role);
    person
}

#[test]
fn a_revocation_is_not_hidden_and_a_member_is_not_smuggled_back() {
    albums(|world, liar, _| {
        drop(member(world, "ben", Role::Writer));
        let eva = member(world, "eva", Role::Reader);
        let before = Liar::stands_before(&eva);
        world.vault.collection("album").unwrap().revoke("ben").unwrap();

        // The entry that revokes is left out, and what comes after it shown.
        let collection = world.vault.collection("album").unwrap();
        let item = collection.items().unwrap()[0].item;
        collection.remove(&[item]).unwrap();
        before.tells(on::<LogPage>("/log", |page| {
            page.entries.retain(|signed| {
                let entry: Entry = decode(&signed.entry.0).unwrap();
                !matches!(entry.action, Action::Revoke { .. })
            });
        }));
        let outcome = eva.collection("album").and_then(|it| it.head());
        assert!(
            matches!(outcome, Err(VaultError::Forked { .. } | VaultError::Altered { field: "history", .. })),
            "{outcome:?}"
        );
        before.is_honest();
        assert_eq!(eva.collection("album").unwrap().members().unwrap().len(), 2);

        // The entry that once shared with the removed member is shown again, as if it came last.
        let share = Arc::new(Mutex::new(None));
        let keep = share.clone();
        liar.tells(on::<LogPage>("/log", move |page| {
            for signed in &page.entries {
                let entry: Entry = decode(&signed.entry.0).unwrap();
                if matches!(entry.action, Action::Share { .. }) {
                    keep.lock().unwrap().get_or_insert_with(|| signed.clone());
                }
            }
        }));
        world.vault.collection("album").unwrap().verify(&Quiet).unwrap();
        liar.tells(on::<LogPage>("/log", move |page| {
            page.entries.extend(share.lock().unwrap().clone());
        }));
        let outcome = world.vault.collection("album").unwrap().verify(&Quiet);
        named(outcome, "history");
    });
}

#[test]
fn swapped_contents_do_not_open() {
    albums(|world, liar, _| {
        let collection = world.vault.collection("album").unwrap();
        let items = collection.items().unwrap();
        let other: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
        let keep = other.clone();
        liar.tells(move |request, response| {
            if request.path.ends_with("/content") {
                keep.lock().unwrap().get_or_insert_with(|| response.body.0.clone());
            }
        });
        collection.get(items[0].item).unwrap();
        liar.tells(move |request, response| {
            if request.path.ends_with("/content") {
                response.body.0 = other.lock().unwrap().clone().unwrap();
            }
        });
        named(collection.get(items[1].item), "content");
    });
}

#[test]
fn an_altered_entry_is_refused() {
    albums(|world, liar, _| {
        let ben = member(world, "ben", Role::Reader);
        liar.is_honest();
        let before = Liar::stands_before(&ben);
        // Another author, another role, another root: whatever is changed, the signature is not.
        let changes: [fn(&mut Entry); 4] = [
            |entry| entry.author = AccountId([7; 32]),
            |entry| entry.items += 1,
            |entry| entry.at_ms += 1,
            |entry| {
                if let Action::Share { role, .. } = &mut entry.action {
                    *role = Role::Owner;
                } else {
                    entry.epoch += 1;
                }
            },
        ];
        for change in changes {
            before.tells(on::<LogPage>("/log", move |page| {
                if let Some(last) = page.entries.last_mut() {
                    let mut entry: Entry = decode(&last.entry.0).unwrap();
                    change(&mut entry);
                    last.entry = Bytes(encode(&entry).unwrap());
                }
            }));
            named(ben.collection("album").unwrap().verify(&Quiet), "history");
        }
    });
}

#[test]
fn another_key_for_a_contact_is_refused() {
    let world = World::new();
    world.vault.create_collection("album", Protection::Sealed).unwrap();
    let ben = world.person("ben");
    let liar = Liar::stands_before(&world.vault);
    let mallory = Identity::from_seed(&IdentitySeed::generate(&mut Prg::new(&[1; 32], b"test"))).public();
    let shown = mallory.clone();
    let lie = move || {
        let shown = shown.clone();
        on::<Person>("/people/ben", move |person| {
            person.account = AccountId(shown.fingerprint());
            person.identity = Bytes(shown.to_bytes());
        })
    };
    // At first sight nobody can tell but the two people, who compare words.
    liar.tells(lie());
    let contact = world.vault.add_contact("ben").unwrap();
    assert_eq!(contact.safety_words, mallory.safety_words());
    let words = ben.public_identity().safety_words();
    let told = world.vault.verify_contact("ben", &words);
    assert!(matches!(told, Err(VaultError::ContactChanged { .. })), "{told:?}");

    // The honest key is another than the pinned one: refused, until it is verified.
    liar.is_honest();
    let refused = world.vault.collection("album").unwrap().share("ben", Role::Reader);
    assert!(matches!(refused, Err(VaultError::ContactChanged { .. })), "{refused:?}");
    assert!(world.vault.verify_contact("ben", &words).unwrap().verified);
    world.vault.collection("album").unwrap().share("ben", Role::Reader).unwrap();

    liar.tells(lie());
    let refused = world.vault.collection("album").unwrap().share("ben", Role::Owner);
    assert!(matches!(refused, Err(VaultError::ContactChanged { .. })), "{refused:?}");
}

/// A second server that goes on from a copy of what the first one has.
fn fork(world: &World) -> Embedded {
    let (from, to) = (world.folder.path().join("cloud"), world.folder.path().join("fork"));
    copy(&from, &to);
    let _ = std::fs::remove_file(to.join("lock"));
    let limits = pmirs_cloud::Limits { login_rate: pmirs_cloud::Rate::new(1000, 1000), ..Default::default() };
    Embedded::start(Config { limits, ..Config::loopback(to) }).unwrap()
}

#[test]
fn a_fork_is_named_when_heads_meet_and_when_histories_are_mixed() {
    for protection in Protection::ONE_CLOUD {
        let world = World::new();
        add(&world.vault.create_collection("album", protection).unwrap(), &world.pictures());
        let ben = member(&world, "ben", Role::Writer);
        let items = ben.collection("album").unwrap().items().unwrap();
        let fork = fork(&world);
        ben.login(fork.url(), &LoginOptions::default()).unwrap();

        // Each goes on in a world of their own, and nothing is wrong there.
        world.vault.collection("album").unwrap().remove(&[items[0].item]).unwrap();
        ben.collection("album").unwrap().remove(&[items[1].item]).unwrap();
        for vault in [&world.vault, &ben] {
            assert_eq!(names(vault, Audit::All).unwrap().len(), 5);
            assert!(vault.collection("album").unwrap().verify(&Quiet).unwrap().faults.is_empty());
        }
        // Two people compare twelve words.
        let words = ben.collection("album").unwrap().head().unwrap().words;
        forked(&world.vault.collection("album").unwrap().compare_head(&words));
        // The server mixes what it told one with what it told the other: at the same entry, and later on.
        ben.login(world.cloud.url(), &LoginOptions::default()).unwrap();
        forked(&names(&ben, Audit::Some(2)));
        world.vault.collection("album").unwrap().remove(&[items[2].item]).unwrap();
        forked(&names(&ben, Audit::Some(2)));
        // What was shown first is still there.
        ben.login(fork.url(), &LoginOptions::default()).unwrap();
        assert_eq!(names(&ben, Audit::All).unwrap().len(), 5);
    }
}

#[test]
fn audits_find_lost_items_as_often_as_they_say() {
    const ITEMS: usize = 200;
    const SEARCHES: usize = 300;
    let world = World::new();
    let collection = world.vault.create_collection("album", Protection::Veiled).unwrap();
    let dim = world.vault.encoder().unwrap().info().dim;
    let mut rng = Prg::new(&[9; 32], b"test");
    let mut unit = || {
        let values: Vec<f32> =
            (0..dim).map(|_| f32::from(rng.next_u32() as u16) / f32::from(u16::MAX) - 0.5).collect();
        let length = values.iter().map(|x| x * x).sum::<f32>().sqrt();
        values.into_iter().map(|x| x / length).collect::<Vec<f32>>()
    };
    let imports: Vec<Import> = (0..ITEMS)
        .map(|at| Import {
            name: format!("{at}.txt"),
            kind: ItemKind::Text,
            media_type: "text/plain".to_owned(),
            content: at.to_string().into_bytes(),
            embedding: unit(),
        })
        .collect();
    collection.import(imports).unwrap();
    // Every fifth item is gone from the server's disk, and from its ranking.
    let database = rusqlite::Connection::open(world.folder.path().join("cloud/cloud.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    let lost: Vec<[u8; 16]> = collection.items().unwrap().iter().step_by(5).map(|it| it.item.0).collect();
    for item in &lost {
        database.execute("DELETE FROM items WHERE item = ?1", [item]).unwrap();
    }
    let liar = Liar::stands_before(&world.vault);
    let gone = lost.clone();
    liar.tells(on::<Candidates>("/search", move |answer| {
        answer.candidates.retain(|candidate| !gone.contains(&candidate.item.0));
        // An honest-looking length, so that the answer does not call itself whole.
        while answer.candidates.len() < 64
            && let Some(last) = answer.candidates.last().cloned()
        {
            answer.candidates.push(last);
        }
    }));
    let query = Query::Embedding(unit());
    let collection = world.vault.collection("album").unwrap();
    for audits in [1_i32, 3] {
        let options = SearchOptions { k: 5, audit: Audit::Some(audits as usize), ..SearchOptions::default() };
        let caught = (0..SEARCHES).filter(|_| collection.search(&query, &options).is_err()).count();
        // Of 64 ranked items about four in five are answered, and so not looked at again.
        let others = ITEMS as f64 - 64.0 * 0.8;
        let most = 1.0 - (1.0 - lost.len() as f64 / others).powi(audits);
        let rate = caught as f64 / SEARCHES as f64;
        let slack = 5.0 * (most * (1.0 - most) / SEARCHES as f64).sqrt() + 0.05;
        assert!((rate - most).abs() < slack, "{audits} audits: {rate} instead of {most}");
    }
}

#[test]
fn a_head_that_is_no_entry_is_refused() {
    albums(|world, liar, _| {
        liar.tells(on::<Head>("/head", |head| head.hash.0[0] ^= 1));
        named(names(&world.vault, Audit::Some(0)), "head");
        liar.tells(on::<Head>("/head", |head| head.latest = None));
        named(names(&world.vault, Audit::Some(0)), "history");
    });
    // The homes of these worlds hold what they held.
    let world = World::new();
    assert!(home(&world).join("identity").exists());
}
