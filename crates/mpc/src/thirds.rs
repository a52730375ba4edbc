//! A batch cut into thirds, each dealt by another party, so that all three work and send alike.
//!
//! In the third of number d, P_d is the *dealer*: it knows components d and d+1, and so A = x_d + x_{d+1}. P_{d+1} is
//! the *first* helper and P_{d+2} the *second*; both know component d+2, and so B. Their common randomness:
//!
//! | component | held by | as the dealer sees it | as that helper sees it |
//! |---|---|---|---|
//! | d | dealer, second | with the previous party | with the next |
//! | d+1 | dealer, first | with the next party | with the previous |

use crate::role::Role;

/// A batch of values or packed bits, cut along words of 64.
pub(crate) struct Thirds<'a, T> {
    pub(crate) parts: [Third<'a, T>; 3],
}

/// Both components of a third.
#[derive(Clone, Copy)]
pub(crate) struct Third<'a, T> {
    pub(crate) own: &'a [T],
    pub(crate) next: &'a [T],
}

impl<'a, T> Thirds<'a, T> {
    /// One entry for each value.
    pub(crate) fn of_values(own: &'a [T], next: &'a [T]) -> Self {
        Self::cut(own, next, own.len().div_ceil(64), 64)
    }

    /// One entry for each word of 64 bits.
    pub(crate) fn of_words(own: &'a [T], next: &'a [T]) -> Self {
        Self::cut(own, next, own.len(), 1)
    }

    fn cut(own: &'a [T], next: &'a [T], words: usize, each: usize) -> Self {
        let end = |third: usize| (words * third / 3 * each).min(own.len());
        let part = |third: usize| {
            let of = |all: &'a [T]| all.get(end(third)..end(third + 1)).unwrap_or_default();
            Third { own: of(own), next: of(next) }
        };
        Self { parts: [part(0), part(1), part(2)] }
    }

    /// The thirds where this party is the dealer, the first helper and the second.
    pub(crate) fn by_place(&self, role: Role) -> [&Third<'a, T>; 3] {
        let [first, second, third] = &self.parts;
        match role {
            Role::First => [first, third, second],
            Role::Second => [second, first, third],
            Role::Third => [third, second, first],
        }
    }

    /// Back from places to the order of the batch.
    pub(crate) fn in_order<U: Clone>(role: Role, [dealer, first, second]: [Vec<U>; 3]) -> Vec<U> {
        match role {
            Role::First => [dealer, second, first].concat(),
            Role::Second => [first, dealer, second].concat(),
            Role::Third => [second, first, dealer].concat(),
        }
    }

    pub(crate) fn words(&self) -> usize {
        self.parts.iter().map(Third::words).sum()
    }

    pub(crate) fn values(&self) -> usize {
        self.parts.iter().map(|part| part.own.len()).sum()
    }
}

impl<T> Third<'_, T> {
    /// Words of 64 values.
    pub(crate) fn words(&self) -> usize {
        self.own.len().div_ceil(64)
    }

    pub(crate) fn len(&self) -> usize {
        self.own.len()
    }
}
