//! `pmirs init` and `pmirs restore`: an identity for this home.

use std::io::{self, Write};

use pmirs_vault::{Vault, VaultError};
use serde::Serialize;

use crate::cli::{Global, Restore};
use crate::home;
use crate::output::{Answer, BOLD, DIM, Output};
use crate::report::Failure;
use crate::secret;

#[derive(Serialize)]
struct Made<'a> {
    home: String,
    safety_words: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_words: Option<&'a str>,
}

impl Answer for Made<'_> {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Your identity lies in {}, under your passphrase.\n", self.home)?;
        if let Some(words) = self.recovery_words {
            writeln!(
                out,
                "{BOLD}Recovery words{BOLD:#}: write them on paper now, they are not shown again.\n"
            )?;
            let words: Vec<_> = words.split(' ').collect();
            for (row, line) in words.chunks(6).enumerate() {
                let columns = line.iter().enumerate();
                let columns = columns
                    .map(|(column, word)| format!("{DIM}{:>4}{DIM:#} {word:<8}", row * 6 + column + 1));
                writeln!(out, "{}", columns.collect::<String>().trim_end())?;
            }
            writeln!(out)?;
        }
        writeln!(out, "{BOLD}Safety words{BOLD:#}: others know you by these; they are no secret.\n")?;
        writeln!(out, "  {}\n", self.safety_words)?;
        writeln!(
            out,
            "Next: `pmirs login URL --invite-file FILE`. `pmirs serve --data DIR` runs a cloud of your own."
        )
    }
}

pub fn init(global: &Global, output: Output) -> Result<(), Failure> {
    let home = home::folder(global)?;
    if Vault::exists(&home) {
        return Err(VaultError::HomeExists(home).into());
    }
    let passphrase = secret::new_passphrase(global.passphrase_file.as_deref())?;
    let (vault, words) = Vault::create(&home, &passphrase)?;
    let safety_words = vault.public_identity().safety_words();
    output.answer(&Made {
        home: home.display().to_string(),
        safety_words,
        recovery_words: Some(words.as_str()),
    })
}

pub fn restore(args: &Restore, global: &Global, output: Output) -> Result<(), Failure> {
    let home = home::folder(global)?;
    if Vault::exists(&home) {
        return Err(VaultError::HomeExists(home).into());
    }
    let words = secret::recovery_words(args.words_file.as_deref())?;
    let passphrase = secret::new_passphrase(global.passphrase_file.as_deref())?;
    let vault = Vault::restore(&home, &words, &passphrase)?;
    output.answer(&Made {
        home: home.display().to_string(),
        safety_words: vault.public_identity().safety_words(),
        recovery_words: None,
    })
}
