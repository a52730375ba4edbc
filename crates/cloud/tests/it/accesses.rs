//! Who opened what: asked under a signature, kept, and read by owners alone.

use pmirs_cloud::Limits;
use pmirs_crypto::{Context, Signature};
use pmirs_wire::access::{Access, AccessPage, SENT_HEADER, SIGNATURE_HEADER, content_path};
use pmirs_wire::collection::{Protection, Role};
use pmirs_wire::envelope::Method;
use pmirs_wire::log::{Action, Payload};
use pmirs_wire::{CollectionId, Digest, ItemId};

use crate::World;
use crate::chain::Chain;
use crate::client::{Reply, User, account, item, now_ms, rng, stored};

const ID: CollectionId = CollectionId([5; 16]);

fn page(owner: &User, after: u64) -> AccessPage {
    owner.ask(Method::Get, &format!("/v1/collections/{ID}/accesses?after={after}"), &[]).message()
}

fn numbers(page: &AccessPage) -> Vec<u64> {
    page.accesses.iter().map(|access| access.number).collect()
}

/// What an owner checks: that the person who is named asked this server for this.
fn fits(access: &Access, owner: &User, asker: &User) -> bool {
    let signature = Signature(access.signature.0.as_slice().try_into().unwrap());
    let signed = access.signed_bytes(Digest(owner.key.fingerprint()), &ID);
    access.account == account(&asker.identity)
        && asker.identity.public().verify(Context::Request, &signed, &signature).is_ok()
}

#[test]
fn owners_see_who_opened_what_and_can_prove_it() {
    let mut world = World::new();
    let mut chain = Chain::begin(&world.user, ID, Protection::Veiled);
    let items: Vec<_> = (0..2).map(|seed| item(&mut rng(seed), Protection::Veiled)).collect();
    chain.add(&world.user, items.clone());
    let mut reader = world.another(2);
    chain.share(&world.user, &reader, Role::Reader, &[0]);
    chain.done(&reader, Action::Accept, Payload::Nothing);
    assert_eq!(page(&world.user, 0), AccessPage { accesses: Vec::new(), more: false, latest: 0 });

    let before = now_ms();
    for (enveloped, new) in [(false, &items[0]), (true, &items[1])] {
        reader.enveloped = enveloped;
        assert_eq!(reader.content(ID, new.item).body, new.content.0);
    }
    assert_eq!(world.user.content(ID, items[0].item).status, 200);
    let all = page(&world.user, 0);
    assert_eq!((numbers(&all), all.more, all.latest), (vec![1, 2, 3], false, 3));
    assert_eq!(all.accesses[1].item, items[1].item);
    for (access, asker) in all.accesses.iter().zip([&reader, &reader, &world.user]) {
        assert!(fits(access, &world.user, asker));
        assert!((before..=now_ms()).contains(&access.at_ms) && access.sent_ms <= access.at_ms);
    }
    // The server could not put another name, item or time to a signature.
    let moved = |change: fn(&mut Access)| {
        let mut access = all.accesses[0].clone();
        change(&mut access);
        fits(&access, &world.user, &reader) || fits(&access, &world.user, &world.user)
    };
    assert!(!moved(|access| access.item = ItemId([1; 16])));
    assert!(!moved(|access| access.sent_ms += 1));
    assert!(!fits(&all.accesses[0], &world.user, &world.user));

    world.restart();
    assert_eq!(page(&world.user, 1).accesses, all.accesses[1..]);
    assert_eq!(page(&world.user, u64::MAX).accesses, []);
    let no_number = format!("/v1/collections/{ID}/accesses?after=x");
    assert_eq!(world.user.ask(Method::Get, &no_number, &[]).status, 400);
}

