//! Rounds over HTTP: what the coordinator carries, keeps, refuses, and signs.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use pmirs_cloud::Limits;
use pmirs_crypto::{Identity, Prg, PublicIdentity};
use pmirs_federated::chain::{Chain, SignedRecord};
use pmirs_federated::charter::{Charter, Terms};
use pmirs_federated::client::{self, Member, Progress};
use pmirs_federated::clip::encode as words_of;
use pmirs_federated::compress::Compression;
use pmirs_federated::graph::Rates;
use pmirs_federated::message::Step;
use pmirs_federated::model::{Manifest, Tensor};
use pmirs_federated::optimiser::{Optimiser, Rule};
use pmirs_federated::plan::{Schedule, Training, Weighting};
use pmirs_federated::server::Revealed;
use pmirs_federated::trainer::Trained;
use pmirs_federated::{Group, Round};
use pmirs_wire::envelope::Method;
use pmirs_wire::federation::{
    Arrived, Coordinator, Federation, FederationList, Heard, NewFederation, Phase, Piece, RecordPage, Spoken,
    Turn, Weights,
};
use pmirs_wire::{Bytes, Digest, Message as _, encode};

use crate::World;
use crate::bounds::{connect, first_line};
use crate::client::{Http, Reply, User, identity, now_ms};

/// Weights of the models here.
const WEIGHTS: usize = 7;

/// Terms for a group: two of eight may vanish.
pub fn terms(members: usize) -> Terms {
    Terms {
        rounds: 2,
        training: Training {
            local_steps: 1,
            batch: 1,
            schedule: Schedule::Constant { rate: 0.1 },
            proximal: 0.0,
        },
        rule: Rule::FedAdam { rate: 0.1, first: 0.9, second: 0.99, adaptivity: 1e-3 },
        clip: 1.0,
        adaptive: None,
        noise: 0.0,
        weighting: Weighting::Uniform,
        compression: Compression::None,
        rates: Rates { dropout: 0.25, corrupt: 0.0 },
        quorum: members as u32 / 2,
        cohort: members as u32,
        gather_ms: 60_000,
        step_ms: 60_000,
        attempts: 3,
    }
}

/// A charter over these members; `nonce` tells it from others with the same terms.
pub fn charter(owner: &User, members: &[PublicIdentity], terms: Terms, nonce: u8) -> Charter {
    let coordinator: Coordinator = owner.ask(Method::Get, "/v1/coordinator", &[]).message();
    let coordinator = PublicIdentity::from_bytes(&coordinator.identity.0).unwrap();
    let manifest = Manifest { tensors: vec![Tensor { name: "head".into(), shape: vec![WEIGHTS as u32] }] };
    Charter {
        name: "friends".into(),
        nonce: Digest([nonce; 32]),
        owner: Digest(owner.identity.public().fingerprint()),
        coordinator: Digest(coordinator.fingerprint()),
        base: "tiny 1".into(),
        part: "heads".into(),
        model: manifest.digest(&initial()).unwrap(),
        manifest,
        members: members.iter().map(|member| Bytes(member.to_bytes())).collect(),
        terms,
    }
}

pub fn initial() -> Vec<f32> {
    (0..WEIGHTS).map(|at| at as f32 / 8.0).collect()
}

/// Starts it, as its owner.
pub fn start(owner: &User, charter: &Charter) -> Reply {
    let signature = Bytes(charter.sign(&owner.identity).unwrap().0.to_vec());
    let new = NewFederation { charter: Bytes(encode(charter).unwrap()), signature };
    owner.ask(Method::Post, "/v1/federations", &encode(&new).unwrap())
}

/// The model's bytes, from an offset on.
pub fn model_piece(charter: &Charter, weights: &[f32], from: usize, to: usize) -> Vec<u8> {
    let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    let (offset, total) = (from as u64, bytes.len() as u64);
    encode(&Piece { of: charter.model, offset, total, bytes: Bytes(bytes[from..to].to_vec()) }).unwrap()
}

/// An advert of a member for the first round.
pub fn advert(chain: &Chain, identity: &Identity, attempt: u32) -> Vec<u8> {
    let round = chain.round(attempt).unwrap();
    let member = Member::new(&round, identity).unwrap();
    client::advertise(&mut Prg::new(&[member.number() as u8; 32], b"advert"), &member).unwrap().1
}

