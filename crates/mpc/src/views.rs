//! Privacy by example: what a party sees can be made up from its output alone.
//!
//! For each protocol and each party, the real view (input shares, every message sent and received, output shares) is
//! recorded in many sessions with the same secrets and fresh randomness. The *simulator* is a link: it runs the
//! party's own code without the other two and without their secrets, answers every round with uniformly random bytes,
//! and only where a value is revealed with the component that makes it the output. Real and simulated views are
//! compared in every bit and in every pair of bits. A planted mistake, common randomness that is used again and
//! again, must show.

mod cells;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pmirs_crypto::PairKey;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::error::Error;
use crate::frame::{self, HEADER, Label, Step};
use crate::link::{Link, LinkFault};
use crate::memory;
use crate::party::Party;
use crate::prss::PairKeys;
use crate::ring::{Ring, pack};
use crate::role::{Role, Side};
use crate::selection::Selection;
use crate::share::{BitShares, Shares, Unmasked, deal};

/// Sessions of each kind. A bit or pair that is fair in one kind and biased by an eighth in the other differs by nine
/// standard deviations.
const SESSIONS: usize = 1536;
/// Standard deviations that count as a difference: of a million pairs of fair bits, one in 10^5 batches has one beyond.
const BEYOND: f64 = 7.0;
const SESSION: [u8; 32] = [9; 32];

/// What a protocol gives a party: bytes of its output shares.
type Output = Vec<u8>;
type Protocol = dyn Fn(&mut Party, &Inputs) -> Result<Output, Error> + Sync;

/// One party's inputs.
struct Inputs {
    narrow: Shares<u32>,
    wide: Shares<u64>,
    bits: BitShares,
}

/// What a protocol opens by definition, round by round.
enum Opened {
    /// Packed bits.
    Bits(Vec<u64>),
    /// Values.
    Words(Vec<u32>),
}

type Revealed = dyn Fn(&mut ChaCha20Rng) -> Option<Vec<Opened>>;

/// One frame's public shape.
#[derive(Clone)]
struct Shape {
    step: Step,
    round: u32,
    length: usize,
}

/// Records what is sent and received.
struct Recorder<L> {
    link: L,
    messages: Arc<Mutex<Vec<u8>>>,
    shapes: Arc<Mutex<Vec<Shape>>>,
}

impl<L: Link> Link for Recorder<L> {
    fn send(&mut self, to: Side, frame: Vec<u8>) -> Result<(), LinkFault> {
        self.messages.lock().unwrap().extend_from_slice(&frame[HEADER..]);
        self.link.send(to, frame)
    }

    fn receive(&mut self, from: Side, most: usize) -> Result<Vec<u8>, LinkFault> {
        let frame = self.link.receive(from, most)?;
        self.messages.lock().unwrap().extend_from_slice(&frame[HEADER..]);
        let step = Step::from_number(frame[34]).unwrap();
        let round = u32::from_le_bytes(frame[35..39].try_into().unwrap());
        self.shapes.lock().unwrap().push(Shape { step, round, length: frame.len() - HEADER });
        Ok(frame)
    }
}

/// The simulator: random bytes of the right length, and in openings what makes the values those of `revealed`.
struct Simulator {
    role: Role,
    rng: ChaCha20Rng,
    shapes: VecDeque<Shape>,
    revealed: VecDeque<Opened>,
    /// What the party sent last, to the previous and to the next.
    sent: [Vec<u8>; 2],
    opening: Vec<u8>,
}

impl Link for Simulator {
    fn send(&mut self, to: Side, frame: Vec<u8>) -> Result<(), LinkFault> {
        self.sent[to as usize] = frame[HEADER..].to_vec();
        Ok(())
    }

