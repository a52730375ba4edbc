//! Where the socket lies, and who may speak over it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

/// The kernel's limit is 108 bytes on Linux and 104 on macOS, with a closing zero.
const LONGEST_PATH: usize = 100;

/// Both sides are on this machine and answer at once; a peer that stalls is broken.
const PATIENCE: Duration = Duration::from_secs(2);

/// The socket of the agent that serves `home`: inside it, or in a private temporary folder when that path is
/// too long for a socket.
pub fn path(home: &Path) -> io::Result<PathBuf> {
    let home = fs::canonicalize(home)?;
    let inside = home.join("agent.sock");
    if inside.as_os_str().len() <= LONGEST_PATH {
        return Ok(inside);
    }
    let user = rustix::process::geteuid().as_raw();
    let folder = env::temp_dir().join(format!("pmirs-{user}"));
    make_private(&folder)?;
    let mut hasher = DefaultHasher::new();
    home.hash(&mut hasher);
    Ok(folder.join(format!("{:016x}.sock", hasher.finish())))
}

/// Makes the folder for this user alone, or checks that it is so.
fn make_private(folder: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(folder)?;
            let private = found.is_dir()
                && found.uid() == rustix::process::geteuid().as_raw()
                && found.permissions().mode() & 0o777 == 0o700;
            if private { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
        }
        Err(error) => Err(error),
    }
}

/// Bounds how long either side waits for the other.
pub fn set_patience(stream: &UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}

/// Whether the process at the other end runs as this user. Where the kernel cannot be asked, the modes of the
/// socket and its folder have to do.
pub fn is_same_user(stream: &UnixStream) -> bool {
    #[cfg(target_os = "linux")]
    {
        rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid == rustix::process::geteuid())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = stream;
        true
    }
}
