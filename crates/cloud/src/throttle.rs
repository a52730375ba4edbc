//! Rates per account and per address.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::DefaultClock;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use pmirs_wire::AccountId;

use crate::config::{Limits, Rate};
use crate::refusal::Refusal;

/// Above this many keys, those at rest are forgotten from time to time.
const MANY_KEYS: usize = 50_000;
/// How many checks lie between two such sweeps.
const CHECKS_PER_SWEEP: u32 = 10_000;

/// All the rates of a server.
pub(crate) struct Throttle {
    accounts: Keyed<AccountId>,
    peers: Keyed<IpAddr>,
    logins: Keyed<IpAddr>,
}

impl Throttle {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            accounts: Keyed::new(limits.account_rate),
            peers: Keyed::new(limits.peer_rate),
            logins: Keyed::new(limits.login_rate),
        }
    }

    pub(crate) fn account(&self, account: AccountId) -> Result<(), Refusal> {
        self.accounts.check(&account, "too many requests of this account: wait a moment")
    }

    pub(crate) fn peer(&self, peer: IpAddr) -> Result<(), Refusal> {
        self.peers.check(&network(peer), "too many requests from this address: wait a moment")
    }

    pub(crate) fn login(&self, peer: IpAddr) -> Result<(), Refusal> {
        self.logins.check(&network(peer), "too many logins from this address: wait a moment")
    }
}

struct Keyed<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock>,
    checks: AtomicU32,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    fn new(rate: Rate) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self { limiter: RateLimiter::keyed(quota), checks: AtomicU32::new(0) }
    }

    fn check(&self, key: &K, message: &str) -> Result<(), Refusal> {
        let checks = self.checks.fetch_add(1, Ordering::Relaxed);
        if checks.is_multiple_of(CHECKS_PER_SWEEP) && self.limiter.len() > MANY_KEYS {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(key).map_err(|_| Refusal::too_many(message))
    }
}

/// One household or one server usually holds a whole IPv6 /64, so that is what counts.
fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => IpAddr::from((u128::from(address) & !u128::from(u64::MAX)).to_be_bytes()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_share_a_rate() {
        let limits = Limits { peer_rate: Rate::new(1, 2), ..Limits::default() };
        let throttle = Throttle::new(&limits);
        let peers = ["2001:db8::1", "2001:db8::2", "2001:db8::3"].map(|text| text.parse().unwrap());
        assert!(throttle.peer(peers[0]).is_ok());
        assert!(throttle.peer(peers[1]).is_ok());
        assert!(throttle.peer(peers[2]).is_err());
        assert!(throttle.peer("2001:db8:0:1::1".parse().unwrap()).is_ok());
        assert!(throttle.peer("192.0.2.1".parse().unwrap()).is_ok());
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1".parse::<IpAddr>().unwrap());
    }
}
