//! Pairings in progress: in memory alone, bounded in number, size and time.
//!
//! A slot is written once. Who repeats what is there gets the same answer, who brings something else is refused:
//! whatever a guesser of a code writes can end a pairing, never take one over.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pmirs_crypto::pairing::{ANSWER_LEN, COMMITMENT_LEN, REVEAL_LEN, SEED_LEN};
use pmirs_wire::pairing::{NewPairing, PairingState, code_from_bits};
use pmirs_wire::{AccountId, Bytes};
use rand_core::CryptoRng;

use crate::refusal::Refusal;

/// How long a pairing may take.
const LIFETIME_MS: u64 = 10 * 60_000;

/// Pairings by code.
pub(crate) struct Mailbox {
    open: Mutex<HashMap<String, Pairing>>,
    capacity: usize,
}

struct Pairing {
    state: PairingState,
    /// Who answered: nobody else may send the seed.
    answered_by: Option<AccountId>,
}

/// What one of the devices brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// By the device that is logged in to this account.
    Answer(AccountId),
    /// By the new device, once there is an answer.
    Reveal,
    /// By the same account, once there is a reveal.
    Seed(AccountId),
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Answer(_) => "answer",
            Self::Reveal => "reveal",
            Self::Seed(_) => "seed",
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Answer(_) => ANSWER_LEN,
            Self::Reveal => REVEAL_LEN,
            Self::Seed(_) => SEED_LEN,
        }
    }
}

impl Mailbox {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { open: Mutex::default(), capacity }
    }

    /// Opens a pairing for a new device that commits to this.
    pub(crate) fn open(
        &self,
        rng: &mut impl CryptoRng,
        commitment: Bytes,
        now_ms: u64,
    ) -> Result<NewPairing, Refusal> {
        exactly("commitment", &commitment, COMMITMENT_LEN)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.capacity {
            open.retain(|_, pairing| pairing.state.expires_ms > now_ms);
        }
        if open.len() >= self.capacity {
            return Err(Refusal::too_many("too many devices are being paired: wait a few minutes"));
        }
        let code = loop {
            let code = code_from_bits(rng.next_u64());
            if !open.contains_key(&code) {
                break code;
            }
        };
        let expires_ms = now_ms + LIFETIME_MS;
        let state = PairingState { commitment, answer: None, reveal: None, seed: None, expires_ms };
        open.insert(code.clone(), Pairing { state, answered_by: None });
        Ok(NewPairing { code, expires_ms })
    }

    /// What a pairing holds.
    pub(crate) fn show(&self, code: &str, now_ms: u64) -> Result<PairingState, Refusal> {
        self.with(code, now_ms, |pairing| Ok(pairing.state.clone()))
    }

    /// Writes a slot, and shows what the pairing holds then.
    pub(crate) fn put(
        &self,
        code: &str,
        step: Step,
        message: Bytes,
        now_ms: u64,
    ) -> Result<PairingState, Refusal> {
        self.with(code, now_ms, |pairing| {
            exactly("message", &message, step.len())?;
            pairing.put(step, message)?;
            Ok(pairing.state.clone())
        })
    }

    fn with<T>(
        &self,
        code: &str,
        now_ms: u64,
        work: impl FnOnce(&mut Pairing) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let pairing = open.get_mut(code).filter(|pairing| pairing.state.expires_ms > now_ms);
        pairing.map_or_else(|| Err(Refusal::not_found("pairing")), work)
    }
}

impl Pairing {
    fn put(&mut self, step: Step, message: Bytes) -> Result<(), Refusal> {
        let PairingState { answer, reveal, seed, .. } = &mut self.state;
        let (slot, before) = match step {
            Step::Answer(account) => {
                // One account's device answers, and its second answer would be another nonce for the same code.
                if self.answered_by.is_some_and(|first| first != account) {
                    return Err(Refusal::conflict("another account has answered this pairing"));
                }
                (answer, true)
            }
            Step::Reveal => (reveal, answer.is_some()),
            Step::Seed(account) => {
                if self.answered_by.is_some_and(|first| first != account) {
                    return Err(Refusal::conflict("another account has answered this pairing"));
                }
                (seed, reveal.is_some())
            }
        };
        if !before {
            return Err(Refusal::conflict(format!("the {} comes too early", step.name())));
        }
        match slot {
            Some(there) if *there != message => {
                return Err(Refusal::conflict(format!("there is another {} already", step.name())));
            }
            Some(_) => {}
            None => *slot = Some(message),
        }
        if let Step::Answer(account) = step {
            self.answered_by = Some(account);
        }
        Ok(())
    }
}

fn exactly(field: &str, message: &Bytes, expected: usize) -> Result<(), Refusal> {
    match message.0.len() {
        got if got == expected => Ok(()),
        got => Err(Refusal::bad(format!("{field} has {got} bytes, expected {expected}"))),
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn pairings_are_bounded_in_number_and_time() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mailbox = Mailbox::new(2);
        let mut open = |now_ms| mailbox.open(&mut rng, Bytes(vec![1; COMMITMENT_LEN]), now_ms);
        let first = open(0).unwrap();
        open(1).unwrap();
        assert!(open(LIFETIME_MS - 1).is_err(), "both are live");
        assert!(mailbox.show(&first.code, LIFETIME_MS - 1).is_ok());
        let late = mailbox.put(
            &first.code,
            Step::Answer(AccountId([1; 32])),
            Bytes(vec![1; ANSWER_LEN]),
            LIFETIME_MS,
        );
        assert_eq!(late, Err(Refusal::not_found("pairing")));
        open(LIFETIME_MS).unwrap();
        assert!(mailbox.show(&first.code, 0).is_err(), "it has made room");
    }
}
