use pmirs_crypto::sha256;
use pmirs_wire::collection::{CollectionList, Protection, Role};
use pmirs_wire::envelope::Method;
use pmirs_wire::item::{ItemRecord, NewItem};
use pmirs_wire::log::{Action, Append, Entry, Payload};
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::{AccountId, Bytes, CollectionId, Digest, ItemId};

use crate::World;
use crate::chain::{Chain, head, leaves, page, regrant, send, share, sign};
use crate::client::{User, account, item, rng, stored, vector};

const ID: CollectionId = CollectionId([5; 16]);

fn items(seed: u64, count: usize) -> Vec<NewItem> {
    let mut rng = rng(seed);
    (0..count).map(|_| item(&mut rng, Protection::Veiled)).collect()
}

fn record(user: &User, item: ItemId) -> ItemRecord {
    user.ask(Method::Get, &format!("/v1/collections/{ID}/items/{item}"), &[]).message()
}

fn contents(world: &World) -> usize {
    let fields = pmirs_cloud::inspect(world.folder.path()).unwrap();
    fields.iter().filter(|field| field.column == "content").count()
}

fn accept(chain: &mut Chain, user: &User) {
    chain.done(user, Action::Accept, Payload::Nothing);
}

#[test]
fn items_come_change_and_go_through_the_log() {
    let mut world = World::new();
    let mut chain = Chain::begin(&world.user, ID, Protection::Veiled);
    let mut all = items(1, 30);
    chain.add(&world.user, all.clone());
    let query = vector(&mut rng(2));
    assert_eq!(world.user.search(ID, &query, 0, 64).candidates.len(), 30);

    // Sealed anew: other bytes under the same name, found by its new vector.
    for (new, fresh) in all.iter_mut().zip(items(3, 10)) {
        *new = NewItem { item: new.item, ..fresh };
    }
    let replaced = all[..10].to_vec();
    chain.done(&world.user, Action::Replace { items: leaves(&replaced) }, Payload::Items(replaced.clone()));
    assert_eq!(record(&world.user, all[0].item).meta, all[0].meta);
    assert_eq!(world.user.content(ID, all[0].item).body, all[0].content.0);
    let answer = world.user.search(ID, &query, 0, 64);
    let found = answer.candidates.iter().find(|found| found.item == all[0].item).unwrap();
    assert_eq!((&found.meta, answer.rows), (&all[0].meta, 30));

    let gone: Vec<ItemId> = all.drain(..5).map(|new| new.item).collect();
    chain.done(&world.user, Action::Remove { items: gone }, Payload::Nothing);
    assert_eq!((world.user.show(ID).items, contents(&world)), (25, 25));

    // A server that has just started reads what it committed to.
    world.restart();
    chain.add(&world.user, items(4, 3));
    let mut reader = Chain::unbegun(ID);
    reader.catch_up(&world.user);
    assert_eq!((reader.next, reader.previous, reader.set.root()), (5, chain.previous, chain.set.root()));
    assert_eq!(head(&world.user, ID).hash, chain.previous);
    assert_eq!(page(&world.user, ID, Some(3)).entries.len(), 1);
    assert!(page(&world.user, ID, Some(u64::MAX)).entries.is_empty());
    let no_number = world.user.ask(Method::Get, &format!("/v1/collections/{ID}/log?after=x"), &[]);
    assert_eq!(no_number.status, 400);
}

#[test]
fn a_log_may_begin_late_and_then_nothing_goes_beside_it() {
    let world = World::new();
    world.user.create(ID, Protection::Veiled);
    let early = items(1, 4);
    stored(&world.user.add(ID, early.clone()));
    assert_eq!(head(&world.user, ID).latest, None);

    let mut chain = Chain::unbegun(ID);
    chain.set.apply(leaves(&early).iter().map(|leaf| (leaf.item.0, Some(leaf.digest.0))));
    let create = chain.create(&world.user, Protection::Veiled);
    let empty = Chain::unbegun(ID).append(&world.user, create.clone(), Payload::Nothing);
    assert!(empty.problem().message.starts_with("entry.items is 0, expected 4"));
    chain.done(&world.user, create, Payload::Nothing);

    let before = contents(&world);
    for reply in [world.user.add(ID, items(2, 1)), world.user.remove(ID, vec![early[0].item])] {
        assert_eq!(reply.problem().kind, ProblemKind::Conflict);
    }
    assert_eq!((world.user.show(ID).items, contents(&world)), (4, before));
}

