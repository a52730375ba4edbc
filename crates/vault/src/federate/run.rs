//! A member's part from its first turn to the last: patient with the network, and with everything that another turn can
//! put right.

use std::time::Duration;

use pmirs_federated::trainer::LocalTrainer;
use pmirs_wire::federation::Standing;
use pmirs_wire::problem::ProblemKind;

use super::member::{Did, Membership};
use crate::VaultError;

/// The first pause after a failure, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(30)];

/// How taking part ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// All rounds are done: the model's numbers.
    Finished(Vec<f32>),
    /// The federation stopped, for this reason.
    Stopped(String),
}

/// Is told what was done and where the federation stands, or which failure is waited after.
pub type Watch<'a> = &'a mut dyn FnMut(Result<(&Did, &Standing), &VaultError>);

impl Membership<'_> {
    /// Takes part until all rounds are done. It can be ended at any moment and called again: it goes on where it was.
    ///
    /// # Errors
    /// [`VaultError::Federation`] where the coordinator does what no honest one does; when files fail.
    pub fn run<T: LocalTrainer>(&mut self, trainer: &mut T, watch: Watch<'_>) -> Result<Ending, VaultError> {
        let taken = self.take()?;
        let (mut after, [first, longest]) = (None, PAUSES);
        let mut pause = first;
        loop {
            let (did, standing) = match self.take_turn(trainer, &taken, after) {
                Ok(turn) => turn,
                Err(error) if may_pass(&error) => {
                    watch(Err(&error));
                    std::thread::sleep(pause);
                    (pause, after) = ((2 * pause).min(longest), None);
                    continue;
                }
                Err(error) => return Err(error),
            };
            pause = first;
            watch(Ok((&did, &standing)));
            after = Some(standing.serial);
            match did {
                Did::Finished => return Ok(Ending::Finished(self.weights()?)),
                Did::Stopped(reason) => return Ok(Ending::Stopped(reason)),
                // Something is to be done at once.
                Did::Trained { .. } | Did::Ended(_) => after = None,
                Did::Waited | Did::Said { .. } | Did::Refused { .. } => {}
            }
        }
    }
}

/// A network that is away, a server that is busy, and a step that ended while its message was on the way.
fn may_pass(error: &VaultError) -> bool {
    match error {
        VaultError::Unreachable { .. } => true,
        VaultError::Refused { problem, .. } => !matches!(
            problem.kind,
            ProblemKind::NotFound | ProblemKind::Unauthenticated | ProblemKind::Damaged
        ),
        _ => false,
    }
}
