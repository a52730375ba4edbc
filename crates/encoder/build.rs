//! Compiles the built-in model packs in, where they are: the program that trains the first pack must build
//! without it.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let models = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../../models");
    let mut list = String::from("&[\n");
    for name in ["compact", "compact-lite"] {
        let files = files(&models.join(name))?;
        writeln!(list, "    ({name:?}, &[")?;
        for (file, path) in files {
            writeln!(list, "        ({file:?}, include_bytes!({path:?})),")?;
        }
        writeln!(list, "    ]),")?;
    }
    list.push(']');
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    Ok(std::fs::write(out.join("builtin_packs.rs"), list)?)
}

/// Name and path of each file of a pack; none where there is no pack.
fn files(folder: &Path) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    if folder.join("model.toml").exists() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            // The model card is for people; the encoder does not read it.
            if path.is_file() && path.extension().is_none_or(|kind| kind != "md") {
                files.push((name, path.canonicalize()?.display().to_string()));
            }
        }
    }
    files.sort();
    Ok(files)
}
