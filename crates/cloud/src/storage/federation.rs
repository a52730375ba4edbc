//! What is kept of federations: charters, where their rounds stand, what members said in the one that runs, and what
//! each round gave.

use pmirs_wire::federation::{FederationRow, Phase, RecordPage, RoundRecord};
use pmirs_wire::{AccountId, Digest};

use super::{BlobId, Creation, StorageError};

/// A federation's number within this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FederationPlace(pub(crate) i64);

/// A new federation, already checked.
pub(crate) struct FederationToAdd<'a> {
    pub(crate) id: Digest,
    pub(crate) owner: AccountId,
    pub(crate) name: &'a str,
    pub(crate) charter: &'a [u8],
    pub(crate) signature: &'a [u8],
    /// By their numbers.
    pub(crate) members: &'a [AccountId],
    pub(crate) created_ms: u64,
}

/// Where a federation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FederationState {
    pub(crate) phase: Phase,
    pub(crate) number: u32,
    pub(crate) attempt: u32,
    /// The number of the step that is due.
    pub(crate) step: u8,
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) reason: Option<String>,
    /// The model's numbers.
    pub(crate) weights: Option<BlobId>,
    /// What the optimiser remembers.
    pub(crate) optimiser: Option<BlobId>,
    /// The masked sum so far.
    pub(crate) sum: Option<BlobId>,
}

impl FederationState {
    /// Before the model is there.
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::AwaitsModel,
            number: 0,
            attempt: 0,
            step: 0,
            deadline_ms: None,
            reason: None,
            weights: None,
            optimiser: None,
            sum: None,
        }
    }
}

/// A member's message of the round that runs. Of an upload, what is kept of it.
#[derive(Debug, Clone)]
pub(crate) struct KeptMessage {
    pub(crate) step: u8,
    pub(crate) member: u32,
    pub(crate) frame: Vec<u8>,
}

/// All of a federation.
pub(crate) struct StoredFederation {
    pub(crate) place: FederationPlace,
    pub(crate) owner: AccountId,
    pub(crate) owner_identity: Vec<u8>,
    pub(crate) charter: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) state: FederationState,
    pub(crate) records: Vec<RoundRecord>,
    pub(crate) messages: Vec<KeptMessage>,
}

/// Somebody's part in a federation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) place: FederationPlace,
    pub(crate) owner: bool,
    /// The number among its members.
    pub(crate) member: Option<u32>,
}

/// Federations and their rounds. As with [`Store`](super::Store), every method is one transaction.
pub(crate) trait FederationStore {
    /// Keeps a federation, where its owner has fewer than `most`.
    fn create_federation(&self, new: &FederationToAdd<'_>, most: u64) -> Result<Creation, StorageError>;

    /// Those that an account owns or is a member of, the oldest first.
    fn federations(&self, account: &AccountId) -> Result<Vec<FederationRow>, StorageError>;

    /// An account's part in a federation; nothing where it is absent or not this account's to see.
    fn federation_part(&self, account: &AccountId, id: &Digest) -> Result<Option<Part>, StorageError>;

    /// All that is kept of one.
    fn federation(&self, place: FederationPlace) -> Result<Option<StoredFederation>, StorageError>;

    /// What rounds gave, from a number on.
    fn federation_records(
        &self,
        place: FederationPlace,
        from: u64,
        most: usize,
    ) -> Result<RecordPage, StorageError>;

    /// Whether there is any federation.
    fn has_federations(&self) -> Result<bool, StorageError>;

    /// Keeps a member's message, and the sum that an upload led to, in place of the one before.
    fn keep_message(
        &self,
        place: FederationPlace,
        message: &KeptMessage,
        sum: Option<BlobId>,
    ) -> Result<(), StorageError>;

    /// Moves a federation on.
    fn move_federation(&self, place: FederationPlace, state: &FederationState) -> Result<(), StorageError>;

    /// Ends a try of a round: forgets its messages, keeps the record if it gave one, and moves the federation on.
    fn end_try(
        &self,
        place: FederationPlace,
        record: Option<(u32, &RoundRecord)>,
        state: &FederationState,
    ) -> Result<(), StorageError>;

    /// Forgets a federation.
    fn delete_federation(&self, place: FederationPlace) -> Result<Vec<BlobId>, StorageError>;

    /// Those of the blobs that no federation names.
    fn model_orphans(&self, blobs: &[BlobId]) -> Result<Vec<BlobId>, StorageError>;
}
