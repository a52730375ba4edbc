//! What must hold once the crowd is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::Ordering;

use pmirs_crypto::{Context, PublicIdentity, Signature, leaf_digest};
use pmirs_wire::access::AccessPage;
use pmirs_wire::collection::{CollectionList, CollectionRecord};
use pmirs_wire::envelope::Method;
use pmirs_wire::item::{Change, ItemRecord};
use pmirs_wire::log::{Entry, Head, LogPage};
use pmirs_wire::search::{Candidates, Search};
use pmirs_wire::{AccountId, CollectionId, Digest, ItemId, decode, encode};

use crate::client::{User, account, rng, vector};
use crate::ledger::Ledger;
use crate::member::content_of;
use crate::{COLLECTIONS, Crowd, collection};

/// Checks everything, and returns where the logs end.
pub fn check(crowd: &Crowd, folder: &Path) -> Vec<Digest> {
    let collections: Vec<Ledger> = (0..COLLECTIONS).map(|number| one(crowd, number)).collect();
    parts(crowd, &collections);
    let items: usize = collections.iter().map(|ledger| ledger.items.len()).sum();
    let contents =
        pmirs_cloud::inspect(folder).unwrap().into_iter().filter(|it| it.column == "content").count();
    assert_eq!(contents, items, "every content has its item and every item its content");
    collections.iter().map(|ledger| ledger.chain.previous).collect()
}

/// A collection by its log, and what the server holds against it.
fn one(crowd: &Crowd, number: usize) -> Ledger {
    let (owner, id) = (&crowd.users[number], collection(number));
    let ledger = followed(crowd, owner, id);
    let head: Head = get(owner, &format!("/v1/collections/{id}/head"));
    assert_eq!(head.hash, ledger.chain.previous);
    let record: CollectionRecord = get(owner, &format!("/v1/collections/{id}"));
    assert_eq!((record.items, record.seq), (ledger.items.len() as u64, head.seq));

    let records = records(owner, id);
    assert_eq!(records.keys().collect::<Vec<_>>(), ledger.items.keys().collect::<Vec<_>>());
    let mut bytes = 0;
    for (item, it) in &records {
        let leaf = ledger.items[item];
        let digest = Digest(leaf_digest(&item.0, it.epoch, &it.meta.0, &it.embedding.0));
        assert_eq!((leaf.epoch, leaf.digest), (it.epoch, digest), "{item}");
        assert_eq!(it.content_len, content_of(*item).len() as u64);
        let veiled = it.veiled.as_ref().unwrap().values.0.len() + it.tokens.len() * 32;
        bytes += it.content_len + (it.meta.0.len() + it.embedding.0.len() + veiled) as u64;
        let opened = owner.content(id, *item);
        assert!((opened.status, &opened.body) == (200, &content_of(*item)), "{item}");
        crowd.opened[&id].fetch_add(1, Ordering::Relaxed);
    }
    assert_eq!(record.bytes, bytes);
    for &epoch in &ledger.epochs {
        let found = search(owner, id, epoch);
        let expected: BTreeSet<ItemId> =
            ledger.items.values().filter(|leaf| leaf.epoch == epoch).map(|leaf| leaf.item).collect();
        let items: BTreeSet<ItemId> = found.candidates.iter().map(|it| it.item).collect();
        assert_eq!((items, found.rows), (expected.clone(), expected.len() as u64), "epoch {epoch}");
    }
    accesses(crowd, owner, id);
    ledger
}

