//! One digest for a set of items: a sparse Merkle tree over their identifiers.
//!
//! ```text
//! empty set          0^32
//! one leaf           H(0 ‖ id(16) ‖ digest(32))                 at whatever depth it is alone
//! more than one      H(1 ‖ left(32) ‖ right(32))                split by the next bit of the id, highest first
//! ```
//!
//! The root depends on the set alone, not on the order of changes, and a leaf names its id, so no two sets
//! have one root unless SHA-256 collides. A proof of inclusion is the siblings on the way to a leaf: some
//! log2(n) of them for random ids, at most 128.
//!
//! Leaves lie in buckets by the first bits of their ids, and the nodes above the buckets are kept, so that a
//! change costs a bucket of some dozens of hashes and one hash for each level above it.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::place::ItemId;

/// The root of the empty set.
pub const EMPTY: [u8; 32] = [0; 32];
/// Bits of an id, and the most siblings that a proof holds.
pub const DEPTH: usize = 128;

/// Leaves to a bucket, on average, above which the buckets are split.
const FULL: usize = 32;
/// Leaves to a bucket after a split.
const SPLIT: usize = 8;
/// Bits that choose a bucket, at most.
const MOST_BITS: u32 = 20;

/// A set of items, each with the digest of what it is, under one root.
#[derive(Clone)]
pub struct ItemSet {
    /// Buckets are chosen by so many bits.
    bits: u32,
    /// Sorted by id.
    buckets: Vec<Vec<Leaf>>,
    /// The node above all at 1, the children of i at 2i and 2i + 1, the buckets from 2^bits.
    nodes: Vec<Node>,
    len: usize,
}

type Leaf = (ItemId, [u8; 32]);

/// A subtree: how many leaves it has, and its hash.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Node {
    leaves: usize,
    hash: [u8; 32],
}

impl Node {
    const EMPTY: Self = Self { leaves: 0, hash: EMPTY };

    /// A subtree of one leaf is that leaf.
    fn join(left: Self, right: Self) -> Self {
        let leaves = left.leaves + right.leaves;
        let hash = match leaves {
            0 => EMPTY,
            1 if left.leaves == 1 => left.hash,
            1 => right.hash,
            _ => node_hash(&left.hash, &right.hash),
        };
        Self { leaves, hash }
    }
}

impl Default for ItemSet {
    fn default() -> Self {
        Self { bits: 0, buckets: vec![Vec::new()], nodes: vec![Node::EMPTY; 2], len: 0 }
    }
}

impl ItemSet {
    /// A set of these items; a later digest of the same item replaces an earlier one.
    pub fn new(items: impl IntoIterator<Item = (ItemId, [u8; 32])>) -> Self {
        let leaves: BTreeMap<_, _> = items.into_iter().collect();
        let mut set = Self { len: leaves.len(), ..Self::default() };
        set.divide(leaves.into_iter().collect());
        set
    }

    /// How many items it has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The digest of an item, if it is in the set.
    pub fn get(&self, item: &ItemId) -> Option<&[u8; 32]> {
        let bucket = self.buckets.get(self.bucket_of(item))?;
        let place = bucket.binary_search_by(|(id, _)| id.cmp(item)).ok()?;
        bucket.get(place).map(|(_, digest)| digest)
    }

    /// The one digest for the whole set.
    pub fn root(&self) -> [u8; 32] {
        self.node(1).hash
    }

    /// Sets the digests of items, or removes those given none, one after the other. Returns how to undo it:
    /// the changes that lead back, in the order in which to apply them.
    pub fn apply(
        &mut self,
        changes: impl IntoIterator<Item = (ItemId, Option<[u8; 32]>)>,
    ) -> Vec<(ItemId, Option<[u8; 32]>)> {
        let mut undo = Vec::new();
        let mut touched = BTreeSet::new();
        for (item, digest) in changes {
            let index = self.bucket_of(&item);
            let Some(bucket) = self.buckets.get_mut(index) else { continue };
            let before = put(bucket, item, digest);
            self.len += usize::from(digest.is_some());
            self.len -= usize::from(before.is_some());
            touched.insert(index);
            undo.push((item, before));
            if self.len > FULL << self.bits && self.bits < MOST_BITS {
                let leaves = std::mem::take(&mut self.buckets).into_iter().flatten().collect();
                self.divide(leaves);
                touched.clear();
            }
        }
        self.rehash(touched);
        undo.reverse();
        undo
    }

    /// The siblings from the root down to an item's leaf.
    pub fn prove(&self, item: &ItemId) -> Option<Vec<[u8; 32]>> {
        self.get(item)?;
        let mut siblings = Vec::new();
        let mut place = 1;
        for depth in 0..self.bits as usize {
            if self.node(place).leaves <= 1 {
                return Some(siblings);
            }
            let side = usize::from(bit(item, depth));
            siblings.push(self.node(2 * place + (1 - side)).hash);
            place = 2 * place + side;
        }
        let mut leaves = self.buckets.get(self.bucket_of(item))?.as_slice();
        for depth in self.bits as usize..DEPTH {
            if leaves.len() <= 1 {
                break;
            }
            let (left, right) = halves(leaves, depth);
            let (own, other) = if bit(item, depth) { (right, left) } else { (left, right) };
            siblings.push(tree(other, depth + 1).hash);
            leaves = own;
        }
        Some(siblings)
    }