#[test]
fn of_two_writers_one_wins_and_the_other_goes_on_from_there() {
    let world = World::new();
    let mut chain = Chain::begin(&world.user, ID, Protection::Veiled);
    let other = world.another(2);
    chain.share(&world.user, &other, Role::Writer, &[0]);
    accept(&mut chain, &other);
    let start = chain.clone();
    let work = |user: &User, seed: u64| {
        let (mut chain, mut lost) = (start.clone(), 0);
        for round in 0..12 {
            let batch = items(seed + round, 3);
            loop {
                let action = Action::Add { items: leaves(&batch) };
                let reply = chain.append(user, action, Payload::Items(batch.clone()));
                if reply.status == 201 {
                    break;
                }
                let problem = reply.problem();
                assert_eq!(problem.kind, ProblemKind::Conflict, "{problem}");
                assert!(problem.message.contains("the head is entry"), "{problem}");
                lost += 1;
                chain.catch_up(user);
            }
        }
        lost
    };
    let lost = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| work(&other, 1_000));
        work(&world.user, 2_000) + theirs.join().unwrap()
    });
    let mut reader = start.clone();
    reader.catch_up(&world.user);
    assert_eq!((reader.next, reader.set.len()), (start.next + 24, 72));
    assert_eq!((world.user.show(ID).items, contents(&world)), (72, 72), "{lost} lost races left nothing");

    // A race that is lost for certain.
    let mut late = start.clone();
    let reply = late.append(&other, Action::Add { items: leaves(&items(9, 1)) }, Payload::Items(items(9, 1)));
    assert!(reply.problem().message.starts_with("entry.number is 3, expected 27: the head is entry 26"));
    assert_eq!(contents(&world), 72);
}

/// Every way in which an append can be wrong, what the refusal begins with, and that nothing came of it.
#[test]
fn what_does_not_fit_is_refused_by_name() {
    let world = World::new();
    let mut chain = Chain::begin(&world.user, ID, Protection::Veiled);
    let reader = world.another(2);
    chain.share(&world.user, &reader, Role::Reader, &[0]);
    accept(&mut chain, &reader);
    let kept = items(1, 2);
    chain.add(&world.user, kept.clone());
    let replayed = page(&world.user, ID, Some(2)).entries.remove(0);
    let other = CollectionId([6; 16]);
    let elsewhere = Chain::begin(&world.user, other, Protection::Veiled);

    let new = items(2, 2);
    let add = Action::Add { items: leaves(&new) };
    let payload = Payload::Items(new.clone());
    let good = chain.entry(&world.user, add.clone());
    let signed = |entry: Entry| Append { entry: sign(&world.user, &entry), payload: payload.clone() };
    let with = |change: fn(&mut Entry)| {
        let mut entry = good.clone();
        change(&mut entry);
        signed(entry)
    };
    let mut forged = signed(good.clone());
    forged.entry.signature.0[7] ^= 1;
    let mut altered = signed(good.clone());
    let last = altered.entry.entry.0.len() - 1;
    altered.entry.entry.0[last] ^= 1;
    let mut padded = signed(good.clone());
    // The number of fields, said in two bytes instead of one.
    padded.entry.entry.0.splice(1..2, [0xb8, padded.entry.entry.0[1] & 0x1f]);
    let mut other_bytes = signed(good.clone());
    let Payload::Items(carried) = &mut other_bytes.payload else { unreachable!() };
    carried[1].meta.0[0] ^= 1;
    let mut fewer = signed(good.clone());
    fewer.payload = Payload::Items(new[..1].to_vec());
    let mut nothing = signed(good.clone());
    nothing.payload = Payload::Nothing;
    let again = chain.entry(&world.user, Action::Add { items: leaves(&kept) });
    let again = Append { entry: sign(&world.user, &again), payload: Payload::Items(kept.clone()) };
    let absent = chain.entry(&world.user, Action::Remove { items: vec![new[0].item] });
    let absent = Append { entry: sign(&world.user, &absent), payload: Payload::Nothing };
    let twice = chain.entry(&world.user, Action::Remove { items: vec![kept[0].item; 2] });
    let twice = Append { entry: sign(&world.user, &twice), payload: Payload::Nothing };
    let as_reader = chain.entry(&reader, add.clone());
    let as_reader = Append { entry: sign(&reader, &as_reader), payload: payload.clone() };

    let before = (head(&world.user, ID), world.user.show(ID), contents(&world));
    let cases = [
        (400, "signature does not fit", forged),
        (400, "", altered),
        (400, "entry is not in its shortest", padded),
        (400, "entry.collection", signed(elsewhere.entry(&world.user, add.clone()))),
        (400, "entry.author", with(|entry| entry.author = AccountId([1; 32]))),
        (400, "entry.at_ms", with(|entry| entry.at_ms -= 400_000)),
        (409, "entry.number is 5, expected 4: the head is entry 3", with(|entry| entry.number += 1)),
        (409, "entry.number is 0, expected 4", with(|entry| entry.number = 0)),
        (409, "entry.previous", with(|entry| entry.previous.0[0] ^= 1)),
        (400, "entry.epoch is 1, expected 0", with(|entry| entry.epoch = 1)),
        (400, "entry.items is 9, expected 4", with(|entry| entry.items = 9)),
        (400, "entry.root", with(|entry| entry.root.0[0] ^= 1)),
        (400, "payload.items[1]", other_bytes),
        (400, "payload has 1 parts, the entry pins 2", fewer),
        (400, "payload is not what belongs to 'add'", nothing),
        (
            409,
            "this entry is in the log already; the head is entry 3",
            Append { entry: replayed, payload: Payload::Items(kept.clone()) },
        ),
        (409, "item ", again),
        (400, "items[0]: there is no item", absent),
        (400, "items[1].item is in the batch twice", twice),
    ];
    for (status, begins, append) in cases {
        let reply = send(&world.user, ID, &append);
        let problem = reply.problem();
        assert_eq!(reply.status, status, "{begins}: {problem}");
        assert!(problem.message.starts_with(begins), "{begins}: {problem}");
        let now = (head(&world.user, ID), world.user.show(ID), contents(&world));
        assert_eq!(now, before, "{begins} changed something");
    }
    // Somebody else's role, and somebody else's entry.
    let reply = send(&reader, ID, &as_reader);
    assert_eq!((reply.status, reply.problem().message.contains("reader")), (403, true));
    assert!(send(&reader, ID, &signed(good.clone())).problem().message.starts_with("entry.author"));
    assert_eq!(send(&world.another(3), ID, &signed(good.clone())).status, 404);
    assert_eq!((head(&world.user, ID), world.user.show(ID), contents(&world)), before);
    // And what all of them were made from still fits.
    assert_eq!(send(&world.user, ID, &signed(good)).status, 201);
}

