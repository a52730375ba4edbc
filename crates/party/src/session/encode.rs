//! A picture or a sentence through a model, of both of which each of the three holds shares alone.
//!
//! The layers are public, everything else is shared: the input, which the client dealt, the weights, and all that lies
//! between (see `network` of `pmirs-mpc`). The result opens to nobody but the client. Before it is handed out it is shared
//! anew, so that what the client sees of it is that vector and randomness, and nothing of how it came about.

use std::sync::Arc;

use pmirs_mpc::{Party, Shares};
use pmirs_wire::split::{Answer, Encode, Encoded, Parts, SharePair, Version};
use pmirs_wire::{Bytes, Digest};

use super::meeting::{Met, Stopped};
use crate::commands::own_parts;
use crate::models::{digest_of, wide};
use crate::refusal::Refusal;
use crate::state::{Node, Shared, read};
use crate::store::{component_words, has_words};

/// Checks what can be checked before the others are bothered. Whether the weights are whole is seen once the three are at
/// the same version.
pub(crate) fn check(
    node: &Node,
    shared: &Shared,
    encode: &Encode,
    parts: &Bytes,
) -> Result<Shares<u64>, Refusal> {
    let here = read(shared);
    if digest_of(&here)? != encode.model {
        return Err(Refusal::conflict("encode: the model here is another one than the order says"));
    }
    let described = node.models.described(&here)?;
    let values = described.network(encode.tower).input().len();
    let parts =
        own_parts(node, &encode.parts, parts)?.ok_or_else(|| Refusal::bad("parts: an input is missing"))?;
    input(&parts, values)
}

fn input(Parts { own, next, .. }: &Parts, values: usize) -> Result<Shares<u64>, Refusal> {
    let words = 2 * values;
    if !has_words(own, words) || !has_words(next, words) {
        return Err(Refusal::bad(format!("parts: they must have {words} words")));
    }
    let [own, next] = [own, next].map(|component| wide(&component_words(component, words)).collect());
    Shares::new(own, next).map_err(|error| Refusal::internal(&error))
}

pub(super) async fn run(
    node: &Arc<Node>,
    shared: &Shared,
    met: &mut Met,
    session: [u8; 32],
    version: Version,
    encode: &Encode,
    parts: Bytes,
) -> Result<Answer, Refusal> {
    let input = check(node, shared, encode, &parts)?;
    drop(parts);
    let (shared, tower, at) = (Arc::clone(shared), encode.tower, Arc::clone(node));
    let work = move |party: &mut Party| {
        let (described, ready) = weights(&at, &shared, version).map_err(Stopped::Here)?;
        let network = described.network(tower);
        let vector = network.evaluate(party, ready.weights(tower), input)?;
        let vector = party.refresh(&vector)?;
        let traffic = party.traffic();
        Ok::<_, Stopped>((vector, traffic))
    };
    let (vector, traffic) = met.compute(node, session, work).await?;
    let bytes =
        |values: &[u64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into();
    Ok(Answer::Encoded(Encoded {
        session: Digest(session),
        version,
        vector: SharePair { own: bytes(vector.own()), next: bytes(vector.next()) },
        rounds: traffic.rounds,
        sent: traffic.sent,
    }))
}

type Weights = (Arc<crate::models::Described>, Arc<crate::models::Ready>);

/// The weights of the version that the three agreed on, and of no other.
fn weights(node: &Node, shared: &Shared, version: Version) -> Result<Weights, Refusal> {
    let here = read(shared);
    if here.version() != version {
        return Err(Refusal::conflict("the model changed meanwhile: encode again"));
    }
    let described = node.models.described(&here)?;
    let ready = node.models.ready(&here, &described)?;
    Ok((described, ready))
}
