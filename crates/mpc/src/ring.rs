//! The two rings: integers modulo 2^32 and 2^64.

use crate::frame;

mod sealed {
    pub trait Sealed {}
    impl Sealed for u32 {}
    impl Sealed for u64 {}
}

/// `u32` or `u64`, with arithmetic that wraps.
pub trait Ring:
    sealed::Sealed + Copy + Default + PartialEq + Eq + std::fmt::Debug + Send + Sync + 'static
{
    /// Bytes of an element.
    const BYTES: usize;

    /// `self + other`, wrapping.
    #[must_use]
    fn plus(self, other: Self) -> Self;
    /// `self - other`, wrapping.
    #[must_use]
    fn minus(self, other: Self) -> Self;
    /// `self · other`, wrapping.
    #[must_use]
    fn times(self, other: Self) -> Self;
    /// Zero or one.
    fn from_bit(bit: bool) -> Self;
    /// The low 32 bits.
    fn low(self) -> u32;
    /// From the machine's randomness.
    fn random(rng: &mut impl rand_core::CryptoRng) -> Self;
    #[doc(hidden)]
    fn append(values: &[Self], bytes: &mut Vec<u8>);
    #[doc(hidden)]
    fn read(bytes: &[u8], values: &mut [Self]);
    #[doc(hidden)]
    fn collect(bytes: &[u8], count: usize) -> Vec<Self>;
}

macro_rules! ring {
    ($type:ty, $random:ident) => {
        impl Ring for $type {
            const BYTES: usize = size_of::<$type>();

            #[inline]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            #[inline]
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }

            #[inline]
            fn from_bit(bit: bool) -> Self {
                Self::from(bit)
            }

            #[inline]
            fn low(self) -> u32 {
                self as u32
            }

            fn random(rng: &mut impl rand_core::CryptoRng) -> Self {
                rng.$random()
            }

            fn append(values: &[Self], bytes: &mut Vec<u8>) {
                #[cfg(target_endian = "little")]
                return bytes.extend_from_slice(pulp::bytemuck::cast_slice(values));
                #[cfg(not(target_endian = "little"))]
                values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
            }

            fn collect(bytes: &[u8], count: usize) -> Vec<Self> {
                let (chunks, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
                chunks.iter().take(count).map(|chunk| Self::from_le_bytes(*chunk)).collect()
            }

            fn read(bytes: &[u8], values: &mut [Self]) {
                let (chunks, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
                values.iter_mut().zip(chunks).for_each(|(slot, chunk)| *slot = Self::from_le_bytes(*chunk));
            }
        }
    };
}

ring!(u32, next_u32);
ring!(u64, next_u64);

/// A drafted frame that holds these elements.
pub(crate) fn pack<R: Ring>(values: &[R]) -> Vec<u8> {
    let mut frame = frame::draft(values.len() * R::BYTES);
    R::append(values, &mut frame);
    frame
}

/// The first `count` elements of a payload; the frame's length was checked before.
pub(crate) fn unpack<R: Ring>(bytes: &[u8], count: usize) -> Vec<R> {
    R::collect(bytes, count)
}

/// `left + right`, element by element.
pub(crate) fn added<R: Ring>(left: &[R], right: &[R]) -> Vec<R> {
    left.iter().zip(right).map(|(&a, &b)| a.plus(b)).collect()
}

/// `left - right`, element by element.
pub(crate) fn subtracted<R: Ring>(left: &[R], right: &[R]) -> Vec<R> {
    left.iter().zip(right).map(|(&a, &b)| a.minus(b)).collect()
}

/// `left += right`, element by element.
pub(crate) fn add_to<R: Ring>(left: &mut [R], right: &[R]) {
    left.iter_mut().zip(right).for_each(|(a, &b)| *a = a.plus(b));
}

/// `left -= right`, element by element.
pub(crate) fn subtract_from<R: Ring>(left: &mut [R], right: &[R]) {
    left.iter_mut().zip(right).for_each(|(a, &b)| *a = a.minus(b));
}
