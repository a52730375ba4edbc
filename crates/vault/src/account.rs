//! What a person can demand of their data: a copy of all of it, its erasure, and who opened it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use pmirs_crypto::{Context, PublicIdentity, Signature};
use pmirs_wire::access::Access;
use pmirs_wire::collection::Role;
use pmirs_wire::log::SignedEntry;
use pmirs_wire::{AccountId, Bytes, CollectionId, ItemId};
use serde::Serialize;

use crate::collection::{Collection, open_all};
use crate::history::State;
use crate::keys::altered_collection;
use crate::progress::Progress;
use crate::{ItemMeta, Protection, UnlistedCollection, Vault, VaultError};

/// That somebody opened an item's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessEvent {
    /// Its place among the accesses to the collection, counted from 1. What is missing was forgotten by the cloud,
    /// which keeps the latest ones.
    pub number: u64,
    /// When, by the cloud's clock, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who.
    pub account: AccountId,
    /// Their name among this person's contacts.
    pub name: Option<String>,
    /// Whether it was this person.
    pub me: bool,
    /// What was opened.
    pub item: ItemId,
    /// Whether their signature was checked; of somebody who was never a member no key is known.
    pub proven: bool,
}

/// What an export wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// Collections, each in a folder of its own.
    pub collections: u64,
    /// Items whose contents were written.
    pub items: u64,
    /// Plain bytes of their contents.
    pub bytes: u64,
    /// Entries of histories.
    pub entries: u64,
    /// What could not be exported, by collection and reason.
    pub failed: Vec<(String, String)>,
}

impl Collection<'_> {
    /// Who opened what, oldest first, as far back as the cloud keeps it.
    ///
    /// # Errors
    /// When this person is no owner, or a signature is not that of whom the cloud names.
    pub fn accesses(&self) -> Result<Vec<AccessEvent>, VaultError> {
        let (told, _) = self.told(&mut |_| {})?;
        let mut events = Vec::new();
        let mut after = 0;
        loop {
            let page = self.remote.accesses(self.record.id, after)?;
            for access in &page.accesses {
                if access.number <= after {
                    let got = format!("access {} after access {after}", access.number);
                    return Err(altered_collection(self.record.id, "access log", &got));
                }
                after = access.number;
                events.push(self.access(access, &told.identities)?);
            }
            if !page.more || page.accesses.is_empty() {
                return Ok(events);
            }
        }
    }

    fn access(
        &self,
        access: &Access,
        identities: &std::collections::BTreeMap<AccountId, Bytes>,
    ) -> Result<AccessEvent, VaultError> {
        let bad = |reason: &dyn std::fmt::Display| {
            let reason = format!("access {}: {reason}", access.number);
            altered_collection(self.record.id, "access log", &reason)
        };
        let identity = identities.get(&access.account).map(|encoded| PublicIdentity::from_bytes(&encoded.0));
        let identity = identity.transpose().map_err(|error| bad(&error))?;
        if let Some(identity) = &identity {
            let signed = access.signed_bytes(self.remote.server(), &self.record.id);
            let signature = access.signature.0.first_chunk().copied().map(Signature);
            let signature = signature.ok_or_else(|| bad(&"its signature is cut"))?;
            identity.verify(Context::Request, &signed, &signature).map_err(|error| bad(&error))?;
        }
        Ok(AccessEvent {
            number: access.number,
            at_ms: access.at_ms,
            account: access.account,
            name: self.vault.contact_of(access.account)?.map(|contact| contact.name),
            me: access.account == self.remote.account(),
            item: access.item,
            proven: identity.is_some(),
        })
    }
}

#[derive(Serialize)]
struct ExportedCollection<'a> {
    id: CollectionId,
    name: &'a str,
    protection: Protection,
    model: &'a str,
    dimension: u32,
    created_ms: u64,
    role: Role,
    history: Option<&'a State>,
}

#[derive(Serialize)]
struct ExportedKey {
    epoch: u32,
    key: Bytes,
}

#[derive(Serialize)]
struct ExportedItem<'a> {
    item: ItemId,
    epoch: u32,
    file: String,
    #[serde(flatten)]
    meta: &'a ItemMeta,
    embedding: Vec<f32>,
}

#[derive(Serialize)]
struct ExportedContact {
    name: String,
    url: String,
    account: AccountId,
    safety_words: String,
    verified: bool,
}

#[derive(Serialize)]
struct ExportedIdentity {
    account: AccountId,
    safety_words: String,
    public_identity: Bytes,
    url: Option<String>,
}

