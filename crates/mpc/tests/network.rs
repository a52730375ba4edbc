//! Fixed point and networks against floating point.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    dead_code,
    reason = "a test may panic"
)]

mod world;

use pmirs_mpc::network::{Extent, Layer, Network, Node, SharedWeights, TextTower, fixed, real};
use pmirs_mpc::{Shares, TRUNCATION_BOUND, Unmasked, deal, reconstruct};
use proptest::prelude::*;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use world::{of, succeed};

fn bounded() -> impl Strategy<Value = i64> {
    let most = TRUNCATION_BOUND.cast_signed() - 1;
    prop_oneof![Just(most), Just(-most), Just(0), Just(-1), Just(1), -most..=most, -70_000_i64..70_000]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn truncation_errs_by_at_most_one_unit(
        seed: u64, bits in 1_u32..=32, values in prop::collection::vec(bounded(), 1..400),
    ) {
        let unsigned: Vec<u64> = values.iter().map(|value| value.cast_unsigned()).collect();
        let shares = deal(&mut ChaCha20Rng::seed_from_u64(seed), &unsigned);
        let truncated = succeed(seed, |party| party.truncate(Unmasked::of_shares(of(party, &shares)), bits));
        for (value, got) in values.iter().zip(reconstruct(&truncated).unwrap()) {
            let (floor, got) = (value >> bits, got.cast_signed());
            prop_assert!(got == floor || got == floor - 1, "{value} >> {bits}: {got} instead of {floor}");
        }
    }

    #[test]
    fn relu_keeps_what_is_above_zero(seed: u64, values in prop::collection::vec(any::<i32>(), 0..400)) {
        let wide: Vec<u64> = values.iter().map(|&value| i64::from(value).cast_unsigned()).collect();
        let shares = deal(&mut ChaCha20Rng::seed_from_u64(seed), &wide);
        let kept = succeed(seed, |party| party.relu(of(party, &shares), 32));
        let expected: Vec<u64> = values.iter().map(|&value| i64::from(value.max(0)).cast_unsigned()).collect();
        prop_assert_eq!(reconstruct(&kept).unwrap(), expected);
    }
}