#[test]
fn owners_change_the_settings_and_the_log_pins_them() {
    let mut world = World::new();
    let mut chain = Chain::begin(&world.user, ID, Protection::Veiled);
    let writer = world.another(2);
    chain.share(&world.user, &writer, Role::Writer, &[0]);
    accept(&mut chain, &writer);
    let before = world.user.show(ID).header;
    let header = Bytes(b"other settings, sealed".to_vec());
    let settings = |bytes: &[u8]| Action::Settings { header: Digest(sha256(bytes)) };
    let with = |bytes: &Bytes| Payload::Header(bytes.clone());
    let large = Bytes(vec![7; pmirs_wire::limits::SEALED_HEADER + 1]);
    for (user, status, action, payload, told) in [
        (&writer, 403, settings(&header.0), with(&header), "only an owner"),
        (&world.user, 400, settings(b"others"), with(&header), "payload.header is not what the entry pins"),
        (
            &world.user,
            400,
            settings(&header.0),
            Payload::Nothing,
            "payload is not what belongs to 'settings'",
        ),
        (&world.user, 400, settings(b""), with(&Bytes(Vec::new())), "payload.header is empty"),
        (&world.user, 413, settings(&large.0), with(&large), "payload.header has"),
        (&world.user, 400, Action::Accept, with(&header), "payload is not what belongs to 'accept'"),
    ] {
        let reply = chain.append(user, action, payload);
        let problem = reply.problem();
        assert!(reply.status == status && problem.message.contains(told), "{told}: {problem}");
        assert_eq!(world.user.show(ID).header, before, "{told}");
    }
    chain.done(&world.user, settings(&header.0), with(&header));
    for user in [&world.user, &writer] {
        assert_eq!(user.show(ID).header, header);
    }
    world.restart();
    assert_eq!(world.user.show(ID).header, header, "it is on the disk");
    chain.add(&world.user, items(1, 2));
}

