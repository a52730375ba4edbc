//! The loops where the time goes: plain Rust without `unsafe`, compiled for the widest vectors that the processor has.

#![expect(
    clippy::inline_always,
    reason = "a loop must be inlined into `vectorised` to be compiled for the processor at hand"
)]

pub(crate) mod bits;
pub(crate) mod matrix;
pub(crate) mod scan;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Tasks below which other threads are not worth waking.
const FEW: usize = 6;

/// Does each task, with room that serves for many: on this thread where they are few, on all cores otherwise.
pub(crate) fn each<T: Send, S>(
    tasks: Vec<T>,
    room: impl Fn() -> S + Sync + Send,
    work: impl Fn(&mut S, T) + Sync + Send,
) {
    if tasks.len() < FEW {
        let mut room = room();
        for task in tasks {
            work(&mut room, task);
        }
    } else {
        tasks.into_par_iter().for_each_init(room, work);
    }
}

/// Runs a loop that is compiled for the processor at hand.
///
/// By `FnMut` and not by value: what calls a closure by value is a function of its own, and that one is compiled for
/// the oldest processor.
fn vectorised(work: impl FnMut()) {
    struct Loop<F>(F);

    impl<F: FnMut()> WithSimd for Loop<F> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(mut self, _: S) {
            (self.0)();
        }
    }

    Arch::new().dispatch(Loop(work));
}
