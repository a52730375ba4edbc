//! A small client for tests: orders in envelopes over HTTP, dealing, and joining what comes back.

pub mod model;

use std::sync::atomic::{AtomicU64, Ordering};

use pmirs_crypto::{Context, Dealt, Identity, IdentitySeed, ServerPublicKey, sha256};
use pmirs_mpc::{Shares, reconstruct};
use pmirs_wire::collection::Role;
use pmirs_wire::split::{
    Action, Answer, Batch, Found, Member, Membership, Metric, Order, Parts, PartyInfo, PartyRequest, Receipt,
    Refused, Search, SharePair, SignedOrder, SignedStatement, State, Statement, Trio, Version,
};
use pmirs_wire::{AccountId, Bytes, CollectionId, Digest, ItemId, decode, encode};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub fn now_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}

/// Randomness that is fresh at every call of a process.
fn fresh() -> ChaCha20Rng {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 32);
    rng(NEXT.fetch_add(1, Ordering::Relaxed) ^ u64::from(std::process::id()) << 40)
}

pub fn random<const N: usize>(rng: &mut ChaCha20Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A vector of small int8 coordinates.
pub fn vector(rng: &mut ChaCha20Rng, dim: usize) -> Vec<i8> {
    (0..dim).map(|_| (rng.next_u32() % 25) as i8 - 12).collect()
}

pub fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum()
}

pub fn words(vector: &[i8]) -> Vec<u32> {
    vector.iter().map(|x| i32::from(*x) as u32).collect()
}

/// A person who works with three parties.
pub struct User {
    pub identity: Identity,
    pub account: AccountId,
    pub trio: Trio,
    /// No score of its searches is larger; 0 stands for what int8 allows.
    pub largest: u32,
    pub metric: Metric,
    keys: [ServerPublicKey; 3],
    agent: ureq::Agent,
}

/// A batch on its way.
#[derive(Debug)]
pub struct Prepared {
    order: SignedOrder,
    parts: [Bytes; 3],
    /// P0's receipt.
    first: Option<Receipt>,
    receipts: [Bytes; 3],
}

impl Prepared {
    pub fn digest(&self) -> Digest {
        Digest(sha256(&self.order.order.0))
    }

    pub fn commit(&self) -> Action {
        let sequence = self.first.as_ref().unwrap().sequence;
        Action::Commit { prepared: self.digest(), sequence, receipts: self.receipts.clone() }
    }
}

/// Why a party did not answer, or said no.
#[derive(Debug)]
pub enum No {
    Refused(Box<Refused>),
    Http(u16),
    Transport(String),
}

impl No {
    pub fn refused(self) -> Refused {
        match self {
            Self::Refused(refused) => *refused,
            Self::Http(status) => panic!("no refusal, but status {status}"),
            Self::Transport(error) => panic!("no refusal: {error}"),
        }
    }
}

impl User {
    pub fn new(seed: u64, trio: &Trio) -> Self {
        Self::of(Identity::from_seed(&IdentitySeed::generate(&mut rng(seed))), trio)
    }

    pub fn of(identity: Identity, trio: &Trio) -> Self {
        let account = AccountId(identity.public().fingerprint());
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let agent = config.new_agent();
        let keys = [0, 1, 2].map(|place| {
            let url = format!("{}/v1/party", trio.parties[place].url);
            let bytes = agent.get(&url).call().unwrap().body_mut().read_to_vec().unwrap();
            let info: PartyInfo = decode(&bytes).unwrap();
            let key = ServerPublicKey::from_bytes(&info.seals.0).unwrap();
            assert_eq!(key.fingerprint(), trio.parties[place].seals.0, "another server answers");
            key
        });
        Self { identity, account, trio: trio.clone(), largest: 0, metric: Metric::InnerProduct, keys, agent }
    }

    pub fn member(&self, role: Role) -> Member {
        let identity = Bytes(self.identity.public().to_bytes());
        Member { account: self.account, identity, role }
    }

    pub fn trio_digest(&self) -> Digest {
        Digest(sha256(&self.trio.pinned_bytes()))
    }

    pub fn order(&self, collection: CollectionId, action: Action) -> SignedOrder {
        self.sign(&Order {
            trio: self.trio_digest(),
            collection,
            account: self.account,
            sent_ms: now_ms(),
            nonce: Digest(random(&mut fresh())),
            action,
        })
    }

    pub fn sign(&self, order: &Order) -> SignedOrder {
        let order = encode(order).unwrap();
        let signature = Bytes(self.identity.sign(Context::Order, &order).0.to_vec());
        SignedOrder { order: order.into(), signature }
    }

