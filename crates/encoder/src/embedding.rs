//! The unit vector that stands for a picture or a sentence.

use crate::EncoderError;

/// A point on the unit sphere in the joint space of pictures and sentences.
///
/// Its numbers describe a person's picture, so `Debug` prints the dimension only.
#[derive(Clone, PartialEq)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// Subtracts the modality's mean `centre` from a tower's raw vector, then scales to unit length. The raw
    /// vector is brought to unit length before that, because the mean is one of unit vectors.
    ///
    /// # Errors
    /// [`EncoderError::Input`] when the lengths differ; [`EncoderError::NoDirection`] when the vector is zero
    /// or not finite.
    pub fn from_raw(raw: &[f32], centre: &[f32], modality: &'static str) -> Result<Self, EncoderError> {
        if raw.len() != centre.len() {
            return Err(EncoderError::Input {
                what: "the length of a raw vector",
                got: raw.len().to_string(),
                expected: centre.len().to_string(),
            });
        }
        let mut values = raw.to_vec();
        normalise(&mut values, modality)?;
        for (value, mean) in values.iter_mut().zip(centre) {
            *value -= mean;
        }
        normalise(&mut values, modality)?;
        Ok(Self(values))
    }

    /// An embedding whose numbers come from elsewhere (a decrypted record); scaled to unit length again.
    ///
    /// # Errors
    /// [`EncoderError::NoDirection`] when the vector is empty, zero or not finite.
    pub fn from_values(mut values: Vec<f32>) -> Result<Self, EncoderError> {
        normalise(&mut values, "record")?;
        Ok(Self(values))
    }

    /// The numbers, one per dimension.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// The numbers, by value.
    pub fn into_values(self) -> Vec<f32> {
        self.0
    }

    /// Number of dimensions.
    pub fn dim(&self) -> usize {
        self.0.len()
    }

    /// Cosine of the angle between two embeddings, -1 to 1. Of different models it means nothing: dimensions
    /// beyond the shorter one are ignored.
    pub fn cosine(&self, other: &Self) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }
}

impl std::fmt::Debug for Embedding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Embedding({}-d)", self.0.len())
    }
}

/// Scales to unit length; the sum runs in f64 so that a long vector of small numbers keeps its direction.
fn normalise(values: &mut [f32], modality: &'static str) -> Result<(), EncoderError> {
    let norm = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    if !norm.is_finite() || norm < 1e-12 {
        return Err(EncoderError::NoDirection(modality));
    }
    for value in values {
        *value = (f64::from(*value) / norm) as f32;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centring_happens_on_the_unit_sphere() {
        let raw = [3.0, 4.0];
        let embedding = Embedding::from_raw(&raw, &[0.6, 0.0], "image").unwrap();
        assert!((embedding.as_slice()[0]).abs() < 1e-6, "0.6 - 0.6 leaves nothing of the first axis");
        assert!((embedding.as_slice()[1] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_vector_without_direction_is_refused() {
        for bad in [[0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0]] {
            assert!(matches!(
                Embedding::from_raw(&bad, &[0.0, 0.0], "text"),
                Err(EncoderError::NoDirection("text"))
            ));
        }
        assert!(Embedding::from_values(Vec::new()).is_err());
    }

    #[test]
    fn debug_keeps_the_numbers_to_itself() {
        let embedding = Embedding::from_values(vec![0.6, 0.8]).unwrap();
        assert_eq!(format!("{embedding:?}"), "Embedding(2-d)");
    }
}
