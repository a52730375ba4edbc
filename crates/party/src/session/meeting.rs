//! The three parties in one session: how they meet, catch up, agree, and part.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pmirs_crypto::sha256;
use pmirs_mpc::{Error, PairKeys, Party, Role};
use pmirs_wire::Digest;
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::split::{Opening, PeerMessage, Version};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::commands::check_entry;
use crate::peers::{Ends, Missing, NotMet, PeerLink, Wire};
use crate::refusal::Refusal;
use crate::state::{Node, Shared, read, write};

/// Words that the slowest of disks writes and reads again in a second.
const WORDS_PER_SECOND: usize = 4 << 20;

/// Both others in a session, and what each said of itself.
pub(super) struct Met {
    role: Role,
    ours: Opening,
    previous: Peer,
    next: Peer,
}

struct Peer {
    wire: Option<Wire>,
    role: Role,
    opening: Opening,
}

impl Met {
    pub(super) async fn with_both(node: &Arc<Node>, ours: Opening, fresh: bool) -> Result<Self, Refusal> {
        let meet = async |peer: Role| {
            let met = if peer > node.role {
                node.mesh.open(peer, &ours, fresh).await
            } else {
                node.mesh.join(peer, &ours).await
            };
            met.map(|(wire, opening)| Peer { wire: Some(wire), role: peer, opening })
                .map_err(|why| not_met(node, peer, why))
        };
        let role = node.role;
        let (previous, next) = match both(meet(role.previous()), meet(role.next())).await {
            (Ok(previous), Ok(next)) => (previous, next),
            (Err(refusal), met) | (met, Err(refusal)) => {
                if let Ok(Peer { wire: Some(wire), .. }) = met {
                    wire.send(&PeerMessage::Stop(*refusal.0.clone()));
                }
                return Err(refusal);
            }
        };
        for peer in [&previous, &next] {
            if peer.opening.collection != ours.collection {
                let what = format!("{} opened a session of another collection", node.name(peer.role));
                return Err(Refusal::unavailable(what).blaming(&[peer.role]));
            }
        }
        Ok(Self { role, ours, previous, next })
    }

    fn peer(&mut self, role: Role) -> &mut Peer {
        if role == self.previous.role { &mut self.previous } else { &mut self.next }
    }

    pub(super) fn opening(&self, role: Role) -> &Opening {
        if role == self.role {
            &self.ours
        } else if role == self.previous.role {
            &self.previous.opening
        } else {
            &self.next.opening
        }
    }

    /// Sends to a peer; one that is gone is noticed when something must come from it.
    pub(super) fn send(&mut self, to: Role, message: &PeerMessage) {
        if let Some(wire) = &self.peer(to).wire {
            wire.send(message);
        }
    }

    /// Waits until what was sent to a peer is nearly all on its way.
    pub(super) async fn room(&mut self, to: Role) {
        if let Some(wire) = &self.peer(to).wire {
            wire.room().await;
        }
    }

    /// The next message of a peer, which must come in time.
    pub(super) async fn receive(&mut self, node: &Node, from: Role) -> Result<PeerMessage, Refusal> {
        self.receive_after(node, from, 0).await
    }

    /// The same for a message that comes after work on so many words.
    pub(super) async fn receive_after(
        &mut self,
        node: &Node,
        from: Role,
        words: usize,
    ) -> Result<PeerMessage, Refusal> {
        let work = Duration::from_secs((words / WORDS_PER_SECOND) as u64);
        let time = (node.limits.round_time + work).min(node.limits.session_time);
        let blame = |why: &dyn std::fmt::Display| {
            Refusal::unavailable(format!("{} {why}", node.name(from))).blaming(&[from])
        };
        let Some(wire) = &mut self.peer(from).wire else { return Err(blame(&Missing::Closed)) };
        match wire.message(time).await {
            Ok(PeerMessage::Stop(refused)) => Err(Refusal(Box::new(refused))),
            Ok(message) => Ok(message),
            Err(missing) => Err(blame(&missing)),
        }
    }

