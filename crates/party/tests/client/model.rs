//! A small model for tests, dealt to three parties as its owner does.

use pmirs_crypto::{Dealt, sha256};
use pmirs_mpc::network::{Block, ImageTower, Network, TextTower, fixed, real};
use pmirs_mpc::{Shares, reconstruct};
use pmirs_wire::split::{
    Action, Answer, Batch, Encode, Encoded, ModelEntry, ModelFile, ModelManifest, ModelTower, Parts,
    PartyRequest, Receipt, SharePair, State, Statement,
};
use pmirs_wire::{Bytes, CollectionId, Digest, ItemId, encode, limits};
use rand_chacha::rand_core::Rng;

use super::{No, User, rng};

pub const MODEL: CollectionId = CollectionId([9; 16]);
const FRACTION: u32 = 16;
/// Weights of one row.
pub const OF_ROW: usize = limits::SPLIT_MODEL_ROW / 2;

/// A small encoder of random weights.
pub struct Model {
    pub manifest: ModelManifest,
    networks: [Network; 2],
    weights: [Vec<Vec<f32>>; 2],
}

impl Model {
    pub fn new(seed: u64) -> Self {
        let block = |widens, expand, stride| Block { expand, widens, out: 8, stride };
        let image = ImageTower {
            size: 9,
            stem: 8,
            blocks: vec![block(false, 8, 2), block(true, 24, 1)],
            features: 32,
            bounded: false,
            hidden: 24,
            dim: 16,
        };
        let text = TextTower { tokens: 4, vocabulary: 60, width: 20, layers: 2, dim: 16 };
        let networks =
            [image.network(FRACTION, 32).unwrap(), text.network_of_any_length(FRACTION, 32).unwrap()];
        let mut rng = rng(seed);
        let mut node = |[weights, biases]: [usize; 2]| -> Vec<f32> {
            let spread = 3.0 / (weights.max(1) as f32).sqrt().max(4.0);
            (0..weights + biases).map(|_| ((rng.next_u32() % 2001) as f32 / 1000.0 - 1.0) * spread).collect()
        };
        let weights =
            networks.each_ref().map(|network| network.weights().into_iter().map(&mut node).collect());
        let manifest = ModelManifest {
            name: format!("small {seed}"),
            fraction: FRACTION,
            relu_bits: 32,
            image,
            text,
            weights: Digest([seed as u8; 32]),
            card: String::new(),
            files: vec![ModelFile { name: "words".into(), content: Bytes(vec![1; 8]) }],
        };
        Self { manifest, networks, weights }
    }

    pub fn bytes(&self) -> Bytes {
        Bytes(encode(&self.manifest).unwrap())
    }

    pub fn digest(&self) -> Digest {
        Digest(sha256(&self.bytes().0))
    }

    /// All rows of weights.
    pub fn rows(&self) -> Vec<Vec<u64>> {
        let flat: Vec<u64> = self.weights.iter().flatten().flat_map(|node| fixed(node, FRACTION)).collect();
        let row = |chunk: &[u64]| {
            let mut row = chunk.to_vec();
            row.resize(OF_ROW, 0);
            row
        };
        flat.chunks(OF_ROW).map(row).collect()
    }

    /// A picture and a sentence, and what comes of them in the clear.
    pub fn examples(&self) -> [(ModelTower, Vec<u64>, Vec<f32>); 2] {
        let [image, text] = &self.networks;
        let pixels: Vec<f32> =
            (0..image.input().len()).map(|at| ((at * 37) % 200) as f32 / 100.0 - 1.0).collect();
        let expected = image.evaluate_plain(&self.weights[0], &pixels).unwrap();
        let picture = (ModelTower::Image, fixed(&pixels, FRACTION), expected);
        let sentence = self.manifest.text.filled_up(&[7, 59, 7], FRACTION).unwrap();
        let channels = self.manifest.text.vocabulary + 2;
        let mut plain: Vec<f32> = sentence.iter().map(|value| *value as f32).collect();
        plain.chunks_exact_mut(channels).for_each(|place| place[channels - 1] /= 65_536.0);
        let expected = text.evaluate_plain(&self.weights[1], &plain).unwrap();
        [picture, (ModelTower::Text, sentence, expected)]
    }
}

pub fn deal(values: &[u64]) -> ([Bytes; 3], [Digest; 3]) {
    let Dealt { seeds: [first, second], rest } = Dealt::wide(&mut rng(77), values);
    let parts = Parts::of_three(*first.expose_secret(), *second.expose_secret(), &rest.0, [[7; 32]; 3]);
    let parts = parts.map(|parts| Bytes(encode(&parts).unwrap()));
    let digests = parts.each_ref().map(|parts| Digest(sha256(&parts.0)));
    (parts, digests)
}

