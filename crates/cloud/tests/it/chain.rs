//! A client's side of a collection's log: what it knows, and how it signs what comes next.

use pmirs_crypto::merkle::ItemSet;
use pmirs_crypto::{CollectionKey, Context, GrantContext, entry_hash, grant, leaf_digest, sha256};
use pmirs_wire::collection::{Protection, Role};
use pmirs_wire::envelope::Method;
use pmirs_wire::item::NewItem;
use pmirs_wire::log::{Action, Append, Entry, Head, Leaf, LogPage, Payload, SignedEntry};
use pmirs_wire::{AccountId, Bytes, CollectionId, Digest, ItemId, encode};

use crate::client::{Reply, User, account, now_ms, rng};

#[derive(Clone)]
pub struct Chain {
    pub id: CollectionId,
    pub epoch: u32,
    pub next: u64,
    pub previous: Digest,
    pub set: ItemSet,
}

impl Chain {
    /// Makes a collection and begins its log.
    pub fn begin(user: &User, id: CollectionId, protection: Protection) -> Self {
        user.create(id, protection);
        let mut chain = Self::unbegun(id);
        let action = chain.create(user, protection);
        chain.done(user, action, Payload::Nothing);
        chain
    }

    pub fn unbegun(id: CollectionId) -> Self {
        Self { id, epoch: 0, next: 0, previous: Digest([0; 32]), set: ItemSet::default() }
    }

    /// The action that begins the log of a collection that [`User::create`] made.
    pub fn create(&self, user: &User, protection: Protection) -> Action {
        let new = user.new_collection(self.id, protection);
        Action::Create {
            protection,
            header: Digest(sha256(&new.header.0)),
            identity: Bytes(user.identity.public().to_bytes()),
            grant: Digest(sha256(&new.grant.grant.0)),
        }
    }

    /// The entry that does this next.
    pub fn entry(&self, user: &User, action: Action) -> Entry {
        let mut set = self.set.clone();
        set.apply(changes(&action));
        let starts = matches!(action, Action::Revoke { .. } | Action::Rotate { .. });
        Entry {
            collection: self.id,
            number: self.next,
            previous: self.previous,
            epoch: self.epoch + u32::from(starts),
            author: account(&user.identity),
            at_ms: now_ms(),
            items: set.len() as u64,
            root: Digest(set.root()),
            action,
        }
    }

    /// Sends what comes next, and follows it if the server took it.
    pub fn append(&mut self, user: &User, action: Action, payload: Payload) -> Reply {
        let entry = self.entry(user, action);
        let append = Append { entry: sign(user, &entry), payload };
        let reply = send(user, self.id, &append);
        if reply.status == 201 {
            let head: Head = reply.message();
            self.follow(&append.entry, &entry);
            assert_eq!((head.latest, head.hash), (Some(append.entry), self.previous));
        }
        reply
    }

    pub fn done(&mut self, user: &User, action: Action, payload: Payload) {
        let name = action.name();
        let reply = self.append(user, action, payload);
        assert_eq!(reply.status, 201, "{name}: {:?}", reply.problem());
    }

    pub fn add(&mut self, user: &User, items: Vec<NewItem>) {
        self.done(user, Action::Add { items: leaves(&items) }, Payload::Items(items));
    }

    pub fn share(&mut self, owner: &User, member: &User, role: Role, epochs: &[u32]) {
        let (action, payload) = share(self.id, owner, member, role, epochs);
        self.done(owner, action, payload);
    }

    pub fn follow(&mut self, signed: &SignedEntry, entry: &Entry) {
        self.set.apply(changes(&entry.action));
        self.epoch = entry.epoch;
        self.next = entry.number + 1;
        self.previous = hash(signed);
    }

