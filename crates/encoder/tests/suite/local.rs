//! A member's training: what is learned, what stays, and what a published pack gives.

use pmirs_encoder::local::{Examples, Learner, LocalError, Part, Plan, Provenance};
use pmirs_encoder::{Encoder, Pack, Picture};
use tempfile::TempDir;

use crate::folder::{cosine, golden, onnx_pack};

const SIDE: u32 = 96;
const COLOURS: [(&str, [u8; 3]); 5] = [
    ("crimson", [200, 20, 40]),
    ("teal", [10, 130, 130]),
    ("amber", [240, 180, 20]),
    ("violet", [120, 40, 200]),
    ("white", [245, 245, 245]),
];
const FORMS: [&str; 4] = ["disc", "bar", "frame", "chequers"];

fn lite() -> Pack {
    Encoder::builtin("compact-lite").unwrap().pack().clone()
}

/// A form of a colour on grey, at a place of its own.
fn drawn(colour: [u8; 3], form: usize, shift: u32) -> Picture {
    let inside = |x: i64, y: i64| match form {
        0 => x * x + y * y < 900,
        1 => x.abs() < 8,
        2 => x.abs().max(y.abs()) < 32 && x.abs().max(y.abs()) > 20,
        _ => (x.div_euclid(12) + y.div_euclid(12)) % 2 == 0,
    };
    let rgb = (0..SIDE).flat_map(|y| {
        (0..SIDE).flat_map(move |x| {
            let centre = i64::from(SIDE / 2 + shift);
            if inside(i64::from(x) - centre, i64::from(y) - centre) { colour } else { [110, 110, 110] }
        })
    });
    Picture::from_rgb(SIDE, SIDE, rgb.collect()).unwrap()
}

fn pairs() -> Vec<(Picture, Vec<String>)> {
    let mut pairs = Vec::new();
    for (form, shape) in FORMS.iter().enumerate() {
        for (number, (name, colour)) in COLOURS.iter().enumerate() {
            let said = vec![format!("a {name} {shape}"), format!("{shape} in {name}")];
            pairs.push((drawn(*colour, form, number as u32), said));
        }
    }
    pairs
}

const PLAN: Plan = Plan { steps: 6, batch: 10, rate: 1e-3 };

fn train(learner: &Learner, examples: &Examples, plan: &Plan, seed: u8) -> Vec<f32> {
    let all: Vec<usize> = (0..examples.len()).collect();
    let global = learner.initial();
    let learned = learner.train(&global, examples, &all, plan, &[seed; 32], &|_, _| {}).unwrap();
    assert_eq!(learned.examples, 20);
    global.iter().zip(&learned.update).map(|(old, change)| old + change).collect()
}

fn published(learner: &Learner, weights: &[f32]) -> (TempDir, Encoder) {
    let folder = TempDir::new().unwrap();
    let provenance = Provenance { name: "trained".into(), origin: "in a test".into() };
    learner.publish(weights, folder.path(), &provenance).unwrap();
    let encoder = Encoder::open(folder.path()).unwrap();
    (folder, encoder)
}

/// What the pack gives for the pictures and captions is what the learner compares.
fn assert_same_vectors(learner: &Learner, weights: &[f32], examples: &Examples, encoder: &Encoder) {
    let (seen, said) = learner.embed(weights, examples).unwrap();
    let pairs = pairs();
    let pictures: Vec<Picture> = pairs.iter().map(|(picture, _)| picture.clone()).collect();
    let captions: Vec<&str> = pairs.iter().flat_map(|(_, said)| said).map(String::as_str).collect();
    let found = encoder.embed_images(&pictures).unwrap();
    for (at, (a, b)) in seen.iter().zip(&found).enumerate() {
        assert!(cosine(a, b.as_slice()) > 0.999_99, "picture {at}: {}", cosine(a, b.as_slice()));
    }
    let found = encoder.embed_texts(&captions).unwrap();
    for (caption, (a, b)) in captions.iter().zip(said.iter().zip(&found)) {
        assert!(cosine(a, b.as_slice()) > 0.999_99, "{caption}: {}", cosine(a, b.as_slice()));
    }
}

