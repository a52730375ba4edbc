use pmirs_wire::collection::{CollectionList, EpochGrant, NewCollection, Protection, Role};
use pmirs_wire::envelope::Method;
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::{Bytes, CollectionId, encode};

use crate::World;
use crate::client::{item, rng, stored};

const ID: CollectionId = CollectionId([5; 16]);

#[test]
fn a_collection_comes_back_as_it_was_made() {
    let mut world = World::new();
    let made = world.user.create(ID, Protection::Veiled);
    assert_eq!((made.items, made.bytes, made.seq, made.grants.len()), (0, 0, 0, 1));
    assert_eq!(made.grants[0], world.user.new_collection(ID, Protection::Veiled).grant);
    // A lost answer may be asked for again.
    assert_eq!(world.user.create(ID, Protection::Veiled), made);

    let sealed = world.user.create(CollectionId([6; 16]), Protection::Sealed);
    world.restart();
    let list: CollectionList = world.user.ask(Method::Get, "/v1/collections", &[]).message();
    assert_eq!(list.collections, [made.clone(), sealed]);
    assert_eq!(world.user.show(ID), made);
}

#[test]
fn absent_and_forbidden_look_alike() {
    let world = World::new();
    world.user.create(ID, Protection::Veiled);
    let mut rng = rng(1);
    let new = item(&mut rng, Protection::Veiled);
    assert_eq!(world.user.add(ID, vec![new.clone()]).status, 201);
    let other = world.another(2);
    let absent = CollectionId([7; 16]);
    let ask = |id: CollectionId, method, path: &str, body: &[u8]| {
        let reply = other.ask(method, &format!("/v1/collections/{id}{path}"), body);
        (reply.status, reply.problem())
    };
    let item = new.item;
    let adds = encode(&pmirs_wire::item::NewItems { items: vec![new] }).unwrap();
    for (method, path, body) in [
        (Method::Get, String::new(), &[][..]),
        (Method::Delete, String::new(), &[]),
        (Method::Get, "/changes?after=0".to_owned(), &[]),
        (Method::Get, format!("/items/{item}"), &[]),
        (Method::Get, format!("/items/{item}/content"), &[]),
        (Method::Post, "/items".to_owned(), &adds),
        (Method::Post, "/remove".to_owned(), &adds),
        (Method::Post, "/search".to_owned(), &adds),
    ] {
        let forbidden = ask(ID, method, &path, body);
        assert_eq!(forbidden.1.kind, ProblemKind::NotFound, "{path}");
        assert_eq!(forbidden, ask(absent, method, &path, body), "{path}");
    }
    let list: CollectionList = other.ask(Method::Get, "/v1/collections", &[]).message();
    assert!(list.collections.is_empty());
    assert_eq!(world.user.show(ID).items, 1);
}

#[test]
fn a_deleted_collection_leaves_nothing_behind() {
    let world = World::new();
    world.user.create(ID, Protection::Veiled);
    let mut rng = rng(2);
    let items: Vec<_> = (0..5).map(|_| item(&mut rng, Protection::Veiled)).collect();
    let ids: Vec<_> = items.iter().map(|new| new.item).collect();
    stored(&world.user.add(ID, items));
    stored(&world.user.remove(ID, ids[..2].to_vec()));
    let gone = stored(&world.user.ask(Method::Delete, &format!("/v1/collections/{ID}"), &[]));
    assert_eq!((gone.seq, gone.items), (7, 3));
    assert_eq!(world.user.ask(Method::Get, &format!("/v1/collections/{ID}"), &[]).status, 404);
    let left: Vec<_> = pmirs_cloud::inspect(world.folder.path())
        .unwrap()
        .into_iter()
        .filter(|field| {
            ["collections", "grants", "items", "veiled", "removed"].contains(&field.table)
                || field.column == "content"
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
    // Its name may be used again, and its numbers start afresh.
    assert_eq!(world.user.create(ID, Protection::Sealed).seq, 0);
}

#[test]
fn another_persons_name_is_taken() {
    let world = World::new();
    world.user.create(ID, Protection::Sealed);
    let other = world.another(2);
    let new = encode(&other.new_collection(ID, Protection::Sealed)).unwrap();
    let reply = other.ask(Method::Post, "/v1/collections", &new);
    assert_eq!(reply.problem().kind, ProblemKind::Conflict);
}

#[test]
fn every_field_of_a_new_collection_is_checked() {
    let world = World::new();
    let good = world.user.new_collection(ID, Protection::Veiled);
    let stranger = world.another(2).identity.public().to_bytes();
    let with_grant = |grant: EpochGrant| NewCollection { grant, ..good.clone() };
    let grant = || good.grant.clone();
    let cases = [
        ("header", NewCollection { header: Bytes(Vec::new()), ..good.clone() }),
        ("header", NewCollection { header: Bytes(vec![0; (8 << 10) + 1]), ..good.clone() }),
        ("veiled_dim", NewCollection { veiled_dim: 0, ..good.clone() }),
        ("veiled_dim", NewCollection { veiled_dim: 4097, ..good.clone() }),
        ("veiled_dim", NewCollection { protection: Protection::Sealed, ..good.clone() }),
        ("grant.grant", with_grant(EpochGrant { grant: Bytes(Vec::new()), ..grant() })),
        ("grant.epoch", with_grant(EpochGrant { epoch: 1, ..grant() })),
        ("grant.role", with_grant(EpochGrant { role: Role::Writer, ..grant() })),
        ("grant.granter", with_grant(EpochGrant { granter: Bytes(stranger), ..grant() })),
    ];
    for (field, new) in cases {
        let reply = world.user.ask(Method::Post, "/v1/collections", &encode(&new).unwrap());
        assert!([400, 413].contains(&reply.status), "{field}: {}", reply.status);
        let problem = reply.problem();
        assert!(problem.message.starts_with(field), "{field}: {problem}");
    }
    assert_eq!(world.user.ask(Method::Get, &format!("/v1/collections/{ID}"), &[]).status, 404);
}
