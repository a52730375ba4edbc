//! The loops where the time goes: plain Rust without `unsafe`, compiled for the widest vectors that the processor has.

#![expect(
    clippy::inline_always,
    reason = "a loop must be inlined into `vectorised` to be compiled for the processor at hand"
)]

pub(crate) mod bits;
pub(crate) mod matrix;
pub(crate) mod scan;

use pulp::{Arch, Simd, WithSimd};

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
