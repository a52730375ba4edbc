//! The side of the commands: asking an agent, if one is there.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::protocol::{Reply, Request, Seed};
use super::socket;

/// The seed that an agent holds for `home`. Nothing when there is none: no agent, or one that does not answer
/// properly, is a reason to ask the person, not to fail.
pub fn seed(home: &Path) -> Option<Seed> {
    match ask(home, Request::Seed) {
        Ok(Some(Reply::Seed(seed))) => Some(seed),
        _ => None,
    }
}

/// How long the agent of `home` would stay without use.
pub fn remaining(home: &Path) -> Option<Duration> {
    match ask(home, Request::Remaining) {
        Ok(Some(Reply::Remaining(seconds))) => Some(Duration::from_secs(seconds.into())),
        _ => None,
    }
}

/// Ends the agent of `home`; false when there was none.
pub fn lock(home: &Path) -> io::Result<bool> {
    match ask(home, Request::Lock)? {
        Some(Reply::Locked) => Ok(true),
        Some(_) => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the agent gave an answer to another question"))
        }
        None => Ok(false),
    }
}

/// Puts one question; nothing when no agent listens, be it that its socket is gone or stale.
fn ask(home: &Path, request: Request) -> io::Result<Option<Reply>> {
    let connected = socket::path(home).and_then(UnixStream::connect);
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if !socket::is_same_user(&stream) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the agent's socket belongs to another user",
        ));
    }
    socket::set_patience(&stream)?;
    request.write(&mut stream)?;
    Reply::read(&mut stream).map(Some)
}