impl Vault {
    /// Writes everything of this person into a new folder: for each collection the contents as files, metadata and
    /// embeddings, keys, and the signed history; the public identity and the contacts. All of it is JSON, JSON lines,
    /// or the files themselves.
    ///
    /// # Errors
    /// When the folder is not empty or cannot be written, or the cloud fails.
    pub fn export(&self, folder: &Path, progress: &dyn Progress) -> Result<ExportReport, VaultError> {
        let mut report = ExportReport::default();
        make_private(folder)?;
        if fs::read_dir(folder).map_err(|error| VaultError::file(folder, &error))?.next().is_some() {
            return Err(VaultError::file(folder, &"the folder is not empty"));
        }
        let public = self.public_identity();
        write_json(
            &folder.join("identity.json"),
            &ExportedIdentity {
                account: AccountId(public.fingerprint()),
                safety_words: public.safety_words(),
                public_identity: Bytes(public.to_bytes()),
                url: self.status()?.url,
            },
        )?;
        let contacts = self.contacts()?.into_iter().map(|contact| ExportedContact {
            name: contact.name,
            url: contact.url,
            account: contact.account,
            safety_words: contact.safety_words,
            verified: contact.verified,
        });
        write_json(&folder.join("contacts.json"), &contacts.collect::<Vec<_>>())?;
        let mut names = BTreeSet::new();
        for opened in open_all(self)? {
            let exported = opened.map_err(|(id, error)| (id.to_string(), error)).and_then(|collection| {
                let name = free_name(&mut names, &safe_name(&collection.header.name));
                export_collection(&collection, &folder.join(&name), progress, &mut report)
                    .map_err(|error| (collection.header.name.clone(), error))
            });
            match exported {
                Ok(()) => report.collections += 1,
                Err((_, error @ VaultError::File { .. })) => return Err(error),
                Err((name, error)) => report.failed.push((name, error.to_string())),
            }
        }
        for UnlistedCollection { id, name } in self.collections()?.unlisted {
            let error = VaultError::Unlisted { collection: name.clone(), id };
            report.failed.push((name, error.to_string()));
        }
        Ok(report)
    }

    /// Deletes the account at the cloud with every collection that is this person's alone, and everything that this
    /// home remembers of it. Shared collections are left first. The identity itself stays in the home.
    ///
    /// # Errors
    /// [`VaultError::LastOwner`] where others use a collection that has no other owner; nothing is deleted then.
    pub fn delete_account(&self) -> Result<(), VaultError> {
        let me = self.remote()?.account();
        let mut shared = Vec::new();
        for opened in open_all(self)? {
            // What does not open any more goes with the account.
            let Ok(collection) = opened else { continue };
            let members = collection.members()?;
            let others = members.iter().filter(|member| member.account != me);
            let owner = others.clone().any(|member| member.role == Role::Owner && member.accepted);
            match (others.count(), collection.info().role) {
                (0, _) => {}
                (_, Role::Owner) if !owner => {
                    return Err(VaultError::LastOwner(collection.header.name.clone()));
                }
                _ => shared.push(collection),
            }
        }
        shared.into_iter().try_for_each(Collection::leave)?;
        for offer in self.collections()?.offered {
            self.decline(&offer.id.to_string())?;
        }
        self.remote()?.delete_account()?;
        self.forget_remote();
        self.local().forget_account()
    }
}

fn export_collection(
    collection: &Collection<'_>,
    folder: &Path,
    progress: &dyn Progress,
    report: &mut ExportReport,
) -> Result<(), VaultError> {
    make_private(folder)?;
    let items = collection.items()?;
    let info = collection.info();
    write_json(
        &folder.join("collection.json"),
        &ExportedCollection {
            id: info.id,
            name: &info.name,
            protection: info.protection,
            model: &info.model,
            dimension: collection.models().current().dim,
            created_ms: info.created_ms,
            role: info.role,
            history: collection.history().state(),
        },
    )?;
    let keys = collection.keys();
    let exported: Vec<ExportedKey> = keys
        .epochs()
        .map(|epoch| Ok(ExportedKey { epoch, key: Bytes(keys.key(epoch)?.expose_secret().to_vec()) }))
        .collect::<Result<_, VaultError>>()?;
    write_json(&folder.join("keys.json"), &exported)?;
    let mut history: Vec<SignedEntry> = Vec::new();
    collection.told(&mut |entry| history.push(entry.clone()))?;
    write_lines(&folder.join("history.jsonl"), &history)?;
    report.entries += history.len() as u64;

    progress.start("exporting", Some(items.len() as u64));
    let contents = folder.join("items");
    make_private(&contents)?;
    let mut names = BTreeSet::new();
    let mut lines = Vec::with_capacity(items.len());
    for item in &items {
        match export_item(collection, item.item, &contents, &mut names) {
            Ok((line, bytes)) => {
                lines.push(line);
                report.items += 1;
                report.bytes += bytes;
            }
            Err(error @ VaultError::File { .. }) => return Err(error),
            Err(error) => report.failed.push((info.name.clone(), error.to_string())),
        }
        progress.advance(1);
    }
    progress.finish();
    write_lines(&folder.join("items.jsonl"), &lines)
}

