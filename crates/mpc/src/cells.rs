//! What a search of some cells of an index takes, beside scores and the best k.
//!
//! Cells are blocks of equal size. [`Party::shuffle_blocks`] gives each a *slot* that no party can tell its cell from; a
//! search opens which slots it touches ([`Party::open_best`]), and nothing else of them. [`Party::mark`] finds the places
//! of known numbers in a column that nobody can read.
//!
//! | protocol | rounds | bytes sent and party, on average |
//! |---|---|---|
//! | [`Party::shuffle_blocks`] | 3 a piece | 8 a word |
//! | [`Party::open_best`] of n values, 25 bits | at most 49 | about 16 a value, 18 an opened one |
//! | [`Party::mark`] | 8 | 48 a place |
//! | [`Party::hear`] | 1 | 8 a word |

use crate::error::{Error, range, shape};
use crate::frame::Step;
use crate::party::{Party, Round};
use crate::permutation::Layout;
use crate::ring::{pack, unpack};
use crate::share::{Shares, Unmasked};

/// Words that are shuffled in one piece: what travels at once stays small beside the blocks.
const PIECE: usize = 4 << 20;

impl Party {
    /// Shuffles blocks of equal size by a permutation that no party knows, under fresh shares. The words within a block
    /// stay in order. 3 rounds a piece, 8 bytes a word and party on average.
    ///
    /// Every piece of the blocks goes by the same permutation under masks of its own, so that the whole is what one shuffle
    /// of the whole would be.
    ///
    /// # Errors
    /// When the words are no whole blocks, or another party fails.
    pub fn shuffle_blocks(&mut self, words: &Shares<u32>, blocks: usize) -> Result<Shares<u32>, Error> {
        range("the number of blocks", 1, u32::MAX as usize, blocks)?;
        shape("the words of the last block", 0, words.len() % blocks)?;
        let width = words.len() / blocks;
        let mut shuffled = Shares { own: vec![0; words.len()], next: vec![0; words.len()] };
        let whole = Layout { tables: 1, columns: 1, rows: blocks, words: 1, numbered: false };
        let orders = self.orders(whole)?;
        let piece = (PIECE / blocks).max(1);
        let mut from = 0;
        while from < width {
            let wide = piece.min(width - from);
            let part: Vec<u32> = strips(&words.own, width, from, wide).flatten().copied().collect();
            let moved = self.shuffle_by(&orders, part, Layout { words: wide, ..whole })?.values;
            paste(&mut shuffled.own, &moved.own, width, from, wide);
            paste(&mut shuffled.next, &moved.next, width, from, wide);
            from += wide;
        }
        Ok(shuffled)
    }

    /// Opens to all three the places of the `k` largest values of each list, ascending, and nothing more: neither which of
    /// them is larger, nor how any other compares.
    ///
    /// The selection's comparisons are those of shuffled places. Opened in its order, the places that it found would
    /// say how these compared; so they are shuffled once more before.
    ///
    /// # Errors
    /// As for [`Party::top_k`].
    pub fn open_best(
        &mut self,
        values: Vec<Unmasked<u32>>,
        k: usize,
        width: usize,
    ) -> Result<Vec<Vec<u32>>, Error> {
        let found = self.top_k(values, k, width)?;
        let each = found.first().map_or(0, |found| found.rows.len());
        let lists: Vec<Unmasked<u32>> = found.iter().map(|found| Unmasked::of_shares(&found.rows)).collect();
        if each == 0 {
            return Ok(vec![Vec::new(); lists.len()]);
        }
        let shuffled = self.shuffle_lists(&lists)?.values;
        let opened = self.reveal(&shuffled)?;
        let sorted = |list: &[u32]| {
            let mut list = list.to_vec();
            list.sort_unstable();
            list
        };
        Ok(opened.chunks(each).map(sorted).collect())
    }

    /// Ones at the places whose number is one of the marked, zeros at all others: 8 rounds, 48 bytes a place and party.
    ///
    /// The numbers are shuffled, opened, and compared in the open: which numbers there are is known to all, and their order
    /// is random. The outcome is shuffled again together with the places, and these are opened: another random order,
    /// by which the outcome goes to its place without anyone having seen it there.
    ///
    /// # Errors
    /// When another party fails.
    pub fn mark(
        &mut self,
        numbers: &Shares<u32>,
        is_marked: impl Fn(u32) -> bool,
    ) -> Result<Shares<u32>, Error> {
        let places: Vec<u32> = (0..numbers.len() as u32).collect();
        let places = Shares::of_public(self.role(), &places);
        let [places, numbers] = self.shuffle_pair(places, numbers.clone())?;
        let opened = self.reveal(&numbers)?;
        let marks: Vec<u32> = opened.into_iter().map(|number| u32::from(is_marked(number))).collect();
        let marks = Shares::of_public(self.role(), &marks);
        let [places, marks] = self.shuffle_pair(places, marks)?;
        let places = self.reveal(&places)?;
        let mut marked = Shares { own: vec![0; marks.len()], next: vec![0; marks.len()] };
        for (place, (own, next)) in places.into_iter().zip(marks.own.iter().zip(&marks.next)) {
            let of = |words: &mut [u32], word: u32| words.get_mut(place as usize).map(|slot| *slot = word);
            range("a place", 0, marks.len().saturating_sub(1), place as usize)?;
            of(&mut marked.own, *own);
            of(&mut marked.next, *next);
        }
        Ok(marked)
    }

    fn shuffle_pair(&mut self, one: Shares<u32>, other: Shares<u32>) -> Result<[Shares<u32>; 2], Error> {
        let shuffled = self.shuffle(&[one, other])?;
        let count = shuffled.len();
        shuffled.try_into().map_err(|_| Error::Shape { what: "shuffled columns", expected: 2, got: count })
    }

    /// What the previous and the next party say in the open of something that all three should know alike. 1 round.
    ///
    /// # Errors
    /// When another party fails, or says more or less than this one.
    pub fn hear(&mut self, words: &[u32]) -> Result<[Vec<u32>; 2], Error> {
        let bytes = size_of_val(words);
        let round =
            Round { to_previous: pack(words), to_next: pack(words), from_previous: bytes, from_next: bytes };
        let heard = self.exchange(Step::Commit, round)?;
        Ok(heard.map(|payload| unpack(payload.bytes(), words.len())))
    }
}

/// Of each block the words from one place on.
fn strips(words: &[u32], width: usize, from: usize, wide: usize) -> impl Iterator<Item = &[u32]> {
    words.chunks_exact(width).map(move |block| block.get(from..from + wide).unwrap_or_default())
}

/// Puts such words back into their blocks.
fn paste(words: &mut [u32], strips: &[u32], width: usize, from: usize, wide: usize) {
    for (block, strip) in words.chunks_exact_mut(width).zip(strips.chunks_exact(wide)) {
        if let Some(place) = block.get_mut(from..from + wide) {
            place.copy_from_slice(strip);
        }
    }
}
