//! `pmirs eval`, typed, on pictures that the test draws: what a person reads and what a program reads.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

/// Class folders, each with pictures of its own colours and pattern.
const CLASSES: [(&str, [u8; 3]); 4] = [
    ("sunset", [230, 110, 30]),
    ("forest", [20, 110, 40]),
    ("deep_sea", [10, 40, 150]),
    ("Snow_easy", [235, 240, 250]),
];

const DOMAINS: &str = "[[domain]]\nname = \"land\"\nclasses = [\"sunset\", \"forest\"]\n\
    [[domain]]\nname = \"cold\"\nclasses = [\"deep_sea\", \"Snow_easy\"]\n[words]\nSnow_easy = \"white snow\"\n";

fn draw(path: &Path, color: [u8; 3], at: u32) {
    let shaded = RgbImage::from_fn(96, 64, |x, y| {
        Rgb(color.map(|c| c.saturating_add(((x * (at + 1) / 9) ^ (y / 5)) as u8 % 24)))
    });
    shaded.save(path).unwrap();
}

/// A folder with `data/CLASS/N.png`, `domains.toml` and `captions.tsv`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut table = "image\tcaption\n".to_owned();
    for (class, color) in CLASSES {
        fs::create_dir_all(folder.path().join("data").join(class)).unwrap();
        for at in 0..4 {
            let name = format!("data/{class}/{at}.png");
            draw(&folder.path().join(&name), color, at);
            table.extend([&name, "\ta picture of the ", class, "\n", &name, "\t", class, " outside\n"]);
        }
    }
    fs::write(folder.path().join("captions.tsv"), table).unwrap();
    fs::write(folder.path().join("domains.toml"), DOMAINS).unwrap();
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pmirs")).args(arguments).current_dir(folder).output().unwrap()
}

