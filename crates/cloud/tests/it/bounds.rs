use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use pmirs_cloud::{Config, Embedded, Error, Limits, Rate};
use pmirs_wire::collection::{Protection, Role};
use pmirs_wire::envelope::Method;
use pmirs_wire::log::{Action, Payload};
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::{CollectionId, encode, limits};

use crate::chain::Chain;
use crate::client::{Http, challenge, item, rng};
use crate::{World, start};

const ID: CollectionId = CollectionId([5; 16]);
/// Longer than any bound that is tested here.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_public_address_needs_tls() {
    let folder = tempfile::tempdir().unwrap();
    let listen: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let refused = Embedded::start(Config { listen, ..Config::loopback(folder.path()) });
    assert!(matches!(refused, Err(Error::PlainListen { listen: at }) if at == listen));
}

#[test]
fn a_folder_belongs_to_one_server() {
    let world = World::new();
    let refused = Embedded::start(Config::loopback(world.folder.path()));
    assert!(matches!(refused, Err(Error::InUse { .. })));
}

#[test]
fn an_account_has_quotas() {
    let world = World::with(Limits { account_bytes: 10_000, account_collections: 2, ..Limits::default() });
    world.user.create(ID, Protection::Sealed);
    world.user.create(CollectionId([6; 16]), Protection::Sealed);
    let third = encode(&world.user.new_collection(CollectionId([7; 16]), Protection::Sealed)).unwrap();
    let reply = world.user.ask(Method::Post, "/v1/collections", &third);
    assert_eq!(reply.problem().kind, ProblemKind::TooLarge);

    let mut rng = rng(1);
    let mut sized = |bytes: usize| {
        let mut new = item(&mut rng, Protection::Sealed);
        new.content.0.resize(bytes - 500, 0); // 200 of metadata, 300 of embedding
        new
    };
    assert_eq!(world.user.add(ID, vec![sized(6_000)]).status, 201);
    // The quota spans the collections of an account, and removal gives back.
    let (over, fits) = (sized(4_001), sized(4_000));
    let refused = world.user.add(CollectionId([6; 16]), vec![over]);
    assert_eq!(refused.problem().kind, ProblemKind::TooLarge);
    let id = fits.item;
    assert_eq!(world.user.add(CollectionId([6; 16]), vec![fits]).status, 201);
    assert_eq!(world.user.add(ID, vec![sized(501)]).status, 413);
    assert_eq!(world.user.remove(CollectionId([6; 16]), vec![id]).status, 200);
    assert_eq!(world.user.add(ID, vec![sized(501)]).status, 201);
}

#[test]
fn rates_hold_for_accounts_addresses_and_logins() {
    let slow = |burst| Rate::new(1, burst);
    let world = World::with(Limits { account_rate: slow(3), ..Limits::default() });
    let statuses: Vec<_> =
        (0..4).map(|_| world.user.ask(Method::Get, "/v1/collections", &[]).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);

    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits { peer_rate: slow(2), ..Limits::default() });
    let http = Http::new(server.url());
    let statuses: Vec<_> = (0..3).map(|_| http.send(Method::Get, "/healthz", &[], &[]).status).collect();
    assert_eq!(statuses, [200, 200, 429]);

    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits { login_rate: slow(2), ..Limits::default() });
    let http = Http::new(server.url());
    let account = pmirs_wire::AccountId([1; 32]);
    challenge(&http, account);
    challenge(&http, account);
    let request = encode(&pmirs_wire::account::ChallengeRequest { account }).unwrap();
    let reply = http.send(Method::Post, "/v1/login/challenge", &[], &request);
    assert_eq!((reply.status, reply.problem().kind), (429, ProblemKind::TooMany));
    assert_eq!(http.send(Method::Get, "/healthz", &[], &[]).status, 200);
}

#[test]
fn open_challenges_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits { open_challenges: 1, ..Limits::default() });
    let http = Http::new(server.url());
    let account = pmirs_wire::AccountId([1; 32]);
    challenge(&http, account);
    let request = encode(&pmirs_wire::account::ChallengeRequest { account }).unwrap();
    assert_eq!(http.send(Method::Post, "/v1/login/challenge", &[], &request).status, 429);
}

#[test]
fn a_body_that_announces_too_much_is_not_read() {
    let world = World::new();
    let mut stream = connect(&world);
    let head =
        format!("POST /v1/envelope HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", limits::TRANSPORT + 1);
    stream.write_all(head.as_bytes()).unwrap();
    assert!(first_line(&mut stream).contains("413"), "no byte of the body was sent");
}

#[test]
fn a_body_over_its_messages_limit_is_refused() {
    let world = World::new();
    let body = vec![0; 300];
    let reply = world.user.http.send(Method::Post, "/v1/login/challenge", &[], &body);
    assert_eq!((reply.status, reply.problem().kind), (413, ProblemKind::TooLarge));
}

