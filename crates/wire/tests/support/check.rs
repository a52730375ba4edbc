//! The bytes of a message against a file, and what must fail. `PMIRS_BLESS=1` rewrites the file after a deliberate
//! change, which must also raise the message's version.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use pmirs_wire::{DecodeError, Message, decode, encode};

/// Compares with the golden file, then checks what must fail: every prefix, a byte more, another version.
pub fn check<M: Message + PartialEq + std::fmt::Debug>(file: &str, message: &M) {
    let bytes = encode(message).unwrap();
    compare(file, &(HEXLOWER.encode(&bytes) + "\n"));
    assert_eq!(&decode::<M>(&bytes).unwrap(), message, "{file}");

    for end in 0..bytes.len() {
        assert!(decode::<M>(&bytes[..end]).is_err(), "{file}: {end} bytes of it decode");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    let too_long = matches!(
        decode::<M>(&longer),
        Err(DecodeError::Trailing { extra: 1, .. } | DecodeError::TooLong { .. })
    );
    assert!(too_long, "{file}: a byte more is accepted");
    let mut newer = bytes.clone();
    newer[0] += 1;
    assert!(matches!(decode::<M>(&newer), Err(DecodeError::Version { .. })), "{file}");
    let json = serde_json::to_string(message).unwrap();
    assert_eq!(&serde_json::from_str::<M>(&json).unwrap(), message, "{file}: JSON changes it");
}

/// Compares text with the golden file.
pub fn compare(file: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("PMIRS_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).expect("a golden file for each message");
    assert_eq!(text, golden, "{file}: the bytes changed");
}
