//! Three parties in one process: every message is encoded and decoded, a failure prints the seed, nothing waits long.

use std::time::Duration;

use pmirs_crypto::PairKey;
use pmirs_mpc::{Error, PairKeys, Party, Role, memory};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Long enough for any protocol here on a busy machine, short enough that a hang is a failure.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The keys of all three parties, from a seed.
pub fn keys(seed: u64) -> [PairKeys; 3] {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let secrets = [(); 3].map(|()| {
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        secret
    });
    // Key i is held by P_i and the party before it.
    let key = |index: usize| PairKey::from_secret(&secrets[index % 3]);
    [0, 1, 2].map(|index| PairKeys { previous: key(index), next: key(index + 1) })
}

/// The session of a seed.
pub fn session(seed: u64) -> [u8; 32] {
    let mut session = [0; 32];
    session[..8].copy_from_slice(&seed.to_le_bytes());
    session
}

/// Runs the same protocol as all three parties and returns what each got.
pub fn run<T: Send>(
    seed: u64,
    protocol: impl Fn(&mut Party) -> Result<T, Error> + Sync,
) -> [Result<T, Error>; 3] {
    let links = memory::ring(DEADLINE);
    let keys = keys(seed);
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> = Role::ALL
            .into_iter()
            .zip(links)
            .zip(&keys)
            .map(|((role, link), keys)| {
                let protocol = &protocol;
                scope.spawn(move || {
                    let mut party = Party::new(role, session(seed), keys, Box::new(link));
                    protocol(&mut party)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    results.try_into().unwrap_or_else(|_| panic!("three parties"))
}

/// Runs a protocol that must succeed.
pub fn succeed<T: Send>(seed: u64, protocol: impl Fn(&mut Party) -> Result<T, Error> + Sync) -> [T; 3] {
    run(seed, protocol).map(|result| result.unwrap_or_else(|error| panic!("seed {seed}: {error}")))
}

/// The entry of this party.
pub fn of<'a, T>(party: &Party, all: &'a [T; 3]) -> &'a T {
    &all[party.role().index()]
}