/// A running federation with its members.
struct Running {
    world: World,
    users: Vec<User>,
    chain: Chain,
    id: Digest,
}

/// What a member is at in a round.
struct Playing {
    progress: Option<Progress>,
    round: Round,
}

impl Running {
    fn new(members: u64, change: impl FnOnce(&mut Terms)) -> Self {
        let world = World::with(Limits { turn_wait: Duration::from_millis(50), ..Limits::default() });
        let users: Vec<User> = (0..members).map(|member| world.another(10 + member)).collect();
        let mut terms = terms(users.len());
        change(&mut terms);
        let identities: Vec<PublicIdentity> = users.iter().map(|user| user.identity.public()).collect();
        let charter = charter(&world.user, &identities, terms, 1);
        let shown: Federation = start(&world.user, &charter).message();
        assert_eq!(shown.standing.phase, Phase::AwaitsModel);
        let coordinator = PublicIdentity::from_bytes(&shown.coordinator.0).unwrap();
        let chain = Chain::begin(charter.clone(), coordinator).unwrap();
        let id = chain.id();
        let all = model_piece(&charter, &initial(), 0, 4 * WEIGHTS);
        let arrived: Arrived = world.user.ask(Method::Post, &path(id, "model"), &all).message();
        assert!(arrived.whole);
        Self { world, users, chain, id }
    }

    fn turn(&self, member: usize) -> Turn {
        self.users[member].ask(Method::Get, &path(self.id, "turn"), &[]).message()
    }

    fn playing(&self) -> Playing {
        let attempt = self.turn(0).standing.attempt;
        Playing { progress: None, round: self.chain.round(attempt).unwrap() }
    }

    /// What a member sends at a step, in the round at its present try.
    fn frame(&self, member: usize, playing: &mut Playing, step: Step) -> Vec<u8> {
        let seat = Member::new(&playing.round, &self.users[member].identity).unwrap();
        let mut rng = Prg::new(&[member as u8 + 1; 32], &[step as u8]);
        let message = || self.turn(member).message.expect("the coordinator has a message").0;
        let (next, frame) = match (step, playing.progress.take()) {
            (Step::Advert, None) => {
                let (state, frame) = client::advertise(&mut rng, &seat).unwrap();
                (Some(Progress::Advertised(state)), frame)
            }
            (Step::Shares, Some(Progress::Advertised(state))) => {
                let (state, wanted) = state.choose(&mut rng, &seat, &message()).unwrap();
                let adverts = self.speak(member, wanted).message::<Heard>().answer.unwrap();
                let (state, frame) = state.share(&mut rng, &seat, &adverts.0).unwrap();
                (Some(Progress::Shared(state)), frame)
            }
            (Step::Upload, Some(Progress::Shared(state))) => {
                let words = Self::words(member, &playing.round);
                let (state, frame) = state.mask(&seat, &message(), &words).unwrap();
                (Some(Progress::Masked(state)), frame)
            }
            (Step::Confirm, Some(Progress::Masked(state))) => {
                let (state, frame) = state.confirm(&seat, &message()).unwrap();
                (Some(Progress::Confirmed(state)), frame)
            }
            (Step::Reveal, Some(Progress::Confirmed(state))) => {
                (None, state.reveal(&seat, &message()).unwrap().1)
            }
            (step, progress) => panic!("{step} after {progress:?}"),
        };
        playing.progress = next;
        frame
    }

    fn words(member: usize, round: &Round) -> Vec<u32> {
        let update = (0..WEIGHTS).map(|at| (member * at) as f32 / 100.0 - 0.1).collect();
        let trained = Trained { update, examples: 3, loss: 0.5, quality: None };
        words_of(round, &mut Prg::new(&[member as u8; 32], b"rounding"), &trained, None).unwrap().words
    }

    fn speak(&self, member: usize, frame: Vec<u8>) -> Reply {
        let spoken = encode(&Spoken { frame: Bytes(frame) }).unwrap();
        self.users[member].ask(Method::Post, &path(self.id, "messages"), &spoken)
    }

