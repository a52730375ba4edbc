//! Things that work once: challenges, and enveloped requests.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pmirs_wire::AccountId;

/// How long a challenge waits for its login.
const CHALLENGE_MS: u64 = 60_000;

/// Nonces that were handed out and not used yet.
pub(crate) struct Challenges {
    open: Mutex<HashMap<[u8; 32], Challenged>>,
    capacity: usize,
}

struct Challenged {
    account: AccountId,
    expires_ms: u64,
}

impl Challenges {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { open: Mutex::default(), capacity }
    }

    /// Remembers a nonce; `false` where too many are open.
    ///
    /// It is the same for accounts that exist and for those that do not.
    pub(crate) fn open(&self, nonce: [u8; 32], account: AccountId, now_ms: u64) -> bool {
        let mut open = lock(&self.open);
        if open.len() >= self.capacity {
            open.retain(|_, challenged| challenged.expires_ms > now_ms);
        }
        if open.len() >= self.capacity {
            return false;
        }
        open.insert(nonce, Challenged { account, expires_ms: now_ms + CHALLENGE_MS });
        true
    }

    /// Spends a nonce, whoever shows it; `true` if it was open for this account.
    pub(crate) fn spend(&self, nonce: &[u8], account: &AccountId, now_ms: u64) -> bool {
        lock(&self.open)
            .remove(nonce)
            .is_some_and(|challenged| challenged.account == *account && challenged.expires_ms > now_ms)
    }
}

/// The enveloped requests of the last minutes.
pub(crate) struct Replays {
    seen: Mutex<Seen>,
    capacity: usize,
    window_ms: u64,
    started_ms: u64,
}

#[derive(Default)]
struct Seen {
    digests: HashSet<Digest>,
    by_expiry: BinaryHeap<Reverse<(u64, Digest)>>,
}

/// Half a SHA-256 tells requests apart: whoever finds two that collide can only have an own one refused.
type Digest = [u8; 16];

/// Why an enveloped request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stale {
    /// The client's clock, or the request, is off by more than the window.
    Time,
    /// Sent before the server started, so nobody knows whether it was served then.
    BeforeStart,
    /// Served already.
    Replayed,
    /// As many requests as can be remembered.
    Full,
}

impl Replays {
    pub(crate) fn new(capacity: usize, window_ms: u64, started_ms: u64) -> Self {
        Self { seen: Mutex::default(), capacity, window_ms, started_ms }
    }

    /// Lets a request through once, if it is fresh.
    pub(crate) fn admit(&self, digest: &[u8; 32], sent_ms: u64, now_ms: u64) -> Result<(), Stale> {
        if sent_ms.abs_diff(now_ms) > self.window_ms {
            return Err(Stale::Time);
        }
        if sent_ms < self.started_ms {
            return Err(Stale::BeforeStart);
        }
        let digest = digest.first_chunk::<16>().copied().unwrap_or_default();
        let mut seen = lock(&self.seen);
        seen.forget_before(now_ms);
        if seen.digests.contains(&digest) {
            return Err(Stale::Replayed);
        }
        if seen.digests.len() >= self.capacity {
            return Err(Stale::Full);
        }
        seen.digests.insert(digest);
        seen.by_expiry.push(Reverse((sent_ms + self.window_ms, digest)));
        Ok(())
    }
}

impl Seen {
    /// Drops what the window refuses anyway.
    fn forget_before(&mut self, now_ms: u64) {
        while let Some(Reverse((expires_ms, digest))) = self.by_expiry.peek()
            && *expires_ms < now_ms
        {
            self.digests.remove(digest);
            self.by_expiry.pop();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_000_000;
    const WINDOW: u64 = 1_000;

    #[test]
    fn a_request_is_let_through_once() {
        let replays = Replays::new(2, WINDOW, START);
        assert_eq!(replays.admit(&[1; 32], START + 5, START + 9), Ok(()));
        assert_eq!(replays.admit(&[1; 32], START + 5, START + 9), Err(Stale::Replayed));
        // As late as the window allows, it is still remembered.
        assert_eq!(replays.admit(&[1; 32], START + 5, START + 5 + WINDOW), Err(Stale::Replayed));
        assert_eq!(replays.admit(&[1; 32], START + 5, START + 6 + WINDOW), Err(Stale::Time));
    }

    #[test]
    fn old_early_and_prior_requests_are_refused() {
        let replays = Replays::new(2, WINDOW, START);
        assert_eq!(replays.admit(&[1; 32], START - 1, START), Err(Stale::BeforeStart));
        assert_eq!(replays.admit(&[1; 32], START + WINDOW + 1, START), Err(Stale::Time));
    }

    #[test]
    fn a_full_memory_refuses_and_never_forgets_early() {
        let replays = Replays::new(2, WINDOW, START);
        assert_eq!(replays.admit(&[1; 32], START, START), Ok(()));
        assert_eq!(replays.admit(&[2; 32], START + 10, START + 10), Ok(()));
        assert_eq!(replays.admit(&[3; 32], START + 20, START + 20), Err(Stale::Full));
        assert_eq!(replays.admit(&[2; 32], START + 10, START + 20), Err(Stale::Replayed));
        assert_eq!(replays.admit(&[3; 32], START + WINDOW + 1, START + WINDOW + 1), Ok(()));
    }

    #[test]
    fn a_challenge_works_once_for_its_account_and_not_for_long() {
        let challenges = Challenges::new(2);
        let (alice, bob) = (AccountId([1; 32]), AccountId([2; 32]));
        assert!(challenges.open([1; 32], alice, 0));
        assert!(challenges.spend(&[1; 32], &alice, 1));
        assert!(!challenges.spend(&[1; 32], &alice, 1));
        assert!(challenges.open([2; 32], alice, 0));
        assert!(!challenges.spend(&[2; 32], &bob, 1));
        assert!(challenges.open([3; 32], alice, 0));
        assert!(!challenges.spend(&[3; 32], &alice, CHALLENGE_MS));
    }

    #[test]
    fn open_challenges_are_bounded() {
        let challenges = Challenges::new(2);
        let account = AccountId([1; 32]);
        assert!(challenges.open([1; 32], account, 0));
        assert!(challenges.open([2; 32], account, 0));
        assert!(!challenges.open([3; 32], account, 0));
        assert!(challenges.open([3; 32], account, CHALLENGE_MS));
    }
}
