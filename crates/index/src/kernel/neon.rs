//! NEON: 8 products per instruction, added in pairs into 32 bits.
//!
//! A product is at most 2^14, so it fits 16 bits, and a row's sum at most 2^30 (see `MAX_DIM`).

#![expect(unsafe_code, reason = "calls and loads of vector instructions, each argued in place")]

use std::arch::aarch64::{
    int8x16_t, vaddq_s32, vaddvq_s32, vdupq_n_s32, vdupq_n_u64, veorq_u64, vget_low_s8, vgetq_lane_u64,
    vld1q_s8, vmull_high_s8, vmull_s8, vpadalq_s16, vreinterpretq_u64_s8,
};
use std::arch::is_aarch64_feature_detected;

use super::{Line, Scorer};

/// The query. It exists only where NEON was detected.
struct Query(Vec<Line>);

pub(super) fn boxed(values: &[i8]) -> Option<Box<dyn Scorer>> {
    is_aarch64_feature_detected!("neon")
        .then(|| Box::new(Query(Line::pad(values).collect())) as Box<dyn Scorer>)
}

impl Scorer for Query {
    fn dots(&self, rows: &[Line], _sums: &[i32], dots: &mut [i32]) {
        // SAFETY: a `Query` is made only after NEON was detected.
        unsafe { dots_neon(&self.0, rows, dots) }
    }

    fn read(&self, lines: &[Line]) -> u64 {
        // SAFETY: as above.
        unsafe { read_128(lines) }
    }
}

#[target_feature(enable = "neon")]
fn dots_neon(query: &[Line], rows: &[Line], dots: &mut [i32]) {
    for (row, dot) in rows.chunks_exact(query.len()).zip(dots) {
        let (mut low, mut high) = (vdupq_n_s32(0), vdupq_n_s32(0));
        for (query, line) in query.iter().zip(row) {
            for (q, r) in query.0.as_chunks::<16>().0.iter().zip(line.0.as_chunks::<16>().0) {
                let (q, r) = (load(q), load(r));
                low = vpadalq_s16(low, vmull_s8(vget_low_s8(q), vget_low_s8(r)));
                high = vpadalq_s16(high, vmull_high_s8(q, r));
            }
        }
        *dot = vaddvq_s32(vaddq_s32(low, high));
    }
}

#[target_feature(enable = "neon")]
fn read_128(lines: &[Line]) -> u64 {
    let mut words = [vdupq_n_u64(0); 4];
    for line in lines {
        for (words, quarter) in words.iter_mut().zip(line.0.as_chunks::<16>().0) {
            *words = veorq_u64(*words, vreinterpretq_u64_s8(load(quarter)));
        }
    }
    let all = words.into_iter().fold(vdupq_n_u64(0), |all, words| veorq_u64(all, words));
    vgetq_lane_u64::<0>(all) ^ vgetq_lane_u64::<1>(all)
}

#[inline]
#[target_feature(enable = "neon")]
fn load(values: &[i8; 16]) -> int8x16_t {
    // SAFETY: the array is 16 bytes, as many as the load reads, and it needs no alignment.
    unsafe { vld1q_s8(values.as_ptr()) }
}
