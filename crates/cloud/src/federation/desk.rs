//! What a federation works with: disk, key and clock.

use pmirs_crypto::Identity;
use pmirs_federated::Error;
use rand_core::Rng;

use super::Staging;
use crate::clock;
use crate::refusal::Refusal;
use crate::storage::{BlobId, Blobs, StorageError, Store};

/// Everything around a federation, for one request.
pub(crate) struct Desk<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) models: &'a dyn Blobs,
    pub(crate) staging: &'a Staging,
    pub(crate) signer: &'a Identity,
    pub(crate) now_ms: u64,
}

impl Desk<'_> {
    /// Puts bytes on the disk under a fresh name.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<BlobId, StorageError> {
        let mut name = BlobId([0; 16]);
        clock::system_rng().fill_bytes(&mut name.0);
        self.models.put(&[(name, bytes)])?;
        Ok(name)
    }

    /// Removes what is named no more. What stays behind goes at the next start.
    pub(super) fn remove(&self, blobs: impl IntoIterator<Item = Option<BlobId>>) {
        let blobs: Vec<BlobId> = blobs.into_iter().flatten().collect();
        if let Err(error) = self.models.remove(&blobs) {
            tracing::warn!(%error, "numbers without a federation stay until the next start");
        }
    }
}

/// Little-endian words, as they travel.
pub(super) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

/// The same for sums.
pub(super) fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

/// Why a round did not take a message, as the member is told.
pub(super) fn refused(error: &Error) -> Refusal {
    let message = error.to_string();
    match error {
        Error::WrongRound { .. }
        | Error::WrongStep { .. }
        | Error::Repeated { .. }
        | Error::OtherView { .. } => Refusal::conflict(message),
        Error::Stranger { .. } | Error::NotAMember => Refusal::forbidden(&message),
        Error::Encode(_) => Refusal::internal(&message),
        _ => Refusal::bad(message),
    }
}
