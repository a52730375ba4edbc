//! Talking to the three: one signed order for all of them, and beside it what each may see alone.

use std::sync::{Arc, mpsc};
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
    three: [Arc<Party>; 3],
    identity: Arc<Identity>,
}

struct Party {
    entry: PartyEntry,
    connection: Connection,
    key: ServerPublicKey,
}

/// Something for each of the three.
pub(crate) type OfThree<T> = [T; 3];

/// How often the three are asked again where they have other members, before one of them is said to lie.
const AT_ODDS: u32 = 8;

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
        Ok(Self { trio: digest, three: [first?, second?, third?].map(Arc::new), identity })
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

    /// One order to all three at once. A refusal is not waited on: what the others say then follows from it.
    pub(crate) fn ask_all(
        &self,
        order: &SignedOrder,
        parts: OfThree<Bytes>,
    ) -> Result<OfThree<Answer>, VaultError> {
        let (sender, answers) = mpsc::channel();
        for ((place, party), parts) in self.three.iter().enumerate().zip(parts) {
            let (party, order, sender) = (Arc::clone(party), order.clone(), sender.clone());
            thread::spawn(move || {
                // Nobody listens any more once another one refused.
                let _ = sender.send((place, party.ask(&order, parts, None)));
            });
        }
        drop(sender);
        let mut three = [None, None, None];
        let mut followed: Option<VaultError> = None;
        for (place, answer) in answers {
            match answer {
                Ok(answer) => three.iter_mut().skip(place).take(1).for_each(|at| *at = Some(answer.clone())),
                // That a session ended is what the others make of it that one of them is away, or refuses.
                Err(error) if error.refusal() == Some(ProblemKind::Unavailable) => {
                    followed.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match (followed, three) {
            (Some(error), _) => Err(error),
            (None, [Some(first), Some(second), Some(third)]) => Ok([first, second, third]),
            (None, _) => Err(VaultError::Internal("asking a party panicked".to_owned())),
        }
    }

    /// Each one's state of a collection, or its no.
    pub(crate) fn states(&self, collection: CollectionId) -> OfThree<Result<State, VaultError>> {
        let ask = |place: usize| {
            let order = self.order(collection, Action::Show)?;
            self.read_state(place, self.ask(place, &order, Bytes(Vec::new()), None)?)
        };
        thread::scope(|scope| {
            let asked = [0, 1, 2].map(|place| scope.spawn(move || ask(place)));
            asked.map(|asked| {
                asked
                    .join()
                    .unwrap_or_else(|_| Err(VaultError::Internal("asking a party panicked".to_owned())))
            })
        })
    }

    /// Those that do not know a collection which another one knows.
    pub(crate) fn lacking(&self, collection: CollectionId) -> Vec<usize> {
        let states = self.states(collection);
        if states.iter().all(Result::is_err) {
            return Vec::new();
        }
        let lacks = |state: &Result<State, VaultError>| {
            let refusal = state.as_ref().err().and_then(VaultError::refusal);
            matches!(refusal, Some(ProblemKind::NotFound | ProblemKind::Damaged))
        };
        states.iter().enumerate().filter(|(_, state)| lacks(state)).map(|(place, _)| place).collect()
    }

    /// Those that lack a collection, or are at an earlier version of it than another one.
    pub(crate) fn behind(&self, collection: CollectionId) -> Vec<usize> {
        let states = self.states(collection);
        let latest = states.iter().flatten().map(|state| state.version.number).max();
        let Some(latest) = latest else { return Vec::new() };
        let is_behind = |state: &Result<State, VaultError>| match state {
            Ok(state) => state.version.number < latest,
            Err(error) => {
                matches!(error.refusal(), Some(ProblemKind::NotFound | ProblemKind::Damaged))
            }
        };
        states.iter().enumerate().filter(|(_, state)| is_behind(state)).map(|(place, _)| place).collect()
    }

    /// What it means that the three do not come to agree, however often they meet.
    pub(crate) fn set_back(&self, collection: CollectionId, error: VaultError) -> VaultError {
        match self.behind(collection).as_slice() {
            [place] => VaultError::PartyLacks { party: self.name(*place).to_owned() },
            _ => error,
        }
    }

    /// A refusal that may mean that one of the three lost its store: if so, an error that names it.
    pub(crate) fn explained<T>(
        &self,
        collection: CollectionId,
        done: Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        use ProblemKind::{Damaged, NotFound, Unavailable};
        let error = match done {
            Err(error) if matches!(error.refusal(), Some(NotFound | Damaged | Unavailable)) => error,
            done => return done,
        };
        match self.lacking(collection).first() {
            Some(&place) => Err(VaultError::PartyLacks { party: self.name(place).to_owned() }),
            None => Err(error),
        }
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
            let answers = self.ask_all(&order, [const { Bytes(Vec::new()) }; 3]);
            let [first, second, third] = self.explained(collection, answers)?;
            Ok([self.read_state(0, first)?, self.read_state(1, second)?, self.read_state(2, third)?])
        };
        let level = |[first, second, third]: &OfThree<State>| {
            [second, third].iter().all(|it| it.version == first.version)
                && [second, third].iter().all(|it| it.statement_hash == first.statement_hash)
        };
        let mut states = ask()?;
        if !level(&states) {
            self.meet(collection)?;
            states = ask()?;
        }
        // Owners who change members at once reach the three one after another: that is no lie.
        for attempt in 1..=AT_ODDS {
            let [first, others @ ..] = &states;
            if others.iter().all(|it| it.statement_hash == first.statement_hash) {
                break;
            }
            self.meet(collection)?;
            pause(attempt)?;
            states = ask()?;
        }
        self.agreed(states.map(Answer::State))
    }

    /// The state after an order that all three carried out. Where an owner changed members while they answered, they are
    /// asked again.
    pub(crate) fn settled(
        &self,
        collection: CollectionId,
        answers: OfThree<Answer>,
    ) -> Result<State, VaultError> {
        match self.agreed(answers) {
            Err(VaultError::Party { .. }) => self.state(collection),
            agreed => agreed,
        }
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
