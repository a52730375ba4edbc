//! Giving an order: a process is started that works on it, and outlives this one.

use std::env;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use pmirs_vault::IdentitySeed;

use super::work::{FOLDER_ENV, READY};
use super::{ANSWER, Job, LOCK, ORDER, Order, jobs, write};

/// Bytes of what a job that does not start may say.
const LONGEST_WORD: u64 = 4096;

/// Starts this program with other arguments in the background, with the identity of this one. It returns once the
/// job is under way.
pub fn start(home: &Path, seed: &IdentitySeed, arguments: &[&str]) -> io::Result<Job> {
    let home = std::path::absolute(home)?;
    let job = make(&home)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let order = Order {
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        started_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
    };
    write(&job.folder.join(ORDER), &order)?;
    File::create(job.folder.join(LOCK))?;
    // The job says that it is ready, or what is wrong, on its standard error before it turns that to its log.
    let mut child = Command::new(env::current_exe()?)
        .arg("--home")
        .arg(&home)
        .arg("--json")
        .args(arguments)
        .env(FOLDER_ENV, &job.folder)
        .env_remove("PMIRS_PASSPHRASE")
        .env_remove("PMIRS_RECOVERY_WORDS")
        .env_remove("PMIRS_INVITE")
        .stdin(Stdio::piped())
        .stdout(File::create(job.folder.join(ANSWER))?)
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(seed.expose_secret())?;
    }
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        stderr.take(LONGEST_WORD).read_to_string(&mut said)?;
    }
    if said == READY {
        return Ok(job);
    }
    let _ = child.wait();
    Err(io::Error::other(format!("it ended before it was ready: {}", said.trim())))
}

/// A folder of its own, also where another process makes one at the same time.
fn make(home: &Path) -> io::Result<Job> {
    let jobs = jobs(home);
    DirBuilder::new().recursive(true).mode(0o700).create(&jobs)?;
    let mut number = Job::all(home)?.last().map_or(1, |last| last.number + 1);
    loop {
        let folder = jobs.join(number.to_string());
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(Job { number, folder }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}
