//! How long work tells whoever watches.

use std::path::Path;

/// Told as work goes on, from several threads.
pub trait Progress: Sync {
    /// A phase begins: `total` steps, if that is known.
    fn start(&self, phase: &'static str, total: Option<u64>);
    /// So many steps more are done.
    fn advance(&self, steps: u64);
    /// A file is passed over.
    fn skipped(&self, path: &Path, reason: &str);
    /// The phase ends.
    fn finish(&self);
}

/// Tells nobody.
pub struct Quiet;

impl Progress for Quiet {
    fn start(&self, _phase: &'static str, _total: Option<u64>) {}
    fn advance(&self, _steps: u64) {}
    fn skipped(&self, _path: &Path, _reason: &str) {}
    fn finish(&self) {}
}
