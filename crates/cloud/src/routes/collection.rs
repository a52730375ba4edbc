//! Collections as their members see them.

use std::sync::Arc;

use axum::extract::State;
use pmirs_wire::AccountId;
use pmirs_wire::collection::{CollectionList, CollectionRecord, NewCollection, Role};
use pmirs_wire::item::Stored;

use super::CollectionPath;
use crate::app::App;
use crate::auth::Bearer;
use crate::check;
use crate::clock::now_ms;
use crate::refusal::Refusal;
use crate::speech::{Answer, Incoming};
use crate::storage::{Creation, Membership};

pub(super) async fn list(
    State(app): State<Arc<App>>,
    bearer: Bearer,
) -> Result<Answer<CollectionList>, Refusal> {
    let collections = app.run(move |app| {
        let account = app.authenticate(bearer)?;
        Ok(app.store.collections(&account, true)?)
    });
    Ok(Answer::ok(CollectionList { collections: collections.await? }))
}

/// What was shared with the caller and waits for an answer.
pub(super) async fn shares(
    State(app): State<Arc<App>>,
    bearer: Bearer,
) -> Result<Answer<CollectionList>, Refusal> {
    let collections = app.run(move |app| {
        let account = app.authenticate(bearer)?;
        Ok(app.store.collections(&account, false)?)
    });
    Ok(Answer::ok(CollectionList { collections: collections.await? }))
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    body: Incoming<NewCollection>,
) -> Result<Answer<CollectionRecord>, Refusal> {
    let record = app.run(move |app| {
        let account = app.authenticate(bearer)?;
        app.create_collection(&account, &body.read()?)
    });
    record.await.map(Answer::created)
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    CollectionPath(id): CollectionPath,
) -> Result<Answer<CollectionRecord>, Refusal> {
    let record = app.run(move |app| {
        let account = app.authenticate(bearer)?;
        app.store.collection(&account, &id)?.ok_or_else(|| Refusal::not_found("collection"))
    });
    record.await.map(Answer::ok)
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    CollectionPath(id): CollectionPath,
) -> Result<Answer<Stored>, Refusal> {
    let stored = app.run(move |app| {
        let membership = app.member(bearer, &id, Role::Owner)?;
        app.delete_collection(&membership)
    });
    stored.await.map(Answer::ok)
}

impl App {
    fn create_collection(
        &self,
        account: &AccountId,
        new: &NewCollection,
    ) -> Result<CollectionRecord, Refusal> {
        let (identity, _) = self.identity(account)?;
        check::new_collection(new, &identity)?;
        let most = self.limits.account_collections;
        match self.store.create_collection(account, new, most, now_ms())? {
            Creation::Created => {}
            Creation::Taken => return Err(Refusal::conflict("id: there is a collection of this name")),
            Creation::QuotaReached => {
                return Err(Refusal::too_large(format!("this account may own {most} collections")));
            }
        }
        self.store.collection(account, &new.id)?.ok_or_else(|| Refusal::not_found("collection"))
    }

    fn delete_collection(&self, membership: &Membership) -> Result<Stored, Refusal> {
        let place = membership.place;
        let deletion = {
            let _in_order = self.rankings.in_order(place);
            let deletion = self.store.delete_collection(place)?;
            self.rankings.forget(place);
            self.commitments.forget(place);
            deletion
        };
        self.drop_blobs(&deletion.blobs);
        Ok(Stored { seq: deletion.seq, items: deletion.items })
    }
}
