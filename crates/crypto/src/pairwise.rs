//! Randomness that two parties have in common and nobody else: a key, and streams of it by address.
//!
//! ```text
//! half key   = HPKE context to the other's X-Wing key . Export("pmirs/pair/half/v1", 32)
//! pair key   = HKDF(half of the party with the smaller number ‖ half of the other)
//! stream key = HKDF(pair key, session)
//! stream     = AES-256-CTR(stream key, counter block = position(8, big endian) ‖ block number(8))
//! ```
//!
//! Each of the two encapsulates to the other's long-lived key, and both halves enter the pair key: whoever lacks
//! either private key lacks one half, so the key authenticates both.

use aes::Aes256Enc;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipherCoreWrapper, StreamCipherSeekCore};
use ctr::{CtrCore, flavors};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::Error;
use crate::hash::Derive;
use crate::identity::{Identity, PublicIdentity};
use crate::secret::secret;
use crate::suite::{self, ENCAPSULATED};

const EXPORT: &[u8] = b"pmirs/pair/half/v1";

/// Bytes that one party sends another to agree on a key.
pub const ENCAPSULATED_HALF: usize = ENCAPSULATED;

secret! {
    /// What one party contributed to the key of two.
    pub HalfKey
}

impl HalfKey {
    /// Makes a half for another party, and the bytes that tell it. `info` names session and direction.
    #[expect(clippy::missing_panics_doc, reason = "one block is always exported")]
    pub fn send(
        rng: &mut impl CryptoRng,
        to: &PublicIdentity,
        info: &[u8],
    ) -> (Box<[u8; ENCAPSULATED_HALF]>, Self) {
        let (encapsulated, sender) = suite::sender(rng, to.kem(), info);
        let mut half = Zeroizing::new([0; 32]);
        #[expect(clippy::expect_used, reason = "HKDF-SHA-256 exports up to 255 blocks; this is one")]
        sender.export(EXPORT, half.as_mut()).expect("one block");
        (Box::new(encapsulated), Self(*half))
    }

    /// The half that another party sent. Bytes that nobody made for this identity and info give a half that nobody
    /// else has.
    pub fn receive(
        identity: &Identity,
        info: &[u8],
        encapsulated: &[u8; ENCAPSULATED_HALF],
    ) -> Result<Self, Error> {
        let unauthentic = |_| Error::Unauthentic { what: "half of a pair key" };
        let receiver = suite::receiver(identity.kem(), encapsulated, info).map_err(unauthentic)?;
        let mut half = Zeroizing::new([0; 32]);
        receiver.export(EXPORT, half.as_mut()).map_err(unauthentic)?;
        Ok(Self(*half))
    }
}

secret! {
    /// A key that two parties of a protocol have in common.
    pub PairKey
}

impl PairKey {
    /// Joins the two halves; both parties name them in the same order.
    #[expect(clippy::needless_pass_by_value, reason = "halves serve for one key")]
    pub fn join(first: HalfKey, second: HalfKey) -> Self {
        let derive = Derive::new("pmirs/pair/v1", first.expose_secret());
        Self(*derive.key("join", &[second.expose_secret()]))
    }

    /// The stream of one session.
    pub fn stream(&self, session: &[u8; 32]) -> PairStream {
        let key = Derive::new("pmirs/pair/stream/v1", self.expose_secret()).key("aes-256-ctr", &[session]);
        PairStream(Aes256Enc::new((&*key).into()))
    }
}

/// AES-256 in counter mode, by position. It keeps no state: whoever asks for a position twice gets the same twice, so
/// whoever draws from it must see to it that no position serves two purposes.
pub struct PairStream(Aes256Enc);

impl PairStream {
    /// Fills `out` with the stream at this position, from its block `block` of 16 bytes on. Positions never overlap.
    pub fn fill(&self, position: u64, block: u64, out: &mut [u8]) {
        let mut counter = [0; 16];
        counter.iter_mut().zip(position.to_be_bytes()).for_each(|(slot, byte)| *slot = byte);
        let mut core = CtrCore::<_, flavors::Ctr64BE>::inner_iv_init(self.0.clone(), &counter.into());
        core.set_block_pos(block);
        let mut cipher = StreamCipherCoreWrapper::from_core(core);
        aes::cipher::StreamCipher::write_keystream(&mut cipher, out);
    }
}

impl std::fmt::Debug for PairStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PairStream(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use aes::cipher::{Array, BlockCipherEncrypt};

    use super::*;
    use crate::{IdentitySeed, Prg};

    #[test]
    fn both_parties_join_the_same_key() {
        let mut rng = Prg::new(&[1; 32], b"pairwise");
        let [anna, ben] = [0, 1].map(|_| Identity::from_seed(&IdentitySeed::generate(&mut rng)));
        let (to_ben, first) = HalfKey::send(&mut rng, &ben.public(), b"anna to ben");
        let (to_anna, second) = HalfKey::send(&mut rng, &anna.public(), b"ben to anna");
        let at_ben = HalfKey::receive(&ben, b"anna to ben", &to_ben).unwrap();
        let at_anna = HalfKey::receive(&anna, b"ben to anna", &to_anna).unwrap();
        let other = HalfKey::receive(&anna, b"another session", &to_anna).unwrap();
        assert!(other != at_anna, "the info enters the half");
        assert!(PairKey::join(first, at_anna) == PairKey::join(at_ben, second));
    }

    #[test]
    fn a_position_is_counter_mode_and_may_be_entered_anywhere() {
        let stream = PairKey::from_secret(&[7; 32]).stream(&[9; 32]);
        let (mut whole, mut tail) = ([0; 160], [0; 21]);
        stream.fill(0x0102_0304_0506_0708, 0, &mut whole);
        stream.fill(0x0102_0304_0506_0708, 5, &mut tail);
        assert_eq!(tail, whole[80..101]);
        let mut block = Array([1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 5]);
        stream.0.encrypt_block(&mut block);
        assert_eq!(block.as_slice(), &whole[80..96]);
        stream.fill(1, 0, &mut tail);
        assert_ne!(tail, whole[..21], "another position, other bytes");
    }

    #[test]
    #[ignore = "a measurement, of a second"]
    fn speed_beside_chacha() {
        use rand_core::Rng;
        let mut bytes = vec![0_u8; 8 << 10];
        let mut time = |name: &str, fill: &mut dyn FnMut(&mut [u8])| {
            let begin = std::time::Instant::now();
            (0..32 << 10).for_each(|_| fill(std::hint::black_box(&mut bytes)));
            println!("{name}: {:.1} GB/s", f64::from(256 << 20) / begin.elapsed().as_secs_f64() / 1e9);
        };
        let stream = PairKey::from_secret(&[7; 32]).stream(&[9; 32]);
        let mut block = 0;
        time("AES-256 in counter mode", &mut |bytes| {
            stream.fill(1, block, bytes);
            block += 512;
        });
        let mut chacha = Prg::new(&[7; 32], b"speed");
        time("ChaCha20", &mut |bytes| chacha.fill_bytes(bytes));
    }
}
