//! An index of a split collection: a tree of cells that its owner deals, so that a search need not touch every row.
//!
//! A tree is what lies in its cells, in shares: of each cell its centroid, then its rows, then their numbers, then a word
//! for each that says whether it is empty. Numbers count from 1 in the order of the rows of the version that it was made
//! for; an empty place has number 0. It is uploaded in pieces ([`TreeAction::Piece`]) that count for nothing until an order
//! [plants](TreeAction::Plant) them, as a change of the collection like any other: prepared by all three, decided by P0.

use serde::{Deserialize, Serialize};

use super::Version;
use crate::{Digest, limits};

/// The shape of a tree, which everyone may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreePlan {
    /// How many cells.
    pub cells: u32,
    /// Places in each, full or empty.
    pub capacity: u32,
    /// How many cells a search touches unless it says otherwise.
    pub probes: u32,
    /// After so many queries the cells get other slots.
    pub period: u32,
}

impl TreePlan {
    /// Words of one cell: its centroid, its rows, their numbers, and which of them are empty.
    pub fn cell_words(&self, dim: usize) -> usize {
        dim.saturating_add((self.capacity as usize).saturating_mul(dim.saturating_add(2)))
    }

    /// Words of the whole tree.
    pub fn words(&self, dim: usize) -> usize {
        self.cell_words(dim).saturating_mul(self.cells as usize)
    }

    /// What is wrong with it for so many rows, if anything.
    pub fn fault(&self, rows: usize) -> Option<String> {
        let places = u64::from(self.cells) * u64::from(self.capacity);
        if self.cells == 0 || self.capacity == 0 || self.period == 0 {
            return Some("a tree has cells, and places in them, and a period".to_owned());
        }
        if self.probes == 0 || self.probes > self.cells {
            return Some(format!("probes is {}, outside 1 to {}", self.probes, self.cells));
        }
        if places < rows as u64 || places > (rows as u64).saturating_mul(limits::SPLIT_TREE_PLACES as u64) {
            return Some(format!("{places} places for {rows} rows"));
        }
        None
    }
}

/// What a member may want of a collection's tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TreeAction {
    /// What tree there is at one server. By a reader.
    Show,
    /// The items that the tree's numbers stand for, from a number on (the first is 0). By a reader.
    Rows {
        /// Where the page begins.
        from: u64,
    },
    /// Some words of a tree that is not planted yet, with parts. By an owner. The first piece takes the place of whatever was
    /// uploaded before.
    Piece {
        /// 32 random bytes that all pieces of one tree share.
        upload: Digest,
        /// The place of the first word of this piece.
        at: u64,
        /// How many words it has, at most [`limits::SPLIT_WORDS`].
        words: u32,
        /// SHA-256 of the encoded [`Parts`](super::Parts) of P0, P1 and P2.
        parts: [Digest; 3],
    },
    /// Makes the pieces the collection's tree, or takes the tree away. Prepared and committed as a batch is. By an owner.
    Plant {
        /// The version that it changes; the tree is of its rows.
        base: Version,
        /// The tree; nothing takes away the one that is there.
        tree: Option<Planting>,
    },
}

/// Which pieces, and in what shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planting {
    /// The upload.
    pub upload: Digest,
    /// Its shape.
    pub plan: TreePlan,
}

/// A tree at one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeState {
    /// The digest of the order that planted it: searches name it by this.
    pub tree: Digest,
    /// Its shape.
    pub plan: TreePlan,
    /// The version whose rows it holds.
    pub base: Version,
    /// How many rows that were.
    pub rows: u64,
    /// How many of them were removed since.
    pub removed: u64,
    /// How many rows came since: every search looks at all of these.
    pub added: u64,
    /// Queries since the cells got their slots; nothing where they have none, so that the next search shuffles them.
    pub queries: Option<u32>,
}

/// How a search uses a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probing {
    /// Which tree.
    pub tree: Digest,
    /// How many of its cells each query touches.
    pub probes: u32,
}

/// What a search did with a tree, as every server saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// Slots that each query touched.
    pub slots: u32,
    /// Of how many.
    pub of: u32,
    /// Rows that each query looked at besides, because they came after the tree.
    pub others: u64,
    /// How many rows the tree was made of: numbers above stand for rows of the present version, from the first on.
    pub numbered: u64,
    /// Whether the cells got other slots for this search.
    pub shuffled: bool,
}
