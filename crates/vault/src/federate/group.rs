//! The file that says who is to train together.
//!
//! ```toml
//! [[member]]
//! name = "anna"                  # as she is found at this cloud
//! fingerprint = "5c1f…"          # 64 digits, or
//! words = "twelve safety words"  # either pins her key; without both it must be that of a contact
//! ```

use std::path::Path;

use pmirs_crypto::PublicIdentity;
use serde::Deserialize;

use crate::{AccountId, Vault, VaultError};

/// Larger files are none of groups.
const MAX_FILE: u64 = 4 << 20;

/// A member as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// As the person is found at this cloud.
    pub name: String,
    /// The fingerprint of their key.
    pub fingerprint: Option<String>,
    /// Its safety words.
    pub words: Option<String>,
}

/// Who is to train together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupFile {
    /// In the order of their numbers.
    #[serde(rename = "member")]
    pub members: Vec<Listed>,
}

impl GroupFile {
    /// Reads one.
    ///
    /// # Errors
    /// [`VaultError::File`], saying what is wrong in it.
    pub fn read(path: &Path) -> Result<Self, VaultError> {
        let wrong = |reason: &dyn std::fmt::Display| VaultError::file(path, reason);
        let about = std::fs::metadata(path).map_err(|error| wrong(&error))?;
        if !about.is_file() {
            return Err(wrong(&"it is not a file"));
        }
        if about.len() > MAX_FILE {
            return Err(wrong(&format!("{} bytes, expected at most {MAX_FILE}", about.len())));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        toml::from_str(&text).map_err(|error| wrong(&error.message()))
    }

    /// Their keys, each as the file or a contact pins it.
    ///
    /// # Errors
    /// For somebody whom the cloud does not know, shows another key for, or whose key nothing pins.
    pub fn resolve(&self, vault: &Vault) -> Result<Vec<PublicIdentity>, VaultError> {
        let (own, contacts) = (vault.public_identity(), vault.contacts()?);
        let one = |listed: &Listed| {
            let person = vault.remote()?.person(&listed.name)?;
            let identity =
                PublicIdentity::from_bytes(&person.identity.0).map_err(|error| VaultError::BadAnswer {
                    request: format!("GET /v1/people/{}", listed.name),
                    reason: error.to_string(),
                })?;
            let account = AccountId(identity.fingerprint());
            let pinned = contacts.iter().find(|contact| contact.name == listed.name);
            let by_file = listed.fingerprint.is_some() || listed.words.is_some();
            let fits = identity == own
                || (by_file || pinned.is_some())
                    && listed.fingerprint.as_ref().is_none_or(|print| *print == account.to_string())
                    && listed.words.as_ref().is_none_or(|words| same_words(words, &identity.safety_words()))
                    && pinned.is_none_or(|contact| contact.account == account);
            if fits {
                return Ok(identity);
            }
            if !by_file && pinned.is_none() {
                return Err(VaultError::NoContact(listed.name.clone()));
            }
            Err(VaultError::ContactChanged { name: listed.name.clone(), got: identity.safety_words() })
        };
        self.members.iter().map(one).collect()
    }
}

fn same_words(a: &str, b: &str) -> bool {
    a.split_whitespace().map(str::to_lowercase).eq(b.split_whitespace().map(str::to_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<GroupFile, VaultError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("group.toml");
        std::fs::write(&path, text).unwrap();
        GroupFile::read(&path)
    }

    #[test]
    fn a_file_lists_names_and_what_pins_them() {
        let file =
            read("[[member]]\nname = \"anna\"\n\n[[member]]\nname = \"ben\"\nfingerprint = \"5c1f\"\n")
                .unwrap();
        let names: Vec<&str> = file.members.iter().map(|listed| listed.name.as_str()).collect();
        assert_eq!(names, ["anna", "ben"], "in the order of their numbers");
        assert_eq!(file.members[1].fingerprint.as_deref(), Some("5c1f"));
        assert!(same_words("Able  baker", "able baker") && !same_words("able baker", "able"));
    }

    #[test]
    fn what_is_no_such_file_is_refused_with_its_path() {
        for bad in ["", "member = 1", "[[member]]\nnam = \"anna\"", "[[member]]\nname = \"a\"\nrole = \"x\""]
        {
            let told = read(bad).unwrap_err().to_string();
            assert!(told.contains("group.toml"), "{told}");
        }
    }
}
