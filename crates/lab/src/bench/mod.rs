//! Speed, with the machine's own limits measured beside it.
//!
//! - [`scan()`]: one search over a matrix, against the memory bandwidth of the same machine in the same run.
//! - [`veil()`]: what veiling a document and a query costs.
//! - [`search()`]: typed words to opened results through a real server on loopback, with where the time goes.
//! - [`encode()`]: the two towers of a model, one input at a time.
//! - [`load()`]: a server under many clients; [`scaling()`]: whether its scans get in each other's way.
//! - [`split()`]: a search by three parties over secret shares, in memory; [`split_served()`]: by three processes over TCP
//!   and TLS, as they are run; [`aggregate()`]: a round of secure aggregation.
//! - [`split_encode()`]: pictures and sentences through a model that three parties hold in shares.
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
mod split_encode;
mod split_served;
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
pub use split_encode::{SplitEncodeReport, SplitTextReport, split_encode};
pub use split_served::{ServedReport, split_served};
pub use tree::{Spent, TreeReport, TreeSettings, tree};
pub use veil::{VeilReport, veil};
