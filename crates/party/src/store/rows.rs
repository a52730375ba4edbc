//! Which item has which row.

use std::collections::HashMap;

use pmirs_wire::ItemId;

/// Items in the order of their rows.
#[derive(Default)]
pub(crate) struct RowList {
    items: Vec<ItemId>,
    /// Where in the files each row lies.
    slots: Vec<u64>,
    places: HashMap<ItemId, usize>,
    /// Slots that the files hold, removed ones too.
    written: u64,
}

impl RowList {
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn items(&self) -> &[ItemId] {
        &self.items
    }

    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    pub(crate) fn slots(&self) -> &[u64] {
        &self.slots
    }

    pub(crate) fn contains(&self, item: &ItemId) -> bool {
        self.places.contains_key(item)
    }

    /// The row of an item.
    pub(crate) fn place(&self, item: &ItemId) -> Option<usize> {
        self.places.get(item).copied()
    }

    /// Appends a row.
    pub(crate) fn push(&mut self, item: ItemId) {
        self.places.insert(item, self.items.len());
        self.items.push(item);
        self.slots.push(self.written);
        self.written += 1;
    }

    /// Removes an item's row; the last row takes its place, which is returned.
    pub(crate) fn swap_remove(&mut self, item: &ItemId) -> Option<usize> {
        let place = self.places.remove(item)?;
        self.items.swap_remove(place);
        self.slots.swap_remove(place);
        if let Some(moved) = self.items.get(place) {
            self.places.insert(*moved, place);
        }
        Some(place)
    }

    /// The files were rewritten: rows lie in them in order.
    pub(crate) fn rewritten(&mut self) {
        self.written = self.items.len() as u64;
        self.slots = (0..self.written).collect();
    }
}
