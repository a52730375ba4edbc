//! The agent: a small background process that holds the unlocked identity, so that Argon2id is paid once per
//! session and not once per command.
//!
//! ```text
//! pmirs search ──passphrase──> Argon2id ──seed──> pmirs agent   (started once; the seed travels over a pipe)
//! pmirs search <────────────────seed───────────── pmirs agent   (every command after that; a Unix socket)
//! pmirs lock   ─────────────────lock────────────> pmirs agent   (erases the seed and ends)
//! ```
//!
//! The socket has mode 0600, inside the home folder of mode 0700; on Linux the agent also asks the kernel for
//! the peer's user, forbids core dumps and debuggers, and asks for its memory to stay out of swap. It ends
//! after a while without use. On systems without Unix sockets there is no agent, and every command asks.

#[cfg(unix)]
mod client;
pub mod protocol;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod socket;
#[cfg(unix)]
mod start;

use std::env;
use std::time::Duration;

#[cfg(unix)]
pub use self::{client::lock, client::remaining, client::seed, server::run, start::start};

/// How long an agent that nobody asks keeps the seed, unless `PMIRS_AGENT_TTL` says otherwise.
const DEFAULT_TTL: Duration = Duration::from_mins(15);

/// Seconds that an unused agent lives; 0 means that none is started.
pub const TTL_ENV: &str = "PMIRS_AGENT_TTL";

/// The lifetime that the environment asks for.
pub fn ttl() -> Duration {
    let asked = env::var(TTL_ENV).ok().and_then(|text| text.trim().parse().ok());
    asked.map_or(DEFAULT_TTL, Duration::from_secs)
}

/// Without Unix sockets nothing is held: every command asks for the passphrase.
#[cfg(not(unix))]
mod absent {
    use std::io;
    use std::path::Path;
    use std::time::Duration;

    use super::protocol::Seed;

    pub fn seed(_home: &Path) -> Option<Seed> {
        None
    }

    pub fn remaining(_home: &Path) -> Option<Duration> {
        None
    }

    pub fn lock(_home: &Path) -> io::Result<bool> {
        Ok(false)
    }

    pub fn start(_home: &Path, _seed: &Seed) -> io::Result<()> {
        Ok(())
    }

    pub fn run(_home: &Path, _ttl: Duration) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
#[cfg(not(unix))]
pub use self::absent::{lock, remaining, run, seed, start};
