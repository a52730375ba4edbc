//! What can go wrong, and whose doing it is.

use std::path::PathBuf;

use pmirs_wire::problem::{Problem, ProblemKind};

/// An error of the client library. Each names its culprit.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A home that exists already must not be overwritten.
    #[error("{} already holds an identity", .0.display())]
    HomeExists(PathBuf),
    /// There is no identity yet.
    #[error("{} holds no identity", .0.display())]
    NoIdentity(PathBuf),
    /// The passphrase does not open the identity.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// The recovery words are not 24 valid words.
    #[error("the recovery words are not valid: {0}")]
    RecoveryWords(String),
    /// No account at any cloud yet.
    #[error("this home is not logged in to any cloud")]
    NotLoggedIn,
    /// The server shows another key than the pinned one.
    #[error("the server's key {got} is not the pinned one {pinned}")]
    ServerKeyChanged {
        /// Fingerprint that the server shows.
        got: String,
        /// Fingerprint that the invite or an earlier login pinned.
        pinned: String,
    },
    /// The server speaks of an unknown collection.
    #[error("there is no collection named '{0}'")]
    NoCollection(String),
    /// A name must lead to one collection.
    #[error("a collection named '{0}' exists already")]
    CollectionExists(String),
    /// A name that no collection can have.
    #[error("'{name}' cannot be a collection's name: {reason}")]
    CollectionName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No such item in the collection.
    #[error("there is no item {0} in this collection")]
    NoItem(String),
    /// The collection was made with another model.
    #[error("the collection holds embeddings of '{collection}', the encoder in use is '{encoder}'")]
    OtherModel {
        /// Model of the collection.
        collection: String,
        /// Model in use.
        encoder: String,
    },
    /// A record does not open, or is not what its author wrote: the server or its disk altered it.
    #[error("{field} of {what} is not what its author wrote: {reason}")]
    Altered {
        /// Which item or collection.
        what: String,
        /// Which field.
        field: &'static str,
        /// What the check found.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A captions file is not what it should be.
    #[error("{} line {line}: {reason}", path.display())]
    Captions {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// The local store is damaged or cannot be used.
    #[error("the local store {}: {reason}", path.display())]
    Local {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The query cannot be embedded.
    #[error("the query: {0}")]
    Query(String),
    /// The address is not a server's.
    #[error("'{url}' is not a server's address: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The server cannot be reached.
    #[error("{url} does not answer: {reason}")]
    Unreachable {
        /// The server.
        url: String,
        /// What the network says.
        reason: String,
    },
    /// The server answers something that is no answer.
    #[error("the server's answer to {request} is not valid: {reason}")]
    BadAnswer {
        /// Method and path.
        request: String,
        /// What is wrong.
        reason: String,
    },
    /// The server says no.
    #[error("the server refuses {request}: {problem}")]
    Refused {
        /// Method and path.
        request: String,
        /// Its reason.
        problem: Problem,
    },
    /// The encoder fails.
    #[error(transparent)]
    Encoder(#[from] pmirs_encoder::EncoderError),
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(String),
    /// A mistake of this library.
    #[error("internal error, please report it: {0}")]
    Internal(String),
}

impl VaultError {
    /// The server's refusal, where this is one.
    pub fn refusal(&self) -> Option<ProblemKind> {
        match self {
            Self::Refused { problem, .. } => Some(problem.kind),
            _ => None,
        }
    }

    pub(crate) fn file(path: &std::path::Path, reason: &dyn std::fmt::Display) -> Self {
        Self::File { path: path.to_owned(), reason: reason.to_string() }
    }
}

impl From<pmirs_wire::EncodeError> for VaultError {
    fn from(error: pmirs_wire::EncodeError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<pmirs_index::IndexError> for VaultError {
    fn from(error: pmirs_index::IndexError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<pmirs_veil::VeilError> for VaultError {
    fn from(error: pmirs_veil::VeilError) -> Self {
        Self::Internal(error.to_string())
    }
}
