//! The table of contents of the service.
//!
//! A route is one line: what it takes, who may ask, what it answers, and what it is for. The router and the OpenAPI
//! document are made of these lines, so that neither has what the other lacks.

mod access;
mod account;
mod collection;
mod device;
mod envelope;
mod federation;
mod health;
mod item;
mod log;
mod pairing;
mod people;
mod search;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::extract::RawPathParams;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter, post};
use http::request::Parts;
use pmirs_wire::access::AccessPage;
use pmirs_wire::account::{Challenge, ChallengeRequest, Invite, Login, Register, ServerInfo, Session};
use pmirs_wire::collection::{CollectionList, CollectionRecord, NewCollection};
use pmirs_wire::device::{Device, DeviceList, DeviceLogin, NewDevice};
use pmirs_wire::federation::{
    Arrived, Coordinator, Federation, FederationList, Heard, NewFederation, Piece, RecordPage, Spoken, Turn,
    Weights,
};
use pmirs_wire::item::{Changes, ItemRecord, ItemRecords, NewItems, RemoveItems, Stored, WantedItems};
use pmirs_wire::log::{Append, Head, LogPage};
use pmirs_wire::pairing::{NewPairing, PairingState, PairingStep};
use pmirs_wire::people::Person;
use pmirs_wire::search::{Candidates, Search};
use pmirs_wire::{CollectionId, DeviceId, Digest, ItemId};
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::check;
use crate::gate;
use crate::openapi::{Content, Describe, Document, Nothing, OpenMetrics, Says, SealedBytes, Text, describe};
use crate::refusal::Refusal;
use crate::speech::render;

/// The whole service.
pub(crate) fn service(app: &Arc<App>) -> Router {
    let unknown = async || Refusal::not_found("address");
    let direct = common(router(ROUTES).fallback(unknown), app);
    let exchange = envelope::Exchange { app: Arc::clone(app), inner: direct.clone() };
    let (_, envelope) = ENVELOPE;
    let outside = router(OPERATOR_ROUTES).route(envelope, post(envelope::exchange).with_state(exchange));
    direct
        .merge(common(outside, app))
        .layer(from_fn_with_state(Arc::clone(app), gate::admit))
        .layer(from_fn(render))
}

/// Every route of a server, as method and pattern: what a test of authorisation must cover.
pub fn route_list() -> impl Iterator<Item = (&'static str, &'static str)> {
    described().map(|route| (route.method, route.path)).chain([ENVELOPE])
}

/// One method of one address. The router is made of these and of nothing else.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// The names of numbers that may follow a `?`.
    pub(crate) query: &'static [&'static str],
    pub(crate) caller: Caller,
    pub(crate) body: Option<Describe>,
    pub(crate) status: u16,
    pub(crate) answer: Content,
    pub(crate) about: &'static str,
    /// The handler's path, which names the operation.
    pub(crate) name: &'static str,
    handler: fn() -> MethodRouter<Arc<App>>,
}

/// Who may ask at all; roles are the handlers' concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Anybody.
    Anyone,
    /// Whoever shows a session.
    Account,
}

macro_rules! routes {
    ($($method:ident $path:literal $(? $query:ident)? $caller:ident ($($body:ty)?) -> $status:literal $answer:ty:
        $about:literal => $handler:path,)*) => {
        &[$(Route {
            method: stringify!($method),
            path: $path,
            query: &[$(stringify!($query))?],
            caller: Caller::$caller,
            body: routes!(@body $($body)?),
            status: $status,
            answer: <$answer as Says>::content,
            about: $about,
            name: stringify!($handler),
            handler: || MethodRouter::new().on(MethodFilter::$method, $handler),
        },)*]
    };
    (@body) => { None };
    (@body $body:ty) => { Some(describe::<$body>) };
}