fn export_item(
    collection: &Collection<'_>,
    item: ItemId,
    folder: &Path,
    names: &mut BTreeSet<PathBuf>,
) -> Result<(serde_json::Value, u64), VaultError> {
    let (record, meta, content) = collection.fetch(item)?;
    let dim = collection.dim_of(&meta);
    let embedding = collection.keys().open_embedding(item, record.epoch, &record.embedding.0, dim)?;
    let name = free_name(names, &safe_name(&meta.name));
    let path = folder.join(&name);
    if let Some(parent) = path.parent() {
        make_private(parent)?;
    }
    fs::write(&path, &content).map_err(|error| VaultError::file(&path, &error))?;
    let file = name.display().to_string();
    let line = ExportedItem { item, epoch: record.epoch, file, meta: &meta, embedding };
    let line = serde_json::to_value(line).map_err(|error| VaultError::Internal(error.to_string()))?;
    Ok((line, content.len() as u64))
}

/// A path below the folder that is exported to, whatever another member called an item.
fn safe_name(name: &str) -> PathBuf {
    let safe = |part: &std::ffi::OsStr| {
        part.to_string_lossy()
            .chars()
            .map(|c| if c.is_control() || "\\:*?\"<>|".contains(c) { '_' } else { c })
            .collect::<String>()
    };
    let path: PathBuf = Path::new(name)
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => Some(safe(part)),
            _ => None,
        })
        .collect();
    if path.as_os_str().is_empty() { PathBuf::from("unnamed") } else { path }
}

/// A name that was not given before; a file is no folder of another either.
fn free_name(names: &mut BTreeSet<PathBuf>, wanted: &Path) -> PathBuf {
    let stem = wanted.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let ending = wanted.extension().map(|it| format!(".{}", it.to_string_lossy())).unwrap_or_default();
    let mut name = wanted.to_owned();
    let mut count = 1;
    let taken = |names: &BTreeSet<PathBuf>, name: &Path| {
        names.iter().any(|given| given.starts_with(name) || name.starts_with(given))
    };
    while taken(names, &name) {
        count += 1;
        name = wanted.with_file_name(format!("{stem} ({count}){ending}"));
        // Where a folder of the path is itself a file's name, the file goes to the top.
        if count > 2 && names.iter().any(|given| wanted.starts_with(given) && given != wanted) {
            name = PathBuf::from(format!("{stem} ({count}){ending}"));
        }
    }
    names.insert(name.clone());
    name
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), VaultError> {
    let mut text =
        serde_json::to_vec_pretty(value).map_err(|error| VaultError::Internal(error.to_string()))?;
    text.push(b'\n');
    write_private(path, &text)
}

fn write_lines<T: Serialize>(path: &Path, values: &[T]) -> Result<(), VaultError> {
    let mut text = Vec::new();
    for value in values {
        serde_json::to_writer(&mut text, value).map_err(|error| VaultError::Internal(error.to_string()))?;
        text.push(b'\n');
    }
    write_private(path, &text)
}

/// Keys are among what is written, so only the person themselves may read it.
fn write_private(path: &Path, text: &[u8]) -> Result<(), VaultError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(text));
    written.map_err(|error| VaultError::file(path, &error))
}

fn make_private(folder: &Path) -> Result<(), VaultError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| VaultError::file(folder, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for (name, expected) in [
            ("../../etc/passwd", "etc/passwd"),
            ("/etc/passwd", "etc/passwd"),
            ("a/../b.png", "a/b.png"),
            ("..", "unnamed"),
            ("", "unnamed"),
            ("a\nb:c.txt", "a_b_c.txt"),
        ] {
            assert_eq!(safe_name(name), Path::new(expected), "{name:?}");
        }
    }

    #[test]
    fn every_item_gets_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        let mut given = Vec::new();
        for wanted in ["a.png", "a.png", "a", "a/b.png", "c/d", "c"] {
            given.push(free_name(&mut names, Path::new(wanted)));
        }
        assert_eq!(given[..2], [PathBuf::from("a.png"), PathBuf::from("a (2).png")]);
        let distinct: BTreeSet<_> = given.iter().collect();
        assert_eq!(distinct.len(), given.len());
        for (at, one) in given.iter().enumerate() {
            for other in &given[at + 1..] {
                assert!(!one.starts_with(other) && !other.starts_with(one), "{one:?} {other:?}");
            }
        }
    }
}
