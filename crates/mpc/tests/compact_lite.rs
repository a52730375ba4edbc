//! The project's own small encoder, with its own weights, under sharing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    dead_code,
    reason = "a test may panic"
)]

mod world;

use half::f16;
use pmirs_mpc::network::{Block, ImageTower, Network, SharedWeights, TextTower, fixed, real};
use pmirs_mpc::{Shares, deal, reconstruct};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use safetensors::{Dtype, SafeTensors};
use world::{of, succeed};

const FRACTION: u32 = 16;

/// Tensors in the order of their names in `order`, as `pmirs-encoder` stores them: scaled 8-bit integers, or 16-bit
/// floats.
fn parameters(file: &str, order: &[String]) -> Vec<f32> {
    let path = format!("{}/../../models/compact-lite/{file}.safetensors", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    let archive = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |data: &[u8]| -> Vec<f32> {
        data.chunks_exact(4).map(|chunk| f32::from_le_bytes(chunk.try_into().unwrap())).collect()
    };
    let mut values = Vec::new();
    for name in order {
        let tensor = archive.tensor(name).unwrap();
        if tensor.dtype() == Dtype::F16 {
            let halves =
                tensor.data().chunks_exact(2).map(|chunk| f16::from_le_bytes(chunk.try_into().unwrap()));
            values.extend(halves.map(f16::to_f32));
            continue;
        }
        let scale = archive.tensor(&format!("{name}.scale")).unwrap();
        let by_row = scale.shape()[1] == 1;
        let (scales, columns) = (floats(scale.data()), *tensor.shape().last().unwrap());
        values.extend(tensor.data().iter().enumerate().map(|(index, byte)| {
            let scale = if by_row { scales[index / columns] } else { scales[index % columns] };
            f32::from(byte.cast_signed()) * scale
        }));
    }
    values
}

/// Cuts a tower's flat parameters into those of each node.
fn by_node(network: &Network, values: &[f32]) -> Vec<Vec<f32>> {
    let mut rest = values;
    let mut take = |[weights, biases]: [usize; 2]| {
        let (mine, after) = rest.split_at(weights + biases);
        rest = after;
        mine.to_vec()
    };
    let nodes = network.weights().into_iter().map(&mut take).collect();
    assert!(rest.is_empty(), "{} parameters belong to no node", rest.len());
    nodes
}

fn evaluated(network: &Network, weights: &[Vec<f32>], input: &[u64]) -> (Vec<f32>, u64) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut shared = [Vec::new(), Vec::new(), Vec::new()];
    for (values, sizes) in weights.iter().zip(network.weights()) {
        for (party, shares) in shared.iter_mut().zip(&deal(&mut rng, &fixed(values, FRACTION))) {
            party.push(SharedWeights::new(shares, sizes, FRACTION).unwrap());
        }
    }
    let input: [Shares<u64>; 3] = deal(&mut rng, input);
    let results = succeed(2, |party| {
        let out = network.evaluate(party, of::<Vec<_>>(party, &shared), of(party, &input).clone())?;
        Ok((out, party.traffic().sent))
    });
    let sent = results.iter().map(|(_, sent)| sent).sum::<u64>() / 3;
    (real(&reconstruct(&results.map(|(out, _)| out)).unwrap(), FRACTION), sent)
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Sizes from `models/compact-lite/model.toml`.
fn image_tower() -> ImageTower {
    let sizes = [
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
    let block = |(number, (expand, out, stride))| Block { expand, widens: number > 0, out, stride };
    let blocks = sizes.into_iter().enumerate().map(block).collect();
    ImageTower { size: 96, stem: 24, blocks, features: 768, bounded: false, hidden: 384, dim: 256 }
}

fn image_names() -> Vec<String> {
    let mut names: Vec<String> = vec!["trunk.stem".into()];
    for number in 1..=17 {
        let steps: &[&str] =
            if number == 1 { &["depthwise", "project"] } else { &["expand", "depthwise", "project"] };
        names.extend(steps.iter().map(|step| format!("trunk.block_{number:02}.{step}")));
    }
    names.push("trunk.last".into());
    let mut tensors: Vec<String> =
        names.iter().flat_map(|name| [format!("{name}.weight"), format!("{name}.bias")]).collect();
    tensors.push("head.direct.weight".into());
    for name in ["head.inner", "head.outer"] {
        tensors.extend([format!("{name}.weight"), format!("{name}.bias")]);
    }
    tensors
}

/// A drawn picture: a bright disc before a gradient, seeded stripes, values in [-1, 1].
fn drawn(size: usize, seed: usize) -> Vec<f32> {
    let pixel = |index: usize| {
        let (channel, x, y) = (index % 3, index / 3 % size, index / 3 / size);
        let (u, v) = (x as f32 / size as f32 - 0.5, y as f32 / size as f32 - 0.4);
        let disc = if u * u + v * v < 0.05 { 0.9 } else { 0.0 };
        let stripes = if (x + seed * y / 3) % (7 + seed) < 3 { 0.3 } else { -0.2 };
        (disc + stripes + v * (channel as f32 - 1.0) * 0.8).clamp(-1.0, 1.0)
    };
    (0..size * size * 3).map(pixel).collect()
}

#[test]
fn a_picture_is_encoded_as_without_sharing() {
    let network = image_tower().network(FRACTION, 32).unwrap();
    let weights = by_node(&network, &parameters("image", &image_names()));
    let pictures = [drawn(96, 1), drawn(96, 5)];
    let plain = pictures.each_ref().map(|picture| network.evaluate_plain(&weights, picture).unwrap());
    assert!(cosine(&plain[0], &plain[1]) < 0.99, "two pictures, two embeddings");
    for (picture, plain) in pictures.iter().zip(&plain) {
        let (got, sent) = evaluated(&network, &weights, &fixed(picture, FRACTION));
        let cosine = cosine(&got, plain);
        println!("cosine {cosine:.6}, {:.1} MB sent a party", sent as f64 / 1e6);
        assert!(cosine >= 0.999, "cosine {cosine}");
        assert!(sent <= 50_000_000, "{sent} bytes sent a party");
    }
}

#[test]
fn a_sentence_is_encoded_as_without_sharing() {
    let tokens = [12_usize, 7000, 3, 3, 512];
    let tower = TextTower { tokens: tokens.len(), vocabulary: 7355, width: 144, layers: 1, dim: 256 };
    let network = tower.network(FRACTION, 32).unwrap();
    let names =
        ["text.embedding", "text.conv_1.weight", "text.conv_1.bias", "text.out.weight", "text.out.bias"];
    let weights = by_node(&network, &parameters("text", &names.map(String::from)));
    let mut one_hot = vec![0_u64; tokens.len() * 7355];
    tokens.iter().enumerate().for_each(|(place, token)| one_hot[place * 7355 + token] = 1);
    let plain: Vec<f32> = one_hot.iter().map(|&value| value as f32).collect();
    let expected = network.evaluate_plain(&weights, &plain).unwrap();
    let (got, _) = evaluated(&network, &weights, &one_hot);
    let cosine = cosine(&got, &expected);
    assert!(cosine >= 0.999, "cosine {cosine}");
}
