//! Inside a job: what makes a process one, and what it leaves for those who look.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use pmirs_vault::IdentitySeed;
use zeroize::Zeroizing;

use super::{EXIT, LOCK, LOG, PROGRESS, Progress, write};
use crate::exit::Exit;

/// Names the folder of the job that a process is to work on.
pub const FOLDER_ENV: &str = "PMIRS_JOB";
/// What a job says once it is under way.
pub const READY: &str = "ready\n";
/// How often progress is written down.
const WRITE_EVERY: Duration = Duration::from_millis(500);

/// The job that this process works on, if it was started for one.
static JOB: OnceLock<Working> = OnceLock::new();

struct Working {
    folder: PathBuf,
    seed: Zeroizing<[u8; 32]>,
    /// Held until the process ends.
    _lock: File,
}

/// Becomes the job that the environment names, if it names one: takes the lock and the identity, leaves the terminal,
/// and says so.
pub fn take_up() -> io::Result<()> {
    let Some(folder) = env::var_os(FOLDER_ENV).map(PathBuf::from) else { return Ok(()) };
    let mut seed = Zeroizing::new([0; 32]);
    io::stdin().read_exact(seed.as_mut_slice())?;
    let mut lock = File::options().write(true).open(folder.join(LOCK))?;
    lock.try_lock().map_err(io::Error::from)?;
    write!(lock, "{}", std::process::id())?;
    let log = File::create(folder.join(LOG))?;
    // A session of its own, so that closing the terminal does not end it. Fails only if it has one already.
    let _ = rustix::process::setsid();
    let mut said = io::stderr();
    said.write_all(READY.as_bytes())?;
    said.flush()?;
    rustix::stdio::dup2_stderr(&log)?;
    let _ = JOB.set(Working { folder, seed, _lock: lock });
    Ok(())
}

/// The identity that the job was started with.
pub fn seed() -> Option<IdentitySeed> {
    JOB.get().map(|job| IdentitySeed::from_secret(&job.seed))
}

/// Writes down how the job ended. Before this, it counts as running; without it, as broken off.
pub fn ended(exit: Exit) {
    if let Some(job) = JOB.get()
        && let Err(error) = std::fs::write(job.folder.join(EXIT), (exit as u8).to_string())
    {
        let _ = writeln!(io::stderr(), "warning: how the job ended could not be written down: {error}");
    }
}

/// Writes down how far the job is, now and then.
pub struct Reporter(Mutex<(Progress, Option<Instant>)>);

impl Reporter {
    /// One where this process works on a job.
    pub fn new() -> Option<Self> {
        JOB.get().map(|_| Self(Mutex::new((Progress::default(), None))))
    }

    /// A new phase begins.
    pub fn phase(&self, phase: &str, total: Option<u64>) {
        self.change(true, |progress| *progress = Progress { phase: phase.to_owned(), done: 0, total });
    }

    /// Some more steps are done.
    pub fn advance(&self, steps: u64) {
        self.change(false, |progress| progress.done += steps);
    }

    fn change(&self, now: bool, change: impl FnOnce(&mut Progress)) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (progress, written) = &mut *held;
        change(progress);
        if (now || written.is_none_or(|at| at.elapsed() >= WRITE_EVERY))
            && let Some(job) = JOB.get()
        {
            // Who looks sees an older state; the work itself goes on.
            let _ = write(&job.folder.join(PROGRESS), progress);
            *written = Some(Instant::now());
        }
    }
}
