//! One client of the crowd.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use pmirs_wire::collection::{CollectionList, Protection, Role};
use pmirs_wire::envelope::Method;
use pmirs_wire::item::NewItem;
use pmirs_wire::log::{Action, Head, Payload};
use pmirs_wire::search::{Candidates, Search};
use pmirs_wire::{AccountId, Bytes, CollectionId, ItemId, encode};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::chain::{leaves, regrant, share};
use crate::client::{self, User, account, random, vector};
use crate::ledger::{Ledger, Outcome};
use crate::{CLIENTS, COLLECTIONS, Crowd, collection};

/// So that sharing stays cheap: every member needs a grant for every live epoch.
const MEMBERS: usize = 12;
const EPOCHS: usize = 4;
/// Above these, items are removed rather than added.
const ITEMS: usize = 200;

pub struct Client<'a> {
    crowd: &'a Crowd,
    user: &'a User,
    number: usize,
    rng: ChaCha20Rng,
    ledgers: BTreeMap<CollectionId, Ledger>,
}

impl<'a> Client<'a> {
    pub fn new(crowd: &'a Crowd, number: usize, seed: u64) -> Self {
        let rng = ChaCha20Rng::seed_from_u64(seed << 16 | number as u64);
        Self { crowd, user: &crowd.users[number], number, rng, ledgers: BTreeMap::new() }
    }

    /// Does one thing after another until the time is over.
    pub fn live(mut self) {
        if self.number < COLLECTIONS {
            let id = collection(self.number);
            self.ledgers.insert(id, Ledger::unbegun(id));
        }
        while Instant::now() < self.crowd.until {
            let id = self.pick(COLLECTIONS);
            let Some(id) = self.ledgers.keys().copied().nth(id % self.ledgers.len().max(1)) else {
                self.accept();
                continue;
            };
            let mut ledger = self.ledgers.remove(&id).unwrap();
            if self.step(&mut ledger) {
                self.ledgers.insert(id, ledger);
            }
        }
    }

    fn pick(&mut self, below: usize) -> usize {
        self.rng.next_u32() as usize % below
    }

    /// One deed in a collection; `false` where this client has no part in it any more.
    fn step(&mut self, ledger: &mut Ledger) -> bool {
        if !ledger.catch_up(self.user) {
            return false;
        }
        let Some((role, accepted)) = ledger.role(self.user) else { return false };
        if !accepted {
            return self.append(ledger, "accept", |client, ledger| {
                ledger.role(client.user).filter(|(_, accepted)| !accepted)?;
                Some((Action::Accept, Payload::Nothing))
            });
        }
        match (self.pick(20), role) {
            (0..=4, _) => self.search(ledger),
            (5..=7, _) => self.open(ledger),
            (8, _) => self.look(ledger),
            (9, _) => self.leave(ledger),
            (10..=13, Role::Writer | Role::Owner) => self.add(ledger),
            (14, Role::Writer | Role::Owner) => self.remove(ledger),
            (15..=17, Role::Owner) => self.share(ledger),
            (18, Role::Owner) => self.revoke(ledger),
            (19, Role::Owner) => self.tidy(ledger),
            _ => {
                self.accept();
                true
            }
        }
    }

    /// Appends, and counts the deed once it is done.
    fn append(
        &mut self,
        ledger: &mut Ledger,
        deed: &str,
        mut make: impl FnMut(&mut Self, &Ledger) -> Option<(Action, Payload)>,
    ) -> bool {
        let (crowd, user) = (self.crowd, self.user);
        let outcome = ledger.append(user, || crowd.count("lost"), |ledger| make(self, ledger));
        if outcome == Outcome::Done {
            crowd.count(deed);
        }
        outcome != Outcome::Out && ledger.role(user).is_some()
    }

    /// Takes what was shared with this client.
    fn accept(&mut self) {
        let list: CollectionList = self.user.ask(Method::Get, "/v1/shares", &[]).message();
        for shared in list.collections {
            self.ledgers.entry(shared.id).or_insert_with(|| Ledger::unbegun(shared.id));
        }
    }

    fn may_write(&self, ledger: &Ledger) -> Option<()> {
        ledger.role(self.user).filter(|(role, accepted)| *accepted && *role >= Role::Writer).map(drop)
    }