/// Runs a command that must succeed, and reads its one object.
fn says(folder: &Path, arguments: &[&str]) -> Value {
    let output = run(folder, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command that must fail with this code, and reads its error line.
fn fails(folder: &Path, code: i32, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    assert!(output.stdout.is_empty() && told.lines().count() == 2, "{told}");
    told.lines().next().unwrap().to_owned()
}

/// Without what depends on the machine's speed.
fn timeless(mut report: Value) -> Value {
    report["encode_ms"] = Value::Null;
    for row in report["rows"].as_array_mut().unwrap() {
        assert!(row["ms"].as_f64().unwrap() > 0.0, "{row}");
        row["ms"] = Value::Null;
    }
    report
}

#[test]
fn phrases_are_judged_alike_at_every_protection_level() {
    let folder = folder();
    let folder = folder.path();
    let arguments = |seed: &'static str| {
        let mut arguments = vec!["eval", "phrases", "data", "--domains", "domains.toml", "--sizes", "2,3,10"];
        arguments.extend(["--iterations", "2", "--seed", seed]);
        arguments
    };
    let report = says(folder, &[&arguments("5")[..], &["--out", "out/put"]].concat());
    let rows = report["rows"].as_array().unwrap();
    // Two domains; sizes 2, 3 and, of ten, all four; three levels; five rules.
    assert_eq!(rows.len(), 2 * 3 * 3 * 5);
    let part = |row: &Value, name: &str| row[name].as_f64().unwrap();
    for row in rows {
        assert!(["land", "cold"].contains(&row["domain"].as_str().unwrap()));
        assert!([2, 3, 4].contains(&row["classes"].as_u64().unwrap()), "{row}");
        let [precision, recall, f1] = ["precision", "recall", "f1"].map(|name| part(row, name));
        assert!([precision, recall, f1].iter().all(|share| (0.0..=1.0).contains(share)), "{row}");
        let same = |other: &&Value| {
            ["domain", "classes", "rule"].iter().all(|key| other[key] == row[key])
                && other["protection"] == "plaintext"
        };
        let plain = rows.iter().find(same).unwrap();
        for (name, value) in [("precision", precision), ("recall", recall), ("f1", f1)] {
            assert!((value - part(plain, name)).abs() < 1e-9, "protection changes {row}");
        }
        if row["rule"] == "fixed" {
            // K is 1 up to seven phrases: precision, recall and F1 are the share of right answers.
            assert!((precision - f1).abs() < 1e-9 && part(row, "answered") > 0.999, "{row}");
        }
    }
    assert_eq!(report["fitted"].as_array().unwrap().len(), 2);
    for name in ["false_positive_rate", "false_negative_rate", "cosine"] {
        assert!(report["no_match"]["calibrated"][name].is_f64(), "{report}");
    }

    assert_eq!(timeless(report.clone()), timeless(says(folder, &arguments("5"))));
    assert_ne!(timeless(report.clone()), timeless(says(folder, &arguments("6"))));

    let kept: Value =
        serde_json::from_slice(&fs::read(folder.join("out/put/phrases.json")).unwrap()).unwrap();
    assert_eq!(kept, report);
    for figure in ["f1-by-rule", "f1-by-protection", "latency", "no-match"] {
        let svg = fs::read_to_string(folder.join(format!("out/put/{figure}.svg"))).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(image::open(folder.join(format!("out/put/{figure}.png"))).unwrap().width() > 600);
    }

    let printed = String::from_utf8(run(folder, &arguments("5")).stdout).unwrap();
    for text in ["land", "cold", "veiled", "threshold/max", "alpha", "No match", "pack's own"] {
        assert!(printed.contains(text), "{text} is not in\n{printed}");
    }
}

#[test]
fn captions_come_with_intervals() {
    let folder = folder();
    let folder = folder.path();
    let report = says(folder, &["eval", "captions", "captions.tsv", "--out", "out"]);
    assert_eq!((report["images"].as_u64(), report["captions"].as_u64()), (Some(16), Some(32)));
    for direction in ["text_to_image", "image_to_text"] {
        let found = &report[direction];
        for name in ["r1", "r5", "r10", "median_rank", "ndcg10"] {
            let [low, value, high] = [&found["ci95"][name][0], &found[name], &found["ci95"][name][1]];
            let [low, value, high] = [low, value, high].map(|number| number.as_f64().unwrap());
            assert!(low <= value && value <= high, "{direction} {name}: {found}");
        }
        assert!(found["r1"].as_f64() <= found["r10"].as_f64());
    }
    assert_eq!(report, says(folder, &["eval", "captions", "captions.tsv"]));
    for file in ["captions.json", "recall.svg", "recall.png"] {
        assert!(folder.join("out").join(file).is_file(), "{file}");
    }

    // The same table as `pmirs add --captions` takes it.
    let table = fs::read_to_string(folder.join("captions.tsv")).unwrap();
    let other = table.replace("image\tcaption", "\timage\tnotes").replace("\ndata/", "\nx\tdata/");
    fs::write(folder.join("notes.tsv"), other).unwrap();
    assert_eq!(report, says(folder, &["eval", "captions", "notes.tsv"]));
}

#[test]
fn a_sheet_shows_the_first_pictures_of_each_query() {
    let folder = folder();
    let folder = folder.path();
    let query = ["--query", "a dark green forest", "--query", "snow"];
    let sheet = ["eval", "sheet", "data", "--columns", "3", "--out", "sheets/data.png"];
    let report = says(folder, &[&sheet[..], &query[..]].concat());
    assert_eq!(report["images"], 16);
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["hits"].as_array().unwrap().len()).collect::<Vec<_>>(), [3, 3]);
    let page = image::open(folder.join("sheets/data.png")).unwrap().to_rgb8();
    assert!(page.pixels().filter(|pixel| pixel.0 != [255; 3]).count() > 6 * 96 * 64 * 9 / 10);

    let of_table = says(folder, &["eval", "sheet", "captions.tsv", "--out", "table.png"]);
    let queries: Vec<&str> =
        of_table["rows"].as_array().unwrap().iter().map(|row| row["query"].as_str().unwrap()).collect();
    assert_eq!(queries, ["dog on a beach", "child with a ball", "red car", "mountain lake"]);
}

