//! Other people: their keys are pinned when they are first seen, and compared in words outside the server.

use pmirs_crypto::PublicIdentity;
use pmirs_wire::people::is_name;
use pmirs_wire::{AccountId, Bytes};

use crate::local::StoredContact;
use crate::{Vault, VaultError, fresh};

/// A person whose key is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// What they are found by at their cloud.
    pub name: String,
    /// The address of that cloud.
    pub url: String,
    /// Their account: the fingerprint of their key.
    pub account: AccountId,
    /// The words that name their key: both people must see the same.
    pub safety_words: String,
    /// Whether the words were compared.
    pub verified: bool,
    /// When the key was pinned, in milliseconds since 1970.
    pub since_ms: u64,
}

/// The words of a contact's keys: of the pinned one, and of the one that the server shows now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactWords {
    /// Of the pinned key.
    pub pinned: String,
    /// Of the key that the server shows now.
    pub shown: String,
}

impl Vault {
    /// Finds a person by `NAME` or `NAME@server` and pins their key.
    ///
    /// # Errors
    /// [`VaultError::ContactChanged`] where another key was pinned before; when there is nobody of this name, or
    /// the server is not the one of this home.
    pub fn add_contact(&self, who: &str) -> Result<Contact, VaultError> {
        let (name, url) = self.addressed(who)?;
        let shown = self.shown_identity(&name)?;
        if let Some(known) = self.local().contact(&name)? {
            same_key(&name, &known, &shown)?;
            return contact(name, known);
        }
        let new = StoredContact {
            url,
            identity: Bytes(shown.to_bytes()),
            verified: false,
            since_ms: fresh::now_ms(),
        };
        self.local().set_contact(&name, &new)?;
        contact(name, new)
    }

    /// Every contact, by name.
    ///
    /// # Errors
    /// When the local store is damaged.
    pub fn contacts(&self) -> Result<Vec<Contact>, VaultError> {
        self.local().contacts()?.into_iter().map(|(name, stored)| contact(name, stored)).collect()
    }

    /// Forgets a contact.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn remove_contact(&self, who: &str) -> Result<(), VaultError> {
        let (name, _) = self.addressed(who)?;
        if self.local().remove_contact(&name)? { Ok(()) } else { Err(VaultError::NoContact(name)) }
    }

    /// The words to compare with a contact, in person or on the telephone.
    ///
    /// # Errors
    /// When there is no such contact, or the server cannot be asked.
    pub fn contact_words(&self, who: &str) -> Result<ContactWords, VaultError> {
        let (name, _) = self.addressed(who)?;
        let known = self.local().contact(&name)?.ok_or_else(|| VaultError::NoContact(name.clone()))?;
        let shown = self.shown_identity(&name)?.safety_words();
        Ok(ContactWords { pinned: contact(name, known)?.safety_words, shown })
    }

    /// Pins the key with these words, which the contact confirmed outside the server, and calls it verified.
    ///
    /// # Errors
    /// [`VaultError::ContactChanged`] where the server shows a key with other words.
    pub fn verify_contact(&self, who: &str, words: &str) -> Result<Contact, VaultError> {
        let (name, url) = self.addressed(who)?;
        if self.local().contact(&name)?.is_none() {
            return Err(VaultError::NoContact(name));
        }
        let shown = self.shown_identity(&name)?;
        let same = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
        if same(words) != same(&shown.safety_words()) {
            return Err(VaultError::ContactChanged { name, got: shown.safety_words() });
        }
        let verified = StoredContact {
            url,
            identity: Bytes(shown.to_bytes()),
            verified: true,
            since_ms: fresh::now_ms(),
        };
        self.local().set_contact(&name, &verified)?;
        contact(name, verified)
    }

    /// The pinned identity of a contact, where the server shows the same one.
    pub(crate) fn contact_identity(&self, who: &str) -> Result<PublicIdentity, VaultError> {
        let (name, _) = self.addressed(who)?;
        let known = self.local().contact(&name)?.ok_or_else(|| VaultError::NoContact(name.clone()))?;
        let shown = self.shown_identity(&name)?;
        same_key(&name, &known, &shown)?;
        Ok(shown)
    }

    /// The contact with this account.
    pub(crate) fn contact_of(&self, account: AccountId) -> Result<Option<Contact>, VaultError> {
        Ok(self.contacts()?.into_iter().find(|contact| contact.account == account))
    }

    /// Splits `NAME` or `NAME@server`, where the server is this home's.
    fn addressed(&self, who: &str) -> Result<(String, String), VaultError> {
        let url = self.status()?.url.ok_or(VaultError::NotLoggedIn)?;
        let (name, server) = who.split_once('@').map_or((who, None), |(name, server)| (name, Some(server)));
        if !is_name(name) {
            return Err(VaultError::PersonName(name.to_owned()));
        }
        let host = url.split_once("://").map_or(url.as_str(), |(_, host)| host);
        match server {
            Some(server) if !server.eq_ignore_ascii_case(host) && server != url => {
                Err(VaultError::OtherServer { named: server.to_owned(), own: host.to_owned() })
            }
            _ => Ok((name.to_owned(), url)),
        }
    }

    fn shown_identity(&self, name: &str) -> Result<PublicIdentity, VaultError> {
        let person = self.remote()?.person(name)?;
        let bad = |reason: &dyn std::fmt::Display| VaultError::BadAnswer {
            request: format!("GET /v1/people/{name}"),
            reason: reason.to_string(),
        };
        let identity = PublicIdentity::from_bytes(&person.identity.0).map_err(|error| bad(&error))?;
        if identity.fingerprint() != person.account.0 {
            return Err(bad(&"the key is not the account's"));
        }
        Ok(identity)
    }
}

fn same_key(name: &str, known: &StoredContact, shown: &PublicIdentity) -> Result<(), VaultError> {
    if known.identity.0 == shown.to_bytes() {
        return Ok(());
    }
    Err(VaultError::ContactChanged { name: name.to_owned(), got: shown.safety_words() })
}

fn contact(name: String, stored: StoredContact) -> Result<Contact, VaultError> {
    let identity = PublicIdentity::from_bytes(&stored.identity.0)
        .map_err(|error| VaultError::Internal(format!("the contact '{name}': {error}")))?;
    Ok(Contact {
        name,
        url: stored.url,
        account: AccountId(identity.fingerprint()),
        safety_words: identity.safety_words(),
        verified: stored.verified,
        since_ms: stored.since_ms,
    })
}
