//! Times a network of the size of `models/compact-lite`: `cargo run --release -p pmirs-mpc --example bench_encode`.
//!
//! Three parties on three threads, memory links, random weights. Prints time, rounds, bytes and the cosine to the
//! plaintext twin.

#![expect(clippy::unwrap_used, reason = "an example may panic")]

use pmirs_crypto::Prg;
use pmirs_mpc::bench::{Wire, encode};
use pmirs_mpc::network::{Block, ImageTower, Network, fixed};
use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};

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
    let weights = random_weights(&network);
    let mut rng = Prg::new(&[1; 32], b"bench");
    let pixels: Vec<f32> =
        (0..network.input().len()).map(|_| (rng.next_u32() % 256) as f32 / 127.5 - 1.0).collect();
    let report = encode(&mut rng, &network, &weights, &fixed(&pixels, FRACTION), Wire::MEMORY, 3).unwrap();
    let plain = network.evaluate_plain(&weights, &pixels).unwrap();
    let best = report.times.iter().min().unwrap();
    println!(
        "{:.0} ms, {} rounds, {:.1} MB sent a party on average, cosine {:.6}",
        best.as_secs_f64() * 1e3,
        report.rounds,
        report.bytes_sent_per_party as f64 / 1e6,
        cosine(&report.output, &plain)
    );
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn compact_lite() -> Network {
    let block = |(number, (expand, out, stride)): (usize, (usize, usize, usize))| Block {
        expand,
        widens: number > 0,
        out,
        stride,
    };
    let blocks = BLOCKS.into_iter().enumerate().map(block).collect();
    let tower =
        ImageTower { size: SIZE, stem: 24, blocks, features: 768, bounded: false, hidden: 384, dim: 256 };
    tower.network(FRACTION, 32).unwrap()
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
