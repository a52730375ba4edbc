//! Speed, with the machine's own limits measured beside it.
//!
//! - [`scan`]: one search over a matrix, against the memory bandwidth of the same machine in the same run.
//! - [`veil`]: what veiling a document and a query costs.

mod scan;
mod stopwatch;
mod veil;

pub use scan::{ScanReport, read_gb_per_s, scan};
pub use veil::{VeilReport, veil};
