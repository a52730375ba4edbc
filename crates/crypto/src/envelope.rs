//! Requests sealed to the server's own key and answers sealed back, inside TLS, so that whoever ends TLS
//! before the server sees nothing: the construction of Oblivious HTTP (RFC 9458 sections 4.3 and 4.4).
//!
//! ```text
//! request = version(1) ‖ key id(8) ‖ encapsulated key(1120) ‖ ciphertext ‖ tag(16)
//! info    = "pmirs/envelope/request/v1" ‖ 0 ‖ version ‖ key id
//!
//! secret  = context.Export("pmirs/envelope/response/v1", 32)
//! prk     = HKDF-Extract(salt = encapsulated key ‖ response nonce, secret)
//! answer  = version(1) ‖ response nonce(32) ‖ AES-256-GCM(Expand(prk, "key"), Expand(prk, "nonce"), version)
//! ```
//!
//! Every request has an encapsulation of its own, so an answer opens only for the request it answers. A
//! request can be replayed by whoever recorded it; what is inside carries the time and the token that the
//! server checks.

use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::Error;
use crate::aead::{Cipher, NONCE, TAG};
use crate::bytes::Reader;
use crate::hash::labelled_sha256;
use crate::suite::{self, ENCAPSULATED};

const VERSION: u8 = 1;
const KEY_ID: usize = 8;
const RESPONSE_NONCE: usize = 32;
const RESPONSE_LABEL: &[u8] = b"pmirs/envelope/response/v1";
const REQUEST: &str = "sealed request";
const RESPONSE: &str = "sealed answer";

/// Bytes that sealing adds to a request.
pub const REQUEST_OVERHEAD: usize = 1 + KEY_ID + ENCAPSULATED + TAG;
/// Bytes that sealing adds to an answer.
pub const RESPONSE_OVERHEAD: usize = 1 + RESPONSE_NONCE + TAG;
/// Plain bytes of the longest request or answer.
pub const MAX_MESSAGE: usize = 128 << 20;

/// A server's private key: requests are sealed to its public half.
pub struct ServerKey {
    seed: Zeroizing<[u8; 32]>,
    kem: suite::PrivateKey,
    public: ServerPublicKey,
}

impl ServerKey {
    /// Bytes of an exposed server key.
    pub const LEN: usize = 1 + 32;

    /// A fresh key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self::from_kem_seed(seed)
    }

    /// Reads what [`expose`](Self::expose) wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::exact("server key", bytes, Self::LEN)?;
        reader.version(VERSION)?;
        Ok(Self::from_kem_seed(Zeroizing::new(*reader.array()?)))
    }

    /// The private key itself, `version(1) ‖ X-Wing seed(32)`: whoever holds it reads every request.
    pub fn expose(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([&[VERSION], self.seed.as_slice()].concat())
    }

    /// What clients pin.
    pub fn public(&self) -> ServerPublicKey {
        self.public.clone()
    }

    /// Opens a request, and readies the answer's key.
    pub fn open_request(&self, sealed: &[u8]) -> Result<(Vec<u8>, ResponseSealer), Error> {
        let most = MAX_MESSAGE + REQUEST_OVERHEAD;
        let mut reader = Reader::between(REQUEST, sealed, REQUEST_OVERHEAD, most)?;
        reader.version(VERSION)?;
        let key_id = self.public.key_id();
        if reader.array()? != &key_id {
            return Err(Error::WrongServerKey);
        }
        let encapsulated = *reader.array()?;
        let unauthentic = |_| Error::Unauthentic { what: REQUEST };
        let mut receiver =
            suite::receiver(&self.kem, &encapsulated, &request_info(key_id)).map_err(unauthentic)?;
        let request = receiver.open(reader.rest(), &[]).map_err(unauthentic)?;
        let mut secret = Zeroizing::new([0; 32]);
        receiver.export(RESPONSE_LABEL, secret.as_mut()).map_err(unauthentic)?;
        Ok((request, ResponseSealer(Exchange { encapsulated, secret })))
    }

    fn from_kem_seed(seed: Zeroizing<[u8; 32]>) -> Self {
        let kem = suite::private_key(&seed);
        let public = ServerPublicKey::new(suite::public_key(&kem));
        Self { seed, kem, public }
    }
}

impl std::fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServerKey(redacted, {:?})", self.public)
    }
}

/// A server's public key, pinned in its invites.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerPublicKey {
    kem: suite::PublicKey,
    fingerprint: [u8; 32],
}

impl ServerPublicKey {
    /// Bytes of an encoded server key.
    pub const LEN: usize = 1 + suite::PUBLIC_KEY;