    fn receive(&mut self, from: Side, _: usize) -> Result<Vec<u8>, LinkFault> {
        let shape = self.shapes.pop_front().ok_or(LinkFault::Silent)?;
        let mut frame = frame::draft(shape.length);
        if shape.step == Step::Reveal {
            // Both others send the same: made for the first of them, repeated for the second.
            if from == Side::Previous {
                self.opening = missing(&self.revealed.pop_front().unwrap(), &self.sent);
            }
            frame.extend_from_slice(&self.opening);
        } else {
            frame.resize(HEADER + shape.length, 0);
            self.rng.fill_bytes(&mut frame[HEADER..]);
        }
        let sender = self.role.neighbour(from);
        frame::seal(&mut frame, &Label { session: SESSION, sender, step: shape.step, round: shape.round });
        Ok(frame)
    }
}

fn keys(rng: &mut ChaCha20Rng) -> [PairKeys; 3] {
    let secrets = [(); 3].map(|()| {
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        secret
    });
    let key = |index: usize| PairKey::from_secret(&secrets[index % 3]);
    [0, 1, 2].map(|index| PairKeys { previous: key(index), next: key(index + 1) })
}

/// The component that makes what a party sent to both sides what is opened.
fn missing(opened: &Opened, [to_previous, to_next]: &[Vec<u8>; 2]) -> Vec<u8> {
    let bits = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at * 8..][..8].try_into().unwrap());
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at * 4..][..4].try_into().unwrap());
    match opened {
        Opened::Bits(values) => values
            .iter()
            .enumerate()
            .flat_map(|(at, value)| (value ^ bits(to_previous, at) ^ bits(to_next, at)).to_le_bytes())
            .collect(),
        Opened::Words(values) => values
            .iter()
            .enumerate()
            .flat_map(|(at, value)| {
                value.wrapping_sub(word(to_previous, at)).wrapping_sub(word(to_next, at)).to_le_bytes()
            })
            .collect(),
    }
}

/// Fixed secrets, freshly shared.
fn inputs(rng: &mut ChaCha20Rng) -> [Inputs; 3] {
    let [a, b, c] = deal(rng, &[5_u32, 0xffff_fff0, 77]);
    let [d, e, f] = deal(rng, &[1_u64 << 40, (-3_i64).cast_unsigned(), 0]);
    let words: [u64; 3] = [rng.next_u64(), rng.next_u64(), 0];
    let last = words[0] ^ words[1] ^ 0b101;
    let bits = |own: u64, next: u64| BitShares { own: vec![own], next: vec![next], bits: 3 };
    [
        Inputs { narrow: a, wide: d, bits: bits(words[0], words[1]) },
        Inputs { narrow: b, wide: e, bits: bits(words[1], last) },
        Inputs { narrow: c, wide: f, bits: bits(last, words[0]) },
    ]
}

fn input_bytes(inputs: &Inputs) -> Vec<u8> {
    let mut bytes = Vec::new();
    for component in [&inputs.narrow.own, &inputs.narrow.next] {
        u32::append(component, &mut bytes);
    }
    for component in [&inputs.wide.own, &inputs.wide.next] {
        u64::append(component, &mut bytes);
    }
    bytes.extend([inputs.bits.own[0] as u8 & 7, inputs.bits.next[0] as u8 & 7]);
    bytes
}

/// What one party saw in each session, and the frames' public shapes.
struct Recorded {
    views: Vec<Vec<u8>>,
    shapes: Vec<Vec<Shape>>,
}

