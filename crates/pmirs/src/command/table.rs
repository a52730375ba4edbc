//! `pmirs table`: the "who learns what" table for the documents.

use crate::learns;
use crate::output::Output;
use crate::report::Failure;

pub fn run(output: Output) -> Result<(), Failure> {
    output.say(|out| out.write_all(learns::markdown().as_bytes()))
}
