//! AVX-512 VNNI: 64 products per instruction.
//!
//! `VPDPBUSD` multiplies unsigned by signed bytes, so the query is stored with 128 added to each coordinate:
//! Σ (q + 128) · r = Σ q · r + 128 · Σ r, and the row's stored sum takes the excess off. The excess may pass
//! 2^31 on the way; the arithmetic wraps, and the difference is exact since Σ q · r fits (see `MAX_DIM`).

#![expect(unsafe_code, reason = "calls and loads of vector instructions, each argued in place")]

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_dpbusd_epi32, _mm512_load_si512, _mm512_reduce_add_epi32,
    _mm512_setzero_si512, _mm512_storeu_si512, _mm512_xor_si512,
};

use super::{Line, Scorer};

/// The query, 128 added to each coordinate. It exists only where the instructions were detected.
struct Query(Vec<Line>);

pub(super) fn boxed(values: &[i8]) -> Option<Box<dyn Scorer>> {
    let here = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni");
    // Flipping the top bit adds 128. Padding becomes 128 too, and meets zeros in the rows.
    let biased = |line: Line| Line(line.0.map(|value| value ^ i8::MIN));
    here.then(|| Box::new(Query(Line::pad(values).map(biased).collect())) as Box<dyn Scorer>)
}

impl Scorer for Query {
    fn dots(&self, rows: &[Line], sums: &[i32], dots: &mut [i32]) {
        // SAFETY: a `Query` is made only after both instruction sets were detected.
        unsafe { dots_vnni(&self.0, rows, sums, dots) }
    }

    fn read(&self, lines: &[Line]) -> u64 {
        // SAFETY: as above.
        unsafe { read_512(lines) }
    }
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn dots_vnni(query: &[Line], rows: &[Line], sums: &[i32], dots: &mut [i32]) {
    let (query_pairs, query_rest) = query.as_chunks::<2>();
    for ((row, sum), dot) in rows.chunks_exact(query.len()).zip(sums).zip(dots) {
        // Two sums in flight hide the latency of the multiply-add.
        let (mut even, mut odd) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        let (pairs, rest) = row.as_chunks::<2>();
        for ([q0, q1], [r0, r1]) in query_pairs.iter().zip(pairs) {
            even = _mm512_dpbusd_epi32(even, load(q0), load(r0));
            odd = _mm512_dpbusd_epi32(odd, load(q1), load(r1));
        }
        for (q, r) in query_rest.iter().zip(rest) {
            even = _mm512_dpbusd_epi32(even, load(q), load(r));
        }
        let biased = _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd));
        *dot = biased.wrapping_sub(sum.wrapping_mul(128));
    }
}

#[target_feature(enable = "avx512f")]
fn read_512(lines: &[Line]) -> u64 {
    let mut words = [_mm512_setzero_si512(); 4];
    let (quads, rest) = lines.as_chunks::<4>();
    for quad in quads {
        for (words, line) in words.iter_mut().zip(quad) {
            *words = _mm512_xor_si512(*words, load(line));
        }
    }
    for (words, line) in words.iter_mut().zip(rest) {
        *words = _mm512_xor_si512(*words, load(line));
    }
    let mut folded = [0_u64; 8];
    let all = words.into_iter().fold(_mm512_setzero_si512(), |all, words| _mm512_xor_si512(all, words));
    // SAFETY: `folded` is 64 bytes, as many as the store writes, and it needs no alignment.
    unsafe { _mm512_storeu_si512(folded.as_mut_ptr().cast(), all) };
    folded.into_iter().fold(0, |all, word| all ^ word)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(line: &Line) -> __m512i {
    // SAFETY: a `Line` is 64 bytes on a 64-byte boundary, which is what the load wants.
    unsafe { _mm512_load_si512(std::ptr::from_ref(line).cast()) }
}