#[test]
fn what_is_shared_works_once_it_is_accepted_and_ends_at_once() {
    let world = World::new();
    let mut chain = Chain::begin(&world.user, ID, Protection::Veiled);
    let batch = items(1, 5);
    chain.add(&world.user, batch.clone());
    let other = world.another(2);
    assert_eq!(other.ask(Method::Get, &format!("/v1/collections/{ID}"), &[]).status, 404);
    chain.share(&world.user, &other, Role::Reader, &[0]);

    let list = |path: &str| other.ask(Method::Get, path, &[]).message::<CollectionList>().collections;
    assert_eq!((list("/v1/collections").len(), list("/v1/shares").len()), (0, 1));
    assert_eq!(other.content(ID, batch[0].item).status, 403);
    Chain::unbegun(ID).catch_up(&other); // the history is there to be judged first
    accept(&mut chain, &other);
    assert_eq!(chain.append(&other, Action::Accept, Payload::Nothing).status, 409);
    assert_eq!((list("/v1/collections").len(), list("/v1/shares").len()), (1, 0));
    let query = vector(&mut rng(2));
    let theirs = other.search(ID, &query, 0, 64).candidates;
    assert_eq!(theirs, world.user.search(ID, &query, 0, 64).candidates, "the same, to the bit");
    assert_eq!(list("/v1/collections")[0].grants.len(), 1);

    // The whole of it over one connection that stays open.
    let members = [(&world.user, Role::Owner)];
    let (grants, payload) = regrant(ID, &world.user, &members, 1);
    let revoke = Action::Revoke { member: account(&other.identity), grants };
    chain.done(&world.user, revoke, payload);
    for (method, path) in [
        (Method::Get, format!("/v1/collections/{ID}")),
        (Method::Get, format!("/v1/collections/{ID}/log")),
        (Method::Get, format!("/v1/collections/{ID}/head")),
        (Method::Get, format!("/v1/collections/{ID}/changes")),
        (Method::Get, format!("/v1/collections/{ID}/items/{}/content", batch[0].item)),
    ] {
        assert_eq!(other.ask(method, &path, &[]).problem().kind, ProblemKind::NotFound, "{path}");
    }
    assert_eq!((list("/v1/collections").len(), list("/v1/shares").len()), (0, 0));
    let fields = pmirs_cloud::inspect(world.folder.path()).unwrap();
    let theirs = account(&other.identity).0;
    for (table, column) in [("grants", "member"), ("members", "member")] {
        let mut rows = fields.iter().filter(|field| (field.table, field.column) == (table, column));
        assert!(rows.all(|field| field.bytes != theirs), "{table} still names them");
    }
    // New items are of the new epoch alone.
    let old = items(3, 1);
    let reply = chain.append(&world.user, Action::Add { items: leaves(&old) }, Payload::Items(old.clone()));
    assert!(reply.problem().message.starts_with("items[0].epoch is 0, expected 1"));
    chain.add(&world.user, vec![NewItem { epoch: 1, ..old[0].clone() }]);
    assert_eq!(world.user.show(ID).grants.len(), 2);
}

#[test]
fn owners_come_and_go_and_one_stays() {
    let world = World::new();
    let mut chain = Chain::begin(&world.user, ID, Protection::Veiled);
    let (ben, eve) = (world.another(2), world.another(3));
    let leave = |chain: &mut Chain, user: &User| chain.append(user, Action::Leave, Payload::Nothing);
    let problem = leave(&mut chain, &world.user).problem();
    assert!(problem.message.starts_with("the last owner cannot leave"), "{problem}");
    // Who has not accepted is no owner yet.
    chain.share(&world.user, &ben, Role::Owner, &[0]);
    assert_eq!(leave(&mut chain, &world.user).status, 409);
    accept(&mut chain, &ben);
    assert_eq!(leave(&mut chain, &world.user).status, 201);
    assert_eq!(world.user.ask(Method::Get, &format!("/v1/collections/{ID}"), &[]).status, 404);
    assert_eq!(ben.show(ID).owner, account(&ben.identity));

    // Declined, shared again, and given another role.
    chain.share(&ben, &eve, Role::Reader, &[0]);
    assert_eq!(leave(&mut chain, &eve).status, 201);
    chain.share(&ben, &eve, Role::Reader, &[0]);
    accept(&mut chain, &eve);
    let batch = items(1, 1);
    let add = Action::Add { items: leaves(&batch) };
    assert_eq!(chain.append(&eve, add.clone(), Payload::Items(batch.clone())).status, 403);
    chain.share(&ben, &eve, Role::Writer, &[0]);
    assert_eq!(chain.append(&eve, add, Payload::Items(batch)).status, 201);
    assert_eq!(eve.show(ID).grants[0].role, Role::Writer);
}

