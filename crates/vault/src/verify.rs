//! Checking that a collection is what its author wrote, byte for byte.

use std::collections::{HashMap, HashSet};

use pmirs_crypto::head_words;
use pmirs_wire::collection::{CollectionRecord, Protection};
use pmirs_wire::item::{Change, ItemRecord};
use pmirs_wire::log::SignedEntry;
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::sealed::ItemMeta;
use pmirs_wire::{FilterToken, ItemId, limits};
use rand_core::Rng as _;

use crate::collection::{Collection, open_record, record_digest};
use crate::history::{Event, State, Told, tell};
use crate::keys::{altered_collection, veiled_digest};
use crate::progress::Progress;
use crate::search::Index;
use crate::split::stepped_score;
use crate::tag::tokens_of;
use crate::{VaultError, fresh};

/// How often an item is looked at again because members change it meanwhile.
const ATTEMPTS: usize = 8;
/// How many items others may add while the changes are read, besides as many again as there are.
const SLACK: u64 = 100_000;

/// How far a row's score may lie from that of its embedding: one that was sealed anew since it was shared differs by its
/// rounding to 16 bits, which moves a few coordinates by one step.
const RESEALED: f32 = 1e-3;

/// Something that is not what its author wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which item.
    pub item: ItemId,
    /// Its name, where its metadata still opens or this machine remembers it.
    pub name: Option<String>,
    /// Which field.
    pub field: &'static str,
    /// What the check found.
    pub reason: String,
}

/// What verification found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Items that the cloud holds.
    pub items: u64,
    /// Sealed bytes that were read.
    pub bytes: u64,
    /// Entries of the signed log that were checked.
    pub entries: u64,
    /// Where the log ends.
    pub head: Option<Head>,
    /// What is wrong, item by item.
    pub faults: Vec<Fault>,
}

/// The end of a collection's history, for two people to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Number of the latest entry.
    pub number: u64,
    /// Twelve words that stand for it and everything before it.
    pub words: String,
}

impl Collection<'_> {
    /// Where the collection's history ends now.
    ///
    /// # Errors
    /// When the cloud cannot be asked, or its history is not in order.
    pub fn head(&self) -> Result<Head, VaultError> {
        let mut history = self.history();
        history.follow(&self.remote, self.vault.local())?;
        let (number, hash) = history.state().map_or((0, [0; 32]), |state| (state.number, state.hash.0));
        Ok(Head { number, words: head_words(&hash) })
    }

    /// Compares a head that another member read out with the history that the cloud shows here, and says which of
    /// its entries it is.
    ///
    /// # Errors
    /// [`VaultError::Forked`] where it is none of them: the cloud showed that member another history, or keeps back
    /// here what it showed there.
    pub fn compare_head(&self, words: &str) -> Result<u64, VaultError> {
        let mut history = self.history();
        history.follow(&self.remote, self.vault.local())?;
        let words = words.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ");
        let known = self.vault.local().entry_hashes(self.record.id)?;
        let same = known.iter().find(|(_, hash)| head_words(&hash.0) == words);
        same.map(|&(number, _)| number).ok_or_else(|| {
            let number = history.number().map_or(0, |number| number + 1);
            history.forked(number, "the other head is no entry of the history that the cloud shows here")
        })
    }

    /// The whole history, oldest first, every entry checked.
    ///
    /// # Errors
    /// When the cloud cannot be asked, or an entry breaks the rules.
    pub fn events(&self) -> Result<Vec<Event>, VaultError> {
        self.told(&mut |_| {}).map(|(told, _)| told.events)
    }

    /// The whole history, read anew: each entry that the server shows, checked, and all of them together what this
    /// machine followed before.
    pub(crate) fn told(
        &self,
        each: &mut dyn FnMut(&SignedEntry),
    ) -> Result<(Told, Option<State>), VaultError> {
        let local = self.vault.local();
        let known = {
            let mut history = self.history();
            history.follow(&self.remote, local)?;
            history.watch();
            history.number()
        };
        let told = tell(&self.remote, self.remote.account(), self.record.id, each)?;
        let mut history = self.history();
        let end = told.state.as_ref().map(|state| state.number);
        if end < known {
            let reason = format!("the server withholds entries from {} on", end.map_or(0, |end| end + 1));
            return Err(history.altered("history", &reason));
        }
        history.follow(&self.remote, local)?;
        for (&number, hash) in &told.hashes {
            if local.entry_hash(self.record.id, number)? != Some(*hash) {
                return Err(
                    history.forked(number, "it is another entry than the one that the server showed before")
                );
            }
        }
        Ok((told, history.state().cloned()))
    }
}

