//! Real CLIP text vectors of class names: `names.json` and one NumPy array of 16-bit floats per list.

use std::collections::BTreeMap;
use std::path::Path;

use half::f16;

use super::TrainError;
use super::corpus::read_text;

/// Reads every list that `names.json` and an array file agree on; empty when the folder is not there.
pub(crate) fn read(folder: &Path) -> Result<Vec<(String, Vec<f32>)>, TrainError> {
    const FILES: [(&str, &str); 4] = [
        ("coco", "coco_clip_a+cname.npy"),
        ("lvis", "lvis_v1_clip_a+cname.npy"),
        ("o365", "o365_clip_a+cnamefix.npy"),
        ("oid", "oid_clip_a+cname.npy"),
    ];
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let index = folder.join("names.json");
    let lists: BTreeMap<String, Vec<String>> = serde_json::from_str(&read_text(&index)?)
        .map_err(|error| TrainError::Data { file: index, line: error.line(), reason: error.to_string() })?;
    let mut all: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    for (list, file) in FILES {
        let path = folder.join(file);
        let bytes = std::fs::read(&path).map_err(|source| TrainError::Io { path: path.clone(), source })?;
        let names = lists.get(list).map(Vec::as_slice).unwrap_or_default();
        let rows = rows(&bytes, names.len()).ok_or_else(|| TrainError::Data {
            file: path,
            line: 1,
            reason: "not the expected array".into(),
        })?;
        for (name, row) in names.iter().zip(rows) {
            all.entry(plain(name)).or_insert(row);
        }
    }
    Ok(all.into_iter().collect())
}

/// "aerosol_can" and "cappuccino_(coffee)" as a person would write them.
fn plain(name: &str) -> String {
    let name = name.split('(').next().unwrap_or(name);
    name.replace(['_', '/'], " ").trim().to_lowercase()
}

/// The rows of a two-dimensional little-endian `f16` array in NumPy's format, version 1.
fn rows(bytes: &[u8], count: usize) -> Option<Vec<Vec<f32>>> {
    let header = usize::from(u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?));
    let described = std::str::from_utf8(bytes.get(10..10 + header)?).ok()?;
    let data = bytes.get(10 + header..)?;
    if !bytes.starts_with(b"\x93NUMPY\x01") || !described.contains("'<f2'") {
        return None;
    }
    let shape = described.split_once("'shape': (")?.1.split_once(')')?.0;
    let mut sizes = shape.split(',').map(|size| size.trim().parse::<usize>());
    let (Some(Ok(height)), Some(Ok(width))) = (sizes.next(), sizes.next()) else { return None };
    if height != count || width == 0 || height.checked_mul(width)?.checked_mul(2)? != data.len() {
        return None;
    }
    let number = |pair: &[u8]| pair.try_into().ok().map(|pair| f16::from_le_bytes(pair).to_f32());
    data.chunks_exact(width * 2).map(|row| row.chunks_exact(2).map(number).collect()).collect()
}
