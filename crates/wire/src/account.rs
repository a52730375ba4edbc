//! Who asks: server identity, invites, accounts, sessions.

use serde::{Deserialize, Serialize};

use crate::{AccountId, Bytes, Digest, Message};

/// What a server says of itself to anyone: `GET /v1/server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServerInfo {
    /// The server's own version of PMIRS.
    pub version: String,
    /// The key that requests are sealed to; its fingerprint is pinned by the invite.
    pub public_key: Bytes,
    /// The server's clock, in milliseconds since 1970.
    pub now_ms: u64,
}

impl Message for ServerInfo {
    const NAME: &'static str = "server information";
    const MAX_BYTES: usize = 8 << 10;
}

/// What an invite's text holds: one registration at one server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Invite {
    /// The fingerprint of the server's public key.
    pub server: Digest,
    /// The secret that one new account spends.
    pub code: Bytes,
}

impl std::fmt::Debug for Invite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invite").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Message for Invite {
    const NAME: &'static str = "invite";
    const MAX_BYTES: usize = 256;
}

/// The text form starts so, so that a person and a secret scanner recognise it.
const INVITE_PREFIX: &str = "pmirs-invite-";

impl Invite {
    /// One line of text to hand to a person.
    pub fn to_text(&self) -> Result<String, crate::EncodeError> {
        let bytes = crate::encode(self)?;
        Ok(format!("{INVITE_PREFIX}{}", data_encoding::BASE64URL_NOPAD.encode(&bytes)))
    }

    /// Reads what [`Invite::to_text`] wrote; white space around it does not matter.
    pub fn from_text(text: &str) -> Result<Self, crate::DecodeError> {
        let malformed =
            |detail: &str| crate::DecodeError::Malformed { name: Self::NAME, detail: detail.to_owned() };
        let encoded = text
            .trim()
            .strip_prefix(INVITE_PREFIX)
            .ok_or_else(|| malformed("it does not start with 'pmirs-invite-'"))?;
        let bytes = data_encoding::BASE64URL_NOPAD
            .decode(encoded.as_bytes())
            .map_err(|_| malformed("it is not base64url: was it cut?"))?;
        crate::decode(&bytes)
    }
}

impl std::str::FromStr for Invite {
    type Err = crate::DecodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_text(text)
    }
}

/// A new account: `POST /v1/accounts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Register {
    /// The invite's secret.
    pub code: Bytes,
    /// The public identity, encoded by `pmirs-crypto`.
    pub identity: Bytes,
    /// What others find the account by, if by anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Proves that the identity's owner asks: over [`Register::signed_bytes`], or with a name over
    /// [`Register::signed_bytes_named`].
    pub signature: Bytes,
}

impl Message for Register {
    const NAME: &'static str = "registration";
    const MAX_BYTES: usize = 8 << 10;
}

impl Register {
    /// What a registration signs: the server it is meant for and the invite it spends.
    pub fn signed_bytes(server: &Digest, code: &[u8]) -> Vec<u8> {
        [b"pmirs register v1".as_slice(), &server.0, code].concat()
    }

    /// What a registration with a name signs; a code has a fixed length, so the name follows it.
    pub fn signed_bytes_named(server: &Digest, code: &[u8], name: &str) -> Vec<u8> {
        [b"pmirs register named v1".as_slice(), &server.0, code, name.as_bytes()].concat()
    }
}

/// Asks for a challenge: `POST /v1/login/challenge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChallengeRequest {
    /// Who wants to log in.
    pub account: AccountId,
}

impl Message for ChallengeRequest {
    const NAME: &'static str = "challenge request";
    const MAX_BYTES: usize = 256;
}

/// A nonce to sign, good once and for a short while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Challenge {
    /// 32 random bytes.
    pub nonce: Bytes,
}

impl Message for Challenge {
    const NAME: &'static str = "challenge";
    const MAX_BYTES: usize = 256;
}

/// Answers a challenge: `POST /v1/login`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Login {
    /// Who logs in.
    pub account: AccountId,
    /// The challenge's nonce.
    pub nonce: Bytes,
    /// Over [`Login::signed_bytes`].
    pub signature: Bytes,
}

impl Message for Login {
    const NAME: &'static str = "login";
    const MAX_BYTES: usize = 1 << 10;
}

impl Login {
    /// What a login signs: the server it is meant for, so that no other server can use it, and the nonce.
    pub fn signed_bytes(server: &Digest, nonce: &[u8]) -> Vec<u8> {
        [b"pmirs login v1".as_slice(), &server.0, nonce].concat()
    }
}

/// A short-lived right to ask.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Session {
    /// The bearer token.
    pub token: Bytes,
    /// When it stops working, in milliseconds since 1970.
    pub expires_ms: u64,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("expires_ms", &self.expires_ms).finish_non_exhaustive()
    }
}

impl Message for Session {
    const NAME: &'static str = "session";
    const MAX_BYTES: usize = 256;
}
