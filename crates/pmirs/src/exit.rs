//! Exit codes: part of the interface, so that scripts can tell a wrong passphrase from a broken cable.

use std::process::ExitCode;

/// Why the program ended. The numbers are promised to scripts and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It worked. A reader that went away (`pmirs search ... | head -1`) counts as success.
    Success = 0,
    /// Something failed that has no code of its own.
    Failure = 1,
    /// The command line, or a file it names, is not what the command takes.
    Usage = 2,
    /// A collection, item, person, file or folder does not exist.
    NotFound = 3,
    /// No identity, no passphrase, or the wrong one.
    Locked = 4,
    /// The cloud cannot be reached, refuses, or is not known yet.
    Network = 5,
    /// Something stored or answered is not what was written: damaged, swapped or forged.
    Integrity = 6,
    /// It exists already.
    Exists = 7,
    /// The role in a collection, or at a cloud, does not allow it.
    NotAllowed = 8,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The list that `pmirs --help` and the man page print.
pub const LIST: &str = "\
Exit codes:
  0  success (also when the reader of the output goes away)
  1  failure
  2  wrong usage
  3  not found: a collection, item, person, file or folder
  4  locked: no identity, no passphrase, or the wrong one
  5  network: the cloud cannot be reached, refuses, or is not known yet
  6  integrity: something stored or answered is not what was written
  7  it exists already
  8  not allowed: it takes another role in the collection, or at the cloud";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_every_code() {
        let codes = [
            Exit::Success,
            Exit::Failure,
            Exit::Usage,
            Exit::NotFound,
            Exit::Locked,
            Exit::Network,
            Exit::Integrity,
            Exit::Exists,
            Exit::NotAllowed,
        ];
        for (expected, code) in codes.into_iter().enumerate() {
            assert_eq!(code as usize, expected);
            assert!(LIST.contains(&format!("\n  {expected}  ")), "code {expected} is not listed");
        }
        assert_eq!(LIST.lines().count(), codes.len() + 1);
    }
}