/// What can be asked with or without an envelope.
const ROUTES: &[Route] = routes![
    GET "/v1/server" Anyone () -> 200 ServerInfo:
        "What the server says of itself." => account::server,
    POST "/v1/accounts" Anyone (Register) -> 201 Nothing:
        "Spends an invite on a new account." => account::register,
    DELETE "/v1/account" Account () -> 204 Nothing:
        "Deletes the account with all that is its alone. Shared collections are left first." => account::delete,
    POST "/v1/login/challenge" Anyone (ChallengeRequest) -> 200 Challenge:
        "A nonce to sign, the same for accounts that do not exist." => account::challenge,
    POST "/v1/login" Anyone (Login) -> 200 Session:
        "Answers a challenge as an identity." => account::login,
    POST "/v1/login/device" Anyone (DeviceLogin) -> 200 Session:
        "Answers a challenge as a device." => device::login,
    POST "/v1/pairings" Anyone (PairingStep) -> 201 NewPairing:
        "Opens a mailbox for a new device, with its commitment." => pairing::open,
    GET "/v1/pairings/{code}" Anyone () -> 200 PairingState:
        "What a mailbox holds." => pairing::show,
    POST "/v1/pairings/{code}/answer" Account (PairingStep) -> 200 PairingState:
        "Answers a commitment, from a device that has the identity." => pairing::answer,
    POST "/v1/pairings/{code}/reveal" Anyone (PairingStep) -> 200 PairingState:
        "Reveals what was committed to, from the new device." => pairing::reveal,
    POST "/v1/pairings/{code}/seed" Account (PairingStep) -> 200 PairingState:
        "Hands over the sealed identity, from the account that answered." => pairing::seed,
    GET "/v1/devices" Account () -> 200 DeviceList:
        "The account's devices, revoked ones too." => device::list,
    POST "/v1/devices" Account (NewDevice) -> 201 Device:
        "Makes a device known by its certificate." => device::add,
    DELETE "/v1/devices/{device}" Account () -> 200 Device:
        "Revokes a device and ends its sessions." => device::revoke,
    POST "/v1/invites" Account () -> 201 Invite:
        "An invite for one more account. By an administrator." => people::invite,
    GET "/v1/people/{name}" Account () -> 200 Person:
        "The person of a name." => people::show,
    GET "/v1/shares" Account () -> 200 CollectionList:
        "What was shared with the account and waits for an answer." => collection::shares,
    GET "/v1/collections" Account () -> 200 CollectionList:
        "The account's collections, its own and those it accepted." => collection::list,
    POST "/v1/collections" Account (NewCollection) -> 201 CollectionRecord:
        "Makes a collection with the creator's own grant." => collection::create,
    GET "/v1/collections/{id}" Account () -> 200 CollectionRecord:
        "A collection. By a member, accepted or not." => collection::show,
    DELETE "/v1/collections/{id}" Account () -> 200 Stored:
        "Deletes a collection with all that is in it. By an owner." => collection::delete,
    POST "/v1/collections/{id}/items" Account (NewItems) -> 201 Stored:
        "Adds items to a collection without a log, all or none. By a writer." => item::add,
    POST "/v1/collections/{id}/remove" Account (RemoveItems) -> 200 Stored:
        "Removes items from a collection without a log. By a writer." => item::remove,
    GET "/v1/collections/{id}/items/{item}" Account () -> 200 ItemRecord:
        "An item without its content. By a reader." => item::show,
    POST "/v1/collections/{id}/records" Account (WantedItems) -> 200 ItemRecords:
        "Several items without their contents, those that are there. By a reader." => item::records,
    GET "/v1/collections/{id}/items/{item}/content" Account () -> 200 SealedBytes:
        "An item's sealed content. By a reader, who signs the request and is recorded." => item::content,
    GET "/v1/collections/{id}/accesses" ? after Account () -> 200 AccessPage:
        "Who opened what. By an owner." => access::page,
    GET "/v1/collections/{id}/changes" ? after Account () -> 200 Changes:
        "What changed after a number, oldest first. By a reader." => item::changes,
    GET "/v1/collections/{id}/head" Account () -> 200 Head:
        "Where the log ends. By a member, accepted or not." => log::head,
    GET "/v1/collections/{id}/log" ? after Account () -> 200 LogPage:
        "Entries of the log after a number. By a member, accepted or not." => log::page,
    POST "/v1/collections/{id}/log" Account (Append) -> 201 Head:
        "Appends a signed entry and applies it, if it follows the head." => log::append,
    POST "/v1/collections/{id}/search" Account (Search) -> 200 Candidates:
        "The best candidates of an epoch by their veiled scores. By a reader." => search::search,
    GET "/v1/coordinator" Account () -> 200 Coordinator:
        "The identity that signs what rounds of a federation gave." => federation::coordinator,
    GET "/v1/federations" Account () -> 200 FederationList:
        "The federations that the account owns or is a member of." => federation::list,
    POST "/v1/federations" Account (NewFederation) -> 201 Federation:
        "Starts a federation by its charter, which its owner signed. By that owner." => federation::start,
    GET "/v1/federations/{federation}" Account () -> 200 Federation:
        "A federation. By its owner or a member." => federation::show,
    DELETE "/v1/federations/{federation}" Account () -> 204 Nothing:
        "Ends a federation and forgets it. By its owner." => federation::delete,
    POST "/v1/federations/{federation}/model" Account (Piece) -> 200 Arrived:
        "A piece of the model that training starts from. By the owner." => federation::model,
    GET "/v1/federations/{federation}/models/{model}" ? offset Account () -> 200 Weights:
        "A piece of the present model. By the owner or a member." => federation::weights,
    GET "/v1/federations/{federation}/turn" ? after Account () -> 200 Turn:
        "What the coordinator has for the caller, once it is not what it was. By the owner or a member." =>
            federation::turn,
    POST "/v1/federations/{federation}/messages" Account (Spoken) -> 200 Heard:
        "A message of the step that is due. By a member." => federation::speak,
    POST "/v1/federations/{federation}/update" Account (Piece) -> 200 Arrived:
        "A piece of a masked update, which is added to the sum when it is whole. By a member." => federation::update,
    GET "/v1/federations/{federation}/records" ? after Account () -> 200 RecordPage:
        "What the rounds gave, signed, from a number on. By the owner or a member." => federation::records,
];

