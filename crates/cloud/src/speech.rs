//! How messages travel: CBOR, or JSON where a header asks for it.
//!
//! Handlers return an [`Answer`], which carries its message unencoded; [`render`] encodes it once the request's
//! headers have said how.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pmirs_wire::{EncodeError, Message, decode, encode};

use crate::refusal::Refusal;

const CBOR: HeaderValue = HeaderValue::from_static("application/cbor");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// JSON holds bytes as base64url, and spells out every field name.
const JSON_OVERHEAD: usize = 2;

/// A body that has arrived and is not decoded yet: decoding is the work of a blocking thread.
pub(crate) struct Incoming<M> {
    bytes: Bytes,
    json: bool,
    message: PhantomData<fn() -> M>,
}

impl<M: Message> Incoming<M> {
    /// A body of at most so many bytes; one that announces more is not read.
    pub(crate) async fn within(request: Request, limit: usize) -> Result<Self, Refusal> {
        let json = names_json(request.headers(), &CONTENT_TYPE);
        let limit = if json { JSON_OVERHEAD * limit } else { limit };
        let announced =
            request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|bytes: usize| bytes > limit) {
            return Err(Refusal::too_large(format!("{} has more than {limit} bytes", M::NAME)));
        }
        let bytes = collect(request.into_body(), limit, M::NAME).await?;
        Ok(Self { bytes, json, message: PhantomData })
    }

    pub(crate) fn read(self) -> Result<M, Refusal> {
        if self.json {
            return serde_json::from_slice(&self.bytes)
                .map_err(|error| Refusal::bad(format!("{} is malformed: {error}", M::NAME)));
        }
        decode(&self.bytes).map_err(|error| Refusal::bad(error.to_string()))
    }
}

impl<S: Send + Sync, M: Message> FromRequest<S> for Incoming<M> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        Self::within(request, M::MAX_BYTES).await
    }
}

/// A whole body of at most `limit` bytes.
pub(crate) async fn collect(body: Body, limit: usize, name: &str) -> Result<Bytes, Refusal> {
    // One error type covers a broken connection and a body over the limit; only the latter gets an answer.
    to_bytes(body, limit)
        .await
        .map_err(|_| Refusal::too_large(format!("{name} is cut short or has more than {limit} bytes")))
}

/// A message to send, in whichever encoding was asked for.
pub(crate) struct Answer<M> {
    status: StatusCode,
    message: M,
}

impl<M> Answer<M> {
    pub(crate) fn new(status: StatusCode, message: M) -> Self {
        Self { status, message }
    }

    pub(crate) fn ok(message: M) -> Self {
        Self::new(StatusCode::OK, message)
    }

    pub(crate) fn created(message: M) -> Self {
        Self::new(StatusCode::CREATED, message)
    }
}

impl<M: Message + Send + Sync + 'static> IntoResponse for Answer<M> {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Unencoded(Arc::new(self.message)));
        response
    }
}

/// Middleware that encodes what the handler answered.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let json = names_json(headers, &ACCEPT)
        || names_json(headers, &CONTENT_TYPE) && !names(headers, &ACCEPT, "application/cbor");
    let mut response = next.run(request).await;
    let Some(Unencoded(message)) = response.extensions_mut().remove::<Unencoded>() else {
        return response;
    };
    let (encoded, content_type) = if json { (message.json(), JSON) } else { (message.cbor(), CBOR) };
    match encoded {
        Ok(bytes) => {
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            *response.body_mut() = Body::from(bytes);
            response
        }
        Err(detail) => {
            tracing::error!(detail, "an answer could not be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// An answer's message on its way to [`render`].
#[derive(Clone)]
struct Unencoded(Arc<dyn Spoken>);

trait Spoken: Send + Sync {
    fn cbor(&self) -> Result<Vec<u8>, String>;
    fn json(&self) -> Result<Vec<u8>, String>;
}

impl<M: Message + Send + Sync> Spoken for M {
    fn cbor(&self) -> Result<Vec<u8>, String> {
        encode(self).map_err(|error: EncodeError| error.to_string())
    }

    fn json(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }
}

fn names_json(headers: &HeaderMap, header: &HeaderName) -> bool {
    names(headers, header, "application/json")
}

fn names(headers: &HeaderMap, header: &HeaderName, media_type: &str) -> bool {
    headers.get(header).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains(media_type))
}
