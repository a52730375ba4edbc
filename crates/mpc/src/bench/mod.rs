//! Three parties in one process, timed: what `pmirs bench split` prints. The only code of this crate that reads a
//! clock.

mod encode;
mod search;
mod wire;

pub use encode::{EncodeReport, encode};
pub use search::{SearchReport, SearchSize, search};
pub use wire::Wire;

use std::time::{Duration, Instant};

use pmirs_crypto::PairKey;
use rand_core::CryptoRng;

use crate::error::Error;
use crate::memory;
use crate::party::{Party, Traffic};
use crate::prss::PairKeys;
use crate::role::Role;

/// Longer than any protocol here takes, so that a run never fails for being slow.
const DEADLINE: Duration = Duration::from_mins(10);

/// What one party reports of one named part of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// What was done.
    pub name: &'static str,
    /// How long it took.
    pub time: Duration,
    /// Rounds, and bytes that this party sent, in this part alone.
    pub traffic: Traffic,
}

/// Collects phases within a party's protocol.
#[derive(Debug, Default)]
pub struct Stopwatch {
    phases: Vec<Phase>,
    last: Option<(Instant, Traffic)>,
}

impl Stopwatch {
    /// Begins the first phase.
    pub fn start(&mut self, party: &Party) {
        self.last = Some((Instant::now(), party.traffic()));
    }

    /// Ends a phase and begins the next.
    pub fn lap(&mut self, name: &'static str, party: &Party) {
        let (now, traffic) = (Instant::now(), party.traffic());
        let (before, sent) = self.last.replace((now, traffic)).unwrap_or((now, traffic));
        let traffic = Traffic {
            rounds: traffic.rounds - sent.rounds,
            sent: traffic.sent - sent.sent,
            received: traffic.received - sent.received,
        };
        self.phases.push(Phase { name, time: now - before, traffic });
    }

    /// What was collected.
    pub fn into_phases(self) -> Vec<Phase> {
        self.phases
    }
}

/// Runs the same protocol as all three parties, each on a thread, and returns what each returned.
///
/// # Errors
/// The first party's error, if any failed.
pub fn three_parties<T: Send>(
    rng: &mut impl CryptoRng,
    protocol: impl Fn(&mut Party) -> Result<T, Error> + Sync,
) -> Result<[T; 3], Error> {
    three_parties_over(Wire::MEMORY, rng, protocol)
}

/// The same over links that take their time.
///
/// # Errors
/// The first party's error, if any failed.
pub fn three_parties_over<T: Send>(
    wire: Wire,
    rng: &mut impl CryptoRng,
    protocol: impl Fn(&mut Party) -> Result<T, Error> + Sync,
) -> Result<[T; 3], Error> {
    let mut session = [0; 32];
    rng.fill_bytes(&mut session);
    let keys = fresh_keys(rng);
    let links = wire.around(memory::ring(DEADLINE));
    let run = |role, link, keys| protocol(&mut Party::new(role, session, keys, link));
    let results: Vec<Result<T, Error>> = std::thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = Role::ALL
            .into_iter()
            .zip(links)
            .zip(&keys)
            .map(|((role, link), keys)| scope.spawn(move || run(role, link, keys)))
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let results: Vec<T> = results.into_iter().collect::<Result<_, _>>()?;
    // A thread that panicked has printed why.
    results.try_into().map_err(|_| Error::SessionOver)
}

/// Pairwise keys of three parties that trust the same generator: for measurements alone.
fn fresh_keys(rng: &mut impl CryptoRng) -> [PairKeys; 3] {
    let keys = [(); 3].map(|()| {
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        secret
    });
    let [first, second, third] = keys.each_ref().map(|secret| move || PairKey::from_secret(secret));
    [
        PairKeys { previous: first(), next: second() },
        PairKeys { previous: second(), next: third() },
        PairKeys { previous: third(), next: first() },
    ]
}