    pub fn send(&self, place: usize, request: &PartyRequest) -> Result<Answer, No> {
        let (sealed, opener) = self.keys[place].seal_request(&mut fresh(), &encode(request).unwrap());
        let url = format!("{}/v1/envelope", self.trio.parties[place].url);
        let transport = |error: ureq::Error| No::Transport(error.to_string());
        let mut response = self.agent.post(&url).send(&sealed[..]).map_err(transport)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(1 << 30).read_to_vec().map_err(transport)?;
        if status != 200 {
            return Err(No::Http(status));
        }
        match decode(&opener.open(&body).unwrap()).unwrap() {
            Answer::Refused(refused) => Err(No::Refused(Box::new(refused))),
            answer => Ok(answer),
        }
    }

    pub fn ask(&self, place: usize, order: &SignedOrder) -> Result<Answer, No> {
        self.send(place, &PartyRequest { order: order.clone(), parts: Bytes::default(), first: None })
    }

    /// The same order to all three at once.
    pub fn ask_all(&self, order: &SignedOrder, parts: &[Bytes; 3]) -> [Result<Answer, No>; 3] {
        std::thread::scope(|scope| {
            let asked = [0, 1, 2].map(|place| {
                let request = PartyRequest { order: order.clone(), parts: parts[place].clone(), first: None };
                scope.spawn(move || self.send(place, &request))
            });
            asked.map(|thread| thread.join().unwrap())
        })
    }

    pub fn state(&self, place: usize, id: CollectionId) -> Result<State, No> {
        self.ask(place, &self.order(id, Action::Show)).map(|answer| match answer {
            Answer::State(state) => state,
            other => panic!("{other:?}"),
        })
    }

    pub fn members(&self, place: usize, id: CollectionId) -> Result<(Statement, bool), No> {
        self.ask(place, &self.order(id, Action::Members)).map(|answer| match answer {
            Answer::Members(Membership { statement, stale }) => {
                (decode(&statement.statement.0).unwrap(), stale)
            }
            other => panic!("{other:?}"),
        })
    }

    pub fn statement(&self, statement: &Statement) -> SignedStatement {
        let bytes = encode(statement).unwrap();
        let signature = Bytes(self.identity.sign(Context::Membership, &bytes).0.to_vec());
        SignedStatement { statement: bytes.into(), signature }
    }

    pub fn first_statement(&self, collection: CollectionId, dim: u32) -> Statement {
        Statement {
            collection,
            number: 0,
            previous: Digest([0; 32]),
            trio: self.trio_digest(),
            dim,
            author: self.account,
            members: vec![self.member(Role::Owner)],
            model: None,
        }
    }

    pub fn create(&self, id: CollectionId, dim: u32) {
        self.govern(id, &self.first_statement(id, dim));
    }

    /// Hands a statement to all three.
    pub fn govern(&self, id: CollectionId, statement: &Statement) {
        for answer in self.try_govern(id, statement) {
            answer.unwrap();
        }
    }

    pub fn try_govern(&self, id: CollectionId, statement: &Statement) -> [Result<Answer, No>; 3] {
        self.hand_over(id, &self.statement(statement))
    }

    /// Hands a signed statement to P0, and to the others with its receipt if it gave one.
    pub fn hand_over(&self, id: CollectionId, statement: &SignedStatement) -> [Result<Answer, No>; 3] {
        let mut first = None;
        [0, 1, 2].map(|place| {
            let order = self.order(id, Action::Govern { statement: statement.clone() });
            let answer =
                self.send(place, &PartyRequest { order, parts: Bytes::default(), first: first.clone() });
            if let Ok(Answer::Receipt(receipt)) = &answer {
                first = Some(Bytes(encode(receipt).unwrap()));
            }
            answer
        })
    }

    /// Deals vectors: what each of the three gets, encoded, and the digests of that.
    pub fn deal(vectors: &[Vec<i8>]) -> ([Bytes; 3], [Digest; 3]) {
        let all: Vec<u32> = vectors.iter().flat_map(|vector| words(vector)).collect();
        if all.is_empty() {
            return (Default::default(), [Digest(sha256(&[])); 3]);
        }
        let Dealt { seeds: [first, second], rest } = Dealt::new(&mut fresh(), &all);
        let parts = Parts::of_three(*first.expose_secret(), *second.expose_secret(), &rest.0, [[7; 32]; 3]);
        let parts = parts.map(|parts| Bytes(encode(&parts).unwrap()));
        let digests = parts.each_ref().map(|parts| Digest(sha256(&parts.0)));
        (parts, digests)
    }

    /// Prepares a batch at all three: the order's digest and the receipts.
    pub fn prepare(
        &self,
        id: CollectionId,
        base: Version,
        rows: &[(ItemId, Vec<i8>)],
        remove: &[ItemId],
    ) -> Result<Prepared, No> {
        self.prepare_at(&[0, 1, 2], id, base, rows, remove)
    }