pub(crate) fn verify(
    collection: &Collection<'_>,
    progress: &dyn Progress,
) -> Result<VerifyReport, VaultError> {
    let (told, known) = collection.told(&mut |_| {})?;
    let changes = follow(collection, &told)?;
    // An epoch may have begun meanwhile.
    {
        let mut history = collection.history();
        history.follow(&collection.remote, collection.vault.local())?;
        collection.renew_keys(&mut history)?;
    }
    let Changed { listed, removed, .. } = &changes;
    progress.start("verifying", Some(listed.len() as u64));
    let mut verification = Verification { collection, told: &told, report: VerifyReport::default() };
    for record in listed {
        verification.item(record, ATTEMPTS)?;
        progress.advance(1);
    }
    verification.missing(listed, removed)?;
    if collection.record.protection == Protection::Split {
        verification.rows()?;
    }
    progress.finish();
    let mut report = verification.report;
    // An item at fault explains a sum that is off.
    if report.faults.is_empty() {
        adds_up(collection, &changes)?;
    }
    report.items = listed.len() as u64;
    report.entries = told.events.len() as u64;
    report.head = known.map(|state| Head { number: state.number, words: head_words(&state.hash.0) });
    Ok(report)
}

/// What the cloud says of the items, from the first change on.
#[derive(Default)]
struct Changed {
    /// Live records.
    listed: Vec<ItemRecord>,
    /// Items that were removed for good.
    removed: HashSet<ItemId>,
    /// Number of the latest change.
    seq: u64,
}

/// Reads all changes from the cloud, not from this machine's store.
fn follow(collection: &Collection<'_>, told: &Told) -> Result<Changed, VaultError> {
    let mut history = Changed::default();
    loop {
        let after = history.seq;
        let (page, _) = collection.remote.changes(collection.record.id, after)?;
        if page.more && (page.seq <= after || page.changes.is_empty()) {
            let got = format!("change {} after change {after}", page.seq);
            return Err(altered_collection(collection.record.id, "history", &got));
        }
        history.seq = page.seq;
        for change in page.changes {
            match change {
                Change::Added(record) => history.listed.push(record),
                Change::Removed(item) => {
                    history.removed.insert(item);
                }
            }
        }
        if !page.more {
            let Changed { listed, removed, .. } = &mut history;
            // Who was replaced while pages were read comes twice, as it is now last.
            let mut seen = HashSet::new();
            listed.reverse();
            listed.retain(|record| !removed.contains(&record.item) && seen.insert(record.item));
            listed.reverse();
            return Ok(history);
        }
        // A server that goes on for ever is stopped; others may add while it answers.
        if (history.listed.len() + history.removed.len()) as u64 > 2 * told.added + SLACK {
            let reason = format!("the server lists more than the {} that were ever added", told.added);
            return Err(altered_collection(collection.record.id, "items", &reason));
        }
    }
}

