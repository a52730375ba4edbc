//! Scores of shared queries against shared rows: one pass over the rows, and not a single message.
//!
//! *Inner product*: P_i's part is x_i·(y_i + y_{i+1}) + x_{i+1}·y_i, summed over the coordinates (see `multiply`).
//! *Squared distance*: with d = x - y, (d_0 + d_1 + d_2)² = Σ_i d_i·(d_i + 2·d_{i+1}), and P_i knows its term.
//!
//! Exact modulo 2^32: for int8 vectors of up to 16,384 coordinates nothing wraps. 0 rounds, 0 bytes; the parts go
//! straight into a shuffle, which masks them.

use crate::error::{Error, range, shape};
use crate::kernels::scan::{self, Pass, Query};
use crate::ring::added;
use crate::share::{Shares, Unmasked};

/// One party's shares of many vectors of equal length, wherever they lie in memory.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    own: &'a [u32],
    next: &'a [u32],
    dim: usize,
}

impl<'a> Rows<'a> {
    /// Rows from their two components, each `rows x dim`.
    ///
    /// # Errors
    /// When the components are not equally long, or no whole number of rows.
    pub fn new(own: &'a [u32], next: &'a [u32], dim: usize) -> Result<Self, Error> {
        range("the dimension", 1, 1 << 16, dim)?;
        shape("the second component of rows", own.len(), next.len())?;
        shape("the last row", 0, own.len() % dim)?;
        Ok(Self { own, next, dim })
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.own.len() / self.dim
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// This party's parts of the inner products of each query with every row.
    ///
    /// # Errors
    /// When a query has another dimension.
    pub fn inner_products(&self, queries: &[Shares<u32>]) -> Result<Vec<Unmasked<u32>>, Error> {
        let prepare =
            |query: &Shares<u32>| Query { own: added(&query.own, &query.next), next: query.own.clone() };
        self.scores(Pass::InnerProduct, queries, prepare)
    }

    /// This party's parts of the squared Euclidean distances of each query to every row.
    ///
    /// # Errors
    /// When a query has another dimension.
    pub fn squared_distances(&self, queries: &[Shares<u32>]) -> Result<Vec<Unmasked<u32>>, Error> {
        let prepare = |query: &Shares<u32>| Query { own: query.own.clone(), next: query.next.clone() };
        self.scores(Pass::SquaredDistance, queries, prepare)
    }

    /// Reads every byte of the rows and does next to nothing with it: what any pass over them costs at least.
    pub fn read(&self) -> u32 {
        scan::read(self.own) ^ scan::read(self.next)
    }

    fn scores(
        &self,
        pass: Pass,
        queries: &[Shares<u32>],
        prepare: impl Fn(&Shares<u32>) -> Query,
    ) -> Result<Vec<Unmasked<u32>>, Error> {
        for query in queries {
            shape("the dimension of a query", self.dim, query.len())?;
        }
        let queries: Vec<Query> = queries.iter().map(prepare).collect();
        Ok(scan::scores(pass, self.own, self.next, self.dim, &queries).into_iter().map(Unmasked).collect())
    }
}

impl std::fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rows({} x {} redacted)", self.len(), self.dim)
    }
}
