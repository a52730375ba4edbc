//! Orders that one party carries out by itself.
//!
//! A batch takes two steps. All three *prepare* it: it lies on their disks, and each signs that. Then P0 *decides*, by
//! committing it, and signs that too; the others commit what P0 committed. P0 replaces a prepared batch by another one
//! only before it decided, and its receipt for the new one tells the others that the old one will never be. So whatever
//! moment a party or the client dies at, each batch is in the end on all three or on none.

use pmirs_crypto::{PartyPublicKey, Signature, sha256};
use pmirs_mpc::Role;
use pmirs_wire::split::{
    Action, Answer, Batch, Entry, Parts, Pending, PendingKind, Receipt, RowPage, SignedStatement, Version,
};
use pmirs_wire::{Bytes, CollectionId, Digest, decode, limits};

use crate::clock::now_ms;
use crate::members::Members;
use crate::models;
use crate::orders::{Checked, check_signature};
use crate::parties;
use crate::plant;
use crate::refusal::Refusal;
use crate::state::{Node, Shared, read, write};
use crate::store::{Collection, has_words, order_of};

/// What travels beside an order.
pub(crate) struct Beside {
    pub(crate) parts: Bytes,
    pub(crate) first: Option<Bytes>,
}

/// Carries out an order that needs no session.
pub(crate) fn carry_out(
    node: &Node,
    shared: &Shared,
    checked: &Checked,
    beside: &Beside,
) -> Result<Answer, Refusal> {
    match &checked.order.action {
        Action::Show => Ok(Answer::State(read(shared).state())),
        Action::Rows { from } => Ok(Answer::Rows(row_page(&read(shared), *from))),
        Action::Members => Ok(Answer::Members(read(shared).membership())),
        Action::Govern { statement } => govern(node, &mut write(shared), statement, beside.first.as_ref()),
        Action::Prepare { batch, parts } => {
            let parts = own_parts(node, parts, &beside.parts)?;
            prepare(node, &mut write(shared), checked, batch, parts, beside.first.as_ref())
        }
        Action::Commit { .. } => commit(node, &mut write(shared), checked, beside.first.as_ref()),
        Action::Tree(action) => plant::carry_out(node, shared, checked, action, beside),
        Action::Delete => delete(node, checked.order.collection),
        action @ (Action::Describe { .. } | Action::Manifest) => {
            models::carry_out(node, shared, action, &beside.parts)
        }
        Action::Search(_)
        | Action::Refresh { .. }
        | Action::Repair { .. }
        | Action::Meet
        | Action::Models
        | Action::Encode(_) => Err(Refusal::internal(&"an order of all three came to one")),
    }
}

/// Makes a collection.
pub(crate) fn found(node: &Node, checked: &Checked) -> Result<Answer, Refusal> {
    let Action::Govern { statement } = &checked.order.action else { return Err(Refusal::not_found()) };
    let members = Members::first(statement, &node.trio_digest)?;
    let id = checked.order.collection;
    if members.collection() != id {
        return Err(Refusal::bad("statement: it is about another collection than the order"));
    }
    let header = node.header(id, members.dim());
    let shared = node.insert(id, || Ok(Collection::create(&node.root, &header, statement.clone())?))?;
    tracing::info!(collection = %id, "a collection was made");
    Ok(Answer::State(read(&shared).state()))
}

