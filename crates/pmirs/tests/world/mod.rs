//! A cloud in another process, and people who type commands.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

pub const PASSPHRASE: &str = "correct horse battery staple";

/// A cloud on a free port, killed at the end.
pub struct Cloud {
    process: Child,
    pub url: String,
    pub first_invite: PathBuf,
}

impl Cloud {
    /// `options` are those of `pmirs serve`, such as a certificate.
    pub fn start(data: &Path, options: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_pmirs"))
            .args(["--json", "serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let url = ready["url"].as_str().unwrap().to_owned();
        Self { process, url, first_invite: ready["first_invite"].as_str().unwrap().into() }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Someone with a home folder.
pub struct Person {
    folder: TempDir,
}

impl Person {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pmirs"));
        command.args(arguments).env("PMIRS_HOME", self.path("home")).current_dir(self.folder.path());
        command.env_remove("PMIRS_PASSPHRASE").stdin(Stdio::null());
        command
    }

    /// Runs a command that must succeed, and reads its one object.
    pub fn says(&self, arguments: &[&str]) -> Value {
        self.says_and_warns(arguments).0
    }

    /// The same, with what it wrote to standard error.
    pub fn says_and_warns(&self, arguments: &[&str]) -> (Value, String) {
        let output = self.command(arguments).arg("--json").output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {told}");
        (serde_json::from_slice(&output.stdout).unwrap(), told)
    }

    /// Runs a command that must fail with this code, with one error line and one hint line.
    pub fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        let starts = |with: &str| told.lines().filter(|line| line.starts_with(with)).count();
        assert_eq!((starts("error: "), starts("hint: ")), (1, 1), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty(), "{arguments:?} failed and printed an answer");
        told
    }

    /// Three pictures, a note, a broken picture, and something that is neither.
    pub fn fill(&self, folder: &str) {
        let folder = self.path(folder);
        fs::create_dir_all(folder.join("deeper")).unwrap();
        for (name, color) in
            [("red.png", [200, 20, 30]), ("green.jpg", [30, 160, 40]), ("deeper/blue.jpg", [20, 40, 190])]
        {
            let shaded = RgbImage::from_fn(96, 64, |x, y| {
                Rgb(color.map(|c: u8| c.saturating_add((x / 8 + y / 8) as u8)))
            });
            shaded.save(folder.join(name)).unwrap();
        }
        fs::write(folder.join("note.txt"), "Bring the bicycle to the repair shop.\n").unwrap();
        fs::write(folder.join("broken.jpg"), b"\xff\xd8\xff\xe0 cut off").unwrap();
        fs::write(folder.join("program.exe"), b"MZ").unwrap();
    }
}

/// An agent outlives the command that started it, but not the test.
impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.command(&["lock"]).output();
    }
}
