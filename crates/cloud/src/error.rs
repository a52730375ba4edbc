use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::storage::StorageError;

/// Why a server cannot start, or stopped by itself. What a request runs into is a
/// [`Problem`](pmirs_wire::problem::Problem) in its answer instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    // The caller's misuse
    /// Anyone between client and server could read who talks when, so this is refused.
    #[error("{listen} is not a loopback address, so it needs TLS: give a certificate and a key")]
    PlainListen {
        /// The address that was asked for.
        listen: SocketAddr,
    },
    /// The certificate or its key is not usable.
    #[error("TLS file {path}: {detail}")]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// Another server works on this folder.
    #[error("{path} is in use by another server")]
    InUse {
        /// The data folder.
        path: PathBuf,
    },

    // A bad payload
    /// The server's key file is not one.
    #[error("server key {path}: {detail}")]
    ServerKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// There is content, and no record of whose it is.
    #[error("{path} knows no account, but the folder holds content: the database was lost or left behind")]
    LostRecords {
        /// The database.
        path: PathBuf,
    },
    /// The data folder holds something that no part of the server declares.
    #[error("{place} is not declared by this version of the server")]
    Undeclared {
        /// The file, or table and column.
        place: String,
    },

    // A failed dependency
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The address could not be taken.
    #[error("cannot listen on {listen}: {source}")]
    Bind {
        /// The address that was asked for.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The database or the content store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The listening socket failed.
    #[error("the server stopped: {0}")]
    Serve(#[source] io::Error),
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
