//! An item's content: AES-256-GCM in the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, 2015).
//!
//! ```text
//! sealed = header ‖ chunk₀ ‖ chunk₁ ‖ … ‖ chunkₙ
//! header = version(1) ‖ wrap nonce(12) ‖ wrapped file key(32 + 16) ‖ stream nonce(7)
//! chunkᵢ = AES-256-GCM(file key, stream nonce ‖ i(4) ‖ last(1), place, 64 KiB of plaintext) ‖ tag(16)
//! ```
//!
//! Every item has a fresh file key, wrapped by the epoch's content key for this place. A chunk's index and
//! whether it is the last lie in its nonce, the place in its associated data: no chunk can be moved, dropped,
//! repeated or carried into another item. Only an empty content has an empty chunk, so that each content has
//! one length when sealed.

use std::io::{Read, Write};

use aead_stream::{DecryptorBE32, EncryptorBE32};
use aes_gcm::Aes256Gcm;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::aead::{Cipher, NONCE, TAG};
use crate::bytes::Reader;
use crate::place::Place;
use crate::{Error, StreamError};

const VERSION: u8 = 1;
const WHAT: &str = "content";
const STREAM_NONCE: usize = 7;
const WRAPPED: usize = 32 + TAG;
const HEADER: usize = 1 + NONCE + WRAPPED + STREAM_NONCE;
const SEALED_CHUNK: usize = CHUNK + TAG;

/// Plain bytes of every chunk but the last.
pub const CHUNK: usize = 64 << 10;
/// Plain bytes of the longest content that [`ContentKey::open`] takes; a stream has no limit short of 2³²
/// chunks.
pub const MAX_CONTENT: usize = 1 << 30;

/// Chunks are counted in 32 bits, the last number being kept for the last chunk.
const MAX_STREAM: usize = (u32::MAX as usize).saturating_mul(CHUNK);

/// Seals the contents of an epoch's items.
pub struct ContentKey(Cipher);

impl ContentKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Cipher::new(key))
    }

    /// Seals a content that lies in memory.
    ///
    /// # Panics
    /// Above [`MAX_CONTENT`] bytes: longer contents are for [`seal_stream`](Self::seal_stream).
    pub fn seal(&self, rng: &mut impl CryptoRng, place: &Place, plaintext: &[u8]) -> Vec<u8> {
        assert!(plaintext.len() <= MAX_CONTENT, "{} bytes of content, more than the limit", plaintext.len());
        let mut sealed = Vec::with_capacity(sealed_len(plaintext.len() as u64) as usize);
        #[expect(
            clippy::expect_used,
            reason = "a slice and a vector never fail, and 2^14 chunks fit a stream"
        )]
        self.seal_stream(rng, place, plaintext, &mut sealed).expect("memory neither fails nor overflows");
        sealed
    }

    /// Opens a content that lies in memory. Whatever is wrong with it, none of it comes back.
    pub fn open(&self, place: &Place, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let (least, most) = (HEADER + TAG, sealed_len(MAX_CONTENT as u64) as usize);
        Reader::between(WHAT, sealed, least, most)?;
        let length = plain_len(sealed.len() as u64).ok_or(Error::Malformed { what: WHAT })?;
        let mut plaintext = Vec::with_capacity(length as usize);
        match self.open_stream(place, sealed, &mut plaintext) {
            Ok(_) => Ok(plaintext),
            Err(StreamError::Crypto(error)) => Err(error),
            // A slice and a vector never fail.
            Err(StreamError::Io(_)) => Err(Error::Malformed { what: WHAT }),
        }
    }

    /// Seals what the reader gives until it ends; returns the plain bytes read. Holds two chunks in memory.
    pub fn seal_stream(
        &self,
        rng: &mut impl CryptoRng,
        place: &Place,
        mut reader: impl Read,
        mut writer: impl Write,
    ) -> Result<u64, StreamError> {
        let ad = place.associated_data(VERSION);
        let (header, file_key, stream_nonce) = self.fresh_header(rng, &ad);
        writer.write_all(&header)?;
        let mut stream = EncryptorBE32::<Aes256Gcm>::from_aead(file_key.into_inner(), &stream_nonce.into());
        let mut chunks = Chunks::new(CHUNK);
        let mut total = 0;
        while let Some(chunk) = chunks.next_whole(&mut reader)? {
            total += chunk.len() as u64;
            let too_long = Error::TooLong { what: WHAT, limit: MAX_STREAM, got: total as usize };
            stream.encrypt_next_in_place(&ad, chunk).map_err(|_| too_long)?;
            writer.write_all(chunk)?;
        }
        let last = chunks.last();
        total += last.len() as u64;
        stream.encrypt_last_in_place(&ad, last).map_err(|_| Error::Malformed { what: WHAT })?;
        writer.write_all(last)?;
        Ok(total)
    }

    /// Opens what the reader gives until it ends; returns the plain bytes written.
    ///
    /// Each chunk is written once it is known to be authentic and in its place, but only `Ok` says that the
    /// content is whole. On an error the caller throws away what was written.
    pub fn open_stream(
        &self,
        place: &Place,
        mut reader: impl Read,
        mut writer: impl Write,
    ) -> Result<u64, StreamError> {
        let ad = place.associated_data(VERSION);
        let mut header = Vec::with_capacity(HEADER);
        reader.by_ref().take(HEADER as u64).read_to_end(&mut header)?;
        let mut stream = self.open_header(&header, &ad)?;
        let unauthentic = Error::Unauthentic { what: WHAT };
        let mut chunks = Chunks::new(SEALED_CHUNK);
        let mut total = 0;
        while let Some(chunk) = chunks.next_whole(&mut reader)? {
            stream.decrypt_next_in_place(&ad, chunk).map_err(|_| unauthentic.clone())?;
            total += chunk.len() as u64;
            writer.write_all(chunk)?;
        }
        let last = chunks.last();
        stream.decrypt_last_in_place(&ad, last).map_err(|_| unauthentic)?;
        if last.is_empty() && total > 0 {
            return Err(Error::Malformed { what: WHAT }.into());
        }
        total += last.len() as u64;
        writer.write_all(last)?;
        Ok(total)
    }

    fn fresh_header(&self, rng: &mut impl CryptoRng, ad: &[u8]) -> (Vec<u8>, Cipher, [u8; STREAM_NONCE]) {
        let (mut nonce, mut file_key) = ([0; NONCE], Zeroizing::new([0; 32]));
        let mut stream_nonce = [0; STREAM_NONCE];
        rng.fill_bytes(&mut nonce);
        rng.fill_bytes(file_key.as_mut());
        rng.fill_bytes(&mut stream_nonce);
        let mut header = Vec::with_capacity(HEADER);
        header.push(VERSION);
        header.extend_from_slice(&nonce);
        self.0.seal_onto(&mut header, &nonce, ad, file_key.as_ref());
        header.extend_from_slice(&stream_nonce);
        (header, Cipher::new(&file_key), stream_nonce)
    }

    fn open_header(&self, header: &[u8], ad: &[u8]) -> Result<DecryptorBE32<Aes256Gcm>, Error> {
        let mut reader = Reader::exact(WHAT, header, HEADER)?;
        reader.version(VERSION)?;
        let nonce = reader.array()?;
        let wrapped = reader.array::<WRAPPED>()?;
        let stream_nonce = *reader.array::<STREAM_NONCE>()?;
        let unauthentic = Error::Unauthentic { what: WHAT };
        let file_key = self.0.open(nonce, ad, wrapped).ok_or_else(|| unauthentic.clone())?;
        let file_key = <&[u8; 32]>::try_from(file_key.as_slice()).map_err(|_| unauthentic)?;
        Ok(DecryptorBE32::from_aead(Cipher::new(file_key).into_inner(), &stream_nonce.into()))
    }
}

