//! One party's parts of matrix products and of depthwise convolutions.
//!
//! The part is X_own·(W_own + W_next) + X_next·W_own: two products with the same shape. The weights' sum is made once.

use super::{each, vectorised};
use crate::ring::Ring;

/// Multiply-adds that are worth a task of their own.
const TASK: usize = 1 << 18;

/// What multiplies: both components of a batch, row by row.
#[derive(Clone, Copy)]
pub(crate) struct Both<'a, R> {
    pub(crate) own: &'a [R],
    pub(crate) next: &'a [R],
}

/// Parts of `rows x columns` products. `x` is `rows x inner`, `sum` and `own` of the weights are `inner x columns`.
pub(crate) fn product<R: Ring>(x: Both<'_, R>, sum: &[R], own: &[R], inner: usize, columns: usize) -> Vec<R> {
    if inner == 0 || columns == 0 {
        return Vec::new();
    }
    let rows = x.own.len() / inner;
    let mut out = vec![R::default(); rows * columns];
    let rows_of_task = (TASK / (inner * columns)).clamp(1, rows.max(1));
    let tasks = out
        .chunks_mut(rows_of_task * columns)
        .zip(x.own.chunks(rows_of_task * inner))
        .zip(x.next.chunks(rows_of_task * inner))
        .collect();
    each(
        tasks,
        || (),
        |(), ((out, x_own), x_next): ((&mut [R], &[R]), &[R])| {
            vectorised(
                #[inline(always)]
                || {
                    let rows = x_own.chunks_exact(inner).zip(x_next.chunks_exact(inner));
                    for (out, (x_own, x_next)) in out.chunks_exact_mut(columns).zip(rows) {
                        row(x_own, x_next, sum, own, out);
                    }
                },
            );
        },
    );
    out
}

/// Two inputs at a time, so that a partial sum is loaded a quarter as often as there are products.
#[inline(always)]
fn row<R: Ring>(x_own: &[R], x_next: &[R], sum: &[R], own: &[R], out: &mut [R]) {
    let columns = out.len();
    let xs = x_own.chunks(2).zip(x_next.chunks(2));
    let weights = sum.chunks(2 * columns).zip(own.chunks(2 * columns));
    for ((x_own, x_next), (sum, own)) in xs.zip(weights) {
        if let (&[a, b], &[c, d]) = (x_own, x_next) {
            let ((sum_0, sum_1), (own_0, own_1)) = (sum.split_at(columns), own.split_at(columns));
            let weights = sum_0.iter().zip(sum_1).zip(own_0.iter().zip(own_1));
            for (slot, ((s0, s1), (o0, o1))) in out.iter_mut().zip(weights) {
                let (even, odd) = (a.times(*s0).plus(c.times(*o0)), b.times(*s1).plus(d.times(*o1)));
                *slot = slot.plus(even).plus(odd);
            }
        } else if let (&[a], &[c]) = (x_own, x_next) {
            for (slot, (s, o)) in out.iter_mut().zip(sum.iter().zip(own)) {
                *slot = slot.plus(a.times(*s)).plus(c.times(*o));
            }
        }
    }
}

/// `out += x · w` over one tap of a depthwise convolution: all slices are `channels` long.
#[inline(always)]
pub(crate) fn tap<R: Ring>(x: Both<'_, R>, sum: &[R], own: &[R], out: &mut [R]) {
    let operands = x.own.iter().zip(x.next).zip(sum.iter().zip(own));
    for (slot, ((a, c), (s, o))) in out.iter_mut().zip(operands) {
        *slot = slot.plus(a.times(*s)).plus(c.times(*o));
    }
}

/// Runs `pixel` for every `channels` wide place of `out`, on all cores.
pub(crate) fn places<R: Ring>(out: &mut [R], channels: usize, pixel: impl Fn(usize, &mut [R]) + Sync) {
    let places = (TASK / 16 / channels.max(1)).max(1);
    let tasks: Vec<_> = out.chunks_mut(places * channels.max(1)).enumerate().collect();
    each(
        tasks,
        || (),
        |(), (task, out)| {
            vectorised(
                #[inline(always)]
                || {
                    for (index, out) in out.chunks_exact_mut(channels.max(1)).enumerate() {
                        pixel(task * places + index, out);
                    }
                },
            );
        },
    );
}
