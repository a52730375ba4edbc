/// What can go wrong in a veil: always the caller's misuse, since a veil does no I/O.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum VeilError {
    /// The parameters describe no veil.
    #[error("veil parameter `{parameter}` is {got}, but it must be {expected}")]
    Parameter {
        /// The field of [`VeilParams`](crate::VeilParams) that is wrong.
        parameter: &'static str,
        /// What it was.
        got: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The vector does not have the dimension that this veil was made for.
    #[error("vector of {got} components, but this veil takes {expected}")]
    Dimension {
        /// Components of the vector.
        got: usize,
        /// Components that the veil takes.
        expected: usize,
    },
    /// The vector is not of unit length (or holds a value that is not a number).
    #[error("vector of length {got}, but a veil takes unit vectors")]
    NotUnit {
        /// Euclidean length of the vector.
        got: f32,
    },
}