    /// `version(1) ‖ X-Wing public key(1216)`
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(&self.kem)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "server's public key";
        let mut reader = Reader::exact(WHAT, bytes, Self::LEN)?;
        reader.version(VERSION)?;
        suite::public_key_from(reader.array()?).map(Self::new).ok_or(Error::Malformed { what: WHAT })
    }

    /// SHA-256 over a label and the encoded key: what an invite pins.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Seals a request, and readies the opening of its answer.
    ///
    /// # Panics
    /// Above [`MAX_MESSAGE`] bytes, which the limits on messages exclude.
    pub fn seal_request(&self, rng: &mut impl CryptoRng, request: &[u8]) -> (Vec<u8>, ResponseOpener) {
        check_length(request);
        let key_id = self.key_id();
        let (encapsulated, mut sender) = suite::sender(rng, &self.kem, &request_info(key_id));
        let mut sealed = Vec::with_capacity(request.len() + REQUEST_OVERHEAD);
        sealed.push(VERSION);
        sealed.extend_from_slice(&key_id);
        sealed.extend_from_slice(&encapsulated);
        sealed.extend_from_slice(&suite::seal(&mut sender, request));
        let mut secret = Zeroizing::new([0; 32]);
        #[expect(clippy::expect_used, reason = "HKDF-SHA-256 exports up to 255 blocks; this is one")]
        sender.export(RESPONSE_LABEL, secret.as_mut()).expect("one block");
        (sealed, ResponseOpener(Exchange { encapsulated, secret }))
    }

    /// The fingerprint is kept, since every request and every answer asks for it.
    fn new(kem: suite::PublicKey) -> Self {
        let fingerprint = labelled_sha256("pmirs/fingerprint/server/v1", &encode(&kem));
        Self { kem, fingerprint }
    }

    fn key_id(&self) -> [u8; KEY_ID] {
        let mut id = [0; KEY_ID];
        id.iter_mut().zip(self.fingerprint).for_each(|(slot, byte)| *slot = byte);
        id
    }
}

impl std::fmt::Debug for ServerPublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServerPublicKey({})", data_encoding::HEXLOWER.encode(&self.key_id()))
    }
}

/// Seals the one answer to a request.
pub struct ResponseSealer(Exchange);

impl ResponseSealer {
    /// Seals the answer.
    ///
    /// # Panics
    /// Above [`MAX_MESSAGE`] bytes, which the limits on messages exclude.
    pub fn seal(self, rng: &mut impl CryptoRng, answer: &[u8]) -> Vec<u8> {
        check_length(answer);
        let mut response_nonce = [0; RESPONSE_NONCE];
        rng.fill_bytes(&mut response_nonce);
        let (cipher, nonce) = self.0.response_cipher(&response_nonce);
        let mut sealed = Vec::with_capacity(answer.len() + RESPONSE_OVERHEAD);
        sealed.push(VERSION);
        sealed.extend_from_slice(&response_nonce);
        cipher.seal_onto(&mut sealed, &nonce, &[VERSION], answer);
        sealed
    }
}

/// Opens the one answer to a request.
pub struct ResponseOpener(Exchange);

impl ResponseOpener {
    /// Opens the answer.
    pub fn open(self, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let most = MAX_MESSAGE + RESPONSE_OVERHEAD;
        let mut reader = Reader::between(RESPONSE, sealed, RESPONSE_OVERHEAD, most)?;
        reader.version(VERSION)?;
        let (cipher, nonce) = self.0.response_cipher(reader.array()?);
        let mut answer =
            cipher.open(&nonce, &[VERSION], reader.rest()).ok_or(Error::Unauthentic { what: RESPONSE })?;
        Ok(std::mem::take(&mut *answer))
    }
}

impl std::fmt::Debug for ResponseSealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResponseSealer(redacted)")
    }
}

impl std::fmt::Debug for ResponseOpener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResponseOpener(redacted)")
    }
}

/// What both ends of a request keep for its answer.
struct Exchange {
    encapsulated: [u8; ENCAPSULATED],
    secret: Zeroizing<[u8; 32]>,
}

impl Exchange {
    fn response_cipher(&self, response_nonce: &[u8; RESPONSE_NONCE]) -> (Cipher, [u8; NONCE]) {
        let salt = [self.encapsulated.as_slice(), response_nonce].concat();
        let hkdf = Hkdf::<Sha256>::new(Some(&salt), self.secret.as_ref());
        let (mut key, mut nonce) = (Zeroizing::new([0; 32]), [0; NONCE]);
        #[expect(
            clippy::expect_used,
            reason = "HKDF-SHA-256 refuses only above 255 blocks; these are one each"
        )]
        {
            hkdf.expand(b"key", key.as_mut()).expect("one block");
            hkdf.expand(b"nonce", &mut nonce).expect("one block");
        }
        (Cipher::new(&key), nonce)
    }
}

fn encode(kem: &suite::PublicKey) -> Vec<u8> {
    [&[VERSION], suite::public_key_bytes(kem).as_slice()].concat()
}

fn request_info(key_id: [u8; KEY_ID]) -> Vec<u8> {
    [b"pmirs/envelope/request/v1\0".as_slice(), &[VERSION], &key_id].concat()
}

fn check_length(message: &[u8]) {
    assert!(message.len() <= MAX_MESSAGE, "{} bytes in an envelope, more than the limit", message.len());
}
