//! How people are called: by the names of contacts, and by their keys where they are none.

use std::collections::BTreeMap;

use pmirs_vault::{AccountId, MemberInfo, Vault};

use crate::report::Failure;

/// What a person calls themselves here; whoever took it as a name is not called so.
const ONESELF: &str = "you";
/// Words of a key that tell people apart well enough in a list.
const WORDS: usize = 3;

/// What to call whom.
pub struct People(BTreeMap<AccountId, String>);

impl People {
    /// The members of a collection, the contacts of this person, and the person.
    pub fn of(vault: &Vault, members: &[MemberInfo]) -> Result<Self, Failure> {
        let first = |words: &str| words.split(' ').take(WORDS).collect::<Vec<_>>().join(" ");
        let by_key =
            members.iter().map(|member| (member.account, format!("{}...", first(&member.safety_words))));
        let mut names: BTreeMap<AccountId, String> = by_key.collect();
        for contact in vault.contacts()? {
            let name = if contact.name == ONESELF { format!("contact {ONESELF}") } else { contact.name };
            names.insert(contact.account, name);
        }
        names.insert(AccountId(vault.public_identity().fingerprint()), ONESELF.to_owned());
        Ok(Self(names))
    }

    /// Whoever is neither a contact nor a member any more goes by the beginning of their account's identifier.
    pub fn called(&self, account: AccountId) -> String {
        let short = || account.to_string().chars().take(12).collect();
        self.0.get(&account).cloned().unwrap_or_else(short)
    }
}
