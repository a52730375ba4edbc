//! A member's state as bytes, to stop with and to resume from.

use pmirs_wire::{DecodeError, Message};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Advertised, Chosen, Confirmed, Masked, Shared};
use crate::Error;

/// Where a member stands in a round.
#[derive(Debug, Serialize, Deserialize)]
pub enum Progress {
    /// After [`advertise`](super::advertise).
    Advertised(Advertised),
    /// After [`Advertised::choose`].
    Chosen(Chosen),
    /// After [`Chosen::share`].
    Shared(Shared),
    /// After [`Shared::mask`].
    Masked(Masked),
    /// After [`Masked::confirm`].
    Confirmed(Confirmed),
}

impl Message for Progress {
    const NAME: &'static str = "a member's progress";
    const MAX_BYTES: usize = 4 << 20;
}

impl Progress {
    /// A version byte and CBOR, as secret as all shares in it: for a file sealed by a `LocalKey`.
    ///
    /// # Errors
    /// Where it would break its own limit, which no state of a round within its limits does.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        Ok(Zeroizing::new(pmirs_wire::encode(self)?))
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// For bytes of another version, or damaged ones.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        pmirs_wire::decode(bytes)
    }
}
