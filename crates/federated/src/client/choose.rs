//! Step 2: a roster is believed once, and neighbours are drawn from it by the member's own coins.

use pmirs_wire::Digest;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::advertise::{Advertised, Secrets};
use super::{Member, Outcome, Table, advance};
use crate::draw::sample;
use crate::message::{Roster, Seat, Step, Wanted, digest, frame};
use crate::pair::is_ascending;
use crate::{Error, Round};

/// Waits for the neighbours' adverts.
#[derive(Serialize, Deserialize)]
pub struct Chosen {
    pub(super) secrets: Secrets,
    pub(super) table: Table,
    /// Neighbours, and the digests of their adverts.
    pub(super) neighbours: Vec<(u32, Digest)>,
}

impl std::fmt::Debug for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chosen({} of {} members, redacted)", self.neighbours.len(), self.table.members.len())
    }
}

impl Advertised {
    /// Checks the roster and chooses neighbours.
    ///
    /// # Errors
    /// For a roster with strangers, forged or repeated members, without this member or with another advert of
    /// it, smaller than the plan's quorum, or with too few neighbours or shares to be private.
    pub fn choose(
        self,
        rng: &mut impl CryptoRng,
        member: &Member<'_>,
        roster: &[u8],
    ) -> Outcome<Chosen, Self> {
        advance(self, |state| {
            let roster: Roster = frame::hear(member.round, Step::Roster, roster)?;
            let adverts: Vec<(u32, Digest)> =
                roster.seats.iter().map(|seat| (seat.member, advert(member.round, seat))).collect();
            let table = believe(member, &state.advert, &roster, &adverts)?;
            let others: Vec<(u32, Digest)> =
                adverts.into_iter().filter(|(other, _)| *other != member.number).collect();
            let neighbours = sample(rng, &others, table.neighbours as usize);
            let members = neighbours.iter().map(|(neighbour, _)| *neighbour).collect();
            let wanted = Wanted { roster: table.digest, members };
            let bytes = frame::seal(member.round, member.identity, member.number, Step::Wanted, &wanted)?;
            Ok((Chosen { secrets: state.secrets.again(), table, neighbours }, bytes))
        })
    }
}

/// A digest of a roster: everything in it but signatures.
pub(crate) fn roster_digest(round: &Round, roster: &Roster) -> Digest {
    let numbers = [roster.neighbours.to_be_bytes(), roster.threshold.to_be_bytes()].concat();
    let seats: Vec<u8> = roster
        .seats
        .iter()
        .flat_map(|seat| {
            [seat.member, seat.length].map(u32::to_be_bytes).into_iter().flatten().chain(seat.advert.0)
        })
        .collect();
    digest("roster", &[&round.id().0, &numbers, &seats])
}

/// The digest of the advert's frame that a seat stands for.
fn advert(round: &Round, seat: &Seat) -> Digest {
    frame::digest_of(round, Step::Advert, seat.member, seat.length, &seat.advert)
}

fn believe(
    member: &Member<'_>,
    own: &Digest,
    roster: &Roster,
    adverts: &[(u32, Digest)],
) -> Result<Table, Error> {
    let round = member.round;
    let lie = |what| Err(Error::Coordinator { step: Step::Roster, what });
    let size = roster.seats.len();
    if !is_ascending(roster.seats.iter().map(|seat| seat.member)) {
        return lie("a member is not in order, or there twice");
    }
    if size > round.plan().cohort as usize {
        return lie("more members than the plan allows");
    }
    if !adverts.contains(&(member.number, *own)) {
        return lie("it leaves this member out, or has another advert of it");
    }
    let (neighbours, threshold) = (roster.neighbours as usize, roster.threshold as usize);
    let attendance = round.attendance(size);
    let (confirmations, needed) = (attendance.confirmations(), attendance.needed());
    if size < needed {
        return lie("fewer members than the quorum");
    }
    if !attendance.is_private(neighbours, threshold) {
        return lie("too few neighbours, shares or honest members to be private");
    }
    for (Seat { member, signature, .. }, (_, advert)) in roster.seats.iter().zip(adverts) {
        round.group().verify(*member, Step::Roster, "an advert", advert, signature.as_ref())?;
    }
    Ok(Table {
        digest: roster_digest(round, roster),
        members: roster.seats.iter().map(|seat| seat.member).collect(),
        neighbours: roster.neighbours,
        threshold: roster.threshold,
        confirmations: confirmations as u32,
        needed: needed as u32,
    })
}