    fn may_share(&self, ledger: &Ledger) -> Option<()> {
        ledger.role(self.user).filter(|(role, accepted)| *accepted && *role == Role::Owner).map(drop)
    }

    fn add(&mut self, ledger: &mut Ledger) -> bool {
        if ledger.items.len() >= ITEMS {
            return self.remove(ledger);
        }
        let count = 1 + self.pick(4);
        let mut items: Vec<NewItem> = (0..count).map(|_| new_item(&mut self.rng, None)).collect();
        self.append(ledger, "add", |client, ledger| {
            client.may_write(ledger)?;
            for new in &mut items {
                new.epoch = ledger.chain.epoch;
            }
            Some((Action::Add { items: leaves(&items) }, Payload::Items(items.clone())))
        })
    }

    fn remove(&mut self, ledger: &mut Ledger) -> bool {
        self.append(ledger, "remove", |client, ledger| {
            client.may_write(ledger)?;
            let items: Vec<ItemId> = (0..3).filter_map(|_| client.some_item(ledger)).collect();
            let items: Vec<ItemId> = items
                .iter()
                .enumerate()
                .filter(|(i, it)| !items[..*i].contains(it))
                .map(|(_, it)| *it)
                .collect();
            (!items.is_empty()).then_some((Action::Remove { items }, Payload::Nothing))
        })
    }

    fn some_item(&mut self, ledger: &Ledger) -> Option<ItemId> {
        let number = self.rng.next_u32() as usize;
        ledger.items.keys().copied().nth(number % ledger.items.len().max(1))
    }

    fn search(&mut self, ledger: &mut Ledger) -> bool {
        let number = self.rng.next_u32() as usize;
        let Some(epoch) = ledger.epochs.iter().copied().nth(number % ledger.epochs.len().max(1)) else {
            return true;
        };
        let (query, filter) = (vector(&mut self.rng), Vec::new());
        let search = encode(&Search { epoch, query, skip: 0, count: 20, filter }).unwrap();
        let path = format!("/v1/collections/{}/search", ledger.chain.id);
        let reply = self.user.ask(Method::Post, &path, &search);
        match reply.status {
            200 => {
                let answer: Candidates = reply.message();
                assert!(answer.candidates.is_sorted_by(|a, b| a.score >= b.score));
                // Fewer where one was removed between its ranking and its reading.
                assert!(answer.candidates.len() as u64 <= answer.rows.min(20));
                self.crowd.count("search");
            }
            // The epoch has ended since.
            400 => assert!(reply.problem().message.starts_with("epoch is")),
            403 | 404 => {}
            status => panic!("{status} to a search: {}", reply.problem()),
        }
        true
    }

    fn open(&mut self, ledger: &mut Ledger) -> bool {
        let Some(item) = self.some_item(ledger) else { return true };
        let reply = self.user.content(ledger.chain.id, item);
        match reply.status {
            200 => {
                assert_eq!(reply.body, content_of(item));
                self.crowd.opened[&ledger.chain.id].fetch_add(1, Ordering::Relaxed);
                self.crowd.count("open");
            }
            403 | 404 => {}
            status => panic!("{status} to content: {}", reply.problem()),
        }
        true
    }

    fn look(&mut self, ledger: &mut Ledger) -> bool {
        let reply = self.user.ask(Method::Get, &format!("/v1/collections/{}/head", ledger.chain.id), &[]);
        if reply.status == 404 {
            return false;
        }
        ledger.see(reply.message::<Head>().seq);
        self.crowd.count("look");
        true
    }

    /// Not where this client began: somebody stays.
    fn leave(&mut self, ledger: &mut Ledger) -> bool {
        if (0..COLLECTIONS).any(|number| number == self.number && collection(number) == ledger.chain.id) {
            return true;
        }
        self.append(ledger, "leave", |client, ledger| {
            ledger.role(client.user)?;
            let owners = ledger.members.values().filter(|it| **it == (Role::Owner, true)).count();
            (owners > 1 || client.may_share(ledger).is_none()).then_some((Action::Leave, Payload::Nothing))
        })
    }