/// For whoever runs or describes the server; an envelope does not lead here.
const OPERATOR_ROUTES: &[Route] = routes![
    GET "/healthz" Anyone () -> 200 Text:
        "The process runs." => health::healthy,
    GET "/readyz" Anyone () -> 200 Text:
        "The store answers." => health::ready,
    GET "/metrics" Anyone () -> 200 OpenMetrics:
        "Counters of requests, items and scored rows." => health::metrics,
    GET "/openapi.json" Anyone () -> 200 Document:
        "This document." => health::openapi,
];

/// The one route with a state of its own.
pub(crate) const ENVELOPE: (&str, &str) = ("POST", "/v1/envelope");

/// The routes that are described line by line: all but the envelope.
pub(crate) fn described() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().chain(OPERATOR_ROUTES)
}

fn router(routes: &[Route]) -> Router<Arc<App>> {
    routes.iter().fold(Router::new(), |router, route| router.route(route.path, (route.handler)()))
}

/// What surrounds every route, from the inside out: no panic leaves it, its answer is encoded, and counted.
fn common(routes: Router<Arc<App>>, app: &Arc<App>) -> Router {
    routes
        .method_not_allowed_fallback(async || Refusal::wrong_method())
        .layer(CatchPanicLayer::custom(|_| Refusal::internal(&"a request panicked").into_response()))
        .layer(from_fn(render))
        .layer(from_fn_with_state(Arc::clone(app), gate::record))
        .with_state(Arc::clone(app))
}

/// The collection in a path.
struct CollectionPath(CollectionId);

impl<S: Send + Sync> FromRequestParts<S> for CollectionPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Ok(Self(check::collection_id(&parameter(parts, state, "id").await)?))
    }
}

/// The collection and the item in a path.
struct ItemPath(CollectionId, ItemId);

impl<S: Send + Sync> FromRequestParts<S> for ItemPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let collection = check::collection_id(&parameter(parts, state, "id").await)?;
        Ok(Self(collection, check::item_id(&parameter(parts, state, "item").await)?))
    }
}

/// The device in a path.
struct DevicePath(DeviceId);

impl<S: Send + Sync> FromRequestParts<S> for DevicePath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Ok(Self(check::device_id(&parameter(parts, state, "device").await)?))
    }
}

/// The federation in a path.
struct FederationPath(Digest);

impl<S: Send + Sync> FromRequestParts<S> for FederationPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Ok(Self(check::digest("federation", &parameter(parts, state, "federation").await)?))
    }
}

/// The federation and the model in a path.
struct ModelPath(Digest, Digest);

impl<S: Send + Sync> FromRequestParts<S> for ModelPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let federation = check::digest("federation", &parameter(parts, state, "federation").await)?;
        Ok(Self(federation, check::digest("model", &parameter(parts, state, "model").await)?))
    }
}

/// The name in a path; what is none is asked for in vain.
struct NamePath(String);

impl<S: Send + Sync> FromRequestParts<S> for NamePath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self(parameter(parts, state, "name").await))
    }
}

/// The code of a pairing in a path, as it was typed.
struct CodePath(String);

impl<S: Send + Sync> FromRequestParts<S> for CodePath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self(parameter(parts, state, "code").await))
    }
}

/// A part of the path, or nothing where it is not even text.
async fn parameter<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> String {
    let Ok(parameters) = RawPathParams::from_request_parts(parts, state).await else { return String::new() };
    parameters.iter().find(|(key, _)| *key == name).map_or_else(String::new, |(_, value)| value.to_owned())
}
