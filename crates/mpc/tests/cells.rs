//! Searching some cells of an index, against the same in the clear; and what it costs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    dead_code,
    reason = "a test may panic"
)]

mod world;

use pmirs_mpc::frame::HEADER;
use pmirs_mpc::{Error, Shares, Unmasked, deal, reconstruct, width_of_differences};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use world::{keys, of, run, session, succeed};

fn dealt(seed: u64, values: &[u32]) -> [Shares<u32>; 3] {
    deal(&mut ChaCha20Rng::seed_from_u64(seed), values)
}

fn bits(values: &[i32]) -> Vec<u32> {
    values.iter().map(|value| value.cast_unsigned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn blocks_are_moved_whole_and_by_another_permutation_each_time(seed: u64, blocks in 1_usize..40, width in 1_usize..30) {
        let words: Vec<u32> = (0..(blocks * width) as u32).collect();
        let shares = dealt(seed, &words);
        let shuffled = succeed(seed, |party| party.shuffle_blocks(of(party, &shares), blocks));
        let joined = reconstruct(&shuffled).unwrap();
        let mut firsts = Vec::new();
        for block in joined.chunks(width) {
            firsts.push(block[0]);
            prop_assert!(block.iter().enumerate().all(|(at, word)| *word == block[0] + at as u32), "{joined:?}");
        }
        firsts.sort_unstable();
        prop_assert_eq!(firsts, words.iter().step_by(width).copied().collect::<Vec<_>>());
    }

    #[test]
    fn the_best_bring_their_columns(seed: u64, scores in prop::collection::vec(-20_i32..20, 1..200), k in 0_usize..30) {
        let numbers: Vec<u32> = (0..scores.len() as u32).map(|row| row * 7 + 3).collect();
        let other: Vec<u32> = numbers.iter().map(|number| number ^ 5).collect();
        let [scored, numbered, others] = [bits(&scores), numbers, other].map(|column| dealt(seed, &column));
        let found = succeed(seed, |party| {
            let table = || [&scored, &numbered, &others].map(|column| Unmasked::of_shares(of(party, column))).to_vec();
            party.top_k_carrying(&[table(), table()], k, width_of_differences(20))
        });
        let mut expected = scores.clone();
        expected.sort_by_key(|&score| std::cmp::Reverse(score));
        expected.truncate(k);
        for table in 0..2 {
            let [got, number, other] = [0, 1, 2].map(|column| {
                reconstruct(&found.each_ref().map(|found| {
                    if column == 0 { found[table].scores.clone() } else { found[table].columns[column - 1].clone() }
                }))
                .unwrap()
            });
            let mut sorted: Vec<i32> = got.iter().map(|score| score.cast_signed()).collect();
            sorted.sort_by_key(|&score| std::cmp::Reverse(score));
            prop_assert_eq!(sorted, expected.clone());
            for ((score, number), other) in got.iter().zip(&number).zip(&other) {
                prop_assert_eq!(scores[((number - 3) / 7) as usize], score.cast_signed());
                prop_assert_eq!(*other, number ^ 5);
            }
        }
    }

    #[test]
    fn marks_go_to_the_places_of_their_numbers(seed: u64, numbers in prop::collection::vec(0_u32..9, 1..120), marked in prop::collection::vec(0_u32..9, 0..4)) {
        let shares = dealt(seed, &numbers);
        let marks = succeed(seed, |party| party.mark(of(party, &shares), |number| marked.contains(&number)));
        let expected: Vec<u32> = numbers.iter().map(|number| u32::from(marked.contains(number))).collect();
        prop_assert_eq!(reconstruct(&marks).unwrap(), expected);
    }

    #[test]
    fn the_opened_places_are_those_of_the_best(seed: u64, scores in prop::collection::hash_set(-500_i32..500, 1..80), k in 1_usize..20) {
        let scores: Vec<i32> = scores.into_iter().collect();
        let shares = dealt(seed, &bits(&scores));
        let opened = succeed(seed, |party| {
            party.open_best(vec![Unmasked::of_shares(of(party, &shares)); 2], k, width_of_differences(500))
        });
        let mut expected: Vec<u32> = (0..scores.len() as u32).collect();
        expected.sort_by_key(|&place| std::cmp::Reverse(scores[place as usize]));
        expected.truncate(k);
        expected.sort_unstable();
        for party in opened {
            prop_assert_eq!(party, vec![expected.clone(), expected.clone()]);
        }
    }
}

#[test]
fn two_shuffles_of_blocks_differ() {
    let shares = dealt(1, &(0..40).collect::<Vec<u32>>());
    let shuffled = [5, 6].map(|seed| {
        reconstruct(&succeed(seed, |party| party.shuffle_blocks(of(party, &shares), 40))).unwrap()
    });
    assert_ne!(shuffled[0], shuffled[1]);
}

/// In the order in which the three open places, nothing of their scores shows: the order of the two best is a fair coin.
#[test]
fn what_is_opened_comes_in_no_order() {
    let shares = dealt(2, &bits(&[9, 8, -9, -8, -7]));
    let mut straight = 0;
    for seed in 0..200 {
        let [opened, ..] = succeed(seed, |party| {
            let found = party.top_k(vec![Unmasked::of_shares(of(party, &shares))], 2, 6)?;
            let [column] =
                party.shuffle(&[found[0].rows.clone()])?.try_into().map_err(|_| Error::SessionOver)?;
            party.reveal(&column)
        });
        straight += u32::from(opened == [0, 1]);
    }
    // 200 fair coins: seven standard deviations are 50.
    assert!((50..150).contains(&straight), "{straight} of 200");
}

#[test]
fn what_is_said_in_the_open_is_heard_by_both_others() {
    let heard = succeed(4, |party| party.hear(&[party.role().index() as u32, 7]));
    assert_eq!(heard[0], [vec![2, 7], vec![1, 7]]);
    assert_eq!(heard[1], [vec![0, 7], vec![2, 7]]);
    let failed = run(5, |party| party.hear(&vec![1; 1 + party.role().index()]).map(drop));
    assert!(failed.iter().all(Result::is_err));
}

#[test]
fn cells_cost_what_is_stated() {
    let (blocks, width) = (300, 400);
    let shares = dealt(3, &vec![1; blocks * width]);
    let places = dealt(3, &(0..6000).collect::<Vec<u32>>());
    let spent = |traffic: [pmirs_mpc::Traffic; 3]| {
        let rounds = traffic[0].rounds;
        let headers = 2 * u64::from(rounds) * HEADER as u64;
        let sent = traffic.iter().map(|party| party.sent).sum::<u64>() as f64 / 3.0;
        assert!(headers < 2000);
        (rounds, sent)
    };
    let (rounds, sent) =
        spent(succeed(1, |party| party.shuffle_blocks(of(party, &shares), blocks).map(|_| party.traffic())));
    assert_eq!(rounds, 3);
    let word = sent / (blocks * width) as f64;
    assert!((word - 8.0).abs() < 0.2, "{word} bytes a word");
    let (rounds, sent) = spent(succeed(2, |party| {
        party.mark(of(party, &places), |number| number == 5).map(|_| party.traffic())
    }));
    assert_eq!(rounds, 8);
    let place = sent / 6000.0;
    assert!((place - 48.0).abs() < 1.0, "{place} bytes a place");
    let _ = (keys, session);
}
