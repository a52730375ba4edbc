//! Long work in the background: a second process of this program, which nobody has to wait for.
//!
//! A job is a folder in the home. Whoever works in it holds a lock on one of its files, and the system takes that back
//! with the process, however it ends: so a job that was killed is known for one, and no number of a process that now
//! belongs to another program is trusted.

mod start;
mod work;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use start::start;
pub use work::{Reporter, ended, seed, take_up};

const LOCK: &str = "lock";
const ORDER: &str = "order.json";
const PROGRESS: &str = "progress.json";
const ANSWER: &str = "answer.json";
const LOG: &str = "log.txt";
const EXIT: &str = "exit";

/// What was to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The command with its arguments.
    pub arguments: Vec<String>,
    /// When it was given, in milliseconds since 1970.
    pub started_ms: u64,
}

/// How far a job is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// What it is doing.
    pub phase: String,
    /// Steps that are done.
    pub done: u64,
    /// Steps in all, where that is known.
    pub total: Option<u64>,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A process works on it.
    Running,
    /// It ended with success.
    Done,
    /// It ended with an error, which its log names.
    Failed,
    /// Its process is gone without a word: killed, or the machine went down.
    BrokenOff,
}

/// A job of a home.
#[derive(Clone, Debug)]
pub struct Job {
    /// Counted from 1.
    pub number: u64,
    folder: PathBuf,
}

impl Job {
    /// All jobs of a home, the oldest first.
    pub fn all(home: &Path) -> io::Result<Vec<Self>> {
        let entries = match fs::read_dir(jobs(home)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut all = Vec::new();
        for entry in entries {
            let folder = entry?.path();
            let number = folder.file_name().and_then(|name| name.to_str()?.parse().ok());
            all.extend(number.map(|number| Self { number, folder }));
        }
        all.sort_by_key(|job| job.number);
        Ok(all)
    }

    /// What was to be done; nothing where the job's folder is damaged.
    pub fn order(&self) -> Option<Order> {
        read(&self.folder.join(ORDER))
    }

    /// How far it came.
    pub fn progress(&self) -> Progress {
        read(&self.folder.join(PROGRESS)).unwrap_or_default()
    }

    /// What it printed at its end.
    pub fn answer(&self) -> Option<serde_json::Value> {
        read(&self.folder.join(ANSWER))
    }

    /// What it said to standard error.
    pub fn log(&self) -> PathBuf {
        self.folder.join(LOG)
    }

    /// How it stands.
    pub fn state(&self) -> State {
        if self.process().is_some() {
            return State::Running;
        }
        match fs::read_to_string(self.folder.join(EXIT)) {
            Ok(code) if code.trim() == "0" => State::Done,
            Ok(_) => State::Failed,
            Err(_) => State::BrokenOff,
        }
    }

    /// Asks the process that works on it to end. `false` where there is none.
    pub fn stop(&self) -> io::Result<bool> {
        let Some(process) = self.process().and_then(rustix::process::Pid::from_raw) else { return Ok(false) };
        rustix::process::kill_process(process, rustix::process::Signal::TERM)?;
        Ok(true)
    }

    /// Forgets a job that ended.
    pub fn clear(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.folder)
    }

    /// The number of the process that works on it: it holds the lock.
    fn process(&self) -> Option<i32> {
        let lock = File::open(self.folder.join(LOCK)).ok()?;
        if lock.try_lock_shared().is_ok() {
            return None;
        }
        fs::read_to_string(self.folder.join(LOCK)).ok()?.trim().parse().ok()
    }
}

fn jobs(home: &Path) -> PathBuf {
    home.join("jobs")
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// In place of what was there, at once.
fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec(value)?)?;
    fs::rename(new, path)
}
