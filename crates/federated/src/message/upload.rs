//! The one long message: raw words, so that it costs four bytes a number and is summed where it lies.
//!
//! ```text
//! body = version(1) ‖ roster(32) ‖ sharers(32) ‖ statement(64) ‖ count(4, big-endian) ‖ count × little-endian u32
//! ```
//!
//! The statement is a signature of its own, over round, roster and sharers: neighbours check it without the
//! vector.

use pmirs_wire::{DecodeError, Digest};

const VERSION: u8 = 1;
const NAME: &str = "upload";

/// Bytes of an upload's body before the words.
pub(crate) const UPLOAD_HEAD: usize = 1 + 32 + 32 + 64 + 4;

/// An upload's body as it lies in its frame.
pub(crate) struct UploadBody<'a> {
    pub(crate) roster: Digest,
    pub(crate) sharers: Digest,
    pub(crate) statement: [u8; 64],
    pub(crate) words: &'a [[u8; 4]],
}

pub(crate) fn write_upload(
    out: &mut Vec<u8>,
    roster: &Digest,
    sharers: &Digest,
    statement: &[u8; 64],
    words: &[u32],
) {
    out.reserve_exact(UPLOAD_HEAD + 4 * words.len() + 64);
    out.push(VERSION);
    out.extend_from_slice(&roster.0);
    out.extend_from_slice(&sharers.0);
    out.extend_from_slice(statement);
    out.extend_from_slice(&(words.len() as u32).to_be_bytes());
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

impl<'a> UploadBody<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, DecodeError> {
        let malformed = |detail: String| DecodeError::Malformed { name: NAME, detail };
        let short = || malformed(format!("{} bytes", body.len()));
        let (&version, rest) = body.split_first().ok_or(DecodeError::Empty { name: NAME })?;
        if version != VERSION {
            return Err(DecodeError::Version { name: NAME, got: version, expected: VERSION });
        }
        let (roster, rest) = rest.split_first_chunk::<32>().ok_or_else(short)?;
        let (sharers, rest) = rest.split_first_chunk::<32>().ok_or_else(short)?;
        let (statement, rest) = rest.split_first_chunk::<64>().ok_or_else(short)?;
        let (count, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let count = u32::from_be_bytes(*count) as usize;
        let (words, left) = rest.as_chunks::<4>();
        if words.len() != count || !left.is_empty() {
            return Err(malformed(format!("{count} words in {} bytes", rest.len())));
        }
        Ok(Self { roster: Digest(*roster), sharers: Digest(*sharers), statement: *statement, words })
    }
}
