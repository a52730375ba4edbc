//! Speed, with the machine's own limits measured beside it.
//!
//! - [`scan()`]: one search over a matrix, against the memory bandwidth of the same machine in the same run.
//! - [`veil()`]: what veiling a document and a query costs.
//! - [`search()`]: typed words to opened results through a real server on loopback, with where the time goes.
//! - [`encode()`]: the two towers of a model, one input at a time.
//! - [`load()`]: a server under many clients; [`scaling()`]: whether its scans get in each other's way.
//! - [`split()`]: a search by three parties over secret shares; [`aggregate()`]: a round of secure aggregation.
//! - [`tree()`]: what an index of the split level finds of that, and what it takes.
//! - [`add()`]: a whole folder into a collection, against decoding and encoding the same files alone.

mod add;
mod encode;
mod error;
mod load;
mod pictures;
mod scan;
mod search;
mod split;
mod stopwatch;
mod tree;
mod veil;

pub use add::{AddReport, add};
pub use encode::{EncodeReport, encode};
pub use error::BenchError;
pub use load::{LoadReport, ScalingReport, load, scaling};
pub use pmirs_federated::bench::{Measured as AggregateReport, Settings as AggregateSettings, aggregate};
pub use pmirs_mpc::bench::SearchSize as SplitSize;
pub use scan::{ScanReport, read_gb_per_s, scan};
pub use search::{BreakdownReport, SearchReport, search};
pub use split::{SplitPhase, SplitReport, split};
pub use tree::{Spent, TreeReport, TreeSettings, tree};
pub use veil::{VeilReport, veil};