#[test]
fn content_opens_to_a_fitting_signature_alone() {
    let world = World::new();
    world.user.create(ID, Protection::Sealed);
    let items: Vec<_> = (0..2).map(|seed| item(&mut rng(seed), Protection::Sealed)).collect();
    stored(&world.user.add(ID, items.clone()));
    let (path, other) = (content_path(&ID, &items[0].item), content_path(&ID, &items[1].item));
    let stranger = world.another(2);
    let ask = |sent: &str, signature: &str| -> Reply {
        let bearer = world.user.bearer();
        let headers =
            [("authorization", bearer.as_str()), (SENT_HEADER, sent), (SIGNATURE_HEADER, signature)];
        world.user.http.send(Method::Get, &path, &headers, &[])
    };
    let now = now_ms();
    let good = world.user.sign(Method::Get, &path, now).to_text();
    let sent = now.to_string();
    let mut elsewhere =
        User::resume(crate::client::Http::new(&world.user.http.url), crate::client::identity(1));
    elsewhere.key = pmirs_crypto::ServerKey::generate(&mut rng(9)).public();
    for (status, sent, signature) in [
        (403, sent.as_str(), ""),
        (403, "", &good),
        (403, &sent, "x"),
        (403, &sent, &good[..85]),
        (403, &(now + 1).to_string(), &good),
        (403, &sent, &stranger.sign(Method::Get, &path, now).to_text()),
        (403, &sent, &world.user.sign(Method::Get, &other, now).to_text()),
        (403, &sent, &world.user.sign(Method::Delete, &path, now).to_text()),
        (403, &sent, &elsewhere.sign(Method::Get, &path, now).to_text()),
        (400, &(now - 301_000).to_string(), &world.user.sign(Method::Get, &path, now - 301_000).to_text()),
        (400, "18446744073709551615", &world.user.sign(Method::Get, &path, u64::MAX).to_text()),
    ] {
        let reply = ask(sent, signature);
        assert_eq!(reply.status, status, "{sent} {signature}: {:?}", reply.problem());
    }
    // Neither those nor what is not there are accesses.
    assert_eq!(world.user.content(ID, ItemId([1; 16])).status, 404);
    assert_eq!(page(&world.user, 0).latest, 0);
    assert_eq!(ask(&sent, &good).body, items[0].content.0);
    assert_eq!(page(&world.user, 0).latest, 1);
}

#[test]
fn of_many_who_open_at_once_each_is_recorded_once() {
    let world = World::new();
    let mut chain = Chain::begin(&world.user, ID, Protection::Veiled);
    let new = item(&mut rng(1), Protection::Veiled);
    chain.add(&world.user, vec![new.clone()]);
    let readers: Vec<User> = (2..10).map(|seed| world.another(seed)).collect();
    for reader in &readers {
        chain.share(&world.user, reader, Role::Reader, &[0]);
        chain.done(reader, Action::Accept, Payload::Nothing);
    }
    std::thread::scope(|scope| {
        for reader in &readers {
            scope.spawn(|| {
                for _ in 0..30 {
                    assert_eq!(reader.content(ID, new.item).body, new.content.0);
                }
            });
        }
    });
    let all = page(&world.user, 0);
    assert_eq!(numbers(&all), (1..=240).collect::<Vec<u64>>());
    for reader in &readers {
        let own: Vec<_> =
            all.accesses.iter().filter(|access| access.account == account(&reader.identity)).collect();
        assert_eq!(own.len(), 30);
        assert!(own.iter().all(|access| fits(access, &world.user, reader)));
    }
}

#[test]
fn the_record_is_bounded_and_goes_with_its_account_and_its_collection() {
    let world = World::with(Limits { accesses: 3, ..Limits::default() });
    let mut chain = Chain::begin(&world.user, ID, Protection::Veiled);
    let new = item(&mut rng(1), Protection::Veiled);
    chain.add(&world.user, vec![new.clone()]);
    let reader = world.another(2);
    chain.share(&world.user, &reader, Role::Reader, &[0]);
    chain.done(&reader, Action::Accept, Payload::Nothing);
    let kept = || {
        let fields = pmirs_cloud::inspect(world.folder.path()).unwrap();
        fields.iter().filter(|field| (field.table, field.column) == ("accesses", "signature")).count()
    };
    for user in [&world.user, &world.user, &world.user, &world.user, &reader] {
        assert_eq!(user.content(ID, new.item).status, 200);
    }
    let all = page(&world.user, 0);
    assert_eq!((numbers(&all), all.latest, kept()), (vec![3, 4, 5], 5, 3));

    chain.done(&reader, Action::Leave, Payload::Nothing);
    assert_eq!(numbers(&page(&world.user, 0)), [3, 4, 5], "who left is still named");
    assert_eq!(reader.ask(Method::Delete, "/v1/account", &[]).status, 204);
    let all = page(&world.user, 0);
    assert_eq!((numbers(&all), all.latest), (vec![3, 4], 5));
    // Its number is not given again.
    assert_eq!(world.user.content(ID, new.item).status, 200);
    assert_eq!(numbers(&page(&world.user, 0)), [4, 6]);

    stored(&world.user.ask(Method::Delete, &format!("/v1/collections/{ID}"), &[]));
    assert_eq!(kept(), 0);
}
