//! What the paper's AES-128-CBC without authentication loses, shown by doing it.
//!
//! PMIRS seals everything with AES-256-GCM; this cipher exists only here. Two losses, neither of which needs
//! the key (Vaudenay 2002 for the second):
//!
//! - **Malleability**: flipping a bit of one ciphertext block flips the same bit of the next plaintext block,
//!   and the reader notices nothing.
//! - **Padding oracle**: a reader who lets it be seen whether the padding was well formed (an error, a status,
//!   a pause) decrypts for the attacker, at some 128 questions per byte.

use aes::Aes128;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};

/// Bytes of a block, and of the initialisation vector that a ciphertext starts with.
pub const BLOCK: usize = 16;

/// A reader and writer as in the paper: one key, no authentication.
pub struct Unauthenticated {
    key: [u8; BLOCK],
}

impl Unauthenticated {
    /// With this key.
    pub fn new(key: [u8; BLOCK]) -> Self {
        Self { key }
    }

    /// `iv ‖ AES-128-CBC(plaintext)`, padded after PKCS #7.
    pub fn encrypt(&self, iv: [u8; BLOCK], plaintext: &[u8]) -> Vec<u8> {
        let cipher = cbc::Encryptor::<Aes128>::new(&self.key.into(), &iv.into());
        [iv.as_slice(), &cipher.encrypt_padded_vec::<Pkcs7>(plaintext)].concat()
    }

    /// The plaintext, or `None` where the padding is malformed: the one bit that a padding oracle needs.
    pub fn decrypt(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (iv, body) = sealed.split_first_chunk::<BLOCK>()?;
        let cipher = cbc::Decryptor::<Aes128>::new(&self.key.into(), &(*iv).into());
        cipher.decrypt_padded_vec::<Pkcs7>(body).ok()
    }
}

/// What a padding oracle gave back.
pub struct Stolen {
    /// The plaintext, its padding included.
    pub plaintext: Vec<u8>,
    /// Questions asked.
    pub questions: usize,
}

/// Rewrites a known piece of the first plaintext block without the key, by changing the initialisation
/// vector: `known` becomes `wanted` (cut to the shorter of both and to one block).
pub fn rewrite_first_block(sealed: &mut [u8], known: &[u8], wanted: &[u8]) {
    for ((byte, known), wanted) in sealed.iter_mut().take(BLOCK).zip(known).zip(wanted) {
        *byte ^= known ^ wanted;
    }
}

/// Decrypts `sealed` by asking only whether ciphertexts of the attacker's making have well-formed padding.
/// `None` if the answers are those of no such reader.
pub fn padding_oracle(sealed: &[u8], well_formed: impl Fn(&[u8]) -> bool) -> Option<Stolen> {
    let mut stolen = Stolen { plaintext: Vec::new(), questions: 0 };
    let (blocks, _) = sealed.as_chunks::<BLOCK>();
    for pair in blocks.windows(2) {
        let [previous, block] = pair else { return None };
        let inner = invert_block(block, &well_formed, &mut stolen.questions)?;
        stolen.plaintext.extend(inner.iter().zip(previous).map(|(inner, previous)| inner ^ previous));
    }
    Some(stolen)
}

/// The block cipher's inverse of `block`, from its last byte to its first: with the bytes behind it already
/// set so that they decrypt to the padding value, only one value of a byte makes the padding whole.
fn invert_block(
    block: &[u8; BLOCK],
    well_formed: &impl Fn(&[u8]) -> bool,
    questions: &mut usize,
) -> Option<[u8; BLOCK]> {
    let mut inner = [0_u8; BLOCK];
    for place in (0..BLOCK).rev() {
        let padding = (BLOCK - place) as u8;
        let forge = |guess: u8, spoil: u8| {
            let mut forged = [0_u8; BLOCK];
            for (at, (byte, known)) in forged.iter_mut().zip(&inner).enumerate() {
                *byte = match at.cmp(&place) {
                    std::cmp::Ordering::Less => spoil,
                    std::cmp::Ordering::Equal => guess,
                    std::cmp::Ordering::Greater => known ^ padding,
                };
            }
            [forged, *block].concat()
        };
        let mut ask = |guess, spoil| {
            *questions += 1;
            well_formed(&forge(guess, spoil))
        };
        // A second question with other bytes in front rules out a longer padding met by chance.
        let guess = (0..=u8::MAX).find(|guess| ask(*guess, 0) && ask(*guess, 0x55))?;
        if let Some(byte) = inner.get_mut(place) {
            *byte = guess ^ padding;
        }
    }
    Some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: &[u8] = b"pay alice 0100; patient: Jane Doe, finding: none";

    fn sealed() -> (Unauthenticated, Vec<u8>) {
        let reader = Unauthenticated::new(*b"a key of 16 byte");
        let sealed = reader.encrypt(*b"iv of 16 bytes!!", NOTE);
        (reader, sealed)
    }

    /// SP 800-38A, F.2.1: so that what falls here is the real cipher.
    #[test]
    fn it_is_aes_128_cbc() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
        };
        let key = hex("2b7e151628aed2a6abf7158809cf4f3c").try_into().unwrap();
        let iv = hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
        let sealed = Unauthenticated::new(key).encrypt(iv, &hex("6bc1bee22e409f96e93d7e117393172a"));
        assert_eq!(sealed[16..32], hex("7649abac8119b246cee98e9b12e9197d"));
    }

    #[test]
    fn a_stranger_rewrites_the_plaintext_and_the_reader_notices_nothing() {
        let (reader, mut sealed) = sealed();
        rewrite_first_block(&mut sealed, b"pay alice 0100", b"pay mallo 9999");
        let read = reader.decrypt(&sealed).expect("nothing authenticates the ciphertext");
        assert_eq!(&read[..14], b"pay mallo 9999");
        assert_eq!(&read[14..], &NOTE[14..]);
    }

    #[test]
    fn a_reader_who_reports_bad_padding_decrypts_for_the_attacker() {
        let (reader, sealed) = sealed();
        let stolen = padding_oracle(&sealed, |forged| reader.decrypt(forged).is_some()).unwrap();
        assert_eq!(&stolen.plaintext[..NOTE.len()], NOTE);
        assert!(stolen.questions < 256 * stolen.plaintext.len(), "{} questions", stolen.questions);
    }

    #[test]
    fn a_reader_who_says_nothing_gives_nothing() {
        let (_, sealed) = sealed();
        assert!(padding_oracle(&sealed, |_| false).is_none());
    }
}
