//! The frame's bytes, and frames that nobody meant.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test may panic"
)]

use data_encoding::HEXLOWER;
use pmirs_mpc::frame::{self, HEADER, Label, MAX_PAYLOAD};
use pmirs_mpc::{Error, Role, Step};
use proptest::prelude::*;

const GOLDEN: &str = include_str!("golden/frame.hex");

fn golden() -> Vec<u8> {
    HEXLOWER.decode(GOLDEN.trim().as_bytes()).unwrap()
}

#[test]
fn a_frame_keeps_its_bytes() {
    let mut bytes = frame::draft(3);
    bytes.extend([7, 8, 9]);
    let label =
        Label { session: [0xab; 32], sender: Role::Third, step: Step::ShuffleSecond, round: 0x0102_0304 };
    frame::seal(&mut bytes, &label);
    assert_eq!(HEXLOWER.encode(&bytes), GOLDEN.trim());
}

#[test]
fn a_header_says_how_much_follows_within_bounds() {
    let golden = golden();
    let header: &[u8; HEADER] = golden.first_chunk().unwrap();
    assert_eq!(frame::payload_length(Role::Third, header, 100).unwrap(), 3);
    let error = frame::payload_length(Role::Third, header, 2).unwrap_err();
    assert_eq!(error.to_string(), "P2 sent 3 bytes in step ShuffleSecond instead of 2");
    let mut endless = *header;
    endless[HEADER - 4..].fill(0xff);
    let error = frame::payload_length(Role::First, &endless, usize::MAX).unwrap_err();
    assert!(matches!(error, Error::Length { from: Role::First, expected: MAX_PAYLOAD, .. }), "{error}");
    let mut future = *header;
    future[0] = 2;
    let error = frame::payload_length(Role::First, &future, 100).unwrap_err();
    assert_eq!(error, Error::Version { from: Role::First, expected: 1, got: 2 });
}

#[test]
fn every_step_keeps_its_number() {
    let numbers: Vec<u8> = (0..=u8::MAX).filter(|&number| Step::from_number(number).is_some()).collect();
    assert_eq!(numbers, (0..15).collect::<Vec<u8>>());
    assert!(numbers.iter().all(|&number| Step::from_number(number).unwrap() as u8 == number));
}

proptest! {
    #[test]
    fn any_header_is_answered(bytes in prop::collection::vec(any::<u8>(), HEADER), most: usize) {
        let header: &[u8; HEADER] = bytes.first_chunk().unwrap();
        if let Ok(length) = frame::payload_length(Role::First, header, most) {
            prop_assert!(length <= most && length <= MAX_PAYLOAD);
        }
    }
}
