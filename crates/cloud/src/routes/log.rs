//! The log of a collection.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Query, Request, State};
use pmirs_wire::collection::Role;
use pmirs_wire::limits;
use pmirs_wire::log::{Append, Head, LogPage};

use super::CollectionPath;
use crate::app::App;
use crate::auth::Bearer;
use crate::check;
use crate::refusal::Refusal;
use crate::speech::{Answer, Incoming};

pub(super) async fn append(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    CollectionPath(id): CollectionPath,
    request: Request,
) -> Result<Answer<Head>, Refusal> {
    // Before a large body is read, its sender must be somebody who may change items. Others may accept or leave.
    let (_, membership) = Arc::clone(&app).run(move |app| app.invited(bearer, &id)).await?;
    let body = match check::role(membership.role, membership.accepted, Role::Writer) {
        Ok(()) => Incoming::<Append>::from_request(request, &()).await?,
        Err(refusal) => Incoming::within(request, SMALL).await.map_err(|_| refusal)?,
    };
    app.run(move |app| app.append(bearer, &id, || body.read())).await.map(Answer::created)
}

/// Bytes of the longest append without a payload.
const SMALL: usize = limits::LOG_ENTRY + (2 << 10);

/// Where to go on.
#[derive(serde::Deserialize)]
pub(super) struct After {
    /// The number of the last entry that is known; all entries if it is left out.
    after: Option<u64>,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    CollectionPath(id): CollectionPath,
    after: Result<Query<After>, QueryRejection>,
) -> Result<Answer<LogPage>, Refusal> {
    let Query(After { after }) = after.map_err(|_| Refusal::bad("after is not the number of an entry"))?;
    let page = app.run(move |app| {
        let (_, membership) = app.invited(bearer, &id)?;
        Ok(app.store.log_page(membership.place, after, limits::LOG_PAGE)?)
    });
    page.await.map(Answer::ok)
}

pub(super) async fn head(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    CollectionPath(id): CollectionPath,
) -> Result<Answer<Head>, Refusal> {
    let head = app.run(move |app| {
        let (_, membership) = app.invited(bearer, &id)?;
        let (latest, seq) = app.store.log_head(membership.place)?;
        let (latest, hash) = latest.map_or((None, None), |(entry, hash)| (Some(entry), Some(hash)));
        Ok(Head { latest, hash: hash.unwrap_or(pmirs_wire::Digest([0; 32])), seq })
    });
    head.await.map(Answer::ok)
}
