//! What the three see of a search through an index can be made up from what it opens by definition: which slots, in no
//! order, and numbers and places in random orders.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;

use super::{Inputs, Opened, Output, bytes, catches, compare, nothing_revealed, order_of_best};
use crate::error::Error;
use crate::party::Party;
use crate::share::Unmasked;

fn blocks(party: &mut Party, inputs: &Inputs) -> Result<Output, Error> {
    party.shuffle_blocks(&inputs.narrow, 3).map(|shuffled| bytes(&shuffled))
}

/// The two largest of 5, -16 and 77 lie at the places 0 and 2.
fn best_places(party: &mut Party, inputs: &Inputs) -> Result<Output, Error> {
    let opened = party.open_best(vec![Unmasked::of_shares(&inputs.narrow)], 2, 12)?;
    assert_eq!(opened.len(), 1);
    Ok(Vec::new())
}

/// Comparisons of a random order, and then the two places in another.
fn places_in_random_order(rng: &mut ChaCha20Rng) -> Option<Vec<Opened>> {
    let mut opened = order_of_best(rng, 2)?;
    opened.push(Opened::Words(shuffled(rng, [0, 2])));
    Some(opened)
}

fn marks(party: &mut Party, inputs: &Inputs) -> Result<Output, Error> {
    party.mark(&inputs.narrow, |number| number == 5).map(|marks| bytes(&marks))
}

/// All numbers in a random order, then all places in another.
fn two_random_orders(rng: &mut ChaCha20Rng) -> Vec<Opened> {
    vec![Opened::Words(shuffled(rng, [5, 0xffff_fff0, 77])), Opened::Words(shuffled(rng, [0, 1, 2]))]
}

fn carrying(party: &mut Party, inputs: &Inputs) -> Result<Output, Error> {
    let column = || Unmasked::of_shares(&inputs.narrow);
    let found = party.top_k_carrying(&[vec![column(), column()]], 1, 12)?;
    Ok([bytes(&found[0].scores), bytes(&found[0].columns[0])].concat())
}

fn shuffled<const N: usize>(rng: &mut ChaCha20Rng, mut values: [u32; N]) -> Vec<u32> {
    values.shuffle(rng);
    values.to_vec()
}

#[test]
fn shuffles_of_blocks_can_be_made_up() {
    compare("blocks", &blocks, &nothing_revealed);
}

#[test]
fn opened_slots_can_be_made_up() {
    compare("best places", &best_places, &places_in_random_order);
}

#[test]
fn marks_can_be_made_up() {
    compare("marks", &marks, &|rng| Some(two_random_orders(rng)));
}

#[test]
fn searches_with_payload_can_be_made_up() {
    compare("carrying", &carrying, &|rng| order_of_best(rng, 1));
}

#[test]
fn a_reused_mask_shows_in_blocks() {
    catches("blocks", &blocks);
}
