use crate::{IndexError, MAX_DIM};

/// The largest scale of a [`Quantised`] vector: with it, `scale · scale · dot` stays finite in an `f32`.
pub const MAX_SCALE: f32 = 1e12;

/// Below this largest coordinate a vector counts as zero: the division by its scale would lose all precision.
const SMALLEST: f32 = 1e-30;

/// A vector as 8-bit integers and one factor: coordinate `i` stands for `scale · values[i]`.
///
/// The zero vector has scale 0. Scale and length are checked where a vector enters a [`crate::Matrix`] or a
/// search, so one that arrived over the network can be built from its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantised {
    /// What one step of an integer is worth, at least 0 and at most [`MAX_SCALE`].
    pub scale: f32,
    /// One integer per dimension.
    pub values: Vec<i8>,
}

/// Rounds a vector to 8 bits per coordinate, its largest coordinate becoming 127 or -127.
///
/// Each coordinate is off by at most half of [`Quantised::scale`].
///
/// # Errors
///
/// A coordinate that is not finite, no coordinates at all or more than [`MAX_DIM`], or coordinates so large
/// that the scale would pass [`MAX_SCALE`].
pub fn quantise(vector: &[f32]) -> Result<Quantised, IndexError> {
    if let Some((position, &value)) = vector.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(IndexError::NotFinite { position, value });
    }
    let largest = vector.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let scale = if largest < SMALLEST { 0.0 } else { largest / 127.0 };
    let per_unit = if scale > 0.0 { 127.0 / largest } else { 0.0 };
    let values = vector.iter().map(|value| (value * per_unit).round().clamp(-127.0, 127.0) as i8).collect();
    let quantised = Quantised { scale, values };
    quantised.check()?;
    Ok(quantised)
}

impl Quantised {
    /// The vector that the integers stand for.
    pub fn dequantise(&self) -> Vec<f32> {
        self.values.iter().map(|&value| self.scale * f32::from(value)).collect()
    }

    /// Whether scores with this vector are exact and finite.
    pub(crate) fn check(&self) -> Result<(), IndexError> {
        let got = self.values.len();
        if got == 0 || got > MAX_DIM {
            return Err(IndexError::DimensionOutOfRange { got });
        }
        if !(0.0..=MAX_SCALE).contains(&self.scale) {
            return Err(IndexError::ScaleOutOfRange { got: self.scale });
        }
        Ok(())
    }

    /// As [`Self::check`], and of the dimension `expected`.
    pub(crate) fn check_dim(&self, expected: usize) -> Result<(), IndexError> {
        let got = self.values.len();
        if got != expected {
            return Err(IndexError::DimensionMismatch { got, expected });
        }
        self.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_coordinate_is_off_by_at_most_half_a_step(
            vector in prop::collection::vec(-1e3_f32..1e3, 1..300)
        ) {
            let quantised = quantise(&vector).unwrap();
            for (value, back) in vector.iter().zip(quantised.dequantise()) {
                prop_assert!((value - back).abs() <= 0.5001 * quantised.scale);
            }
        }
    }

    #[test]
    fn the_zero_vector_has_scale_zero() {
        let quantised = quantise(&[0.0, -0.0, 1e-38]).unwrap();
        assert_eq!(quantised, Quantised { scale: 0.0, values: vec![0, 0, 0] });
    }

    #[test]
    fn what_is_not_a_finite_number_is_named() {
        let error = quantise(&[0.5, f32::INFINITY]).unwrap_err();
        assert_eq!(error, IndexError::NotFinite { position: 1, value: f32::INFINITY });
        assert!(matches!(quantise(&[f32::NAN]), Err(IndexError::NotFinite { position: 0, .. })));
    }

    #[test]
    fn scales_and_lengths_outside_the_limits_are_refused() {
        assert!(matches!(quantise(&[1e30]), Err(IndexError::ScaleOutOfRange { .. })));
        assert_eq!(quantise(&[]), Err(IndexError::DimensionOutOfRange { got: 0 }));
        let long = vec![1.0; MAX_DIM + 1];
        assert_eq!(quantise(&long), Err(IndexError::DimensionOutOfRange { got: MAX_DIM + 1 }));
    }
}
