//! The best k of many rows: nobody learns which, nor any score, nor any order.
//!
//! 1. *Shuffle* every list of scores by a permutation that no party knows (3 rounds).
//! 2. *Select*: compare shuffled rows and reveal the outcomes. Order is by score and then by shuffled place, a strict
//!    order even where scores are equal, so what is revealed is the order of a uniformly random permutation and depends
//!    on nothing. The plan of comparisons is `selection`'s: about 1.1 to 1.3 comparisons a row, 6 rounds for each of at
//!    most 8 stages, 5 where few rows are compared.
//! 3. *Take* the places that were found: their scores are replicated already, their row numbers become so (1 round).
//!
//! The result goes to the client alone, who joins the shares and puts them in order. At most 45 rounds; for int8
//! vectors of 512 coordinates about 16 bytes a row and party on average.

use crate::error::{Error, range, shape};
use crate::pairs::Pair;
use crate::party::Party;
use crate::selection::Selection;
use crate::share::{Shares, Unmasked, reconstruct};
use crate::shuffle::PairParts;

/// One party's shares of the rows that one query found, in no order that says anything.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// Row numbers.
    pub rows: Shares<u32>,
    /// The rows' scores.
    pub scores: Shares<u32>,
}

/// A row that was found, as whoever asked sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// The row's number.
    pub row: u32,
    /// Its score.
    pub score: i32,
}

impl Found {
    /// Joins what the three parties found for one query, in order: the largest score first, then by row number.
    ///
    /// # Errors
    /// [`Error::Disagree`] names two parties that hold different values of a share; [`Error::Shape`] differing numbers.
    pub fn join(found: [Self; 3]) -> Result<Vec<Hit>, Error> {
        let rows = reconstruct(&found.each_ref().map(|found| found.rows.clone()))?;
        let scores = reconstruct(&found.map(|found| found.scores))?;
        shape("the scores of rows", rows.len(), scores.len())?;
        let mut hits: Vec<Hit> = rows
            .into_iter()
            .zip(scores)
            .map(|(row, score)| Hit { row, score: score.cast_signed() })
            .collect();
        hits.sort_unstable_by_key(|hit| (std::cmp::Reverse(hit.score), hit.row));
        Ok(hits)
    }
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Found({} redacted)", self.rows.len())
    }
}

impl Party {
    /// The `k` rows with the largest scores of each list (*secure search*), all lists of equal length. Rows of equal
    /// score come in random order. `width` bits hold every difference of scores (see
    /// [`width_of_differences`](crate::width_of_differences)).
    ///
    /// # Errors
    /// When the lists are not equally long, the width is none, or another party fails.
    pub fn top_k(&mut self, scores: Vec<Unmasked<u32>>, k: usize, width: usize) -> Result<Vec<Found>, Error> {
        range("the width of a comparison", 2, 32, width)?;
        let Some(rows) = scores.first().map(Unmasked::len) else { return Ok(Vec::new()) };
        for list in &scores {
            shape("the length of a list of scores", rows, list.len())?;
        }
        range("the number of rows of all lists", 0, u32::MAX as usize, rows * scores.len())?;
        let lists = scores.len();
        let shuffled = self.shuffle_lists(&scores)?;
        drop(scores);
        let best = self.select_best(&shuffled.values, lists, rows, k, width)?;
        let mut found = Vec::with_capacity(lists);
        let mut numbers = PairParts::none();
        let each = k.min(rows);
        for places in &best {
            numbers.append(shuffled.rows.gathered(places));
            found.push(shuffled.values.gathered(places)?);
        }
        let mut numbers = self.replicate(numbers, lists * each)?;
        let take = |scores: Shares<u32>| {
            let rest = Shares { own: numbers.own.split_off(each), next: numbers.next.split_off(each) };
            Found { rows: std::mem::replace(&mut numbers, rest), scores }
        };
        Ok(found.into_iter().map(take).collect())
    }

    /// The places of the best of each list, within all lists laid one after another.
    pub(crate) fn select_best(
        &mut self,
        scores: &Shares<u32>,
        lists: usize,
        rows: usize,
        k: usize,
        width: usize,
    ) -> Result<Vec<Vec<u32>>, Error> {
        let mut selections: Vec<Selection> = (0..lists).map(|_| Selection::new(rows, k)).collect();
        loop {
            let questions: Vec<Vec<Pair>> = selections.iter_mut().map(Selection::ask).collect();
            let count = questions.iter().map(Vec::len).sum();
            if count == 0 {
                break;
            }
            let offset = |list: usize| (list * rows) as u32;
            let pairs = questions.iter().enumerate().flat_map(|(list, pairs)| {
                pairs.iter().map(move |&(first, second)| (offset(list) + first, offset(list) + second))
            });
            let behind =
                self.first_behind(scores, pairs, count, width, count > lists * (rows / 8).max(4096))?;
            let mut answers = behind.into_iter().map(|behind| !behind);
            for (selection, asked) in selections.iter_mut().zip(&questions) {
                let answers: Vec<bool> = answers.by_ref().take(asked.len()).collect();
                selection.answer(&answers);
            }
        }
        let places = |(list, selection): (usize, Selection)| {
            selection.into_best().into_iter().map(|place| (list * rows) as u32 + place).collect()
        };
        Ok(selections.into_iter().enumerate().map(places).collect())
    }

    /// Of each pair of places, whether the first has the smaller score, revealed to all. Only for shuffled scores.
    pub(crate) fn first_behind(
        &mut self,
        scores: &Shares<u32>,
        pairs: impl Iterator<Item = Pair>,
        count: usize,
        width: usize,
        many: bool,
    ) -> Result<Vec<bool>, Error> {
        let mut differences = Shares { own: Vec::with_capacity(count), next: Vec::with_capacity(count) };
        let at = |values: &[u32], place: u32| values.get(place as usize).copied().unwrap_or_default();
        for (first, second) in pairs {
            let difference = |values: &[u32]| at(values, first).wrapping_sub(at(values, second));
            differences.own.push(difference(&scores.own));
            differences.next.push(difference(&scores.next));
        }
        let signs =
            if many { self.sign(&differences, width)? } else { self.quick_sign(&differences, width)? };
        self.reveal_bits(&signs)
    }
}