/// What the cloud says of the collection: what it said when it was opened, and what its history adds up to.
fn adds_up(collection: &Collection<'_>, history: &Changed) -> Result<(), VaultError> {
    let opened = &collection.record;
    let altered = |field, reason: &dyn std::fmt::Display| Err(altered_collection(opened.id, field, reason));
    let now = collection.remote.collection(opened.id)?;
    let same = CollectionRecord {
        items: now.items,
        bytes: now.bytes,
        seq: now.seq,
        // Who counts as its owner, this member's grants and the settings change with the history, which pins these two.
        owner: now.owner,
        header: now.header.clone(),
        grants: now.grants.clone(),
        ..opened.clone()
    };
    if now != same {
        return altered("record", &"it differs from the one that was opened");
    }
    let (now, ..) = open_record(collection.vault, &collection.remote, now, &mut collection.history())?;
    let synced = collection.vault.local().synced(opened.id)?;
    if now.seq < synced.max(history.seq) {
        return altered("history", &"it is shorter than the one seen before");
    }
    if now.seq > history.seq {
        // Somebody adds to it while we look; the changes must be there.
        let (page, _) = collection.remote.changes(opened.id, history.seq)?;
        return if page.seq < now.seq && !page.more {
            altered("history", &"changes are missing at its end")
        } else {
            Ok(())
        };
    }
    let bytes = history.listed.iter().map(|record| {
        let veiled = record.veiled.as_ref().map_or(0, |veiled| veiled.values.0.len());
        let tokens = record.tokens.len() * size_of::<FilterToken>();
        record.content_len + (record.meta.0.len() + record.embedding.0.len() + veiled + tokens) as u64
    });
    let (items, bytes) = (history.listed.len() as u64, bytes.fold(0, u64::saturating_add));
    if now.items != items {
        return altered("items", &format_args!("it says {}, its history holds {items}", now.items));
    }
    if now.bytes != bytes {
        return altered("bytes", &format_args!("it says {}, its history holds {bytes}", now.bytes));
    }
    Ok(())
}

struct Verification<'a, 'v> {
    collection: &'a Collection<'v>,
    told: &'a Told,
    report: VerifyReport,
}

