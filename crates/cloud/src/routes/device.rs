//! The devices of an account, and logging in as one.

use std::sync::Arc;

use axum::extract::State;
use pmirs_crypto::{DeviceCertificate, DevicePublicKey, Signature};
use pmirs_wire::account::Session;
use pmirs_wire::device::{Device, DeviceList, DeviceLogin, NewDevice};
use pmirs_wire::{AccountId, DeviceId, limits};

use super::DevicePath;
use crate::app::App;
use crate::auth::Bearer;
use crate::check;
use crate::clock::now_ms;
use crate::gate::Peer;
use crate::refusal::Refusal;
use crate::speech::{Answer, Incoming};
use crate::storage::DeviceAddition;

pub(super) async fn list(State(app): State<Arc<App>>, bearer: Bearer) -> Result<Answer<DeviceList>, Refusal> {
    let devices = app.run(move |app| {
        let account = app.authenticate(bearer)?;
        Ok(app.store.devices(&account)?)
    });
    Ok(Answer::ok(DeviceList { devices: devices.await? }))
}

pub(super) async fn add(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    body: Incoming<NewDevice>,
) -> Result<Answer<Device>, Refusal> {
    let device = app.run(move |app| {
        let account = app.authenticate(bearer)?;
        app.add_device(&account, body.read()?)
    });
    device.await.map(Answer::created)
}

pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    DevicePath(id): DevicePath,
) -> Result<Answer<Device>, Refusal> {
    let device = app.run(move |app| {
        let account = app.authenticate(bearer)?;
        app.store.revoke_device(&account, &id, now_ms())?.ok_or_else(|| Refusal::not_found("device"))
    });
    device.await.map(Answer::ok)
}

pub(super) async fn login(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    body: Incoming<DeviceLogin>,
) -> Result<Answer<Session>, Refusal> {
    app.throttle.login(peer)?;
    app.run(move |app| app.log_in_device(&body.read()?)).await.map(Answer::ok)
}

impl App {
    fn add_device(&self, account: &AccountId, new: NewDevice) -> Result<Device, Refusal> {
        let (identity, _) = self.identity(account)?;
        let certificate = DeviceCertificate::open(&identity, &new.certificate.0)
            .map_err(|error| Refusal::bad(format!("certificate: {error}")))?;
        let key = certificate.device();
        let device = Device {
            id: DeviceId(key.id()),
            certificate: new.certificate,
            created_ms: certificate.created_ms(),
            revoked_ms: None,
        };
        match self.store.add_device(account, &key.to_bytes(), &device, limits::DEVICES as u64)? {
            DeviceAddition::Known => Ok(device),
            DeviceAddition::Taken => {
                Err(Refusal::conflict("certificate: this device is known otherwise, or was revoked"))
            }
            DeviceAddition::QuotaReached => {
                Err(Refusal::too_large(format!("an account has at most {} devices", limits::DEVICES)))
            }
        }
    }

    /// Every way to fail looks alike and takes as long.
    fn log_in_device(&self, login: &DeviceLogin) -> Result<Session, Refusal> {
        let challenged = self.challenges.spend(&login.nonce.0, &login.account, now_ms());
        let known = match self.store.device_key(&login.account, &login.device)? {
            Some(key) => Some(DevicePublicKey::from_bytes(&key).map_err(|error| Refusal::internal(&error))?),
            None => None,
        };
        let signature = Signature(check::exactly("signature", &login.signature.0)?);
        let message = DeviceLogin::signed_bytes(&self.fingerprint, &login.account, &login.nonce.0);
        let signed = known.unwrap_or(self.no_device).verify(&message, &signature).is_ok();
        if !(challenged && signed && known.is_some()) {
            return Err(Refusal::unauthenticated("this login is not valid"));
        }
        self.new_session(login.account, Some(login.device))
    }
}
