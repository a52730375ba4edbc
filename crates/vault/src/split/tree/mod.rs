//! The index of a split collection: its owner grows a tree over the true embeddings, deals the cells in shares, and the
//! three search the cells that lie nearest to a query.
//!
//! Only shares leave: of centroids, of rows in their cells, and of the rows' numbers, so that the three learn neither what a
//! cell holds nor which row lies in which. What they do learn of each query is which slots it touches.

mod deal;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use pmirs_index::{Tree, TreeShape};
use pmirs_wire::ItemId;
use pmirs_wire::split::{Planting, Probing, Touched, TreePlan, TreeState};
use rand_core::Rng as _;

use super::ask::{Parties, is_conflict, pause};
use super::lies;
use super::members::ATTEMPTS;
use crate::collection::Collection;
use crate::progress::Progress;
use crate::{Protection, Role, VaultError, fresh};

/// Of the rows that a tree was made of: where more came or went since, it is to be made anew.
const STALE: f64 = 0.2;

/// How an index is to be made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IndexOptions {
    /// Rows of a cell, on average.
    pub rows_per_cell: usize,
    /// How much of the cells a search touches, above 0 and at most 1.
    pub share: f64,
    /// After how many searches the three shuffle the cells, so that slots mean nothing new.
    pub period: u32,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self { rows_per_cell: 32, share: 0.15, period: 256 }
    }
}

/// What making an index did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IndexReport {
    /// Rows that are in it.
    pub rows: u64,
    /// Cells.
    pub cells: u32,
    /// Places in each.
    pub capacity: u32,
    /// Cells that a search touches.
    pub probes: u32,
    /// Searches until the cells are shuffled.
    pub period: u32,
    /// Bytes of shares that went to the three together.
    pub bytes: u64,
    /// How long growing the tree took.
    pub grown: Duration,
    /// How long all of it took.
    pub elapsed: Duration,
}

/// An index as it is at the three servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexState {
    /// Rows that it was made of.
    pub rows: u64,
    /// Of these, rows that were removed since.
    pub removed: u64,
    /// Rows that came since: every search looks at all of them.
    pub added: u64,
    /// Cells.
    pub cells: u32,
    /// Places in each.
    pub capacity: u32,
    /// Cells that a search touches.
    pub probes: u32,
    /// Searches until the cells are shuffled.
    pub period: u32,
}

impl IndexState {
    fn of(state: &TreeState) -> Self {
        let TreePlan { cells, capacity, probes, period } = state.plan;
        Self { rows: state.rows, removed: state.removed, added: state.added, cells, capacity, probes, period }
    }

    /// Whether so much changed since that it should be made anew.
    pub fn is_stale(&self) -> bool {
        (self.removed + self.added) as f64 > STALE * self.rows as f64
    }
}

/// What a search through an index looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexUse {
    /// Cells that it touched.
    pub touched: u32,
    /// Of how many.
    pub cells: u32,
    /// Rows that came after the index was made, all of which were looked at.
    pub others: u64,
    /// Whether the three shuffled the cells for this search.
    pub shuffled: bool,
    /// Whether so much changed since that the index should be made anew.
    pub stale: bool,
}

/// What a search needs to know of a tree.
pub(super) struct Known {
    pub(super) probing: Probing,
    pub(super) state: TreeState,
}

impl Known {
    pub(super) fn used(&self, touched: &Touched) -> IndexUse {
        IndexUse {
            touched: touched.slots,
            cells: touched.of,
            others: touched.others,
            shuffled: touched.shuffled,
            stale: IndexState::of(&self.state).is_stale(),
        }
    }
}