impl User {
    /// Makes the model's store and hands the manifest over.
    pub fn found(&self, model: &Model) {
        let statement = self.first_statement(MODEL, limits::SPLIT_MODEL_ROW as u32);
        self.govern(MODEL, &Statement { model: Some(model.digest()), ..statement });
        for place in 0..3 {
            self.describe(place, &model.bytes(), model.digest()).unwrap();
        }
    }

    pub fn describe(&self, place: usize, manifest: &Bytes, digest: Digest) -> Result<Answer, No> {
        let order = self.order(MODEL, Action::Describe { manifest: digest });
        self.send(place, &PartyRequest { order, parts: manifest.clone(), first: None })
    }

    /// Prepares rows from a number on at all three; gives back what commits them.
    pub fn lay_ready(&self, rows: &[Vec<u64>], from: usize) -> Result<Action, No> {
        let (parts, digests) = deal(&rows.concat());
        let add = (from..from + rows.len()).map(|number| ItemId((number as u128).to_be_bytes())).collect();
        let batch = Batch { base: self.state(0, MODEL)?.version, add, remove: Vec::new() };
        let order = self.order(MODEL, Action::Prepare { batch, parts: digests });
        let mut first: Option<Receipt> = None;
        let mut receipts: [Bytes; 3] = Default::default();
        for place in 0..3 {
            let word = first.as_ref().map(|receipt| Bytes(encode(receipt).unwrap()));
            let request = PartyRequest { order: order.clone(), parts: parts[place].clone(), first: word };
            let Answer::Receipt(receipt) = self.send(place, &request)? else { panic!("no receipt") };
            receipts[place] = receipt.signature.clone();
            first.get_or_insert(receipt);
        }
        let sequence = first.unwrap().sequence;
        Ok(Action::Commit { prepared: Digest(sha256(&order.order.0)), sequence, receipts })
    }

    pub fn commit_at(&self, places: &[usize], commit: &Action) -> State {
        let order = self.order(MODEL, commit.clone());
        let mut first = None;
        let mut last = None;
        for place in places {
            let request =
                PartyRequest { order: order.clone(), parts: Bytes::default(), first: first.clone() };
            let Answer::State(state) = self.send(*place, &request).unwrap() else { panic!("no state") };
            first = first.or_else(|| state.decision.clone());
            last = Some(state);
        }
        last.unwrap()
    }

    pub fn share_weights(&self, model: &Model) {
        self.found(model);
        for (number, row) in model.rows().iter().enumerate() {
            let commit = self.lay_ready(std::slice::from_ref(row), number).unwrap();
            self.commit_at(&[0, 1, 2], &commit);
        }
    }

    pub fn encode_raw(&self, model: &Model, tower: ModelTower, input: &[u64]) -> [Result<Encoded, No>; 3] {
        let (bytes, parts) = deal(input);
        let encode = Encode { model: model.digest(), tower, parts };
        self.ask_all(&self.order(MODEL, Action::Encode(encode)), &bytes).map(|answer| {
            answer.map(|answer| match answer {
                Answer::Encoded(encoded) => encoded,
                other => panic!("{other:?}"),
            })
        })
    }

    pub fn encodes(&self, model: &Model) {
        for (tower, input, expected) in model.examples() {
            let [first, second, third] = self.encode_raw(model, tower, &input);
            let three = [first.unwrap(), second.unwrap(), third.unwrap()];
            assert!(
                three.iter().all(|one| (one.session, one.version) == (three[0].session, three[0].version))
            );
            let joined = reconstruct(&three.each_ref().map(|one| shares(&one.vector))).unwrap();
            for (got, expected) in real(&joined, FRACTION).iter().zip(&expected) {
                assert!((got - expected).abs() < 5e-3, "{tower:?}: {got} instead of {expected}");
            }
        }
    }

    pub fn models(&self, place: usize) -> Vec<ModelEntry> {
        match self.ask(place, &self.order(CollectionId([0; 16]), Action::Models)).unwrap() {
            Answer::Models(entries) => entries,
            other => panic!("{other:?}"),
        }
    }
}

fn shares(pair: &SharePair) -> Shares<u64> {
    let words = |bytes: &Bytes| bytes.0.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    Shares::new(words(&pair.own), words(&pair.next)).unwrap()
}