#[test]
fn a_place_that_takes_no_answer_is_told_before_anything_is_read() {
    let folder = folder();
    let folder = folder.path();
    fs::write(folder.join("file"), "mine").unwrap();
    fs::create_dir(folder.join("page.png")).unwrap();
    // Were the pictures and tables looked for first, these would end with another code.
    for (arguments, place) in [
        (&["captions", "absent.tsv", "--out", "file"][..], "file"),
        (&["captions", "absent.tsv", "--out", "file/deeper"], "file/deeper"),
        (&["phrases", "absent", "--domains", "absent.toml", "--out", "file"], "file"),
        (&["sheet", "absent", "--out", "file/page.png"], "file"),
        (&["sheet", "absent", "--out", "page.png"], "page.png"),
    ] {
        let told = fails(folder, 1, &[&["eval"], arguments].concat());
        assert!(told.contains(&format!("cannot write {place}: ")), "{told}");
    }
    assert_eq!(fs::read(folder.join("file")).unwrap(), b"mine");
    fails(folder, 3, &["eval", "captions", "absent.tsv", "--out", "new/place"]);
    assert_eq!(fs::read_dir(folder.join("new/place")).unwrap().count(), 0, "what tried it is gone");
}

#[test]
fn what_is_wrong_is_told_with_its_file_and_field() {
    let folder = folder();
    let folder = folder.path();
    let phrases = |domains: &str| {
        fs::write(folder.join("bad.toml"), domains).unwrap();
        fails(folder, 2, &["eval", "phrases", "data", "--domains", "bad.toml"])
    };
    assert!(
        phrases(&DOMAINS.replace("\"forest\"", "\"desert\""))
            .ends_with("bad.toml: domain[0].classes[1]: 'desert' is no folder in data")
    );
    assert!(phrases(&DOMAINS.replace("[words]", "[colours]")).contains("bad.toml: TOML parse error"));
    assert!(phrases("\u{0}").contains("bad.toml: TOML parse error"));
    fails(folder, 3, &["eval", "phrases", "data", "--domains", "absent.toml"]);
    fails(folder, 3, &["eval", "phrases", "absent", "--domains", "domains.toml"]);
    fails(folder, 2, &["eval", "phrases", "data", "--domains", "domains.toml", "--sizes", "1"]);
    fails(folder, 2, &["eval", "sheet", "data", "--query", "", "--out", "x.png"]);
    fails(folder, 3, &["eval", "sheet", "absent", "--out", "x.png"]);

    fs::write(folder.join("data/forest/0.png"), b"\x89PNG\r\n\x1a\ncut off").unwrap();
    let told = fails(folder, 2, &["eval", "phrases", "data", "--domains", "domains.toml"]);
    assert!(told.contains("0.png"), "{told}");
}

#[test]
fn the_committed_domains_fit_caltech() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = std::env::var_os("PMIRS_DATA").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    if !data.join("caltech101").is_dir() {
        println!("skipped: {} has no caltech101 (set PMIRS_DATA)", data.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (photos, domains) = (data.join("caltech101"), root.join("docs/results/caltech101-domains.toml"));
    let mut arguments =
        vec!["eval", "phrases", photos.to_str().unwrap(), "--domains", domains.to_str().unwrap()];
    arguments.extend(["--held-out", "--sizes", "10", "--iterations", "1", "--per-class", "2"]);
    let report = says(folder.path(), &arguments);
    assert_eq!(report["labels"], 100);
    let best = |rule: &str| {
        let rows = report["summary"].as_array().unwrap();
        rows.iter().find(|row| row["rule"] == rule).unwrap()["f1"].as_f64().unwrap()
    };
    assert!(best("fitted/max") > 0.7 && best("fitted/max") > best("fixed"), "{report}");
}
