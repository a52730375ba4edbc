//! Times a network of the size of `models/compact-lite`: `cargo run --release -p pmirs-mpc --example bench_encode`.
//!
//! Three parties on three threads, memory links, random weights. Prints time, rounds, bytes and the cosine to the plaintext twin.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "an example may panic")]

use std::time::Instant;

use pmirs_mpc::bench::three_parties;
use pmirs_mpc::network::{Extent, Layer, Network, Node, SharedWeights, fixed, real};
use pmirs_mpc::{Shares, deal, reconstruct};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use rand_chacha::ChaCha20Rng;

/// Channels inside, channels out, stride of each block of `compact-lite`.
const BLOCKS: [(usize, usize, usize); 17] = [
    (24, 16, 1),
    (88, 24, 2),
    (128, 24, 1),
    (136, 32, 2),
    (160, 32, 1),
    (168, 32, 1),
    (192, 64, 2),
    (360, 64, 1),
    (336, 64, 1),
    (328, 64, 1),
    (384, 96, 1),
    (512, 96, 1),
    (472, 96, 1),
    (576, 160, 2),
    (904, 160, 1),
    (744, 160, 1),
    (912, 320, 1),
];
const SIZE: usize = 96;
const FRACTION: u32 = 16;

fn main() {
    let network = compact_lite();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let weights = random_weights(&network);
    let mut shared: [Vec<SharedWeights>; 3] = [Vec::new(), Vec::new(), Vec::new()];
    for (values, sizes) in weights.iter().zip(network.weights()) {
        let dealt = deal(&mut rng, &fixed(values, FRACTION));
        for (party, shares) in shared.iter_mut().zip(&dealt) {
            party.push(SharedWeights::new(shares, sizes, FRACTION).unwrap());
        }
    }
    let pixels: Vec<f32> = (0..network.input().len()).map(|_| rng.random_range(-1.0..1.0)).collect();
    let input: [Shares<u64>; 3] = deal(&mut rng, &fixed(&pixels, FRACTION));
    let expected = network.evaluate_plain(&weights, &pixels).unwrap();
    for _ in 0..3 {
        let start = Instant::now();
        let results = three_parties(&mut rng, |party| {
            let index = party.role().index();
            let out = network.evaluate(party, &shared[index], input[index].clone())?;
            Ok((out, party.traffic()))
        })
        .unwrap();
        let time = start.elapsed();
        let sent: u64 = results.iter().map(|(_, traffic)| traffic.sent).sum();
        let rounds = results[0].1.rounds;
        let got = real(&reconstruct(&results.map(|(out, _)| out)).unwrap(), FRACTION);
        println!(
            "{:.0} ms, {rounds} rounds, {:.1} MB sent a party on average, cosine {:.6}",
            time.as_secs_f64() * 1e3,
            sent as f64 / 3e6,
            cosine(&got, &expected)
        );
    }
}

fn compact_lite() -> Network {
    let mut plan: Vec<Node> = Vec::new();
    let window = [3, 3];
    let push = |plan: &mut Vec<Node>, layer| {
        plan.push(Node { layer, input: plan.len() });
        plan.len()
    };
    push(&mut plan, Layer::Convolution { window, stride: 2, inputs: 3, outputs: 24, bias: true });
    let mut entry = push(&mut plan, Layer::Relu);
    let mut channels = 24;
    for (number, (inside, out, stride)) in BLOCKS.into_iter().enumerate() {
        if number > 0 {
            push(&mut plan, Layer::Linear { inputs: channels, outputs: inside, bias: true });
            push(&mut plan, Layer::Relu);
        }
        push(&mut plan, Layer::Depthwise { window, stride, channels: inside });
        push(&mut plan, Layer::Relu);
        let mut left = push(&mut plan, Layer::Linear { inputs: inside, outputs: out, bias: true });
        if stride == 1 && channels == out {
            left = push(&mut plan, Layer::Add { with: entry });
        }
        (entry, channels) = (left, out);
    }
    push(&mut plan, Layer::Linear { inputs: channels, outputs: 768, bias: true });
    push(&mut plan, Layer::Relu);
    let features = push(&mut plan, Layer::Mean);
    push(&mut plan, Layer::Linear { inputs: 768, outputs: 384, bias: true });
    push(&mut plan, Layer::Relu);
    let inner = push(&mut plan, Layer::Linear { inputs: 384, outputs: 256, bias: true });
    plan.push(Node { layer: Layer::Linear { inputs: 768, outputs: 256, bias: false }, input: features });
    push(&mut plan, Layer::Add { with: inner });
    Network::new(Extent { height: SIZE, width: SIZE, channels: 3 }, plan, FRACTION, 32).unwrap()
}

/// Of a spread that keeps activations near one, as training does.
fn random_weights(network: &Network) -> Vec<Vec<f32>> {
    let mut rng = SmallRng::seed_from_u64(3);
    let mut node = |(index, [weights, biases]): (usize, [usize; 2])| -> Vec<f32> {
        let inputs = weights as f32 / network.leaving(index).channels as f32;
        let spread = (6.0 / inputs.max(1.0)).sqrt();
        (0..weights + biases).map(|_| rng.random_range(-spread..spread)).collect()
    };
    network.weights().into_iter().enumerate().map(&mut node).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
