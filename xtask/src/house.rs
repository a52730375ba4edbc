//! The crates' floors and the edges that must not exist between them, as the design draws them.

/// Servers: what they must never reach, by normal or build edges, with all features.
pub const SERVERS: [&str; 2] = ["pmirs-cloud", "pmirs-party"];

/// What would let a server understand what it stores.
pub const UNDERSTANDING: [&str; 3] = ["pmirs-vault", "pmirs-encoder", "pmirs-veil"];

/// The floors from bottom to top. A crate may depend only on crates of lower floors.
pub const FLOORS: [&[&str]; 7] = [
    &["pmirs-crypto"],
    &["pmirs-veil", "pmirs-mpc", "pmirs-privacy"],
    &["pmirs-wire", "pmirs-index", "pmirs-encoder"],
    &["pmirs-federated"],
    &["pmirs-cloud", "pmirs-party", "pmirs-vault"],
    &["pmirs-lab"],
    &["pmirs"],
];

/// Single edges that the floors alone would allow.
pub const FORBIDDEN_EDGES: [(&str, &str); 1] = [("pmirs-federated", "pmirs-encoder")];

/// The one crate that names cipher crates.
pub const CRYPTO: &str = "pmirs-crypto";

/// Who else may name which: the lab builds the paper's AES-CBC, to show what it loses.
pub const CIPHER_EXCEPTIONS: [(&str, &str); 2] = [("pmirs-lab", "aes"), ("pmirs-lab", "cbc")];

/// Crates that implement ciphers, hashes, signatures, key exchange or key derivation. `rustls` is not among
/// them: it is a protocol with its own provider, and stays allowed where there is a network.
pub const CIPHERS: [&str; 48] = [
    "aead",
    "aead-stream",
    "aes",
    "aes-gcm",
    "aes-gcm-siv",
    "age",
    "argon2",
    "aws-lc-rs",
    "bip39",
    "blake2",
    "blake3",
    "cbc",
    "chacha20",
    "chacha20poly1305",
    "cipher",
    "crypto_box",
    "crypto_secretbox",
    "ctr",
    "curve25519-dalek",
    "digest",
    "dryoc",
    "ed25519",
    "ed25519-dalek",
    "ghash",
    "hkdf",
    "hmac",
    "hpke",
    "k256",
    "kem",
    "libsodium-sys",
    "md-5",
    "ml-dsa",
    "ml-kem",
    "openssl",
    "orion",
    "p256",
    "pbkdf2",
    "poly1305",
    "ring",
    "rsa",
    "scrypt",
    "sha1",
    "sha2",
    "sha3",
    "signature",
    "sodiumoxide",
    "x-wing",
    "x25519-dalek",
];
