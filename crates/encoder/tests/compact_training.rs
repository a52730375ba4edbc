//! The compact model learns a drawn world from end to end, and a run that is stopped ends where it would have.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use pmirs_encoder::compact::train::{Judgement, NoMatch, Progress, Recipe, Report, TrainError, run};
use pmirs_encoder::{Encoder, Limits, Picture};
use safetensors::tensor::{Dtype, TensorView};

const COLOURS: [(&str, [u8; 3]); 6] = [
    ("red", [220, 30, 30]),
    ("green", [30, 200, 40]),
    ("blue", [30, 40, 220]),
    ("white", [240, 240, 240]),
    ("black", [15, 15, 15]),
    ("yellow", [230, 220, 30]),
];
const SHAPES: [&str; 3] = ["square", "stripe", "ring"];

/// Photos of coloured shapes with captions, class folders, and a random teacher of the plan's shape.
fn draw_world(folder: &Path) {
    let images = folder.join("data/flickr8k/images");
    std::fs::create_dir_all(&images).unwrap();
    let mut table = "image\tcaption\n".to_owned();
    for copy in 0..8 {
        for (colour, rgb) in COLOURS {
            for shape in SHAPES {
                let name = format!("{colour}-{shape}-{copy}.png");
                std::fs::write(images.join(&name), draw(shape, rgb, copy)).unwrap();
                writeln!(table, "{name}\tA {colour} {shape} .\n{name}\tthis is a {shape} in {colour}")
                    .unwrap();
                if copy < 3 {
                    let class = folder.join("data/caltech101").join(shape);
                    std::fs::create_dir_all(&class).unwrap();
                    std::fs::write(class.join(&name), draw(shape, rgb, copy + 10)).unwrap();
                }
            }
        }
    }
    std::fs::write(folder.join("data/flickr8k/train.tsv"), &table).unwrap();
    std::fs::write(folder.join("data/flickr8k/dev.tsv"), &table).unwrap();
    std::fs::write(folder.join("recipe.toml"), RECIPE).unwrap();
    std::fs::write(folder.join("glossary.tsv"), "ring\ta round thing\nstripe\ta long thing\n").unwrap();
    write_vocabulary(&folder.join("models/clip_tokenizer"));
    write_teacher(&folder.join("models/mobilenet_v2"));
}

fn draw(shape: &str, rgb: [u8; 3], copy: usize) -> Vec<u8> {
    const SIDE: usize = 24;
    let offset = copy % 5;
    let mut pixels = vec![120 + copy as u8; SIDE * SIDE * 3];
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (dx, dy) = (x.abs_diff(10 + offset), y.abs_diff(9 + offset));
            let inside = match shape {
                "square" => dx < 7 && dy < 7,
                "stripe" => dy < 3,
                _ => (30..80).contains(&(dx * dx + dy * dy)),
            };
            if inside {
                pixels[(y * SIDE + x) * 3..][..3].copy_from_slice(&rgb);
            }
        }
    }
    Picture::from_rgb(SIDE as u32, SIDE as u32, pixels).unwrap().to_png().unwrap()
}

/// CLIP's numbering with a handful of merges.
fn write_vocabulary(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let prints = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let printing = (0..=255_u8).filter(prints).map(char::from);
    let symbols: Vec<char> =
        printing.chain((0..=255_u8).filter(|byte| !prints(byte)).zip('\u{100}'..).map(|(_, c)| c)).collect();
    let merges = ["r e", "re d</w>", "b l", "bl u", "blu e</w>", "r i", "n g</w>", "ri ng</w>"];
    let mut ids: HashMap<String, u32> = HashMap::new();
    let endings = symbols.iter().map(|symbol| format!("{symbol}</w>"));
    let merged = merges.iter().map(|merge| merge.replace(' ', ""));
    let special = ["<|startoftext|>", "<|endoftext|>"].map(str::to_owned);
    let all = symbols.iter().map(ToString::to_string).chain(endings).chain(merged).chain(special);
    ids.extend(all.zip(0..));
    std::fs::write(folder.join("vocab.json"), serde_json::to_string(&ids).unwrap()).unwrap();
    std::fs::write(folder.join("merges.txt"), format!("#version: 0.2\n{}\n", merges.join("\n"))).unwrap();
}

