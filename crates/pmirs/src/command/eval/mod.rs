//! `pmirs eval captions|folders|phrases|sheet`.

mod captions;
mod folders;
mod phrases;
mod sheet;

use std::fs;
use std::io;
use std::path::Path;

use pmirs_lab::eval::{EvalError, Selection, Step};
use pmirs_lab::plot::{self, Figure, PlotError};
use serde::Serialize;

use crate::cli::Eval;
use crate::exit::Exit;
use crate::output::Output;
use crate::progress::steps;
use crate::report::Failure;

pub fn run(command: &Eval, output: Output) -> Result<(), Failure> {
    match command {
        Eval::Captions(args) => captions::run(args, output),
        Eval::Folders(args) => folders::run(args, output),
        Eval::Phrases(args) => phrases::run(args, output),
        Eval::Sheet(args) => sheet::run(args, output),
    }
}

fn selection(held_out: bool) -> Selection {
    if held_out { Selection::HeldOut } else { Selection::All }
}

/// Runs an evaluation under a progress bar.
fn watched<T>(
    output: Output,
    evaluate: impl FnOnce(&mut dyn FnMut(Step)) -> Result<T, EvalError>,
) -> Result<T, Failure> {
    let bar = steps(output, 0);
    let mut doing = "";
    let outcome = evaluate(&mut |step| {
        if step.what != doing {
            // What comes now has a speed of its own.
            doing = step.what;
            bar.reset();
            bar.set_message(doing);
        }
        bar.set_length(step.total as u64);
        bar.set_position(step.done as u64);
    });
    bar.finish_and_clear();
    Ok(outcome?)
}

/// Tries whether files can be written into the folder that will receive an answer, which is made if it is missing:
/// before the work, which may take hours.
fn receives(folder: &Path) -> Result<(), Failure> {
    // The folder of a file that is named alone
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let probed = fs::create_dir_all(folder).and_then(|()| tempfile::NamedTempFile::new_in(folder).map(drop));
    probed.map_err(|error| unwritable(folder, &error))
}

/// Where `--out` cannot be written, told before the work.
fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    let error = match error.kind() {
        io::ErrorKind::AlreadyExists => format!("cannot write {path}: a file of that name is in the way"),
        _ => format!("cannot write {path}: {error}"),
    };
    Failure::new(Exit::Failure, error, "name another place with --out; nothing has been measured yet")
}

/// Writes an answer as `NAME.json`, and its figures beside it.
fn keep(
    folder: &Path,
    name: &str,
    answer: &impl Serialize,
    figures: &[(&str, Figure)],
) -> Result<(), Failure> {
    let mut json = serde_json::to_vec_pretty(answer)
        .map_err(|error| Failure::new(Exit::Failure, &error, "this is a bug; please report it"))?;
    json.push(b'\n');
    write(&folder.join(format!("{name}.json")), &json)?;
    for (name, figure) in figures {
        plot::save(figure, folder, name).map_err(EvalError::from)?;
    }
    Ok(())
}

/// Writes a file, and makes the folder that it belongs into.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error| Failure::file(path, "write", &error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, bytes).map_err(failed)
}

impl From<EvalError> for Failure {
    fn from(error: EvalError) -> Self {
        let hint = match error {
            EvalError::Encoder(error) => return error.into(),
            EvalError::Vault(error) => return error.into(),
            EvalError::Cloud(error) => return error.into(),
            EvalError::Plot(PlotError::File { .. }) => {
                return Self::new(Exit::Failure, &error, "check the path and the disk");
            }
            EvalError::Plot(_) => {
                return Self::new(Exit::Failure, &error, "leave out --out to see the answer");
            }
            EvalError::File { ref path, .. } if !path.exists() => {
                return Self::new(Exit::NotFound, &error, "check the path for a typing mistake");
            }
            EvalError::File { .. } => "`pmirs eval --help` says what is expected",
            EvalError::Row { .. } => "it takes tab-separated lines under the header `image<TAB>caption`",
            EvalError::Field { .. } => "`pmirs eval phrases --help` describes the file",
            EvalError::Setting { .. } => "choose another value",
        };
        Self::new(Exit::Usage, &error, hint)
    }
}