    fn upload(&self, member: usize, round: &Round, frame: &[u8], piece: usize) -> Reply {
        let mut last = None;
        for (number, bytes) in frame.chunks(piece).enumerate() {
            let (offset, total) = ((number * piece) as u64, frame.len() as u64);
            let piece = Piece { of: round.id(), offset, total, bytes: Bytes(bytes.to_vec()) };
            last = Some(self.users[member].ask(
                Method::Post,
                &path(self.id, "update"),
                &encode(&piece).unwrap(),
            ));
        }
        last.unwrap()
    }

    /// Says what is to be said at a step.
    fn play(&self, member: usize, playing: &mut Playing, step: Step) {
        let frame = self.frame(member, playing, step);
        if step == Step::Upload {
            assert!(self.upload(member, &playing.round, &frame, 100).message::<Arrived>().whole);
        } else {
            assert!(!self.speak(member, frame).message::<Heard>().again);
        }
    }

    fn restart(&mut self) {
        self.world.restart();
        let url = self.world.server().url().to_owned();
        for (number, user) in self.users.iter_mut().enumerate() {
            *user = User::resume(Http::new(&url), identity(10 + number as u64));
        }
    }

    /// Takes all records that are new.
    fn follow(&mut self) {
        let from = self.chain.next();
        let page: RecordPage =
            self.users[0].ask(Method::Get, &path(self.id, &format!("records?after={from}")), &[]).message();
        for record in page.records {
            self.chain.append(&SignedRecord { record: record.record, signature: record.signature }).unwrap();
        }
    }

    fn weights(&self) -> Vec<f32> {
        let model = self.chain.model();
        let mut bytes = Vec::new();
        loop {
            let at = path(self.id, &format!("models/{model}?offset={}", bytes.len()));
            let part: Weights = self.users[1].ask(Method::Get, &at, &[]).message();
            assert!(!part.bytes.0.is_empty());
            bytes.extend(part.bytes.0);
            if bytes.len() as u64 == part.total {
                return bytes.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
            }
        }
    }

    /// The model after these survivors' updates, worked out without any mask.
    fn expected(&self, before: &[f32], optimiser: &mut Optimiser, survivors: &[u32]) -> Vec<f32> {
        let round = self.chain.round(0).unwrap();
        let mut sum = vec![0_u32; round.layout().words()];
        for survivor in survivors {
            let words = Self::words(*survivor as usize, &round);
            sum.iter_mut().zip(words).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
        }
        let revealed = Revealed { sum, survivors: survivors.to_vec(), vanished: Vec::new() };
        let mut weights = before.to_vec();
        self.chain.conclude(&round, &revealed, &mut weights, optimiser, 0).unwrap();
        weights
    }
}

pub fn path(id: Digest, rest: &str) -> String {
    format!("/v1/federations/{id}/{rest}")
}

const STEPS: [Step; 5] = [Step::Advert, Step::Shares, Step::Upload, Step::Confirm, Step::Reveal];

/// Two rounds of five members, the server restarted within every step, one member gone after it shared.
#[test]
fn rounds_go_on_over_restarts_and_give_the_model_of_the_survivors() {
    let mut running = Running::new(5, |terms| terms.step_ms = 4_000);
    let (mut weights, mut optimiser) = (initial(), Optimiser::new(running.chain.charter().terms.rule));
    for (number, present) in [(0, vec![0, 1, 2, 3, 4]), (1, vec![0, 1, 2, 4])] {
        let survivors: Vec<u32> = present.iter().map(|member| *member as u32).collect();
        let expected = running.expected(&weights, &mut optimiser, &survivors);
        let mut playing: Vec<Playing> = (0..5).map(|_| running.playing()).collect();
        for step in STEPS {
            let here: Vec<usize> = if step <= Step::Shares { (0..5).collect() } else { present.clone() };
            for member in &here {
                if *member == 2 {
                    running.restart();
                }
                running.play(*member, &mut playing[*member], step);
            }
            wait_until(|| running.turn(0).standing.step != step as u8);
        }
        running.follow();
        assert_eq!(running.chain.next(), number + 1);
        weights = running.weights();
        assert_eq!(weights, expected, "round {number}");
    }
    let standing = running.turn(0).standing;
    assert_eq!((standing.phase, standing.round, standing.reason), (Phase::Finished, 2, None));
    let list: FederationList = running.users[3].ask(Method::Get, "/v1/federations", &[]).message();
    assert_eq!((list.federations.len(), list.federations[0].id), (1, running.id));
    assert!(running.chain.is_complete());
    // One sum and one model lie on the disk, or less.
    let fields = pmirs_cloud::inspect(running.world.folder.path()).unwrap();
    assert_eq!(fields.iter().filter(|field| field.column == "model").count(), 2, "weights and optimiser");
}