    fn bucket_of(&self, item: &ItemId) -> usize {
        let [a, b, c, d, ..] = *item;
        // Shifting by all 32 bits, where there is one bucket, gives none.
        u32::from_be_bytes([a, b, c, d]).checked_shr(32 - self.bits).unwrap_or(0) as usize
    }

    fn node(&self, place: usize) -> Node {
        self.nodes.get(place).copied().unwrap_or(Node::EMPTY)
    }

    /// Puts sorted leaves into as many buckets as suit them; all nodes are made anew.
    fn divide(&mut self, leaves: Vec<Leaf>) {
        self.bits = (leaves.len() / SPLIT).checked_ilog2().unwrap_or(0).min(MOST_BITS);
        self.buckets = vec![Vec::new(); 1 << self.bits];
        self.nodes = vec![Node::EMPTY; 2 << self.bits];
        for leaf in leaves {
            let index = self.bucket_of(&leaf.0);
            if let Some(bucket) = self.buckets.get_mut(index) {
                bucket.push(leaf);
            }
        }
        self.rehash((0..1 << self.bits).collect());
    }

    /// Follows changes of buckets up to the root, level by level.
    fn rehash(&mut self, touched: BTreeSet<usize>) {
        let mut places = BTreeSet::new();
        for index in touched {
            let Some(bucket) = self.buckets.get(index) else { continue };
            let hashed = tree(bucket, self.bits as usize);
            let place = (1 << self.bits) + index;
            if let Some(node) = self.nodes.get_mut(place) {
                *node = hashed;
            }
            places.insert(place / 2);
        }
        while places.first().is_some_and(|&place| place > 0) {
            let above = places.iter().map(|place| place / 2).collect();
            for place in places {
                let joined = Node::join(self.node(2 * place), self.node(2 * place + 1));
                if let Some(node) = self.nodes.get_mut(place) {
                    *node = joined;
                }
            }
            places = above;
        }
    }
}

impl std::fmt::Debug for ItemSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ItemSet({} items)", self.len)
    }
}

/// Whether the set with this root holds this item with this digest, by the siblings that
/// [`prove`](ItemSet::prove) gave.
pub fn verify(root: &[u8; 32], item: &ItemId, digest: &[u8; 32], siblings: &[[u8; 32]]) -> bool {
    if siblings.len() > DEPTH {
        return false;
    }
    let mut hash = leaf_hash(item, digest);
    for (depth, sibling) in siblings.iter().enumerate().rev() {
        hash = if bit(item, depth) { node_hash(sibling, &hash) } else { node_hash(&hash, sibling) };
    }
    hash == *root
}

/// Sets or removes one leaf of a bucket; returns the digest that was there.
fn put(bucket: &mut Vec<Leaf>, item: ItemId, digest: Option<[u8; 32]>) -> Option<[u8; 32]> {
    match (bucket.binary_search_by(|(id, _)| id.cmp(&item)), digest) {
        (Ok(place), Some(digest)) => {
            bucket.get_mut(place).map(|(_, before)| std::mem::replace(before, digest))
        }
        (Ok(place), None) => Some(bucket.remove(place).1),
        (Err(place), Some(digest)) => {
            bucket.insert(place, (item, digest));
            None
        }
        (Err(_), None) => None,
    }
}

/// The subtree of sorted leaves that agree on all bits before this depth.
fn tree(leaves: &[Leaf], depth: usize) -> Node {
    match leaves {
        [] => Node::EMPTY,
        [(item, digest)] => Node { leaves: 1, hash: leaf_hash(item, digest) },
        _ => {
            let (left, right) = halves(leaves, depth);
            Node::join(tree(left, depth + 1), tree(right, depth + 1))
        }
    }
}

/// Sorted leaves by their bit at this depth: those with 0, those with 1.
fn halves(leaves: &[Leaf], depth: usize) -> (&[Leaf], &[Leaf]) {
    let middle = leaves.partition_point(|(item, _)| !bit(item, depth));
    leaves.split_at_checked(middle).unwrap_or((leaves, &[]))
}

/// Bit number `depth` of an id, the highest bit of the first byte being number 0.
fn bit(item: &ItemId, depth: usize) -> bool {
    item.get(depth / 8).is_some_and(|byte| byte >> (7 - depth % 8) & 1 == 1)
}

fn leaf_hash(item: &ItemId, digest: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update([0]).chain_update(item).chain_update(digest).finalize().into()
}

fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}
