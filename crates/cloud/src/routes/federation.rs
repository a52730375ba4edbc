//! Federations: what owners start, and what members say and hear in their rounds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Query, Request, State};
use http::StatusCode;
use pmirs_crypto::Signature;
use pmirs_federated::chain::Chain;
use pmirs_federated::charter::Charter;
use pmirs_wire::federation::{
    Arrived, Coordinator, Federation, FederationList, Heard, NewFederation, Piece, RecordPage, Spoken, Turn,
    Weights,
};
use pmirs_wire::{AccountId, Bytes, Digest, limits};
use tokio::time::timeout;

use super::{FederationPath, ModelPath};
use crate::app::App;
use crate::auth::Bearer;
use crate::check;
use crate::clock::now_ms;
use crate::refusal::Refusal;
use crate::speech::{Answer, Incoming};
use crate::storage::Creation;
use crate::storage::federation::{FederationToAdd, Part};

/// A member whose question found no place to wait asks again after so long.
const AGAIN_MS: u32 = 1_000;

pub(super) async fn coordinator(
    State(app): State<Arc<App>>,
    bearer: Bearer,
) -> Result<Answer<Coordinator>, Refusal> {
    let identity = app.run(move |app| {
        app.authenticate(bearer)?;
        Ok(Bytes(app.federations.signer.public().to_bytes()))
    });
    Ok(Answer::ok(Coordinator { identity: identity.await? }))
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    bearer: Bearer,
) -> Result<Answer<FederationList>, Refusal> {
    let federations = app.run(move |app| {
        let account = app.authenticate(bearer)?;
        Ok(app.store.federations(&account)?)
    });
    Ok(Answer::ok(FederationList { federations: federations.await? }))
}

