//! The ONNX engine, held at arm's length.
//!
//! `rten` answers most graphs that it cannot run with an error, and some that no exporter writes with a panic. A
//! stranger's file must not end a run over thousands of pictures, so both loading and running happen inside
//! `catch_unwind`: nothing of what the engine was doing is looked at after a panic, which is what makes
//! `AssertUnwindSafe` true here.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the engine gave, or why it gave nothing.
pub(crate) fn guarded<T, E: Display>(work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err("the engine gave up on the graph".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let panics = || -> Result<(), String> { panic!("on purpose") };
        assert_eq!(guarded(panics), Err("the engine gave up on the graph".to_owned()));
        assert_eq!(guarded(|| Ok::<_, String>(1)), Ok(1));
        assert_eq!(guarded(|| Err::<(), _>("no")), Err("no".to_owned()));
    }
}
