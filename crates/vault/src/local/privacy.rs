//! What is remembered beside the privacy ledger. It outlives an account: what was let out stays let out.

use super::Local;
use crate::VaultError;
use crate::privacy::{DataSetting, HeadSetting, LimitSetting};

const HEAD: &str = "privacy head";
const LIMITS: &str = "privacy limits";

impl Local {
    pub(crate) fn remembered_ledger(&self) -> Result<Option<HeadSetting>, VaultError> {
        self.setting(HEAD)
    }

    pub(crate) fn remember_ledger(&self, head: &HeadSetting) -> Result<(), VaultError> {
        self.set(HEAD, head)
    }

    pub(crate) fn privacy_limits(&self) -> Result<Option<LimitSetting>, VaultError> {
        self.setting(LIMITS)
    }

    pub(crate) fn set_privacy_limits(&self, limits: Option<&LimitSetting>) -> Result<(), VaultError> {
        match limits {
            Some(limits) => self.set(LIMITS, limits),
            None => self.unset(LIMITS),
        }
    }

    pub(crate) fn name_data(&self, data: &[u8; 32], name: &DataSetting) -> Result<(), VaultError> {
        self.set(&data_row(data), name)
    }

    pub(crate) fn data_name(&self, data: &[u8; 32]) -> Result<Option<DataSetting>, VaultError> {
        self.setting(&data_row(data))
    }
}

fn data_row(data: &[u8; 32]) -> String {
    format!("privacy data {}", pmirs_wire::Digest(*data))
}
