//! Every decoder against bytes that nobody meant: it answers, without a panic, whatever comes.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what only tests use")]

use std::sync::LazyLock;

use pmirs_wire::{Message, decode};
use proptest::prelude::*;

fn decode_all(bytes: &[u8]) {
    fn one<M: Message>(bytes: &[u8]) {
        // Whatever decodes must also encode again: nothing half read is let in.
        if let Ok(message) = decode::<M>(bytes) {
            assert!(pmirs_wire::encode(&message).is_ok(), "{} decodes but does not encode", M::NAME);
        }
    }
    one::<pmirs_wire::access::AccessPage>(bytes);
    one::<pmirs_wire::account::ServerInfo>(bytes);
    one::<pmirs_wire::account::Invite>(bytes);
    one::<pmirs_wire::account::Register>(bytes);
    one::<pmirs_wire::account::ChallengeRequest>(bytes);
    one::<pmirs_wire::account::Challenge>(bytes);
    one::<pmirs_wire::account::Login>(bytes);
    one::<pmirs_wire::account::Session>(bytes);
    one::<pmirs_wire::collection::NewCollection>(bytes);
    one::<pmirs_wire::collection::CollectionRecord>(bytes);
    one::<pmirs_wire::collection::CollectionList>(bytes);
    one::<pmirs_wire::device::NewDevice>(bytes);
    one::<pmirs_wire::device::Device>(bytes);
    one::<pmirs_wire::device::DeviceList>(bytes);
    one::<pmirs_wire::device::DeviceLogin>(bytes);
    one::<pmirs_wire::pairing::PairingStep>(bytes);
    one::<pmirs_wire::pairing::NewPairing>(bytes);
    one::<pmirs_wire::pairing::PairingState>(bytes);
    one::<pmirs_wire::people::Person>(bytes);
    one::<pmirs_wire::federation::NewFederation>(bytes);
    one::<pmirs_wire::federation::Coordinator>(bytes);
    one::<pmirs_wire::federation::Federation>(bytes);
    one::<pmirs_wire::federation::FederationList>(bytes);
    one::<pmirs_wire::federation::Piece>(bytes);
    one::<pmirs_wire::federation::Arrived>(bytes);
    one::<pmirs_wire::federation::Weights>(bytes);
    one::<pmirs_wire::federation::Turn>(bytes);
    one::<pmirs_wire::federation::Spoken>(bytes);
    one::<pmirs_wire::federation::Heard>(bytes);
    one::<pmirs_wire::federation::RecordPage>(bytes);
    one::<pmirs_wire::log::Entry>(bytes);
    one::<pmirs_wire::log::SignedEntry>(bytes);
    one::<pmirs_wire::log::Append>(bytes);
    one::<pmirs_wire::log::Head>(bytes);
    one::<pmirs_wire::log::LogPage>(bytes);
    one::<pmirs_wire::item::NewItems>(bytes);
    one::<pmirs_wire::item::Stored>(bytes);
    one::<pmirs_wire::item::RemoveItems>(bytes);
    one::<pmirs_wire::item::WantedItems>(bytes);
    one::<pmirs_wire::item::ItemRecords>(bytes);
    one::<pmirs_wire::item::ItemRecord>(bytes);
    one::<pmirs_wire::item::Changes>(bytes);
    one::<pmirs_wire::search::Search>(bytes);
    one::<pmirs_wire::search::Candidates>(bytes);
    one::<pmirs_wire::envelope::InnerRequest>(bytes);
    one::<pmirs_wire::envelope::InnerResponse>(bytes);
    one::<pmirs_wire::problem::Problem>(bytes);
    one::<pmirs_wire::sealed::CollectionHeader>(bytes);
    one::<pmirs_wire::sealed::ItemMeta>(bytes);
    one::<pmirs_wire::sealed::StoredEmbedding>(bytes);
    one::<pmirs_wire::split::Trio>(bytes);
    one::<pmirs_wire::split::PartyInfo>(bytes);
    one::<pmirs_wire::split::Statement>(bytes);
    one::<pmirs_wire::split::SignedStatement>(bytes);
    one::<pmirs_wire::split::Order>(bytes);
    one::<pmirs_wire::split::PartyRequest>(bytes);
    one::<pmirs_wire::split::Parts>(bytes);
    one::<pmirs_wire::split::Answer>(bytes);
    one::<pmirs_wire::split::Entry>(bytes);
    one::<pmirs_wire::split::Receipt>(bytes);
    one::<pmirs_wire::split::PeerMessage>(bytes);
    one::<pmirs_wire::split::StoreHeader>(bytes);
    one::<pmirs_wire::split::Record>(bytes);
    one::<pmirs_wire::split::Pending>(bytes);
    one::<pmirs_wire::split::ModelManifest>(bytes);
}

/// One of every message, as encoded.
static GOLDENS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .map(|text| data_encoding::HEXLOWER.decode(text.trim().as_bytes()).unwrap())
        .collect()
});

#[test]
fn a_length_that_lies_costs_no_memory() {
    // Version 1, then a byte string that claims 2^62 bytes, and an array that claims as many elements.
    decode_all(&[1, 0x5b, 0x40, 0, 0, 0, 0, 0, 0, 0]);
    decode_all(&[1, 0xa1, 0x65, b'i', b't', b'e', b'm', b's', 0x9b, 0x40, 0, 0, 0, 0, 0, 0, 0]);
    // Arrays within arrays, deeper than any message.
    decode_all(&[vec![1], vec![0x81; 100_000]].concat());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_bytes(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), versioned: bool) {
        if let Some(first) = bytes.first_mut().filter(|_| versioned) {
            *first = 1;
        }
        decode_all(&bytes);
    }

    #[test]
    fn damaged_messages(which: prop::sample::Index, edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = which.get(&GOLDENS).clone();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        decode_all(&bytes);
    }
}
