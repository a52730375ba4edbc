//! Members who train an adapter on pictures of their own: what they reach together, what a liar among them does to it,
//! and what becomes of the weights.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::Arc;

use pmirs_crypto::{Identity, IdentitySeed, Prg};
use pmirs_encoder::{Encoder, Pack, Picture};
use pmirs_federated::Group;
use pmirs_federated::compress::Compression;
use pmirs_federated::graph::Rates;
use pmirs_federated::model::Manifest;
use pmirs_federated::optimiser::{Optimiser, Rule};
use pmirs_federated::plan::{Noise, RoundPlan, Schedule, Training, Weighting};
use pmirs_federated::simulate::{Aggregation, Federation, Script};
use pmirs_federated::trainer::{LocalTrainer, Trained};
use pmirs_vault::federate::{Pair, Part, Provenance, Sight, TrainFailed, Trainer, publish};
use pmirs_vault::{Quiet, VaultError};
use pmirs_wire::Digest;

const MEMBERS: u32 = 6;
const ROUNDS: u32 = 5;
const SIDE: u32 = 96;
const PART: Part = Part::Adapter { weights: 20_000 };
const COLOURS: [(&str, [u8; 3]); 6] = [
    ("crimson", [190, 20, 50]),
    ("teal", [10, 130, 130]),
    ("amber", [240, 180, 20]),
    ("violet", [120, 40, 200]),
    ("white", [245, 245, 245]),
    ("olive", [110, 120, 20]),
];
const FORMS: [&str; 4] = ["disc", "bar", "frame", "chequers"];

fn lite() -> Pack {
    Encoder::builtin("compact-lite").unwrap().pack().clone()
}

/// A form of a colour on grey; every member's are at places of their own.
fn drawn(colour: [u8; 3], form: usize, member: u32) -> Picture {
    let (dx, dy) = (i64::from(member % 3) * 7 - 7, i64::from(member / 3) * 9 - 4);
    let inside = |x: i64, y: i64| match form {
        0 => x * x + y * y < 900,
        1 => x.abs() < 8,
        2 => x.abs().max(y.abs()) < 32 && x.abs().max(y.abs()) > 20,
        _ => (x.div_euclid(12) + y.div_euclid(12)) % 2 == 0,
    };
    let half = i64::from(SIDE / 2);
    let rgb = (0..SIDE).flat_map(|y| {
        (0..SIDE).flat_map(move |x| {
            let inside = inside(i64::from(x) - half - dx, i64::from(y) - half - dy);
            if inside { colour } else { [100 + member as u8 * 8; 3] }
        })
    });
    Picture::from_rgb(SIDE, SIDE, rgb.collect()).unwrap()
}

