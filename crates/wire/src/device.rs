//! The devices of an account, each with a key of its own.

use serde::{Deserialize, Serialize};

use crate::{AccountId, Bytes, DeviceId, Digest, Message};

/// Makes a device known: `POST /v1/devices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewDevice {
    /// The identity's word for the device's key, by `pmirs-crypto`.
    pub certificate: Bytes,
}

impl Message for NewDevice {
    const NAME: &'static str = "new device";
    const MAX_BYTES: usize = 512;
}

/// A device as its server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Device {
    /// Follows from its key.
    pub id: DeviceId,
    /// The certificate that made it known.
    pub certificate: Bytes,
    /// When the certificate was signed, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it was revoked, if it was.
    pub revoked_ms: Option<u64>,
}

impl Message for Device {
    const NAME: &'static str = "device";
    const MAX_BYTES: usize = 1 << 10;
}

/// All devices of an account, revoked ones too: `GET /v1/devices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceList {
    /// In the order in which they became known.
    pub devices: Vec<Device>,
}

impl Message for DeviceList {
    const NAME: &'static str = "device list";
    const MAX_BYTES: usize = 512 << 10;
}

/// Answers a challenge as a device: `POST /v1/login/device`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceLogin {
    /// Whose device logs in.
    pub account: AccountId,
    /// Which one.
    pub device: DeviceId,
    /// The challenge's nonce.
    pub nonce: Bytes,
    /// By the device, over [`DeviceLogin::signed_bytes`].
    pub signature: Bytes,
}

impl Message for DeviceLogin {
    const NAME: &'static str = "device login";
    const MAX_BYTES: usize = 1 << 10;
}

impl DeviceLogin {
    /// What a device signs: the server it is meant for, the account, and the nonce.
    pub fn signed_bytes(server: &Digest, account: &AccountId, nonce: &[u8]) -> Vec<u8> {
        [b"pmirs device login v1".as_slice(), &server.0, &account.0, nonce].concat()
    }
}