#[test]
fn a_large_body_is_read_only_from_those_who_may_send_it() {
    let world = World::new();
    let mut stream = connect(&world);
    let head =
        format!("POST /v1/collections/{ID}/items HTTP/1.1\r\nhost: x\r\ncontent-length: 9999999\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    assert!(first_line(&mut stream).contains("401"), "no byte of the body was sent");
}

#[test]
fn a_large_append_is_read_only_from_those_who_may_change_items() {
    let world = World::new();
    let mut chain = Chain::begin(&world.user, ID, Protection::Sealed);
    let [reader, invited, stranger] = [2, 3, 4].map(|seed| world.another(seed));
    chain.share(&world.user, &reader, Role::Reader, &[0]);
    chain.share(&world.user, &invited, Role::Writer, &[0]);
    chain.done(&reader, Action::Accept, Payload::Nothing);
    for (user, status) in [(&reader, "403"), (&invited, "403"), (&stranger, "404")] {
        let mut stream = connect(&world);
        let head = format!(
            "POST /v1/collections/{ID}/log HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-length: 9999999\r\n\r\n",
            user.bearer()
        );
        stream.write_all(head.as_bytes()).unwrap();
        assert!(first_line(&mut stream).contains(status), "{status}: no byte of the body was sent");
        // Without a length there is no telling, so what is sent is read as far as a small entry goes.
        let mut stream = connect(&world);
        let head = head.replace("content-length: 9999999", "transfer-encoding: chunked");
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = [b"50000\r\n".as_slice(), &vec![0; 0x50000], b"\r\n"].concat();
        let _ = stream.write_all(&chunk); // the answer may come before the end
        assert!(first_line(&mut stream).contains(status), "{status}: the body has no end");
    }
    chain.done(&invited, Action::Accept, Payload::Nothing);
}

#[test]
fn slow_and_silent_connections_are_closed() {
    let limits = Limits { header_time: Duration::from_millis(200), ..Limits::default() };
    let world = World::with(limits);
    for start in ["", "G", "PRI * HTT", "GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let mut stream = connect(&world);
        stream.write_all(start.as_bytes()).unwrap();
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{start:?}: {error}"),
        }
    }
}

#[test]
fn a_body_that_never_ends_is_given_up() {
    let world = World::with(Limits { request_time: Duration::from_millis(200), ..Limits::default() });
    let mut stream = connect(&world);
    stream.write_all(b"POST /v1/login HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc").unwrap();
    assert!(first_line(&mut stream).contains("408"));
}

#[test]
fn connections_are_bounded() {
    let world = World::with(Limits { connections: 3, ..Limits::default() });
    // The user's own is one; two more are held, and the next finds the door shut.
    let mut held: Vec<_> = (0..2).map(|_| connect(&world)).collect();
    for stream in &mut held {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        assert!(first_line(stream).contains("200"));
    }
    let mut turned_away = connect(&world);
    let mut rest = Vec::new();
    assert_eq!(turned_away.read_to_end(&mut rest).unwrap_or(0), 0);
}

#[test]
fn memory_for_bodies_is_waited_for_and_given_back() {
    let world = World::with(Limits { body_memory_mib: 2, ..Limits::default() });
    world.user.create(ID, Protection::Sealed);
    std::thread::scope(|scope| {
        for seed in 0..6 {
            let user = &world.user;
            scope.spawn(move || {
                let mut new = item(&mut rng(seed), Protection::Sealed);
                new.content.0.resize(3 << 20, 1);
                assert_eq!(user.add(ID, vec![new]).status, 201);
            });
        }
    });
    assert_eq!(world.user.show(ID).items, 6);
}

#[test]
fn a_request_in_work_is_finished_before_the_server_stops() {
    let mut world = World::new();
    let mut stream = connect(&world);
    let body =
        encode(&pmirs_wire::account::ChallengeRequest { account: pmirs_wire::AccountId([1; 32]) }).unwrap();
    let head = format!(
        "POST /v1/login/challenge HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server asks for the body, so it works on the request.
    assert!(first_line(&mut stream).contains("100"));
    let server = world.server.take().unwrap();
    let address = server.local_addr();
    let stopping = std::thread::spawn(move || server.stop());
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    stream.write_all(&body).unwrap();
    let mut answer = String::new();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    answer.push_str(&String::from_utf8_lossy(&bytes));
    assert!(answer.contains("HTTP/1.1 200"), "{answer}");
    stopping.join().unwrap().unwrap();
}

#[test]
fn operators_see_health_readiness_and_counts() {
    let world = World::new();
    world.user.ask(Method::Get, "/v1/collections", &[]);
    let get = |path| {
        let reply = world.user.http.send(Method::Get, path, &[], &[]);
        (reply.status, String::from_utf8(reply.body).unwrap())
    };
    assert_eq!(get("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(get("/readyz"), (200, "ready\n".to_owned()));
    let (status, text) = get("/metrics");
    assert_eq!(status, 200);
    let counted = r#"pmirs_requests_total{route="/v1/collections",method="GET",status="200"} 1"#;
    assert!(text.contains(counted), "{text}");
    assert!(text.ends_with("# EOF\n"));
}

pub fn connect(world: &World) -> TcpStream {
    let stream = TcpStream::connect(world.server().local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub fn first_line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") && stream.read(&mut byte).unwrap() == 1 {
        line.push(byte[0]);
    }
    if line.starts_with(b"HTTP/1.1 100") {
        // The empty line that ends the interim answer.
        stream.read_exact(&mut [0; 2]).unwrap();
    }
    String::from_utf8(line).unwrap()
}
