//! The user's side: an encoder whose towers three servers evaluate.

use std::sync::Arc;

use pmirs_encoder::compact::layers::{FRACTION, RELU_BITS, Shapes};
use pmirs_encoder::{Encoder, EncoderError, Pack, Prepared, Towers};
use pmirs_mpc::network::real;
use pmirs_mpc::{Shares, reconstruct};
use pmirs_wire::split::{Action, Answer, Encode, Encoded, ModelEntry, ModelManifest, ModelTower, SharePair};
use pmirs_wire::{Bytes, decode};

use super::super::ask::{OfThree, Parties, is_conflict, pause, pinned};
use super::super::lies;
use super::deal::deal_wide;
use super::find::{Wanted, find};
use crate::collection::model_name;
use crate::{Vault, VaultError};

/// How often an encoding starts over: once a server was given what it lacked, or the weights' shares were changed.
const ATTEMPTS: u32 = 3;

pub(super) fn open(
    vault: &Vault,
    parties: &Arc<Parties>,
    wanted: &Wanted,
) -> Result<Arc<Encoder>, VaultError> {
    let entry = find(vault, parties, wanted)?;
    let manifest = parties.manifest(&entry)?;
    let bad =
        |reason: &dyn std::fmt::Display| lies("of the three", format_args!("the model's manifest: {reason}"));
    let read: ModelManifest = decode(&manifest.0).map_err(|error| bad(&error))?;
    let files = read.files.into_iter().map(|file| (file.name, file.content.0));
    let pack = Pack::from_public_part(&read.card, files).map_err(EncoderError::from)?;
    let shapes = Shapes::of(pack.manifest()).map_err(EncoderError::from)?;
    if (&read.image, &read.text) != (&shapes.image, &shapes.text) {
        return Err(bad(&"its networks are not those of its card"));
    }
    if (read.fraction, read.relu_bits as usize) != (FRACTION, RELU_BITS) {
        return Err(bad(&"it is of another version of this program"));
    }
    let towers = PartyTowers { parties: Arc::clone(parties), entry, manifest, shapes };
    let encoder = Encoder::with_towers(pack, Box::new(towers));
    if model_name(&encoder) != read.name {
        return Err(bad(&"its name is not that of its card"));
    }
    Ok(Arc::new(encoder))
}

/// Both towers, at the three.
struct PartyTowers {
    parties: Arc<Parties>,
    entry: ModelEntry,
    /// For a server that lost it.
    manifest: Bytes,
    shapes: Shapes,
}

impl Towers for PartyTowers {
    fn image(&self, images: &[Prepared]) -> Result<Vec<Vec<f32>>, EncoderError> {
        images.iter().map(|image| self.encode(ModelTower::Image, &self.shapes.pixels(image)?)).collect()
    }

    fn text(&self, sentences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, EncoderError> {
        sentences.iter().map(|ids| self.encode(ModelTower::Text, &self.shapes.sentence(ids)?)).collect()
    }
}

impl PartyTowers {
    fn encode(&self, tower: ModelTower, input: &[u64]) -> Result<Vec<f32>, EncoderError> {
        let encoded = self.encode_at_parties(tower, input);
        encoded.map_err(|error| EncoderError::Elsewhere(Box::new(error)))
    }

    fn encode_at_parties(&self, tower: ModelTower, input: &[u64]) -> Result<Vec<f32>, VaultError> {
        let parties = &self.parties;
        for attempt in 1.. {
            let (bytes, parts) = pinned(&deal_wide(input)?)?;
            let encode = Encode { model: self.entry.manifest, tower, parts };
            let order = parties.order(self.entry.model, Action::Encode(encode))?;
            match parties.explained(self.entry.model, parties.ask_all(&order, bytes)) {
                Ok(answers) => return self.join(answers),
                Err(error) if is_conflict(&error) && attempt < ATTEMPTS => {
                    parties.describe(self.entry.model, self.entry.manifest, &self.manifest)?;
                    pause(attempt)?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(VaultError::Busy)
    }

    /// Every component is held by two, who must agree on it.
    fn join(&self, answers: OfThree<Answer>) -> Result<Vec<f32>, VaultError> {
        let [first, second, third] = answers;
        let three = [self.read(0, first)?, self.read(1, second)?, self.read(2, third)?];
        let [first, others @ ..] = &three;
        for (place, other) in others.iter().enumerate() {
            if (other.session, other.version) != (first.session, first.version) {
                let reason = format_args!("session {}: it speaks of another than the first", first.session);
                return Err(lies(self.parties.name(place + 1), reason));
            }
        }
        let odd = |reason: &dyn std::fmt::Display| {
            lies("of the three", format_args!("session {}: {reason}", first.session))
        };
        let [a, b, c] =
            three.each_ref().map(|encoded| shares(&encoded.vector).map_err(|reason| odd(&reason)));
        let joined = reconstruct(&[a?, b?, c?]).map_err(|error| odd(&error))?;
        if joined.len() != self.shapes.image.dim {
            return Err(odd(&format_args!("{} numbers instead of {}", joined.len(), self.shapes.image.dim)));
        }
        Ok(real(&joined, FRACTION))
    }

    fn read(&self, place: usize, answer: Answer) -> Result<Encoded, VaultError> {
        match answer {
            Answer::Encoded(encoded) => Ok(encoded),
            _ => Err(lies(self.parties.name(place), "it answers with something else than an embedding")),
        }
    }
}

fn shares(pair: &SharePair) -> Result<Shares<u64>, String> {
    let words = |bytes: &Bytes| {
        let (words, rest) = bytes.0.as_chunks::<8>();
        let whole = rest.is_empty().then(|| words.iter().map(|word| u64::from_le_bytes(*word)).collect());
        whole.ok_or_else(|| "its shares are no whole words".to_owned())
    };
    Shares::new(words(&pair.own)?, words(&pair.next)?).map_err(|error| error.to_string())
}
