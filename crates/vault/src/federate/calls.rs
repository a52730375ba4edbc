//! What a member and an owner ask the coordinator.

use pmirs_wire::envelope::Method;
use pmirs_wire::federation::{
    Arrived, Coordinator, Federation, FederationList, FederationRow, Heard, NewFederation, Piece, RecordPage,
    Spoken, Turn, Weights,
};
use pmirs_wire::{Bytes, Digest, encode, limits};

use crate::VaultError;
use crate::remote::Remote;

/// Calls on the coordinator of a federation.
impl Remote {
    pub(super) fn coordinator(&self) -> Result<Coordinator, VaultError> {
        self.authenticated(Method::Get, "/v1/coordinator", Vec::new())
    }

    pub(super) fn federations(&self) -> Result<Vec<FederationRow>, VaultError> {
        let list: FederationList = self.authenticated(Method::Get, "/v1/federations", Vec::new())?;
        Ok(list.federations)
    }

    pub(super) fn start_federation(&self, new: &NewFederation) -> Result<Federation, VaultError> {
        self.authenticated(Method::Post, "/v1/federations", encode(new)?)
    }

    pub(super) fn federation(&self, id: Digest) -> Result<Federation, VaultError> {
        self.authenticated(Method::Get, &format!("/v1/federations/{id}"), Vec::new())
    }

    /// The caller's turn, as soon as the serial is not `after` any more.
    pub(super) fn turn(&self, id: Digest, after: Option<u64>) -> Result<Turn, VaultError> {
        let query = after.map(|after| format!("?after={after}")).unwrap_or_default();
        self.authenticated(Method::Get, &format!("/v1/federations/{id}/turn{query}"), Vec::new())
    }

    pub(super) fn speak(&self, id: Digest, frame: Vec<u8>) -> Result<Heard, VaultError> {
        let spoken = encode(&Spoken { frame: Bytes(frame) })?;
        self.authenticated(Method::Post, &format!("/v1/federations/{id}/messages"), spoken)
    }

    pub(super) fn round_records(&self, id: Digest, from: u32) -> Result<RecordPage, VaultError> {
        self.authenticated(Method::Get, &format!("/v1/federations/{id}/records?after={from}"), Vec::new())
    }

    /// Sends bytes piece by piece, from where the coordinator has them to. `kind` is `model` or `update`.
    pub(super) fn send_pieces(
        &self,
        id: Digest,
        kind: &str,
        of: Digest,
        all: &[u8],
    ) -> Result<(), VaultError> {
        let path = format!("/v1/federations/{id}/{kind}");
        let mut offset = 0;
        loop {
            let end = (offset + limits::FEDERATION_PIECE).min(all.len());
            let bytes = Bytes(all.get(offset..end).unwrap_or_default().to_vec());
            let piece = Piece { of, offset: offset as u64, total: all.len() as u64, bytes };
            let arrived: Arrived = self.authenticated(Method::Post, &path, encode(&piece)?)?;
            if arrived.whole {
                return Ok(());
            }
            let there = arrived.bytes as usize;
            if there == offset || there >= all.len() {
                let reason = format!("{there} of {} bytes are there, and not one more", all.len());
                return Err(VaultError::BadAnswer { request: format!("POST {path}"), reason });
            }
            offset = there;
        }
    }

    /// A model's numbers as they lie on the wire; the caller checks their digest.
    pub(super) fn model(&self, id: Digest, model: Digest, expected: usize) -> Result<Vec<u8>, VaultError> {
        let mut all = Vec::new();
        while all.len() < expected {
            let path = format!("/v1/federations/{id}/models/{model}?offset={}", all.len());
            let part: Weights = self.authenticated(Method::Get, &path, Vec::new())?;
            if part.total != expected as u64
                || part.bytes.0.is_empty()
                || all.len() + part.bytes.0.len() > expected
            {
                let reason = format!("a part of a model of {} bytes, expected {expected}", part.total);
                return Err(VaultError::BadAnswer { request: format!("GET {path}"), reason });
            }
            all.extend(part.bytes.0);
        }
        Ok(all)
    }
}
