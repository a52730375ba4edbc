//! One federation: what it does with messages, pieces and time.

use pmirs_federated::chain::{Chain, SignedRecord};
use pmirs_federated::message::{Step, claimed_sender, upload_len};
use pmirs_federated::optimiser::Optimiser;
use pmirs_federated::server::{Closed, Course, Heard as Hearing, Revealed};
use pmirs_federated::{Error, Round};
use pmirs_wire::federation::{
    Arrived, Federation as Shown, Heard, Phase, Piece, RoundRecord, Standing, Turn, Weights,
};
use pmirs_wire::{AccountId, Bytes, Digest, encode, limits};

use super::desk::{Desk, floats, refused};
use super::load::kept;
use super::staging::Incoming;
use crate::refusal::Refusal;
use crate::storage::StorageError;
use crate::storage::federation::{FederationPlace, FederationState, KeptMessage, StoredFederation};

/// Deadlines that a round waits beyond the first for shares that unmask its sum. Members have revealed some by then, so
/// that a new try would cost them what the old one would give.
const MORE_REVEALS: u32 = 20;

/// A federation in memory, never ahead of the disk unless it is broken.
pub(crate) struct Live {
    place: FederationPlace,
    pub(crate) owner: AccountId,
    owner_identity: Vec<u8>,
    charter: Vec<u8>,
    signature: Vec<u8>,
    chain: Chain,
    state: FederationState,
    /// The round that runs, if one does.
    course: Option<Course>,
    /// How often the present step has been given more time.
    extended: u32,
    broken: bool,
}

impl Live {
    pub(super) fn resume(
        stored: StoredFederation,
        chain: Chain,
        state: FederationState,
        course: Option<Course>,
    ) -> Self {
        let StoredFederation { place, owner, owner_identity, charter, signature, .. } = stored;
        let (extended, broken) = (0, false);
        Self { place, owner, owner_identity, charter, signature, chain, state, course, extended, broken }
    }

    /// Whether the disk failed while it was changed: it must be read back.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Grows with every step, try, round and phase.
    fn serial(&self) -> u64 {
        let FederationState { number, attempt, step, phase, .. } = &self.state;
        let round = (u64::from(*number) << 16) | (u64::from(*attempt) << 8) | u64::from(*step);
        (round << 2) | *phase as u64
    }

    /// What those who wait for a change look at.
    pub(super) fn news(&self) -> (u64, Option<u64>) {
        (self.serial(), self.state.deadline_ms)
    }