#[test]
fn a_try_below_the_quorum_fails_cleanly_and_the_round_is_tried_again_until_there_were_too_many() {
    let running = Running::new(5, |terms| {
        terms.step_ms = 1;
        terms.attempts = 2;
        terms.gather_ms = 1;
    });
    for attempt in 0..2 {
        assert_eq!(running.turn(0).standing.attempt, attempt);
        for member in 0..5 {
            let frame = advert(&running.chain, &running.users[member].identity, attempt);
            let reply = running.speak(member, frame);
            // Who comes after the step has ended is told so.
            assert!([200, 409].contains(&reply.status), "{:?}", reply.problem());
        }
        wait_until(|| running.turn(0).standing.attempt > attempt);
    }
    let standing = running.turn(0).standing;
    assert_eq!(standing.phase, Phase::Stopped);
    assert_eq!(standing.reason.as_deref(), Some("the round ends at step shares: 0 members, 3 are needed"));
    let late = running.speak(0, advert(&running.chain, &running.users[0].identity, 1));
    assert_eq!((late.status, late.problem().message.as_str()), (409, "the federation has stopped"));
}

#[test]
fn nobody_answers_for_others_and_nothing_is_taken_twice() {
    let running = Running::new(4, |_| {});
    let identities: Vec<PublicIdentity> = running.users.iter().map(|user| user.identity.public()).collect();
    let mut playing: Vec<Playing> = (0..4).map(|_| running.playing()).collect();

    // Somebody who is no member sees nothing, the owner takes no part.
    let stranger = running.world.another(99);
    let spoken = encode(&Spoken { frame: Bytes(vec![1; 200]) }).unwrap();
    assert_eq!(stranger.ask(Method::Post, &path(running.id, "messages"), &spoken).status, 404);
    assert_eq!(stranger.ask(Method::Get, &path(running.id, "turn"), &[]).status, 404);
    assert_eq!(running.world.user.ask(Method::Post, &path(running.id, "messages"), &spoken).status, 403);

    let refused = |member: usize, frame: Vec<u8>, status: u16, word: &str| {
        let reply = running.speak(member, frame);
        let problem = reply.problem();
        assert_eq!(reply.status, status, "{problem:?}");
        assert!(problem.message.contains(word), "{problem:?} has no '{word}'");
    };
    // Another's advert, one of another try, one that was cut, one that was changed, one that never ends.
    let good = running.frame(0, &mut playing[0], Step::Advert);
    refused(1, good.clone(), 403, "not one of your own");
    refused(0, advert(&running.chain, &running.users[0].identity, 1), 409, "another round");
    refused(0, good[..good.len() - 1].to_vec(), 400, "does not fit");
    refused(0, good[..40].to_vec(), 400, "expected");
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    refused(0, forged, 400, "does not fit");
    refused(0, [good.clone(), vec![0; 900_000]].concat(), 400, "expected");
    let mut stream = connect(&running.world);
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-length: {}\r\n\r\n",
        path(running.id, "messages"),
        running.users[0].bearer(),
        Spoken::MAX_BYTES + 1
    );
    stream.write_all(head.as_bytes()).unwrap();
    assert!(first_line(&mut stream).contains("413"), "no byte of the body was sent");
    // Of another group, with the same members in another order.
    let mut other = charter(&running.world.user, &identities, terms(4), 2);
    other.members.reverse();
    let group = Arc::new(Group::new(identities.iter().rev().cloned().collect()).unwrap());
    let foreign = Round::new(running.chain.round(0).unwrap().plan().clone(), group).unwrap();
    let seat = Member::new(&foreign, &running.users[0].identity).unwrap();
    let frame = client::advertise(&mut Prg::new(&[1; 32], b"x"), &seat).unwrap().1;
    refused(3, frame, 409, "another round");

    assert!(!running.speak(0, good.clone()).message::<Heard>().again);
    assert!(running.speak(0, good.clone()).message::<Heard>().again, "a repetition is one");
    refused(0, advert(&running.chain, &running.users[0].identity, 0), 409, "another message");
    for (member, playing) in playing.iter_mut().enumerate().skip(1) {
        running.play(member, playing, Step::Advert);
    }
    refused(0, good, 409, "expected a message of step shares");
    for (member, playing) in playing.iter_mut().enumerate() {
        running.play(member, playing, Step::Shares);
    }
    uploads_are_refused(&running, &mut playing);
}

