//! What this home let out of its data, and how much more it allows.
//!
//! ```text
//! upload, kept ─▶ record ─▶ budgets of the home and of the moment ─▶ entry on the disk ─▶ head remembered ─▶ it may leave
//!                    │
//!                    └─ this occasion was answered before: with the same bytes, they may leave again; with others, never
//! ```
//!
//! The ledger is the file `ledger` of the home (`pmirs_privacy::ledger`): appended to, forced to the disk, and checked
//! whole whenever it is opened. The local store remembers, sealed, where it ended. So an entry that is altered, moved or
//! missing is noticed, also at the end; that the whole home was set back to an earlier day is not, for nothing outside
//! it knows better. Each of a person's devices keeps a ledger of its own.

mod file;
mod setting;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use pmirs_crypto::sha256;
use pmirs_privacy::ledger::{Budget, Ledger, LedgerError, LedgerHead, Refusal, Release};
use pmirs_privacy::{Adversary, PrivacyError};

use crate::{CollectionId, Vault, VaultError};

use file::LedgerFile;
pub(crate) use setting::{DataSetting, HeadSetting, LimitSetting};

/// The ledger's file in a home.
const LEDGER_FILE: &str = "ledger";

/// What a member allows, against a coordinator that sees who takes part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The largest ε of everything that is let out, at `delta`; infinite without a limit.
    pub epsilon: f64,
    /// δ.
    pub delta: f64,
    /// The least noise multiplier of any single release.
    pub least_noise: f64,
}

impl Limits {
    fn budget(&self) -> Budget {
        let Self { epsilon, delta, least_noise } = *self;
        Budget { epsilon, delta, least_noise, adversary: Adversary::Coordinator }
    }
}

/// Data that releases are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataSource {
    /// A collection.
    Collection {
        /// Which.
        id: CollectionId,
        /// Its name, for lists.
        name: String,
    },
    /// A file of pictures and captions.
    File(PathBuf),
}

/// Whether a release is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "only what is recorded may leave"]
pub enum Recorded {
    /// It was written down now.
    Now,
    /// It stood in the ledger: the same bytes are sent again, and cost nothing more.
    Before,
}

/// The ledger and the limits of an opened home.
#[derive(Clone, Copy)]
pub struct Privacy<'v> {
    vault: &'v Vault,
}

impl Vault {
    /// What this home let out, and how much more it allows.
    pub fn privacy(&self) -> Privacy<'_> {
        Privacy { vault: self }
    }
}