/// Shares of all weights for each party.
fn shared(network: &Network, weights: &[Vec<f32>], seed: u64) -> [Vec<SharedWeights>; 3] {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut parties = [Vec::new(), Vec::new(), Vec::new()];
    for (values, sizes) in weights.iter().zip(network.weights()) {
        let dealt = deal(&mut rng, &fixed(values, network.fraction()));
        for (party, shares) in parties.iter_mut().zip(&dealt) {
            party.push(SharedWeights::new(shares, sizes, network.fraction()).unwrap());
        }
    }
    parties
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn evaluated(network: &Network, weights: &[Vec<f32>], input: &[u64], seed: u64) -> Vec<f32> {
    let weights = shared(network, weights, seed);
    let input: [Shares<u64>; 3] = deal(&mut ChaCha20Rng::seed_from_u64(seed), input);
    let out = succeed(seed, |party| {
        network.evaluate(party, of::<Vec<_>>(party, &weights), of(party, &input).clone())
    });
    real(&reconstruct(&out).unwrap(), network.fraction())
}

fn random_weights(network: &Network, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut node = |[weights, biases]: [usize; 2]| -> Vec<f32> {
        let spread = 1.5 / (weights.max(1) as f32).sqrt().max(3.0) * 3.0;
        (0..weights + biases).map(|_| rng.random_range(-spread..spread)).collect()
    };
    network.weights().into_iter().map(&mut node).collect()
}

#[test]
fn an_inverted_residual_network_computes_what_floating_point_does() {
    let relu = |input| Node { layer: Layer::Relu, input };
    let linear =
        |inputs, outputs, input| Node { layer: Layer::Linear { inputs, outputs, bias: true }, input };
    let depthwise = |channels, stride, input| Node {
        layer: Layer::Depthwise { window: [3, 3], stride, channels },
        input,
    };
    let nodes = vec![
        Node {
            layer: Layer::Convolution { window: [3, 3], stride: 2, inputs: 3, outputs: 8, bias: true },
            input: 0,
        },
        relu(1),
        linear(8, 24, 2),
        relu(3),
        depthwise(24, 1, 4),
        relu(5),
        linear(24, 8, 6),
        Node { layer: Layer::Add { with: 2 }, input: 7 },
        depthwise(8, 2, 8),
        relu(9),
        linear(8, 32, 10),
        relu(11),
        Node { layer: Layer::Mean, input: 12 },
        Node { layer: Layer::Linear { inputs: 32, outputs: 16, bias: false }, input: 13 },
    ];
    let network = Network::new(Extent { height: 13, width: 12, channels: 3 }, nodes, 16, 32).unwrap();
    let weights = random_weights(&network, 11);
    let mut rng = ChaCha20Rng::seed_from_u64(12);
    let pixels: Vec<f32> = (0..network.input().len()).map(|_| rng.random_range(-1.0..1.0)).collect();
    let expected = network.evaluate_plain(&weights, &pixels).unwrap();
    let got = evaluated(&network, &weights, &fixed(&pixels, 16), 13);
    assert_eq!(got.len(), 16);
    let cosine = cosine(&got, &expected);
    assert!(cosine > 0.999, "cosine {cosine}: {got:?} instead of {expected:?}");
}

#[test]
fn a_text_tower_computes_what_floating_point_does() {
    let (vocabulary, width, tokens) = (50, 12, [3_usize, 0, 49, 3, 17]);
    let nodes = vec![
        Node { layer: Layer::Lookup { rows: vocabulary, width }, input: 0 },
        Node {
            layer: Layer::Convolution {
                window: [3, 1],
                stride: 1,
                inputs: width,
                outputs: width,
                bias: true,
            },
            input: 1,
        },
        Node { layer: Layer::Relu, input: 2 },
        Node { layer: Layer::Add { with: 1 }, input: 3 },
        Node { layer: Layer::Mean, input: 4 },
        Node { layer: Layer::Linear { inputs: width, outputs: 10, bias: true }, input: 5 },
    ];
    let input = Extent { height: tokens.len(), width: 1, channels: vocabulary };
    let network = Network::new(input, nodes, 16, 32).unwrap();
    let weights = random_weights(&network, 21);
    let mut one_hot = vec![0_u64; input.len()];
    tokens.iter().enumerate().for_each(|(place, token)| one_hot[place * vocabulary + token] = 1);
    let plain: Vec<f32> = one_hot.iter().map(|&value| value as f32).collect();
    let expected = network.evaluate_plain(&weights, &plain).unwrap();
    let got = evaluated(&network, &weights, &one_hot, 22);
    let cosine = cosine(&got, &expected);
    assert!(cosine > 0.999, "cosine {cosine}: {got:?} instead of {expected:?}");
}

#[test]
fn a_sentence_that_is_filled_up_has_the_vector_of_the_sentence_alone() {
    let tower = TextTower { tokens: 5, vocabulary: 30, width: 12, layers: 3, dim: 10 };
    let hidden = tower.network_of_any_length(16, 32).unwrap();
    // The nodes without weights in front aside, both have the same weights in the same order.
    let weights = random_weights(&hidden, 41);
    let alone: Vec<Vec<f32>> = weights.iter().filter(|weights| !weights.is_empty()).cloned().collect();
    for tokens in [&[][..], &[7], &[3, 0], &[29, 3, 3], &[1, 2, 3, 4], &[5, 4, 3, 2, 1]] {
        let network = TextTower { tokens: tokens.len().max(1), ..tower }.network(16, 32).unwrap();
        let mut left = alone.iter();
        let weights_alone: Vec<Vec<f32>> = network
            .weights()
            .iter()
            .map(|sizes| if sizes[0] == 0 { Vec::new() } else { left.next().unwrap().clone() })
            .collect();
        let mut one_hot = vec![0.0; network.input().len()];
        tokens.iter().enumerate().for_each(|(place, token)| one_hot[place * 30 + *token as usize] = 1.0);
        let expected = if tokens.is_empty() {
            // Nothing but the last layer's bias.
            let last = weights.last().unwrap();
            last[last.len() - 10..].to_vec()
        } else {
            network.evaluate_plain(&weights_alone, &one_hot).unwrap()
        };
        let input = tower.filled_up(tokens, 16).unwrap();
        assert_eq!(input.len(), 5 * 32, "as long as every other sentence");
        let got = evaluated(&hidden, &weights, &input, 42);
        for (got, expected) in got.iter().zip(&expected) {
            assert!((got - expected).abs() < 2e-3, "{tokens:?}: {got} instead of {expected}");
        }
        let mut plain: Vec<f32> = input.iter().map(|&value| value as f32).collect();
        plain.chunks_exact_mut(32).for_each(|place| place[31] /= 65_536.0);
        let twin = hidden.evaluate_plain(&weights, &plain).unwrap();
        assert!(tokens.is_empty() || cosine(&twin, &expected) > 0.9999, "{tokens:?}");
    }
    assert!(tower.filled_up(&[30], 16).is_err(), "no such token");
    assert!(tower.filled_up(&[1; 6], 16).is_err(), "too long");
}

#[test]
fn a_bounded_relu_stops() {
    let nodes = vec![Node { layer: Layer::BoundedRelu { most: 6 }, input: 0 }];
    let network = Network::new(Extent { height: 1, width: 7, channels: 1 }, nodes, 16, 32).unwrap();
    let values = [-100.0, -0.5, 0.0, 0.25, 5.875, 6.0, 9000.0];
    let got = evaluated(&network, &[Vec::new()], &fixed(&values, 16), 31);
    assert_eq!(got, [0.0, 0.0, 0.0, 0.25, 5.875, 6.0, 6.0]);
}

#[test]
fn layers_that_do_not_fit_are_named() {
    let input = Extent { height: 2, width: 2, channels: 3 };
    let node = |layer, input| vec![Node { layer, input }];
    let linear = node(Layer::Linear { inputs: 4, outputs: 1, bias: true }, 0);
    let error = Network::new(input, linear, 16, 32).unwrap_err().to_string();
    assert_eq!(error, "the values that enter a linear layer: 3 instead of 4");
    let error = Network::new(input, node(Layer::Relu, 1), 16, 32).unwrap_err().to_string();
    assert!(error.starts_with("the number of what a layer reads is 1"), "{error}");
}
