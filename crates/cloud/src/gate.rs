//! What every request passes: rates, room, time; and what is written down about it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use pmirs_wire::{CollectionId, limits};
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::refusal::Refusal;

/// Bodies up to this size need no share of the body memory.
const SMALL_BODY: usize = 64 << 10;
const MIB: usize = 1 << 20;

/// The address of whoever sent the request; unspecified where it did not come over a socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Peer {
    pub(crate) fn of(extensions: &http::Extensions) -> Self {
        let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self(extensions.get::<ConnectInfo<SocketAddr>>().map_or(unspecified, |peer| peer.0.ip()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

/// Middleware that turns away what is too often, too much or too slow.
pub(crate) async fn admit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    pass(&app, request, next).await.unwrap_or_else(|refusal| {
        app.metrics.turned_away();
        refusal.into_response()
    })
}

async fn pass(app: &Arc<App>, request: Request, next: Next) -> Result<Response, Refusal> {
    app.throttle.peer(Peer::of(request.extensions()).0)?;
    let _slot = app
        .requests
        .try_acquire()
        .map_err(|_| Refusal::unavailable("the server is busy: try again in a moment"))?;
    let share = share_of_memory(app, &request)?;
    let work = async {
        let _memory = reserve(app, share).await?;
        Ok(next.run(request).await)
    };
    tokio::time::timeout(app.limits.request_time, work).await.map_err(|_| Refusal::too_slow())?
}

/// How many MiB of the memory for large bodies a request wants.
fn share_of_memory(app: &App, request: &Request) -> Result<u32, Refusal> {
    let announced = request.headers().get(CONTENT_LENGTH).map(|value| value.to_str().unwrap_or("").parse());
    let bytes = match announced {
        Some(Ok(bytes)) => bytes,
        Some(Err(_)) => return Err(Refusal::bad("Content-Length is not a number")),
        None if request.method() == http::Method::GET => 0,
        None => limits::TRANSPORT,
    };
    if bytes > limits::TRANSPORT {
        let limit = limits::TRANSPORT;
        return Err(Refusal::too_large(format!("the body has {bytes} bytes, the limit is {limit}")));
    }
    if bytes <= SMALL_BODY {
        return Ok(0);
    }
    // A body larger than all of the memory may still come, alone.
    Ok((bytes.div_ceil(MIB) as u32).min(app.limits.body_memory_mib))
}

async fn reserve(app: &Arc<App>, share: u32) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
    if share == 0 {
        return Ok(None);
    }
    let memory = Arc::clone(&app.body_memory).acquire_many_owned(share).await;
    memory.map(Some).map_err(|_| Refusal::unavailable("the server is stopping"))
}

/// Middleware that counts a request and writes a line about it: the route's pattern and the collection, never
/// a token, an item, a query or a body.
pub(crate) async fn record(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let collection = collection_in(request.uri().path());
    let response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), started.elapsed());
    let route = route.as_deref().unwrap_or("none");
    app.metrics.request(route, &method, status, took);
    let (method, ms) = (known(&method), took.as_secs_f64() * 1e3);
    let collection = collection.map(tracing::field::display);
    tracing::info!(method, route, collection, status, ms, "request");
    response
}

/// A method that HTTP defines; a stranger's own words stay out of the log.
fn known(method: &http::Method) -> &'static str {
    match *method {
        http::Method::GET => "GET",
        http::Method::POST => "POST",
        http::Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn collection_in(path: &str) -> Option<CollectionId> {
    path.strip_prefix("/v1/collections/")?.split('/').next()?.parse().ok()
}
