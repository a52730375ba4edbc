use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Why a party cannot start, or stopped by itself. What an order runs into is a
/// [`Refused`](pmirs_wire::split::Refused) in its answer instead.
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
    /// Another party works on this folder.
    #[error("{path} is in use by another party")]
    InUse {
        /// The data folder.
        path: PathBuf,
    },
    /// The file of parties is not one.
    #[error("parties {path}: {detail}")]
    Parties {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The folder's keys are not among the three.
    #[error(
        "the keys of {path} are not those of any of the three parties: does its entry come from 'party describe'?"
    )]
    Stranger {
        /// The data folder.
        path: PathBuf,
    },

    // A bad payload
    /// A stored file is not what was written.
    #[error("{path} is damaged: {detail}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
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
    /// The listening socket failed.
    #[error("the party stopped: {0}")]
    Serve(#[source] io::Error),
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path: path.clone(), source }
    }

    pub(crate) fn damaged(path: &Path, detail: impl Into<Detail>) -> Self {
        Self::Damaged { path: path.to_owned(), detail: detail.into().0 }
    }
}

/// What is wrong with a file, in words.
pub(crate) struct Detail(String);

macro_rules! detail {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Detail {
            fn from(what: $kind) -> Self {
                Self(what.to_string())
            }
        })*
    };
}

detail!(&str, String, pmirs_wire::DecodeError, pmirs_wire::EncodeError, crate::members::Rejected);
