//! Who opened what: the owner's view of a collection.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use pmirs_wire::access::AccessPage;
use pmirs_wire::{collection::Role, limits};

use super::CollectionPath;
use super::item::After;
use crate::app::App;
use crate::auth::Bearer;
use crate::refusal::Refusal;
use crate::speech::Answer;

pub(super) async fn page(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    CollectionPath(id): CollectionPath,
    after: Result<Query<After>, QueryRejection>,
) -> Result<Answer<AccessPage>, Refusal> {
    let Query(After { after }) = after.map_err(|_| Refusal::bad("after is not the number of an access"))?;
    let page = app.run(move |app| {
        let membership = app.member(bearer, &id, Role::Owner)?;
        Ok(app.store.accesses(membership.place, after, limits::ACCESS_PAGE)?)
    });
    page.await.map(Answer::ok)
}
