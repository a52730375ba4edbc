//! Products and their resharing.
//!
//! x·y = Σ_i (x_i·y_i + x_i·y_{i+1} + x_{i+1}·y_i), and P_i knows all three terms of its own index: each party has an
//! additive part without a message. The same holds for inner products, whatever their length.
//!
//! *Resharing* (1 round, one element a value and party): P_i adds F(key i) - F(key i+1), a part of zero, and sends the
//! sum w_i to the previous party, which does not know key i+1. P_i then holds (w_i, w_{i+1}).

use crate::error::{Error, shape};
use crate::frame::Step;
use crate::party::{Party, Round};
use crate::ring::{Ring, add_to, pack, subtract_from, unpack};
use crate::role::Side;
use crate::share::{Shares, Unmasked};

impl Party {
    /// Additive parts become replicated shares: 1 round, one element a value.
    ///
    /// # Errors
    /// When another party fails.
    pub fn reshare<R: Ring>(&mut self, parts: Unmasked<R>) -> Result<Shares<R>, Error> {
        let Unmasked(mut own) = parts;
        let count = own.len();
        add_to(&mut own, &self.draw(Side::Previous, Step::Reshare, 0, count)?);
        subtract_from(&mut own, &self.draw(Side::Next, Step::Reshare, 0, count)?);
        let [_, from_next] = self.exchange(Step::Reshare, Round::backward(pack(&own)))?;
        Ok(Shares { own, next: unpack(from_next.bytes(), count) })
    }

    /// The same values under fresh shares: 1 round, one element a value. In a session under new pairwise keys, what
    /// somebody kept of the old shares fits none of the new ones.
    ///
    /// # Errors
    /// When another party fails.
    pub fn refresh<R: Ring>(&mut self, shares: &Shares<R>) -> Result<Shares<R>, Error> {
        self.reshare(Unmasked::of_shares(shares))
    }

    /// The products of two batches, element by element: 1 round, one element a product.
    ///
    /// # Errors
    /// When the batches are not equally large, or another party fails.
    pub fn multiply<R: Ring>(&mut self, x: &Shares<R>, y: &Shares<R>) -> Result<Shares<R>, Error> {
        self.reshare(local_products(x, y)?)
    }
}

/// Additive parts of the products of two batches.
///
/// # Errors
/// When the batches are not equally large.
pub fn local_products<R: Ring>(x: &Shares<R>, y: &Shares<R>) -> Result<Unmasked<R>, Error> {
    shape("the second factor", x.len(), y.len())?;
    let xs = x.own.iter().zip(&x.next);
    let ys = y.own.iter().zip(&y.next);
    let part = |((&x0, &x1), (&y0, &y1)): ((&R, &R), (&R, &R))| x0.times(y0.plus(y1)).plus(x1.times(y0));
    Ok(Unmasked(xs.zip(ys).map(part).collect()))
}
