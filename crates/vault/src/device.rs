//! The devices of a person: each logs in with a key of its own, and each can be shut out by the others.
//!
//! Every device holds the identity, so whoever takes one that is unlocked has the identity as well: revoking a device
//! ends its sessions and its logins at the cloud, and an identity that was stolen needs to be given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pmirs_crypto::pairing::{Approving, Comparing, Joined, Joining};
use pmirs_crypto::{DeviceCertificate, DeviceKey, IdentitySeed, ServerPublicKey};
use pmirs_wire::device::Device;
use pmirs_wire::pairing::{PairingState, code_from_typed};
use pmirs_wire::{Bytes, DeviceId, Digest};

use crate::local::OwnDevice;
use crate::remote::{Connection, HttpTransport, Remote};
use crate::{LoginOptions, Vault, VaultError, fresh};

/// How often a mailbox is looked into while the other device is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A device of this person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Follows from its key.
    pub id: DeviceId,
    /// Whether it is this one.
    pub this: bool,
    /// When it was certified, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it was revoked, if it was.
    pub revoked_ms: Option<u64>,
}

/// Makes this home a device of its own at the cloud, once.
pub(crate) fn certify(vault: &Vault, remote: &Remote) -> Result<(), VaultError> {
    let server = remote.server();
    if vault.local().device()?.is_some_and(|own| own.server == server) {
        return Ok(());
    }
    let key = DeviceKey::generate(&mut fresh::rng()?);
    let certificate = DeviceCertificate::issue(&vault.identity(), key.public(), fresh::now_ms());
    remote.add_device(certificate.to_bytes())?;
    vault.local().set_device(&OwnDevice { key: Bytes(key.expose_secret().to_vec()), server })?;
    remote.act_as(Arc::new(key));
    // A session of the device's own: it ends with the device.
    vault.local().set_session(&remote.login()?)
}

impl Vault {
    /// All devices of this person, revoked ones too.
    ///
    /// # Errors
    /// When the cloud cannot be asked, or shows a device that this identity did not certify.
    pub fn devices(&self) -> Result<Vec<DeviceInfo>, VaultError> {
        let own = self.own_device()?;
        let devices = self.remote()?.devices()?;
        devices.into_iter().map(|device| self.device_info(&device, own)).collect()
    }

    /// Ends a device's sessions and logins. `id` may be the first characters.
    ///
    /// # Errors
    /// [`VaultError::NoDevice`] where no device, or more than one, begins so; when the cloud fails.
    pub fn revoke_device(&self, id: &str) -> Result<DeviceInfo, VaultError> {
        let own = self.own_device()?;
        let mut named = self.devices()?.into_iter().filter(|device| device.id.to_string().starts_with(id));
        let (Some(device), None) = (named.next(), named.next()) else {
            return Err(VaultError::NoDevice(id.to_owned()));
        };
        let revoked = self.device_info(&self.remote()?.revoke_device(device.id)?, own)?;
        if revoked.id != device.id || revoked.revoked_ms.is_none() {
            let reason = "the cloud does not say that it revoked it".to_owned();
            return Err(VaultError::Altered {
                what: format!("device {}", device.id),
                field: "state",
                reason,
            });
        }
        Ok(revoked)
    }

    /// Answers a new device that shows this code; what comes back shows words to compare.
    ///
    /// # Errors
    /// When there is no such code, the new device does not go on in time, or the cloud fails.
    pub fn answer_device(&self, code: &str) -> Result<Approval, VaultError> {
        let remote = self.remote()?;
        let code = code_from_typed(code)
            .ok_or_else(|| VaultError::Pairing("a code has eight letters and digits".to_owned()))?;
        let state = remote.pairing(&code)?;
        let public = self.public_identity();
        let (approving, answer) =
            Approving::answer(&mut fresh::rng()?, remote.server().0, &public, &state.commitment.0)
                .map_err(|error| failed(&error))?;
        remote.pairing_step(&code, "answer", answer, true)?;
        let reveal = wait(&remote, &code, state.expires_ms, |state| state.reveal)?;
        let comparing = approving.check(&reveal.0).map_err(|error| failed(&error))?;
        Ok(Approval { code, comparing, remote })
    }

    fn own_device(&self) -> Result<Option<DeviceId>, VaultError> {
        let own = self.local().device()?;
        let key = own.and_then(|own| own.key.0.first_chunk().map(DeviceKey::from_secret));
        Ok(key.map(|key| DeviceId(key.public().id())))
    }