    /// The same at some of them, P0 first.
    pub fn prepare_at(
        &self,
        places: &[usize],
        id: CollectionId,
        base: Version,
        rows: &[(ItemId, Vec<i8>)],
        remove: &[ItemId],
    ) -> Result<Prepared, No> {
        let vectors: Vec<Vec<i8>> = rows.iter().map(|(_, vector)| vector.clone()).collect();
        let (parts, digests) = Self::deal(&vectors);
        let batch =
            Batch { base, add: rows.iter().map(|(item, _)| *item).collect(), remove: remove.to_vec() };
        let order = self.order(id, Action::Prepare { batch, parts: digests });
        let mut done = Prepared { order, parts, first: None, receipts: Default::default() };
        for place in places {
            self.prepare_more(&mut done, *place)?;
        }
        Ok(done)
    }

    /// Prepares a batch at one more party.
    pub fn prepare_more(&self, done: &mut Prepared, place: usize) -> Result<(), No> {
        let first = done.first.as_ref().map(|receipt| Bytes(encode(receipt).unwrap()));
        let request = PartyRequest { order: done.order.clone(), parts: done.parts[place].clone(), first };
        match self.send(place, &request)? {
            Answer::Receipt(receipt) => {
                assert_eq!(receipt.prepared, done.digest());
                done.receipts[place] = receipt.signature.clone();
                done.first.get_or_insert(receipt);
                Ok(())
            }
            other => panic!("{other:?}"),
        }
    }

    /// Commits a prepared batch at P0, then at the others.
    pub fn commit(&self, id: CollectionId, prepared: &Prepared) -> Result<State, No> {
        let order = self.order(id, prepared.commit());
        let mut first = None;
        let mut last = None;
        for place in 0..3 {
            let request =
                PartyRequest { order: order.clone(), parts: Bytes::default(), first: first.clone() };
            match self.send(place, &request)? {
                Answer::State(state) => {
                    first = first.or_else(|| state.decision.clone());
                    last = Some(state);
                }
                other => panic!("{other:?}"),
            }
        }
        Ok(last.unwrap())
    }

    pub fn change(
        &self,
        id: CollectionId,
        rows: &[(ItemId, Vec<i8>)],
        remove: &[ItemId],
    ) -> Result<State, No> {
        let base = self.state(0, id)?.version;
        let prepared = self.prepare(id, base, rows, remove)?;
        self.commit(id, &prepared)
    }

    /// A search at all three, as each answered.
    pub fn search_raw(&self, id: CollectionId, queries: &[Vec<i8>], k: u32) -> [Result<Found, No>; 3] {
        let (parts, digests) = Self::deal(queries);
        let dim = queries[0].len() as u32;
        let search = Search {
            queries: queries.len() as u32,
            k,
            metric: self.metric,
            largest: if self.largest == 0 { dim * 16_000 } else { self.largest },
            parts: digests,
            tree: None,
        };
        self.ask_all(&self.order(id, Action::Search(search)), &parts).map(|answer| {
            answer.map(|answer| match answer {
                Answer::Found(found) => found,
                other => panic!("{other:?}"),
            })
        })
    }

    /// Rows and scores of each query, best first.
    pub fn search(&self, id: CollectionId, queries: &[Vec<i8>], k: u32) -> Result<Vec<Vec<(u32, i32)>>, No> {
        let [first, second, third] = self.search_raw(id, queries, k);
        let found = [first?, second?, third?];
        assert!(found.iter().all(|one| (one.session, one.version) == (found[0].session, found[0].version)));
        let lists = (0..queries.len()).map(|list| {
            let join = |pick: fn(&pmirs_wire::split::List) -> &SharePair| {
                let shares = found.each_ref().map(|found| {
                    let pair = pick(&found.lists[list]);
                    Shares::new(from_bytes(&pair.own), from_bytes(&pair.next)).unwrap()
                });
                reconstruct(&shares).unwrap()
            };
            let scores = join(|list| &list.scores).into_iter().map(|score| score as i32);
            let mut both: Vec<(u32, i32)> = join(|list| &list.rows).into_iter().zip(scores).collect();
            both.sort_by_key(|(row, score)| (-score, *row));
            both
        });
        Ok(lists.collect())
    }

    pub fn rows(&self, place: usize, id: CollectionId) -> Vec<ItemId> {
        match self.ask(place, &self.order(id, Action::Rows { from: 0 })).unwrap() {
            Answer::Rows(page) => page.items.0.as_chunks().0.iter().map(|id| ItemId(*id)).collect(),
            other => panic!("{other:?}"),
        }
    }
}

fn from_bytes(bytes: &Bytes) -> Vec<u32> {
    bytes.0.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

/// Rows with random ids.
pub fn random_rows(rng: &mut ChaCha20Rng, count: usize, dim: usize) -> Vec<(ItemId, Vec<i8>)> {
    (0..count).map(|_| (ItemId(random(rng)), vector(rng, dim))).collect()
}