impl Privacy<'_> {
    /// Where the ledger lies.
    pub fn path(&self) -> PathBuf {
        self.vault.local().beside(LEDGER_FILE)
    }

    /// The ledger, checked: limits, shape, chain, every signature, and that it continues what was remembered of it.
    ///
    /// # Errors
    /// [`VaultError::Ledger`] where it does not hold, or is missing.
    pub fn ledger(&self) -> Result<Ledger, VaultError> {
        let remembered = self.remembered()?;
        let Some(mut file) = LedgerFile::open_existing(&self.path())? else {
            let nothing = Ledger::new(&self.vault.public_identity());
            let continues = remembered.map_or(Ok(()), |head| nothing.check_continues(&head));
            return continues.map(|()| nothing).map_err(|error| self.damaged(error));
        };
        self.read(&mut file, remembered.as_ref()).map(|(ledger, _)| ledger)
    }

    /// The limits that were set for everything that this home lets out.
    ///
    /// # Errors
    /// When the local store is damaged.
    pub fn limits(&self) -> Result<Option<Limits>, VaultError> {
        Ok(self.vault.local().privacy_limits()?.map(Limits::from))
    }

    /// Sets them, or takes them away.
    ///
    /// # Errors
    /// For limits that say nothing, and when the local store cannot be written.
    pub fn set_limits(&self, limits: Option<&Limits>) -> Result<(), VaultError> {
        if let Some(limits) = limits {
            limits.budget().check().map_err(Refusal::from)?;
        }
        self.vault.local().set_privacy_limits(limits.map(|limits| LimitSetting::from(*limits)).as_ref())
    }

    /// The digest that names a source of data in the ledger; its own name is kept sealed in the local store.
    ///
    /// # Errors
    /// For a file that is not there, and when the local store cannot be written.
    pub fn data(&self, source: &DataSource) -> Result<[u8; 32], VaultError> {
        let (digest, name) = match source {
            DataSource::Collection { id, name } => (
                sha256(&[b"pmirs/data/collection/v1\0".as_slice(), id.to_string().as_bytes()].concat()),
                name.clone(),
            ),
            DataSource::File(path) => {
                let path = path.canonicalize().map_err(|error| VaultError::file(path, &error))?;
                let bytes = path.as_os_str().as_encoded_bytes();
                (sha256(&[b"pmirs/data/file/v1\0".as_slice(), bytes].concat()), path.display().to_string())
            }
        };
        self.vault.local().name_data(&digest, &DataSetting { name })?;
        Ok(digest)
    }

    /// What the data behind a digest is called, if it was used in this home.
    ///
    /// # Errors
    /// When the local store is damaged.
    pub fn data_name(&self, digest: &[u8; 32]) -> Result<Option<String>, VaultError> {
        Ok(self.vault.local().data_name(digest)?.map(|setting| setting.name))
    }

    /// The ε that everything would come to with so many releases like this one, or why they may not be made: for showing
    /// a person what a federation would cost before they consent.
    ///
    /// # Errors
    /// [`VaultError::Privacy`] with both numbers where limits of the home or of the moment would be exceeded.
    pub fn allows(&self, limits: &Limits, release: &Release, releases: u32) -> Result<f64, VaultError> {
        let ledger = self.ledger()?;
        if let Some(own) = self.limits()? {
            ledger.allows_many(&own.budget(), release, releases)?;
        }
        Ok(ledger.allows_many(&limits.budget(), release, releases)?)
    }

    /// Writes a release down before it leaves. It is on the disk when this returns, and then, and only then, the bytes
    /// whose digest it names may be sent. The caller has kept those bytes already, so that whatever dies when, the same
    /// ones are sent: an occasion is counted once, and never answered with two messages.
    ///
    /// # Errors
    /// [`VaultError::Privacy`] where the limits of the home or of the moment forbid it, or the occasion was answered with
    /// other bytes; [`VaultError::Ledger`] for a ledger that is damaged. Nothing may leave then.
    pub fn record(&self, limits: &Limits, release: Release) -> Result<Recorded, VaultError> {
        let mut file = LedgerFile::open(&self.path())?;
        let (mut ledger, end) = self.read(&mut file, self.remembered()?.as_ref())?;
        if let Some((entry, before)) = ledger.answer_to(&release.occasion) {
            let same = before.message == release.message;
            return if same { Ok(Recorded::Before) } else { Err(Refusal::OtherMessage { entry }.into()) };
        }
        if let Some(own) = self.limits()? {
            ledger.allows(&own.budget(), &release)?;
        }
        let spent = ledger.spend(&self.vault.identity(), &limits.budget(), release)?;
        file.append(end, ledger.to_bytes(), spent.record())?;
        self.vault.local().remember_ledger(&HeadSetting::from(spent.head()))?;
        Ok(Recorded::Now)
    }

    /// The ledger of an open file, and where its last whole entry ends. What a crash left behind that is cut off by the
    /// next write; an entry that a crash kept from being remembered is remembered now.
    fn read(
        self,
        file: &mut LedgerFile,
        remembered: Option<&LedgerHead>,
    ) -> Result<(Ledger, usize), VaultError> {
        let bytes = file.read()?;
        let (ledger, torn) = Ledger::recover(&bytes, &self.vault.public_identity(), remembered)
            .map_err(|error| self.damaged(error))?;
        if let Some(head) = remembered {
            ledger.check_continues(head).map_err(|error| self.damaged(error))?;
        }
        if ledger.head().entries > 0 && remembered != Some(&ledger.head()) {
            self.vault.local().remember_ledger(&HeadSetting::from(ledger.head()))?;
        }
        Ok((ledger, bytes.len() - torn))
    }

    fn remembered(self) -> Result<Option<LedgerHead>, VaultError> {
        Ok(self.vault.local().remembered_ledger()?.map(LedgerHead::from))
    }

    fn damaged(self, reason: LedgerError) -> VaultError {
        VaultError::Ledger { path: self.path(), reason }
    }
}

impl From<Refusal> for VaultError {
    fn from(refusal: Refusal) -> Self {
        Self::Privacy(refusal)
    }
}

impl From<PrivacyError> for VaultError {
    fn from(error: PrivacyError) -> Self {
        Self::Privacy(Refusal::from(error))
    }
}