fn govern(
    node: &Node,
    collection: &mut Collection,
    statement: &SignedStatement,
    first: Option<&Bytes>,
) -> Result<Answer, Refusal> {
    let (id, hash) = (collection.header().collection, crate::members::hash(statement));
    // The same statement again is what a client sends that did not see the answer.
    if hash != collection.members.hash() {
        let members = collection.members.next(statement)?;
        if node.role != Role::First {
            // Two owners, or one who is up to no good, could else give two servers two statements of one number.
            let first = first.ok_or_else(|| {
                Refusal::conflict("govern: P0 comes first, and its receipt must come along")
            })?;
            let receipt: Receipt = decode(&first.0).map_err(|error| Refusal::bad(error.to_string()))?;
            let said = Receipt::governed_bytes(&id, &hash, members.number());
            signed_by(node, Role::First, &said, &receipt.signature)
                .map_err(|()| Refusal::conflict("govern: P0's receipt is not one for this statement"))?;
        }
        collection.govern(statement.clone(), members)?;
    }
    if node.role != Role::First {
        return Ok(Answer::State(collection.state()));
    }
    let sequence = collection.members.number();
    let said = Receipt::governed_bytes(&id, &hash, sequence);
    let signature = Bytes(node.keys.signing.sign(&said).0.to_vec());
    Ok(Answer::Receipt(Receipt { prepared: hash, sequence, signature }))
}

fn row_page(collection: &Collection, from: u64) -> RowPage {
    let rest = usize::try_from(from).ok().and_then(|from| collection.items().get(from..)).unwrap_or_default();
    let items: Vec<u8> = rest.iter().take(limits::SPLIT_ROW_PAGE).flat_map(|item| item.0).collect();
    RowPage { version: collection.version(), from, items: items.into() }
}

/// This party's parts, if they are what the order pins.
pub(crate) fn own_parts(node: &Node, pinned: &[Digest; 3], bytes: &Bytes) -> Result<Option<Parts>, Refusal> {
    let [first, second, third] = pinned;
    let expected = match node.role {
        Role::First => first,
        Role::Second => second,
        Role::Third => third,
    };
    if sha256(&bytes.0) != expected.0 {
        return Err(Refusal::bad("parts: they are not what the order pins"));
    }
    if bytes.0.is_empty() {
        return Ok(None);
    }
    decode(&bytes.0).map(Some).map_err(|error| Refusal::bad(error.to_string()))
}

fn prepare(
    node: &Node,
    collection: &mut Collection,
    checked: &Checked,
    batch: &Batch,
    parts: Option<Parts>,
    first: Option<&Bytes>,
) -> Result<Answer, Refusal> {
    check_batch(collection, batch, parts.as_ref())?;
    models::check_batch(node, collection, batch)?;
    let turn = lay_ready(node, collection, checked, &batch.base, first)?;
    turn.lie(collection, checked, PendingKind::Batch(parts))
}

/// A change's turn: it may lie ready in place of whatever does, and this is what says that it does.
pub(crate) struct Turn(Receipt);

/// Whether a change may lie ready now.
pub(crate) fn lay_ready(
    node: &Node,
    collection: &Collection,
    checked: &Checked,
    base: &Version,
    first: Option<&Bytes>,
) -> Result<Turn, Refusal> {
    let sequence = match node.role {
        Role::First => first_sequence(node, collection, checked)?,
        Role::Second | Role::Third => follow_sequence(node, collection, checked, base, first)?,
    };
    let place = node.role.index() as u8;
    let said = Receipt::signed_bytes(&checked.order.collection, &checked.digest, base, sequence, place);
    let signature = Bytes(node.keys.signing.sign(&said).0.to_vec());
    Ok(Turn(Receipt { prepared: checked.digest, sequence, signature }))
}

impl Turn {
    /// Lays the change ready; on the disk when this returns.
    pub(crate) fn lie(
        self,
        collection: &mut Collection,
        checked: &Checked,
        kind: PendingKind,
    ) -> Result<Answer, Refusal> {
        let pending = Pending {
            order: checked.signed.clone(),
            identity: checked.identity.clone(),
            sequence: self.0.sequence,
            kind,
        };
        collection.prepare(checked.order.clone(), checked.digest, pending)?;
        Ok(Answer::Receipt(self.0))
    }
}

/// At P0: the number of a new change, if what lies ready may give way.
fn first_sequence(node: &Node, collection: &Collection, checked: &Checked) -> Result<u64, Refusal> {
    if let Some(waiting) = collection.waiting() {
        let is_safe = waiting.since.is_some_and(|since| since.elapsed() < node.limits.prepared_time);
        if is_safe && waiting.order.account != checked.order.account {
            return Err(Refusal::conflict("another batch is being added: try again in a moment"));
        }
    }
    Ok(next_sequence(collection))
}

