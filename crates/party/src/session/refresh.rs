//! Fresh shares of every row, so that an old share is useless with new ones.
//!
//! Each pair draws common randomness under the key of a connection made for this session alone. P_i adds to its component
//! of every word a part of zero that only it and the previous party come to know (see `refresh` of `pmirs-mpc`): four
//! bytes a word and party. Whoever holds one party's shares from before and another's from after lacks the parts of
//! zero between them. Then the old files are erased.
//!
//! All three write the new shares beside the old ones, tell each other, and P0 decides as it does on a batch.

use std::sync::Arc;

use pmirs_mpc::{Party, Role, Shares};
use pmirs_wire::Digest;
use pmirs_wire::split::{Answer, PeerMessage, Pending, PendingKind, Version};
use tokio::task::block_in_place;

use super::meeting::{Met, Stopped, unexpected};
use crate::commands::{check_base, check_entry, decide, next_sequence};
use crate::models::{narrow, wide};
use crate::orders::Checked;
use crate::refusal::Refusal;
use crate::state::{Node, Shared, read, write};
use crate::store::Matrix;

/// Words that are reshared in one round.
const CHUNK: usize = 1 << 20;

pub(super) async fn run(
    node: &Arc<Node>,
    shared: &Shared,
    met: &mut Met,
    session: [u8; 32],
    base: Version,
    checked: &Checked,
) -> Result<Answer, Refusal> {
    check_base(&read(shared), &base)?;
    let rows = Arc::clone(shared);
    let kind = met.compute(node, session, move |party| reshare_all(party, &rows, base)).await?;
    let words = read(shared).matrix().own.len();
    let (previous, next) = (node.role.previous(), node.role.next());
    let lay_ready = |sequence: Option<u64>| {
        let mut here = write(shared);
        check_base(&here, &base)?;
        let later = |sequence| {
            let waiting = here.waiting();
            waiting.is_some_and(|it| it.pending.sequence >= sequence && it.digest != checked.digest)
        };
        let sequence = match sequence {
            None => next_sequence(&here),
            // P0 may be about to decide on it.
            Some(sequence) if later(sequence) => {
                return Err(Refusal::conflict("a later change lies ready: try again"));
            }
            Some(sequence) => sequence,
        };
        let (order, identity) = (checked.signed.clone(), checked.identity.clone());
        here.prepare(checked.order.clone(), checked.digest, Pending { order, identity, sequence, kind })?;
        Ok::<_, Refusal>(sequence)
    };
    // P0 first, as with a batch: what lies ready at the others gives way only when P0 cannot decide on it any more.
    if node.role == Role::First {
        let sequence = block_in_place(|| lay_ready(None))?;
        for peer in [previous, next] {
            met.send(peer, &PeerMessage::Ready { prepared: checked.digest, sequence });
        }
        for peer in [previous, next] {
            ready(node, met, peer, words, &checked.digest).await?;
        }
    } else {
        let sequence = ready(node, met, Role::First, words, &checked.digest).await?;
        block_in_place(|| lay_ready(Some(sequence)))?;
        met.send(Role::First, &PeerMessage::Ready { prepared: checked.digest, sequence });
    }
    if node.role == Role::First {
        let entry = block_in_place(|| {
            let mut here = write(shared);
            if here.waiting().is_none_or(|waiting| waiting.digest != checked.digest) {
                return Err(Refusal::conflict("another change took the place of the refresh: try again"));
            }
            let version = here.version_after(&checked.digest);
            let entry =
                decide(node, checked.order.collection, checked.signed.clone(), checked.digest, version, None);
            here.commit(entry.clone())?;
            Ok::<_, Refusal>(entry)
        })?;
        for peer in [previous, next] {
            met.send(peer, &PeerMessage::Decided(entry.clone()));
        }
    } else {
        let PeerMessage::Decided(entry) = met.receive_after(node, Role::First, words).await? else {
            return Err(unexpected(node, Role::First));
        };
        block_in_place(|| {
            let mut here = write(shared);
            check_entry(node, &here, &entry)?;
            Ok::<_, Refusal>(here.commit(entry)?)
        })?;
    }
    tracing::info!(collection = %checked.order.collection, "every share is fresh, the old ones were erased");
    Ok(Answer::State(read(shared).state()))
}

/// Waits until a peer's new shares lie ready, and returns P0's number for them.
async fn ready(node: &Node, met: &mut Met, peer: Role, words: usize, order: &Digest) -> Result<u64, Refusal> {
    match met.receive_after(node, peer, words).await? {
        PeerMessage::Ready { prepared, sequence } if prepared == *order => Ok(sequence),
        _ => Err(unexpected(node, peer)),
    }
}

fn reshare_all(party: &mut Party, shared: &Shared, base: Version) -> Result<PendingKind, Stopped> {
    let (words, is_model) = {
        let here = read(shared);
        check_base(&here, &base).map_err(Stopped::Here)?;
        (here.matrix().own.len(), here.members.model().is_some())
    };
    let mut fresh = Matrix::default();
    let mut at = 0;
    while at < words {
        let end = words.min(at + CHUNK);
        let part = {
            let here = read(shared);
            check_base(&here, &base).map_err(Stopped::Here)?;
            let matrix = here.matrix();
            let own = matrix.own.get(at..end).unwrap_or_default().to_vec();
            let next = matrix.next.get(at..end).unwrap_or_default().to_vec();
            (own, next)
        };
        let (own, next) = reshared(party, part, is_model)?;
        fresh.push(&own, &next);
        at = end;
    }
    let tree = reshare_tree(party, shared)?;
    read(shared).write_refreshed(&fresh, tree.as_ref()).map_err(|error| Stopped::Here(error.into()))
}

/// Fresh shares of the tree, where all three have the same one and can read it; otherwise it ends with the old shares.
fn reshare_tree(party: &mut Party, shared: &Shared) -> Result<Option<Shares<u32>>, Stopped> {
    let (id, source) = {
        let here = read(shared);
        (here.tree().map(|tree| tree.id), here.tree_source())
    };
    let words = source.and_then(|source| {
        source.read().inspect_err(|error| tracing::error!(%error, "a tree cannot be read")).ok()
    });
    let mut mine = vec![0; 9];
    if let (Some(Digest(id)), Some(_)) = (id, &words) {
        mine = id.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).chain([1]).collect();
    }
    let [previous, next] = party.hear(&mine)?;
    let Some(words) = words.filter(|_| previous == mine && next == mine) else { return Ok(None) };
    let (mut own, mut then) = (Vec::with_capacity(words.len()), Vec::with_capacity(words.len()));
    for (a, b) in words.own().chunks(CHUNK).zip(words.next().chunks(CHUNK)) {
        let new = party.refresh(&Shares::new(a.to_vec(), b.to_vec())?)?;
        own.extend_from_slice(new.own());
        then.extend_from_slice(new.next());
    }
    Ok(Some(Shares::new(own, then)?))
}

/// Fresh shares of some words; those of a model are pairs, modulo 2^64 together.
fn reshared(
    party: &mut Party,
    (own, next): (Vec<u32>, Vec<u32>),
    is_model: bool,
) -> Result<(Vec<u32>, Vec<u32>), Stopped> {
    if is_model {
        let new = party.refresh(&Shares::new(wide(&own).collect(), wide(&next).collect())?)?;
        return Ok((narrow(new.own()), narrow(new.next())));
    }
    let new = party.refresh(&Shares::new(own, next)?)?;
    Ok((new.own().to_vec(), new.next().to_vec()))
}
