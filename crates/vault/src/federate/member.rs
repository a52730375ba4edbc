//! A member's part in the rounds of a federation.
//!
//! What is sent is on this disk before, and is sent again, byte for byte, by whoever goes on after a crash. Of the
//! coordinator a member believes the number of the try, and nothing else: plan, model and clip follow from charter and
//! chain.

use std::fs::File;
use std::sync::Arc;

use pmirs_crypto::{Prg, PublicIdentity, Signature, sha256};
use pmirs_federated::chain::{Chain, Record, SignedRecord};
use pmirs_federated::charter::Charter;
use pmirs_federated::client::{self, Member, Progress};
use pmirs_federated::message::Step;
use pmirs_federated::private::{Occasion, release};
use pmirs_federated::trainer::LocalTrainer;
use pmirs_federated::{Round, clip};
use pmirs_wire::federation::{Federation, Phase, RecordPage, RoundRecord, Standing, Turn};
use pmirs_wire::{Bytes, Digest, decode};
use rand_core::Rng;

use super::consent::{Consent, Prospect, prospect};
use super::fault;
use super::state::{Folder, Kept, KeptRecords};
use crate::remote::Remote;
use crate::{Vault, VaultError, fresh};

/// This home's place in a federation.
pub struct Membership<'v> {
    vault: &'v Vault,
    remote: Arc<Remote>,
    folder: Folder,
    chain: Chain,
    records: Vec<Record>,
}

/// What a member does in a turn, for whoever watches.
#[derive(Debug, Clone, PartialEq)]
pub enum Did {
    /// Nothing: others are waited for.
    Waited,
    /// It trained, and is ready for a round.
    Trained {
        /// The round's number.
        round: u32,
    },
    /// It said what a step asks for, for the first time or again.
    Said {
        /// The round's number.
        round: u32,
        /// The step.
        step: Step,
    },
    /// It stays out of a try, for this reason.
    Refused {
        /// The round's number.
        round: u32,
        /// Why.
        reason: String,
    },
    /// A round is over.
    Ended(Record),
    /// All rounds are done.
    Finished,
    /// The federation has stopped, for this reason.
    Stopped(String),
}

impl<'v> Membership<'v> {
    /// What the cloud says of a federation, checked: the charter is the one that the name stands for, and signed by its
    /// owner.
    ///
    /// # Errors
    /// When there is none, or it is not what its name says.
    pub fn look(vault: &'v Vault, id: Digest) -> Result<Self, VaultError> {
        let (remote, folder) = (vault.remote()?, Folder::of(vault, id));
        let shown = match folder.read::<Federation>("charter")? {
            Some(kept) => kept,
            None => remote.federation(id)?,
        };
        let chain = believe(id, &shown)?;
        let mut membership = Self { vault, remote, folder, chain, records: Vec::new() };
        for record in membership.folder.read::<KeptRecords>("records")?.unwrap_or_default().records {
            let signed = SignedRecord { record: record.record, signature: record.signature };
            let record =
                membership.chain.append(&signed).map_err(|error| fault(&membership.chain, &error))?;
            membership.records.push(record);
        }
        Ok(membership)
    }