impl Verification<'_, '_> {
    /// Looks at an item, and again where a member changed it meanwhile.
    fn item(&mut self, listed: &ItemRecord, attempts: usize) -> Result<(), VaultError> {
        let before = self.report.faults.len();
        self.look(listed)?;
        if self.report.faults.len() == before || attempts == 0 {
            return Ok(());
        }
        let Collection { remote, record: collection, vault, .. } = self.collection;
        let mut history = self.collection.history();
        history.follow(remote, vault.local())?;
        if !history.changed(listed.item) {
            return Ok(());
        }
        self.collection.renew_keys(&mut history)?;
        let gone = history.fits(vault.local(), listed.item, None)?;
        drop(history);
        match remote.item(collection.id, listed.item) {
            Ok(record) if record.item == listed.item => {
                self.report.faults.truncate(before);
                self.item(&record, attempts - 1)
            }
            Err(error) if gone && error.refusal() == Some(ProblemKind::NotFound) => {
                self.report.faults.truncate(before);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn look(&mut self, listed: &ItemRecord) -> Result<(), VaultError> {
        let Collection { remote, record: collection, .. } = self.collection;
        let keys = self.collection.keys();
        let item = listed.item;
        let meta = self.check(item, None, keys.open_meta(item, listed.epoch, &listed.meta.0))?;
        let name = meta.as_ref().map(|meta| meta.name.clone());
        let dim = meta.as_ref().and_then(|meta| self.collection.dim_of(meta));
        let embedding = keys.open_embedding(item, listed.epoch, &listed.embedding.0, dim);
        self.check(item, name.as_deref(), embedding)?;
        self.logged(listed, name.as_deref())?;

        match remote.item(collection.id, item) {
            Ok(record) => self.record(listed, &record, meta.as_ref()),
            Err(error) => self.unanswered(item, name.as_deref(), "record", error)?,
        }
        match remote.content(collection.id, item) {
            Ok(sealed) => self.content(listed, &sealed, meta.as_ref())?,
            Err(error) => self.unanswered(item, name.as_deref(), "content", error)?,
        }
        Ok(())
    }

    /// What the record is, the signed log must say.
    fn logged(&mut self, listed: &ItemRecord, name: Option<&str>) -> Result<(), VaultError> {
        let digest = record_digest(listed);
        if self.told.leaves.digest(&listed.item) == Some(digest) {
            return Ok(());
        }
        // Somebody may have changed it since the log was read.
        let pinned = self.collection.pinned(&mut self.collection.history(), listed.item, Some(digest));
        self.check(listed.item, name, pinned).map(drop)
    }

    /// The record alone must equal the one in the history, and its veiled vector the one that was signed for.
    fn record(&mut self, listed: &ItemRecord, record: &ItemRecord, meta: Option<&ItemMeta>) {
        let name = meta.map(|meta| meta.name.as_str());
        if record != listed {
            self.fault(listed.item, name, "record", "it differs from the one in the history");
        }
        let Some(meta) = meta else { return };
        let expected = match (&record.veiled, self.collection.keys().epoch(record.epoch)) {
            (Some(_), Ok(keys)) => tokens_of(&keys.token, meta),
            _ => Vec::new(),
        };
        if record.tokens != expected {
            self.fault(listed.item, name, "filter tokens", "they are not those of the metadata");
        }
        let found = record.veiled.as_ref().map(|veiled| veiled_digest(veiled.scale, &veiled.values));
        if found != meta.veiled {
            self.fault(listed.item, name, "veiled vector", "its digest is not the metadata's");
        }
    }

    fn content(
        &mut self,
        listed: &ItemRecord,
        sealed: &[u8],
        meta: Option<&ItemMeta>,
    ) -> Result<(), VaultError> {
        self.report.bytes += sealed.len() as u64;
        let name = meta.map(|meta| meta.name.as_str());
        let opened = self.collection.keys().open_content(listed.item, listed.epoch, sealed);
        let Some(content) = self.check(listed.item, name, opened)? else { return Ok(()) };
        if listed.content_len != sealed.len() as u64 {
            self.fault(listed.item, name, "content length", "it is not the content's");
        }
        if meta.is_some_and(|meta| meta.content.0 != pmirs_crypto::sha256(&content)) {
            self.fault(listed.item, name, "content", "its digest is not the metadata's");
        }
        Ok(())
    }

    /// Items that the signed log has, or that this machine once saw, and that the cloud has dropped.
    fn missing(&mut self, listed: &[ItemRecord], removed: &HashSet<ItemId>) -> Result<(), VaultError> {
        let known: HashSet<ItemId> = listed.iter().map(|record| record.item).collect();
        let collection = self.collection;
        for record in collection.local_records()? {
            if !known.contains(&record.item) && !removed.contains(&record.item) {
                let meta = collection.keys().open_meta(record.item, record.epoch, &record.meta.0).ok();
                let name = meta.as_ref().map(|meta| meta.name.as_str());
                self.fault(record.item, name, "record", "the cloud has lost it");
            }
        }
        let told: HashSet<ItemId> = self.report.faults.iter().map(|fault| fault.item).collect();
        let mut lost: Vec<ItemId> = self.told.leaves.items().map(|(item, _)| item).collect();
        lost.retain(|item| !known.contains(item) && !told.contains(item));
        for item in lost {
            if collection.history().fits(collection.vault.local(), item, None)? {
                continue;
            }
            self.fault(item, None, "record", "the signed log has it, the cloud has lost it");
        }
        Ok(())
    }

    /// The three servers must have a row for each item of the log, and none besides.
    fn rows(&mut self) -> Result<(), VaultError> {
        let collection = self.collection;
        let parties = collection.parties()?;
        let rows = collection.rows(&parties, parties.state(collection.record.id)?.version)?;
        let rows: HashSet<ItemId> = rows.into_iter().collect();
        let live: Vec<ItemId> = {
            let mut history = collection.history();
            history.follow(&collection.remote, collection.vault.local())?;
            history.leaves(collection.vault.local())?.items().map(|(item, _)| item).collect()
        };
        for item in live.iter().filter(|item| !rows.contains(item)) {
            self.fault(
                *item,
                None,
                "row",
                "the three servers have none, so no search finds it: run `pmirs rekey`",
            );
        }
        let live: HashSet<ItemId> = live.into_iter().collect();
        for item in rows.difference(&live) {
            self.fault(*item, None, "row", "the three servers still have one: run `pmirs rekey`");
        }
        self.row_contents()
    }

    /// A row must be a share of its item's sealed embedding. Nobody sees a row; but along a random direction it scores what
    /// its embedding scores, and another one hardly ever does. One search shows as many rows as it may return, those that
    /// reach farthest in that direction: all of a small collection, others of a large one each time.
    fn row_contents(&mut self) -> Result<(), VaultError> {
        let collection = self.collection;
        let direction = direction(collection.header.dim as usize)?;
        let found = collection.search_parties(&direction, limits::SPLIT_CANDIDATES, Index::Scan)?;
        let items: Vec<ItemId> = found.items.iter().map(|(item, _)| *item).collect();
        let truths: HashMap<ItemId, Vec<f32>> = collection.embeddings(&items)?.into_iter().collect();
        for (item, said) in found.items {
            // One that went meanwhile has no embedding any more.
            let Some(truth) = truths.get(&item) else { continue };
            if (said - stepped_score(truth, &direction)).abs() > RESEALED || said.is_nan() {
                let reason = format!(
                    "the three servers hold a share of another embedding (session {}): run `pmirs party repair {} --rows`",
                    found.session, collection.header.name
                );
                self.fault(item, None, "row", &reason);
            }
        }
        Ok(())
    }

    /// A value that opened, or its fault in the report.
    fn check<T>(
        &mut self,
        item: ItemId,
        name: Option<&str>,
        opened: Result<T, VaultError>,
    ) -> Result<Option<T>, VaultError> {
        match opened {
            Ok(value) => Ok(Some(value)),
            Err(VaultError::Altered { field, reason, .. }) => {
                self.fault(item, name, field, &reason);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The server has no answer for this item: that is the item's fault, but a lost network is not.
    fn unanswered(
        &mut self,
        item: ItemId,
        name: Option<&str>,
        field: &'static str,
        error: VaultError,
    ) -> Result<(), VaultError> {
        match error {
            VaultError::Refused { problem, .. } => self.fault(item, name, field, &problem.message),
            VaultError::BadAnswer { reason, .. } => self.fault(item, name, field, &reason),
            other => return Err(other),
        }
        Ok(())
    }

    fn fault(&mut self, item: ItemId, name: Option<&str>, field: &'static str, reason: &str) {
        let name = name.map(str::to_owned);
        self.report.faults.push(Fault { item, name, field, reason: reason.to_owned() });
    }
}

/// A random vector of unit length.
fn direction(dim: usize) -> Result<Vec<f32>, VaultError> {
    let mut rng = fresh::rng()?;
    // Sums of uniform numbers are about normal, so that no direction is preferred.
    let mut next = || (0..8).map(|_| rng.next_u32() as f32 / u32::MAX as f32 - 0.5).sum::<f32>();
    let vector: Vec<f32> = (0..dim).map(|_| next()).collect();
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    Ok(vector.into_iter().map(|x| x / length).collect())
}

#[cfg(test)]
mod tests {
    use pmirs_wire::Bytes;

    use super::*;

    #[test]
    fn the_digest_covers_scale_and_values() {
        let base = veiled_digest(1.0, &Bytes(vec![1, 2, 3]));
        assert_ne!(base, veiled_digest(1.5, &Bytes(vec![1, 2, 3])));
        assert_ne!(base, veiled_digest(1.0, &Bytes(vec![1, 2, 4])));
    }
}
