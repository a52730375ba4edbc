//! Replicated sharing: x = x0 + x1 + x2, and P_i holds (x_i, x_{i+1}).
//!
//! Any one party sees two uniformly random elements; any two have all three. Sums and public multiples are local.

use rand_core::CryptoRng;

use crate::error::{Error, shape};
use crate::ring::{Ring, add_to, added, subtract_from, subtracted};
use crate::role::Role;

/// One party's shares of a batch of ring elements. They print only how many they are.
#[derive(Clone, PartialEq, Eq)]
pub struct Shares<R: Ring> {
    /// x_i of each element.
    pub(crate) own: Vec<R>,
    /// x_{i+1} of each element.
    pub(crate) next: Vec<R>,
}

impl<R: Ring> Shares<R> {
    /// Shares from their two components, for instance read from a store.
    ///
    /// # Errors
    /// When they are not equally many.
    pub fn new(own: Vec<R>, next: Vec<R>) -> Result<Self, Error> {
        shape("the second component of shares", own.len(), next.len())?;
        Ok(Self { own, next })
    }

    /// Shares of public values: x0 is the value, x1 and x2 are zero.
    pub fn of_public(role: Role, values: &[R]) -> Self {
        let zeros = || vec![R::default(); values.len()];
        match role {
            Role::First => Self { own: values.to_vec(), next: zeros() },
            Role::Second => Self { own: zeros(), next: zeros() },
            Role::Third => Self { own: zeros(), next: values.to_vec() },
        }
    }

    /// How many elements are shared.
    pub fn len(&self) -> usize {
        self.own.len()
    }

    /// Whether nothing is shared.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// The party's own component, x_i, for a store. It says nothing without the other two.
    pub fn own(&self) -> &[R] {
        &self.own
    }

    /// The component in common with the next party, x_{i+1}, for a store.
    pub fn next(&self) -> &[R] {
        &self.next
    }

    /// `self + other`.
    ///
    /// # Errors
    /// When they are not equally many.
    pub fn plus(&self, other: &Self) -> Result<Self, Error> {
        shape("the second summand", self.len(), other.len())?;
        Ok(Self { own: added(&self.own, &other.own), next: added(&self.next, &other.next) })
    }

    /// `self - other`.
    ///
    /// # Errors
    /// When they are not equally many.
    pub fn minus(&self, other: &Self) -> Result<Self, Error> {
        shape("the subtrahend", self.len(), other.len())?;
        Ok(Self { own: subtracted(&self.own, &other.own), next: subtracted(&self.next, &other.next) })
    }

    /// `self · factor` with a public factor.
    #[must_use]
    pub fn scaled(&self, factor: R) -> Self {
        let scale = |values: &[R]| values.iter().map(|value| value.times(factor)).collect();
        Self { own: scale(&self.own), next: scale(&self.next) }
    }

    /// The elements at these places.
    ///
    /// # Errors
    /// When a place is beyond the end.
    pub fn gathered(&self, places: &[u32]) -> Result<Self, Error> {
        let gather = |values: &[R]| {
            let at = |&place: &u32| {
                values.get(place as usize).copied().ok_or(Error::Range {
                    what: "a place",
                    min: 0,
                    max: values.len().saturating_sub(1),
                    got: place as usize,
                })
            };
            places.iter().map(at).collect::<Result<Vec<R>, Error>>()
        };
        Ok(Self { own: gather(&self.own)?, next: gather(&self.next)? })
    }

    pub(crate) fn add_assign(&mut self, other: &Self) {
        add_to(&mut self.own, &other.own);
        add_to(&mut self.next, &other.next);
    }

    pub(crate) fn subtract_assign(&mut self, other: &Self) {
        subtract_from(&mut self.own, &other.own);
        subtract_from(&mut self.next, &other.next);
    }

    /// Appends the elements of another batch.
    pub fn append(&mut self, other: &Self) {
        self.own.extend_from_slice(&other.own);
        self.next.extend_from_slice(&other.next);
    }
}

impl<R: Ring> std::fmt::Debug for Shares<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shares({} redacted)", self.len())
    }
}

/// Additive parts: the three parties' parts add up to the values, and nothing hides a part from being correlated
/// with its factors. It must be reshared, shuffled or truncated, each of which masks it, before anyone sees it.
#[derive(Clone)]
pub struct Unmasked<R: Ring>(pub(crate) Vec<R>);

impl<R: Ring> Unmasked<R> {
    /// How many elements.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts of a replicated sharing: each party counts its own component alone.
    pub fn of_shares(shares: &Shares<R>) -> Self {
        Self(shares.own.clone())
    }

    /// Appends the parts of another batch, for instance of another cell of an index.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The values with the opposite sign: the smallest distance is the largest of these.
    #[must_use]
    pub fn negated(self) -> Self {
        Self(self.0.into_iter().map(|part| R::default().minus(part)).collect())
    }

    /// Adds the values of a replicated sharing.
    ///
    /// # Errors
    /// When they are not equally many.
    pub fn add_shares(&mut self, shares: &Shares<R>) -> Result<(), Error> {
        shape("the shares to add", self.len(), shares.len())?;
        add_to(&mut self.0, &shares.own);
        Ok(())
    }
}

impl<R: Ring> std::fmt::Debug for Unmasked<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unmasked({} redacted)", self.len())
    }
}

/// Packed shares of bits: x = x0 ⊕ x1 ⊕ x2, 64 bits a word, the first in the lowest place.
pub struct BitShares {
    pub(crate) own: Vec<u64>,
    pub(crate) next: Vec<u64>,
    /// Bits that count; the last word may hold more.
    pub(crate) bits: usize,
}

impl BitShares {
    /// How many bits are shared.
    pub fn len(&self) -> usize {
        self.bits
    }

    /// Whether no bit is shared.
    pub fn is_empty(&self) -> bool {
        self.bits == 0
    }
}

impl std::fmt::Debug for BitShares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BitShares({} redacted)", self.bits)
    }
}

/// Deals values: the shares of the three parties, in order.
pub fn deal<R: Ring>(rng: &mut impl CryptoRng, values: &[R]) -> [Shares<R>; 3] {
    let x0: Vec<R> = values.iter().map(|_| R::random(rng)).collect();
    let x1: Vec<R> = values.iter().map(|_| R::random(rng)).collect();
    let x2 = subtracted(&subtracted(values, &x0), &x1);
    [
        Shares { own: x0.clone(), next: x1.clone() },
        Shares { own: x1, next: x2.clone() },
        Shares { own: x2, next: x0 },
    ]
}

/// Joins the shares of all three parties, in order.
///
/// Every component is held by two parties; where they differ, one of the two lies.
///
/// # Errors
/// [`Error::Disagree`] names the pair; [`Error::Shape`] shares that are not equally many.
pub fn reconstruct<R: Ring>(shares: &[Shares<R>; 3]) -> Result<Vec<R>, Error> {
    let [first, second, third] = shares;
    for other in [second, third] {
        shape("the shares of a party", first.len(), other.len())?;
    }
    let pairs = [
        (&first.next, &second.own, [Role::First, Role::Second]),
        (&second.next, &third.own, [Role::Second, Role::Third]),
        (&third.next, &first.own, [Role::First, Role::Third]),
    ];
    for (one, other, pair) in pairs {
        if one != other {
            return Err(Error::Disagree { pair });
        }
    }
    Ok(added(&added(&first.own, &second.own), &third.own))
}
