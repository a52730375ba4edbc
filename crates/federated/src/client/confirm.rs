//! Step 5: one list of survivors is confirmed, once.

use pmirs_wire::{Bytes, Digest};
use serde::{Deserialize, Serialize};

use super::mask::{Held, Masked};
use super::{Member, Outcome, Table, advance};
use crate::Error;
use crate::message::{Confirm, Step, Survivors, frame};
use crate::pair::{is_ascending, list_digest, survivors_statement};

/// Waits for the proof that others confirmed the same.
#[derive(Serialize, Deserialize)]
pub struct Confirmed {
    pub(super) table: Table,
    pub(super) sharers: Digest,
    pub(super) held: Vec<Held>,
    pub(super) survivors: Vec<u32>,
    pub(super) statement: Digest,
}

impl std::fmt::Debug for Confirmed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Confirmed({} survivors, redacted)", self.survivors.len())
    }
}

impl Masked {
    /// Confirms the survivors. From here on this member knows no other list. That those named have sent a vector, the
    /// member need not believe: it masked for each of its neighbours among them, and the sum says nothing without theirs.
    ///
    /// # Errors
    /// For survivors who never shared, without this member, or fewer than the round needs.
    pub fn confirm(self, member: &Member<'_>, survivors: &[u8]) -> Outcome<Confirmed, Self> {
        advance(self, |state| {
            let Survivors { members } = frame::hear(member.round, Step::Survivors, survivors)?;
            state.check(member, &members)?;
            let sharers = list_digest("sharers", &state.sharers);
            let list = list_digest("survivors", &members);
            let statement = survivors_statement(member.round, &state.table.digest, &sharers, &list);
            let confirm = Confirm { signature: Bytes(member.sign(&statement).to_vec()) };
            let bytes = frame::seal(member.round, member.identity, member.number, Step::Confirm, &confirm)?;
            let held = state.held.iter().map(Held::again).collect();
            let table = state.table.clone();
            Ok((Confirmed { table, sharers, held, survivors: members, statement }, bytes))
        })
    }

    fn check(&self, member: &Member<'_>, survivors: &[u32]) -> Result<(), Error> {
        const STEP: Step = Step::Survivors;
        let lie = |what| Err(Error::Coordinator { step: STEP, what });
        let shared = |survivor: &u32| self.sharers.binary_search(survivor).is_ok();
        if !is_ascending(survivors.iter().copied()) || !survivors.iter().all(shared) {
            return lie("survivors that are out of order or never shared");
        }
        if survivors.binary_search(&member.number).is_err() {
            return lie("this member uploaded, and is not among the survivors");
        }
        let (got, needed) = (survivors.len(), self.table.needed as usize);
        if got < needed { Err(Error::TooFew { step: STEP, got, needed }) } else { Ok(()) }
    }
}