/// The log from its first entry, every signature checked; [`Ledger::follow`] checks the rest.
fn followed(crowd: &Crowd, owner: &User, id: CollectionId) -> Ledger {
    let people: BTreeMap<AccountId, PublicIdentity> =
        crowd.users.iter().map(|user| (account(&user.identity), user.identity.public())).collect();
    let mut ledger = Ledger::unbegun(id);
    loop {
        let after = ledger.chain.next.checked_sub(1).map_or(String::new(), |after| format!("?after={after}"));
        let page: LogPage = get(owner, &format!("/v1/collections/{id}/log{after}"));
        for signed in &page.entries {
            let entry: Entry = decode(&signed.entry.0).unwrap();
            let signature = Signature(signed.signature.0.as_slice().try_into().unwrap());
            people[&entry.author].verify(Context::Change, &signed.entry.0, &signature).unwrap();
            ledger.follow(signed, &entry);
        }
        if !page.more {
            return ledger;
        }
    }
}

/// What a client that follows the changes from the start ends with.
fn records(owner: &User, id: CollectionId) -> BTreeMap<ItemId, ItemRecord> {
    let (changes, _) = owner.all_changes(id, 0);
    let mut records = BTreeMap::new();
    for change in changes {
        match change {
            Change::Added(record) => drop(records.insert(record.item, record)),
            Change::Removed(item) => drop(records.remove(&item)),
        }
    }
    records
}

fn search(user: &User, id: CollectionId, epoch: u32) -> Candidates {
    let search = Search { epoch, query: vector(&mut rng(1)), skip: 0, count: 4096, filter: Vec::new() };
    user.ask(Method::Post, &format!("/v1/collections/{id}/search"), &encode(&search).unwrap()).message()
}

/// Everybody has the parts that the logs give them, with a grant for each live epoch, and is refused elsewhere.
fn parts(crowd: &Crowd, collections: &[Ledger]) {
    for user in &crowd.users {
        let part = |path: &str| -> BTreeMap<CollectionId, CollectionRecord> {
            let list: CollectionList = get(user, path);
            list.collections.into_iter().map(|record| (record.id, record)).collect()
        };
        let (mut taken, mut offered) = (part("/v1/collections"), part("/v1/shares"));
        for ledger in collections {
            let id = ledger.chain.id;
            let (here, elsewhere) = (taken.remove(&id), offered.remove(&id));
            let Some((role, accepted)) = ledger.role(user) else {
                assert!(here.is_none() && elsewhere.is_none());
                refused(user, ledger);
                continue;
            };
            let record = if accepted { here } else { elsewhere }.expect("a part that the log gives");
            let grants = record.grants.iter().map(|grant| (grant.epoch, grant.role));
            assert!(grants.eq(ledger.epochs.iter().map(|&epoch| (epoch, role))), "{:?}", record.grants);
        }
        assert!(taken.is_empty() && offered.is_empty());
    }
}

fn refused(user: &User, ledger: &Ledger) {
    let id = ledger.chain.id;
    let item = ledger.items.keys().next().copied().unwrap_or(ItemId([0; 16]));
    assert_eq!(user.content(id, item).status, 404);
    for path in ["", "/head", "/log", "/changes", "/accesses"] {
        assert_eq!(user.ask(Method::Get, &format!("/v1/collections/{id}{path}"), &[]).status, 404, "{path}");
    }
}

/// As many as were opened, in order, each signed by who is named.
fn accesses(crowd: &Crowd, owner: &User, id: CollectionId) {
    let mut seen = 0;
    loop {
        let page: AccessPage = get(owner, &format!("/v1/collections/{id}/accesses?after={seen}"));
        for access in &page.accesses {
            seen += 1;
            assert_eq!(access.number, seen);
            let asker = crowd.users.iter().find(|user| account(&user.identity) == access.account).unwrap();
            let signature = Signature(access.signature.0.as_slice().try_into().unwrap());
            let signed = access.signed_bytes(Digest(owner.key.fingerprint()), &id);
            asker.identity.public().verify(Context::Request, &signed, &signature).unwrap();
        }
        if !page.more {
            assert_eq!((page.latest, crowd.opened[&id].load(Ordering::Relaxed)), (seen, seen));
            return;
        }
    }
}

fn get<M: pmirs_wire::Message>(user: &User, path: &str) -> M {
    user.ask(Method::Get, path, &[]).message()
}
