//! The index of the split level on real photographs: it finds what the scan finds.

use std::path::PathBuf;

use pmirs_encoder::Encoder;
use pmirs_lab::bench::{TreeSettings, tree};

/// Classes of photographs that are looked at: some thousand pictures take too long here.
const CLASSES: usize = 16;

#[test]
fn ten_best_of_real_photographs_lie_in_a_fifth_of_the_cells() {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("PMIRS_DATA").map_or(beside, PathBuf::from);
    let Ok(classes) = std::fs::read_dir(data.join("caltech101")) else {
        println!("skipped: {} has no caltech101 (set PMIRS_DATA)", data.display());
        return;
    };
    let mut folders: Vec<PathBuf> = classes.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    folders.truncate(CLASSES);
    let encoder = Encoder::compact_builtin().expect("the built-in pack opens");
    let settings = TreeSettings { rows_per_cell: 16, share: 0.2 };
    let report = tree(&encoder, &folders, None, settings, &mut |_, _| ()).expect("it is measured");
    println!("{report:?}");
    assert!(report.rows > 500, "{} photographs", report.rows);
    assert!(report.touched <= 0.2, "{} of the padded slots are touched", report.touched);
    assert!(report.fullest <= report.capacity, "a cell holds more than it can");
    let mean = report.rows as f64 / report.cells as f64;
    assert!(report.capacity as f64 <= 1.25 * mean + 1.0, "capacity {} at a mean of {mean}", report.capacity);
    // Looked for by pictures alone: captions of other photographs have no near neighbours among these.
    let recall = report.recall_of_pictures;
    assert!(recall >= 0.95, "recall {recall}");
}
