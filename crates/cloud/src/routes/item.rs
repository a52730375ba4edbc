//! Items: adding, reading, removing, following changes.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Query, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use pmirs_wire::item::{Changes, ItemRecord, ItemRecords, NewItems, RemoveItems, Stored, WantedItems};
use pmirs_wire::{ItemId, collection::Role, limits};

use super::{CollectionPath, ItemPath};
use crate::app::App;
use crate::auth::{Bearer, Signed};
use crate::check;
use crate::clock::system_rng;
use crate::refusal::Refusal;
use crate::speech::{Answer, Incoming};
use crate::storage::{Addition, BlobId, ItemToAdd, Membership, Place, Prefix, StorageError};

pub(super) async fn add(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    CollectionPath(id): CollectionPath,
    request: Request,
) -> Result<Answer<Stored>, Refusal> {
    // Before a large body is read, its sender must be somebody who may write here.
    let membership = Arc::clone(&app).run(move |app| app.member(bearer, &id, Role::Writer)).await?;
    let body = Incoming::<NewItems>::from_request(request, &()).await?;
    app.run(move |app| app.add_items(&membership, &body.read()?)).await.map(Answer::created)
}

pub(super) async fn remove(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    CollectionPath(id): CollectionPath,
    body: Incoming<RemoveItems>,
) -> Result<Answer<Stored>, Refusal> {
    let stored = app.run(move |app| {
        let membership = app.member(bearer, &id, Role::Writer)?;
        app.remove_items(&membership, &body.read()?)
    });
    stored.await.map(Answer::ok)
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    ItemPath(id, item): ItemPath,
) -> Result<Answer<ItemRecord>, Refusal> {
    let record = app.run(move |app| {
        let membership = app.member(bearer, &id, Role::Reader)?;
        app.store.item(membership.place, &item)?.ok_or_else(|| Refusal::not_found("item"))
    });
    record.await.map(Answer::ok)
}

pub(super) async fn records(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    CollectionPath(id): CollectionPath,
    body: Incoming<WantedItems>,
) -> Result<Answer<ItemRecords>, Refusal> {
    let records = app.run(move |app| {
        let membership = app.member(bearer, &id, Role::Reader)?;
        let wanted = body.read()?.items;
        check::batch(wanted.iter().copied())?;
        let found = wanted.iter().map(|item| app.store.item(membership.place, item));
        let records = found.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok(ItemRecords { records })
    });
    records.await.map(Answer::ok)
}

pub(super) async fn content(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    ItemPath(id, item): ItemPath,
    signed: Signed,
) -> Result<Response, Refusal> {
    let content = app.run(move |app| {
        let (account, membership) = app.invited(bearer, &id)?;
        check::role(membership.role, membership.accepted, Role::Reader)?;
        let access = app.access(account, &id, item, &signed)?;
        let content = app.read_content(membership.place, &item)?;
        // Nobody opens what the record does not say.
        if !app.store.add_access(membership.place, &access, app.limits.accesses)? {
            return Err(Refusal::not_found("collection"));
        }
        Ok(content)
    });
    Ok(([(CONTENT_TYPE, "application/octet-stream")], content.await?).into_response())
}

/// Where to go on.
#[derive(serde::Deserialize)]
pub(super) struct After {
    /// The number of the last change or access that is known; all of them if it is left out.
    #[serde(default)]
    pub(super) after: u64,
}

pub(super) async fn changes(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    CollectionPath(id): CollectionPath,
    after: Result<Query<After>, QueryRejection>,
) -> Result<Answer<Changes>, Refusal> {
    let Query(After { after }) = after.map_err(|_| Refusal::bad("after is not the number of a change"))?;
    let changes = app.run(move |app| {
        let membership = app.member(bearer, &id, Role::Reader)?;
        Ok(app.store.changes(membership.place, after, limits::BATCH_ITEMS)?)
    });
    changes.await.map(Answer::ok)
}

