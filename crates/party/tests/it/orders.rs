//! Orders that must not count: replayed, old, altered, for others, by others.

use std::io::Write as _;

use crate::client::{No, User, random_rows, rng};
use crate::{DIM, ID, World};
use pmirs_wire::collection::Role;
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::split::{Action, Order, PartyRequest, Statement};
use pmirs_wire::{Bytes, CollectionId, Digest, decode};

fn kind(no: No) -> ProblemKind {
    no.refused().problem.kind
}

#[test]
fn an_order_is_served_once_at_each_party() {
    let world = World::new();
    let anna = world.user(1);
    anna.create(ID, DIM as u32);
    let order = anna.order(ID, Action::Show);
    for place in 0..3 {
        anna.ask(place, &order).unwrap();
        assert_eq!(kind(anna.ask(place, &order).unwrap_err()), ProblemKind::Conflict);
    }
    // After a restart nobody remembers, so what was sent before it is refused.
    let world = world.restart();
    let again = world.user(1);
    assert_eq!(kind(again.ask(0, &order).unwrap_err()), ProblemKind::Unavailable);
}

#[test]
fn an_order_fits_its_time_its_signer_and_its_parties() {
    let world = World::new();
    let (anna, ben) = (world.user(1), world.user(2));
    anna.create(ID, DIM as u32);
    let order = |change: fn(&mut Order)| {
        let mut order: Order = decode(&anna.order(ID, Action::Show).order.0).unwrap();
        change(&mut order);
        anna.sign(&order)
    };
    anna.ask(0, &order(|_| {})).unwrap();
    let old = order(|order| order.sent_ms -= 400_000);
    assert_eq!(kind(anna.ask(0, &old).unwrap_err()), ProblemKind::BadRequest);
    let early = order(|order| order.sent_ms += 400_000);
    assert_eq!(kind(anna.ask(0, &early).unwrap_err()), ProblemKind::BadRequest);
    let elsewhere = order(|order| order.trio = Digest([1; 32]));
    assert_eq!(kind(anna.ask(0, &elsewhere).unwrap_err()), ProblemKind::BadRequest);
    let mut forged = order(|_| {});
    forged.signature.0[10] ^= 1;
    assert_eq!(kind(anna.ask(0, &forged).unwrap_err()), ProblemKind::Forbidden);
    // Another person's signature on an order in Anna's name.
    let mut stolen: Order = decode(&anna.order(ID, Action::Show).order.0).unwrap();
    stolen.account = anna.account;
    assert_eq!(kind(ben.ask(0, &ben.sign(&stolen)).unwrap_err()), ProblemKind::Forbidden);
    // To a stranger a collection that is there looks like one that is not.
    assert_eq!(kind(ben.state(0, ID).unwrap_err()), ProblemKind::NotFound);
    assert_eq!(kind(ben.state(0, CollectionId([6; 16])).unwrap_err()), ProblemKind::NotFound);
}

#[test]
fn roles_bound_what_a_member_may_order() {
    let world = World::new();
    let [anna, wendy, rob] = [1, 2, 3].map(|seed| world.user(seed));
    anna.create(ID, DIM as u32);
    share(&anna, &[(&wendy, Role::Writer), (&rob, Role::Reader)]);
    let mut rng = rng(31);
    let rows = random_rows(&mut rng, 3, DIM);
    wendy.change(ID, &rows, &[]).unwrap();
    assert_eq!(kind(rob.change(ID, &[], &[rows[0].0]).unwrap_err()), ProblemKind::Forbidden);
    let base = anna.state(0, ID).unwrap().version;
    for user in [&wendy, &rob] {
        for action in [Action::Refresh { base }, Action::Delete] {
            assert_eq!(kind(user.ask(0, &user.order(ID, action)).unwrap_err()), ProblemKind::Forbidden);
        }
    }
    assert_eq!(
        kind(rob.ask(0, &rob.order(ID, Action::Repair { place: 1 })).unwrap_err()),
        ProblemKind::Forbidden
    );
    assert_eq!(rob.search(ID, &[rows[0].1.clone()], 2).unwrap()[0].len(), 2);
    for place in 0..3 {
        anna.ask(place, &anna.order(ID, Action::Delete)).unwrap();
        assert_eq!(kind(anna.state(place, ID).unwrap_err()), ProblemKind::NotFound);
    }
}

#[test]
fn parts_are_what_the_order_pins() {
    let world = World::new();
    let anna = world.user(1);
    anna.create(ID, DIM as u32);
    let base = anna.state(0, ID).unwrap().version;
    let rows = random_rows(&mut rng(32), 1, DIM);
    let (parts, digests) = User::deal(&[rows[0].1.clone()]);
    let batch = pmirs_wire::split::Batch { base, add: vec![rows[0].0], remove: Vec::new() };
    let order = anna.order(ID, Action::Prepare { batch, parts: digests });
    // The parts of another party.
    let request = PartyRequest { order, parts: parts[1].clone(), first: None };
    assert_eq!(kind(anna.send(0, &request).unwrap_err()), ProblemKind::BadRequest);
}

#[test]
fn noise_is_answered_and_does_no_harm() {
    let world = World::new();
    let anna = world.user(1);
    let order = anna.order(ID, Action::Show);
    let cut = pmirs_wire::split::SignedOrder {
        order: Bytes(order.order.0[..20].to_vec()),
        signature: order.signature,
    };
    assert_eq!(kind(anna.ask(0, &cut).unwrap_err()), ProblemKind::BadRequest);
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let url = format!("{}/v1/envelope", anna.trio.parties[0].url);
    for noise in [vec![], vec![1; 20], vec![7; 5000]] {
        assert_eq!(agent.post(&url).send(&noise[..]).unwrap().status().as_u16(), 400);
    }
    // Strangers at the peers' address.
    let mut stranger = std::net::TcpStream::connect(&anna.trio.parties[2].peer).unwrap();
    stranger.write_all(&[0x16; 4000]).unwrap();
    drop(stranger);
    anna.create(ID, DIM as u32);
    anna.change(ID, &random_rows(&mut rng(33), 2, DIM), &[]).unwrap();
    assert_eq!(anna.search(ID, &[vec![1; DIM]], 2).unwrap()[0].len(), 2);
}

/// Makes people members with the next statement.
pub fn share(owner: &User, others: &[(&User, Role)]) -> Statement {
    let state = owner.state(0, ID).unwrap();
    let mut members = vec![owner.member(Role::Owner)];
    members.extend(others.iter().map(|(user, role)| user.member(*role)));
    members.sort_by_key(|member| member.account);
    let statement = Statement {
        number: state.statement + 1,
        previous: state.statement_hash,
        members,
        ..owner.first_statement(ID, state.dim)
    };
    owner.govern(ID, &statement);
    statement
}
