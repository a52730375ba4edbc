//! What an error of a library means to a person: an exit code, and what to do next.

use pmirs_vault::VaultError;
use pmirs_wire::problem::ProblemKind;

use crate::exit::Exit;
use crate::report::Failure;

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        let (exit, hint) = explain(&error);
        Self::new(exit, &error, hint)
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each error")]
fn explain(error: &VaultError) -> (Exit, String) {
    let (exit, hint) = match error {
        VaultError::Federation { .. } => (
            Exit::Integrity,
            "compare the federation's words with the other members; if they differ, take no part in it",
        ),
        VaultError::Terms { .. } => (
            Exit::Usage,
            "few members allow neither `--corrupt` nor `--dropout`; `pmirs federate start --help` says what each promises",
        ),
        VaultError::NoMember(_) => {
            (Exit::NotAllowed, "its members were fixed when it was started; ask its owner to start another")
        }
        VaultError::NoIdentity(_) => {
            (Exit::Locked, "make one with `pmirs init`, or bring yours back with `pmirs restore`")
        }
        VaultError::HomeExists(_) => {
            (Exit::Exists, "use it as it is, or name another folder with --home DIR")
        }
        VaultError::WrongPassphrase => (
            Exit::Locked,
            "try again; if it is lost, `pmirs restore` in another --home needs only the recovery words",
        ),
        VaultError::RecoveryWords(_) => {
            (Exit::Usage, "type all 24 words in their order, with blanks between them")
        }
        VaultError::NotLoggedIn => (Exit::Network, "run `pmirs login URL --invite-file FILE`"),
        VaultError::ServerKeyChanged { .. } => (
            Exit::Integrity,
            "somebody may stand between you and the cloud: ask its operator before you go on",
        ),
        VaultError::NoCollection(_) => (Exit::NotFound, "`pmirs collection list` shows the ones you have"),
        VaultError::Ambiguous(_) => {
            (Exit::Usage, "name it by its identifier, which `pmirs collection list --json` shows")
        }
        VaultError::Unlisted { .. } => (
            Exit::NotFound,
            "ask one of its owners; `pmirs collection forget ID` forgets what this machine knows of it",
        ),
        VaultError::Parties(_) => (
            Exit::Usage,
            "a file of parties is what `pmirs party describe` prints on each of the three servers, one after another",
        ),
        VaultError::Party { .. } => (
            Exit::Integrity,
            "one of the three servers is broken or lies: do not rely on the answer, and ask the operators; `pmirs verify \
             NAME` says what else is wrong",
        ),
        VaultError::PartyLacks { party } => {
            let hint = format!(
                "`pmirs party repair COLLECTION --party {party}` gives it its shares again, once its operator has started it \
                 with the keys that it had; whoever was made a member just now asks an owner to run any command"
            );
            return (Exit::Network, hint);
        }
        VaultError::NotSplit(_) => (Exit::Usage, "`pmirs collection list` shows the level of each"),
        VaultError::NoIndex(_) => (
            Exit::NotFound,
            "an owner makes one with `pmirs collection index NAME`; without --index every item is looked at",
        ),
        VaultError::CollectionExists(_) => (Exit::Exists, "choose another name"),
        VaultError::CollectionName { .. } => (Exit::Usage, "choose another name"),
        VaultError::Tag { .. } => (Exit::Usage, "a tag is a word or a few, such as 'summer 2026'"),
        VaultError::DeviceRevoked { .. } => (
            Exit::Network,
            "another of your devices shut this one out; if that was not you, your identity is in other hands",
        ),
        VaultError::NoDevice(_) => (Exit::NotFound, "`pmirs devices` lists them"),
        VaultError::Pairing(_) => {
            (Exit::Failure, "start again: `pmirs join URL` on the new device shows another code")
        }
        VaultError::LastOwner(_) => (
            Exit::Failure,
            "`pmirs share NAME PERSON --role owner` makes somebody else its owner, or delete it; nothing was deleted",
        ),
        VaultError::NoItem(_) => (Exit::NotFound, "`pmirs collection show NAME` lists its items"),
        VaultError::OtherModel { collection, digest, .. } => {
            let digest = if digest.is_empty() { String::new() } else { format!(" (SHA-256 {digest})") };
            let hint = format!(
                "ask a member for the pack of '{collection}'{digest}, then `pmirs model add FOLDER`; `pmirs model list` shows \
                 the ones you have"
            );
            return (Exit::Failure, hint);
        }
        VaultError::Altered { field: "history", .. } => (
            Exit::Integrity,
            "`pmirs verify NAME` lists what is missing; if the cloud was restored on purpose, \
             `pmirs collection forget NAME` takes what it holds now",
        ),
        VaultError::Altered { field: "search answer", .. } => (
            Exit::Integrity,
            "the cloud's answers are not whole: do not rely on them, and ask its operator; `pmirs verify NAME` says what \
             else is wrong",
        ),
        VaultError::Altered { .. } => {
            (Exit::Integrity, "`pmirs verify` lists everything that the cloud did not keep as written")
        }
        VaultError::Forked { .. } => (
            Exit::Integrity,
            "the cloud tells different stories: trust none of its answers about this collection; compare `pmirs log NAME` with \
             other members to see where the stories part, and ask the cloud's operator",
        ),
        VaultError::NoModel(_) => (
            Exit::NotFound,
            "its owner shares it with `pmirs model split MODEL --parties FILE --for NAME`, and must be a contact of yours or \
             own the collection",
        ),
        VaultError::OtherWeights(_) => (
            Exit::Exists,
            "`pmirs model unsplit MODEL --parties FILE` erases it there; or give this one another version",
        ),
        VaultError::NotAllowed { action: "leave", .. } => (
            Exit::NotAllowed,
            "make somebody else an owner first with `pmirs share NAME WHO --role owner`, or delete it with `pmirs collection \
             delete NAME`",
        ),
        VaultError::NotAllowed { .. } => {
            (Exit::NotAllowed, "`pmirs collection show NAME` lists who may do what; ask one of the owners")
        }
        VaultError::OtherPack { .. } => (
            Exit::Integrity,
            "two packs have one name and version: ask the collection's owner for theirs, and `pmirs model remove` yours before \
             you add it",
        ),
        VaultError::NewModel => (
            Exit::Failure,
            "its owner is done with the model that this was embedded by: run the command again, it adds what is missing",
        ),
        VaultError::OtherDimension { .. } => (
            Exit::Usage,
            "such a model needs a collection of its own: `pmirs collection new`, then `pmirs add`; a sealed one can go over",
        ),
        VaultError::ManyModels(_) => (
            Exit::Failure,
            "let it arrive first: `pmirs model use PACK --collection NAME --wait` with the model that it has now",
        ),
        VaultError::NewEpoch => (
            Exit::Failure,
            "somebody was removed, or keys were changed, while this ran: run the command again, it adds what is missing",
        ),
        VaultError::Busy => (Exit::Failure, "wait a moment, then run the command again"),
        VaultError::NoContact(_) => {
            (Exit::NotFound, "run `pmirs contact add NAME` first; `pmirs contact list` shows whom you have")
        }
        VaultError::PersonName(_) => (Exit::Usage, "people are named as in `ben` or `ben@cloud.example.org`"),
        VaultError::NameTaken(_) => (Exit::Exists, "choose another one with --name"),
        VaultError::ContactChanged { .. } => (
            Exit::Integrity,
            "they made a new identity, or somebody stands between you: ask them in person or on the telephone, and \
             only if they read out these words, run `pmirs contact verify NAME`",
        ),
        VaultError::UnknownSharer { .. } => (
            Exit::NotFound,
            "ask whoever shared it for their name, then `pmirs contact add NAME`; it must show these words",
        ),
        VaultError::OtherServer { .. } => (Exit::Usage, "both of you need an account at the same cloud"),
        VaultError::NotMember(_) => (
            Exit::NotFound,
            "`pmirs collection show NAME` lists the members; one who is no contact goes by the first 8 characters of their \
             account's identifier",
        ),
        VaultError::File { path, .. } if !path.exists() => {
            (Exit::NotFound, "check the path for a typing mistake")
        }
        VaultError::File { .. } => (Exit::Failure, "check the path, its permissions and the disk"),
        VaultError::Captions { .. } => {
            (Exit::Usage, "it takes tab-separated lines under the header `image<TAB>caption`")
        }
        VaultError::Local { .. } => (
            Exit::Failure,
            "check the disk; moved away, it is made anew by `pmirs login` and the next search",
        ),
        VaultError::Query(_) => (Exit::Usage, "describe in a few words what you look for"),
        VaultError::Url { .. } => (Exit::Usage, "an address looks like https://cloud.example.org"),
        VaultError::Unreachable { reason, .. } if reason.contains("certificate") => (
            Exit::Network,
            "if the cloud has an authority of its own, name its certificate with `pmirs login URL --ca FILE`",
        ),
        VaultError::Unreachable { url, .. } if url.starts_with("the party") => (
            Exit::Network,
            "all three must run: ask its operator; if it is elsewhere now, `pmirs party moved FILE` takes note",
        ),
        VaultError::Unreachable { .. } => (Exit::Network, "check the address; `pmirs serve` starts a cloud"),
        VaultError::BadAnswer { .. } => (Exit::Network, "is this a PMIRS cloud, and of a matching version?"),
        VaultError::Refused { problem, .. } => refused(problem.kind),
        VaultError::Ledger { .. } => (
            Exit::Integrity,
            "nothing more is let out from this home: bring the file back from a backup, for what was let out cannot be told \
             without it",
        ),
        VaultError::Privacy(_) => (
            Exit::Failure,
            "nothing was let out; `pmirs privacy ledger` shows what was until now, `pmirs privacy budget` what this home allows",
        ),
        VaultError::Encoder(_) => (Exit::Failure, "`pmirs model info` shows whether the model pack is whole"),
        VaultError::Randomness(_) => {
            (Exit::Failure, "this system cannot make secrets; try again after a restart")
        }
        VaultError::Internal(_) => {
            (Exit::Failure, "a mistake in this program: please report the command and this line")
        }
    };
    (exit, hint.to_owned())
}

