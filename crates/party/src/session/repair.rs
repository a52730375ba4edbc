//! A party that lost its store gets it back, and nothing beyond what it may hold.
//!
//! P_i held x_i and x_{i+1}. The previous party holds x_i as its second component and sends it; the next one holds
//! x_{i+1} as its first and sends that. Both send version, items and statements, which must be the same.

use std::sync::Arc;

use pmirs_mpc::Role;
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::split::{Answer, PeerMessage, SignedStatement, Version};
use pmirs_wire::{Bytes, CollectionId, ItemId, limits};
use tokio::task::block_in_place;

use super::meeting::{Met, unexpected};
use crate::members::{Members, hash};
use crate::orders::Signed;
use crate::refusal::Refusal;
use crate::state::{Node, Shared, read};
use crate::store::{Collection, Matrix, Restored, words_of};

/// Words, and items, of one message.
const PIECE: usize = 1 << 20;

/// At a party whose shares are whole: gives the one that lost its own what it may hold.
pub(super) async fn give(
    node: &Arc<Node>,
    shared: &Shared,
    met: &mut Met,
    place: u8,
) -> Result<Answer, Refusal> {
    let Some(lost) = Role::from_index(place) else { return Err(Refusal::bad("place is not 0, 1 or 2")) };
    if lost == node.role {
        return Err(Refusal::conflict("this server's shares are whole: there is nothing to repair"));
    }
    let other = if node.role.next() == lost { node.role.previous() } else { node.role.next() };
    if !is_behind(met, lost, node.role) {
        return Err(Refusal::conflict(format!(
            "the shares of {} are whole: there is nothing to repair",
            node.name(lost)
        )));
    }
    agree_with(node, shared, met, other).await?;
    let (version, statements) = {
        let here = read(shared);
        (here.version(), here.statements.clone())
    };
    for signed in statements {
        met.send(lost, &PeerMessage::Ahead { entries: Vec::new(), statements: vec![signed] });
    }
    met.send(lost, &PeerMessage::Ahead { entries: Vec::new(), statements: Vec::new() });
    let mut at = 0;
    loop {
        let rows: Vec<u8> = {
            let here = same(shared, version)?;
            let rest = here.items().get(at..).unwrap_or_default();
            rest.iter().take(PIECE / 4).flat_map(|item| item.0).collect()
        };
        at += rows.len() / 16;
        let done = rows.is_empty();
        met.send(lost, &PeerMessage::Layout { version, rows: rows.into() });
        if done {
            break;
        }
    }
    send_words(node, shared, met, lost, version).await?;
    let words = read(shared).matrix().own.len();
    match met.receive_after(node, lost, words).await? {
        PeerMessage::Ready { .. } => Ok(Answer::State(read(shared).state())),
        _ => Err(unexpected(node, lost)),
    }
}

/// Whether a party lacks what another one has. Who is ahead, as P0 is right after it decided, must not be set back.
fn is_behind(met: &Met, lost: Role, other: Role) -> bool {
    let number = |role: Role| met.opening(role).version.map(|version| version.number);
    number(lost) < number(other)
}

/// The two whole parties must hold the same version before they give any of it away.
async fn agree_with(node: &Node, shared: &Shared, met: &mut Met, other: Role) -> Result<(), Refusal> {
    let theirs = met.opening(other).clone();
    let ours = met.opening(node.role).clone();
    let number = |version: Option<Version>| version.map(|version| version.number);
    if number(theirs.version) < number(ours.version) || theirs.statement < ours.statement {
        met.tell(node, shared, other).await?;
    }
    if number(ours.version) < number(theirs.version) || ours.statement < theirs.statement {
        met.ask(node, shared, other).await?;
    }
    let version = read(shared).version();
    let later = [ours.version, theirs.version].into_iter().flatten().max_by_key(|version| version.number);
    if later == Some(version) {
        return Ok(());
    }
    let what = format!(
        "{} holds another version: shares of different versions are never combined",
        node.name(other)
    );
    Err(Refusal::new(ProblemKind::Conflict, what).blaming(&[other]))
}

async fn send_words(
    node: &Node,
    shared: &Shared,
    met: &mut Met,
    lost: Role,
    version: Version,
) -> Result<(), Refusal> {
    let mut at = 0;
    loop {
        let words: Vec<u8> = {
            let here = same(shared, version)?;
            let matrix = here.matrix();
            let component = if node.role.next() == lost { &matrix.next } else { &matrix.own };
            let rest = component.get(at..).unwrap_or_default();
            rest.iter().take(PIECE).flat_map(|word| word.to_le_bytes()).collect()
        };
        let done = words.is_empty();
        let sent = words.len() / 4;
        met.send(lost, &PeerMessage::Words { at: at as u64, words: words.into() });
        if done {
            return Ok(());
        }
        met.room(lost).await;
        at += sent;
    }
}

