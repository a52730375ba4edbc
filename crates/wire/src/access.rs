//! Requests that their senders sign, and the record of what they opened.
//!
//! ```text
//! signed = "pmirs request v1" ‖ server's fingerprint(32) ‖ sent_ms(8) ‖ SHA-256 of the body(32) ‖ method ‖ 0 ‖ path
//! ```
//!
//! A request that opens an item's content must be signed by the identity of whoever asks. The server keeps the
//! signature, so that an owner who reads the record can check that a person asked, and the server cannot make up
//! an access of somebody else. It can leave one out, and it can show the same one twice.

use serde::{Deserialize, Serialize};

use crate::envelope::Method;
use crate::{AccountId, Bytes, CollectionId, Digest, ItemId, Message, limits};

/// SHA-256 of no bytes: the body of every read.
pub const EMPTY_BODY: Digest = Digest([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// The header with `sent_ms` of a signed request that travels in no envelope.
pub const SENT_HEADER: &str = "pmirs-sent-ms";
/// The header with its signature, in base64url without padding.
pub const SIGNATURE_HEADER: &str = "pmirs-signature";

/// What the signature of a request covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedRequest<'a> {
    /// The fingerprint of the server's key: no other server can use it.
    pub server: Digest,
    /// The sender's clock, in milliseconds since 1970.
    pub sent_ms: u64,
    /// What to do.
    pub method: Method,
    /// Path and query.
    pub path: &'a str,
    /// SHA-256 of the body.
    pub body: Digest,
}

impl SignedRequest<'_> {
    /// The bytes to sign. All before the method has a fixed length, and a method holds no zero byte.
    pub fn to_bytes(&self) -> Vec<u8> {
        [
            b"pmirs request v1".as_slice(),
            &self.server.0,
            &self.sent_ms.to_be_bytes(),
            &self.body.0,
            self.method.name().as_bytes(),
            &[0],
            self.path.as_bytes(),
        ]
        .concat()
    }
}

/// Where an item's content is opened.
pub fn content_path(collection: &CollectionId, item: &ItemId) -> String {
    format!("/v1/collections/{collection}/items/{item}/content")
}

/// Whether the server answers a request only if it is signed.
pub fn must_be_signed(method: Method, path: &str) -> bool {
    method == Method::Get && path.starts_with("/v1/collections/") && path.ends_with("/content")
}

/// That somebody opened an item's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Access {
    /// Its place among the accesses to the collection, counted from 1.
    pub number: u64,
    /// When it was answered, by the server's clock, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who asked.
    pub account: AccountId,
    /// What was opened.
    pub item: ItemId,
    /// When it was asked, by the asker's clock.
    pub sent_ms: u64,
    /// The asker's, over [`Access::signed_bytes`].
    pub signature: Bytes,
}

impl Access {
    /// What the asker signed.
    pub fn signed_bytes(&self, server: Digest, collection: &CollectionId) -> Vec<u8> {
        let path = content_path(collection, &self.item);
        let (sent_ms, method) = (self.sent_ms, Method::Get);
        SignedRequest { server, sent_ms, method, path: &path, body: EMPTY_BODY }.to_bytes()
    }
}

/// Accesses in order: `GET /v1/collections/{id}/accesses?after=N`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccessPage {
    /// At most [`limits::ACCESS_PAGE`]. Numbers that are not there were forgotten: a server keeps the latest ones
    /// only, and none of an account that was deleted.
    pub accesses: Vec<Access>,
    /// There is more now.
    pub more: bool,
    /// The latest number that was given.
    pub latest: u64,
}

impl Message for AccessPage {
    const NAME: &'static str = "access page";
    const MAX_BYTES: usize = limits::ACCESS_PAGE * 512;
}