impl App {
    fn read_content(&self, place: Place, item: &ItemId) -> Result<Vec<u8>, Refusal> {
        let absent = || Refusal::not_found("item");
        let content = self.store.content(place, item)?.ok_or_else(absent)?;
        match self.blobs.get(content.blob) {
            Ok(bytes) if bytes.len() as u64 == content.len => Ok(bytes),
            Ok(bytes) => Err(Refusal::from(StorageError::Damaged {
                what: format!("content {}", content.blob),
                detail: format!("{} bytes instead of {}", bytes.len(), content.len),
            })),
            // Removed while we looked.
            Err(_) if self.store.content(place, item)?.is_none() => Err(absent()),
            Err(error) => Err(error.into()),
        }
    }

    /// Blobs first, then the records that name them: a crash between the two leaves orphans, never holes.
    fn add_items(&self, membership: &Membership, new: &NewItems) -> Result<Stored, Refusal> {
        self.refuse_logged(membership)?;
        check::new_items(&new.items, membership)?;
        let mut rng = system_rng();
        let prefix = Prefix::draw(&mut rng);
        let items: Vec<ItemToAdd<'_>> =
            new.items.iter().map(|item| ItemToAdd { item, blob: prefix.name(&mut rng) }).collect();
        let blobs: Vec<_> = items.iter().map(|new| (new.blob, new.item.content.0.as_slice())).collect();
        self.blobs.put(&blobs)?;

        let addition = self.commit(membership, &items)?;
        let count = items.len() as u64;
        let refusal = match addition {
            Some(Addition::Added { seq, .. }) => {
                self.metrics.added(items.len());
                return Ok(Stored { seq, items: count });
            }
            Some(Addition::AlreadyThere { seq }) => Ok(Stored { seq, items: count }),
            Some(Addition::Taken(item)) => Err(Refusal::conflict(format!("item {item} is there already"))),
            Some(Addition::QuotaReached) => Err(Refusal::too_large("the owner's quota of bytes is used up")),
            None => Err(Refusal::conflict("the log of the collection was begun meanwhile: append to it")),
        };
        self.drop_blobs(&items.iter().map(|new| new.blob).collect::<Vec<_>>());
        refusal
    }

    /// Nothing where the collection's log was begun since the membership was read.
    fn commit(&self, membership: &Membership, items: &[ItemToAdd<'_>]) -> Result<Option<Addition>, Refusal> {
        let place = membership.place;
        let _in_order = self.rankings.in_order(place);
        if self.store.log_state(place)?.is_none_or(|state| state.head.is_some()) {
            return Ok(None);
        }
        let addition = self.store.add_items(place, items, self.limits.account_bytes)?;
        if let Addition::Added { rows, .. } = &addition {
            self.rankings.add(place, items, rows);
        }
        Ok(Some(addition))
    }

    fn remove_items(&self, membership: &Membership, remove: &RemoveItems) -> Result<Stored, Refusal> {
        self.refuse_logged(membership)?;
        check::removal(remove)?;
        let place = membership.place;
        let removal = {
            let _in_order = self.rankings.in_order(place);
            self.refuse_begun(place)?;
            let removal = self.store.remove_items(place, &remove.items)?;
            self.rankings.remove(place, &removal.rows);
            removal
        };
        self.drop_blobs(&removal.blobs);
        self.metrics.removed(removal.rows.len());
        Ok(Stored { seq: removal.seq, items: removal.rows.len() as u64 })
    }

    /// A collection with a log changes by signed entries alone. Asked before content is written.
    fn refuse_logged(&self, membership: &Membership) -> Result<(), Refusal> {
        if membership.logged { self.refuse_begun(membership.place) } else { Ok(()) }
    }

    /// The same under the collection's lock, where nobody can begin the log meanwhile.
    fn refuse_begun(&self, place: Place) -> Result<(), Refusal> {
        match self.store.log_state(place)?.and_then(|state| state.head) {
            Some((number, hash)) => Err(Refusal::conflict(format!(
                "the collection has a log: append to it; the head is entry {number}, {hash}"
            ))),
            None => Ok(()),
        }
    }

    /// Removes blobs that no record names any more. What stays behind goes at the next start.
    pub(crate) fn drop_blobs(&self, blobs: &[BlobId]) {
        if let Err(error) = self.blobs.remove(blobs) {
            tracing::warn!(%error, "content without a record stays until the next start");
        }
    }
}