impl std::fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContentKey(redacted)")
    }
}

/// Bytes of a content of this length once it is sealed.
pub fn sealed_len(plain_len: u64) -> u64 {
    let chunks = plain_len.div_ceil(CHUNK as u64).max(1);
    HEADER as u64 + plain_len + chunks * TAG as u64
}

/// Bytes of a content whose sealed form has this length, or `None` where no content has.
pub fn plain_len(sealed_len: u64) -> Option<u64> {
    let body = sealed_len.checked_sub(HEADER as u64)?;
    let chunks = body.div_ceil(SEALED_CHUNK as u64);
    let plain = body.checked_sub(chunks.max(1) * TAG as u64)?;
    (self::sealed_len(plain) == sealed_len).then_some(plain)
}

/// Cuts a reader into whole chunks and one last chunk, which is known as such only once the reader ends: so
/// one chunk is always read ahead. Both buffers are zeroised.
struct Chunks {
    size: usize,
    current: Zeroizing<Vec<u8>>,
    ahead: Zeroizing<Vec<u8>>,
    started: bool,
}

impl Chunks {
    fn new(size: usize) -> Self {
        // Room for the tag that sealing appends, so that no buffer ever moves and leaves a copy behind.
        let buffer = || Zeroizing::new(Vec::with_capacity(size + TAG));
        Self { size, current: buffer(), ahead: buffer(), started: false }
    }

    /// The next chunk that another one follows.
    fn next_whole(&mut self, reader: &mut impl Read) -> std::io::Result<Option<&mut Vec<u8>>> {
        if !self.started {
            self.started = true;
            fill(&mut self.ahead, reader, self.size)?;
        }
        std::mem::swap(&mut self.current, &mut self.ahead);
        self.ahead.clear();
        if self.current.len() == self.size {
            fill(&mut self.ahead, reader, self.size)?;
        }
        Ok((!self.ahead.is_empty()).then_some(&mut *self.current))
    }

    /// The last chunk, once [`next_whole`](Self::next_whole) has found no other behind it.
    fn last(&mut self) -> &mut Vec<u8> {
        &mut self.current
    }
}

/// Reads until the buffer holds a whole chunk or the reader ends.
fn fill(buffer: &mut Vec<u8>, reader: &mut impl Read, size: usize) -> std::io::Result<()> {
    buffer.clear();
    reader.take(size as u64).read_to_end(buffer).map(drop)
}
