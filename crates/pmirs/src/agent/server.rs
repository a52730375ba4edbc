//! The agent itself: one thread, one connection at a time, one seed.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::{PollFd, PollFlags, poll};
use zeroize::Zeroizing;

use super::protocol::{Reply, Request, Seed};
use super::socket;

/// What the agent prints once it listens, so that whoever started it can go on.
pub const READY: &[u8] = b"ready\n";

/// Runs the agent: takes the seed from standard input, says that it is ready, and serves until it is told to
/// lock or nobody has asked for `ttl`.
pub fn run(home: &Path, ttl: Duration) -> io::Result<()> {
    leave_no_traces();
    let mut seed: Seed = Zeroizing::new([0; 32]);
    io::stdin().read_exact(seed.as_mut_slice())?;
    // A session of its own, so that closing the terminal does not end it. Fails only if it has one already.
    let _ = rustix::process::setsid();
    let Some(endpoint) = Endpoint::bind(&socket::path(home)?)? else {
        return Ok(());
    };
    let mut out = io::stdout().lock();
    out.write_all(READY)?;
    out.flush()?;
    drop(out);
    endpoint.serve(&seed, ttl)
}

/// No core dumps, no debugger of this user, no swap. Each is a second fence, so a refusal is not fatal.
fn leave_no_traces() {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{MlockAllFlags, mlockall};
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
    }
}

/// A listening socket that is removed when the agent ends, unless another agent has taken its place.
struct Endpoint {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Endpoint {
    /// Listens at `path`, replacing a socket that nobody serves any more. Nothing when a living agent is
    /// there.
    fn bind(path: &Path) -> io::Result<Option<Self>> {
        let listener = match UnixListener::bind(path) {
            Ok(listener) => listener,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if UnixStream::connect(path).is_ok() {
                    return Ok(None);
                }
                fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            Err(error) => return Err(error),
        };
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let inode = fs::metadata(path)?.ino();
        Ok(Some(Self { listener, path: path.to_owned(), inode }))
    }

    fn serve(&self, seed: &Seed, ttl: Duration) -> io::Result<()> {
        let mut last_use = Instant::now();
        while self.wait(ttl.saturating_sub(last_use.elapsed()))? {
            let (mut stream, _) = self.listener.accept()?;
            if !socket::is_same_user(&stream) || socket::set_patience(&stream).is_err() {
                continue;
            }
            // A client that sends rubbish or goes away harms only itself.
            let Ok(request) = Request::read(&mut stream) else { continue };
            let reply = match request {
                Request::Seed => {
                    last_use = Instant::now();
                    Reply::Seed(seed.clone())
                }
                Request::Remaining => Reply::Remaining(
                    ttl.saturating_sub(last_use.elapsed()).as_secs().try_into().unwrap_or(u32::MAX),
                ),
                Request::Lock => {
                    // Gone before the answer, so that whoever locked finds nothing to connect to.
                    self.remove();
                    let _ = Reply::Locked.write(&mut stream);
                    return Ok(());
                }
            };
            let _ = reply.write(&mut stream);
        }
        Ok(())
    }

    /// Waits for a connection; false when the time is up.
    fn wait(&self, limit: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(&mut [PollFd::new(&self.listener, PollFlags::IN)], Some(&timeout)) {
                Ok(0) => return Ok(false),
                Ok(_) => return Ok(true),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn remove(&self) {
        if fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::client;
    use super::*;

    /// An agent on a thread, and its home.
    fn agent(ttl: Duration) -> (tempfile::TempDir, thread::JoinHandle<io::Result<()>>) {
        let home = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::bind(&socket::path(home.path()).unwrap()).unwrap().unwrap();
        let thread = thread::spawn(move || endpoint.serve(&Zeroizing::new([5; 32]), ttl));
        (home, thread)
    }

    #[test]
    fn it_hands_out_the_seed_until_it_is_locked() {
        let (home, thread) = agent(Duration::from_mins(1));
        for _ in 0..3 {
            assert_eq!(client::seed(home.path()).as_deref(), Some(&[5; 32]));
        }
        assert!(client::remaining(home.path()).is_some_and(|left| left <= Duration::from_mins(1)));
        assert!(client::lock(home.path()).unwrap());
        thread.join().unwrap().unwrap();
        assert!(client::seed(home.path()).is_none());
        assert!(!client::lock(home.path()).unwrap());
    }

    #[test]
    fn it_ends_when_nobody_asks() {
        let (home, thread) = agent(Duration::from_millis(1));
        thread.join().unwrap().unwrap();
        assert!(!socket::path(home.path()).unwrap().exists());
    }

    #[test]
    fn rubbish_does_not_end_it() {
        let (home, thread) = agent(Duration::from_mins(1));
        let mut stream = UnixStream::connect(socket::path(home.path()).unwrap()).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        drop(stream);
        assert!(client::seed(home.path()).is_some());
        assert!(client::lock(home.path()).unwrap());
        thread.join().unwrap().unwrap();
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
        let home = tempfile::tempdir().unwrap();
        let path = socket::path(home.path()).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a listener that dies leaves its file");
        assert!(client::seed(home.path()).is_none());
        let first = Endpoint::bind(&path).unwrap().unwrap();
        assert!(Endpoint::bind(&path).unwrap().is_none());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn a_home_too_long_for_a_socket_still_gets_one() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("x".repeat(120));
        fs::create_dir(&deep).unwrap();
        let path = socket::path(&deep).unwrap();
        let endpoint = Endpoint::bind(&path).unwrap().unwrap();
        drop(endpoint);
    }
}
