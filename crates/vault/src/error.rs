//! What can go wrong, and whose doing it is.

use std::path::PathBuf;

use pmirs_wire::CollectionId;
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
    /// The server does not list a collection that this person had a part in.
    #[error(
        "the cloud does not list the collection '{collection}' ({id}) any more: it was deleted, you were removed from it, or \
         the cloud hides it"
    )]
    Unlisted {
        /// Its name, or its identifier.
        collection: String,
        /// Its identifier.
        id: CollectionId,
    },
    /// A file of parties that names no three servers.
    #[error("the parties: {0}")]
    Parties(String),
    /// A search was to use an index that the three servers do not have.
    #[error("{0} has no index")]
    NoIndex(String),
    /// One of the three servers, or all together, answered what no honest ones do.
    #[error("the party {party}: {reason}")]
    Party {
        /// Which.
        party: String,
        /// What is wrong.
        reason: String,
    },
    /// One of the three servers does not hold a collection as the two others do.
    #[error(
        "the party {party} does not hold this collection as the two others do: its store was lost or set back, or it does \
         not know this account yet"
    )]
    PartyLacks {
        /// Which.
        party: String,
    },
    /// A collection that no three servers search.
    #[error("'{0}' is searched by no three servers: it is not at the level 'split'")]
    NotSplit(String),
    /// Several collections have the name, by different people.
    #[error("several collections are named '{0}'")]
    Ambiguous(String),
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
    /// No model at hand is the collection's.
    #[error("the collection holds embeddings of '{collection}', and what is here is '{encoder}'")]
    OtherModel {
        /// Model of the collection: name and version.
        collection: String,
        /// SHA-256 of its pack; empty where the collection does not say.
        digest: String,
        /// A model of the same name, or else the one in use.
        encoder: String,
    },
    /// A model at hand has the name and version of the collection's, and other files.
    #[error("the model '{model}' here has the digest {here}, the collection's has {collection}")]
    OtherPack {
        /// Name and version of both.
        model: String,
        /// SHA-256 of the collection's.
        collection: String,
        /// SHA-256 of the one at hand.
        here: String,
    },
    /// The collection went over to another model while items were embedded for the one before.
    #[error("the collection went over to another model meanwhile")]
    NewModel,
    /// Where others score embeddings, all of a collection have one length.
    #[error(
        "a {protection} collection scores embeddings of {expected} numbers, those of '{model}' have {got}"
    )]
    OtherDimension {
        /// The collection's level.
        protection: pmirs_wire::collection::Protection,
        /// The model that it was to go over to.
        model: String,
        /// Its dimension.
        got: u32,
        /// The collection's.
        expected: u32,
    },
    /// A collection is not yet done with going over to models that came before.
    #[error("the collection is still on its way from {0} earlier models")]
    ManyModels(usize),
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
    /// The server shows this client another history than it showed before, or showed somebody else.
    #[error("the history of collection {collection} forks at entry {number}: {reason}")]
    Forked {
        /// Which collection.
        collection: String,
        /// The first entry that is known to differ.
        number: u64,
        /// What the check found.
        reason: String,
    },
    /// The rules of the collection's history forbid it.
    #[error("the collection's rules forbid this change: {reason}")]
    NotAllowed {
        /// What was to be done.
        action: &'static str,
        /// Why not.
        reason: String,
    },
    /// A new epoch began while items were sealed for the one before.
    #[error("the collection went into a new epoch meanwhile")]
    NewEpoch,
    /// Others change the collection all the time.
    #[error("others change the collection faster than this client can follow")]
    Busy,
    /// Nobody of this name is known here.
    #[error("there is no contact named '{0}'")]
    NoContact(String),
    /// A name that no person can have.
    #[error("'{0}' is not a person's name: it is made of a to z, 0 to 9, '.', '_' and '-'")]
    PersonName(String),
    /// Somebody else has the name at this cloud.
    #[error("somebody at this cloud is named '{0}' already; the invite is not spent")]
    NameTaken(String),
    /// The server shows another key for a person than the pinned one.
    #[error("the server shows another key for '{name}' than the pinned one: its words are '{got}'")]
    ContactChanged {
        /// Who.
        name: String,
        /// Safety words of the key that the server shows.
        got: String,
    },
    /// A collection was shared by somebody who is no contact.
    #[error("'{collection}' was shared by somebody who is not among your contacts: '{words}'")]
    UnknownSharer {
        /// The collection's name.
        collection: String,
        /// Safety words of whoever shared it.
        words: String,
    },
    /// People of other clouds cannot be reached from here.
    #[error("'{named}' is another cloud than this home's, {own}")]
    OtherServer {
        /// The cloud that was named.
        named: String,
        /// This home's.
        own: String,
    },
    /// A tag that no item can have.
    #[error("the tag '{tag}': {reason}")]
    Tag {
        /// The tag.
        tag: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// This device was revoked by another one of the same person.
    #[error("this device was revoked at {url}")]
    DeviceRevoked {
        /// The cloud.
        url: String,
    },
    /// Nobody of this person's devices has this identifier.
    #[error("there is no device {0}")]
    NoDevice(String),
    /// A pairing did not come about.
    #[error("the pairing failed: {0}")]
    Pairing(String),
    /// Others depend on this person in a collection.
    #[error("'{0}' has other members and no other owner")]
    LastOwner(String),
    /// Nobody of this name has a part in the collection.
    #[error("'{0}' is not a member of this collection")]
    NotMember(String),
    /// No federation can be run by these terms.
    #[error("the federation {federation} cannot be started: {reason}")]
    Terms {
        /// Its name.
        federation: String,
        /// What is wrong.
        reason: String,
    },
    /// Only members take part in a federation.
    #[error("you are not among the members of the federation {0}")]
    NoMember(String),
    /// The coordinator of a federation did what no honest one does.
    #[error("the federation {federation}: {reason}")]
    Federation {
        /// Its name, or the file that describes it.
        federation: String,
        /// What is wrong.
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
    /// The three servers hold no such model that this person may use, of anybody they know.
    #[error("the three servers hold no model '{0}' that you may use")]
    NoModel(String),
    /// Under this name and version other weights lie at the three servers.
    #[error("another model is shared with the three servers as '{0}'")]
    OtherWeights(String),
    /// The privacy ledger is not the one that this home wrote.
    #[error("the privacy ledger {}: {reason}", path.display())]
    Ledger {
        /// Its file.
        path: PathBuf,
        /// What the check found.
        reason: pmirs_privacy::ledger::LedgerError,
    },
    /// Something would be let out that this home does not allow; it was not.
    #[error(transparent)]
    Privacy(pmirs_privacy::ledger::Refusal),
    /// The encoder fails.
    #[error(transparent)]
    Encoder(pmirs_encoder::EncoderError),
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

impl From<pmirs_encoder::EncoderError> for VaultError {
    /// What three servers said instead of encoding says it itself.
    fn from(error: pmirs_encoder::EncoderError) -> Self {
        match error {
            pmirs_encoder::EncoderError::Elsewhere(error) => match error.downcast::<Self>() {
                Ok(own) => *own,
                Err(error) => Self::Encoder(pmirs_encoder::EncoderError::Elsewhere(error)),
            },
            error => Self::Encoder(error),
        }
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
