//! Talking to the three: one signed order for all of them, and beside it what each may see alone.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pmirs_crypto::{Context, Identity, ServerPublicKey, sha256};
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::split::{
    Action, Answer, Order, Parts, PartyEntry, PartyInfo, PartyRequest, SignedOrder, State, Trio,
};
use pmirs_wire::{AccountId, Bytes, CollectionId, Digest, decode, encode};

use rand_core::Rng as _;

use super::{lies, trio_digest};
use crate::remote::Connection;
use crate::{VaultError, fresh};

/// The three servers of a collection, each with the key that was pinned for it.
pub(crate) struct Parties {
    trio: Digest,
    three: [Party; 3],
    identity: Arc<Identity>,
}

struct Party {
    entry: PartyEntry,
    connection: Connection,
    key: ServerPublicKey,
}

/// Something for each of the three.
pub(crate) type OfThree<T> = [T; 3];

impl Parties {
    /// Finds the three, and checks that each is who the file of parties says.
    pub(crate) fn connect(trio: &Trio, identity: Arc<Identity>) -> Result<Self, VaultError> {
        if let Some(fault) = trio.fault() {
            return Err(VaultError::Parties(fault));
        }
        let digest = trio_digest(trio);
        let mut place = 0_u8;
        let connected = trio.parties.each_ref().map(|entry| {
            let party = Party::connect(entry, digest, place);
            place += 1;
            party
        });
        let [first, second, third] = connected;
        Ok(Self { trio: digest, three: [first?, second?, third?], identity })
    }

    /// What the three are called by together.
    pub(crate) fn trio(&self) -> Digest {
        self.trio
    }

    /// The name of one of them.
    pub(crate) fn name(&self, place: usize) -> &str {
        self.three.get(place).map_or("", |party| &party.entry.name)
    }

    /// An order, signed.
    pub(crate) fn order(&self, collection: CollectionId, action: Action) -> Result<SignedOrder, VaultError> {
        let mut rng = fresh::rng()?;
        let nonce = [fresh::id(&mut rng), fresh::id(&mut rng)].concat();
        let order = encode(&Order {
            trio: self.trio,
            collection,
            account: AccountId(self.identity.public().fingerprint()),
            sent_ms: fresh::now_ms(),
            nonce: Digest(nonce.try_into().unwrap_or_default()),
            action,
        })?;
        let signature = Bytes(self.identity.sign(Context::Order, &order).0.to_vec());
        Ok(SignedOrder { order: Bytes(order), signature })
    }

    /// One order to all three at once.
    pub(crate) fn ask_all(
        &self,
        order: &SignedOrder,
        parts: OfThree<Bytes>,
    ) -> Result<OfThree<Answer>, VaultError> {
        let [first, second, third] = &self.three;
        let [p0, p1, p2] = parts;
        let asked = thread::scope(|scope| {
            let ask = |party, parts| scope.spawn(move || Party::ask(party, order, parts, None));
            [ask(first, p0), ask(second, p1), ask(third, p2)].map(thread::ScopedJoinHandle::join)
        });
        let [first, second, third] = asked.map(|asked| {
            asked.unwrap_or_else(|_| Err(VaultError::Internal("asking a party panicked".to_owned())))
        });
        // That one of the three is away says more than what the others make of it; and that somebody was faster, more than
        // that a session ended over it.
        let failed =
            |answer: &Result<Answer, VaultError>| matches!(answer, Err(VaultError::Unreachable { .. }));
        let mut errors: Vec<VaultError> = Vec::new();
        let mut unreachable: Vec<VaultError> = Vec::new();
        let mut answers = Vec::with_capacity(3);
        for answer in [first, second, third] {
            let gone = failed(&answer);
            match answer {
                Ok(answer) => answers.push(answer),
                Err(error) if gone => unreachable.push(error),
                Err(error) => errors.push(error),
            }
        }
        errors.sort_by_key(|error| !is_conflict(error));
        if let Some(error) = unreachable.into_iter().chain(errors).next() {
            return Err(error);
        }
        answers.try_into().map_err(|_| VaultError::Internal("fewer than three answers".to_owned()))
    }

    /// An order to one of them.
    pub(crate) fn ask(
        &self,
        place: usize,
        order: &SignedOrder,
        parts: Bytes,
        first: Option<Bytes>,
    ) -> Result<Answer, VaultError> {
        let party = self.three.get(place);
        party
            .ok_or_else(|| VaultError::Internal(format!("there is no party {place}")))?
            .ask(order, parts, first)
    }

