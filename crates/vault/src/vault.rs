//! One person's home: identity, local store, encoder, and the way to the cloud.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use pmirs_crypto::{Argon2Params, Identity, IdentitySeed, LockedIdentity, PublicIdentity};
use pmirs_encoder::Encoder;
use pmirs_wire::Digest;
use pmirs_wire::account::Invite;
use pmirs_wire::collection::Protection;
use pmirs_wire::split::Trio;
use zeroize::Zeroizing;

use crate::collection::{self, Collection, Collections, Model};
use crate::local::Local;
use crate::login::{self, AccountInfo, LoginOptions};
use crate::remote::{Remote, Transport};
use crate::search::{self, AllFound, Query, SearchOptions};
use crate::share::{self, Offer};
use crate::split::trio_digest;
use crate::{VaultError, fresh};

/// The identity's file in a home.
const IDENTITY_FILE: &str = "identity";

/// The 24 words that bring an identity back; whoever has them is its owner.
pub struct RecoveryWords(Zeroizing<String>);

impl RecoveryWords {
    /// The words, separated by blanks.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Not the words.
impl std::fmt::Debug for RecoveryWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryWords(..)")
    }
}

/// An opened home.
pub struct Vault {
    identity: Arc<Identity>,
    local: Local,
    encoder: OnceLock<Arc<Encoder>>,
    /// Other models at hand, for collections that were made with them.
    others: RwLock<Vec<Arc<Encoder>>>,
    /// Models whose towers run elsewhere, which come before those at hand.
    preferred: RwLock<Vec<Arc<Encoder>>>,
    remote: RwLock<Option<Arc<Remote>>>,
}

/// Where a home stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultStatus {
    /// Twelve words that name this identity to other people.
    pub safety_words: String,
    /// The server's address, after a login.
    pub url: Option<String>,
}

impl Vault {
    /// Makes a new identity in `home` under `passphrase`. The words are shown nowhere else.
    ///
    /// # Errors
    /// When `home` holds an identity already, or cannot be written.
    pub fn create(home: &Path, passphrase: &str) -> Result<(Self, RecoveryWords), VaultError> {
        Self::create_with(home, passphrase, &Argon2Params::recommended())
    }

    /// [`Vault::create`] with other costs of guessing the passphrase; for tests and demonstrations.
    ///
    /// # Errors
    /// As [`Vault::create`].
    pub fn create_with(
        home: &Path,
        passphrase: &str,
        cost: &Argon2Params,
    ) -> Result<(Self, RecoveryWords), VaultError> {
        let seed = IdentitySeed::generate(&mut fresh::rng()?);
        write_identity(home, &seed, passphrase, cost)?;
        let words = RecoveryWords(seed.to_words());
        Ok((Self::open(home, &seed)?, words))
    }

    /// Brings an identity back from its 24 words.
    ///
    /// # Errors
    /// When the words are not valid, or as [`Vault::create`].
    pub fn restore(home: &Path, words: &str, passphrase: &str) -> Result<Self, VaultError> {
        let seed =
            IdentitySeed::from_words(words).map_err(|error| VaultError::RecoveryWords(error.to_string()))?;
        Self::adopt_identity(home, &seed, passphrase)
    }

    /// Keeps an identity that another device handed over.
    ///
    /// # Errors
    /// As [`Vault::create`].
    pub fn adopt_identity(home: &Path, seed: &IdentitySeed, passphrase: &str) -> Result<Self, VaultError> {
        write_identity(home, seed, passphrase, &Argon2Params::recommended())?;
        Self::open(home, seed)
    }