fn refused(kind: ProblemKind) -> (Exit, &'static str) {
    match kind {
        ProblemKind::BadRequest => (Exit::Failure, "is the cloud of a matching version?"),
        ProblemKind::Unauthenticated => {
            (Exit::Network, "log in with `pmirs login URL`; a new account needs an invite")
        }
        ProblemKind::NotFound => {
            (Exit::NotFound, "it may have been deleted; `pmirs collection list` shows what is there")
        }
        ProblemKind::Forbidden => {
            (Exit::NotAllowed, "ask an owner of the collection, or the cloud's administrator, to do it")
        }
        ProblemKind::Conflict => (Exit::Exists, "somebody else was faster; run the command again"),
        ProblemKind::TooLarge => {
            (Exit::Network, "remove something, or ask the cloud's operator for more room")
        }
        ProblemKind::TooMany => (Exit::Network, "wait a moment, then run the command again"),
        ProblemKind::Damaged => {
            (Exit::Integrity, "`pmirs verify NAME` lists what is damaged; the cloud's log names the file")
        }
        ProblemKind::Unavailable | ProblemKind::Internal => {
            (Exit::Network, "wait a moment, then run the command again; the cloud's log says more")
        }
    }
}

impl From<pmirs_cloud::Error> for Failure {
    fn from(error: pmirs_cloud::Error) -> Self {
        use pmirs_cloud::Error;
        let (exit, hint) = match &error {
            Error::PlainListen { .. } => (Exit::Usage, "name both with --tls-cert FILE and --tls-key FILE"),
            Error::Tls { .. } => {
                (Exit::Usage, "both are PEM files: the certificate chain, and its private key")
            }
            Error::InUse { .. } => {
                (Exit::Exists, "stop the other server, or name another folder with --data DIR")
            }
            Error::ServerKey { .. } => {
                (Exit::Integrity, "bring the file back from a backup: invites and clients pin it")
            }
            Error::LostRecords { .. } => {
                (Exit::Integrity, "bring the whole folder back from a backup, cloud.db-wal included")
            }
            Error::Undeclared { .. } => {
                (Exit::Integrity, "was the folder written by another version of pmirs?")
            }
            Error::File { .. } => (Exit::Failure, "check the path, its permissions and the disk"),
            Error::Bind { .. } => (Exit::Network, "choose another address or port with --listen ADDR"),
            Error::Storage(_) => (Exit::Failure, "check the disk, and that the folder is on this machine"),
            Error::Serve(_) => (Exit::Network, "start it again; the log says more"),
        };
        Self::new(exit, &error, hint)
    }
}

impl From<pmirs_encoder::import::ImportError> for Failure {
    fn from(error: pmirs_encoder::import::ImportError) -> Self {
        use pmirs_encoder::import::ImportError;
        let (exit, hint) = match &error {
            ImportError::Missing { .. } => (Exit::NotFound, "name the model's folder, or every file of it"),
            ImportError::Ambiguous { .. } | ImportError::TooMany { .. } => {
                (Exit::Usage, "name the files to use instead of the folder")
            }
            ImportError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                (Exit::NotFound, "check the path for a typing mistake")
            }
            ImportError::Read { .. } | ImportError::Write { .. } => {
                (Exit::Failure, "check the path, its permissions and the disk")
            }
            ImportError::NoPictures { .. } => (Exit::Usage, "name a folder that holds pictures itself"),
            ImportError::Dimensions { .. } => (Exit::Usage, "name the two files that were exported together"),
            _ => {
                (Exit::Failure, "this model cannot be used as it is; `pmirs model add --help` says which can")
            }
        };
        Self::new(exit, &error, hint)
    }
}

impl From<pmirs_encoder::EncoderError> for Failure {
    fn from(error: pmirs_encoder::EncoderError) -> Self {
        VaultError::from(error).into()
    }
}
