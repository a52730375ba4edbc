//! What the tests need besides the toolchain's core: installed when missing or too old.

use std::process::{Command, Stdio};

use cargo_metadata::MetadataCommand;

use crate::cargo::{cargo, quietly, run};

/// The oldest `cargo deny` that reads the project's `deny.toml`.
const CARGO_DENY: [u32; 3] = [0, 18, 0];

/// The version of Schemathesis that the tests were written with.
const SCHEMATHESIS: &str = "4.32.5";

/// Makes sure of rustfmt, clippy, `cargo deny` and a C compiler (SQLite and the TLS provider are built with it).
///
/// # Errors
///
/// Which tool is missing and could not be installed.
pub fn install() -> Result<(), String> {
    component("rustfmt", "fmt")?;
    component("clippy", "clippy")?;
    cargo_deny()?;
    schemathesis();
    c_compiler()
}

fn component(name: &str, subcommand: &str) -> Result<(), String> {
    if let Some(version) = quietly(cargo([subcommand, "--version"])) {
        println!("{name}: {}", version.trim());
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["component", "add", name]).stdin(Stdio::null());
    run(rustup).1
}

fn cargo_deny() -> Result<(), String> {
    let found = || quietly(cargo(["deny", "--version"])).and_then(|text| version_in(&text));
    if let Some(version) = found().filter(|version| *version >= CARGO_DENY) {
        println!("cargo-deny: {}", version.map(|part| part.to_string()).join("."));
        return Ok(());
    }
    println!("cargo-deny: missing or too old, building it takes some minutes");
    run(cargo(["install", "--locked", "cargo-deny"])).1?;
    found().map(drop).ok_or_else(|| "cargo deny does not start after its installation".to_owned())
}

/// Schemathesis, which drives the cloud from its OpenAPI document, in a folder of the target directory. Where there is no
/// Python or no network, the test that needs it says that it was skipped.
fn schemathesis() {
    let Ok(metadata) = MetadataCommand::new().no_deps().exec() else { return };
    let folder = metadata.target_directory.as_std_path().join("tools/schemathesis");
    let found = || {
        let mut program = Command::new(folder.join("bin/schemathesis"));
        program.arg("--version").stdin(Stdio::null());
        quietly(program).filter(|version| version.trim().ends_with(SCHEMATHESIS))
    };
    if found().is_none() {
        let mut environment = Command::new("python3");
        environment.args(["-m", "venv", "--clear"]).arg(&folder).stdin(Stdio::null());
        let mut pip = Command::new(folder.join("bin/pip"));
        let package = format!("schemathesis=={SCHEMATHESIS}");
        pip.args(["install", "--quiet", "--disable-pip-version-check", &package]).stdin(Stdio::null());
        if let Err(reason) = run(environment).1.and_then(|()| run(pip).1) {
            println!("schemathesis: not installed: {reason}");
        }
    }
    if let Some(version) = found() {
        println!("schemathesis: {}", version.trim());
    }
}

fn c_compiler() -> Result<(), String> {
    let name = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut compiler = Command::new(&name);
    compiler.arg("--version").stdin(Stdio::null());
    let version = quietly(compiler)
        .ok_or_else(|| format!("no C compiler: `{name}` does not start; install gcc or clang, or set CC"))?;
    println!("C compiler: {}", version.lines().next().unwrap_or_default());
    Ok(())
}

/// The version in a line such as `cargo-deny 0.18.5`.
fn version_in(text: &str) -> Option<[u32; 3]> {
    let (_, version) = text.trim().rsplit_once(' ')?;
    let mut parts = version.split(['.', '-', '+']).map(str::parse);
    Some([parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_not_by_letter() {
        assert_eq!(version_in("cargo-deny 0.18.5\n"), Some([0, 18, 5]));
        assert_eq!(version_in("cargo-deny 0.20.0-rc1"), Some([0, 20, 0]));
        assert!(version_in("cargo-deny 0.9.12").unwrap() < CARGO_DENY);
        assert_eq!(version_in("no version"), None);
    }
}
