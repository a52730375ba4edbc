//! What releases cost together: Rényi differential privacy (Mironov 2017), composed by addition and turned into
//! `(ε, δ)` at the end.

mod calibrate;
mod curve;
mod mechanism;
mod sampled;

pub use calibrate::Target;
pub use curve::{ORDERS, RdpCurve};
pub use mechanism::Mechanism;
