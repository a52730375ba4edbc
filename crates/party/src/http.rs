//! Where clients come in.
//!
//! Orders and their answers travel in HPKE envelopes to this party's own key, so that whoever ends TLS before it sees
//! sizes and times alone. What goes wrong before an envelope is open is answered in the clear, and says nothing.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use pmirs_crypto::ResponseSealer;
use pmirs_wire::problem::{Problem, ProblemKind};
use pmirs_wire::split::{Action, Answer, PartyInfo, PartyRequest};
use pmirs_wire::{Digest, Message, decode, encode, limits};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use crate::clock::{now_ms, system_rng};
use crate::commands::{Beside, carry_out, found};
use crate::models;
use crate::orders::{Signed, founding};
use crate::refusal::Refusal;
use crate::session;
use crate::state::{Node, Shared, read};

/// Requests up to this size take none of the memory for large ones.
const SMALL: usize = 64 << 10;

/// What routes work with.
#[derive(Clone)]
struct Desk {
    node: Arc<Node>,
    places: Arc<Semaphore>,
    /// MiB of large requests in transit.
    memory: Arc<Semaphore>,
}

/// The service for clients.
pub(crate) fn service(node: &Arc<Node>) -> Router {
    let desk = Desk {
        node: Arc::clone(node),
        places: Arc::new(Semaphore::new(node.limits.requests)),
        memory: Arc::new(Semaphore::new(node.limits.body_memory_mib as usize)),
    };
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/v1/party", get(info))
        .route("/v1/envelope", post(exchange))
        .layer(CatchPanicLayer::custom(|_| {
            plain(StatusCode::INTERNAL_SERVER_ERROR, ProblemKind::Internal, "the server failed")
        }))
        .with_state(desk)
}

async fn info(State(Desk { node, .. }): State<Desk>) -> Response {
    message(&PartyInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        signs: Digest(node.keys.signing.public().to_bytes()),
        seals: node.keys.sealing.public().to_bytes().into(),
        trio: node.trio_digest,
        place: node.role.index() as u8,
        now_ms: now_ms(),
    })
}

async fn exchange(State(Desk { node, places, memory }): State<Desk>, request: Request) -> Response {
    let Ok(_place) = places.try_acquire_owned() else {
        return plain(
            StatusCode::SERVICE_UNAVAILABLE,
            ProblemKind::Unavailable,
            "the server is busy: try again in a moment",
        );
    };
    let share = share_of_memory(&request, node.limits.body_memory_mib);
    let collected = async {
        // A request larger than all of the memory may still come, alone.
        let share = memory.acquire_many(share).await.ok();
        (to_bytes(request.into_body(), limits::TRANSPORT).await, share)
    };
    let collected = tokio::time::timeout(node.limits.body_time, collected);
    let Ok((Ok(sealed), _share)) = collected.await else {
        return plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            ProblemKind::TooLarge,
            "the envelope is too large, or did not come whole",
        );
    };
    let opened = {
        let node = Arc::clone(&node);
        blocking(move || open(&node, &sealed)).await
    };
    let (request, sealer) = match opened {
        Ok(opened) => opened,
        Err(problem) => return plain(StatusCode::BAD_REQUEST, ProblemKind::BadRequest, &problem),
    };
    // On a task of its own: a client that goes away does not leave two other parties waiting.
    let answer = tokio::spawn(async move { answer(&node, request).await }).await;
    let answer = answer.unwrap_or_else(|error| Refusal::internal(&error).into_answer());
    let sealed = blocking(move || Ok::<_, String>(seal(&answer, sealer))).await;
    match sealed {
        Ok(sealed) => ([(CONTENT_TYPE, "application/octet-stream")], sealed).into_response(),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, ProblemKind::Internal, "the server failed"),
    }
}

/// How many MiB a request takes of the memory for large ones; what says nothing of its size counts as the largest.
fn share_of_memory(request: &Request, most: u32) -> u32 {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let bytes: usize = announced.unwrap_or(limits::TRANSPORT).min(limits::TRANSPORT);
    if bytes <= SMALL { 0 } else { (bytes.div_ceil(1 << 20) as u32).min(most) }
}

fn open(node: &Node, sealed: &[u8]) -> Result<(PartyRequest, ResponseSealer), String> {
    let opened = node.keys.sealing.open_request(sealed).map_err(|error| format!("envelope: {error}"))?;
    let (plain, sealer) = opened;
    let request = decode(&plain).map_err(|error| error.to_string())?;
    Ok((request, sealer))
}

fn seal(answer: &Answer, sealer: ResponseSealer) -> Vec<u8> {
    let bytes = encode(answer).or_else(|error| encode(&Refusal::internal(&error).into_answer()));
    sealer.seal(&mut system_rng(), &bytes.unwrap_or_default())
}

