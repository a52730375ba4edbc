//! Schemathesis drives a server from its own OpenAPI document: no answer is the server's fault, has a status or a
//! body that the document does not announce, or comes without the session that the document asks for.
//!
//! `cargo xtask test` installs it; where it cannot, this says so and passes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    dead_code,
    missing_docs,
    reason = "a test may panic, and uses a part of the client"
)]

#[path = "it/chain.rs"]
mod chain;
mod client;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chain::Chain;
use client::{User, item, rng};
use pmirs_cloud::{Config, Embedded, Limits, Rate};
use pmirs_crypto::pairing::COMMITMENT_LEN;
use pmirs_wire::collection::{Protection, Role};
use pmirs_wire::envelope::Method;
use pmirs_wire::log::{Action, Payload};
use pmirs_wire::pairing::{NewPairing, PairingStep};
use pmirs_wire::{Bytes, CollectionId, encode};

const ID: CollectionId = CollectionId([5; 16]);
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance,ignored_auth";

#[test]
fn the_server_does_what_its_document_says() {
    let Some(schemathesis) = schemathesis() else {
        println!("skipped: the server driven from its document: schemathesis is not installed");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let any = Rate::new(u32::MAX, u32::MAX);
    let limits = Limits { account_rate: any, peer_rate: any, login_rate: any, ..Limits::default() };
    let server = Embedded::start(Config { limits, ..Config::loopback(folder.path().join("data")) }).unwrap();
    let owner = User::join(server.url(), 1, &server.first_invite().unwrap());
    let config = folder.path().join("schemathesis.toml");
    std::fs::write(&config, parameters(&server, &owner)).unwrap();

    let output = Command::new(schemathesis)
        .current_dir(folder.path())
        .arg("--config-file")
        .arg(&config)
        .arg("run")
        .arg(format!("{}/openapi.json", server.url()))
        .args(["--header", &format!("Authorization: {}", owner.bearer())])
        .args(["--header", "Accept: application/json"])
        .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", "25", "--seed", "1", "--continue-on-failure"])
        // It would take away what the others are asked about; the table of routes covers it.
        .args(["--exclude-operation-id", "collection::delete"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    let cases = printed.lines().find_map(|line| line.trim().split_once(" generated, "));
    let cases: usize = cases.and_then(|(count, _)| count.parse().ok()).expect(&printed);
    assert!(cases > 1_000, "{printed}");
}

/// A collection that another account owns too, so that deleting the account is refused, and what is in it.
fn parameters(server: &Embedded, owner: &User) -> String {
    let other = User::join(server.url(), 2, &server.invite().unwrap());
    let mut chain = Chain::begin(owner, ID, Protection::Veiled);
    let new = item(&mut rng(1), Protection::Veiled);
    let name = new.item;
    chain.add(owner, vec![new]);
    chain.share(owner, &other, Role::Owner, &[0]);
    chain.done(&other, Action::Accept, Payload::Nothing);
    let commitment = encode(&PairingStep { message: Bytes(vec![1; COMMITMENT_LEN]) }).unwrap();
    let pairing: NewPairing = owner.http.send(Method::Post, "/v1/pairings", &[], &commitment).message();
    let code = pairing.code;
    format!("[parameters]\n\"path.id\" = \"{ID}\"\n\"path.item\" = \"{name}\"\n\"path.code\" = \"{code}\"\n")
}

/// Where `cargo xtask test` put it.
fn schemathesis() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?;
    let tool = target.join("tools/schemathesis/bin/schemathesis");
    tool.exists().then_some(tool)
}
