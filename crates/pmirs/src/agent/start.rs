//! Starting an agent in the background.

use std::env;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::protocol::Seed;
use super::server::READY;
use super::{TTL_ENV, ttl};

/// Starts an agent that holds `seed` for `home`, and returns once it answers. None is started when the
/// environment asks for a lifetime of 0.
pub fn start(home: &Path, seed: &Seed) -> io::Result<()> {
    let ttl = ttl();
    if ttl.is_zero() {
        return Ok(());
    }
    let mut child = Command::new(env::current_exe()?)
        .arg("--home")
        .arg(home)
        .arg("agent")
        .env_clear()
        .env(TTL_ENV, ttl.as_secs().to_string())
        .envs(env::var_os("TMPDIR").map(|folder| ("TMPDIR", folder)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(seed.as_slice())?;
    }
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(READY.len() as u64).read_to_end(&mut answer)?;
    }
    // An agent that found another one serving ends without a word, and that is as good.
    if answer == READY || child.wait()?.success() {
        return Ok(());
    }
    Err(io::Error::other("the agent ended before it was ready"))
}
