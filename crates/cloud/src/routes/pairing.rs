//! The mailbox of devices that are being paired.
//!
//! A new device has no account yet, so whoever knows a code reads the pairing and reveals; both are throttled like
//! logins, at which a code of 40 bits is not guessed in its ten minutes.

use std::sync::Arc;

use axum::extract::State;
use pmirs_wire::pairing::{NewPairing, PairingState, PairingStep, code_from_typed};

use super::CodePath;
use crate::app::App;
use crate::auth::Bearer;
use crate::clock::{now_ms, system_rng};
use crate::gate::Peer;
use crate::mailbox::Step;
use crate::refusal::Refusal;
use crate::speech::{Answer, Incoming};

pub(super) async fn open(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    body: Incoming<PairingStep>,
) -> Result<Answer<NewPairing>, Refusal> {
    app.throttle.login(peer)?;
    app.mailbox.open(&mut system_rng(), body.read()?.message, now_ms()).map(Answer::created)
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    CodePath(code): CodePath,
) -> Result<Answer<PairingState>, Refusal> {
    app.throttle.login(peer)?;
    app.mailbox.show(&meant(&code)?, now_ms()).map(Answer::ok)
}

pub(super) async fn reveal(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    CodePath(code): CodePath,
    body: Incoming<PairingStep>,
) -> Result<Answer<PairingState>, Refusal> {
    app.throttle.login(peer)?;
    app.mailbox.put(&meant(&code)?, Step::Reveal, body.read()?.message, now_ms()).map(Answer::ok)
}

pub(super) async fn answer(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    Peer(peer): Peer,
    CodePath(code): CodePath,
    body: Incoming<PairingStep>,
) -> Result<Answer<PairingState>, Refusal> {
    let state = app.run(move |app| {
        let account = app.authenticate(bearer)?;
        app.throttle.login(peer)?;
        app.mailbox.put(&meant(&code)?, Step::Answer(account), body.read()?.message, now_ms())
    });
    state.await.map(Answer::ok)
}

pub(super) async fn seed(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    Peer(peer): Peer,
    CodePath(code): CodePath,
    body: Incoming<PairingStep>,
) -> Result<Answer<PairingState>, Refusal> {
    let state = app.run(move |app| {
        let account = app.authenticate(bearer)?;
        app.throttle.login(peer)?;
        app.mailbox.put(&meant(&code)?, Step::Seed(account), body.read()?.message, now_ms())
    });
    state.await.map(Answer::ok)
}

/// What is no code is as absent as what is unknown.
fn meant(typed: &str) -> Result<String, Refusal> {
    code_from_typed(typed).ok_or_else(|| Refusal::not_found("pairing"))
}
