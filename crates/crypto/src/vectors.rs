//! Published test vectors, run through the same private functions that everything else calls.

use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use chacha20::ChaCha20Rng;
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use rand_core::{Rng, SeedableRng};
use serde_json::Value;
use sha2::Sha256;

use crate::aead::{Cipher, NONCE};
use crate::content::{CHUNK, ContentKey};
use crate::hash::{Derive, hmac_sha256};
use crate::seed::words_of;
use crate::{Context, Error, Identity, IdentitySeed, Kind, Place, Prg, StreamError, sha256, suite};

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.replace(char::is_whitespace, "").as_bytes()).expect("hexadecimal")
}

fn hex_array<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().expect("the vector's length")
}

/// The vectors of a file, each field decoded on demand.
fn vectors(file: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(file).expect("JSON");
    file["vectors"].as_array().expect("a list").clone()
}

fn field(vector: &Value, name: &str) -> Vec<u8> {
    hex(vector[name].as_str().expect("a field of the vector"))
}

#[test]
fn sha_256_fips_180_4() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha256(b"").to_vec(), hex(empty));
    assert_eq!(sha256(b"abc").to_vec(), hex(abc));
}

/// RFC 2104 gives vectors for MD5 only; RFC 4231 (cases 1, 2, 3, 6) gives them for SHA-256.
#[test]
fn hmac_sha_256_rfc_4231() {
    let cases: [(&[u8], &[u8], &str); 4] = [
        (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ];
    for (key, message, mac) in cases {
        assert_eq!(hmac_sha256(key, &[message]).to_vec(), hex(mac));
        let (head, tail) = message.split_at(3);
        assert_eq!(hmac_sha256(key, &[head, tail]).to_vec(), hex(mac), "parts are one message");
    }
}

/// RFC 5869 appendix A, test cases 1 to 3.
#[test]
fn hkdf_sha_256_rfc_5869() {
    let long = |from: u8| (from..from + 80).collect::<Vec<_>>();
    let cases = [
        (
            vec![0x0b; 22],
            (0..=0x0c).collect(),
            (0xf0..=0xf9).collect(),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            long(0),
            long(0x60),
            (0xb0..=0xff).collect::<Vec<u8>>(),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c
             59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71
             cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            vec![0x0b; 22],
            Vec::new(),
            Vec::new(),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ];
    for (secret, salt, info, okm) in cases {
        let mut got = vec![0; hex(okm).len()];
        Hkdf::<Sha256>::new(Some(&salt), &secret).expand(&info, &mut got).expect("short enough");
        assert_eq!(got, hex(okm));
    }
}

/// Our labelled derivation against RFC 5869 written out in HMACs.
#[test]
fn derivation_is_hkdf_with_label_zero_context() {
    let secret = [9; 32];
    let prk = hmac_sha256(b"domain", &[&secret]);
    let expected = hmac_sha256(&prk, &[b"label", &[0], b"con", b"text", &[1]]);
    assert_eq!(*Derive::new("domain", &secret).key("label", &[b"con", b"text"]), expected);
}

#[test]
fn aes_256_gcm_nist_cavp() {
    for vector in vectors(include_str!("../tests/vectors/aes-256-gcm.json")) {
        let [key, nonce, plaintext, ad] =
            ["key", "nonce", "plaintext", "ad"].map(|name| field(&vector, name));
        let nonce: [u8; NONCE] = nonce.try_into().expect("12 bytes");
        let cipher = Cipher::new(&key.try_into().expect("32 bytes"));
        let mut sealed = Vec::new();
        cipher.seal_onto(&mut sealed, &nonce, &ad, &plaintext);
        assert_eq!(sealed, [field(&vector, "ciphertext"), field(&vector, "tag")].concat());
        assert_eq!(cipher.open(&nonce, &ad, &sealed).expect("authentic").as_slice(), plaintext);
    }
}

/// RFC 8032 section 7.1, tests 1 to 3; then our own frame around a message.
#[test]
fn ed25519_rfc_8032() {
    let cases = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
             5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];
    for (secret, public, message, signature) in cases {
        let key = SigningKey::from_bytes(&hex_array(secret));
        assert_eq!(key.verifying_key().to_bytes().to_vec(), hex(public));
        assert_eq!(key.sign(&hex(message)).to_bytes().to_vec(), hex(signature));
    }
}

#[test]
fn an_identity_signs_label_context_zero_message() {
    let seed = IdentitySeed::from_secret(&[3; 32]);
    let key = SigningKey::from_bytes(&Derive::new("pmirs/identity/v1", &[3; 32]).key("ed25519", &[]));
    let expected = key.sign(b"pmirs/signature/v1/login\0challenge").to_bytes();
    assert_eq!(Identity::from_seed(&seed).sign(Context::Login, b"challenge").0, expected);
}

/// RFC 9106 section 5.3.
#[test]
fn argon2id_rfc_9106() {
    let mut builder = ParamsBuilder::new();
    builder.m_cost(32).t_cost(3).p_cost(4).data(AssociatedData::new(&[4; 12]).expect("12 bytes"));
    let params = builder.build().expect("the RFC's parameters");
    let argon = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params);
    let mut tag = [0; 32];
    argon.expect("a short secret").hash_password_into(&[1; 32], &[2; 16], &mut tag).expect("a tag");
    assert_eq!(tag.to_vec(), hex("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"));
}

