//! Everything between a stranger's file and an embedding. One binary, because linking costs more than testing.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod clip;
mod folder;
mod import;
mod local;
mod pack;
mod picture;
mod preprocess;
mod tokenizer;
