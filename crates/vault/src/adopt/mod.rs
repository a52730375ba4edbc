//! Going over to another model.
//!
//! 1. An owner signs settings that name the new model, and those before it that items may still be of ([`settings`]).
//!    Where a server scores veiled vectors, a new epoch begins with it: what the new model makes is under another veil.
//! 2. Whoever may write, and has the new model, embeds item by item anew from its content, and replaces them in batches
//!    of one entry each ([`reembed`]), so that the work can end at any moment.
//! 3. Meanwhile searches rank all items by the new model ([`crate::search`]): candidates that still have an earlier
//!    model's embedding are embedded on this machine ([`anew`]), and that is kept.
//! 4. Once no item is of an earlier model, an owner signs settings that name the new one alone.

mod anew;
mod reembed;
mod settings;

pub(crate) use anew::{Anew, anew};
pub use reembed::ReembedReport;