/// The teacher's file for the trunk in [`RECIPE`]: output-major, random.
fn write_teacher(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let shapes: [(&str, &[usize], usize); 9] = [
        ("Conv2d_0_0", &[8, 3, 3, 3], 8),
        ("expanded_conv_1.depthwise", &[1, 3, 3, 8], 8),
        ("expanded_conv_1.project", &[8, 1, 1, 8], 8),
        ("expanded_conv_2.expand", &[32, 1, 1, 8], 32),
        ("expanded_conv_2.depthwise", &[1, 3, 3, 32], 32),
        ("expanded_conv_2.project", &[12, 1, 1, 32], 12),
        ("Conv2d_18_1", &[24, 1, 1, 12], 24),
        ("top.Conv2d_1x1_output", &[6, 1, 1, 24], 6),
        ("unused", &[1], 1),
    ];
    let mut state = 1_u32;
    let mut noise = |count: usize, scale: f32| -> Vec<u8> {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * scale
        };
        (0..count).flat_map(|_| next().to_le_bytes()).collect()
    };
    let mut tensors = Vec::new();
    for (name, shape, outputs) in shapes {
        let count: usize = shape.iter().product();
        let inputs = if shape[0] == 1 { 9 } else { count / outputs };
        tensors.push((format!("{name}.weight"), shape.to_vec(), noise(count, (6.0 / inputs as f32).sqrt())));
        tensors.push((format!("{name}.bias"), vec![outputs], noise(outputs, 0.1)));
    }
    let views = tensors.iter().map(|(name, shape, data)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap())
    });
    std::fs::write(folder.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    std::fs::write(folder.join("labels.txt"), "background\nsquare, box\nring\nstripe\nred\nblue\n").unwrap();
}

const RECIPE: &str = r#"
seed = 5
photo_side = 24
dim = 16
context_length = 24
common_words = 0
glossary = "glossary.tsv"

[teacher]
stem = 8
features = 24
blocks = [
    { expand = 8, widens = false, out = 8, stride = 1 },
    { expand = 32, widens = true, out = 12, stride = 2 },
]

[[steps]]
step = "committee"
name = "teacher"
members = 3
hidden = 8
views = 2
size = 24
dropout = 0.1

[steps.train]
batch = 24
class_photos = 6
prototypes = 4
names = 4
glossary = 2
judge_every = 20
save_every = 15
terms = { photos = 1.0, captions = 0.3, classes = 0.4, prototypes = 0.2, names = 0.1, glossary = 0.1, opinion = 0.0, affinity = 0.0, smoothing = 0.02 }
rates = { trunk = 0.0, rest = 5e-3, decay = 0.01, warmup = 5, steps = 60, average = 0.9 }

[[steps]]
step = "prune"
name = "inherit"
size = 24
photos = 48
batch = 16
multiply_adds = 250_000
relus = 14_000
parameters = 100_000
features = 16
multiple = 8
bounded = false

[[steps]]
step = "tune"
name = "affinity"
size = 24
least_area = 0.7
jitter = 0.05
neighbours = 0
text_layers = 1
teaches = true

[steps.train]
batch = 24
class_photos = 6
prototypes = 4
names = 4
glossary = 2
judge_every = 20
save_every = 15
terms = { photos = 1.0, captions = 0.3, classes = 0.4, prototypes = 0.2, names = 0.1, glossary = 0.1, opinion = 0.2, affinity = 1.0, smoothing = 0.02 }
rates = { trunk = 5e-3, rest = 5e-3, decay = 0.01, warmup = 5, steps = 60, average = 0.9 }

[[steps]]
step = "publish"
name = "first"
version = "0.0.1"
sizes = [24, 32]

[[steps]]
step = "committee"
name = "heads"
members = 2
hidden = 8
views = 2
size = 24
dropout = 0.1

[steps.train]
batch = 24
class_photos = 6
prototypes = 4
names = 4
glossary = 2
judge_every = 20
save_every = 15
terms = { photos = 1.0, captions = 0.3, classes = 0.4, prototypes = 0.2, names = 0.1, glossary = 0.1, opinion = 0.0, affinity = 0.5, smoothing = 0.02 }
rates = { trunk = 0.0, rest = 5e-3, decay = 0.01, warmup = 5, steps = 60, average = 0.9 }

[[steps]]
step = "prune"
name = "narrow"
size = 24
photos = 48
batch = 16
multiply_adds = 250_000
relus = 14_000
parameters = 100_000
features = 16
hidden = 12
text_width = 12
multiple = 8
bounded = false

[[steps]]
step = "tune"
name = "contrast"
size = 24
least_area = 0.7
jitter = 0.05
neighbours = 2
text_layers = 1