    /// The federations that this home has a part in.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn all(vault: &Vault) -> Result<Vec<Digest>, VaultError> {
        Folder::all(vault)
    }

    /// Charter and chain, as far as this home knows it.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// What the rounds gave.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The same as the coordinator signed them.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn signed_records(&self) -> Result<Vec<SignedRecord>, VaultError> {
        let kept: KeptRecords = self.folder.read("records")?.unwrap_or_default();
        let signed =
            |record: RoundRecord| SignedRecord { record: record.record, signature: record.signature };
        Ok(kept.records.into_iter().map(signed).collect())
    }

    /// This identity's number in the group, if it is a member.
    pub fn number(&self) -> Option<u32> {
        self.chain.group().number_of(&self.vault.public_identity())
    }

    /// What was agreed, if anything was.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn consent(&self) -> Result<Option<Consent>, VaultError> {
        self.folder.read("consent")
    }

    /// What taking part would let out.
    ///
    /// # Errors
    /// [`VaultError::Privacy`] with both numbers, where it is more than the limits allow.
    pub fn prospect(&self, consent: &Consent) -> Result<Prospect, VaultError> {
        prospect(self.vault, &self.chain, consent)
    }

    /// Joins: pins the charter, and remembers what was agreed. A process that takes part holds itself to what it finds
    /// there, so nothing changes under one.
    ///
    /// # Errors
    /// For somebody who is no member, and where the limits forbid it; while a process of this home takes part.
    pub fn join(&self, consent: &Consent) -> Result<(), VaultError> {
        if self.number().is_none() {
            return Err(VaultError::NoMember(self.chain.charter().name.clone()));
        }
        self.prospect(consent)?;
        let _taken = self.take()?;
        let shown = self.remote.federation(self.chain.id())?;
        believe(self.chain.id(), &shown)?;
        self.folder.write("charter", &shown)?;
        self.folder.write("consent", consent)
    }

    /// Where the federation stands, by the cloud.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn standing(&mut self) -> Result<Standing, VaultError> {
        let standing = self.remote.turn(self.chain.id(), None)?.standing;
        self.follow(&standing)?;
        Ok(standing)
    }

    /// Takes part for one turn: waits until something is to be done since `after`, and does it.
    ///
    /// # Errors
    /// [`VaultError::Federation`] where the coordinator does what no honest one does, [`VaultError::Privacy`] where a round
    /// would exceed what was agreed; when files or network fail, and then the same turn can be taken again.
    pub fn take_turn<T: LocalTrainer>(
        &mut self,
        trainer: &mut T,
        _taken: &Taken,
        after: Option<u64>,
    ) -> Result<(Did, Standing), VaultError> {
        let turn = self.remote.turn(self.chain.id(), after)?;
        let standing = turn.standing.clone();
        if let Some(record) = self.follow(&standing)? {
            return Ok((Did::Ended(record), standing));
        }
        let did = match standing.phase {
            Phase::AwaitsModel => Did::Waited,
            Phase::Finished => Did::Finished,
            Phase::Stopped => Did::Stopped(standing.reason.clone().unwrap_or_default()),
            Phase::Running => self.act(turn, trainer).or_else(|error| stay_out(&standing, error))?,
        };
        Ok((did, standing))
    }

    /// Takes the federation for this process: two at once would answer twice.
    ///
    /// # Errors
    /// When another process has it.
    pub fn take(&self) -> Result<Taken, VaultError> {
        self.folder.take().map(Taken)
    }

    /// The present model's numbers, checked against the chain.
    ///
    /// # Errors
    /// When the coordinator gives others.
    pub fn weights(&self) -> Result<Vec<f32>, VaultError> {
        let manifest = &self.chain.charter().manifest;
        let fits = |bytes: &[u8]| {
            let weights: Vec<f32> =
                bytes.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
            manifest.digest(&weights).is_ok_and(|digest| digest == self.chain.model()).then_some(weights)
        };
        if let Some(weights) = self.folder.model()?.as_deref().and_then(fits) {
            return Ok(weights);
        }
        let bytes = self.remote.model(self.chain.id(), self.chain.model(), 4 * manifest.weights())?;
        let weights = fits(&bytes)
            .ok_or_else(|| fault(&self.chain, &"the model is not the one that its chain names"))?;
        self.folder.keep_model(&bytes)?;
        Ok(weights)
    }

    /// Takes the records that are new, and keeps them; the latest of them.
    fn follow(&mut self, standing: &Standing) -> Result<Option<Record>, VaultError> {
        if standing.round < self.chain.next() {
            return Err(fault(&self.chain, &"the coordinator shows fewer rounds than before"));
        }
        let mut latest = None;
        while self.chain.next() < standing.round {
            let RecordPage { records, .. } = self.remote.round_records(self.chain.id(), self.chain.next())?;
            if records.is_empty() {
                return Err(fault(&self.chain, &"a record is missing"));
            }
            let mut kept: KeptRecords = self.folder.read("records")?.unwrap_or_default();
            for record in records {
                let signed =
                    SignedRecord { record: record.record.clone(), signature: record.signature.clone() };
                let read = self.chain.append(&signed).map_err(|error| fault(&self.chain, &error))?;
                self.check_own(&read)?;
                self.records.push(read.clone());
                kept.records.push(record);
                latest = Some(read);
            }
            self.folder.write("records", &kept)?;
        }
        Ok(latest)
    }

    /// Whose shares went out for a round survived it.
    fn check_own(&self, record: &Record) -> Result<(), VaultError> {
        let Some((kept, _)) = self.folder.state()? else { return Ok(()) };
        let survived = self.number().is_some_and(|number| record.survivors.contains(&number));
        if kept.revealed && kept.round == record.round && !survived {
            return Err(fault(&self.chain, &"a record leaves out this member, who revealed its shares"));
        }
        Ok(())
    }

    /// Does what the step asks for.
    fn act<T: LocalTrainer>(&self, turn: Turn, trainer: &mut T) -> Result<Did, VaultError> {
        let Turn { standing, message, spoken, .. } = turn;
        let round = self.chain.round(standing.attempt).map_err(|error| fault(&self.chain, &error))?;
        let identity = self.vault.identity();
        let seat = Member::new(&round, &identity).map_err(|error| fault(&self.chain, &error))?;
        let Some(due) = Step::of(standing.step) else {
            return Err(fault(&self.chain, &format!("there is no step {}", standing.step)));
        };
        let kept = self.folder.state()?;
        let mine = kept.clone().filter(|(kept, _)| kept.round == round.id());
        let Some((kept, frame)) = mine else {
            if due != Step::Advert {
                return Ok(Did::Waited);
            }
            return self.enter(&seat, kept.map(|(kept, _)| kept).as_ref(), trainer);
        };
        if kept.step == due as u8 {
            if spoken || frame.is_empty() {
                return Ok(Did::Waited);
            }
            return self.send(&round, due, &frame);
        }
        match (message, kept.progress.as_ref().map(|bytes| Progress::from_bytes(bytes.as_ref()))) {
            (Some(message), Some(Ok(progress))) => {
                self.answer(&seat, due, &kept, progress, &frame, &message.0)
            }
            (_, Some(Err(error))) => Err(VaultError::file(self.folder.path(), &error)),
            _ => Ok(Did::Waited),
        }
    }

    /// Joins a try of a round: trains on the present model, keeps what is to be masked, and says that it is here.
    fn enter<T: LocalTrainer>(
        &self,
        seat: &Member<'_>,
        before: Option<&Kept>,
        trainer: &mut T,
    ) -> Result<Did, VaultError> {
        let (round, plan) = (seat.round(), seat.round().plan());
        if let Some(reason) = before.and_then(|before| not_again(before, plan.number, plan.attempt)) {
            return Ok(Did::Refused { round: plan.number, reason: reason.to_owned() });
        }
        let consent = self.agreed()?;
        let releases = release(round, &self.occasion(&consent), &[]);
        self.vault.privacy().allows(&consent.limits(), &releases, 1)?;
        if self.folder.words(round.id())?.is_none() {
            let words = self.train(round, trainer)?;
            self.folder.keep_words(round.id(), &words)?;
            // The round may have gone on meanwhile; the next turn tells.
            return Ok(Did::Trained { round: plan.number });
        }
        let (state, frame) =
            client::advertise(&mut fresh::rng()?, seat).map_err(|error| fault(&self.chain, &error))?;
        self.keep(round, Step::Advert, Some(&Progress::Advertised(state)), &frame)?;
        self.send(round, Step::Advert, &frame)
    }

    fn train<T: LocalTrainer>(&self, round: &Round, trainer: &mut T) -> Result<Vec<u32>, VaultError> {
        let (plan, charter) = (round.plan(), self.chain.charter());
        if *trainer.manifest() != charter.manifest {
            return Err(fault(&self.chain, &"the model at hand has other tensors than the charter names"));
        }
        // From the identity and the round's name, attempt and all: the same after a crash, fresh for another try.
        let mut rng = randomness(self.vault, round);
        let mut seed = zeroize::Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        let trained = trainer
            .train(&self.weights()?, &plan.training, plan.number, &seed)
            .map_err(|error| fault(&self.chain, &format!("training failed: {error}")))?;
        let noise = round.guarantee().map(|guarantee| guarantee.noise(&mut rng));
        let encoded = clip::encode(round, &mut rng, &trained, noise.as_deref());
        Ok(encoded.map_err(|error| fault(&self.chain, &error))?.words)
    }

    /// Answers the coordinator's message of a step.
    fn answer(
        &self,
        seat: &Member<'_>,
        due: Step,
        kept: &Kept,
        progress: Progress,
        frame: &[u8],
        message: &[u8],
    ) -> Result<Did, VaultError> {
        let round = seat.round();
        let (progress, frame) = match (due, progress) {
            (Step::Shares, Progress::Advertised(state)) => {
                let chosen = state.choose(&mut fresh::rng()?, seat, message);
                let (state, wanted) = chosen.map_err(|refusal| fault(&self.chain, &refusal.error))?;
                // The choice is kept before it is shown: nobody can make this member choose again.
                self.keep(round, Step::Wanted, Some(&Progress::Chosen(state)), &wanted)?;
                return self.share(seat, &wanted);
            }
            (Step::Shares, Progress::Chosen(_)) if kept.step == Step::Wanted as u8 => {
                return self.share(seat, frame);
            }
            (Step::Upload, Progress::Shared(state)) => {
                let words = self.folder.words(round.id())?;
                let words =
                    words.ok_or_else(|| VaultError::file(self.folder.path(), &"the update is gone"))?;
                let masked = state.mask(seat, message, &words);
                let (state, frame) = masked.map_err(|refusal| fault(&self.chain, &refusal.error))?;
                (Some(Progress::Masked(state)), frame)
            }
            (Step::Confirm, Progress::Masked(state)) => {
                let confirmed = state.confirm(seat, message);
                let (state, frame) = confirmed.map_err(|refusal| fault(&self.chain, &refusal.error))?;
                (Some(Progress::Confirmed(state)), frame)
            }
            (Step::Reveal, Progress::Confirmed(state)) => {
                let revealed = state.reveal(seat, message);
                (None, revealed.map_err(|refusal| fault(&self.chain, &refusal.error))?.1)
            }
            _ => return Ok(Did::Waited),
        };
        self.keep(round, due, progress.as_ref(), &frame)?;
        self.send(round, due, &frame)
    }

    /// Asks for the chosen neighbours' keys, and shares the secrets of this round with them.
    fn share(&self, seat: &Member<'_>, wanted: &[u8]) -> Result<Did, VaultError> {
        let heard = self.remote.speak(self.chain.id(), wanted.to_vec())?;
        let adverts =
            heard.answer.ok_or_else(|| fault(&self.chain, &"the neighbours' adverts are missing"))?;
        let progress = self.folder.state()?.and_then(|(kept, _)| kept.progress);
        let progress = progress.map(|bytes| Progress::from_bytes(bytes.as_ref()));
        let Some(Ok(Progress::Chosen(state))) = progress else {
            return Err(VaultError::file(self.folder.path(), &"the choice of neighbours is gone"));
        };
        let shared = state.share(&mut fresh::rng()?, seat, adverts.as_ref());
        let (state, frame) = shared.map_err(|refusal| fault(&self.chain, &refusal.error))?;
        self.keep(seat.round(), Step::Shares, Some(&Progress::Shared(state)), &frame)?;
        self.send(seat.round(), Step::Shares, &frame)
    }

    /// Sends what is kept. An upload is written into the ledger before, and counts once however often it is sent.
    fn send(&self, round: &Round, step: Step, frame: &[u8]) -> Result<Did, VaultError> {
        let (id, number) = (self.chain.id(), round.plan().number);
        if step == Step::Upload {
            let consent = self.agreed()?;
            let releases = release(round, &self.occasion(&consent), frame);
            let _ = self.vault.privacy().record(&consent.limits(), releases)?;
            self.remote.send_pieces(id, "update", round.id(), frame)?;
        } else {
            self.remote.speak(id, frame.to_vec())?;
        }
        Ok(Did::Said { round: number, step })
    }

    fn keep(
        &self,
        round: &Round,
        step: Step,
        progress: Option<&Progress>,
        frame: &[u8],
    ) -> Result<(), VaultError> {
        let bytes =
            progress.map(Progress::to_bytes).transpose().map_err(|error| fault(&self.chain, &error))?;
        let kept = Kept {
            round: round.id(),
            number: round.plan().number,
            attempt: round.plan().attempt,
            step: step as u8,
            message: Digest(sha256(frame)),
            revealed: step == Step::Reveal,
            progress: bytes.map(|bytes| Bytes(bytes.to_vec())),
        };
        self.folder.keep(&kept, frame)
    }

    fn agreed(&self) -> Result<Consent, VaultError> {
        self.consent()?.ok_or_else(|| fault(&self.chain, &"nobody has consented to it in this home"))
    }

    fn occasion(&self, consent: &Consent) -> Occasion {
        let coordinator = self.chain.charter().coordinator.0;
        Occasion { coordinator, data: consent.data.0, at_ms: fresh::now_ms() }
    }
}