    /// When the present step ends by itself.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        self.state.deadline_ms
    }

    pub(crate) fn standing(&self, now_ms: u64) -> Standing {
        let FederationState { phase, number, attempt, step, deadline_ms, reason, .. } = self.state.clone();
        let (heard, expected) =
            self.course.as_ref().map_or((0, 0), |course| (course.heard().len(), course.expected()));
        Standing {
            phase,
            round: number,
            attempt,
            step,
            heard: heard as u32,
            expected: expected as u32,
            deadline_ms,
            now_ms,
            reason,
            serial: self.serial(),
        }
    }

    pub(crate) fn show(&self, desk: &Desk<'_>) -> Shown {
        Shown {
            charter: Bytes(self.charter.clone()),
            signature: Bytes(self.signature.clone()),
            owner: Bytes(self.owner_identity.clone()),
            coordinator: Bytes(desk.signer.public().to_bytes()),
            standing: self.standing(desk.now_ms),
        }
    }

    /// What there is for a member at this step.
    pub(crate) fn turn(&self, member: Option<u32>, now_ms: u64) -> Turn {
        let message = member.and_then(|member| self.course.as_ref()?.message_for(member));
        let spoken = member.is_some_and(|member| self.has_heard(member));
        Turn {
            standing: self.standing(now_ms),
            message: message.map(|bytes| Bytes(bytes.to_vec())),
            spoken,
            again_ms: 0,
        }
    }

    fn has_heard(&self, member: u32) -> bool {
        self.course.as_ref().is_some_and(|course| course.heard().binary_search(&member).is_ok())
    }

    /// Takes a member's message of the step that is due, or answers whose adverts it wants.
    pub(crate) fn speak(&mut self, desk: &Desk<'_>, member: u32, frame: Vec<u8>) -> Result<Heard, Refusal> {
        if claimed_sender(&frame) != Some(member) {
            return Err(Refusal::forbidden("the frame is not one of your own number in this federation"));
        }
        let course = self.course.as_mut().ok_or_else(|| idle(self.state.phase))?;
        if frame.get(1) == Some(&(Step::Wanted as u8)) {
            let answer = course.adverts(&frame).map_err(|error| refused(&error))?;
            return Ok(Heard { again: false, answer: Some(Bytes(answer)) });
        }
        let step = course.due() as u8;
        if matches!(course, Course::Summing { .. }) {
            return Err(Refusal::conflict("an upload is due, which comes in pieces"));
        }
        if course.accept(&frame).map_err(|error| refused(&error))? == Hearing::Again {
            return Ok(Heard { again: true, answer: None });
        }
        let kept = desk.store.keep_message(self.place, &KeptMessage { step, member, frame }, None);
        self.on_disk(kept)?;
        self.advance(desk)?;
        Ok(Heard { again: false, answer: None })
    }

    /// Takes a piece of a member's masked update; the last one adds it to the sum.
    pub(crate) fn update(&mut self, desk: &Desk<'_>, member: u32, piece: &Piece) -> Result<Arrived, Refusal> {
        let course = self.course.as_ref().ok_or_else(|| idle(self.state.phase))?;
        let round = self.chain.round(self.state.attempt).map_err(|error| refused(&error))?;
        let step = Step::Upload;
        if piece.of != round.id() {
            return Err(refused(&Error::WrongRound { step }));
        }
        if course.due() != step {
            return Err(refused(&Error::WrongStep { expected: course.due(), got: step as u8 }));
        }
        if course.message_for(member).is_none() {
            return Err(refused(&Error::Stranger { member, step }));
        }
        if self.has_heard(member) {
            return Ok(Arrived { bytes: piece.total, whole: true });
        }
        let incoming = Incoming { place: self.place, member: Some(member), of: piece.of };
        match collect(desk, incoming, piece, upload_len(&round) as u64)? {
            None => Ok(Arrived { bytes: desk.staging.len(incoming), whole: false }),
            Some(frame) => {
                self.add(desk, member, &frame)?;
                self.advance(desk)?;
                Ok(Arrived { bytes: piece.total, whole: true })
            }
        }
    }

    /// Adds an upload where it lies; only the sum is kept, and whose are in it.
    fn add(&mut self, desk: &Desk<'_>, member: u32, frame: &[u8]) -> Result<(), Refusal> {
        let Some(Course::Summing { state, .. }) = &mut self.course else {
            return Err(idle(self.state.phase));
        };
        let checked = state.check(frame).map_err(|error| refused(&error))?;
        let counted = checked.counted();
        if counted.member != member {
            return Err(Refusal::forbidden("the upload is not one of your own number in this federation"));
        }
        state.add(checked).map_err(|error| refused(&error))?;
        let sum: Vec<u8> = state.sum().iter().flat_map(|word| word.to_le_bytes()).collect();
        let before = self.state.sum;
        let kept = desk.put(&sum).and_then(|blob| {
            desk.store.keep_message(self.place, &kept(&counted), Some(blob))?;
            Ok(blob)
        });
        self.state.sum = Some(self.on_disk(kept)?);
        desk.remove([before]);
        Ok(())
    }

    /// Takes a piece of the model from the owner; with the last one the first round begins.
    pub(crate) fn model(&mut self, desk: &Desk<'_>, piece: &Piece) -> Result<Arrived, Refusal> {
        let charter = self.chain.charter();
        if piece.of != charter.model {
            return Err(Refusal::conflict(format!("the model of this federation is {}", charter.model)));
        }
        let whole = Arrived { bytes: piece.total, whole: true };
        if self.state.phase != Phase::AwaitsModel {
            return Ok(whole);
        }
        let incoming = Incoming { place: self.place, member: None, of: piece.of };
        let expected = 4 * charter.manifest.weights() as u64;
        let Some(bytes) = collect(desk, incoming, piece, expected)? else {
            return Ok(Arrived { bytes: desk.staging.len(incoming), whole: false });
        };
        let digest = charter.manifest.digest(&floats(&bytes)).map_err(|error| refused(&error))?;
        if digest != charter.model {
            return Err(Refusal::bad(format!(
                "the model's digest is {digest}, the charter says {}",
                charter.model
            )));
        }
        let blob = desk.put(&bytes)?;
        let state = FederationState {
            phase: Phase::Running,
            step: Step::Advert as u8,
            weights: Some(blob),
            ..self.state.clone()
        };
        let kept = desk.store.move_federation(self.place, &state);
        self.on_disk(kept)?;
        self.state = state;
        self.begin()?;
        Ok(whole)
    }

    /// A part of the present model.
    pub(crate) fn weights(&self, desk: &Desk<'_>, model: Digest, offset: u64) -> Result<Weights, Refusal> {
        let blob = self.state.weights.filter(|_| model == self.chain.model());
        let blob = blob.ok_or_else(|| Refusal::not_found("model"))?;
        let bytes = desk.models.get_part(blob, offset, limits::FEDERATION_PIECE)?;
        Ok(Weights { total: 4 * self.chain.charter().manifest.weights() as u64, bytes: Bytes(bytes) })
    }

    /// Ends every step that is over by now.
    pub(crate) fn advance(&mut self, desk: &Desk<'_>) -> Result<(), Refusal> {
        while let Some(course) = self.take_over(desk.now_ms) {
            match course.close() {
                Ok(Closed::Next(next)) => {
                    self.state.step = next.due() as u8;
                    self.state.deadline_ms = Some(desk.now_ms + self.chain.charter().terms.step_ms);
                    self.extended = 0;
                    self.course = Some(*next);
                    let kept = desk.store.move_federation(self.place, &self.state);
                    self.on_disk(kept)?;
                }
                Ok(Closed::Revealed(revealed)) => self.conclude(desk, &revealed)?,
                Err(error) => self.fail(desk, &error)?,
            }
        }
        Ok(())
    }

    /// The round, if its step is over: all have spoken, or the time is up.
    fn take_over(&mut self, now_ms: u64) -> Option<Course> {
        let terms = &self.chain.charter().terms;
        let course = self.course.as_ref()?;
        let (complete, enough, due) = (course.is_complete(), course.is_enough(), course.due());
        if due == Step::Advert && enough && self.state.deadline_ms.is_none() {
            self.state.deadline_ms = Some(now_ms + terms.gather_ms);
        }
        let late = self.state.deadline_ms.is_some_and(|deadline| now_ms >= deadline);
        if late && due == Step::Reveal && !enough && self.extended < MORE_REVEALS {
            self.state.deadline_ms = Some(now_ms + terms.step_ms);
            self.extended += 1;
            return None;
        }
        if complete || late { self.course.take() } else { None }
    }

    /// The sum is known: the model moves, a record is signed, and the next round begins.
    fn conclude(&mut self, desk: &Desk<'_>, revealed: &Revealed) -> Result<(), Refusal> {
        let concluded = self.next_model(desk, revealed);
        let (signed, weights, optimiser) = match self.on_disk(concluded)? {
            Ok(concluded) => concluded,
            Err(error) => return self.fail(desk, &error),
        };
        let mut chain = self.chain.clone();
        if let Err(error) = chain.append(&signed) {
            return self.fail(desk, &error);
        }
        let blobs = desk.put(&weights).and_then(|weights| Ok((weights, desk.put(&optimiser)?)));
        let (weights, optimiser) = self.on_disk(blobs)?;
        let phase = if chain.is_complete() { Phase::Finished } else { Phase::Running };
        let state = FederationState {
            phase,
            number: chain.next(),
            weights: Some(weights),
            optimiser: Some(optimiser),
            step: Step::Advert as u8,
            ..FederationState::new()
        };
        let record = RoundRecord { record: signed.record, signature: signed.signature };
        let kept = desk.store.end_try(self.place, Some((self.chain.next(), &record)), &state);
        self.on_disk(kept)?;
        let before = std::mem::replace(&mut self.state, state);
        desk.remove([before.weights, before.optimiser, before.sum]);
        desk.staging.clear(self.place);
        self.chain = chain;
        if phase == Phase::Running { self.begin() } else { Ok(()) }
    }

    /// Record, weights and optimiser after the round.
    #[expect(clippy::type_complexity, reason = "the disk's fault outside, the round's within")]
    fn next_model(
        &self,
        desk: &Desk<'_>,
        revealed: &Revealed,
    ) -> Result<Result<(SignedRecord, Vec<u8>, Vec<u8>), Error>, StorageError> {
        let lost =
            |detail: &str| StorageError::Damaged { what: "a federation".into(), detail: detail.into() };
        let blob = self.state.weights.ok_or_else(|| lost("it has no weights"))?;
        let mut weights = floats(&desk.models.get(blob)?);
        let mut optimiser = match self.state.optimiser {
            Some(blob) => {
                pmirs_wire::decode(&desk.models.get(blob)?).map_err(|error| lost(&error.to_string()))?
            }
            None => Optimiser::new(self.chain.charter().terms.rule),
        };
        let mut concluded = || -> Result<_, Error> {
            let round = self.chain.round(self.state.attempt)?;
            let record = self.chain.conclude(&round, revealed, &mut weights, &mut optimiser, desk.now_ms)?;
            let numbers = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
            Ok((Chain::sign(&record, desk.signer)?, numbers, encode(&optimiser)?))
        };
        Ok(concluded())
    }

    /// The try came to nothing, and nothing was revealed: the round is tried again, or the federation stops.
    fn fail(&mut self, desk: &Desk<'_>, error: &Error) -> Result<(), Refusal> {
        let attempt = self.state.attempt + 1;
        let stopped = attempt >= self.chain.charter().terms.attempts;
        let state = FederationState {
            phase: if stopped { Phase::Stopped } else { Phase::Running },
            number: self.state.number,
            attempt,
            step: Step::Advert as u8,
            reason: Some(error.to_string()),
            weights: self.state.weights,
            optimiser: self.state.optimiser,
            ..FederationState::new()
        };
        tracing::info!(federation = %self.chain.id(), round = state.number, attempt, %error, "a try of a round failed");
        let kept = desk.store.end_try(self.place, None, &state);
        self.on_disk(kept)?;
        let before = std::mem::replace(&mut self.state, state);
        desk.remove([before.sum]);
        desk.staging.clear(self.place);
        if stopped { Ok(()) } else { self.begin() }
    }

    fn begin(&mut self) -> Result<(), Refusal> {
        let round: Round = self.chain.round(self.state.attempt).map_err(|error| refused(&error))?;
        self.course = Some(Course::begin(&round));
        self.extended = 0;
        Ok(())
    }

    /// What did not reach the disk makes memory worthless.
    fn on_disk<T>(&mut self, kept: Result<T, StorageError>) -> Result<T, Refusal> {
        self.broken |= kept.is_err();
        Ok(kept?)
    }
}

