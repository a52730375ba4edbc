//! The table of contents of the service.
//!
//! | route | who | body | answer |
//! |---|---|---|---|
//! | `GET /v1/server` | anyone | | `ServerInfo` |
//! | `POST /v1/envelope` | anyone | a sealed `InnerRequest` | a sealed `InnerResponse` |
//! | `POST /v1/accounts` | an invite | `Register` | |
//! | `POST /v1/login/challenge` | anyone | `ChallengeRequest` | `Challenge` |
//! | `POST /v1/login` | an identity | `Login` | `Session` |
//! | `GET /v1/collections` | an account | | `CollectionList` |
//! | `POST /v1/collections` | an account | `NewCollection` | `CollectionRecord` |
//! | `GET /v1/collections/{id}` | a reader | | `CollectionRecord` |
//! | `DELETE /v1/collections/{id}` | an owner | | `Stored` |
//! | `POST /v1/collections/{id}/items` | a writer | `NewItems` | `Stored` |
//! | `POST /v1/collections/{id}/remove` | a writer | `RemoveItems` | `Stored` |
//! | `GET /v1/collections/{id}/items/{item}` | a reader | | `ItemRecord` |
//! | `GET /v1/collections/{id}/items/{item}/content` | a reader | | sealed bytes |
//! | `GET /v1/collections/{id}/changes?after=SEQ` | a reader | | `Changes` |
//! | `POST /v1/collections/{id}/search` | a reader | `Search` | `Candidates` |
//! | `GET /healthz`, `/readyz`, `/metrics` | anyone | | text |

mod account;
mod collection;
mod envelope;
mod health;
mod item;
mod search;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::extract::RawPathParams;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use http::request::Parts;
use pmirs_wire::{CollectionId, ItemId};
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::check;
use crate::gate;
use crate::refusal::Refusal;
use crate::speech::render;

/// The whole service.
pub(crate) fn service(app: &Arc<App>) -> Router {
    let direct = common(direct(), app);
    let exchange = envelope::Exchange { app: Arc::clone(app), inner: direct.clone() };
    let outside = Router::new()
        .route("/v1/envelope", post(envelope::exchange).with_state(exchange))
        .route("/healthz", get(health::healthy))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics));
    direct
        .merge(common(outside, app))
        .layer(from_fn_with_state(Arc::clone(app), gate::admit))
        .layer(from_fn(render))
}

/// What can be asked with or without an envelope.
fn direct() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/server", get(account::server))
        .route("/v1/accounts", post(account::register))
        .route("/v1/login/challenge", post(account::challenge))
        .route("/v1/login", post(account::login))
        .route("/v1/collections", get(collection::list).post(collection::create))
        .route("/v1/collections/{id}", get(collection::show).delete(collection::delete))
        .route("/v1/collections/{id}/items", post(item::add))
        .route("/v1/collections/{id}/remove", post(item::remove))
        .route("/v1/collections/{id}/items/{item}", get(item::show))
        .route("/v1/collections/{id}/items/{item}/content", get(item::content))
        .route("/v1/collections/{id}/changes", get(item::changes))
        .route("/v1/collections/{id}/search", post(search::search))
        .fallback(async || Refusal::not_found("address"))
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

/// A part of the path, or nothing where it is not even text.
async fn parameter<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> String {
    let Ok(parameters) = RawPathParams::from_request_parts(parts, state).await else { return String::new() };
    parameters.iter().find(|(key, _)| *key == name).map_or_else(String::new, |(_, value)| value.to_owned())
}
