//! Exact int8 dot products at the speed of memory: the crate's only `unsafe` code.
//!
//! [`prepare`] puts a query into the form that the machine's fastest kernel wants. A [`Scorer`] of a kernel
//! can only be made where its instructions were detected, so holding one is the proof that they exist; that
//! is the whole argument for calling a `target_feature` function. The other unsafe blocks are loads, each
//! through a reference to at least as many bytes as it reads.
//!
//! Measured against `numkong` 7.8, whose dispatched `i8` dot product takes one row per call: on a Xeon with
//! AVX-512 VNNI it reached 72 to 79% of the bandwidth that the plain read beside it did, these kernels always more
//! (`pmirs bench scan`), and its build compiles some two thousand other C kernels first. So the loops live here.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

/// 64 coordinates of a row: one cache line, padded with zeros at a row's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [i8; 64]);

impl Line {
    /// The lines that hold `values`.
    pub(crate) fn pad(values: &[i8]) -> impl Iterator<Item = Self> {
        values.chunks(64).map(|chunk| {
            let mut line = [0; 64];
            line.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            Self(line)
        })
    }
}

/// How many lines a row of `dim` coordinates takes.
pub(crate) fn lines_of(dim: usize) -> usize {
    dim.div_ceil(64)
}

/// A query in the form that one kernel wants.
pub(crate) trait Scorer: Send + Sync {
    /// Writes the dot product of the query with each row. `rows` holds as many lines per row as the query
    /// has, `sums` and `dots` one entry per row; `sums` is each row's sum of integers.
    fn dots(&self, rows: &[Line], sums: &[i32], dots: &mut [i32]);

    /// The exclusive or of all 64-bit words, read with the same loads as [`Scorer::dots`].
    fn read(&self, lines: &[Line]) -> u64;
}

/// The query `values` for the fastest kernel of this machine.
pub(crate) fn prepare(values: &[i8]) -> Box<dyn Scorer> {
    Kernel::ALL.into_iter().find_map(|kernel| kernel.prepare(values)).unwrap_or_else(|| scalar::boxed(values))
}

/// The name of the kernel that searches on this machine use: `avx512vnni`, `avx2`, `neon` or `scalar`.
pub fn kernel_name() -> &'static str {
    let fastest = Kernel::ALL.into_iter().find(|kernel| kernel.prepare(&[]).is_some());
    fastest.unwrap_or(Kernel::Scalar).name()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kernel {
    Avx512Vnni,
    Avx2,
    Neon,
    Scalar,
}

impl Kernel {
    /// Fastest first.
    const ALL: [Self; 4] = [Self::Avx512Vnni, Self::Avx2, Self::Neon, Self::Scalar];

    fn name(self) -> &'static str {
        match self {
            Self::Avx512Vnni => "avx512vnni",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Scalar => "scalar",
        }
    }

    /// The query for this kernel, or `None` where the machine lacks its instructions.
    fn prepare(self, values: &[i8]) -> Option<Box<dyn Scorer>> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => avx512::boxed(values),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::boxed(values),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512Vnni | Self::Avx2 => None,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => neon::boxed(values),
            #[cfg(not(target_arch = "aarch64"))]
            Self::Neon => None,
            Self::Scalar => Some(scalar::boxed(values)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Dot products in 64 bits, straight from the definition.
    fn defined(query: &[i8], rows: &[Vec<i8>]) -> Vec<i32> {
        let dot = |row: &Vec<i8>| query.iter().zip(row).map(|(&q, &r)| i64::from(q) * i64::from(r)).sum();
        rows.iter().map(dot).map(|dot: i64| i32::try_from(dot).unwrap()).collect()
    }

    fn assert_all_agree(query: &[i8], rows: &[Vec<i8>]) {
        let lines: Vec<Line> = rows.iter().flat_map(|row| Line::pad(row)).collect();
        let sums: Vec<i32> = rows.iter().map(|row| row.iter().map(|&value| i32::from(value)).sum()).collect();
        let expected = defined(query, rows);
        let words = scalar::boxed(query).read(&lines);
        for (kernel, scorer) in Kernel::ALL.into_iter().filter_map(|k| Some((k, k.prepare(query)?))) {
            let mut dots = vec![i32::MIN; rows.len()];
            scorer.dots(&lines, &sums, &mut dots);
            assert_eq!(dots, expected, "{kernel:?}, {} dimensions", query.len());
            assert_eq!(scorer.read(&lines), words, "{kernel:?}");
        }
    }

    fn query_and_rows() -> impl Strategy<Value = (Vec<i8>, Vec<Vec<i8>>)> {
        (1_usize..1100).prop_flat_map(|dim| {
            let vector = || prop::collection::vec(any::<i8>(), dim);
            (vector(), prop::collection::vec(vector(), 0..7))
        })
    }

    proptest! {
        #[test]
        fn every_kernel_of_this_machine_computes_the_definition((query, rows) in query_and_rows()) {
            assert_all_agree(&query, &rows);
        }
    }

    #[test]
    fn extremes_are_exact_at_the_largest_dimension() {
        let (low, high) = (vec![i8::MIN; crate::MAX_DIM], vec![i8::MAX; crate::MAX_DIM]);
        assert_all_agree(&low, &[low.clone(), high.clone()]);
        assert_all_agree(&high, &[low, high.clone()]);
    }

    #[test]
    fn the_kernels_that_this_machine_lacks_are_named() {
        let here = |kernel: &Kernel| kernel.prepare(&[1]).is_some();
        for kernel in Kernel::ALL.iter().filter(|kernel| !here(kernel)) {
            println!("skipped: {} kernel: this machine has no such instructions", kernel.name());
        }
        assert_eq!(Kernel::ALL.iter().find(|kernel| here(kernel)).unwrap().name(), kernel_name());
        assert!(here(&Kernel::Scalar));
    }
}
