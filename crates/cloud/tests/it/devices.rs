use pmirs_crypto::{DeviceCertificate, DeviceKey, Identity, ServerPublicKey};
use pmirs_wire::collection::CollectionList;
use pmirs_wire::device::{Device, DeviceList, DeviceLogin, NewDevice};
use pmirs_wire::envelope::Method;
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::{AccountId, Bytes, DeviceId, Digest, encode};

use crate::World;
use crate::client::{Http, Reply, User, account, challenge, identity, rng, server_key};

pub fn device(seed: u64) -> DeviceKey {
    DeviceKey::generate(&mut rng(seed))
}

pub fn add(user: &User, signer: &Identity, key: &DeviceKey) -> Reply {
    let certificate = DeviceCertificate::issue(signer, key.public(), 1_700_000_000_000).to_bytes();
    let body = encode(&NewDevice { certificate: Bytes(certificate) }).unwrap();
    user.ask(Method::Post, "/v1/devices", &body)
}

pub fn revoke(user: &User, key: &DeviceKey) -> Reply {
    user.ask(Method::Delete, &format!("/v1/devices/{}", DeviceId(key.public().id())), &[])
}

fn login_body(http: &Http, account: AccountId, key: &DeviceKey, server: Digest) -> Vec<u8> {
    let nonce = challenge(http, account).nonce;
    let signed = DeviceLogin::signed_bytes(&server, &account, &nonce.0);
    let signature = Bytes(key.sign(&signed).0.to_vec());
    encode(&DeviceLogin { account, device: DeviceId(key.public().id()), nonce, signature }).unwrap()
}

pub fn login(http: &Http, account: AccountId, key: &DeviceKey, server: &ServerPublicKey) -> Reply {
    let body = login_body(http, account, key, Digest(server.fingerprint()));
    http.send(Method::Post, "/v1/login/device", &[], &body)
}

fn devices(user: &User) -> Vec<Device> {
    user.ask(Method::Get, "/v1/devices", &[]).message::<DeviceList>().devices
}

#[test]
fn a_device_logs_in_until_it_is_revoked() {
    let world = World::new();
    let (phone, laptop) = (device(1), device(2));
    let known: Device = add(&world.user, &world.user.identity, &phone).message();
    assert_eq!((known.id, known.revoked_ms), (DeviceId(phone.public().id()), None));
    add(&world.user, &world.user.identity, &laptop).message::<Device>();
    // A lost answer may be asked for again.
    assert_eq!(add(&world.user, &world.user.identity, &phone).message::<Device>(), known);
    assert_eq!(devices(&world.user).len(), 2);

    let own = account(&world.user.identity);
    let with = |key: &DeviceKey| User {
        http: Http::new(world.server().url()),
        identity: identity(1),
        key: server_key(&world.user.http),
        session: login(&world.user.http, own, key, &world.user.key).message(),
        enveloped: false,
    };
    let (by_phone, by_laptop) = (with(&phone), with(&laptop));
    by_phone.ask(Method::Get, "/v1/collections", &[]).message::<CollectionList>();

    // The same connection, the same token, a moment later.
    assert!(revoke(&by_laptop, &phone).message::<Device>().revoked_ms.is_some());
    let refused = by_phone.ask(Method::Get, "/v1/collections", &[]);
    assert_eq!(refused.problem().kind, ProblemKind::Unauthenticated);
    assert_eq!(login(&world.user.http, own, &phone, &world.user.key).status, 401);
    assert_eq!(add(&world.user, &world.user.identity, &phone).problem().kind, ProblemKind::Conflict);
    // Others go on, and revoking again changes nothing.
    by_laptop.ask(Method::Get, "/v1/collections", &[]).message::<CollectionList>();
    let again: Device = revoke(&world.user, &phone).message();
    assert_eq!(devices(&world.user)[0], again);
}

#[test]
fn a_device_is_certified_by_its_own_account() {
    let world = World::new();
    let other = world.another(2);
    let phone = device(1);
    // The server, or another account, cannot slip in a device.
    let problem = add(&world.user, &other.identity, &phone).problem();
    assert_eq!((problem.kind, problem.message.starts_with("certificate: ")), (ProblemKind::BadRequest, true));
    add(&world.user, &world.user.identity, &phone).message::<Device>();
    assert_eq!(add(&other, &other.identity, &phone).problem().kind, ProblemKind::Conflict);
    assert_eq!(revoke(&other, &phone).problem().kind, ProblemKind::NotFound);
    assert_eq!(other.ask(Method::Delete, "/v1/devices/xyz", &[]).problem().kind, ProblemKind::NotFound);
    assert!(devices(&other).is_empty());
}

#[test]
fn every_failed_device_login_looks_alike() {
    let world = World::new();
    let (http, own) = (&world.user.http, account(&world.user.identity));
    let (phone, unknown) = (device(1), device(2));
    add(&world.user, &world.user.identity, &phone).message::<Device>();
    let here = Digest(world.user.key.fingerprint());
    let good = login_body(http, own, &phone, here);
    let send = |body: &[u8]| http.send(Method::Post, "/v1/login/device", &[], body);
    assert_eq!(send(&good).status, 200);
    let mut problems = vec![send(&good)]; // spent
    problems.push(send(&login_body(http, own, &phone, Digest([9; 32])))); // meant for another server
    problems.push(send(&login_body(http, own, &unknown, here)));
    problems.push(send(&login_body(http, AccountId([7; 32]), &phone, here)));
    let mut forged: DeviceLogin = pmirs_wire::decode(&login_body(http, own, &phone, here)).unwrap();
    forged.signature.0[0] ^= 1;
    problems.push(send(&encode(&forged).unwrap()));
    let first = problems[0].problem();
    assert_eq!(first.kind, ProblemKind::Unauthenticated);
    assert!(problems.iter().all(|reply| reply.problem() == first));
}