/// The 24-word vectors of BIP-39's reference implementation (trezor/python-mnemonic, vectors.json).
#[test]
fn recovery_words_bip_39() {
    let cases = [
        ([0; 32], [vec!["abandon"; 23], vec!["art"]].concat().join(" ")),
        (
            [0x7f; 32],
            "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth \
             useful legal winner thank year wave sausage worth title"
                .to_owned(),
        ),
        (
            [0x80; 32],
            "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor \
             acoustic avoid letter advice cage absurd amount doctor acoustic bless"
                .to_owned(),
        ),
        ([0xff; 32], [vec!["zoo"; 23], vec!["vote"]].concat().join(" ")),
        (
            hex_array("68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c"),
            "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy \
             gospel tennis maple dilemma loan word shrug inflict delay length"
                .to_owned(),
        ),
    ];
    for (entropy, words) in cases {
        let seed = IdentitySeed::from_secret(&entropy);
        assert_eq!(*seed.to_words(), words);
        assert_eq!(IdentitySeed::from_words(&words), Ok(seed));
    }
    let twelve = [vec!["abandon"; 11], vec!["about"]].concat().join(" ");
    assert_eq!(words_of(&[0; 16]), twelve, "safety words");
}

/// SP 800-38A appendix F.5.5, through the mask: its key, and its keystream from the block that its counter
/// names. The vector's counter does not begin at 0, so the keystream of block 0 is checked against AES itself
/// (FIPS 197 appendix C.3 has the cipher's own vector).
#[test]
fn masks_are_aes_256_ctr() {
    use aes::cipher::{BlockCipherEncrypt, KeyInit};
    let key: [u8; 32] = hex_array("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    let aes = aes::Aes256::new(&key.into());
    let mut block = hex_array::<16>("00112233445566778899aabbccddeeff").into();
    aes.encrypt_block(&mut block);
    assert_eq!(block.to_vec(), hex("8ea2b7ca516745bfeafc49904b496089"), "FIPS 197 C.3");

    let expected: Vec<u32> = (0_u128..600)
        .flat_map(|counter| {
            let mut block = counter.to_be_bytes().into();
            aes.encrypt_block(&mut block);
            let words: [[u8; 4]; 4] =
                std::array::from_fn(|at| block[4 * at..4 * at + 4].try_into().expect("4"));
            words.map(u32::from_le_bytes)
        })
        .collect();
    let seed = crate::MaskSeed::from_secret(&key);
    let mut words = vec![0; expected.len()];
    seed.add_to(0, &mut words);
    assert_eq!(words, expected);
    for offset in [1, 4, 1023, 1025, 2399] {
        let mut tail = expected[offset..].to_vec();
        seed.subtract_from(offset, &mut tail);
        assert!(tail.iter().all(|word| *word == 0), "from word {offset}");
    }
}

/// RFC 8439 appendix A.1, test vector 1: the keystream of an all-zero key from block 0.
#[test]
fn chacha20_rfc_8439() {
    let mut stream = [0; 64];
    ChaCha20Rng::from_seed([0; 32]).fill_bytes(&mut stream);
    let expected = "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7
                    da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586";
    assert_eq!(stream.to_vec(), hex(expected));
}

/// The X-Wing draft's vectors, through HPKE: the draft gives the shared secret, RFC 9180's key schedule is
/// written out below, and the suite must open and export with the same keys.
#[test]
fn hpke_over_the_x_wing_drafts_vectors() {
    for vector in vectors(include_str!("../tests/vectors/x-wing.json")) {
        let private = suite::private_key(&field(&vector, "sk").try_into().expect("32 bytes"));
        let public = suite::public_key(&private);
        assert_eq!(suite::public_key_bytes(&public).to_vec(), field(&vector, "pk"));

        let (secret, context) = key_schedule(&field(&vector, "ss"), b"info");
        let key: [u8; 32] = labelled_expand(&secret, b"key", &context, 32).try_into().expect("32");
        let nonce: [u8; NONCE] =
            labelled_expand(&secret, b"base_nonce", &context, 12).try_into().expect("12");
        let exporter = labelled_expand(&secret, b"exp", &context, 32);
        let mut sealed = Vec::new();
        Cipher::new(&key).seal_onto(&mut sealed, &nonce, b"", b"a message");

        let encapsulated = field(&vector, "ct").try_into().expect("1120 bytes");
        let mut receiver = suite::receiver(&private, &encapsulated, b"info").expect("it decapsulates");
        assert_eq!(receiver.open(&sealed, b"").expect("authentic"), b"a message");
        let mut exported = [0; 32];
        receiver.export(b"label", &mut exported).expect("one block");
        assert_eq!(exported.to_vec(), labelled_expand(&exporter, b"sec", b"label", 32));
    }
}

/// KEM 0x647a (X-Wing), KDF 1 (HKDF-SHA-256), AEAD 2 (AES-256-GCM).
const SUITE_ID: &[u8] = b"HPKE\x64\x7a\x00\x01\x00\x02";

/// RFC 9180 section 5.1 in base mode: the secret and the key schedule context.
fn key_schedule(shared_secret: &[u8], info: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let psk_id_hash = labelled_extract(b"", b"psk_id_hash", b"");
    let info_hash = labelled_extract(b"", b"info_hash", info);
    let context = [&[0], psk_id_hash.as_slice(), &info_hash].concat();
    (labelled_extract(shared_secret, b"secret", b""), context)
}

fn labelled_extract(salt: &[u8], label: &[u8], ikm: &[u8]) -> Vec<u8> {
    hmac_sha256(salt, &[b"HPKE-v1", SUITE_ID, label, ikm]).to_vec()
}

/// One block of HKDF-Expand is all that these lengths need.
fn labelled_expand(prk: &[u8], label: &[u8], info: &[u8], length: u16) -> Vec<u8> {
    let mut block =
        hmac_sha256(prk, &[&length.to_be_bytes(), b"HPKE-v1", SUITE_ID, label, info, &[1]]).to_vec();
    block.truncate(length.into());
    block
}

/// A sealed content against STREAM written out chunk by chunk.
#[test]
fn content_is_stream_over_aes_256_gcm() {
    let place = Place { collection: [1; 16], item: [2; 16], epoch: 3, kind: Kind::ItemContent };
    let mut rng = Prg::new(&[4; 32], b"content");
    let mut plaintext = vec![0; 2 * CHUNK + 100];
    rng.fill_bytes(&mut plaintext);
    let sealed = ContentKey::new(&[5; 32]).seal(&mut rng, &place, &plaintext);

    let (header, body) = sealed.split_at(68);
    let ad = [&[1; 17], [2; 16].as_slice(), &[0, 0, 0, 3, 4]].concat();
    let wrap_nonce = header[1..13].try_into().expect("12 bytes");
    let file_key = Cipher::new(&[5; 32]).open(wrap_nonce, &ad, &header[13..61]).expect("wrapped here");
    let cipher = Cipher::new(file_key.as_slice().try_into().expect("32 bytes"));
    let mut expected = Vec::new();
    for (index, chunk) in plaintext.chunks(CHUNK).enumerate() {
        let counter = (index as u32).to_be_bytes();
        let nonce = [&header[61..], &counter, &[u8::from(index == 2)]].concat();
        cipher.seal_onto(&mut expected, &nonce.try_into().expect("12 bytes"), &ad, chunk);
    }
    assert_eq!(body, expected);
}

/// A sealer that follows a whole chunk with an empty one would give one content two lengths.
#[test]
fn an_empty_chunk_behind_others_is_refused() {
    let place = Place { collection: [1; 16], item: [2; 16], epoch: 3, kind: Kind::ItemContent };
    let ad = place.associated_data(1);
    let (key, cipher) = (ContentKey::new(&[5; 32]), Cipher::new(&[6; 32]));
    let mut sealed = vec![1; 1 + NONCE];
    Cipher::new(&[5; 32]).seal_onto(&mut sealed, &[1; NONCE], &ad, &[6; 32]);
    sealed.extend_from_slice(&[7; 7]);
    cipher.seal_onto(&mut sealed, &[7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 0, 0], &ad, &vec![0; CHUNK]);
    cipher.seal_onto(&mut sealed, &[7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 1, 1], &ad, &[]);

    let malformed = Error::Malformed { what: "content" };
    assert_eq!(key.open(&place, &sealed), Err(malformed.clone()));
    let streamed = key.open_stream(&place, sealed.as_slice(), Vec::new());
    assert!(matches!(streamed, Err(StreamError::Crypto(error)) if error == malformed));
}