#[test]
fn every_part_learns_the_same_from_the_same_seed_and_its_pack_gives_what_was_trained() {
    for (part, steps, rate) in
        [(Part::Heads, 6, 1e-3), (Part::Adapter { weights: 20_000 }, 20, 3e-3), (Part::All, 3, 1e-3)]
    {
        let learner = Learner::open(&lite(), part).unwrap();
        let examples = learner.reduce(&pairs()).unwrap();
        let plan = Plan { steps, rate, ..PLAN };
        let weights = train(&learner, &examples, &plan, 7);
        assert!(weights == train(&learner, &examples, &plan, 7), "{part}: another update from the same seed");
        assert!(weights != train(&learner, &examples, &plan, 8), "{part}: the seed changes nothing");

        let all: Vec<usize> = (0..examples.len()).collect();
        let loss = |weights: &[f32]| learner.judge(weights, &examples, &all).unwrap().loss;
        let (before, after) = (loss(&learner.initial()), loss(&weights));
        assert!(after < 0.9 * before, "{part}: loss {before} to {after}");

        let (_folder, encoder) = published(&learner, &weights);
        assert_same_vectors(&learner, &weights, &examples, &encoder);
        let lineage = encoder.pack().manifest().lineage.clone().unwrap();
        assert_eq!(lineage.parent_digest, pmirs_encoder::pack::hex(&lite().digest().unwrap()));
        assert_eq!(lineage.part, part.to_string());
        assert!(encoder.info().version.starts_with(&format!("{}+", lite().manifest().version)));
    }
}

#[test]
fn untrained_weights_are_the_model_that_training_begins_from() {
    let parent = Encoder::builtin("compact-lite").unwrap();
    let pairs = pairs();
    let picture = &pairs[3].0;
    for part in [Part::Heads, Part::Adapter { weights: 5000 }] {
        let learner = Learner::open(&lite(), part).unwrap();
        let (_folder, encoder) = published(&learner, &learner.initial());
        for (a, b) in [
            (
                parent.embed_images(std::slice::from_ref(picture)),
                encoder.embed_images(std::slice::from_ref(picture)),
            ),
            (parent.embed_texts(&["a teal bar"]), encoder.embed_texts(&["a teal bar"])),
        ] {
            let (a, b) = (a.unwrap(), b.unwrap());
            assert!(a[0].cosine(&b[0]) > 0.999_999, "{part}: {}", a[0].cosine(&b[0]));
        }
    }
}

#[test]
fn heads_leave_the_trunk_and_all_does_not() {
    let trunk = |part: Part| {
        let learner = Learner::open(&lite(), part).unwrap();
        let names = learner.layout().tensors().iter();
        names
            .filter(|spec| spec.name.starts_with("trunk."))
            .map(pmirs_encoder::compact::parameters::TensorSpec::len)
            .sum::<usize>()
    };
    assert_eq!(trunk(Part::Heads), 0);
    assert!(trunk(Part::All) > 100_000);
}

/// The same adapter code over somebody else's towers, and once more over an adapter.
#[test]
fn an_adapter_trains_on_onnx_towers_and_trains_on() {
    let golden = golden();
    let folder = onnx_pack(&golden, "text_pooled", |_| {});
    let pack = Pack::open(folder.path()).unwrap();
    let part = Part::Adapter { weights: 2 * golden.dim as u32 * 9 };
    let learner = Learner::open(&pack, part).unwrap();
    assert_eq!(learner.layout().len(), 2 * golden.dim * 9, "rank 8 and a bias on each side");
    let examples = learner.reduce(&pairs()).unwrap();
    let plan = Plan { steps: 40, batch: 10, rate: 1e-2 };
    let weights = train(&learner, &examples, &plan, 1);
    let (folder, encoder) = published(&learner, &weights);
    assert_same_vectors(&learner, &weights, &examples, &encoder);

    let further = Learner::open(&Pack::open(folder.path()).unwrap(), part).unwrap();
    assert!(further.initial() == weights, "training goes on where it ended");
    let other = Learner::open(encoder.pack(), Part::Adapter { weights: 2 * golden.dim as u32 * 5 });
    let error = other.unwrap_err().to_string();
    assert!(error.contains("it has an adapter of"), "{error}");
}

#[test]
fn what_cannot_train_is_named() {
    let golden = golden();
    let folder = onnx_pack(&golden, "text_pooled", |_| {});
    let onnx = Pack::open(folder.path()).unwrap();
    let error = |pack: &Pack, part| Learner::open(pack, part).unwrap_err().to_string();
    assert!(error(&onnx, Part::Heads).contains("tiny cannot train heads: its layers are an ONNX file's"));
    assert!(error(&lite(), Part::Adapter { weights: 100 }).contains("take at least 1024 weights"));

    let learner = Learner::open(&lite(), Part::Adapter { weights: 5000 }).unwrap();
    let examples = learner.reduce(&pairs()[..1]).unwrap();
    let alone = learner.train(&learner.initial(), &examples, &[0], &PLAN, &[0; 32], &|_, _| {});
    assert!(matches!(alone, Err(LocalError::TooFew { expected: 2, got: 1 })));
    let short = learner.train(&[0.0; 3], &examples, &[0], &PLAN, &[0; 32], &|_, _| {});
    assert!(matches!(short, Err(LocalError::Length { got: 3, .. })));
}
