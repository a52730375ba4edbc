//! From the first look to an account: demonstration, identity, cloud, login.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use pmirs_wire::AccountId;

/// See everything work: a cloud, two people, two collections, searches
///
/// Starts a cloud inside this process, makes an identity, a `veiled` and a `sealed` collection, encrypts and
/// adds every picture and text of FOLDER, and searches them. Without FOLDER it draws a small gallery of its
/// own. Shares them with a second person, who finds the same, and takes them back. Shows hits with scores and timings,
/// what the cloud stored for one item, and who learns what.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs demo\n  \
    pmirs demo ~/Pictures/Holiday --query 'children playing in water'\n  \
    pmirs demo --keep /tmp/pmirs-demo    # leaves the cloud running; prints how to go on\n  \
    pmirs demo --federated               # four people teach the model what they call things\n  \
    pmirs demo --json | jq '.searches[].hits[0]'")]
pub struct Demo {
    /// Folder with pictures and text files; read, never changed
    #[arg(value_hint = ValueHint::DirPath)]
    pub folder: Option<PathBuf>,
    /// Search for these words instead of the built-in queries (repeatable)
    #[arg(long, value_name = "WORDS")]
    pub query: Vec<String>,
    /// Keep everything in DIR and leave the cloud running until Ctrl-C
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub keep: Option<PathBuf>,
    /// Show instead how four people train the model together, and nobody shows a picture
    #[arg(long, conflicts_with_all = ["folder", "query", "keep"])]
    pub federated: bool,
}

/// Make your identity and show its recovery words, once
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs init\n  \
    pmirs init --passphrase-file ~/.secrets/pmirs    # for scripts; or set PMIRS_PASSPHRASE\n\n\
    The passphrase protects the identity on this computer. The 24 recovery words are the identity: write them on \
    paper. Without them a lost passphrase or disk means that nobody can open your collections again.")]
pub struct Init {}

/// Bring an identity back from its recovery words
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs restore                             # asks for the words and a new passphrase\n  \
    pmirs restore --words-file words.txt\n\n\
    The words may also come from PMIRS_RECOVERY_WORDS. They are never taken from an argument.")]
pub struct Restore {
    /// Read the 24 recovery words from FILE
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub words_file: Option<PathBuf>,
}

/// Run the cloud that others log in to
///
/// It stores ciphertext and obfuscated vectors, and matches veiled queries. On an address other than loopback
/// it insists on TLS.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs serve --data ./cloud\n  \
    pmirs serve --data /srv/pmirs --listen 0.0.0.0:7443 --tls-cert cert.pem --tls-key key.pem\n  \
    pmirs serve --data ./cloud --new-invite guest.txt    # also writes an invite for one more person\n\n\
    Logs go to standard error; PMIRS_LOG sets the level (error, warn, info, debug).")]
pub struct Serve {
    /// Folder for the cloud's database and blobs
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: PathBuf,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7747")]
    pub listen: SocketAddr,
    /// Certificate chain in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = ValueHint::FilePath)]
    pub tls_cert: Option<PathBuf>,
    /// Private key in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = ValueHint::FilePath)]
    pub tls_key: Option<PathBuf>,
    /// Also write an invite for one more account to FILE
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub new_invite: Option<PathBuf>,
    /// Log lines as JSON
    #[arg(long)]
    pub log_json: bool,
}

/// Make an account at a cloud, or log in again
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs login http://127.0.0.1:7747 --invite-file invite.txt --name anna\n  \
    PMIRS_INVITE=... pmirs login https://cloud.example.org\n\n\
    The invite carries the cloud's own key: every search travels in an envelope that only that key opens. It is \
    needed once per cloud.")]
pub struct Login {
    /// Where the cloud answers, such as `https://cloud.example.org`
    #[arg(value_hint = ValueHint::Url)]
    pub url: String,
    /// Read the invite from FILE (or set PMIRS_INVITE)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub invite_file: Option<PathBuf>,
    /// Take this name, by which others at this cloud find you to share with you
    ///
    /// Made of a to z, 0 to 9, '.', '_' and '-'. The cloud sees it. An account takes it when it is made.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Trust the certificate authority in this PEM file instead of the public ones
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Option<PathBuf>,
}

/// Run one of the three servers that search secret shares: `split`
///
/// Three operators who do not conspire run one each. No one of them learns an embedding, a query, a score or a rank; any
/// two together learn all of it.
#[derive(Debug, Subcommand)]
pub enum Party {
    Describe(PartyDescribe),
    Serve(PartyServe),
    Moved(PartyMoved),
    Repair(PartyRepair),
}

/// Give one of a collection's three servers its shares again
///
/// Two of the three hold every share of the third. Where one lost or damaged its store, or was set back to an older one,
/// searches name it; its operator starts it with the keys that it had, and a member who may write runs this.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs party repair clinic                  # whichever of the three is in need\n  \
    pmirs party repair clinic --party east\n  \
    pmirs party repair clinic --rows           # and share every row anew, from the items themselves")]
pub struct PartyRepair {
    /// The collection
    #[arg(value_name = "COLLECTION")]
    pub collection: String,
    /// The server's name in the file of parties
    #[arg(long, value_name = "NAME")]
    pub party: Option<String>,
    /// Share every row anew: for rows that `pmirs verify` says are shares of something else
    #[arg(long)]
    pub rows: bool,
}

/// Take note of where three servers are now, for collections that they hold
///
/// A collection is bound to the keys of its three servers; their names and addresses may change. Each member who searches
/// it takes note once.
#[derive(Debug, Args)]
pub struct PartyMoved {
    /// The file of parties with the new addresses
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub parties: PathBuf,
}

/// Print this party's entry in the file of parties, and make its keys if there are none
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs party describe --data north --name north --url https://north.example:8787 --peer north.example:8788 > north.toml\n  \
    cat north.toml east.toml south.toml > parties.toml    # the same file for all three and for whoever makes collections")]
pub struct PartyDescribe {
    /// Folder for the party's keys and shares
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: PathBuf,
    /// What people call it
    #[arg(long)]
    pub name: String,
    /// Where clients reach it
    #[arg(long, value_hint = ValueHint::Url)]
    pub url: String,
    /// Where the two others reach it: host and port
    #[arg(long, value_name = "HOST:PORT")]
    pub peer: String,
}

/// Serve as one of the three
///
/// The links between the three bring their own mutual TLS 1.3, by the keys in the file of parties.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs party serve --data north --parties parties.toml --listen 127.0.0.1:8787 --peer-listen 127.0.0.1:8788\n  \
    pmirs party serve --data /srv/party --parties parties.toml --listen 0.0.0.0:8787 --peer-listen 0.0.0.0:8788 \
    --tls-cert cert.pem --tls-key key.pem\n\n\
    Logs go to standard error; PMIRS_LOG sets the level (error, warn, info, debug).")]
pub struct PartyServe {
    /// Folder with the party's keys and shares
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: PathBuf,
    /// The file of parties, this one among them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub parties: PathBuf,
    /// Address and port for clients
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8787")]
    pub listen: SocketAddr,
    /// Address and port for the two others
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8788")]
    pub peer_listen: SocketAddr,
    /// Let only this account make collections here (`pmirs login` names one's own); may be given several times
    #[arg(long, value_name = "ACCOUNT")]
    pub founder: Vec<AccountId>,
    /// Certificate chain for clients, in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = ValueHint::FilePath)]
    pub tls_cert: Option<PathBuf>,
    /// Private key for clients, in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = ValueHint::FilePath)]
    pub tls_key: Option<PathBuf>,
    /// Log lines as JSON
    #[arg(long)]
    pub log_json: bool,
}
