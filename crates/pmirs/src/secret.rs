//! Where secrets come from: a file, an environment variable, or a prompt on the terminal. Never an argument,
//! which every process on the machine could read. And where new ones go.

use std::env;
use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use zeroize::Zeroizing;

use crate::exit::Exit;
use crate::report::Failure;

/// Shorter passphrases are refused: Argon2id slows guessing down, it does not stop it.
const SHORTEST_PASSPHRASE: usize = 8;
/// No secret file is larger; anything else was named by mistake.
const LARGEST_FILE: u64 = 16 * 1024;

const PASSPHRASE_ENV: &str = "PMIRS_PASSPHRASE";

/// A kind of secret: how it is asked for and where else it may stand.
struct Source<'a> {
    prompt: &'a str,
    env: &'static str,
    file: Option<&'a Path>,
    whole_file: bool,
}

/// The passphrase of an identity that exists.
pub fn passphrase(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    Source { prompt: "Passphrase: ", env: PASSPHRASE_ENV, file, whole_file: false }.read()
}

/// Whether a passphrase can be had without asking.
pub fn passphrase_is_given(file: Option<&Path>) -> bool {
    file.is_some() || env::var_os(PASSPHRASE_ENV).is_some_and(|secret| !secret.is_empty())
}

/// A passphrase for a new identity: asked for twice, and not too short.
pub fn new_passphrase(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    let source = Source { prompt: "New passphrase: ", env: PASSPHRASE_ENV, file, whole_file: false };
    let (passphrase, typed) = match source.without_prompt()? {
        Some(passphrase) => (passphrase, false),
        None => (source.ask()?, true),
    };
    if passphrase.chars().count() < SHORTEST_PASSPHRASE {
        return Err(Failure::new(
            Exit::Usage,
            format!("the passphrase is shorter than {SHORTEST_PASSPHRASE} characters"),
            "several random words make a good passphrase",
        ));
    }
    if typed && *(Source { prompt: "Once more: ", ..source }).ask()? != *passphrase {
        return Err(Failure::new(Exit::Usage, "the two passphrases differ", "run the command again"));
    }
    Ok(passphrase)
}

/// The 24 words of an identity.
pub fn recovery_words(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    Source { prompt: "Recovery words: ", env: "PMIRS_RECOVERY_WORDS", file, whole_file: true }.read()
}

/// Words that another person gave: those of their key are compared with it.
pub fn words_of_others(file: &Path) -> Result<Zeroizing<String>, Failure> {
    Source { prompt: "", env: "", file: Some(file), whole_file: true }.read()
}

/// The invite to a cloud, if there is one: nobody is asked, since a known cloud needs none.
pub fn invite(file: Option<&Path>) -> Result<Option<Zeroizing<String>>, Failure> {
    Source { prompt: "", env: "PMIRS_INVITE", file, whole_file: true }.without_prompt()
}

/// Writes a secret into a new file that its owner alone can read.
pub fn keep(path: &Path, secret: &str) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).and_then(|mut file| writeln!(file, "{secret}")).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(
            Exit::Exists,
            format!("{} exists already", path.display()),
            "name another file: a secret is not written over what is there",
        ),
        _ => Failure::file(path, "write", &error),
    })
}

impl Source<'_> {
    fn read(&self) -> Result<Zeroizing<String>, Failure> {
        match self.without_prompt()? {
            Some(secret) => Ok(secret),
            None => self.ask(),
        }
    }

    fn without_prompt(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        if let Some(path) = self.file {
            return self.read_file(path).map(Some);
        }
        match env::var(self.env) {
            Ok(secret) if !secret.is_empty() => Ok(Some(Zeroizing::new(secret))),
            Ok(_) | Err(env::VarError::NotPresent) => Ok(None),
            Err(env::VarError::NotUnicode(_)) => Err(Failure::new(
                Exit::Usage,
                format!("{} is not UTF-8 text", self.env),
                "set it to UTF-8 text",
            )),
        }
    }

    fn read_file(&self, path: &Path) -> Result<Zeroizing<String>, Failure> {
        let file = fs::File::open(path).map_err(|error| Failure::file(path, "read", &error))?;
        let mut text = Zeroizing::new(String::new());
        let read = file.take(LARGEST_FILE + 1).read_to_string(&mut text);
        read.map_err(|error| Failure::file(path, "read", &error))?;
        let secret = if self.whole_file { text.trim() } else { text.lines().next().unwrap_or_default() };
        if secret.is_empty() || text.len() as u64 > LARGEST_FILE {
            let what = if secret.is_empty() { "is empty" } else { "is too large to be a secret" };
            return Err(Failure::new(Exit::Usage, format!("{} {what}", path.display()), "name another file"));
        }
        Ok(Zeroizing::new(secret.to_owned()))
    }

    fn ask(&self) -> Result<Zeroizing<String>, Failure> {
        if !io::stdin().is_terminal() {
            let what = self.prompt.trim_end_matches([':', ' ']).to_lowercase();
            return Err(Failure::new(
                Exit::Locked,
                format!("there is no terminal to ask for the {what}"),
                format!("set {}, or name a file with {}", self.env, self.option()),
            ));
        }
        rpassword::prompt_password(self.prompt).map(Zeroizing::new).map_err(|error| {
            Failure::new(
                Exit::Locked,
                format!("cannot read from the terminal: {error}"),
                format!("set {}", self.env),
            )
        })
    }

    fn option(&self) -> &'static str {
        if self.env == PASSPHRASE_ENV { "--passphrase-file" } else { "--words-file" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_passphrase_is_the_first_line_of_its_file() {
        let file = written("correct horse \nsecond line\n");
        assert_eq!(*passphrase(Some(file.path())).unwrap(), "correct horse ");
    }

    #[test]
    fn recovery_words_may_span_lines() {
        let file = written("one two\nthree\n");
        assert_eq!(*recovery_words(Some(file.path())).unwrap(), "one two\nthree");
    }

    #[test]
    fn bad_files_are_refused_by_name() {
        let empty = written("");
        let huge = written(&"x".repeat(LARGEST_FILE as usize + 1));
        for file in [&empty, &huge] {
            assert_eq!(passphrase(Some(file.path())).unwrap_err().exit(), Exit::Usage);
        }
        assert_eq!(passphrase(Some(Path::new("/nowhere/at/all"))).unwrap_err().exit(), Exit::NotFound);
    }

    #[test]
    fn a_short_new_passphrase_is_refused() {
        assert_eq!(new_passphrase(Some(written("short").path())).unwrap_err().exit(), Exit::Usage);
    }
}