impl Collection<'_> {
    /// Makes an index of the rows that are there now, in the place of any other.
    ///
    /// # Errors
    /// When the collection is none of the split level, has no rows or goes over to another model; when this person is no
    /// owner of it; when the cloud or one of the three fails. Then the index that was there before is still there.
    pub fn make_index(
        &self,
        options: &IndexOptions,
        progress: &dyn Progress,
    ) -> Result<IndexReport, VaultError> {
        let started = Instant::now();
        self.split_only()?;
        self.owner_only()?;
        for attempt in 1.. {
            self.follow_rows(progress)?;
            if self.models().is_moving() {
                return Err(VaultError::Query(
                    "an index of items that go over to another model; `pmirs model use` ends that first"
                        .to_owned(),
                ));
            }
            match self.try_index(options, progress) {
                // Somebody added or removed meanwhile, or one of the three was behind.
                Err(error) if is_conflict(&error) || matches!(error, VaultError::Busy) => {
                    if attempt >= ATTEMPTS {
                        return Err(error);
                    }
                    pause(attempt)?;
                }
                done => return done.map(|report| IndexReport { elapsed: started.elapsed(), ..report }),
            }
        }
        Err(VaultError::Busy)
    }

    fn try_index(&self, options: &IndexOptions, progress: &dyn Progress) -> Result<IndexReport, VaultError> {
        let parties = self.parties()?;
        let base = parties.state(self.record.id)?.version;
        let items = self.rows(&parties, base)?;
        if items.is_empty() {
            return Err(VaultError::Query("an index of no items at all".to_owned()));
        }
        let mut found: HashMap<ItemId, Vec<f32>> = self.embeddings(&items)?.into_iter().collect();
        let vectors: Option<Vec<Vec<f32>>> = items.iter().map(|item| found.remove(item)).collect();
        // Somebody removed one of them.
        let vectors = vectors.ok_or(VaultError::Busy)?;

        progress.start("growing the tree", None);
        let growing = Instant::now();
        let shape = TreeShape { mean: options.rows_per_cell, ..TreeShape::default() };
        let tree = Tree::grow(&vectors, shape, fresh::rng()?.next_u64())
            .map_err(|error| VaultError::Internal(error.to_string()))?;
        let grown = growing.elapsed();
        progress.finish();

        let cells = tree.cells().len();
        let probes = ((cells as f64 * options.share).floor() as usize).clamp(1, cells);
        let plan = TreePlan {
            cells: cells as u32,
            capacity: tree.capacity() as u32,
            probes: probes as u32,
            period: options.period.max(1),
        };
        let upload = parties.upload_tree(self.record.id, &tree, &vectors, plan, progress)?;
        parties.plant(self.record.id, base, Some(Planting { upload, plan }))?;
        let words = plan.words(self.header.dim as usize) as u64;
        Ok(IndexReport {
            rows: items.len() as u64,
            cells: plan.cells,
            capacity: plan.capacity,
            probes: plan.probes,
            period: plan.period,
            // Two of the three get one component as words, and all else are seeds.
            bytes: 2 * 4 * words,
            grown,
            elapsed: growing.elapsed(),
        })
    }

    /// Has the three erase the index; returns whether there was one.
    ///
    /// # Errors
    /// As for [`Self::make_index`].
    pub fn drop_index(&self) -> Result<bool, VaultError> {
        self.split_only()?;
        self.owner_only()?;
        let parties = self.parties()?;
        for attempt in 1..=ATTEMPTS {
            let base = parties.state(self.record.id)?.version;
            if parties.tree(0, self.record.id)?.is_none() {
                return Ok(false);
            }
            match parties.plant(self.record.id, base, None) {
                Err(error) if is_conflict(&error) => pause(attempt)?,
                done => return done.map(|()| true),
            }
        }
        Err(VaultError::Busy)
    }

    /// The index that the three have, if they have one.
    ///
    /// # Errors
    /// When the collection is none of the split level, or the first of the three fails.
    pub fn index(&self) -> Result<Option<IndexState>, VaultError> {
        self.split_only()?;
        Ok(self.parties()?.tree(0, self.record.id)?.as_ref().map(IndexState::of))
    }

    fn split_only(&self) -> Result<(), VaultError> {
        if self.record.protection == Protection::Split {
            return Ok(());
        }
        Err(VaultError::Query("only a split collection has an index at three servers".to_owned()))
    }

    fn owner_only(&self) -> Result<(), VaultError> {
        let me = self.remote.account();
        let mut history = self.history();
        history.follow(&self.remote, self.vault.local())?;
        let member = history.state().and_then(|state| state.members.get(&me));
        match member.map(|member| member.role) {
            Some(Role::Owner) => Ok(()),
            role => {
                let role = role.map_or("stranger", Role::name);
                let reason = format!("it needs the role owner, this member is a {role}");
                Err(VaultError::NotAllowed { action: "index", reason })
            }
        }
    }

    /// The tree that a search is to use.
    pub(super) fn known_tree(&self, parties: &Parties) -> Result<Known, VaultError> {
        let state = parties.tree(0, self.record.id)?;
        let state = state.ok_or_else(|| VaultError::NoIndex(self.header.name.clone()))?;
        Ok(Known { probing: Probing { tree: state.tree, probes: state.plan.probes }, state })
    }

    /// The items that a tree's numbers stand for.
    pub(super) fn tree_items(&self, parties: &Parties, state: &TreeState) -> Result<Vec<ItemId>, VaultError> {
        let local = self.vault.local();
        if let Some(items) = local.tree_items(self.record.id, state.tree)? {
            return Ok(items);
        }
        let [items, others] = [0, 1].map(|place| parties.tree_rows(place, self.record.id, state.base));
        let (items, others) = (items?, others?);
        if items != others || items.iter().collect::<BTreeSet<_>>().len() != items.len() {
            let names = format!("{} or {}", parties.name(0), parties.name(1));
            return Err(lies(&names, "they do not list the same rows of the index, or one of them twice"));
        }
        local.remember_tree_items(self.record.id, state.tree, &items)?;
        Ok(items)
    }
}