/// Pieces in the wrong place, of the wrong length or round, and a forged whole.
fn uploads_are_refused(running: &Running, playing: &mut [Playing]) {
    let round = running.chain.round(0).unwrap();
    let frame = running.frame(0, &mut playing[0], Step::Upload);
    let total = frame.len() as u64;
    let ask = |member: usize, piece: &Piece| {
        running.users[member].ask(Method::Post, &path(running.id, "update"), &encode(piece).unwrap())
    };
    let piece = |from: usize, to: usize| Piece {
        of: round.id(),
        offset: from as u64,
        total,
        bytes: Bytes(frame[from..to].to_vec()),
    };
    assert_eq!(ask(0, &Piece { of: Digest([9; 32]), ..piece(0, 10) }).status, 409);
    assert_eq!(ask(0, &Piece { total: total + 4, ..piece(0, 10) }).status, 400);
    assert_eq!(ask(0, &Piece { total: u64::MAX, ..piece(0, 10) }).status, 400);
    assert_eq!(ask(0, &piece(0, 0)).status, 400);
    let long = Piece { bytes: Bytes([frame.clone(), vec![0; 1]].concat()), ..piece(0, 10) };
    assert_eq!(ask(0, &long).status, 413);
    assert_eq!(ask(0, &piece(5, 10)).message::<Arrived>(), Arrived { bytes: 0, whole: false });
    assert_eq!(ask(0, &piece(0, 10)).message::<Arrived>(), Arrived { bytes: 10, whole: false });
    // A forged end costs what was there, and the right one comes through after it.
    let mut forged = frame.clone();
    *forged.last_mut().unwrap() ^= 1;
    let end = Piece { bytes: Bytes(forged[10..].to_vec()), ..piece(10, 20) };
    let reply = ask(0, &end);
    assert!(reply.status == 400 && reply.problem().message.contains("does not fit"), "{:?}", reply.problem());
    // Another member's upload under one's own name.
    let stolen = running.upload(1, &round, &frame, 4096);
    assert_eq!(stolen.status, 403);
    assert!(running.upload(0, &round, &frame, 4096).message::<Arrived>().whole);
    assert!(running.upload(0, &round, &frame, 4096).message::<Arrived>().whole, "a repetition is one");
    assert_eq!(running.turn(0).standing.heard, 1);
}