    /// Brings everyone to the latest version and statement that any of the three has.
    pub(super) async fn catch_up(&mut self, node: &Node, shared: &Shared) -> Result<(), Refusal> {
        let number = |role: Role| self.opening(role).version.map(|version| version.number);
        let lead = leader(number);
        let statement = leader(|role| self.opening(role).statement);
        let mut leaders = vec![lead, statement];
        leaders.dedup();
        let behind = |role: Role| {
            let (ours, theirs) = (self.opening(role), [self.opening(lead), self.opening(statement)]);
            let version =
                ours.version.map(|version| version.number) < theirs[0].version.map(|version| version.number);
            version || ours.statement < theirs[1].statement
        };
        let all_behind: Vec<Role> = Role::ALL.into_iter().filter(|role| behind(*role)).collect();
        for leader in leaders {
            for &asker in all_behind.iter().filter(|asker| **asker != leader) {
                if asker == self.role {
                    self.ask(node, shared, leader).await?;
                } else if leader == self.role {
                    self.tell(node, shared, asker).await?;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn ask(&mut self, node: &Node, shared: &Shared, leader: Role) -> Result<(), Refusal> {
        let ask = {
            let here = read(shared);
            let collection = self.ours.collection;
            PeerMessage::Behind {
                collection,
                version: here.version(),
                statement: Some(here.members.number()),
            }
        };
        self.send(leader, &ask);
        let PeerMessage::Ahead { entries, statements } = self.receive(node, leader).await? else {
            return Err(unexpected(node, leader));
        };
        block_in_place(|| {
            let mut here = write(shared);
            for signed in statements {
                let members = here.members.next(&signed)?;
                here.govern(signed, members)?;
            }
            for entry in entries {
                check_entry(node, &here, &entry)?;
                here.commit(entry)?;
                tracing::info!(collection = %self.ours.collection, version = here.version().number, "caught up");
            }
            Ok(())
        })
    }

    pub(super) async fn tell(&mut self, node: &Node, shared: &Shared, asker: Role) -> Result<(), Refusal> {
        let PeerMessage::Behind { version, statement, .. } = self.receive(node, asker).await? else {
            return Err(unexpected(node, asker));
        };
        let answer = {
            let here = read(shared);
            // Whoever is further behind than one version lost something, and needs a repair.
            let follows = version.number.checked_add(1) == Some(here.version().number);
            let entries = here.entry().filter(|_| follows).cloned().into_iter().collect();
            let known = statement.map_or(0, |number| number.saturating_add(1)) as usize;
            let statements = here.statements.get(known..).unwrap_or_default().to_vec();
            PeerMessage::Ahead { entries, statements }
        };
        self.send(asker, &answer);
        Ok(())
    }

    /// The session's id, once all three say the same.
    pub(super) async fn agree(&mut self, node: &Node, version: Version) -> Result<[u8; 32], Refusal> {
        let nonces = Role::ALL.map(|role| self.opening(role).nonce);
        let session = sha256(&Opening::session_bytes(&nonces, &self.ours.order, &version));
        let (previous, next) = (self.previous.role, self.next.role);
        for peer in [previous, next] {
            self.send(peer, &PeerMessage::Confirm { session: Digest(session) });
        }
        let mut differing = Vec::new();
        for peer in [previous, next] {
            match self.receive(node, peer).await? {
                PeerMessage::Confirm { session: theirs } if theirs.0 == session => {}
                PeerMessage::Confirm { .. } => differing.push(peer),
                _ => return Err(unexpected(node, peer)),
            }
        }
        match differing.as_slice() {
            [] => Ok(session),
            // Both others differ from this one: as far as it can tell, it is itself the one that is elsewhere.
            [_, _] => Err(Refusal::new(
                ProblemKind::Conflict,
                format!("{} is at another version than the two others: it needs a repair, or the collection changed meanwhile", node.name(self.role)),
            )
            .blaming(&[self.role])),
            differing => {
                let names: Vec<String> = differing.iter().map(|role| node.name(*role)).collect();
                let what = format!("{} is at another version, or told others another nonce: it may need a repair", names.concat());
                Err(Refusal::new(ProblemKind::Conflict, what).blaming(differing))
            }
        }
    }

    /// Runs a protocol of `pmirs-mpc` over the connections, on a thread that may block.
    pub(super) async fn compute<T: Send + 'static>(
        &mut self,
        node: &Arc<Node>,
        session: [u8; 32],
        work: impl FnOnce(&mut Party) -> Result<T, Stopped> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (Some(previous), Some(next)) = (self.previous.wire.take(), self.next.wire.take()) else {
            return Err(Refusal::internal(&"a session without connections"));
        };
        let keys = PairKeys { previous: previous.pair_key(), next: next.pair_key() };
        let ends = Arc::new(Mutex::new(Ends { previous, next }));
        let (role, limits) = (node.role, &node.limits);
        let over = Instant::now() + limits.session_time;
        let link = PeerLink::new(Arc::clone(&ends), Handle::current(), limits.round_time, over);
        #[cfg(test)]
        let link = link.tampering(node.tamper.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let done = tokio::task::spawn_blocking(move || {
            let mut party = Party::new(role, session, &keys, Box::new(link));
            let done = work(&mut party);
            if let Err(Stopped::Here(_)) = &done {
                party.abort(&Error::SessionOver);
            }
            done
        });
        let done = done.await.map_err(|error| Refusal::internal(&error))?;
        let ends =
            Arc::try_unwrap(ends).ok().map(|ends| ends.into_inner().unwrap_or_else(PoisonError::into_inner));
        if let Some(Ends { previous, next }) = ends {
            (self.previous.wire, self.next.wire) = (Some(previous), Some(next));
        }
        done.map_err(|stopped| match stopped {
            Stopped::Here(refusal) => refusal.in_session(session),
            Stopped::Protocol(error) => failed(node, &error).in_session(session),
        })
    }

    /// Ends the session: connections that carried no error are kept.
    pub(super) fn part(self, node: &Node, failure: Option<&Refusal>, fresh: bool) {
        for wire in [self.previous.wire, self.next.wire].into_iter().flatten() {
            match failure {
                Some(refusal) => drop(wire.send(&PeerMessage::Stop(*refusal.0.clone()))),
                None if fresh => {}
                None => node.mesh.give_back(wire),
            }
        }
        if let Some(refusal) = failure {
            tracing::warn!(collection = %self.ours.collection, problem = %refusal.0.problem, "a session failed");
        }
    }
}

/// Waits until both others are met. Whoever was met first may end the session while the other one is waited for.
async fn both(
    previous: impl Future<Output = Result<Peer, Refusal>>,
    next: impl Future<Output = Result<Peer, Refusal>>,
) -> (Result<Peer, Refusal>, Result<Peer, Refusal>) {
    let (mut previous, mut next) = (pin!(previous), pin!(next));
    tokio::select! {
        met = &mut previous => {
            let (met, other) = until_stopped(met, next).await;
            (met, other)
        }
        met = &mut next => {
            let (met, other) = until_stopped(met, previous).await;
            (other, met)
        }
    }
}

async fn until_stopped(
    mut met: Result<Peer, Refusal>,
    other: impl Future<Output = Result<Peer, Refusal>>,
) -> (Result<Peer, Refusal>, Result<Peer, Refusal>) {
    let stopped = async {
        match &mut met {
            Ok(Peer { wire: Some(wire), .. }) => wire.stopped().await,
            _ => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        other = other => (met, other),
        refused = stopped => {
            let refusal = Refusal(Box::new(refused));
            (Err(refusal.clone()), Err(refusal))
        }
    }
}

/// A peer's refusal in its name, or what else is wrong with it.
fn not_met(node: &Node, peer: Role, why: NotMet) -> Refusal {
    let name = node.name(peer);
    match why {
        // Somebody was faster: whoever asked asks again.
        NotMet::Refused(refused) if refused.problem.kind == ProblemKind::Conflict => {
            Refusal::conflict(format!("{name} refused the order: {}", refused.problem.message))
        }
        NotMet::Refused(refused) => {
            let what = format!("{name} refused the order: {}", refused.problem.message);
            let mut blamed = Role::ALL.to_vec();
            blamed.retain(|role| refused.blamed.contains(&(role.index() as u8)));
            if blamed.is_empty() {
                blamed.push(peer);
            }
            Refusal::unavailable(what).blaming(&blamed)
        }
        NotMet::Missing(why) => Refusal::unavailable(format!("{name} {why}")).blaming(&[peer]),
    }
}

/// A message that no party sends here.
pub(super) fn unexpected(node: &Node, from: Role) -> Refusal {
    Refusal::unavailable(format!("{} sent another message than the one that follows", node.name(from)))
        .blaming(&[from])
}

/// Why a computation stopped.
pub(super) enum Stopped {
    /// A protocol failed; the others know.
    Protocol(Error),
    /// Something here failed; the others must be told.
    Here(Refusal),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Protocol(error)
    }
}

/// A protocol's error in the names of the operators.
fn failed(node: &Node, error: &Error) -> Refusal {
    let culprits = error.culprits();
    let names: Vec<String> = culprits.iter().map(|role| node.name(*role)).collect();
    let blamed = if names.is_empty() { String::new() } else { format!(" [{}]", names.join(", ")) };
    Refusal::unavailable(format!("the session was aborted: {error}{blamed}")).blaming(&culprits)
}

/// The first party with the largest number.
fn leader(number: impl Fn(Role) -> Option<u64>) -> Role {
    let largest = Role::ALL.into_iter().map(&number).max().flatten();
    Role::ALL.into_iter().find(|role| number(*role) == largest).unwrap_or(Role::First)
}
