//! The table of contents of the service.
//!
//! | route | who | body | answer |
//! |---|---|---|---|
//! | `GET /v1/server` | anyone | | `ServerInfo` |
//! | `POST /v1/envelope` | anyone | a sealed `InnerRequest` | a sealed `InnerResponse` |
//! | `POST /v1/accounts` | an invite | `Register` | |
//! | `POST /v1/login/challenge` | anyone | `ChallengeRequest` | `Challenge` |
//! | `DELETE /v1/account` | an account | | |
//! | `POST /v1/login` | an identity | `Login` | `Session` |
//! | `POST /v1/login/device` | a device | `DeviceLogin` | `Session` |
//! | `POST /v1/pairings` | anyone | `PairingStep` | `NewPairing` |
//! | `GET /v1/pairings/{code}` | whoever knows the code | | `PairingState` |
//! | `POST /v1/pairings/{code}/answer` | an account | `PairingStep` | `PairingState` |
//! | `POST /v1/pairings/{code}/reveal` | whoever knows the code | `PairingStep` | `PairingState` |
//! | `POST /v1/pairings/{code}/seed` | the account that answered | `PairingStep` | `PairingState` |
//! | `GET /v1/devices` | an account | | `DeviceList` |
//! | `POST /v1/devices` | an account | `NewDevice` | `Device` |
//! | `DELETE /v1/devices/{device}` | an account | | `Device` |
//! | `POST /v1/invites` | an administrator | | `Invite` |
//! | `GET /v1/people/{name}` | an account | | `Person` |
//! | `GET /v1/shares` | an account | | `CollectionList` |
//! | `GET /v1/collections` | an account | | `CollectionList` |
//! | `POST /v1/collections` | an account | `NewCollection` | `CollectionRecord` |
//! | `GET /v1/collections/{id}` | a member, accepted or not | | `CollectionRecord` |
//! | `DELETE /v1/collections/{id}` | an owner | | `Stored` |
//! | `POST /v1/collections/{id}/items` | a writer | `NewItems` | `Stored` |
//! | `POST /v1/collections/{id}/remove` | a writer | `RemoveItems` | `Stored` |
//! | `GET /v1/collections/{id}/items/{item}` | a reader | | `ItemRecord` |
//! | `GET /v1/collections/{id}/items/{item}/content` | a reader, signed | | sealed bytes |
//! | `GET /v1/collections/{id}/accesses?after=N` | an owner | | `AccessPage` |
//! | `GET /v1/collections/{id}/changes?after=SEQ` | a reader | | `Changes` |
//! | `GET /v1/collections/{id}/head` | a member, accepted or not | | `Head` |
//! | `GET /v1/collections/{id}/log?after=N` | a member, accepted or not | | `LogPage` |
//! | `POST /v1/collections/{id}/log` | as the action wants | `Append` | `Head` |
//! | `POST /v1/collections/{id}/search` | a reader | `Search` | `Candidates` |
//! | `GET /healthz`, `/readyz`, `/metrics` | anyone | | text |

mod access;
mod account;
mod collection;
mod device;
mod envelope;
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
use pmirs_wire::{CollectionId, DeviceId, ItemId};
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::check;
use crate::gate;
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
    let listed = |route: &Route| (route.method, route.path);
    ROUTES.iter().chain(OPERATOR_ROUTES).map(listed).chain([ENVELOPE])
}

/// One method of one address. The router is made of these and of nothing else.
struct Route {
    method: &'static str,
    path: &'static str,
    handler: fn() -> MethodRouter<Arc<App>>,
}

macro_rules! routes {
    ($($method:ident $path:literal => $handler:path,)*) => {
        &[$(Route {
            method: stringify!($method),
            path: $path,
            handler: || MethodRouter::new().on(MethodFilter::$method, $handler),
        },)*]
    };
}

/// What can be asked with or without an envelope.
const ROUTES: &[Route] = routes![
    GET "/v1/server" => account::server,
    POST "/v1/accounts" => account::register,
    DELETE "/v1/account" => account::delete,
    POST "/v1/login/challenge" => account::challenge,
    POST "/v1/login" => account::login,
    POST "/v1/login/device" => device::login,
    POST "/v1/pairings" => pairing::open,
    GET "/v1/pairings/{code}" => pairing::show,
    POST "/v1/pairings/{code}/answer" => pairing::answer,
    POST "/v1/pairings/{code}/reveal" => pairing::reveal,
    POST "/v1/pairings/{code}/seed" => pairing::seed,
    GET "/v1/devices" => device::list,
    POST "/v1/devices" => device::add,
    DELETE "/v1/devices/{device}" => device::revoke,
    POST "/v1/invites" => people::invite,
    GET "/v1/people/{name}" => people::show,
    GET "/v1/shares" => collection::shares,
    GET "/v1/collections" => collection::list,
    POST "/v1/collections" => collection::create,
    GET "/v1/collections/{id}" => collection::show,
    DELETE "/v1/collections/{id}" => collection::delete,
    POST "/v1/collections/{id}/items" => item::add,
    POST "/v1/collections/{id}/remove" => item::remove,
    GET "/v1/collections/{id}/items/{item}" => item::show,
    GET "/v1/collections/{id}/items/{item}/content" => item::content,
    GET "/v1/collections/{id}/accesses" => access::page,
    GET "/v1/collections/{id}/changes" => item::changes,
    GET "/v1/collections/{id}/head" => log::head,
    GET "/v1/collections/{id}/log" => log::page,
    POST "/v1/collections/{id}/log" => log::append,
    POST "/v1/collections/{id}/search" => search::search,
];

/// For whoever runs the server; an envelope does not lead here.
const OPERATOR_ROUTES: &[Route] = routes![
    GET "/healthz" => health::healthy,
    GET "/readyz" => health::ready,
    GET "/metrics" => health::metrics,
];

/// The one route with a state of its own.
const ENVELOPE: (&str, &str) = ("POST", "/v1/envelope");

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