/// Checks an order and carries it out.
async fn answer(node: &Arc<Node>, request: PartyRequest) -> Answer {
    let started = std::time::Instant::now();
    let (answer, about) = match serve(node, request).await {
        Ok((answer, about)) => (answer, about),
        Err(refusal) => {
            let problem = &refusal.0.problem;
            tracing::info!(kind = ?problem.kind, message = %problem.message, "refused");
            return refusal.into_answer();
        }
    };
    let ms = started.elapsed().as_secs_f64() * 1e3;
    tracing::info!(action = about, ms, "served");
    answer
}

async fn serve(node: &Arc<Node>, request: PartyRequest) -> Result<(Answer, &'static str), Refusal> {
    let signed = Signed::read(request.order, &node.trio_digest)?;
    let (collection, action) = (signed.order().collection, signed.order().action.name());
    let beside = Beside { parts: request.parts, first: request.first };
    let answer = match node.find(&collection) {
        Some(shared) => known(node, shared, signed, beside).await?,
        None => unknown(node, signed).await?,
    };
    Ok((answer, action))
}

/// An order about a collection that is here.
async fn known(node: &Arc<Node>, shared: Shared, signed: Signed, beside: Beside) -> Result<Answer, Refusal> {
    if let Action::Repair { place } = signed.order().action
        && usize::from(place) == node.role.index()
    {
        return repaired(node, Some(shared), signed).await;
    }
    let (digest, meets) = (signed.digest(), takes_all_three(&signed.order().action));
    let refused = |refusal: Refusal| {
        if meets {
            node.mesh.refuse(digest, &refusal.0);
        }
        refusal
    };
    let checked = {
        let here = read(&shared);
        let checked = signed.by_member(&here.members).map_err(refused)?;
        models::fits(here.members.model().is_some(), &checked.order.action).map_err(refused)?;
        checked
    };
    // Not told to the others: the same order, sent again by whoever saw it pass, must not end the session of the first.
    node.once.admit(checked.digest, checked.order.sent_ms, now_ms())?;
    match &checked.order.action {
        Action::Search(search) => {
            session::search::check(node, &shared, search, &beside.parts).map_err(refused)?;
            session::run(node, shared, checked, beside.parts).await
        }
        Action::Encode(encode) => {
            session::encode::check(node, &shared, encode, &beside.parts).map_err(refused)?;
            session::run(node, shared, checked, beside.parts).await
        }
        Action::Refresh { .. } | Action::Repair { .. } | Action::Meet => {
            session::run(node, shared, checked, beside.parts).await
        }
        _ => {
            let node = Arc::clone(node);
            blocking(move || carry_out(&node, &shared, &checked, &beside)).await
        }
    }
}

/// An order about a collection that is not here: one that makes it, or one that brings it back.
async fn unknown(node: &Arc<Node>, signed: Signed) -> Result<Answer, Refusal> {
    if let Some(first) = founding(signed.order()) {
        let checked = signed.by_founder(&first)?;
        if !node.admits(&checked.order.account) {
            return Err(Refusal::forbidden(
                "this account may not make collections here: its operator says who may",
            ));
        }
        node.once.admit(checked.digest, checked.order.sent_ms, now_ms())?;
        let node = Arc::clone(node);
        return blocking(move || found(&node, &checked)).await;
    }
    match signed.order().action {
        Action::Repair { place } if usize::from(place) == node.role.index() => {
            repaired(node, None, signed).await
        }
        Action::Models => {
            let node = Arc::clone(node);
            blocking(move || models::list(&node, signed)).await
        }
        ref action => {
            let refusal = Refusal::not_found();
            if takes_all_three(action) {
                node.mesh.refuse(signed.digest(), &refusal.0);
            }
            Err(refusal)
        }
    }
}

fn takes_all_three(action: &Action) -> bool {
    matches!(
        action,
        Action::Search(_) | Action::Encode(_) | Action::Refresh { .. } | Action::Repair { .. } | Action::Meet
    )
}

/// Whose order it is will be known from the statements that the two others send; until they take it, too, nothing happens.
async fn repaired(node: &Arc<Node>, shared: Option<Shared>, signed: Signed) -> Result<Answer, Refusal> {
    node.once.admit(signed.digest(), signed.order().sent_ms, now_ms())?;
    session::be_repaired(node, shared, signed).await
}

/// Runs what reads or writes the disk, or computes for long, on a thread that may block.
async fn blocking<T: Send + 'static, E: From<String> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(E::from(error.to_string())),
    }
}

fn message<M: Message>(message: &M) -> Response {
    match encode(message) {
        Ok(bytes) => ([(CONTENT_TYPE, "application/cbor")], bytes).into_response(),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, ProblemKind::Internal, "the server failed"),
    }
}

fn plain(status: StatusCode, kind: ProblemKind, message: &str) -> Response {
    let problem = Problem { kind, message: message.chars().take(500).collect() };
    let body = encode(&problem).unwrap_or_default();
    (status, [(CONTENT_TYPE, "application/cbor")], Body::from(body)).into_response()
}