    /// Reads what others appended; every entry must follow the one before it and fit its root.
    pub fn catch_up(&mut self, user: &User) {
        loop {
            let page = page(user, self.id, self.next.checked_sub(1));
            for signed in &page.entries {
                let entry: Entry = pmirs_wire::decode(&signed.entry.0).unwrap();
                assert_eq!((entry.number, entry.previous), (self.next, self.previous));
                self.follow(signed, &entry);
                let expected = (self.set.len() as u64, Digest(self.set.root()));
                assert_eq!((entry.items, entry.root), expected, "entry {}", entry.number);
            }
            if !page.more {
                return;
            }
        }
    }
}

pub fn hash(signed: &SignedEntry) -> Digest {
    Digest(entry_hash(&signed.entry.0, signed.signature.0.as_slice().try_into().unwrap()))
}

pub fn page(user: &User, id: CollectionId, after: Option<u64>) -> LogPage {
    let query = after.map_or(String::new(), |after| format!("?after={after}"));
    user.ask(Method::Get, &format!("/v1/collections/{id}/log{query}"), &[]).message()
}

pub fn head(user: &User, id: CollectionId) -> Head {
    user.ask(Method::Get, &format!("/v1/collections/{id}/head"), &[]).message()
}

pub fn sign(user: &User, entry: &Entry) -> SignedEntry {
    let bytes = encode(entry).unwrap();
    let signature = Bytes(user.identity.sign(Context::Change, &bytes).0.to_vec());
    SignedEntry { entry: Bytes(bytes), signature }
}

pub fn send(user: &User, id: CollectionId, append: &Append) -> Reply {
    user.ask(Method::Post, &format!("/v1/collections/{id}/log"), &encode(append).unwrap())
}

pub fn leaves(items: &[NewItem]) -> Vec<Leaf> {
    let leaf = |new: &NewItem| Leaf {
        item: new.item,
        epoch: new.epoch,
        digest: Digest(leaf_digest(&new.item.0, new.epoch, &new.meta.0, &new.embedding.0)),
    };
    items.iter().map(leaf).collect()
}

fn changes(action: &Action) -> Vec<([u8; 16], Option<[u8; 32]>)> {
    let gone = |item: &ItemId| (item.0, None);
    match action {
        Action::Add { items } | Action::Replace { items } => {
            items.iter().map(|leaf| (leaf.item.0, Some(leaf.digest.0))).collect()
        }
        Action::Remove { items } => items.iter().map(gone).collect(),
        _ => Vec::new(),
    }
}

/// A grant that its member could open.
pub fn granted(id: CollectionId, granter: &User, member: &User, epoch: u32, role: Role) -> Bytes {
    let key = CollectionKey::generate(&mut rng(u64::from(epoch)));
    let context = GrantContext { collection: id.0, epoch, role: role as u8 };
    Bytes(grant::seal(&mut rng(9), &granter.identity, &member.identity.public(), &key, &context))
}

pub fn share(id: CollectionId, owner: &User, member: &User, role: Role, epochs: &[u32]) -> (Action, Payload) {
    let grants: Vec<Bytes> = epochs.iter().map(|&epoch| granted(id, owner, member, epoch, role)).collect();
    let pinned = epochs.iter().zip(&grants).map(|(&epoch, key)| (epoch, Digest(sha256(&key.0)))).collect();
    let identity = Bytes(member.identity.public().to_bytes());
    let action = Action::Share { member: account(&member.identity), identity, role, grants: pinned };
    (action, Payload::Grants(grants))
}

/// The grants of a new epoch for these members.
pub fn regrant(
    id: CollectionId,
    owner: &User,
    members: &[(&User, Role)],
    epoch: u32,
) -> (Vec<(AccountId, Digest)>, Payload) {
    let grants: Vec<Bytes> =
        members.iter().map(|(member, role)| granted(id, owner, member, epoch, *role)).collect();
    let pin =
        |((member, _), key): (&(&User, Role), &Bytes)| (account(&member.identity), Digest(sha256(&key.0)));
    let pinned = members.iter().zip(&grants).map(pin).collect();
    (pinned, Payload::Grants(grants))
}