/// What the coordinator said, or asks for beyond what was agreed, costs it this member's part in a try, and nothing else.
fn stay_out(standing: &Standing, error: VaultError) -> Result<Did, VaultError> {
    let reason = match error {
        VaultError::Federation { reason, .. } => reason,
        VaultError::Privacy(refusal) => refusal.to_string(),
        other => return Err(other),
    };
    Ok(Did::Refused { round: standing.round, reason })
}

/// That this process alone takes part with this home.
#[derive(Debug)]
pub struct Taken(#[expect(dead_code, reason = "held")] File);

/// What a member's training, rounding and noise in a round follow from: known to this identity alone, the same again
/// after a crash, and another for every try of every round.
pub fn randomness(vault: &Vault, round: &Round) -> Prg {
    Prg::new(vault.identity().local_key("federated rounds v1").expose_secret(), &round.id().0)
}

/// Why a try may not be joined after what was said before.
fn not_again(before: &Kept, number: u32, attempt: u32) -> Option<&'static str> {
    if before.number != number {
        return (before.number > number).then_some("a later round was joined before");
    }
    if before.revealed {
        // Two sums whose members differ in one give that one's update away.
        return Some(
            "this member revealed shares for this round before, and takes part in no other try of it",
        );
    }
    (before.attempt >= attempt).then_some("this try, or a later one, was joined before")
}

