//! Orders about a collection's tree that one party carries out by itself: showing it, taking its pieces, laying it ready.
//!
//! Pieces count for nothing. What plants them is a change like a batch: prepared by all three, then decided by P0.

use pmirs_wire::split::{Answer, Parts, PendingKind, Planting, RowPage, TreeAction};
use pmirs_wire::{Bytes, Digest, limits};

use crate::commands::{Beside, check_base, lay_ready, own_parts};
use crate::orders::Checked;
use crate::refusal::Refusal;
use crate::state::{Node, Shared, read, write};
use crate::store::tree::Planted;
use crate::store::{Collection, component_words};

pub(crate) fn carry_out(
    node: &Node,
    shared: &Shared,
    checked: &Checked,
    action: &TreeAction,
    beside: &Beside,
) -> Result<Answer, Refusal> {
    match action {
        TreeAction::Show => Ok(Answer::Tree(read(shared).tree().map(Planted::state))),
        TreeAction::Rows { from } => rows(&read(shared), *from),
        TreeAction::Piece { upload, at, words, parts } => {
            let words = *words as usize;
            if !(1..=limits::SPLIT_WORDS).contains(&words) {
                let most = limits::SPLIT_WORDS;
                return Err(Refusal::bad(format!("words is {words}, outside 1 to {most}")));
            }
            let parts = own_parts(node, parts, &beside.parts)?;
            let parts = parts.ok_or_else(|| Refusal::bad("parts: a piece has some"))?;
            // Expanding the seeds takes a while, and needs nothing of the collection.
            let (own, next) = both(&parts, words)?;
            piece(&mut write(shared), *upload, *at, &own, &next)
        }
        TreeAction::Plant { base, tree } => {
            let mut here = write(shared);
            check_base(&here, base)?;
            match tree {
                Some(planting) => check_planting(&here, planting)?,
                None if here.tree().is_none() => return Err(Refusal::conflict("the collection has no tree")),
                None => {}
            }
            let turn = lay_ready(node, &here, checked, base, beside.first.as_ref())?;
            if tree.is_some() {
                here.lay_tree(&checked.digest)?;
            }
            turn.lie(&mut here, checked, PendingKind::Tree)
        }
    }
}

fn rows(collection: &Collection, from: u64) -> Result<Answer, Refusal> {
    let tree = collection.tree().ok_or_else(|| Refusal::conflict("the collection has no tree"))?;
    let rest = usize::try_from(from).ok().and_then(|from| tree.items().get(from..)).unwrap_or_default();
    let items: Vec<u8> = rest.iter().take(limits::SPLIT_ROW_PAGE).flat_map(|item| item.0).collect();
    Ok(Answer::Rows(RowPage { version: tree.base(), from, items: Bytes(items) }))
}

fn both(parts: &Parts, words: usize) -> Result<(Vec<u32>, Vec<u32>), Refusal> {
    let (own, next) = (component_words(&parts.own, words), component_words(&parts.next, words));
    if own.len() != words || next.len() != words {
        return Err(Refusal::bad(format!("parts: they must have {words} words")));
    }
    Ok((own, next))
}

fn piece(
    here: &mut Collection,
    upload: Digest,
    at: u64,
    own: &[u32],
    next: &[u32],
) -> Result<Answer, Refusal> {
    let follows = at == 0 || here.upload().is_some_and(|it| it.expects(&upload, at));
    if !follows {
        return Err(Refusal::conflict("piece: it does not follow what was uploaded: begin again"));
    }
    let places = (here.items().len() + 1).saturating_mul(limits::SPLIT_TREE_PLACES);
    let most = places.saturating_mul(2 * here.dim() + 2) as u64;
    if at.saturating_add(own.len() as u64) > most {
        return Err(Refusal::bad("piece: a tree of this collection has fewer words"));
    }
    here.take_piece(upload, at, own, next)?;
    Ok(Answer::State(here.state()))
}

fn check_planting(here: &Collection, planting: &Planting) -> Result<(), Refusal> {
    if let Some(fault) = planting.plan.fault(here.items().len()) {
        return Err(Refusal::bad(format!("tree: {fault}")));
    }
    let words = planting.plan.words(here.dim()) as u64;
    match here.upload() {
        Some(upload) if upload.id() == planting.upload && upload.words() == words => Ok(()),
        Some(upload) if upload.id() == planting.upload => {
            Err(Refusal::bad(format!("tree: {} words were uploaded instead of {words}", upload.words())))
        }
        _ => Err(Refusal::conflict("tree: it was not uploaded, or another one since: begin again")),
    }
}