    fn share(&mut self, ledger: &mut Ledger) -> bool {
        let with = &self.crowd.users[self.pick(CLIENTS)];
        let role = [Role::Reader, Role::Writer, Role::Writer, Role::Owner][self.pick(4)];
        let id = ledger.chain.id;
        self.append(ledger, "share", |client, ledger| {
            client.may_share(ledger)?;
            let full = ledger.members.len() >= MEMBERS && ledger.role(with).is_none();
            if full
                || account(&with.identity) == account(&client.user.identity)
                || began(with, client.crowd, id)
            {
                return None;
            }
            let epochs: Vec<u32> = ledger.epochs.iter().copied().collect();
            Some(share(id, client.user, with, role, &epochs))
        })
    }

    /// Ends somebody's membership; whoever it was is refused at once, on a connection that was open before.
    fn revoke(&mut self, ledger: &mut Ledger) -> bool {
        if ledger.epochs.len() >= EPOCHS {
            return self.tidy(ledger);
        }
        let (id, number) = (ledger.chain.id, self.rng.next_u32() as usize);
        let mut gone = None;
        let stays = self.append(ledger, "revoke", |client, ledger| {
            client.may_share(ledger)?;
            gone = None;
            let own = account(&client.user.identity);
            let may_go =
                |member: &&AccountId| **member != own && !began(client.user_of(member), client.crowd, id);
            let others: Vec<AccountId> = ledger.members.keys().filter(may_go).copied().collect();
            let member = *others.get(number % others.len().max(1))?;
            let staying: Vec<(&User, Role)> = ledger
                .members
                .iter()
                .filter(|(account, _)| **account != member)
                .map(|(account, (role, _))| (client.user_of(account), *role))
                .collect();
            let (grants, payload) = regrant(id, client.user, &staying, ledger.chain.epoch + 1);
            gone = Some(member);
            Some((Action::Revoke { member, grants }, payload))
        });
        let Some(member) = gone else { return stays };
        let refused = self.user_of(&member).ask(Method::Get, &format!("/v1/collections/{id}"), &[]).status;
        if stays && refused != 404 && ledger.catch_up(self.user) {
            assert!(ledger.members.contains_key(&member), "{refused} to somebody who was revoked");
        }
        stays
    }

    /// Moves what earlier epochs hold to the latest, and ends an epoch that holds nothing.
    fn tidy(&mut self, ledger: &mut Ledger) -> bool {
        let stays = self.append(ledger, "replace", |client, ledger| {
            client.may_write(ledger)?;
            let latest = ledger.chain.epoch;
            let old = ledger.items.values().filter(|leaf| leaf.epoch != latest).take(60);
            let items: Vec<NewItem> = old
                .map(|leaf| NewItem { epoch: latest, ..new_item(&mut client.rng, Some(leaf.item)) })
                .collect();
            (!items.is_empty()).then(|| (Action::Replace { items: leaves(&items) }, Payload::Items(items)))
        });
        stays
            && self.append(ledger, "retire", |client, ledger| {
                client.may_share(ledger)?;
                let latest = ledger.chain.epoch;
                let in_use = |epoch: u32| ledger.items.values().any(|leaf| leaf.epoch == epoch);
                let epoch = ledger.epochs.iter().copied().find(|&epoch| epoch != latest && !in_use(epoch))?;
                Some((Action::Retire { epoch }, Payload::Nothing))
            })
    }

    fn user_of(&self, wanted: &AccountId) -> &'a User {
        self.crowd.users.iter().find(|user| account(&user.identity) == *wanted).unwrap()
    }
}

/// Whether this collection is the user's own from the start: its first owner is never revoked nor shared with.
fn began(user: &User, crowd: &Crowd, id: CollectionId) -> bool {
    let first = (0..COLLECTIONS).find(|number| collection(*number) == id).unwrap();
    account(&user.identity) == account(&crowd.users[first].identity)
}

fn new_item(rng: &mut ChaCha20Rng, item: Option<ItemId>) -> NewItem {
    let new = client::item(rng, Protection::Veiled);
    let item = item.unwrap_or(new.item);
    NewItem { item, content: Bytes(content_of(item)), ..new }
}

/// What an item's content is, whoever sealed it.
pub fn content_of(item: ItemId) -> Vec<u8> {
    let seed = [item.0, item.0].concat().try_into().unwrap();
    random(&mut ChaCha20Rng::from_seed(seed), 100 + usize::from(item.0[0]))
}
