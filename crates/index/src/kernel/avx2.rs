//! AVX2: 16 products per instruction, on coordinates widened to 16 bits.
//!
//! The query is widened once. A pair of products is at most 2 · 2^14 and their sum over a row at most 2^30
//! (see `MAX_DIM`), so nothing saturates or wraps, -128 included.

#![expect(unsafe_code, reason = "calls and loads of vector instructions, each argued in place")]

use std::arch::x86_64::{
    __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_shuffle_epi32, _mm256_add_epi32,
    _mm256_castsi256_si128, _mm256_cvtepi8_epi16, _mm256_extracti128_si256, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_setzero_si256, _mm256_storeu_si256, _mm256_xor_si256,
};

use super::{Line, Scorer};

/// The query, each line of it as four vectors of 16 coordinates. It exists only where AVX2 was detected.
struct Query(Vec<[[i16; 16]; 4]>);

pub(super) fn boxed(values: &[i8]) -> Option<Box<dyn Scorer>> {
    let widened = |line: Line| quarters(&line).map(|quarter| quarter.map(i16::from));
    is_x86_feature_detected!("avx2")
        .then(|| Box::new(Query(Line::pad(values).map(widened).collect())) as Box<dyn Scorer>)
}

impl Scorer for Query {
    fn dots(&self, rows: &[Line], _sums: &[i32], dots: &mut [i32]) {
        // SAFETY: a `Query` is made only after AVX2 was detected.
        unsafe { dots_avx2(&self.0, rows, dots) }
    }

    fn read(&self, lines: &[Line]) -> u64 {
        // SAFETY: as above.
        unsafe { read_256(lines) }
    }
}

#[target_feature(enable = "avx2")]
fn dots_avx2(query: &[[[i16; 16]; 4]], rows: &[Line], dots: &mut [i32]) {
    for (row, dot) in rows.chunks_exact(query.len()).zip(dots) {
        let mut sums = [_mm256_setzero_si256(); 4];
        for (query, line) in query.iter().zip(row) {
            for ((sum, query), values) in sums.iter_mut().zip(query).zip(quarters(line)) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(load_16(query), widen(&values)));
            }
        }
        *dot = total(sums.into_iter().fold(_mm256_setzero_si256(), |all, sum| _mm256_add_epi32(all, sum)));
    }
}

#[target_feature(enable = "avx2")]
fn read_256(lines: &[Line]) -> u64 {
    let mut words = [_mm256_setzero_si256(); 2];
    for line in lines {
        let (halves, _) = line.0.as_chunks::<32>();
        for (words, half) in words.iter_mut().zip(halves) {
            *words = _mm256_xor_si256(*words, load_8(half));
        }
    }
    let mut folded = [0_u64; 4];
    let all = words.into_iter().fold(_mm256_setzero_si256(), |all, words| _mm256_xor_si256(all, words));
    // SAFETY: `folded` is 32 bytes, as many as the store writes, and it needs no alignment.
    unsafe { _mm256_storeu_si256(folded.as_mut_ptr().cast(), all) };
    folded.into_iter().fold(0, |all, word| all ^ word)
}

/// A line's four quarters.
#[inline]
fn quarters(line: &Line) -> [[i8; 16]; 4] {
    let mut quarters = [[0; 16]; 4];
    quarters.iter_mut().zip(line.0.as_chunks::<16>().0).for_each(|(to, from)| *to = *from);
    quarters
}

#[inline]
#[target_feature(enable = "avx2")]
fn widen(values: &[i8; 16]) -> __m256i {
    // SAFETY: the array is 16 bytes, as many as the load reads, and it needs no alignment.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(values.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_16(values: &[i16; 16]) -> __m256i {
    // SAFETY: the array is 32 bytes, as many as the load reads, and it needs no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_8(values: &[i8; 32]) -> __m256i {
    // SAFETY: the array is 32 bytes, as many as the load reads, and it needs no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// The sum of eight lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn total(sums: __m256i) -> i32 {
    let four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b_01_00_11_10>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b_10_11_00_01>(two)))
}