/// A federation that is what its name says.
fn believe(id: Digest, shown: &Federation) -> Result<Chain, VaultError> {
    let wrong = |reason: &dyn std::fmt::Display| VaultError::Federation {
        federation: id.to_string(),
        reason: reason.to_string(),
    };
    let charter: Charter = decode(&shown.charter.0).map_err(|error| wrong(&error))?;
    if charter.id().map_err(|error| wrong(&error))? != id {
        return Err(wrong(&"the cloud shows another charter for it"));
    }
    let read = |bytes: &Bytes| PublicIdentity::from_bytes(bytes.as_ref()).map_err(|error| wrong(&error));
    let signature: [u8; 64] = shown.signature.0.as_slice().try_into().map_err(|_| wrong(&"no signature"))?;
    charter.verify(&read(&shown.owner)?, &Signature(signature)).map_err(|error| wrong(&error))?;
    Chain::begin(charter, read(&shown.coordinator)?).map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_is_joined_once_and_none_after_shares_went_out() {
        let kept = |revealed| Kept {
            round: Digest([1; 32]),
            number: 3,
            attempt: 1,
            step: Step::Upload as u8,
            message: Digest([2; 32]),
            revealed,
            progress: None,
        };
        assert_eq!(not_again(&kept(false), 3, 2), None, "another try, with fresh randomness");
        assert_eq!(not_again(&kept(true), 4, 0), None, "the next round");
        for (revealed, number, attempt) in
            [(false, 3, 1), (false, 3, 0), (false, 2, 5), (true, 3, 2), (true, 2, 0)]
        {
            assert!(not_again(&kept(revealed), number, attempt).is_some(), "{revealed} {number} {attempt}");
        }
    }
}
