//! Everything that can be typed: help, completions and man pages all come from this one definition.

mod collection;
mod eval;
mod federate;
mod federation;
mod measure;
mod person;
mod privacy;
mod sharing;
mod start;

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

pub use collection::*;
pub use eval::*;
pub use federate::*;
pub use federation::*;
pub use measure::*;
pub use person::*;
pub use privacy::*;
pub use sharing::*;
pub use start::*;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Private search over your own pictures and notes.
///
/// Describe a picture and find it, through a cloud that cannot read it: everything that understands a picture
/// or a sentence runs on this computer, and the cloud keeps, ranks and delivers what it cannot open.
#[derive(Debug, Parser)]
#[command(
    name = "pmirs",
    version,
    styles = STYLES,
    max_term_width = 100,
    infer_long_args = false,
    disable_help_subcommand = true,
    after_help = "Start with `pmirs demo`, or `pmirs demo FOLDER` for your own pictures. \
                  `pmirs COMMAND --help` explains a command with examples; `pmirs --help` lists the exit codes.",
    after_long_help = concat_exit_codes(),
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

fn concat_exit_codes() -> String {
    format!(
        "First steps:\n  pmirs demo                       see it work on pictures that the program draws itself\n  \
         pmirs demo ~/Pictures            the same on your own folder; nothing is kept\n\n{}\n\nSecrets are asked for, \
         or read from a file or an environment variable, never from an argument: PMIRS_PASSPHRASE, \
         PMIRS_RECOVERY_WORDS, PMIRS_INVITE.",
        crate::exit::LIST
    )
}

/// Options that every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// Folder with your identity and local caches
    ///
    /// By default `pmirs` in the system's folder for application data, on Linux ~/.local/share/pmirs.
    #[arg(long, global = true, env = "PMIRS_HOME", value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = "Global options")]
    pub home: Option<PathBuf>,

    /// Read the passphrase from the first line of FILE
    ///
    /// Otherwise it is taken from PMIRS_PASSPHRASE, or asked for.
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Global options")]
    pub passphrase_file: Option<PathBuf>,

    /// Print one JSON object on standard output and nothing else there
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,

    /// No progress and no remarks; answers, warnings and errors only
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,

    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Global options")]
    pub color: ColorArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Demo(Demo),
    Init(Init),
    Restore(Restore),
    /// Enter the passphrase once; later commands do not ask for a while
    Unlock,
    /// Forget the passphrase now
    Lock,
    Serve(Serve),
    #[command(subcommand)]
    Party(Party),
    Login(Login),
    Invite(Invite),
    #[command(subcommand)]
    Contact(Contact),
    #[command(subcommand)]
    Collection(Collection),
    Add(Add),
    Search(Search),
    Get(Get),
    Rm(Rm),
    Tag(Tag),
    Devices(Devices),
    Join(Join),
    #[command(subcommand)]
    Account(Account),
    Export(Export),
    Accesses(Accesses),
    Status(Status),
    Verify(Verify),
    Share(Share),
    Revoke(Revoke),
    Rekey(Rekey),
    #[command(subcommand)]
    Federate(Federate),
    Jobs(Jobs),
    Log(Log),
    #[command(subcommand)]
    Model(Model),
    #[command(subcommand)]
    Eval(Eval),
    #[command(subcommand)]
    Bench(Bench),
    Audit(Audit),
    #[command(subcommand)]
    Privacy(Privacy),
    Completions(Completions),
    Man(Man),
    /// Print the "who learns what" table as Markdown
    #[command(hide = true)]
    Table,
    /// Hold the unlocked identity for a while (started by the program itself)
    #[command(hide = true)]
    Agent,
}

/// Print the completion script of a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs completions bash > ~/.local/share/bash-completion/completions/pmirs\n  \
    pmirs completions zsh > ~/.zfunc/_pmirs\n  \
    pmirs completions fish > ~/.config/fish/completions/pmirs.fish")]
pub struct Completions {
    /// Which shell
    pub shell: clap_complete::Shell,
}

/// Write the man pages into a folder
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs man ~/.local/share/man/man1 && man pmirs-search")]
pub struct Man {
    /// Folder; made if missing
    #[arg(value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn cutoffs() {
        assert_eq!("auto".parse(), Ok(CutoffArg::Auto));
        assert_eq!("-0.5".parse(), Ok(CutoffArg::Score(-0.5)));
        assert!("2".parse::<CutoffArg>().is_err());
        assert!("NaN".parse::<CutoffArg>().is_err());
    }

    #[test]
    fn no_secret_is_an_argument() {
        fn walk(command: &clap::Command) {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                let secret = ["passphrase", "password", "words", "invite", "token", "seed"].contains(&id);
                // `search WORDS` are not recovery words, and an evaluation's seed is no identity's.
                let harmless =
                    [("search", "words"), ("captions", "seed"), ("phrases", "seed"), ("simulate", "seed")]
                        .contains(&(command.get_name(), id));
                assert!(!secret || harmless, "{} {id}", command.get_name());
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }
}
