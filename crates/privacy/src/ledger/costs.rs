//! What the entries of a ledger cost, kept by kind.

use std::collections::BTreeMap;

use super::entry::kind;
use super::release::Release;
use crate::accountant::RdpCurve;
use crate::sampling::Adversary;

/// How often each kind of release was made, with its cost: most releases of a ledger are alike.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Costs(BTreeMap<Vec<u8>, Cost>);

#[derive(Debug, Clone, PartialEq)]
struct Cost {
    releases: u32,
    against_coordinator: RdpCurve,
    against_recipients: RdpCurve,
}

impl Costs {
    pub fn add(&mut self, release: &Release) {
        let cost = self.0.entry(kind(release)).or_insert_with(|| Cost {
            releases: 0,
            against_coordinator: release.curve(Adversary::Coordinator),
            against_recipients: release.curve(Adversary::Recipients),
        });
        cost.releases += 1;
    }

    /// Of one release of a kind that is in the ledger.
    pub fn of(&self, release: &Release, adversary: Adversary) -> Option<RdpCurve> {
        self.0.get(&kind(release)).map(|cost| cost.against(adversary).clone())
    }

    /// Of all of them.
    pub fn total(&self, adversary: Adversary) -> RdpCurve {
        self.0.values().fold(RdpCurve::zero(), |total, cost| {
            total.compose(&cost.against(adversary).times(cost.releases))
        })
    }
}

impl Cost {
    fn against(&self, adversary: Adversary) -> &RdpCurve {
        match adversary {
            Adversary::Coordinator => &self.against_coordinator,
            Adversary::Recipients => &self.against_recipients,
        }
    }
}
