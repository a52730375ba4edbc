//! A federation as the disk has it.

use pmirs_crypto::PublicIdentity;
use pmirs_federated::Error;
use pmirs_federated::chain::{Chain, SignedRecord};
use pmirs_federated::charter::Charter;
use pmirs_federated::message::Step;
use pmirs_federated::server::{Closed, Counted, Course};
use pmirs_wire::Digest;
use pmirs_wire::federation::{Phase, RoundRecord};

use super::desk::{Desk, words};
use super::live::Live;
use crate::refusal::Refusal;
use crate::storage::federation::{FederationState, KeptMessage, StoredFederation};

/// The steps at which members speak, in order.
const STEPS: [Step; 5] = [Step::Advert, Step::Shares, Step::Upload, Step::Confirm, Step::Reveal];

impl Live {
    /// Feeds what was kept into the same states again.
    pub(crate) fn load(desk: &Desk<'_>, stored: StoredFederation) -> Result<Self, Refusal> {
        let chain = chain(&stored, desk.signer.public())
            .map_err(|error| Refusal::damaged(&format!("federation {}: {error}", stored.place.0)))?;
        let mut state = stored.state.clone();
        if chain.next() != state.number {
            let (got, expected) = (state.number, chain.next());
            return Err(Refusal::damaged(&format!(
                "federation {}: round {got} after {expected} records",
                chain.id()
            )));
        }
        let course = match state.phase {
            Phase::Running => Some(course(desk, &chain, &state, &stored.messages)?),
            _ => None,
        };
        // Nobody could speak while the server was away.
        let patience = desk.now_ms + chain.charter().terms.step_ms;
        state.deadline_ms = state.deadline_ms.map(|deadline| deadline.max(patience));
        Ok(Self::resume(stored, chain, state, course))
    }
}

fn chain(stored: &StoredFederation, coordinator: PublicIdentity) -> Result<Chain, Error> {
    let charter: Charter = pmirs_wire::decode(&stored.charter)?;
    let mut chain = Chain::begin(charter, coordinator)?;
    for RoundRecord { record, signature } in &stored.records {
        chain.append(&SignedRecord { record: record.clone(), signature: signature.clone() })?;
    }
    Ok(chain)
}

fn course(
    desk: &Desk<'_>,
    chain: &Chain,
    state: &FederationState,
    messages: &[KeptMessage],
) -> Result<Course, Refusal> {
    let damaged = |error: Error| Refusal::damaged(&format!("a round of federation {}: {error}", chain.id()));
    let mut course = Course::begin(&chain.round(state.attempt).map_err(damaged)?);
    for step in STEPS {
        let said = messages.iter().filter(|message| message.step == step as u8);
        if let Course::Summing { state: summing, .. } = &mut course {
            if let Some(sum) = state.sum {
                let counted: Vec<Counted> = said.filter_map(counted).collect();
                summing.resume(words(&desk.models.get(sum)?), &counted).map_err(damaged)?;
            }
        } else {
            for message in said {
                course.accept(&message.frame).map_err(damaged)?;
            }
        }
        if step as u8 == state.step {
            return Ok(course);
        }
        match course.close().map_err(damaged)? {
            Closed::Next(next) => course = *next,
            Closed::Revealed(_) => break,
        }
    }
    Err(Refusal::damaged(&format!("federation {}: there is no step {}", chain.id(), state.step)))
}

/// What is kept of an upload.
pub(super) fn kept(upload: &Counted) -> KeptMessage {
    let frame = [upload.digest.0.as_slice(), &upload.statement].concat();
    KeptMessage { step: Step::Upload as u8, member: upload.member, frame }
}

fn counted(message: &KeptMessage) -> Option<Counted> {
    let (digest, statement) = message.frame.split_first_chunk::<32>()?;
    Some(Counted { member: message.member, digest: Digest(*digest), statement: statement.try_into().ok()? })
}
