//! A tree's way to the three: dealt cell by cell in pieces, planted by an order, and shown again.

use pmirs_index::Tree;
use pmirs_wire::split::{
    Action, Answer, Planting, RowPage, SignedOrder, TreeAction, TreePlan, TreeState, Version,
};
use pmirs_wire::{Bytes, CollectionId, Digest, ItemId, limits};
use rand_core::Rng as _;

use crate::progress::Progress;
use crate::split::ask::{Parties, pinned};
use crate::split::rows::deal;
use crate::split::{lies, quantised};
use crate::{VaultError, fresh};

/// Words that travel in one piece.
const PIECE: usize = 1 << 20;
const _: () = assert!(PIECE <= limits::SPLIT_WORDS, "a piece is one that the three take");

impl Parties {
    pub(super) fn tree(
        &self,
        place: usize,
        collection: CollectionId,
    ) -> Result<Option<TreeState>, VaultError> {
        let order = self.order(collection, Action::Tree(TreeAction::Show))?;
        match self.ask(place, &order, Bytes(Vec::new()), None)? {
            Answer::Tree(tree) => Ok(tree),
            _ => Err(lies(self.name(place), "it answers with something else than the index")),
        }
    }

    pub(super) fn tree_rows(
        &self,
        place: usize,
        collection: CollectionId,
        version: Version,
    ) -> Result<Vec<ItemId>, VaultError> {
        self.pages(place, version, |from| self.order(collection, Action::Tree(TreeAction::Rows { from })))
    }

    /// Deals the cells one after another, a piece at a time.
    pub(super) fn upload_tree(
        &self,
        collection: CollectionId,
        tree: &Tree,
        vectors: &[Vec<f32>],
        plan: TreePlan,
        progress: &dyn Progress,
    ) -> Result<Digest, VaultError> {
        let mut id = [0; 32];
        fresh::rng()?.fill_bytes(&mut id);
        let dim = tree.dim();
        let mut piece = Piece { upload: Digest(id), at: 0, words: Vec::new() };
        progress.start("dealing the index", Some(plan.cells.into()));
        for (rows, centroid) in tree.cells().iter().zip(tree.centroids()) {
            let empty = (plan.capacity as usize).saturating_sub(rows.len());
            piece.words.extend(quantised(centroid));
            let of =
                |row: &u32| vectors.get(*row as usize).map(|vector| quantised(vector)).unwrap_or_default();
            piece.words.extend(rows.iter().flat_map(of));
            piece.words.resize(piece.words.len() + empty * dim, 0);
            piece.words.extend(rows.iter().map(|row| row + 1));
            piece.words.resize(piece.words.len() + empty + rows.len(), 0);
            piece.words.resize(piece.words.len() + empty, 1);
            while piece.words.len() >= PIECE {
                self.send_piece(collection, &mut piece)?;
            }
            progress.advance(1);
        }
        if !piece.words.is_empty() {
            self.send_piece(collection, &mut piece)?;
        }
        progress.finish();
        Ok(piece.upload)
    }

    fn send_piece(&self, collection: CollectionId, piece: &mut Piece) -> Result<(), VaultError> {
        let rest = piece.words.split_off(piece.words.len().min(PIECE));
        let words = std::mem::replace(&mut piece.words, rest);
        let (bytes, parts) = pinned(&deal(&words)?)?;
        let (upload, at, count) = (piece.upload, piece.at, words.len() as u32);
        let action = Action::Tree(TreeAction::Piece { upload, at, words: count, parts });
        let answers = self.ask_all(&self.order(collection, action)?, bytes)?;
        self.settled(collection, answers)?;
        piece.at += words.len() as u64;
        Ok(())
    }

    pub(super) fn plant(
        &self,
        collection: CollectionId,
        base: Version,
        tree: Option<Planting>,
    ) -> Result<(), VaultError> {
        let order = self.order(collection, Action::Tree(TreeAction::Plant { base, tree }))?;
        self.settle(collection, &order, [const { Bytes(Vec::new()) }; 3]).map(drop)
    }

    /// All pages of a list of rows of one version.
    pub(in crate::split) fn pages(
        &self,
        place: usize,
        version: Version,
        order: impl Fn(u64) -> Result<SignedOrder, VaultError>,
    ) -> Result<Vec<ItemId>, VaultError> {
        let mut items: Vec<ItemId> = Vec::new();
        loop {
            let from = items.len() as u64;
            let Answer::Rows(RowPage { version: of, from: start, items: page }) =
                self.ask(place, &order(from)?, Bytes(Vec::new()), None)?
            else {
                return Err(lies(self.name(place), "it answers with something else than rows"));
            };
            if of != version {
                return Err(VaultError::Busy);
            }
            let (ids, rest) = page.0.as_chunks::<16>();
            if start != from || !rest.is_empty() || items.len() + ids.len() > limits::SPLIT_COLLECTION {
                return Err(lies(self.name(place), "its list of rows is not one"));
            }
            items.extend(ids.iter().map(|id| ItemId(*id)));
            if ids.len() < limits::SPLIT_ROW_PAGE {
                return Ok(items);
            }
        }
    }
}

/// Words of a tree that were not sent yet.
struct Piece {
    upload: Digest,
    at: u64,
    words: Vec<u32>,
}