    /// A collection at all three, which must agree. One that missed something catches up when the three meet, so they meet
    /// before one of them is said to lie.
    pub(crate) fn state(&self, collection: CollectionId) -> Result<State, VaultError> {
        let ask = || -> Result<OfThree<State>, VaultError> {
            let order = self.order(collection, Action::Show)?;
            let [first, second, third] = self.ask_all(&order, [const { Bytes(Vec::new()) }; 3])?;
            Ok([self.read_state(0, first)?, self.read_state(1, second)?, self.read_state(2, third)?])
        };
        let level = |[first, second, third]: &OfThree<State>| {
            [second, third].iter().all(|it| it.version == first.version)
                && [second, third].iter().all(|it| it.statement_hash == first.statement_hash)
        };
        let mut states = ask()?;
        if !level(&states) {
            let dim = states.iter().map(|state| state.dim).min().unwrap_or(0);
            self.meet(collection, dim as usize)?;
            states = ask()?;
        }
        self.agreed(states.map(Answer::State))
    }

    /// The state that three answers agree on.
    pub(crate) fn agreed(&self, answers: OfThree<Answer>) -> Result<State, VaultError> {
        let [first, second, third] = answers;
        let first = self.read_state(0, first)?;
        for (place, other) in [(1, second), (2, third)] {
            let other = self.read_state(place, other)?;
            if other.statement != first.statement || other.statement_hash != first.statement_hash {
                return Err(lies(self.name(place), "it has other members than the first"));
            }
        }
        Ok(first)
    }

    pub(crate) fn read_state(&self, place: usize, answer: Answer) -> Result<State, VaultError> {
        match answer {
            Answer::State(state) => Ok(state),
            _ => Err(lies(self.name(place), "it answers with something else than the collection's state")),
        }
    }
}

/// A party's parts in the bytes that travel, and what an order pins of all three.
pub(crate) fn pinned(parts: &OfThree<Parts>) -> Result<(OfThree<Bytes>, OfThree<Digest>), VaultError> {
    let [first, second, third] = parts.each_ref().map(|parts| encode(parts).map(Bytes));
    let bytes = [first?, second?, third?];
    let digests = bytes.each_ref().map(|bytes| Digest(sha256(&bytes.0)));
    Ok((bytes, digests))
}

impl Party {
    fn connect(entry: &PartyEntry, trio: Digest, place: u8) -> Result<Self, VaultError> {
        let connection = Connection::new(&entry.url, None)?;
        let info: PartyInfo = connection.get("/v1/party").map_err(|error| match error {
            VaultError::Unreachable { reason, .. } => unreachable(entry, reason),
            other => other,
        })?;
        let key = ServerPublicKey::from_bytes(&info.seals.0).map_err(|error| lies(&entry.name, error))?;
        if Digest(key.fingerprint()) != entry.seals || info.signs != entry.signs {
            return Err(lies(&entry.name, "its keys are not those in the file of parties"));
        }
        if info.trio != trio || info.place != place {
            return Err(lies(&entry.name, "it works with other servers, or in another place"));
        }
        Ok(Self { entry: entry.clone(), connection, key })
    }

    fn ask(&self, order: &SignedOrder, parts: Bytes, first: Option<Bytes>) -> Result<Answer, VaultError> {
        let bad = |reason: &dyn std::fmt::Display| lies(&self.entry.name, reason);
        let plain = encode(&PartyRequest { order: order.clone(), parts, first })?;
        let (sealed, opener) = self.key.seal_request(&mut fresh::rng()?, &plain);
        let (status, body) = self
            .connection
            .post("/v1/envelope", &sealed)
            .map_err(|error| unreachable(&self.entry, error.to_string()))?;
        if status != 200 {
            let problem = crate::remote::read_problem(status, &body);
            return Err(VaultError::Refused { request: format!("party {}", self.entry.name), problem });
        }
        let answer = opener.open(&body).map_err(|error| bad(&error))?;
        match decode(&answer).map_err(|error| bad(&error))? {
            Answer::Refused(refused) => Err(VaultError::Refused {
                request: format!("party {}", self.entry.name),
                problem: refused.problem,
            }),
            answer => Ok(answer),
        }
    }
}

fn unreachable(PartyEntry { name, url, .. }: &PartyEntry, reason: String) -> VaultError {
    VaultError::Unreachable { url: format!("the party {name} at {url}"), reason }
}

/// Waits before another attempt, longer each time and never as long as somebody else who waits too.
pub(crate) fn pause(attempt: u32) -> Result<(), VaultError> {
    let most = 20_u64 << attempt.min(5);
    let wait = most / 2 + fresh::rng()?.next_u64() % most;
    thread::sleep(Duration::from_millis(wait));
    Ok(())
}

/// Whether somebody else was faster.
pub(crate) fn is_conflict(error: &VaultError) -> bool {
    error.refusal() == Some(ProblemKind::Conflict)
}
