//! A person's devices, account and data.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// List your devices at the cloud, shut one out, let another one in
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  \
    pmirs devices                       # which ones there are\n  \
    pmirs devices approve 7KQ2-M9XD     # hand your identity to a new one, which shows this code\n  \
    pmirs devices revoke 3f9a2c41\n\n\
    Another way to let a device in is `pmirs restore` there, with the recovery words.")]
pub struct Devices {
    #[command(subcommand)]
    pub command: Option<DevicesCommand>,
}

#[derive(Debug, Subcommand)]
pub enum DevicesCommand {
    /// List your devices, revoked ones too
    List,
    Approve(DevicesApprove),
    Revoke(DevicesRevoke),
}

/// Hand your identity to a new device
///
/// The new device runs `pmirs join URL` and shows a code, then four words. This one hands over the identity only if you
/// type the words that the new device shows and they are the ones that this device worked out: a cloud that stands in
/// between would have to guess them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs devices approve 7KQ2-M9XD")]
pub struct DevicesApprove {
    /// The code that the new device shows
    pub code: String,
    /// Read the words that the new device shows from FILE instead of asking
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub words_file: Option<PathBuf>,
}

/// End a device's sessions and logins, now
///
/// Every device holds your identity. If somebody has one that was unlocked, they have the identity too: make a new
/// one, share your collections with it, and delete this account.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs devices revoke 3f9a2c41")]
pub struct DevicesRevoke {
    /// Identifier of the device, or its first characters
    pub device: String,
}

/// Get your identity from a device of yours, and log in with it
///
/// Shows a code to type there with `pmirs devices approve CODE`, then four words to compare.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs join https://cloud.example.org")]
pub struct Join {
    /// Where the cloud answers
    #[arg(value_hint = ValueHint::Url)]
    pub url: String,
    /// Trust the certificate authority in this PEM file instead of the public ones
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Option<PathBuf>,
    /// The words are compared on the other device alone; do not ask here
    #[arg(long)]
    pub yes: bool,
}

/// Your account at the cloud
#[derive(Debug, Subcommand)]
pub enum Account {
    Delete(AccountDelete),
}

/// Delete your account with everything that is yours alone
///
/// Collections that nobody else uses go with all that is in them; those of others are left. A collection that others use
/// and that has no other owner stands in the way: make somebody else its owner, or delete it. The identity stays in this
/// home.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs export ~/pmirs-export && pmirs account delete")]
pub struct AccountDelete {
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Write everything that is yours into a new folder, in open formats
///
/// For each collection: contents as files, metadata and embeddings as JSON lines, keys, and the signed history; beside
/// them your public identity and your contacts. What is written is not encrypted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs export ~/pmirs-export")]
pub struct Export {
    /// Folder to write into; made if missing, and empty otherwise
    #[arg(value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
}

/// Say who opened what in a collection; for its owners
///
/// Whoever fetches an item signs for it, so the cloud cannot make an access up; it can leave one out. It keeps the latest
/// ones. A search fetches no content.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs accesses photos")]
pub struct Accesses {
    /// Name of the collection
    pub collection: String,
}

/// Attach tags to items, or take them away
///
/// `pmirs search --tag` finds items by them. The cloud cannot read them; at `veiled` it sees which items share one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs tag photos 3f9a2c41 77b0de02 --add holiday --add 'summer 2026'\n  \
    pmirs tag photos 3f9a2c41 --remove holiday")]
pub struct Tag {
    /// Name of the collection
    pub collection: String,
    /// Identifiers of the items, or their first characters
    #[arg(required = true)]
    pub items: Vec<String>,
    /// Attach this tag (repeatable)
    #[arg(long, value_name = "TAG", required_unless_present = "remove")]
    pub add: Vec<String>,
    /// Take this tag away (repeatable)
    #[arg(long, value_name = "TAG")]
    pub remove: Vec<String>,
}

/// List what runs in the background, stop it, or forget what ended
///
/// A job keeps the identity unlocked for itself until it ends, and outlives the terminal. One that was stopped or killed goes
/// on where it was when its command is given again.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  \
    pmirs rekey photos --background    # starts one\n  \
    pmirs jobs                         # how far it is\n  \
    pmirs jobs stop 1\n  \
    pmirs jobs clear")]
pub struct Jobs {
    #[command(subcommand)]
    pub command: Option<JobsCommand>,
}

#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// List all jobs, ended ones too
    List,
    /// Stop a job
    Stop {
        /// Its number
        job: u64,
    },
    /// Forget the jobs that ended
    Clear,
}