#[test]
fn what_is_no_federation_is_not_started() {
    let world = World::new();
    let members: Vec<PublicIdentity> = (0..4).map(|seed| identity(20 + seed).public()).collect();
    let good = charter(&world.user, &members, terms(4), 1);
    let refused = |change: &dyn Fn(&mut Charter), word: &str| {
        let mut charter = good.clone();
        change(&mut charter);
        let reply = start(&world.user, &charter);
        let problem = reply.problem();
        assert!(problem.message.contains(word), "{problem:?} has no '{word}'");
        assert!([400, 413].contains(&reply.status), "{problem:?}");
    };
    refused(&|charter| charter.owner = Digest([1; 32]), "owner");
    refused(&|charter| charter.coordinator = Digest([1; 32]), "coordinator");
    refused(&|charter| charter.members.truncate(2), "3 to 4096 members");
    refused(&|charter| charter.members[1] = charter.members[0].clone(), "twice");
    refused(&|charter| charter.members[1] = Bytes(vec![1; 40]), "members");
    refused(&|charter| charter.terms.quorum = 9, "quorum");
    refused(&|charter| charter.terms.clip = f64::NAN, "clip");
    refused(&|charter| charter.terms.noise = -1.0, "noise");
    refused(&|charter| charter.terms.rounds = 0, "rounds");
    refused(&|charter| charter.terms.step_ms = u64::MAX, "step_ms");
    refused(&|charter| charter.name = "a\nb".into(), "name");
    refused(&|charter| charter.manifest.tensors[0].shape = vec![1 << 25], "the limit is");
    // Signed by somebody else.
    let another = world.another(2);
    let signature = Bytes(good.sign(&another.identity).unwrap().0.to_vec());
    let new = NewFederation { charter: Bytes(encode(&good).unwrap()), signature };
    let reply = world.user.ask(Method::Post, "/v1/federations", &encode(&new).unwrap());
    assert!(reply.status == 400 && reply.problem().message.contains("signature"), "{:?}", reply.problem());

    // Twice the same is one; the model comes in pieces, and must be the charter's.
    let shown: Federation = start(&world.user, &good).message();
    assert_eq!(start(&world.user, &good).message::<Federation>().charter, shown.charter);
    let at = path(good.id().unwrap(), "model");
    let send = |body: Vec<u8>| world.user.ask(Method::Post, &at, &body);
    let wrong = [initial(), vec![]].concat().iter().map(|weight| weight + 1.0).collect::<Vec<f32>>();
    assert_eq!(send(model_piece(&good, &wrong, 0, 4 * WEIGHTS)).status, 400);
    assert_eq!(send(model_piece(&good, &initial(), 0, 12)).message::<Arrived>().bytes, 12);
    let last = send(model_piece(&good, &initial(), 12, 4 * WEIGHTS));
    assert!(last.message::<Arrived>().whole);
    let turn: Turn = world.user.ask(Method::Get, &path(good.id().unwrap(), "turn"), &[]).message();
    assert_eq!((turn.standing.phase, turn.message), (Phase::Running, None));
    assert_eq!(
        world.user.ask(Method::Delete, &format!("/v1/federations/{}", good.id().unwrap()), &[]).status,
        204
    );
    assert_eq!(world.user.ask(Method::Get, &path(good.id().unwrap(), "turn"), &[]).status, 404);
    let left = pmirs_cloud::inspect(world.folder.path()).unwrap();
    assert_eq!(left.iter().filter(|field| field.column == "model").count(), 0);
}

/// Who asks after news waits for some, and is told as soon as there is.
#[test]
fn a_question_for_news_waits_for_them() {
    let world = World::with(Limits { turn_wait: Duration::from_mins(1), ..Limits::default() });
    let users: Vec<User> = (0..3).map(|member| world.another(10 + member)).collect();
    let members: Vec<PublicIdentity> = users.iter().map(|user| user.identity.public()).collect();
    let mut terms = terms(3);
    terms.rates.dropout = 0.0;
    terms.quorum = 2;
    let charter = charter(&world.user, &members, terms, 1);
    let id = charter.id().unwrap();
    let shown: Federation = start(&world.user, &charter).message();
    let asked = now_ms();
    let after = shown.standing.serial;
    let (waiting, others) = users.split_first().unwrap();
    std::thread::scope(|scope| {
        let news = scope.spawn(|| -> Turn {
            waiting.ask(Method::Get, &path(id, &format!("turn?after={after}")), &[]).message()
        });
        let all = model_piece(&charter, &initial(), 0, 4 * WEIGHTS);
        assert!(world.user.ask(Method::Post, &path(id, "model"), &all).message::<Arrived>().whole);
        assert_eq!(news.join().unwrap().standing.phase, Phase::Running);
    });
    assert!(now_ms() - asked < 30_000, "it was told, and did not wait to the end");
    assert_eq!(others.len(), 2);
}

/// More than a message may have, in a body that says so.
/// Asks again and again until it is so.
fn wait_until(is_so: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_mins(1), "it never came about");
        std::thread::sleep(Duration::from_millis(5));
    }
}