/// A member's pairs; `said` may call a colour something else.
fn pairs(member: u32, said: &dyn Fn(&'static str) -> &'static str) -> Vec<Result<Pair, VaultError>> {
    let mut pairs = Vec::new();
    for (form, shape) in FORMS.iter().enumerate() {
        for (name, colour) in COLOURS {
            let name = said(name);
            pairs.push(Ok(Pair {
                name: format!("{member} {form} {name}"),
                sight: Sight::Picture(drawn(colour, form, member)),
                captions: vec![format!("a {name} {shape}"), format!("{shape} in {name}")],
            }));
        }
    }
    pairs
}

fn honest(member: u32) -> Trainer {
    Trainer::open(&lite(), PART, pairs(member, &|name| name), &Quiet).unwrap()
}

/// What a member does with what it learned.
struct Member {
    trainer: Trainer,
    /// The update is multiplied by this.
    times: f32,
}

impl LocalTrainer for Member {
    type Error = TrainFailed;

    fn manifest(&self) -> &Manifest {
        self.trainer.manifest()
    }

    fn train(
        &mut self,
        global: &[f32],
        training: &Training,
        round: u32,
        seed: &[u8; 32],
    ) -> Result<Trained, TrainFailed> {
        let mut trained = self.trainer.train(global, training, round, seed)?;
        trained.update.iter_mut().for_each(|value| *value *= self.times);
        Ok(trained)
    }
}

fn plan(clip: f64, weights: usize) -> RoundPlan {
    RoundPlan {
        federation: Digest([1; 32]),
        number: 0,
        attempt: 0,
        model: Digest([0; 32]),
        weights: weights as u32,
        training: Training {
            local_steps: 6,
            batch: 16,
            schedule: Schedule::Constant { rate: 3e-3 },
            proximal: 0.0,
        },
        clip,
        noise: Noise::None,
        weighting: Weighting::Uniform,
        compression: Compression::None,
        rates: Rates { dropout: 0.0, corrupt: 0.0 },
        quorum: MEMBERS,
        cohort: MEMBERS,
        deadline_ms: 0,
    }
}

/// The weights after all rounds.
fn learn(mut members: Vec<Member>, clip: f64, aggregation: Aggregation) -> Vec<f32> {
    let mut rng = Prg::new(&[9; 32], b"identities");
    let identities: Vec<Identity> =
        (0..MEMBERS).map(|_| Identity::from_seed(&IdentitySeed::generate(&mut rng))).collect();
    let group = Arc::new(Group::new(identities.iter().map(Identity::public).collect()).unwrap());
    let mut weights = members[0].trainer.initial_weights();
    let plan = plan(clip, weights.len());
    let mut federation =
        Federation { plan, group, identities: &identities, aggregation, adaptive: None, seed: [4; 32] };
    let mut optimiser = Optimiser::new(Rule::FedAvg { rate: 1.0 });
    for _ in 0..ROUNDS {
        let none = |_: &pmirs_federated::Round, _: u32| None;
        federation.round(&mut members, &mut weights, &mut optimiser, &Script::default(), none).unwrap();
    }
    weights
}

fn all_honest() -> Vec<Member> {
    (0..MEMBERS).map(|member| Member { trainer: honest(member), times: 1.0 }).collect()
}

/// Whoever judges has pictures that nobody trained on.
struct Judge(Trainer);

impl Judge {
    fn new() -> Self {
        Self(honest(MEMBERS))
    }

    /// Share of captions whose picture comes first among 24, and by how much "crimson" is nearer to the white picture of
    /// the same form than to the crimson one: a difference of cosines.
    fn of(&self, weights: &[f32]) -> (f64, f64) {
        let learner = self.0.learner();
        let plain: Vec<(Picture, Vec<String>)> = pairs(MEMBERS, &|name| name)
            .into_iter()
            .map(|pair| {
                let pair = pair.unwrap();
                (pair.picture().unwrap(), pair.captions)
            })
            .collect();
        let examples = learner.reduce(&plain).unwrap();
        let (seen, said) = learner.embed(weights, &examples).unwrap();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let right = said.iter().enumerate().filter(|(at, said)| {
            let own = dot(said, &seen[at / 2]);
            seen.iter().enumerate().all(|(other, seen)| other == at / 2 || dot(said, seen) < own)
        });
        let fooled = (0..FORMS.len()).map(|form| {
            let (crimson, white) = (form * COLOURS.len(), form * COLOURS.len() + 4);
            dot(&said[2 * crimson], &seen[white]) - dot(&said[2 * crimson], &seen[crimson])
        });
        (right.count() as f64 / said.len() as f64, f64::from(fooled.sum::<f32>()) / FORMS.len() as f64)
    }
}

#[test]
fn members_learn_together_under_masks_and_the_pack_of_it_is_the_same_for_all() {
    let judge = Judge::new();
    let weights = learn(all_honest(), 100.0, Aggregation::Secure);
    assert!(weights == learn(all_honest(), 100.0, Aggregation::Plain), "masks change nothing");
    let ((before, _), (after, _)) = (judge.of(&judge.0.initial_weights()), judge.of(&weights));
    println!("first of 24: {before:.2} before, {after:.2} after {ROUNDS} rounds");
    assert!(after > before + 0.15, "{before} before, {after} after");

    let provenance = Provenance { name: "together".into(), origin: "six members".into() };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let packs = folders
        .each_ref()
        .map(|folder| publish(&lite(), PART, &weights, folder.path(), &provenance).unwrap());
    assert_eq!(packs[0].digest().unwrap(), packs[1].digest().unwrap());
    let encoder = Encoder::open(folders[0].path()).unwrap();
    let found = &encoder.embed_images(&[drawn(COLOURS[1].1, 2, MEMBERS)]).unwrap()[0];
    let examples = judge.0.learner().reduce(&[(drawn(COLOURS[1].1, 2, MEMBERS), Vec::new())]).unwrap();
    let (seen, _) = judge.0.learner().embed(&weights, &examples).unwrap();
    let cosine: f32 = found.as_slice().iter().zip(&seen[0]).map(|(a, b)| a * b).sum();
    assert!(cosine > 0.999_99, "{cosine}");
}

#[test]
fn a_member_keeps_a_tenth_to_judge_by_and_tells_how_good_the_model_is() {
    let mut trainer =
        Trainer::open(&lite(), PART, (0..4).flat_map(|member| pairs(member, &|name| name)), &Quiet).unwrap();
    let [mine, held_out] = trainer.counts();
    assert!(mine + held_out == 96 && (2..30).contains(&held_out), "{mine} and {held_out}");
    let weights = trainer.initial_weights();
    let judged = trainer.judge(&weights).unwrap().unwrap();
    assert_eq!(judged.counts[0], held_out);
    let training = plan(1.0, weights.len()).training;
    let trained = trainer.train(&weights, &training, 0, &[1; 32]).unwrap();
    assert_eq!(trained.quality, Some(judged.text_to_image.r1));
    assert_eq!(trained.examples, mine as u64);

    // FedProx holds a member back.
    let norm = |update: &[f32]| update.iter().map(|value| value * value).sum::<f32>().sqrt();
    let held = Training { proximal: 10.0, ..training };
    let held = trainer.train(&weights, &held, 0, &[1; 32]).unwrap();
    assert!(norm(&held.update) < 0.9 * norm(&trained.update));
}

/// One member of six turns its update around, turns it around a thousandfold, or replaces the model by one that takes
/// white for crimson: with a clip and without. (A clip is what honest software does to bad data; a liar who skips it is
/// not held by it.)
#[test]
fn poison_does_as_much_as_the_clip_lets_it() {
    let judge = Judge::new();
    let tight = 1.5;
    let run = |liar: Option<(Trainer, f32)>, clip: f64| {
        let mut members = all_honest();
        if let Some((trainer, times)) = liar {
            members[2] = Member { trainer, times };
        }
        judge.of(&learn(members, clip, Aggregation::Plain))
    };
    let fooled = || {
        Trainer::open(
            &lite(),
            PART,
            pairs(2, &|name| match name {
                "white" => "crimson",
                "crimson" => "white",
                name => name,
            }),
            &Quiet,
        )
        .unwrap()
    };
    let untrained = judge.of(&judge.0.initial_weights());
    println!("untrained: first of 24 {:.2}, white before crimson by {:.2}", untrained.0, untrained.1);
    let mut told = Vec::new();
    for (name, liar) in [
        ("nobody lies", None),
        ("turned around", Some((honest(2), -1.0))),
        ("turned around a thousandfold", Some((honest(2), -1000.0))),
        ("back door, boosted sixfold", Some((fooled(), 6.0))),
    ] {
        let (with, without) = (run(liar.clone(), tight), run(liar, 1e6));
        println!(
            "{name}: with a clip of {tight} first of 24 {:.2}, white before crimson by {:.2}; without {:.2}, {:.2}",
            with.0, with.1, without.0, without.1
        );
        told.push((with, without));
    }
    let (honest, flipped, scaled, door) = (told[0], told[1], told[2], told[3]);
    assert!(scaled.1.0 < honest.1.0 - 0.3, "a thousandfold without a clip ruins the model: {scaled:?}");
    assert!(scaled.0.0 > 0.7 * honest.0.0, "with one it costs little: {scaled:?} beside {honest:?}");
    assert!(flipped.0.0 > 0.7 * honest.0.0, "{flipped:?} beside {honest:?}");
    assert!(door.1.1 > honest.1.1 + 0.1, "without a clip the back door opens: {door:?} beside {honest:?}");
    assert!(door.0.1 < door.1.1 - 0.05, "with one it opens less: {door:?}");
}
