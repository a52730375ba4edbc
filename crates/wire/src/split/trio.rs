//! Which three servers, and how to know them.

use serde::{Deserialize, Serialize};

use crate::{Digest, Message};

/// One server, as the file of parties names it. An operator prints it and hands it to the two others and to clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartyEntry {
    /// What people call it, and what errors name.
    pub name: String,
    /// Where clients find it, such as `https://north.example:8787`.
    pub url: String,
    /// Where the two others find it: host and port.
    pub peer: String,
    /// Its Ed25519 public key: who it is in TLS, and under what it signs.
    pub signs: Digest,
    /// The fingerprint of the key that requests are sealed to.
    pub seals: Digest,
}

/// Three servers in their order: P0, P1, P2.
///
/// As TOML it is the file of parties: three tables `[[party]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trio {
    /// The three, in order.
    #[serde(rename = "party")]
    pub parties: [PartyEntry; 3],
}

impl Trio {
    /// What the SHA-256 of a trio is taken over: the keys in their order. Names and addresses may change.
    pub fn pinned_bytes(&self) -> Vec<u8> {
        let mut bytes = b"pmirs/split/trio/v1\0".to_vec();
        for party in &self.parties {
            bytes.extend_from_slice(&party.signs.0);
            bytes.extend_from_slice(&party.seals.0);
        }
        bytes
    }

    /// What is wrong with it, if anything: a name or key twice, or a field without sense.
    pub fn fault(&self) -> Option<String> {
        let [first, second, third] = &self.parties;
        for party in &self.parties {
            let named = !party.name.is_empty()
                && party.name.len() <= 64
                && party.name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
            if !named {
                return Some(format!("name: '{}' is not 1 to 64 letters, digits, '-', '_', '.'", party.name));
            }
            if party.url.len() > 512 || party.peer.len() > 512 {
                return Some(format!("{}: an address is longer than 512 bytes", party.name));
            }
        }
        for (one, other) in [(first, second), (second, third), (first, third)] {
            let (a, b) = (&one.name, &other.name);
            if a == b {
                return Some(format!("name: '{a}' is there twice"));
            }
            if one.signs == other.signs || one.seals == other.seals {
                return Some(format!("{a} and {b} have the same key: three servers need three operators"));
            }
        }
        None
    }
}

impl Message for Trio {
    const NAME: &'static str = "parties";
    const MAX_BYTES: usize = 8 << 10;
}