[steps.train]
batch = 24
class_photos = 6
prototypes = 4
names = 4
glossary = 2
judge_every = 20
save_every = 15
terms = { photos = 1.0, captions = 0.3, classes = 0.4, prototypes = 0.2, names = 0.1, glossary = 0.1, opinion = 0.0, affinity = 0.5, smoothing = 0.02 }
rates = { trunk = 5e-3, rest = 5e-3, decay = 0.01, warmup = 5, steps = 60, average = 0.9 }

[[steps]]
step = "publish"
name = "second"
version = "0.0.1"
sizes = [24]
"#;

/// Stops a run before each of the given steps, counted over all attempts.
struct Stopper {
    stops: Vec<usize>,
    asked: std::cell::Cell<usize>,
}

impl Progress for Stopper {
    fn stage(&mut self, _: &str, _: u64) {}
    fn step(&mut self, _: u64, _: &str) {}
    fn stop(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.stops.contains(&self.asked.get())
    }
}

fn distill(world: &Path, name: &str, stops: &[usize]) -> (Report, usize) {
    let recipe = Recipe::read(&world.join("recipe.toml")).unwrap();
    let mut progress = Stopper { stops: stops.to_vec(), asked: 0.into() };
    let mut attempts = 0;
    loop {
        attempts += 1;
        let (work, out) = (world.join(format!("work-{name}")), world.join(format!("packs-{name}")));
        match run(&recipe, &work, &world.join("data"), &world.join("models"), &out, &mut progress) {
            Err(TrainError::Stopped) => {}
            result => return (result.unwrap(), attempts),
        }
    }
}

/// The report without what a clock said.
fn timeless(report: &Report) -> String {
    let mut report = report.clone();
    let steps = report.steps.iter_mut().map(|step| &mut step.size);
    for size in steps.chain(report.packs.iter_mut().map(|pack| &mut pack.size)) {
        (size.image_ms, size.text_ms) = (0.0, 0.0);
    }
    // It travels through JSON in a checkpoint, which may cost the last bit of a figure; the files may not.
    format!("{report:.9?}")
}

#[test]
fn a_tiny_series_is_distilled_and_a_stopped_run_ends_with_the_same_bits() {
    let world = tempfile::tempdir().unwrap();
    draw_world(world.path());
    let (whole, attempts) = distill(world.path(), "whole", &[]);
    assert_eq!(attempts, 1);
    let (stopped, attempts) = distill(world.path(), "stopped", &[10, 45, 80, 125, 190, 260]);
    assert_eq!(attempts, 7, "stopped in every step that learns, on and off a checkpoint");

    for stage in ["01-teacher", "03-affinity", "05-heads", "07-contrast"] {
        let losses: Vec<f64> =
            whole.judgements.iter().filter(|it| it.stage == stage).map(|it| it.loss).collect();
        assert!(losses.len() == 3 && losses[2] < losses[0], "{stage}: {losses:?}");
    }
    let scores: Vec<f64> = whole.judgements.iter().map(Judgement::score).collect();
    assert!(scores.iter().copied().fold(0.0, f64::max) > 0.5, "{scores:?}");

    let steps: Vec<&str> = whole.steps.iter().map(|row| row.step.as_str()).collect();
    assert_eq!(steps, ["teacher", "inherit", "affinity", "heads", "narrow", "contrast"]);
    let [before, after] = [whole.steps[0].size, whole.steps[1].size];
    assert!(after.relus <= 14_000 && after.multiply_adds <= 250_000, "{after:?}");
    assert!(after.relus < before.relus && after.parameters < before.parameters);
    let [before, after] = [whole.steps[3].size, whole.steps[4].size];
    assert_eq!(before.relus - after.relus, 4, "units of the hidden layer");
    assert!(after.text_multiply_adds < before.text_multiply_adds);

    assert_eq!(timeless(&whole), timeless(&stopped));
    for file in ["image.safetensors", "text.safetensors", "vocabulary.bpe", "model.toml"] {
        for pack in ["first", "second"] {
            let read = |run: &str| std::fs::read(world.path().join(run).join(pack).join(file)).unwrap();
            assert!(read("packs-whole") == read("packs-stopped"), "{pack}/{file} differs");
        }
    }
    let written = std::fs::read_to_string(world.path().join("packs-whole/report.json")).unwrap();
    let written: Report = serde_json::from_str(&written).unwrap();
    assert_eq!(timeless(&written), timeless(&whole));
    the_packs_work(&world.path().join("packs-whole"), &whole);
}

