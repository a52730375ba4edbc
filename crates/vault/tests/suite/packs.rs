//! Packs that differ: a built-in one with its weights shaken, and one of another dimension.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pmirs_crypto::Prg;
use pmirs_encoder::Encoder;
use pmirs_encoder::import::{ImportOptions, import};
use pmirs_encoder::pack::{MANIFEST, sha256_hex};
use rand_core::Rng as _;

/// The pack whose weights are shaken; the smaller of the two built in.
const BASE: &str = "compact-lite";

/// A pack named `trained` in `folder`: the built-in one with every weight changed by up to so many steps of 127.
pub fn shaken(folder: &Path, version: &str, steps: u8, seed: u8) -> Arc<Encoder> {
    let pack = Encoder::builtin(BASE).unwrap().pack().clone();
    let folder = folder.join(format!("trained-{version}-{seed}"));
    fs::create_dir_all(&folder).unwrap();
    let mut manifest = pack.manifest().clone();
    manifest.name = "trained".into();
    manifest.version = version.into();
    let files: Vec<String> = manifest.sha256.keys().cloned().collect();
    for file in files {
        let mut bytes = pack.read(&file).unwrap().into_owned();
        if file.ends_with(".safetensors") {
            shake(&mut bytes, steps, &mut Prg::new(&[seed; 32], b"shaken weights"));
        }
        manifest.sha256.insert(file.clone(), sha256_hex(&bytes));
        fs::write(folder.join(file), bytes).unwrap();
    }
    fs::write(folder.join(MANIFEST), manifest.to_toml().unwrap()).unwrap();
    Arc::new(Encoder::open(&folder).unwrap())
}

/// Changes the 8-bit weights of a safetensors file: its header, after eight bytes of its length, says where they lie.
fn shake(bytes: &mut [u8], steps: u8, rng: &mut Prg) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    for (name, tensor) in header.as_object().unwrap() {
        if name == "__metadata__" || tensor["dtype"] != "I8" {
            continue;
        }
        let place = |at: usize| tensor["data_offsets"][at].as_u64().unwrap() as usize + 8 + length;
        for byte in &mut bytes[place(0)..place(1)] {
            let change = (rng.next_u32() % (2 * u32::from(steps) + 1)) as i32 - i32::from(steps);
            *byte = (i32::from(byte.cast_signed()) + change).clamp(-127, 127) as i8 as u8;
        }
    }
}

/// A pack with embeddings of 20 numbers: random weights in the shape of a published CLIP.
pub fn narrow(folder: &Path) -> Arc<Encoder> {
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../encoder/tests/suite/golden/zoo/clip");
    let folder: PathBuf = folder.join("narrow");
    fs::create_dir_all(&folder).unwrap();
    let options = ImportOptions {
        name: "narrow".into(),
        licence: "none".into(),
        origin: "random weights".into(),
        calibrate: None,
    };
    import(&[published], &options, &folder).unwrap();
    Arc::new(Encoder::open(&folder).unwrap())
}
