//! The ledger itself.

use pmirs_crypto::{Context, Identity, PublicIdentity, Signature, sha256};

use super::budget::{Budget, Refusal};
use super::costs::Costs;
use super::entry::{Entry, HEADER, MAX_ENTRIES, MAX_ENTRY, MAX_LEDGER, SIGNATURE, VERSION};
use super::error::LedgerError;
use super::release::Release;
use crate::PrivacyError;
use crate::accountant::RdpCurve;
use crate::sampling::Adversary;

/// A member's ledger. A value of this type has been checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    bytes: Vec<u8>,
    member: [u8; 32],
    releases: Vec<Release>,
    /// Hash of each entry, and before them that of the header.
    hashes: Vec<[u8; 32]>,
    costs: Costs,
}

/// Where a ledger ended when it was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerHead {
    /// Entries that it had.
    pub entries: u64,
    /// Hash of the last of them; of the header, without any.
    pub hash: [u8; 32],
}

/// A release that is in the ledger, and may leave once the record is on the disk.
#[derive(Debug)]
#[must_use = "the record must be stored before anything is let out"]
pub struct Spent {
    record: Vec<u8>,
    head: LedgerHead,
}

impl Spent {
    /// What the stored ledger grows by.
    pub fn record(&self) -> &[u8] {
        &self.record
    }

    /// Where the ledger ends now.
    pub fn head(&self) -> LedgerHead {
        self.head
    }
}

impl Ledger {
    /// The empty ledger of a member.
    pub fn new(member: &PublicIdentity) -> Self {
        Self::of(member.fingerprint())
    }

    fn of(member: [u8; 32]) -> Self {
        let bytes = [&[VERSION], member.as_slice()].concat();
        let hashes = vec![hash(&bytes, &[])];
        Self { bytes, member, releases: Vec::new(), hashes, costs: Costs::default() }
    }

    /// Reads a ledger and checks all of it: limits, shape, chain, and every signature.
    pub fn open(bytes: &[u8], member: &PublicIdentity) -> Result<Self, LedgerError> {
        if bytes.len() > MAX_LEDGER {
            return Err(LedgerError::TooLong { limit: MAX_LEDGER, got: bytes.len() });
        }
        let (header, mut rest) = bytes.split_at_checked(HEADER).ok_or(LedgerError::Truncated { entry: 0 })?;
        let mut ledger = Self::new(member);
        match header.split_first() {
            Some((&VERSION, fingerprint)) if fingerprint == ledger.member => {}
            Some((&VERSION, _)) => return Err(LedgerError::OtherMember),
            other => {
                let got = other.map_or(0, |(&version, _)| version);
                return Err(LedgerError::Version { expected: VERSION, got });
            }
        }
        while !rest.is_empty() {
            rest = ledger.follow(rest, member)?;
        }
        Ok(ledger)
    }

    /// Reads a ledger whose writer may have died while it wrote: what a crash leaves behind the last whole entry is cut
    /// off, at most one entry long. `remembered` is where the ledger ended when its last release was let out, so nothing
    /// that counts is ever cut; any other damage is refused as by [`open`](Self::open).
    ///
    /// Returns how many bytes at the end are to be cut.
    pub fn recover(
        bytes: &[u8],
        member: &PublicIdentity,
        remembered: Option<&LedgerHead>,
    ) -> Result<(Self, usize), LedgerError> {
        let error = match Self::open(bytes, member) {
            Ok(ledger) => return Ok((ledger, 0)),
            Err(error) => error,
        };
        let nothing = Self::new(member).head();
        // A header that is cut short can only be that of a ledger that was never used.
        let whole = if bytes.len() < HEADER { 0 } else { whole_entries(bytes, member) };
        let (kept, cut) = bytes.split_at_checked(whole).unwrap_or((bytes, &[]));
        let ledger = if whole == 0 { Self::new(member) } else { Self::open(kept, member)? };
        if cut.is_empty() {
            return ledger.check_continues(remembered.unwrap_or(&nothing)).map(|()| (ledger, 0));
        }
        let torn = cut.len() <= 2 + MAX_ENTRY + SIGNATURE && error.is_of_entry(ledger.head().entries);
        if torn && ledger.head() == *remembered.unwrap_or(&nothing) {
            Ok((ledger, cut.len()))
        } else {
            Err(error)
        }
    }