    /// The certificate is the identity's word, so the cloud cannot show a device of its own making.
    fn device_info(&self, device: &Device, own: Option<DeviceId>) -> Result<DeviceInfo, VaultError> {
        let bad = |reason: &dyn std::fmt::Display| VaultError::Altered {
            what: format!("device {}", device.id),
            field: "certificate",
            reason: reason.to_string(),
        };
        let certificate = DeviceCertificate::open(&self.public_identity(), &device.certificate.0)
            .map_err(|error| bad(&error))?;
        if certificate.device().id() != device.id.0 {
            return Err(bad(&"it is another device's"));
        }
        Ok(DeviceInfo {
            id: device.id,
            this: own == Some(device.id),
            created_ms: certificate.created_ms(),
            revoked_ms: device.revoked_ms,
        })
    }
}

/// The device that has the identity, before a person compared the words.
pub struct Approval {
    code: String,
    comparing: Comparing,
    remote: Arc<Remote>,
}

impl Approval {
    /// What the new device must show as well.
    pub fn words(&self) -> String {
        self.comparing.words()
    }

    /// Hands the identity to the new device, if the words that it shows are these. There is no second try.
    ///
    /// # Errors
    /// When the words differ: somebody stands between the two devices. When the cloud fails.
    pub fn approve(self, words_of_new_device: &str, seed: &IdentitySeed) -> Result<(), VaultError> {
        let sealed = self
            .comparing
            .approve(&mut fresh::rng()?, words_of_new_device, seed)
            .map_err(|error| failed(&error))?;
        self.remote.pairing_step(&self.code, "seed", sealed, true).map(drop)
    }
}

/// A new device without an identity, which has a code to show.
pub struct NewDevice {
    remote: Remote,
    joining: Joining,
    code: String,
    expires_ms: u64,
}

impl NewDevice {
    /// Opens a mailbox at the cloud at `url`.
    ///
    /// # Errors
    /// When the cloud cannot be reached or refuses.
    pub fn begin(url: &str, options: &LoginOptions) -> Result<Self, VaultError> {
        let connection = Connection::new(url, options.ca.as_deref())?;
        let bytes = connection.server_info()?.public_key;
        let key = ServerPublicKey::from_bytes(&bytes.0).map_err(|error| failed(&error))?;
        let server = Digest(key.fingerprint());
        let mut rng = fresh::rng()?;
        // Nobody logs in here; what a request is signed with is of no account.
        let nobody = pmirs_crypto::Identity::from_seed(&IdentitySeed::generate(&mut rng));
        let transport = Box::new(HttpTransport::new(connection, key));
        let remote = Remote::new(transport, server, Arc::new(nobody), None);
        let (joining, commitment) = Joining::begin(&mut rng, server.0);
        let opened = remote.open_pairing(commitment)?;
        Ok(Self { remote, joining, code: opened.code, expires_ms: opened.expires_ms })
    }

    /// What a person types on the device that has the identity.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Waits for the other device's answer; what comes back shows words to compare.
    ///
    /// # Errors
    /// When no answer comes in time, or the cloud fails.
    pub fn wait(self) -> Result<Arriving, VaultError> {
        let Self { remote, joining, code, expires_ms } = self;
        let answer = wait(&remote, &code, expires_ms, |state| state.answer)?;
        let (joined, reveal) = joining.reveal(&answer.0).map_err(|error| failed(&error))?;
        remote.pairing_step(&code, "reveal", reveal, false)?;
        Ok(Arriving { remote, joined, code, expires_ms })
    }
}

/// A new device that shows its words.
pub struct Arriving {
    remote: Remote,
    joined: Joined,
    code: String,
    expires_ms: u64,
}

impl Arriving {
    /// What the other device must show as well.
    pub fn words(&self) -> String {
        self.joined.words()
    }

    /// Waits for the identity. Only for after a person said that both devices show the same words.
    ///
    /// # Errors
    /// When it does not come in time, or is not the one that the other device named.
    pub fn receive_after_words_agreed(self) -> Result<IdentitySeed, VaultError> {
        let sealed = wait(&self.remote, &self.code, self.expires_ms, |state| state.seed)?;
        self.joined.open_after_words_agreed(&sealed.0).map_err(|error| failed(&error))
    }
}

/// Looks into a mailbox until what is waited for has come.
fn wait(
    remote: &Remote,
    code: &str,
    expires_ms: u64,
    part: impl Fn(PairingState) -> Option<Bytes>,
) -> Result<Bytes, VaultError> {
    let left = Duration::from_millis(expires_ms.saturating_sub(fresh::now_ms()));
    let until = Instant::now() + left.min(Duration::from_mins(10));
    loop {
        if let Some(message) = part(remote.pairing(code)?) {
            return Ok(message);
        }
        if Instant::now() >= until {
            return Err(VaultError::Pairing("the other device did not go on in time".to_owned()));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn failed(error: &pmirs_crypto::Error) -> VaultError {
    VaultError::Pairing(error.to_string())
}