pub(super) async fn start(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    body: Incoming<NewFederation>,
) -> Result<Answer<Federation>, Refusal> {
    let started = app.run(move |app| {
        let account = app.authenticate(bearer)?;
        app.start_federation(account, &body.read()?)
    });
    started.await.map(Answer::created)
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    FederationPath(id): FederationPath,
) -> Result<Answer<Federation>, Refusal> {
    let shown = app.run(move |app| {
        let part = app.part(bearer, &id)?;
        app.at(part.place, |live, desk| Ok(live.show(desk)))
    });
    shown.await.map(Answer::ok)
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    FederationPath(id): FederationPath,
) -> Result<StatusCode, Refusal> {
    app.run(move |app| {
        let part = app.owner_part(bearer, &id)?;
        let blobs = app.store.delete_federation(part.place)?;
        app.federations.forget(part.place);
        if let Err(error) = app.federations.models.remove(&blobs) {
            tracing::warn!(%error, "numbers without a federation stay until the next start");
        }
        Ok(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn model(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    FederationPath(id): FederationPath,
    request: Request,
) -> Result<Answer<Arrived>, Refusal> {
    // Before a large body is read, its sender must be somebody who may send one.
    let part = Arc::clone(&app).run(move |app| app.owner_part(bearer, &id)).await?;
    let body = Incoming::<Piece>::from_request(request, &()).await?;
    let arrived = app.run(move |app| {
        let piece = body.read()?;
        app.at(part.place, |live, desk| live.model(desk, &piece))
    });
    arrived.await.map(Answer::ok)
}

/// Where a part of a model begins.
#[derive(serde::Deserialize)]
pub(super) struct Offset {
    #[serde(default)]
    offset: u64,
}

pub(super) async fn weights(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    ModelPath(id, model): ModelPath,
    offset: Result<Query<Offset>, QueryRejection>,
) -> Result<Answer<Weights>, Refusal> {
    let Query(Offset { offset }) = offset.map_err(|_| Refusal::bad("offset is not a number of bytes"))?;
    let weights = app.run(move |app| {
        let part = app.part(bearer, &id)?;
        app.at(part.place, |live, desk| live.weights(desk, model, offset))
    });
    weights.await.map(Answer::ok)
}

/// What the caller knows already.
#[derive(serde::Deserialize)]
pub(super) struct Known {
    after: Option<u64>,
}

/// Answers once something has changed since `after`, or a while has passed.
pub(super) async fn turn(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    FederationPath(id): FederationPath,
    known: Result<Query<Known>, QueryRejection>,
) -> Result<Answer<Turn>, Refusal> {
    let Query(Known { after }) = known.map_err(|_| Refusal::bad("after is not a serial"))?;
    let part = Arc::clone(&app).run(move |app| app.part(bearer, &id)).await?;
    let federation = Arc::clone(&app).run(move |app| app.federation(part.place)).await?;
    let mut changes = federation.watch();
    let place = app.federations.waiting.try_acquire();
    let until = Instant::now() + app.limits.turn_wait;
    loop {
        let looked = Arc::clone(&app).run(move |app| {
            app.at(part.place, |live, desk| Ok((live.turn(part.member, desk.now_ms), live.deadline_ms())))
        });
        let (mut turn, deadline_ms) = looked.await?;
        let left = until.saturating_duration_since(Instant::now());
        if after != Some(turn.standing.serial) || left.is_zero() {
            return Ok(Answer::ok(turn));
        }
        if place.is_err() {
            turn.again_ms = AGAIN_MS;
            return Ok(Answer::ok(turn));
        }
        let step = deadline_ms.map_or(left, |deadline| {
            Duration::from_millis(deadline.saturating_sub(now_ms()).max(1)).min(left)
        });
        // Either way it is looked at again.
        let _ = timeout(step, changes.changed()).await;
    }
}

pub(super) async fn speak(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    FederationPath(id): FederationPath,
    request: Request,
) -> Result<Answer<Heard>, Refusal> {
    let (part, member) = Arc::clone(&app).run(move |app| app.member_part(bearer, &id)).await?;
    let body = Incoming::<Spoken>::from_request(request, &()).await?;
    let heard = app.run(move |app| {
        let Spoken { frame } = body.read()?;
        app.at(part.place, |live, desk| live.speak(desk, member, frame.0))
    });
    heard.await.map(Answer::ok)
}

pub(super) async fn update(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    FederationPath(id): FederationPath,
    request: Request,
) -> Result<Answer<Arrived>, Refusal> {
    let (part, member) = Arc::clone(&app).run(move |app| app.member_part(bearer, &id)).await?;
    let body = Incoming::<Piece>::from_request(request, &()).await?;
    let arrived = app.run(move |app| {
        let piece = body.read()?;
        app.at(part.place, |live, desk| live.update(desk, member, &piece))
    });
    arrived.await.map(Answer::ok)
}

pub(super) async fn records(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    FederationPath(id): FederationPath,
    known: Result<Query<Known>, QueryRejection>,
) -> Result<Answer<RecordPage>, Refusal> {
    let Query(Known { after }) = known.map_err(|_| Refusal::bad("after is not the number of a round"))?;
    let page = app.run(move |app| {
        let part = app.part(bearer, &id)?;
        // What is over by now is in it.
        app.at(part.place, |_, _| Ok(()))?;
        Ok(app.store.federation_records(part.place, after.unwrap_or_default(), limits::FEDERATION_RECORDS)?)
    });
    page.await.map(Answer::ok)
}

impl App {
    fn start_federation(&self, account: AccountId, new: &NewFederation) -> Result<Federation, Refusal> {
        let NewFederation { charter: bytes, signature } = new;
        let bad = |error: pmirs_federated::Error| Refusal::bad(format!("charter: {error}"));
        let charter: Charter =
            pmirs_wire::decode(&bytes.0).map_err(|error| Refusal::bad(format!("charter: {error}")))?;
        let weights = charter.manifest.weights();
        if weights > self.limits.federation_weights {
            let most = self.limits.federation_weights;
            return Err(Refusal::too_large(format!("charter: {weights} weights, the limit is {most}")));
        }
        let signature = Signature(check::exactly("signature", &signature.0)?);
        let (owner, _) = self.identity(&account)?;
        charter.verify(&owner, &signature).map_err(bad)?;
        let chain = Chain::begin(charter, self.federations.signer.public()).map_err(bad)?;
        let number = |number| chain.group().member(number).map(|member| AccountId(member.fingerprint()));
        let members: Vec<AccountId> = (0..chain.group().len() as u32).filter_map(number).collect();
        let most = self.limits.account_federations;
        let add = FederationToAdd {
            id: chain.id(),
            owner: account,
            name: &chain.charter().name,
            charter: &bytes.0,
            signature: &signature.0,
            members: &members,
            created_ms: now_ms(),
        };
        match self.store.create_federation(&add, most)? {
            Creation::Created => {}
            Creation::Taken => return Err(Refusal::conflict("charter: there is a federation of this name")),
            Creation::QuotaReached => {
                return Err(Refusal::too_large(format!("this account may own {most} federations")));
            }
        }
        let absent = || Refusal::not_found("federation");
        let part = self.store.federation_part(&account, &chain.id())?.ok_or_else(absent)?;
        self.at(part.place, |live, desk| Ok(live.show(desk)))
    }

    /// The caller's part in a federation.
    fn part(&self, bearer: Bearer, id: &Digest) -> Result<Part, Refusal> {
        let account = self.authenticate(bearer)?;
        self.store.federation_part(&account, id)?.ok_or_else(|| Refusal::not_found("federation"))
    }

    fn owner_part(&self, bearer: Bearer, id: &Digest) -> Result<Part, Refusal> {
        let part = self.part(bearer, id)?;
        if part.owner { Ok(part) } else { Err(Refusal::forbidden("only the federation's owner may do this")) }
    }

    fn member_part(&self, bearer: Bearer, id: &Digest) -> Result<(Part, u32), Refusal> {
        let part = self.part(bearer, id)?;
        let member =
            part.member.ok_or_else(|| Refusal::forbidden("only members of the federation may do this"))?;
        Ok((part, member))
    }
}