/// Adds a piece, and gives the whole once it is there. A piece that begins elsewhere changes nothing.
fn collect(
    desk: &Desk<'_>,
    incoming: Incoming,
    piece: &Piece,
    expected: u64,
) -> Result<Option<Vec<u8>>, Refusal> {
    let Piece { offset, total, bytes, .. } = piece;
    let got = bytes.0.len();
    if *total != expected {
        return Err(Refusal::bad(format!("total is {total}, expected {expected}")));
    }
    if got == 0 || got > limits::FEDERATION_PIECE {
        return Err(Refusal::bad(format!(
            "bytes has {got} bytes, expected 1 to {}",
            limits::FEDERATION_PIECE
        )));
    }
    let there = desk.staging.len(incoming);
    if *offset != there {
        return Ok(None);
    }
    if there + got as u64 > expected {
        return Err(Refusal::too_large(format!(
            "the piece ends at {}, beyond {expected}",
            there + got as u64
        )));
    }
    desk.staging.append(incoming, &bytes.0)?;
    if there + (got as u64) < expected { Ok(None) } else { Ok(Some(desk.staging.take(incoming)?)) }
}

fn idle(phase: Phase) -> Refusal {
    Refusal::conflict(match phase {
        Phase::AwaitsModel => "the federation waits for its model",
        Phase::Running => "no round is open",
        Phase::Finished => "all rounds of this federation are done",
        Phase::Stopped => "the federation has stopped",
    })
}
