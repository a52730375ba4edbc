//! What the local store keeps beside the ledger, sealed.

use pmirs_privacy::ledger::LedgerHead;
use pmirs_wire::{Digest, Message};
use serde::{Deserialize, Serialize};

use super::Limits;

/// Where the ledger ended when it was last written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeadSetting {
    entries: u64,
    hash: Digest,
}

impl Message for HeadSetting {
    const NAME: &'static str = "privacy ledger's head";
    const MAX_BYTES: usize = 256;
}

impl From<LedgerHead> for HeadSetting {
    fn from(head: LedgerHead) -> Self {
        Self { entries: head.entries, hash: Digest(head.hash) }
    }
}

impl From<HeadSetting> for LedgerHead {
    fn from(head: HeadSetting) -> Self {
        Self { entries: head.entries, hash: head.hash.0 }
    }
}

/// What the home allows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LimitSetting {
    /// Nothing: no limit.
    epsilon: Option<f64>,
    delta: f64,
    least_noise: f64,
}

impl Message for LimitSetting {
    const NAME: &'static str = "privacy limits";
    const MAX_BYTES: usize = 256;
}

impl From<Limits> for LimitSetting {
    fn from(limits: Limits) -> Self {
        let Limits { epsilon, delta, least_noise } = limits;
        Self { epsilon: Some(epsilon).filter(|epsilon| epsilon.is_finite()), delta, least_noise }
    }
}

impl From<LimitSetting> for Limits {
    fn from(setting: LimitSetting) -> Self {
        let LimitSetting { epsilon, delta, least_noise } = setting;
        Self { epsilon: epsilon.unwrap_or(f64::INFINITY), delta, least_noise }
    }
}

/// What data is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DataSetting {
    pub(super) name: String,
}

impl Message for DataSetting {
    const NAME: &'static str = "name of data";
    const MAX_BYTES: usize = 16 << 10;
}