fn same(shared: &Shared, version: Version) -> Result<std::sync::RwLockReadGuard<'_, Collection>, Refusal> {
    let here = read(shared);
    if here.version() == version {
        Ok(here)
    } else {
        Err(Refusal::conflict("the collection changed meanwhile: repair again"))
    }
}

/// At the party that lost its shares.
pub(super) async fn take(node: &Arc<Node>, met: &mut Met, order: Signed) -> Result<Answer, Refusal> {
    let id = order.order().collection;
    let (previous, next) = (node.role.previous(), node.role.next());
    if [previous, next].iter().any(|peer| !is_behind(met, node.role, *peer)) {
        return Err(Refusal::conflict("this server's shares are whole: there is nothing to repair"));
    }
    let from_previous = receive_all(node, met, previous).await?;
    let from_next = receive_all(node, met, next).await?;
    let whole = [&from_previous.statements, &from_next.statements]
        .map(|all| all.iter().map(hash).collect::<Vec<_>>());
    let [ours, theirs] = &whole;
    if ours != theirs || from_previous.version != from_next.version || from_previous.items != from_next.items
    {
        let what = format!(
            "{} and {} hold different versions: neither is taken",
            node.name(previous),
            node.name(next)
        );
        return Err(Refusal::new(ProblemKind::Conflict, what).blaming(&[previous, next]));
    }
    let members = members_of(node, id, &from_previous.statements)?;
    let checked = order.by_member(&members)?;
    let words = from_previous.items.len() * members.dim() as usize;
    for (peer, received) in [(previous, &from_previous), (next, &from_next)] {
        if received.words.len() != words {
            let what = format!("{} sent {} words instead of {words}", node.name(peer), received.words.len());
            return Err(Refusal::unavailable(what).blaming(&[peer]));
        }
    }
    let header = node.header(id, members.dim());
    let restored = Restored {
        statements: from_previous.statements,
        version: from_previous.version,
        items: from_previous.items,
        matrix: Matrix { own: from_previous.words, next: from_next.words },
    };
    block_in_place(|| node.replace(id, || Collection::restore(&node.root, &header, restored)))?;
    for peer in [previous, next] {
        met.send(peer, &PeerMessage::Ready { prepared: checked.digest, sequence: 0 });
    }
    tracing::info!(collection = %id, "a collection was repaired by the two others");
    let shared = node.find(&id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::State(read(&shared).state()))
}

struct Received {
    statements: Vec<SignedStatement>,
    version: Version,
    items: Vec<ItemId>,
    words: Vec<u32>,
}

async fn receive_all(node: &Node, met: &mut Met, from: Role) -> Result<Received, Refusal> {
    let mut statements = Vec::new();
    loop {
        match met.receive(node, from).await? {
            PeerMessage::Ahead { statements: more, .. } if more.is_empty() => break,
            PeerMessage::Ahead { statements: more, .. } => statements.extend(more),
            _ => return Err(unexpected(node, from)),
        }
    }
    let mut items = Vec::new();
    let version = loop {
        let PeerMessage::Layout { version, rows } = met.receive(node, from).await? else {
            return Err(unexpected(node, from));
        };
        if rows.0.is_empty() {
            break version;
        }
        items.extend(rows.0.as_chunks().0.iter().map(|id| ItemId(*id)));
        bounded(node, from, items.len(), limits::SPLIT_COLLECTION)?;
    };
    let mut words = Vec::new();
    loop {
        let PeerMessage::Words { at, words: Bytes(more) } = met.receive(node, from).await? else {
            return Err(unexpected(node, from));
        };
        if more.is_empty() {
            return Ok(Received { statements, version, items, words });
        }
        if at != words.len() as u64 {
            return Err(unexpected(node, from));
        }
        words.extend(words_of(&more));
        bounded(node, from, words.len(), items.len() * limits::SPLIT_DIM)?;
    }
}

fn bounded(node: &Node, from: Role, got: usize, most: usize) -> Result<(), Refusal> {
    if got <= most {
        return Ok(());
    }
    Err(Refusal::unavailable(format!("{} sent more than a collection may have", node.name(from)))
        .blaming(&[from]))
}

/// The members after all statements, each checked.
fn members_of(node: &Node, id: CollectionId, statements: &[SignedStatement]) -> Result<Members, Refusal> {
    let (first, rest) = statements.split_first().ok_or_else(Refusal::not_found)?;
    let mut members = Members::first(first, &node.trio_digest)?;
    for signed in rest {
        members = members.next(signed)?;
    }
    if members.collection() == id { Ok(members) } else { Err(Refusal::not_found()) }
}