/// Larger than the number of what lies ready, and than any before a lost store was repaired.
pub(crate) fn next_sequence(collection: &Collection) -> u64 {
    let after = collection.waiting().map_or(0, |waiting| waiting.pending.sequence.saturating_add(1));
    after.max(now_ms())
}

/// At P1 and P2: the number that P0 gave this change. What lies ready gives way to a larger number alone: P0 did not
/// decide on it before it gave that one, and never will.
fn follow_sequence(
    node: &Node,
    collection: &Collection,
    checked: &Checked,
    base: &Version,
    first: Option<&Bytes>,
) -> Result<u64, Refusal> {
    let first =
        first.ok_or_else(|| Refusal::bad("prepare: P0 comes first, and its receipt must come along"))?;
    let receipt: Receipt = decode(&first.0).map_err(|error| Refusal::bad(error.to_string()))?;
    let sequence = receipt.sequence;
    let said = Receipt::signed_bytes(&checked.order.collection, &checked.digest, base, sequence, 0);
    signed_by(node, Role::First, &said, &receipt.signature)
        .map_err(|()| Refusal::bad("prepare: P0's receipt does not fit"))?;
    match collection.waiting() {
        Some(waiting) if waiting.pending.sequence >= sequence && waiting.digest != checked.digest => {
            Err(Refusal::conflict("a later batch lies ready: prepare this one again"))
        }
        _ => Ok(sequence),
    }
}

fn check_batch(collection: &Collection, batch: &Batch, parts: Option<&Parts>) -> Result<(), Refusal> {
    check_base(collection, &batch.base)?;
    let (add, remove) = (batch.add.len(), batch.remove.len());
    if add > limits::SPLIT_ROWS || remove > limits::SPLIT_ROWS || add + remove == 0 {
        return Err(Refusal::bad(format!("batch: 1 to {} rows at a time", limits::SPLIT_ROWS)));
    }
    let words = add * collection.dim();
    if words > limits::SPLIT_WORDS {
        return Err(Refusal::bad(format!("batch: {words} words, the limit is {}", limits::SPLIT_WORDS)));
    }
    let fits = match parts {
        None => words == 0,
        Some(parts) => words > 0 && has_words(&parts.own, words) && has_words(&parts.next, words),
    };
    if !fits {
        return Err(Refusal::bad(format!("parts: they must have {words} words")));
    }
    collection.fault_of(batch).map_or(Ok(()), |fault| Err(Refusal::conflict(fault)))
}

/// Whether a change starts from what is here.
pub(crate) fn check_base(collection: &Collection, base: &Version) -> Result<(), Refusal> {
    let here = collection.version();
    if here == *base {
        return Ok(());
    }
    Err(Refusal::conflict(if base.number > here.number {
        format!(
            "this server is at version {}, before {}: it catches up at the next search, or needs a repair",
            here.number, base.number
        )
    } else {
        format!("the collection changed meanwhile: it is at version {}, not {}", here.number, base.number)
    }))
}

