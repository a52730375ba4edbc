//! The bytes of what members and coordinator of a federation exchange, pinned; see `golden.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may panic, and so may what only tests use"
)]

#[path = "support/check.rs"]
mod check;

use check::check;
use pmirs_wire::federation::{
    Arrived, Coordinator, Federation, FederationList, FederationRow, Heard, NewFederation, Phase, Piece,
    RecordPage, RoundRecord, Spoken, Standing, Turn, Weights,
};
use pmirs_wire::{Bytes, Digest};

fn bytes(text: &str) -> Bytes {
    Bytes(text.as_bytes().to_vec())
}

fn standing() -> Standing {
    Standing {
        phase: Phase::Running,
        round: 2,
        attempt: 1,
        step: 7,
        heard: 5,
        expected: 8,
        deadline_ms: Some(1_700_000_000_000),
        now_ms: 1_699_999_999_000,
        reason: Some("too few".into()),
        serial: 9,
    }
}

#[test]
fn what_owners_send_and_see() {
    check("new_federation.hex", &NewFederation { charter: bytes("charter"), signature: bytes("signature") });
    check("coordinator.hex", &Coordinator { identity: bytes("identity") });
    let federation = Federation {
        charter: bytes("charter"),
        signature: bytes("signature"),
        owner: bytes("owner"),
        coordinator: bytes("coordinator"),
        standing: standing(),
    };
    check("federation.hex", &federation);
    let row = |phase| FederationRow { id: Digest([7; 32]), name: "friends".into(), phase, round: 3 };
    let phases = [Phase::AwaitsModel, Phase::Running, Phase::Finished, Phase::Stopped];
    check("federation_list.hex", &FederationList { federations: phases.map(row).to_vec() });
}

#[test]
fn what_members_send_and_get() {
    let piece = Piece { of: Digest([3; 32]), offset: 4, total: 12, bytes: bytes("some") };
    check("piece.hex", &piece);
    check("arrived.hex", &Arrived { bytes: 8, whole: false });
    check("weights.hex", &Weights { total: 12, bytes: bytes("some") });
    check(
        "turn.hex",
        &Turn { standing: standing(), message: Some(bytes("roster")), spoken: true, again_ms: 500 },
    );
    check("spoken.hex", &Spoken { frame: bytes("frame") });
    check("heard.hex", &Heard { again: false, answer: Some(bytes("adverts")) });
    let record = RoundRecord { record: bytes("record"), signature: bytes("signature") };
    check("record_page.hex", &RecordPage { records: vec![record], more: true });
}