#[test]
fn grants_are_for_every_member_and_epoch_and_signed() {
    let world = World::new();
    let mut chain = Chain::begin(&world.user, ID, Protection::Veiled);
    let (ben, eve) = (world.another(2), world.another(3));
    let owner = (&world.user, Role::Owner);
    chain.share(&world.user, &ben, Role::Writer, &[0]);
    let mut refused = |action: Action, payload: Payload, begins: &str| {
        let problem = chain.append(&world.user, action, payload).problem();
        assert!(problem.message.starts_with(begins), "{begins}: {problem}");
    };
    let rotate = |members: &[(&User, Role)]| {
        let (grants, payload) = regrant(ID, &world.user, members, 1);
        (Action::Rotate { grants }, payload)
    };
    for members in [&[owner][..], &[owner, (&ben, Role::Writer), (&eve, Role::Reader)], &[owner, owner]] {
        let (action, payload) = rotate(members);
        refused(action, payload, "grants are not one for each of 2 members");
    }
    let (action, payload) = rotate(&[owner, (&ben, Role::Reader)]);
    refused(action, payload, "payload.grants[1]: the signature on this grant");
    for epochs in [&[][..], &[1], &[0, 1], &[0, 0]] {
        let (action, payload) = share(ID, &world.user, &eve, Role::Reader, epochs);
        refused(action, payload, "share.grants is not one for every live epoch");
    }
    let (action, payload) = share(ID, &world.user, &world.user, Role::Reader, &[0]);
    refused(action, payload, "share.member is the author");
    let (action, payload) = share(ID, &world.user, &eve, Role::Reader, &[0]);
    let Action::Share { member, role, grants, .. } = action else { unreachable!() };
    let identity = Bytes(ben.identity.public().to_bytes());
    refused(Action::Share { member, identity, role, grants }, payload, "share.identity");
    let (grants, payload) = regrant(ID, &world.user, &[owner, (&ben, Role::Writer)], 1);
    refused(Action::Revoke { member: account(&eve.identity), grants }, payload, "there is no such member");

    // An epoch starts, the items follow, and the old epoch ends.
    let batch = items(1, 3);
    chain.add(&world.user, batch.clone());
    let (action, payload) = rotate(&[owner, (&ben, Role::Writer)]);
    chain.done(&world.user, action, payload);
    let retire = || Action::Retire { epoch: 0 };
    let problem = chain.append(&world.user, retire(), Payload::Nothing).problem();
    assert_eq!(problem.message, "retire.epoch still holds items");
    let moved: Vec<_> = batch.iter().map(|new| NewItem { epoch: 1, ..new.clone() }).collect();
    chain.done(&world.user, Action::Replace { items: leaves(&moved) }, Payload::Items(moved));
    let back = Action::Replace { items: leaves(&batch) };
    let problem = chain.append(&world.user, back, Payload::Items(batch)).problem();
    assert!(problem.message.starts_with("items[0].epoch is 0, expected 1 or later"), "{problem}");
    chain.done(&world.user, retire(), Payload::Nothing);
    assert_eq!(world.user.show(ID).grants.iter().map(|grant| grant.epoch).collect::<Vec<_>>(), [1]);
    assert_eq!(chain.append(&world.user, retire(), Payload::Nothing).status, 400);
    assert_eq!(chain.append(&world.user, Action::Retire { epoch: 1 }, Payload::Nothing).status, 400);
}

#[test]
fn a_quota_holds_in_the_log_too() {
    let limits = pmirs_cloud::Limits { account_bytes: 10_000, ..pmirs_cloud::Limits::default() };
    let world = World::with(limits);
    let mut chain = Chain::begin(&world.user, ID, Protection::Veiled);
    let sized = |seed, bytes: usize| {
        let mut new = items(seed, 1).remove(0);
        new.content.0.resize(bytes - 540, 0); // 200 of metadata, 300 of embedding, 40 of veil
        new
    };
    let first = sized(1, 6_000);
    chain.add(&world.user, vec![first.clone()]);
    let mut over = |action: fn(Vec<pmirs_wire::log::Leaf>) -> Action, new: NewItem| {
        let leaves = leaves(std::slice::from_ref(&new));
        chain.append(&world.user, action(leaves), Payload::Items(vec![new])).status
    };
    let replace = |items| Action::Replace { items };
    assert_eq!(over(|items| Action::Add { items }, sized(2, 4_001)), 413);
    assert_eq!(over(replace, NewItem { item: first.item, ..sized(3, 10_001) }), 413);
    // What is replaced makes room.
    assert_eq!(over(replace, NewItem { item: first.item, ..sized(3, 10_000) }), 201);
    assert_eq!((contents(&world), world.user.show(ID).bytes), (1, 10_000));
}
