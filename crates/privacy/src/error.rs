/// What can go wrong in a mechanism or in the accountant: always the caller's misuse, since neither does I/O.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PrivacyError {
    /// A parameter that describes no mechanism, or one that no theorem here covers.
    #[error("privacy parameter `{parameter}` is {got}, but it must be {expected}")]
    Parameter {
        /// Which one.
        parameter: &'static str,
        /// What it was.
        got: String,
        /// What it may be.
        expected: &'static str,
    },
    /// No noise in the range that is searched keeps the promise.
    #[error("no noise up to {largest} keeps epsilon {epsilon} at delta {delta}")]
    Unreachable {
        /// What was asked for.
        epsilon: f64,
        /// At which δ.
        delta: f64,
        /// The largest noise that was tried, in the mechanism's own unit.
        largest: f64,
    },
}

impl PrivacyError {
    pub(crate) fn parameter(
        parameter: &'static str,
        got: &dyn std::fmt::Display,
        expected: &'static str,
    ) -> Self {
        Self::Parameter { parameter, got: got.to_string(), expected }
    }
}

/// Refuses what is outside a range, not-a-number included.
pub(crate) fn within(
    parameter: &'static str,
    got: f64,
    range: std::ops::RangeInclusive<f64>,
    expected: &'static str,
) -> Result<f64, PrivacyError> {
    if range.contains(&got) { Ok(got) } else { Err(PrivacyError::parameter(parameter, &got, expected)) }
}
