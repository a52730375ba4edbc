//! What all three parties do together, because a member ordered it at each of them.
//!
//! 1. *Meet.* Each tells both others the digest of the order that it checked on its own, a fresh nonce, and which version
//!    and statement it has. Nobody believes another about who asked.
//! 2. *Catch up.* Whoever is behind asks one that is ahead for P0's decision, or for statements, and checks them.
//! 3. *Agree.* The session's id is the hash of all three nonces, the order and the version. All must say the same.
//! 4. *Work*: `search`, `encode`, `refresh` or `repair`.
//!
//! P0 bounds how many sessions there are at a time; the others follow, so that they never wait for each other in a ring.

pub(crate) mod encode;
mod meeting;
mod refresh;
mod repair;
pub(crate) mod search;
mod tree;

use std::sync::Arc;

use pmirs_mpc::Role;
use pmirs_wire::split::{Action, Answer, Opening};
use pmirs_wire::{Bytes, CollectionId, Digest};
use rand_core::Rng as _;

use self::meeting::Met;
use crate::clock;
use crate::orders::Checked;
use crate::refusal::Refusal;
use crate::state::{Node, Shared, read};

/// Carries out an order that takes all three.
pub(crate) async fn run(
    node: &Arc<Node>,
    shared: Shared,
    checked: Checked,
    parts: Bytes,
) -> Result<Answer, Refusal> {
    // First of all, so that who waits for it takes no place of a search.
    let _encoding = encoding(node, &checked).await?;
    let _place = place(node).await?;
    let fresh = matches!(checked.order.action, Action::Refresh { .. });
    let opening = opening(&checked.order.collection, checked.digest, Some(&shared));
    let mut met = Met::with_both(node, opening, fresh).await?;
    let work = async {
        if let Action::Repair { place } = checked.order.action {
            return repair::give(node, &shared, &mut met, place).await;
        }
        met.catch_up(node, &shared).await?;
        still_allowed(&shared, &checked)?;
        let version = read(&shared).version();
        let session = met.agree(node, version).await?;
        match &checked.order.action {
            Action::Search(search) => {
                search::run(node, &shared, &mut met, session, version, search.clone(), parts).await
            }
            Action::Encode(encode) => {
                encode::run(node, &shared, &mut met, session, version, encode, parts).await
            }
            Action::Meet => Ok(Answer::State(read(&shared).state())),
            Action::Refresh { base } => refresh::run(node, &shared, &mut met, session, *base, &checked).await,
            _ => Err(Refusal::internal(&"an order of one party came to all three")),
        }
    };
    let done = work.await;
    met.part(node, done.as_ref().err(), fresh);
    done
}

/// Carries out a repair at the party that lacks the collection, or whose shares are behind.
pub(crate) async fn be_repaired(
    node: &Arc<Node>,
    shared: Option<Shared>,
    order: crate::orders::Signed,
) -> Result<Answer, Refusal> {
    let _place = place(node).await?;
    let opening = opening(&order.order().collection, order.digest(), shared.as_ref());
    let mut met = Met::with_both(node, opening, false).await?;
    let done = repair::take(node, &mut met, order).await;
    met.part(node, done.as_ref().err(), false);
    done
}

async fn place(node: &Node) -> Result<Option<tokio::sync::SemaphorePermit<'_>>, Refusal> {
    if node.role != Role::First {
        return Ok(None);
    }
    node.sessions.acquire().await.map(Some).map_err(|_| Refusal::unavailable("the server is stopping"))
}

/// As [`place`] does, P0 bounds for all three how many go through a model at a time.
async fn encoding<'a>(
    node: &'a Node,
    checked: &Checked,
) -> Result<Option<tokio::sync::SemaphorePermit<'a>>, Refusal> {
    if node.role != Role::First || !matches!(checked.order.action, Action::Encode(_)) {
        return Ok(None);
    }
    node.encodings.acquire().await.map(Some).map_err(|_| Refusal::unavailable("the server is stopping"))
}

fn opening(collection: &CollectionId, order: Digest, shared: Option<&Shared>) -> Opening {
    let mut nonce = [0; 32];
    clock::system_rng().fill_bytes(&mut nonce);
    let (version, statement) = shared.map_or((None, None), |shared| {
        let here = read(shared);
        (Some(here.version()), Some(here.members.number()))
    });
    Opening { order, collection: *collection, nonce: Digest(nonce), version, statement }
}

/// A membership that ended while the order travelled ends the order as well.
fn still_allowed(shared: &Shared, checked: &Checked) -> Result<(), Refusal> {
    read(shared).members.member(&checked.order.account).map(|_| ()).ok_or_else(Refusal::not_found)
}
