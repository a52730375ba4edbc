//! Figures to files.

use std::fs;
use std::path::Path;

use super::{Figure, PlotError};

/// Writes a figure into `folder` as `NAME.svg` and `NAME.png`; the folder is made if it is missing.
///
/// # Errors
/// When the figure cannot be drawn or a file cannot be written.
pub fn save(figure: &Figure, folder: &Path, name: &str) -> Result<(), PlotError> {
    let files = [("svg", figure.to_svg()?.into_bytes()), ("png", figure.to_png()?)];
    let failed = |path: &Path, error: std::io::Error| PlotError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (ending, bytes) in files {
        let path = folder.join(format!("{name}.{ending}"));
        fs::write(&path, bytes).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}