    /// Takes the first record off the front, and returns what follows it.
    fn follow<'a>(&mut self, bytes: &'a [u8], member: &PublicIdentity) -> Result<&'a [u8], LedgerError> {
        let number = self.releases.len() as u64;
        let truncated = LedgerError::Truncated { entry: number };
        if number >= MAX_ENTRIES {
            return Err(LedgerError::Malformed {
                entry: number,
                field: "more entries than a ledger may have",
            });
        }
        let (length, rest) = bytes.split_first_chunk().ok_or(truncated.clone())?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length > MAX_ENTRY {
            return Err(LedgerError::Malformed { entry: number, field: "length" });
        }
        let (encoded, rest) = rest.split_at_checked(length).ok_or(truncated.clone())?;
        let (signature, rest) = rest.split_first_chunk::<SIGNATURE>().ok_or(truncated)?;
        let entry = Entry::from_bytes(encoded, number)?;
        if entry.number != number || entry.before != self.head().hash {
            return Err(LedgerError::BrokenChain { entry: number });
        }
        member
            .verify(Context::Ledger, encoded, &Signature(*signature))
            .map_err(|source| LedgerError::Signature { entry: number, source })?;
        let _record = self.push(entry.release, encoded, signature);
        Ok(rest)
    }

    fn push(&mut self, release: Release, encoded: &[u8], signature: &[u8; SIGNATURE]) -> Vec<u8> {
        let record = [&(encoded.len() as u16).to_be_bytes(), encoded, signature].concat();
        self.bytes.extend_from_slice(&record);
        self.hashes.push(hash(encoded, signature));
        self.costs.add(&release);
        self.releases.push(release);
        record
    }

    /// The whole ledger as bytes, for [`open`](Self::open).
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Fingerprint of whose it is.
    pub fn member(&self) -> [u8; 32] {
        self.member
    }

    /// All releases, the oldest first.
    pub fn releases(&self) -> &[Release] {
        &self.releases
    }

    /// Where it ends.
    pub fn head(&self) -> LedgerHead {
        let hash = self.hashes.last().copied().unwrap_or_default();
        LedgerHead { entries: self.releases.len() as u64, hash }
    }

    /// The release that answered an occasion, with the entry's number.
    pub fn answer_to(&self, occasion: &[u8; 32]) -> Option<(u64, &Release)> {
        let found = self.releases.iter().enumerate().find(|(_, release)| release.occasion == *occasion);
        found.map(|(number, release)| (number as u64, release))
    }

    /// Refuses a ledger that is not the continuation of what was remembered.
    pub fn check_continues(&self, remembered: &LedgerHead) -> Result<(), LedgerError> {
        let here = usize::try_from(remembered.entries).ok().and_then(|entries| self.hashes.get(entries));
        if here == Some(&remembered.hash) {
            Ok(())
        } else {
            Err(LedgerError::RolledBack { entry: remembered.entries })
        }
    }

    /// The cost of one of its releases, looked up.
    pub(crate) fn cost_of(&self, release: &Release, adversary: Adversary) -> RdpCurve {
        self.costs.of(release, adversary).unwrap_or_else(|| release.curve(adversary))
    }

    /// The cost of everything in it against an adversary.
    pub fn curve(&self, adversary: Adversary) -> RdpCurve {
        self.costs.total(adversary)
    }

    /// `ε` of everything in it, at this `δ`.
    pub fn epsilon(&self, delta: f64, adversary: Adversary) -> Result<f64, PrivacyError> {
        self.curve(adversary).epsilon(delta)
    }

    /// Writes a release down, if the member's terms allow it. What it returns is stored first; then the release may
    /// leave. Nothing is given back when it does not arrive. Who finds an occasion [answered](Self::answer_to) sends the
    /// same message again and does not spend again: another message is refused, and so is the same one here.
    pub fn spend(
        &mut self,
        identity: &Identity,
        budget: &Budget,
        release: Release,
    ) -> Result<Spent, Refusal> {
        if identity.public().fingerprint() != self.member {
            return Err(Refusal::OtherMember);
        }
        if let Some((entry, _)) = self.answer_to(&release.occasion) {
            return Err(Refusal::OtherMessage { entry });
        }
        self.allows(budget, &release)?;
        let head = self.head();
        let encoded = Entry { number: head.entries, before: head.hash, release: release.clone() }.to_bytes();
        let signature = identity.sign(Context::Ledger, &encoded);
        let record = self.push(release, &encoded, &signature.0);
        Ok(Spent { record, head: self.head() })
    }

    /// Whether [`spend`](Self::spend) would write a release down. Returns the `ε` that everything would come to.
    pub fn allows(&self, budget: &Budget, release: &Release) -> Result<f64, Refusal> {
        self.allows_many(budget, release, 1)
    }

    /// Whether so many releases like this one would be written down: for showing a member what rounds would cost before
    /// they consent. Returns the `ε` that everything would come to.
    pub fn allows_many(&self, budget: &Budget, release: &Release, count: u32) -> Result<f64, Refusal> {
        budget.check()?;
        if self.releases.len() as u64 + u64::from(count) > MAX_ENTRIES {
            return Err(Refusal::Full { limit: MAX_ENTRIES });
        }
        release.mechanism.check()?;
        let got = release.mechanism.noise_multiplier();
        if got < budget.least_noise {
            return Err(Refusal::TooLittleNoise { got, demanded: budget.least_noise });
        }
        let now = self.curve(budget.adversary);
        let more = release.curve(budget.adversary).times(count);
        let would_be = now.compose(&more).epsilon(budget.delta)?;
        if !budget.holds(would_be) {
            let spent = now.epsilon(budget.delta)?;
            return Err(Refusal::OverBudget { spent, would_be, budget: budget.epsilon, delta: budget.delta });
        }
        Ok(would_be)
    }

    /// How many more releases like this one the member's terms allow, at most `most`.
    pub fn releases_left(&self, budget: &Budget, release: &Release, most: u32) -> u32 {
        if self.allows(budget, release).is_err() {
            return 0;
        }
        let (now, one) = (self.curve(budget.adversary), release.curve(budget.adversary));
        let fits = |count: u32| {
            now.compose(&one.times(count))
                .epsilon(budget.delta)
                .is_ok_and(|epsilon| epsilon <= budget.epsilon)
        };
        let room = u32::try_from(MAX_ENTRIES).unwrap_or(u32::MAX) - self.releases.len() as u32;
        let (mut fitting, mut beyond) = (1, most.min(room).saturating_add(1));
        while beyond - fitting > 1 {
            let middle = fitting + (beyond - fitting) / 2;
            if fits(middle) {
                fitting = middle;
            } else {
                beyond = middle;
            }
        }
        fitting.min(most)
    }
}

/// Bytes up to the end of the last entry that is whole and follows.
fn whole_entries(bytes: &[u8], member: &PublicIdentity) -> usize {
    let mut ledger = Ledger::new(member);
    let Some((header, mut rest)) = bytes.split_at_checked(HEADER) else { return 0 };
    if header != ledger.bytes {
        return 0;
    }
    while let Ok(next) = ledger.follow(rest, member) {
        rest = next;
        if rest.is_empty() {
            break;
        }
    }
    ledger.bytes.len()
}

/// What an entry's successor names. The signature has a fixed length and comes last, so no two pairs run together.
fn hash(entry: &[u8], signature: &[u8]) -> [u8; 32] {
    sha256(&[b"pmirs/privacy ledger/v1\0", entry, signature].concat())
}
