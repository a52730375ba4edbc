//! The one secret that a person keeps.

use bip39::{Language, Mnemonic};
use zeroize::{Zeroize, Zeroizing};

use crate::Error;
use crate::secret::secret;

const WORDS: usize = 24;

secret! {
    /// 32 bytes from which a whole identity follows. Shown once as 24 words, kept at rest in a
    /// [`LockedIdentity`](crate::LockedIdentity).
    pub IdentitySeed
}

impl IdentitySeed {
    /// The seed as 24 English BIP-39 words with single spaces between them.
    pub fn to_words(&self) -> Zeroizing<String> {
        Zeroizing::new(words_of(self.expose_secret()))
    }

    /// Reads the 24 words again; case and spacing do not matter. The last word holds a checksum, so that
    /// most slips are noticed.
    pub fn from_words(words: &str) -> Result<Self, Error> {
        let words = Zeroizing::new(words.to_lowercase());
        let got = words.split_whitespace().count();
        if got != WORDS {
            return Err(Error::WordCount { expected: WORDS, got });
        }
        let mnemonic =
            Mnemonic::parse_in_normalized(Language::English, &words).map_err(|error| match error {
                bip39::Error::UnknownWord(index) => Error::UnknownWord { position: index + 1 },
                _ => Error::WordChecksum,
            })?;
        let (mut entropy, _) = mnemonic.to_entropy_array();
        let seed = entropy.first_chunk().map(Self::from_secret).ok_or(Error::WordChecksum);
        entropy.zeroize();
        seed
    }
}

/// Entropy of 16 to 32 bytes, in steps of four, as BIP-39 words.
pub(crate) fn words_of<const N: usize>(entropy: &[u8; N]) -> String {
    const { assert!(N == 16 || N == 32, "12 or 24 words") };
    #[expect(clippy::expect_used, reason = "BIP-39 has phrases for 16 and 32 bytes, checked when compiled")]
    let mnemonic = Mnemonic::from_entropy_in(Language::English, entropy).expect("a length of BIP-39");
    mnemonic.to_string()
}

/// Whether a text is a BIP-39 phrase of so many words; blanks and capitals do not matter.
pub(crate) fn are_words(text: &str, count: usize) -> bool {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.len() == count && Mnemonic::parse_in_normalized(Language::English, &words.join(" ")).is_ok()
}