    /// Opens the identity's file with its passphrase. This is slow on purpose, so that guessing is slow too.
    ///
    /// # Errors
    /// When there is no identity, its file is damaged, or the passphrase is wrong.
    pub fn unlock(home: &Path, passphrase: &str) -> Result<IdentitySeed, VaultError> {
        let path = identity_path(home);
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => VaultError::NoIdentity(home.to_owned()),
            _ => VaultError::file(&path, &error),
        })?;
        let locked = LockedIdentity::from_bytes(&bytes).map_err(|error| VaultError::file(&path, &error))?;
        locked.unlock(passphrase).map_err(|error| match error {
            pmirs_crypto::Error::WrongPassphrase => VaultError::WrongPassphrase,
            other => VaultError::file(&path, &other),
        })
    }

    /// Opens a home with its identity's seed, which [`Vault::unlock`] gave or an agent held.
    ///
    /// # Errors
    /// When there is no identity in `home`, or the local store cannot be used.
    pub fn open(home: &Path, seed: &IdentitySeed) -> Result<Self, VaultError> {
        if !Self::exists(home) {
            return Err(VaultError::NoIdentity(home.to_owned()));
        }
        let identity = Arc::new(Identity::from_seed(seed));
        let local = Local::open(home, &identity)?;
        Ok(Self {
            identity,
            local,
            encoder: OnceLock::new(),
            others: RwLock::default(),
            preferred: RwLock::default(),
            remote: RwLock::new(None),
        })
    }

    /// Whether `home` holds an identity.
    pub fn exists(home: &Path) -> bool {
        identity_path(home).exists()
    }

    /// The folder that it was opened in.
    pub fn home(&self) -> PathBuf {
        self.local.beside("")
    }

    /// Who this is, to others.
    pub fn public_identity(&self) -> PublicIdentity {
        self.identity.public()
    }

    /// What is known here without asking the cloud.
    ///
    /// # Errors
    /// When the local store is damaged.
    pub fn status(&self) -> Result<VaultStatus, VaultError> {
        let url = self.local.account()?.map(|account| account.url);
        Ok(VaultStatus { safety_words: self.identity.public().safety_words(), url })
    }

    /// Logs in to the cloud at `url`, making an account where an invite is given and there is none yet.
    ///
    /// # Errors
    /// When the server cannot be reached, shows another key than the pinned one, or refuses.
    pub fn login(&self, url: &str, options: &LoginOptions) -> Result<AccountInfo, VaultError> {
        login::login(self, url, options)
    }

    /// Uses `encoder` instead of the built-in compact model, for new collections and for those that were made with
    /// it. The first one set, or used, stays.
    pub fn use_encoder(&self, encoder: Arc<Encoder>) -> &Self {
        // A second call changes nothing, as documented.
        let _ = self.encoder.set(encoder);
        self
    }

    /// The encoder in use.
    ///
    /// # Errors
    /// When the built-in model cannot be opened.
    pub fn encoder(&self) -> Result<Arc<Encoder>, VaultError> {
        if let Some(encoder) = self.encoder.get() {
            return Ok(encoder.clone());
        }
        let builtin = Arc::new(Encoder::compact_builtin()?);
        Ok(self.encoder.get_or_init(|| builtin).clone())
    }

    /// Holds `encoder` ready for collections that were made with it.
    pub fn offer_encoder(&self, encoder: Arc<Encoder>) -> &Self {
        self.others.write().unwrap_or_else(PoisonError::into_inner).push(encoder);
        self
    }

    /// Takes `encoder` before any other of its name from now on.
    pub(crate) fn prefer_encoder(&self, encoder: Arc<Encoder>) {
        self.preferred.write().unwrap_or_else(PoisonError::into_inner).push(encoder);
    }

    /// The encoder of one of a collection's models: embeddings of different models cannot be compared. One that runs
    /// elsewhere comes first, and goes by its name alone: its weights are not here to be compared.
    ///
    /// # Errors
    /// [`VaultError::OtherModel`] when no model at hand is that one, and [`VaultError::OtherPack`] when one of its
    /// name and version has other files.
    pub(crate) fn encoder_of(&self, model: &Model) -> Result<Arc<Encoder>, VaultError> {
        let preferred = self.preferred.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(preferred) = preferred.iter().rev().find(|it| collection::model_name(it) == model.name) {
            return Ok(preferred.clone());
        }
        drop(preferred);
        let chosen = self.encoder()?;
        let mut at_hand = vec![chosen.clone()];
        at_hand.extend(self.others.read().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        let is_named = |encoder: &&Arc<Encoder>| collection::model_name(encoder) == model.name;
        let fits = |encoder: &&Arc<Encoder>| {
            let here = encoder.pack().digest();
            is_named(encoder) && model.digest.is_none_or(|digest| here.is_none_or(|here| digest.0 == here))
        };
        if let Some(found) = at_hand.iter().find(fits) {
            return Ok(found.clone());
        }
        let built_in = Encoder::builtin_names().filter_map(|name| Encoder::builtin(name).ok()).map(Arc::new);
        at_hand.extend(built_in);
        if let Some(found) = at_hand.iter().find(fits) {
            // Its towers are read once.
            self.offer_encoder(found.clone());
            return Ok(found.clone());
        }
        if let (Some(other), Some(digest)) = (at_hand.iter().find(is_named), model.digest) {
            let here = other.pack().digest().map_or_else(String::new, |digest| Digest(digest).to_string());
            return Err(VaultError::OtherPack {
                model: model.name.clone(),
                collection: digest.to_string(),
                here,
            });
        }
        // One of the same pack in another version says more than the one in use.
        let pack = model.name.rsplit_once(' ').map_or(model.name.as_str(), |(pack, _)| pack);
        let like = at_hand.iter().find(|encoder| encoder.info().name == pack).unwrap_or(&chosen);
        Err(VaultError::OtherModel {
            collection: model.name.clone(),
            digest: model.digest.map(|digest| digest.to_string()).unwrap_or_default(),
            encoder: collection::model_name(like),
        })
    }

    /// Every collection that this person can read, and those that do not open any more.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn collections(&self) -> Result<Collections, VaultError> {
        collection::list(self)
    }

    /// Makes a collection at the chosen protection level.
    ///
    /// # Errors
    /// When the name is taken or not a name, or the server refuses.
    pub fn create_collection(
        &self,
        name: &str,
        protection: Protection,
    ) -> Result<Collection<'_>, VaultError> {
        collection::create(self, name, protection, None)
    }

    /// Makes a collection at `split`: these three servers search it, and none of them alone learns what.
    ///
    /// # Errors
    /// When the name is taken or not a name, one of the three is not there or not who it should be, or the cloud
    /// refuses.
    pub fn create_split_collection(&self, name: &str, parties: Trio) -> Result<Collection<'_>, VaultError> {
        collection::create(self, name, Protection::Split, Some(parties))
    }

    /// Takes note of where three servers are now: their keys in their order are what collections are bound to, and names
    /// and addresses may change.
    ///
    /// # Errors
    /// When it names no three servers, or the local store is damaged.
    pub fn move_parties(&self, parties: &Trio) -> Result<(), VaultError> {
        if let Some(fault) = parties.fault() {
            return Err(VaultError::Parties(fault));
        }
        self.local.remember_parties(trio_digest(parties), parties)
    }

    /// A collection by its name.
    ///
    /// # Errors
    /// When there is none, or its record is not what its author wrote.
    pub fn collection(&self, name: &str) -> Result<Collection<'_>, VaultError> {
        let collection = collection::find(self, name)?;
        // Whether a server is away matters to commands that need it, and those try again.
        let _ = collection.level_members();
        Ok(collection)
    }

    /// Searches every collection that this person can read, and merges what is found by true cosine. Where models
    /// differ, so do their cosines; the calibrated cutoff of each is what makes them comparable.
    ///
    /// # Errors
    /// When the server cannot be asked for the collections; what is wrong with one of them is in the answer.
    pub fn search_all(&self, query: &Query, options: &SearchOptions) -> Result<AllFound, VaultError> {
        search::search_all(self, query, options)
    }

    /// Takes what a contact shared, by its name or identifier: from now on it is among the collections.
    ///
    /// # Errors
    /// [`VaultError::UnknownSharer`] where whoever shared it is no contact; when there is no such offer, or its
    /// history is not in order.
    pub fn accept(&self, name: &str) -> Result<Offer, VaultError> {
        share::accept(self, name)
    }

    /// Declines what somebody shared.
    ///
    /// # Errors
    /// When there is no such offer.
    pub fn decline(&self, name: &str) -> Result<Offer, VaultError> {
        share::decline(self, name)
    }

    /// An invite for one more person; for administrators of the cloud.
    ///
    /// # Errors
    /// When this account may not invite.
    pub fn invite(&self) -> Result<Invite, VaultError> {
        self.remote()?.invite()
    }

    /// Deletes a collection with everything in it, for good: by its name, or a damaged one by its identifier.
    ///
    /// # Errors
    /// When there is none, or the server refuses.
    pub fn delete_collection(&self, name: &str) -> Result<(), VaultError> {
        match self.collection(name) {
            Ok(collection) => collection.delete(),
            Err(VaultError::Altered { .. }) => collection::delete_damaged(self, name),
            Err(error) => Err(error),
        }
    }

    /// Forgets what this machine remembers of a collection, so that whatever the cloud holds now is taken as it is: after
    /// the cloud was restored from a backup on purpose, or where it does not list the collection any more.
    ///
    /// # Errors
    /// When there is none, or the local store is damaged.
    pub fn forget_collection(&self, name: &str) -> Result<(), VaultError> {
        collection::forget(self, name)
    }

    /// Puts another transport between this vault and its cloud. It sees requests and answers in the clear,
    /// so this is for tests that play a lying server, and for bridges that bring their own protection.
    ///
    /// # Errors
    /// When there was no login yet.
    pub fn dangerous_wrap_transport(
        &self,
        wrap: impl FnOnce(Box<dyn Transport>) -> Box<dyn Transport>,
    ) -> Result<(), VaultError> {
        let remote = login::resume(self)?.wrap(wrap);
        self.adopt(remote);
        Ok(())
    }

    pub(crate) fn identity(&self) -> Arc<Identity> {
        self.identity.clone()
    }

    pub(crate) fn local(&self) -> &Local {
        &self.local
    }

    /// The cloud of the last login.
    pub(crate) fn remote(&self) -> Result<Arc<Remote>, VaultError> {
        if let Some(remote) = self.remote.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            return Ok(remote.clone());
        }
        Ok(self.adopt(login::resume(self)?))
    }

    /// After the account is gone.
    pub(crate) fn forget_remote(&self) {
        *self.remote.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn adopt(&self, remote: Remote) -> Arc<Remote> {
        let remote = Arc::new(remote);
        *self.remote.write().unwrap_or_else(PoisonError::into_inner) = Some(remote.clone());
        remote
    }
}

/// A renewed session is kept for the next run; not keeping it costs that run one login.
impl Drop for Vault {
    fn drop(&mut self) {
        let remote = self.remote.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = remote.as_ref().and_then(|remote| remote.session())
            && self.local.session().as_ref() != Some(&session)
        {
            let _ = self.local.set_session(&session);
        }
    }
}

fn identity_path(home: &Path) -> PathBuf {
    home.join(IDENTITY_FILE)
}

/// Writes a new identity file whole or not at all, readable by its owner only.
fn write_identity(
    home: &Path,
    seed: &IdentitySeed,
    passphrase: &str,
    cost: &Argon2Params,
) -> Result<(), VaultError> {
    let path = identity_path(home);
    if path.exists() {
        return Err(VaultError::HomeExists(home.to_owned()));
    }
    let locked = LockedIdentity::lock(seed, passphrase, *cost, &mut fresh::rng()?)
        .map_err(|error| VaultError::Internal(error.to_string()))?;
    create_private_dir(home).map_err(|error| VaultError::file(home, &error))?;
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(home)?;
        file.write_all(&locked.to_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(&path)?;
        fs::File::open(home)?.sync_all()
    };
    write().map_err(|error| VaultError::file(&path, &error))
}

fn create_private_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
