//! Orders about models that one party carries out by itself.

use pmirs_wire::split::{Action, Answer, Batch, ModelEntry};
use pmirs_wire::{Bytes, Digest, ItemId, limits};

use super::{Described, digest_of, lacking};
use crate::clock::now_ms;
use crate::orders::Signed;
use crate::refusal::Refusal;
use crate::state::{Node, Shared, read, write};
use crate::store::Collection;

/// Whether an order is one that such a store takes: nobody searches weights or lists their rows, which would tell them
/// bit by bit, and nothing is encoded with a collection.
pub(crate) fn fits(is_model: bool, action: &Action) -> Result<(), Refusal> {
    let fitting = match action {
        Action::Show
        | Action::Members
        | Action::Govern { .. }
        | Action::Prepare { .. }
        | Action::Commit { .. }
        | Action::Refresh { .. }
        | Action::Repair { .. }
        | Action::Meet
        | Action::Delete => true,
        Action::Describe { .. } | Action::Manifest | Action::Encode(_) => is_model,
        Action::Models => false,
        _ => !is_model,
    };
    let kind = if is_model { "a model" } else { "a collection" };
    if fitting { Ok(()) } else { Err(Refusal::bad(format!("{}: not with {kind}", action.name()))) }
}

/// Keeps a manifest, or hands it out.
pub(crate) fn carry_out(
    node: &Node,
    shared: &Shared,
    action: &Action,
    beside: &Bytes,
) -> Result<Answer, Refusal> {
    match action {
        Action::Describe { manifest } => describe(node, &write(shared), *manifest, beside),
        Action::Manifest => {
            let manifest = read(shared).manifest()?;
            manifest.map(|bytes| Answer::Manifest(bytes.into())).ok_or_else(lacking)
        }
        _ => Err(Refusal::internal(&"another order than about a manifest")),
    }
}

fn describe(node: &Node, model: &Collection, digest: Digest, manifest: &Bytes) -> Result<Answer, Refusal> {
    if digest_of(model)? != digest {
        return Err(Refusal::conflict("the model's statements name another manifest"));
    }
    if model.manifest()?.is_none() {
        Described::read(&manifest.0, &digest)?;
        model.describe(&manifest.0)?;
        node.models.forget(&model.header().collection);
        tracing::info!(model = %model.header().collection, "a model was described");
    }
    Ok(Answer::State(model.state()))
}

/// Whether a batch brings the next pieces of a model's weights: pieces are numbered, come in order, and stay.
pub(crate) fn check_batch(node: &Node, model: &Collection, batch: &Batch) -> Result<(), Refusal> {
    if model.members.model().is_none() {
        return Ok(());
    }
    let described = node.models.described(model)?;
    let here = model.items().len();
    if !batch.remove.is_empty() {
        return Err(Refusal::bad("batch: a model's weights are removed with the model"));
    }
    let numbered =
        (here..).zip(&batch.add).all(|(number, item)| *item == ItemId((number as u128).to_be_bytes()));
    if !numbered || here + batch.add.len() > described.rows() {
        let what = format!("batch: pieces {here} to {} come next, in order", described.rows());
        return Err(Refusal::conflict(what));
    }
    Ok(())
}

/// Models that whoever signed this may use. A stranger is told as much as somebody who may use none.
pub(crate) fn list(node: &Node, signed: Signed) -> Result<Answer, Refusal> {
    let account = signed.order().account;
    let mut members = None;
    let mut entries = Vec::new();
    for shared in node.all() {
        let here = read(&shared);
        let Some(manifest) = here.members.model() else { continue };
        if here.members.member(&account).is_none() || entries.len() >= limits::SPLIT_MODELS {
            continue;
        }
        members.get_or_insert_with(|| here.members.clone());
        entries.push(ModelEntry {
            model: here.header().collection,
            manifest,
            name: node.models.described(&here).ok().map(|described| described.name().to_owned()),
            owners: here.members.owners(),
        });
    }
    if let Some(members) = members {
        let checked = signed.by_member(&members)?;
        node.once.admit(checked.digest, checked.order.sent_ms, now_ms())?;
    }
    entries.sort_by_key(|entry| entry.model);
    Ok(Answer::Models(entries))
}
