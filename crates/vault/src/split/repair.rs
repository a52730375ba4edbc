//! Bringing back what one of the three lost, and what a member shared wrongly.

use std::time::{Duration, Instant};

use pmirs_wire::collection::Protection;
use pmirs_wire::split::Action;
use pmirs_wire::{Bytes, CollectionId, ItemId, limits};

use super::ask::{Parties, is_conflict, pause};
use super::lies;
use super::members::ATTEMPTS;
use crate::VaultError;
use crate::collection::Collection;
use crate::progress::Progress;

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Names of the servers that got their shares again.
    pub repaired: Vec<String>,
    /// Rows that were shared anew.
    pub rows: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Collection<'_> {
    /// Gives one of the three servers its shares again, where it lost or damaged them, or was set back to earlier ones: the
    /// two others hold each of its components. Without a name, whichever of them is in need. With `rows`, every row is
    /// shared anew from the item's sealed embedding: for rows that a member's program shared wrongly. Afterwards the three
    /// hold what the log has.
    ///
    /// # Errors
    /// [`VaultError::NotSplit`]; [`VaultError::Parties`] where none of the three has this name;
    /// [`VaultError::Party`] where two of them are in need, since one alone cannot help; when the role does not allow
    /// it, or a server cannot be reached.
    pub fn repair(
        &self,
        party: Option<&str>,
        rows: bool,
        progress: &dyn Progress,
    ) -> Result<RepairReport, VaultError> {
        if self.record.protection != Protection::Split {
            return Err(VaultError::NotSplit(self.header.name.clone()));
        }
        let started = Instant::now();
        let parties = self.parties()?;
        let named = party.map(|party| parties.place(party)).transpose()?;
        let mut report = RepairReport::default();
        for place in parties.in_need(self.record.id)? {
            if named.is_none_or(|named| named == place) {
                parties.repair(self.record.id, place)?;
                report.repaired.push(parties.name(place).to_owned());
            }
        }
        if rows {
            report.rows = self.share_anew(&parties, progress)?;
        }
        self.follow_rows(progress)?;
        report.elapsed = started.elapsed();
        Ok(report)
    }

    /// Puts every row in the place of itself, from the sealed embedding. A batch is there whole or not at all, so that
    /// meanwhile each item is found by its old row or its new one.
    fn share_anew(&self, parties: &Parties, progress: &dyn Progress) -> Result<u64, VaultError> {
        let state = parties.state(self.record.id)?;
        let mut left: Vec<ItemId> = self.rows(parties, state.version)?;
        let most = limits::SPLIT_ROWS.min(limits::SPLIT_WORDS / (state.dim.max(1) as usize)).max(1);
        progress.start("sharing", Some(left.len() as u64));
        let (mut base, mut done, mut attempts) = (state.version, 0, 0);
        while !left.is_empty() {
            let batch = left.split_off(left.len().saturating_sub(most));
            // Those that were removed meanwhile keep their rows until the three follow the log.
            let add = self.embeddings(&batch)?;
            let remove: Vec<ItemId> = add.iter().map(|(item, _)| *item).collect();
            match parties.change(self.record.id, base, &add, &remove) {
                _ if add.is_empty() => {}
                Ok(state) => {
                    base = state.version;
                    done += add.len() as u64;
                    progress.advance(add.len() as u64);
                }
                Err(error) if is_conflict(&error) && attempts < ATTEMPTS => {
                    // Somebody else changed the rows: those of this batch that are still there come again.
                    attempts += 1;
                    parties.meet(self.record.id)?;
                    pause(attempts)?;
                    base = parties.state(self.record.id)?.version;
                    let now = self.rows(parties, base)?;
                    left.extend(batch.into_iter().filter(|item| now.contains(item)));
                }
                Err(error) => return Err(error),
            }
        }
        progress.finish();
        Ok(done)
    }
}

impl Parties {
    /// The place of the one that has this name.
    fn place(&self, name: &str) -> Result<usize, VaultError> {
        let names = [0, 1, 2].map(|place| self.name(place));
        names.iter().position(|known| *known == name).ok_or_else(|| {
            VaultError::Parties(format!("none of the three is named '{name}': they are {}", names.join(", ")))
        })
    }

    /// Those that cannot catch up by themselves. One alone can be helped.
    pub(super) fn in_need(&self, collection: CollectionId) -> Result<Vec<usize>, VaultError> {
        let mut behind = self.behind(collection);
        if !behind.is_empty() && self.lacking(collection).is_empty() {
            // One that only missed the first's last word hears of it when they meet, which fails where that is not all.
            let _ = self.meet(collection);
            behind = self.behind(collection);
        }
        match behind.as_slice() {
            [] | [_] => Ok(behind),
            more => {
                let names: Vec<&str> = more.iter().map(|place| self.name(*place)).collect();
                let reason = "they both lack the collection, and one server alone cannot bring it back: make it anew, and \
                              add again";
                Err(lies(&names.join(" and "), reason))
            }
        }
    }

    pub(super) fn repair(&self, collection: CollectionId, place: usize) -> Result<(), VaultError> {
        let order = self.order(collection, Action::Repair { place: place as u8 })?;
        self.ask_all(&order, [const { Bytes(Vec::new()) }; 3]).map(drop)
    }
}
