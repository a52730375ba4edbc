//! Becoming known to a cloud.

use std::path::PathBuf;
use std::sync::Arc;

use pmirs_crypto::{DeviceKey, ServerPublicKey};
use pmirs_wire::account::Invite;
use pmirs_wire::people::is_name;
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::{AccountId, Bytes, Digest};

use crate::device;
use crate::local::Account;
use crate::remote::{Connection, HttpTransport, Remote};
use crate::{Vault, VaultError};

/// How to log in.
#[derive(Debug, Clone, Default)]
pub struct LoginOptions {
    /// For a new account: it also pins the server's key.
    pub invite: Option<Invite>,
    /// For a new account: what others find it by.
    pub name: Option<String>,
    /// A PEM file of certificates to trust instead of the usual authorities.
    pub ca: Option<PathBuf>,
}

/// An account at a cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountInfo {
    /// The account.
    pub account: AccountId,
    /// The server's address.
    pub url: String,
    /// Fingerprint of the server's key, pinned from now on.
    pub server: Digest,
    /// Whether it was pinned on first sight, with no invite to compare it with.
    pub first_sight: bool,
    /// Whether the account was made just now.
    pub registered: bool,
}

pub(crate) fn login(vault: &Vault, url: &str, options: &LoginOptions) -> Result<AccountInfo, VaultError> {
    let connection = Connection::new(url, options.ca.as_deref())?;
    let url = connection.url().to_owned();
    let key_bytes = connection.server_info()?.public_key;
    let key = ServerPublicKey::from_bytes(&key_bytes.0).map_err(|error| VaultError::BadAnswer {
        request: "GET /v1/server".to_owned(),
        reason: error.to_string(),
    })?;
    let server = Digest(key.fingerprint());
    let pinned = pinned_server(vault, &url, options)?;
    if let Some(pinned) = pinned.filter(|pinned| *pinned != server) {
        return Err(VaultError::ServerKeyChanged { got: server.to_string(), pinned: pinned.to_string() });
    }

    let transport = Box::new(HttpTransport::new(connection, key));
    let remote = Remote::new(transport, server, vault.identity(), None);
    let registered = register(&remote, options)?;
    if let Some(own) = own_device(vault, server)? {
        remote.act_as(own);
    }
    let session = remote.login()?;
    // Later commands may run from another folder.
    let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let ca = options.ca.as_ref().map(|path| whole(path).display().to_string());
    vault.local().set_account(&Account { url: url.clone(), ca, server_key: key_bytes })?;
    vault.local().set_session(&session)?;
    device::certify(vault, &remote)?;
    let account = remote.account();
    vault.adopt(remote);
    Ok(AccountInfo { account, url, server, first_sight: pinned.is_none(), registered })
}

/// What the server's key must be: as the invite says, or as it was at the last login to this address.
fn pinned_server(vault: &Vault, url: &str, options: &LoginOptions) -> Result<Option<Digest>, VaultError> {
    if let Some(invite) = &options.invite {
        return Ok(Some(invite.server));
    }
    let known = vault.local().account()?.filter(|account| account.url == url);
    Ok(known.and_then(|account| {
        ServerPublicKey::from_bytes(&account.server_key.0).ok().map(|key| Digest(key.fingerprint()))
    }))
}

/// Spends the invite; an account that exists already keeps it unspent.
fn register(remote: &Remote, options: &LoginOptions) -> Result<bool, VaultError> {
    let Some(Invite { code: Bytes(code), .. }) = &options.invite else { return Ok(false) };
    let name = options.name.as_deref();
    if let Some(name) = name.filter(|name| !is_name(name)) {
        return Err(VaultError::PersonName(name.to_owned()));
    }
    match remote.register(code, name) {
        Ok(()) => Ok(true),
        Err(VaultError::Refused { problem, .. })
            if problem.kind == ProblemKind::Conflict && problem.message.starts_with("name:") =>
        {
            Err(VaultError::NameTaken(name.unwrap_or_default().to_owned()))
        }
        Err(error) if error.refusal() == Some(ProblemKind::Conflict) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The remote of an earlier login, from the local store.
pub(crate) fn resume(vault: &Vault) -> Result<Remote, VaultError> {
    let account = vault.local().account()?.ok_or(VaultError::NotLoggedIn)?;
    let key = ServerPublicKey::from_bytes(&account.server_key.0)
        .map_err(|error| VaultError::Internal(error.to_string()))?;
    let server = Digest(key.fingerprint());
    let connection = Connection::new(&account.url, account.ca.as_deref().map(std::path::Path::new))?;
    let transport = Box::new(HttpTransport::new(connection, key));
    let remote = Remote::new(transport, server, vault.identity(), vault.local().session());
    if let Some(own) = own_device(vault, server)? {
        remote.act_as(own);
    }
    Ok(remote)
}

/// The key by which the cloud knows this home.
fn own_device(vault: &Vault, server: Digest) -> Result<Option<Arc<DeviceKey>>, VaultError> {
    let own = vault.local().device()?.filter(|own| own.server == server);
    Ok(own.and_then(|own| own.key.0.first_chunk().map(|key| Arc::new(DeviceKey::from_secret(key)))))
}
