use pmirs_cloud::Invite;
use pmirs_wire::collection::{Protection, Role};
use pmirs_wire::envelope::Method;
use pmirs_wire::log::{Action, Payload};
use pmirs_wire::people::Person;
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::{Bytes, CollectionId};

use crate::World;
use crate::chain::Chain;
use crate::client::{Http, User, account, identity, item, register, register_named, rng, stored};
use crate::devices;

const ID: CollectionId = CollectionId([5; 16]);

fn person(user: &User, name: &str) -> Result<Person, ProblemKind> {
    let reply = user.ask(Method::Get, &format!("/v1/people/{name}"), &[]);
    if reply.status == 200 { Ok(reply.message()) } else { Err(reply.problem().kind) }
}

#[test]
fn people_are_found_by_the_name_they_took() {
    let world = World::new();
    let invite = world.server().invite().unwrap();
    assert_eq!(register_named(&world.user.http, &identity(2), &invite, "ben.c_d-1").status, 201);
    let found = person(&world.user, "ben.c_d-1").unwrap();
    let ben = identity(2);
    assert_eq!((found.account, found.identity), (account(&ben), Bytes(ben.public().to_bytes())));
    for name in ["ben", "Ben.c_d-1", "%ff", "..%2f", &"x".repeat(65)] {
        assert_eq!(person(&world.user, name), Err(ProblemKind::NotFound), "{name}");
    }

    let second = world.server().invite().unwrap();
    let taken = register_named(&world.user.http, &identity(3), &second, "ben.c_d-1").problem();
    assert_eq!((taken.kind, taken.message.starts_with("name: ")), (ProblemKind::Conflict, true));
    for bad in ["", "Eve", "e e", "e/e", &"x".repeat(65)] {
        let problem = register_named(&world.user.http, &identity(3), &second, bad).problem();
        assert_eq!((problem.kind, problem.message.starts_with("name: ")), (ProblemKind::BadRequest, true));
    }
    // Neither spent the invite.
    assert_eq!(register_named(&world.user.http, &identity(3), &second, "eve").status, 201);
}

#[test]
fn the_first_account_invites_others() {
    let world = World::new();
    let invite: Invite = world.user.ask(Method::Post, "/v1/invites", &[]).message();
    assert_eq!(invite.server, world.server().fingerprint());
    let other = User::join(world.server().url(), 2, &invite);
    assert_eq!(other.ask(Method::Post, "/v1/invites", &[]).problem().kind, ProblemKind::Forbidden);
}

#[test]
fn a_deleted_account_leaves_nothing_behind() {
    let world = World::new();
    let invite = world.server().invite().unwrap();
    assert_eq!(register_named(&world.user.http, &identity(2), &invite, "ben").status, 201);
    let ben = User::resume(Http::new(world.server().url()), identity(2));
    let mut rng = rng(1);
    let batch = |rng: &mut _| (0..3).map(|_| item(rng, Protection::Veiled)).collect::<Vec<_>>();

    // One collection of his own, one without a log, one that he only reads.
    let (plain, shared) = (CollectionId([6; 16]), CollectionId([7; 16]));
    let mut own = Chain::begin(&ben, ID, Protection::Veiled);
    own.add(&ben, batch(&mut rng));
    own.share(&ben, &world.user, Role::Writer, &[0]);
    own.done(&world.user, Action::Accept, Payload::Nothing);
    ben.create(plain, Protection::Veiled);
    stored(&ben.add(plain, batch(&mut rng)));
    let mut theirs = Chain::begin(&world.user, shared, Protection::Veiled);
    theirs.add(&world.user, batch(&mut rng));
    theirs.share(&world.user, &ben, Role::Reader, &[0]);
    theirs.done(&ben, Action::Accept, Payload::Nothing);
    let phone = devices::device(1);
    assert_eq!(devices::add(&ben, &ben.identity, &phone).status, 201);
    assert_eq!(devices::login(&ben.http, account(&ben.identity), &phone, &ben.key).status, 200);

    // A membership ends by a signed entry, never silently.
    let problem = ben.ask(Method::Delete, "/v1/account", &[]).problem();
    assert_eq!(problem.kind, ProblemKind::Conflict);
    assert!(problem.message.contains(&shared.to_string()), "{problem}");
    theirs.done(&ben, Action::Leave, Payload::Nothing);
    assert_eq!(ben.ask(Method::Delete, "/v1/account", &[]).status, 204);

    assert_eq!(ben.ask(Method::Get, "/v1/collections", &[]).status, 401);
    assert_eq!(person(&world.user, "ben"), Err(ProblemKind::NotFound));
    assert_eq!(world.user.ask(Method::Get, &format!("/v1/collections/{ID}"), &[]).status, 404);
    let fields = pmirs_cloud::inspect(world.folder.path()).unwrap();
    let (id, key) = (account(&ben.identity).0, ben.identity.public().to_bytes());
    let count = |table: &str, column: &str| {
        fields.iter().filter(|field| (field.table, field.column) == (table, column)).count()
    };
    assert_eq!((count("files", "content"), count("items", "row"), count("collections", "id")), (3, 3, 1));
    assert_eq!((count("devices", "id"), count("accounts", "id"), count("members", "member")), (0, 1, 1));
    for field in &fields {
        // The log of what others own still says who read along: it is signed, and theirs.
        let named = field.bytes == id || field.bytes == key;
        assert!(!named, "{}.{}", field.table, field.column);
    }
    // The name is free, the spent invite stays spent.
    assert_eq!(register(&world.user.http, &identity(2), &invite).problem().kind, ProblemKind::Forbidden);
    let invite = world.server().invite().unwrap();
    assert_eq!(register_named(&world.user.http, &identity(3), &invite, "ben").status, 201);
}