fn commit(
    node: &Node,
    collection: &mut Collection,
    checked: &Checked,
    first: Option<&Bytes>,
) -> Result<Answer, Refusal> {
    let Action::Commit { prepared, sequence, receipts } = &checked.order.action else {
        return Err(Refusal::internal(&"another order than to commit"));
    };
    let done = collection
        .entry()
        .and_then(|entry| order_of(&entry.prepared))
        .is_some_and(|(_, digest)| digest == *prepared);
    if done {
        return Ok(Answer::State(collection.state()));
    }
    let waiting = collection.waiting().filter(|waiting| waiting.digest == *prepared);
    let waiting = waiting.ok_or_else(|| Refusal::conflict("no such batch lies ready: prepare it again"))?;
    if waiting.order.account != checked.order.account {
        return Err(Refusal::forbidden("commit: another member prepared this batch"));
    }
    let id = checked.order.collection;
    for (role, receipt) in Role::ALL.into_iter().zip(receipts) {
        let said = Receipt::signed_bytes(&id, prepared, &collection.version(), *sequence, role.index() as u8);
        signed_by(node, role, &said, receipt)
            .map_err(|()| Refusal::bad(format!("receipts: the one of {} does not fit", node.name(role))))?;
    }
    let entry = match node.role {
        Role::First => {
            let version = collection.version_after(prepared);
            decide(node, id, waiting.pending.order.clone(), *prepared, version, Some(checked.signed.clone()))
        }
        Role::Second | Role::Third => {
            let first = first.ok_or_else(|| {
                Refusal::conflict("commit: P0 decides first, and its decision must come along")
            })?;
            let entry: Entry = decode(&first.0).map_err(|error| Refusal::bad(error.to_string()))?;
            check_entry(node, collection, &entry)?;
            entry
        }
    };
    collection.commit(entry)?;
    Ok(Answer::State(collection.state()))
}

/// P0's decision.
pub(crate) fn decide(
    node: &Node,
    id: CollectionId,
    order: pmirs_wire::split::SignedOrder,
    prepared: Digest,
    version: Version,
    commit: Option<pmirs_wire::split::SignedOrder>,
) -> Entry {
    let said = Entry::decided_bytes(&id, &prepared, &version);
    let decision = Bytes(node.keys.signing.sign(&said).0.to_vec());
    Entry { prepared: order, commit, version, decision }
}

/// Whether an entry is P0's decision on what lies ready here.
pub(crate) fn check_entry(node: &Node, collection: &Collection, entry: &Entry) -> Result<(), Refusal> {
    let (_, digest) = order_of(&entry.prepared).ok_or_else(|| Refusal::bad("decision: it names no order"))?;
    let waiting = collection.waiting().filter(|waiting| waiting.digest == digest);
    let waiting =
        waiting.ok_or_else(|| Refusal::conflict("decision: what it decides on does not lie ready here"))?;
    if entry.version != collection.version_after(&digest) {
        return Err(Refusal::conflict("decision: it does not follow the version that is here"));
    }
    let said = Entry::decided_bytes(&collection.header().collection, &digest, &entry.version);
    signed_by(node, Role::First, &said, &entry.decision)
        .map_err(|()| Refusal::forbidden("decision: P0 did not sign it"))?;
    // Nor is P0 believed about whose will it was.
    match (&waiting.pending.kind, &entry.commit) {
        (PendingKind::Refresh { .. }, _) => Ok(()),
        (PendingKind::Batch(_) | PendingKind::Tree, None) => {
            Err(Refusal::forbidden("decision: nobody ordered to commit the change"))
        }
        (PendingKind::Batch(_) | PendingKind::Tree, Some(commit)) => {
            check_signature(&waiting.pending.identity, commit)?;
            let names_it = order_of(commit).is_some_and(|(order, _)| {
                matches!(order.action, Action::Commit { prepared, .. } if prepared == digest)
                    && order.collection == collection.header().collection
            });
            if names_it {
                Ok(())
            } else {
                Err(Refusal::forbidden("decision: another batch was to be committed"))
            }
        }
    }
}

fn delete(node: &Node, id: CollectionId) -> Result<Answer, Refusal> {
    let Some(shared) = node.remove(&id) else { return Err(Refusal::not_found()) };
    // Sessions that still read it hold it in memory; the files go now.
    write(&shared).delete()?;
    node.models.forget(&id);
    tracing::info!(collection = %id, "a collection was deleted");
    Ok(Answer::Gone)
}

fn signed_by(node: &Node, role: Role, message: &[u8], signature: &Bytes) -> Result<(), ()> {
    let key = PartyPublicKey::from_bytes(&parties::entry(&node.trio, role).signs.0).map_err(drop)?;
    let signature = <[u8; 64]>::try_from(signature.0.as_slice()).map_err(drop)?;
    key.verify(message, &Signature(signature)).map_err(drop)
}
