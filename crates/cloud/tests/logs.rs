//! What the server writes down about requests: enough to operate it, and no secret.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[expect(dead_code, reason = "shared with tests that use more of it")]
mod client;

use std::io::Write;
use std::sync::{Arc, Mutex};

use client::{Http, User, account, identity, item, login, rng, stored, vector};
use pmirs_cloud::{Config, Embedded};
use pmirs_wire::CollectionId;
use pmirs_wire::collection::Protection;
use pmirs_wire::envelope::Method;

const ID: CollectionId = CollectionId([0x5a; 16]);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn logs_and_metrics_hold_routes_and_no_secrets() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .json()
        // Everything that the server and what it stands on say; ureq is the client.
        .with_env_filter("trace,ureq=off,ureq_proto=off")
        .with_writer(move || writer.clone())
        .init();

    let folder = tempfile::tempdir().unwrap();
    let server = Embedded::start(Config::loopback(folder.path())).unwrap();
    let invite = server.first_invite().unwrap();
    let mut user = User::join(server.url(), 1, &invite);
    user.create(ID, Protection::Veiled);
    let mut rng = rng(1);
    let new = item(&mut rng, Protection::Veiled);
    let mut secrets = vec![
        ("token", user.session.token.0.clone()),
        ("invite", invite.code.0.clone()),
        ("account", account(&user.identity).0.to_vec()),
        ("item", new.item.0.to_vec()),
        ("metadata", new.meta.0.clone()),
        ("content", new.content.0.clone()),
        ("vector", new.veiled.as_ref().unwrap().values.0.clone()),
    ];
    for enveloped in [false, true] {
        user.enveloped = enveloped;
        let query = vector(&mut rng);
        stored(&user.add(ID, vec![new.clone()]));
        user.search(ID, &query, 0, 10);
        user.content(ID, new.item);
        user.ask(Method::Get, &format!("/v1/collections/{ID}/items/{}", new.item), &[]);
        user.changes(ID, 0);
        stored(&user.remove(ID, vec![new.item]));
        // And what goes wrong.
        user.ask(Method::Get, &format!("/v1/collections/{}", CollectionId([1; 16])), &[]);
        user.ask(Method::Post, &format!("/v1/collections/{ID}/items"), &new.content.0);
        user.http.send(Method::Post, "/v1/envelope", &[], &new.content.0);
        secrets.push(("query", query.values.0));
    }
    assert_eq!(login(&Http::new(server.url()), &identity(2), &user.key).status, 401);
    let metrics = user.http.send(Method::Get, "/metrics", &[], &[]).body;
    server.stop().unwrap();

    let written = [log.0.lock().unwrap().clone(), metrics].concat();
    let text = String::from_utf8_lossy(&written);
    assert!(text.contains("/v1/collections/{id}/search"), "the log names routes");
    assert!(text.contains(&ID.to_string()), "the log names collections");
    for (name, secret) in secrets {
        for form in forms(&secret) {
            assert!(!text.contains(&form), "the log holds the {name} as {form}");
        }
    }
}

/// The first bytes of a secret in each notation that a log could hold them in.
fn forms(secret: &[u8]) -> Vec<String> {
    let start = &secret[..16];
    let hex = format!("{:032x}", u128::from_be_bytes(start.try_into().unwrap()));
    let list: Vec<String> = start[..6].iter().map(ToString::to_string).collect();
    let base64 = serde_json::to_value(pmirs_wire::Bytes(start[..15].to_vec())).unwrap();
    vec![hex.to_uppercase(), hex, list.join(", "), list.join(","), base64.as_str().unwrap().to_owned()]
}