fn the_packs_work(packs: &Path, report: &Report) {
    for pack in &report.packs {
        let folder = packs.join(&pack.name);
        let held_out = pack.held_out.as_ref().unwrap();
        assert_eq!(held_out.counts[..2], [144, 288]);
        let encoder = Encoder::open(&folder).unwrap();
        let picture = |shape, rgb| Picture::decode(&draw(shape, rgb, 3), &Limits::default()).unwrap();
        let images =
            encoder.embed_images(&[picture("stripe", COLOURS[0].1), picture("ring", COLOURS[2].1)]).unwrap();
        let texts = encoder.embed_texts(&["a red stripe", "a blue ring"]).unwrap();
        for (own, other) in [(0, 1), (1, 0)] {
            let right = texts[own].cosine(&images[own]);
            assert!(right > texts[own].cosine(&images[other]), "{} sentence {own}", pack.name);
        }
        let scores = &encoder.info().scores;
        assert!(scores.text_to_image.is_some() && scores.logit_scale.is_some());
        for pair in &pack.no_match {
            let NoMatch { cutoff, false_positives, false_negatives, .. } = pair;
            assert!(cutoff.abs() <= 1.0 && *false_positives < 0.6 && *false_negatives < 0.6, "{pair:?}");
        }
        let card = std::fs::read_to_string(folder.join("MODEL_CARD.md")).unwrap();
        assert!(card.contains(&format!("{:.3}", held_out.accuracy)), "the card states what was measured");
    }
}

#[test]
fn a_broken_table_is_named_by_file_and_line() {
    let world = tempfile::tempdir().unwrap();
    draw_world(world.path());
    let table = world.path().join("data/flickr8k/train.tsv");
    std::fs::write(&table, "image\tcaption\nred-ring-0.png\ta ring\nno tab\n").unwrap();
    let recipe = Recipe::read(&world.path().join("recipe.toml")).unwrap();
    let mut progress = Stopper { stops: Vec::new(), asked: 0.into() };
    let [work, data, models, out] = ["work", "data", "models", "out"].map(|name| world.path().join(name));
    let error = run(&recipe, &work, &data, &models, &out, &mut progress).unwrap_err().to_string();
    assert!(error.contains("train.tsv:3"), "{error}");
}

#[test]
fn a_senseless_recipe_is_refused_by_field() {
    let refused =
        |from: &str, to: &str| Recipe::parse(&RECIPE.replacen(from, to, 1)).unwrap_err().to_string();
    let (before, steps) = RECIPE.split_once("[[steps]]").unwrap();
    let last = steps.rsplit("[[steps]]").next().unwrap();
    let error = Recipe::parse(&format!("{before}[[steps]]{last}")).unwrap_err().to_string();
    assert!(error.contains("first step must be a committee"), "{error}");
    for (from, to, named) in [
        ("members = 3", "members = 0", "\"teacher\": members is 0, expected 1 to 64"),
        ("batch = 24", "batch = 0", "\"teacher\": batch is 0"),
        ("batch = 24", "batch = 1000000000000", "batch is 1000000000000"),
        ("dim = 16", "dim = 1000000000", "dim is 1000000000"),
        ("photo_side = 24", "photo_side = 100000", "photo_side"),
        ("dropout = 0.1", "dropout = nan", "dropout is NaN"),
        ("rest = 5e-3", "rest = -5e-3", "rates.rest is -0.005"),
        ("steps = 60", "steps = 0", "rates.steps is 0"),
        ("least_area = 0.7", "least_area = 2.0", "\"affinity\": least_area"),
        ("text_width = 12", "text_width = 0", "\"narrow\": text_width is 0"),
        ("hidden = 12", "hidden = 0", "\"narrow\": hidden is 0"),
        ("jitter = 0.05", "jitter = -0.1", "jitter"),
        ("neighbours = 2", "neighbours = 9", "neighbours is 9"),
        ("sizes = [24, 32]", "sizes = []", "\"first\": the number of sizes is 0"),
        ("sizes = [24, 32]", "sizes = [2000]", "each of sizes is 2000"),
        ("name = \"second\"", "name = \"first\"", "another pack"),
    ] {
        let error = refused(from, to);
        assert!(error.contains(named), "{to}: {error}");
    }
    assert!(refused("name = \"first\"", "name = \"../first\"").contains("letters"));
    assert!(refused("seed = 5", "sead = 5").contains("sead"));
}