/// Real sessions, as each party sees them.
fn real(protocol: &Protocol, stuck: bool) -> [Recorded; 3] {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut recorded = [(); 3].map(|()| Recorded { views: Vec::new(), shapes: Vec::new() });
    for _ in 0..SESSIONS {
        let (keys, inputs) = (keys(&mut rng), inputs(&mut rng));
        let notes = [(); 3].map(|()| (Arc::default(), Arc::default()));
        let outputs: Vec<Output> = std::thread::scope(|scope| {
            let threads: Vec<_> = Role::ALL
                .into_iter()
                .zip(memory::ring(Duration::from_secs(20)))
                .map(|(role, link)| {
                    let (keys, inputs) = (&keys[role.index()], &inputs[role.index()]);
                    let (messages, shapes) = &notes[role.index()];
                    let link = Recorder { link, messages: Arc::clone(messages), shapes: Arc::clone(shapes) };
                    scope.spawn(move || {
                        let mut party = Party::new(role, SESSION, keys, Box::new(link));
                        party.prss.stuck = stuck;
                        protocol(&mut party, inputs).unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let all = recorded.iter_mut().zip(&inputs).zip(notes).zip(outputs);
        for (((recorded, inputs), (messages, shapes)), output) in all {
            recorded.views.push([input_bytes(inputs), messages.lock().unwrap().clone(), output].concat());
            recorded.shapes.push(shapes.lock().unwrap().clone());
        }
    }
    recorded
}

/// Views made up from the output: the shapes are public, `revealed` is what the protocol reveals by definition.
fn simulated(role: Role, protocol: &Protocol, shapes: &[Vec<Shape>], revealed: &Revealed) -> Vec<Vec<u8>> {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let fake_inputs = |rng: &mut ChaCha20Rng| {
        // The shares of one party are uniform, whatever the secrets: those of zeros will do.
        let [a, b, c] = inputs(rng);
        [a, b, c].into_iter().nth(role.index()).unwrap()
    };
    let session = |shapes: &Vec<Shape>| {
        let (keys, inputs) = (keys(&mut rng), fake_inputs(&mut rng));
        let messages = Arc::new(Mutex::new(Vec::new()));
        let revealed = revealed(&mut rng).unwrap_or_default().into();
        let simulator = Simulator {
            role,
            rng: ChaCha20Rng::seed_from_u64(rng.next_u64()),
            shapes: shapes.clone().into(),
            revealed,
            sent: [Vec::new(), Vec::new()],
            opening: Vec::new(),
        };
        let link = Recorder { link: simulator, messages: Arc::clone(&messages), shapes: Arc::default() };
        let mut party = Party::new(role, SESSION, &keys[role.index()], Box::new(link));
        let output = protocol(&mut party, &inputs).unwrap();
        [input_bytes(&inputs), messages.lock().unwrap().clone(), output].concat()
    };
    shapes.iter().map(session).collect()
}

/// The largest difference between real and simulated views, over all bits and pairs of bits, in standard deviations.
fn difference(real: &[Vec<u8>], simulated: &[Vec<u8>]) -> f64 {
    let bits = |views: &[Vec<u8>]| -> Vec<Vec<u64>> {
        let count = views[0].len() * 8;
        let mut columns = vec![vec![0_u64; SESSIONS / 64]; count];
        for (session, view) in views.iter().enumerate() {
            assert_eq!(view.len() * 8, count, "views of one size");
            for (bit, column) in columns.iter_mut().enumerate() {
                column[session / 64] |= u64::from(view[bit / 8] >> (bit % 8) & 1) << (session % 64);
            }
        }
        columns
    };
    let (real, simulated) = (bits(real), bits(simulated));
    assert_eq!(real.len(), simulated.len());
    let ones = |a: &[u64], b: &[u64]| a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
    let none = vec![0; SESSIONS / 64];
    let deviation = (SESSIONS as f64 / 2.0).sqrt();
    let mut largest = 0.0_f64;
    for first in 0..real.len() {
        let alone = f64::from(ones(&real[first], &none)) - f64::from(ones(&simulated[first], &none));
        largest = largest.max(alone.abs() / deviation);
        for second in first + 1..real.len() {
            let pair = f64::from(ones(&real[first], &real[second]))
                - f64::from(ones(&simulated[first], &simulated[second]));
            largest = largest.max(pair.abs() / deviation);
        }
    }
    largest
}

fn bytes<R: Ring>(shares: &Shares<R>) -> Output {
    [&pack(&shares.own)[HEADER..], &pack(&shares.next)[HEADER..]].concat()
}

fn nothing_revealed(_: &mut ChaCha20Rng) -> Option<Vec<Opened>> {
    None
}

fn compare(name: &str, protocol: &Protocol, revealed: &Revealed) {
    for (role, Recorded { views, shapes }) in Role::ALL.into_iter().zip(real(protocol, false)) {
        let made_up = simulated(role, protocol, &shapes, revealed);
        let difference = difference(&views, &made_up);
        assert!(difference < BEYOND, "{name}: {role}'s views differ by {difference} standard deviations");
    }
}

/// With common randomness that is used again and again, the views of some party must differ from simulated ones.
fn catches(name: &str, protocol: &Protocol) {
    let worst = Role::ALL
        .into_iter()
        .zip(real(protocol, true))
        .map(|(role, Recorded { views, shapes })| {
            difference(&views, &simulated(role, protocol, &shapes, &nothing_revealed))
        })
        .fold(0.0, f64::max);
    assert!(worst > 1.3 * BEYOND, "{name}: a reused mask shows by only {worst} standard deviations");
}

fn products(party: &mut Party, inputs: &Inputs) -> Result<Output, Error> {
    let squares = [party.multiply(&inputs.wide, &inputs.wide)?, party.multiply(&inputs.wide, &inputs.wide)?];
    Ok(squares.each_ref().map(bytes).concat())
}

fn signs(party: &mut Party, inputs: &Inputs) -> Result<Output, Error> {
    let signs = party.sign(&inputs.narrow, 5)?;
    Ok([signs.own[0] as u8 & 7, signs.next[0] as u8 & 7].to_vec())
}

fn choices(party: &mut Party, inputs: &Inputs) -> Result<Output, Error> {
    Ok(bytes(&party.select(&inputs.bits, &inputs.narrow)?))
}

fn truncations(party: &mut Party, inputs: &Inputs) -> Result<Output, Error> {
    Ok(bytes(&party.truncate(Unmasked::of_shares(&inputs.wide), 12)?))
}

fn shuffles(party: &mut Party, inputs: &Inputs) -> Result<Output, Error> {
    Ok(bytes(&party.shuffle(std::slice::from_ref(&inputs.narrow))?[0]))
}

fn searches(party: &mut Party, inputs: &Inputs) -> Result<Output, Error> {
    let found = party.top_k(vec![Unmasked::of_shares(&inputs.narrow)], 1, 12)?;
    Ok([bytes(&found[0].rows), bytes(&found[0].scores)].concat())
}

/// What a search reveals: comparisons within the order of a random permutation.
fn random_order(rng: &mut ChaCha20Rng) -> Option<Vec<Opened>> {
    order_of_best(rng, 1)
}

/// The same for the best `k` of the three.
fn order_of_best(rng: &mut ChaCha20Rng, k: usize) -> Option<Vec<Opened>> {
    let mut ranks: Vec<u32> = (0..3).collect();
    ranks.shuffle(rng);
    let mut selection = Selection::new(3, k);
    let mut revealed = Vec::new();
    loop {
        let pairs = selection.ask();
        if pairs.is_empty() {
            return Some(revealed);
        }
        let behind: Vec<bool> = pairs.iter().map(|&(a, b)| ranks[a as usize] < ranks[b as usize]).collect();
        let word = behind.iter().rev().fold(0, |word, &bit| word << 1 | u64::from(bit));
        revealed.push(Opened::Bits(vec![word]));
        selection.answer(&behind.iter().map(|behind| !behind).collect::<Vec<_>>());
    }
}

#[test]
fn products_can_be_made_up() {
    compare("products", &products, &nothing_revealed);
}

#[test]
fn signs_can_be_made_up() {
    compare("signs", &signs, &nothing_revealed);
}

#[test]
fn choices_can_be_made_up() {
    compare("choices", &choices, &nothing_revealed);
}

#[test]
fn truncations_can_be_made_up() {
    compare("truncations", &truncations, &nothing_revealed);
}

#[test]
fn shuffles_can_be_made_up() {
    compare("shuffles", &shuffles, &nothing_revealed);
}

#[test]
fn searches_can_be_made_up() {
    compare("searches", &searches, &random_order);
}

#[test]
fn a_reused_mask_shows() {
    catches("products", &products);
    catches("signs", &signs);
    catches("choices", &choices);
    catches("truncations", &truncations);
    catches("shuffles", &shuffles);
}
