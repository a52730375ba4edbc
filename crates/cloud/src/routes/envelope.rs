//! Requests sealed to the server's own key, inside TLS: a proxy that ends TLS learns sizes and times alone.
//!
//! What goes wrong before a request is admitted is answered in the clear, and says nothing that the sender's
//! proxy does not know. Everything after that is sealed to the sender.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode, Uri};
use pmirs_crypto::{ResponseSealer, Token, sha256};
use pmirs_wire::envelope::{self, InnerRequest, InnerResponse};
use pmirs_wire::{Message, decode, encode, limits};
use tower::ServiceExt;

use crate::app::App;
use crate::auth::set_signature;
use crate::clock::{now_ms, system_rng};
use crate::refusal::Refusal;
use crate::replay::Stale;
use crate::speech::collect;

/// Opening or sealing this much takes less time than handing it to another thread.
const INLINE: usize = 64 << 10;

/// What the route needs: the state, and the routes that can be asked inside an envelope.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) app: Arc<App>,
    pub(super) inner: Router,
}

pub(super) async fn exchange(
    State(Exchange { app, inner }): State<Exchange>,
    request: Request,
) -> Result<Response, Refusal> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().copied();
    let sealed = collect(request.into_body(), limits::TRANSPORT, "envelope").await?;
    let (request, sealer) = open(&app, sealed).await?;
    let answer = dispatch(inner, request, peer).await.or_else(|refusal| {
        let (status, problem) = refusal.into_parts();
        let body = encode(&problem).map_err(|error| Refusal::internal(&error))?;
        Ok::<_, Refusal>(InnerResponse { status: status.as_u16(), body: body.into() })
    })?;
    let sealed = seal(&app, answer, sealer).await?;
    Ok((StatusCode::OK, [(CONTENT_TYPE, "application/octet-stream")], sealed).into_response())
}

async fn open(app: &Arc<App>, sealed: Bytes) -> Result<(InnerRequest, ResponseSealer), Refusal> {
    if sealed.len() <= INLINE {
        return app.open_envelope(&sealed);
    }
    Arc::clone(app).run(move |app| app.open_envelope(&sealed)).await
}

async fn seal(app: &Arc<App>, answer: InnerResponse, sealer: ResponseSealer) -> Result<Vec<u8>, Refusal> {
    if answer.body.0.len() <= INLINE {
        return seal_answer(&answer, sealer);
    }
    Arc::clone(app).run(move |_| seal_answer(&answer, sealer)).await
}

fn seal_answer(answer: &InnerResponse, sealer: ResponseSealer) -> Result<Vec<u8>, Refusal> {
    let bytes = encode(answer).map_err(|error| Refusal::internal(&error))?;
    Ok(sealer.seal(&mut system_rng(), &bytes))
}

impl App {
    fn open_envelope(&self, sealed: &[u8]) -> Result<(InnerRequest, ResponseSealer), Refusal> {
        let (plain, sealer) =
            self.key.open_request(sealed).map_err(|error| Refusal::bad(format!("envelope: {error}")))?;
        let request: InnerRequest = decode(&plain).map_err(|error| Refusal::bad(error.to_string()))?;
        // Every byte of an envelope is authenticated, so a replay is the same bytes again.
        self.replays.admit(&sha256(sealed), request.sent_ms, now_ms()).map_err(|stale| match stale {
            Stale::Time => Refusal::bad(format!(
                "sent_ms: the client's clock is off by more than {} s; GET /v1/server tells the server's",
                self.limits.clock_skew.as_secs()
            )),
            Stale::BeforeStart => Refusal::unavailable("the server has just started: send the request again"),
            Stale::Replayed => Refusal::conflict("this request was sent before"),
            Stale::Full => Refusal::unavailable("the server is busy: try again in a few minutes"),
        })?;
        Ok((request, sealer))
    }
}

/// Asks the inner routes as if the request had come by itself.
async fn dispatch(
    inner: Router,
    request: InnerRequest,
    peer: Option<ConnectInfo<SocketAddr>>,
) -> Result<InnerResponse, Refusal> {
    let mut request = to_http(request)?;
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    let response = match inner.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let status = response.status().as_u16();
    let body = collect(response.into_body(), limits::BODY, InnerResponse::NAME).await?;
    Ok(InnerResponse { status, body: Vec::from(body).into() })
}

fn to_http(request: InnerRequest) -> Result<Request, Refusal> {
    let malformed = || Refusal::bad("path is not that of a request, such as /v1/collections");
    if !request.path.starts_with("/v1/") {
        return Err(malformed());
    }
    let uri = Uri::try_from(request.path).map_err(|_| malformed())?;
    let mut http = Request::new(Body::from(request.body.0));
    *http.uri_mut() = uri;
    *http.method_mut() = match request.method {
        envelope::Method::Get => Method::GET,
        envelope::Method::Post => Method::POST,
        envelope::Method::Delete => Method::DELETE,
    };
    let token = request.token.as_ref().and_then(|token| <&[u8; 32]>::try_from(token.0.as_slice()).ok());
    if let Some(token) = token {
        let text = format!("Bearer {}", *Token::from_secret(token).to_text());
        let mut value = HeaderValue::try_from(text).map_err(|error| Refusal::internal(&error))?;
        value.set_sensitive(true);
        http.headers_mut().insert(AUTHORIZATION, value);
    }
    if let Some(signature) = &request.signature {
        set_signature(http.headers_mut(), request.sent_ms, &signature.0)?;
    }
    Ok(http)
}
