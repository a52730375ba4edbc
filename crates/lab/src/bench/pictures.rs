//! Pictures to add: found in a folder, or drawn.

use std::fs;
use std::path::{Path, PathBuf};

use pmirs_encoder::Picture;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::BenchError;

/// The endings of pictures that a benchmark reads from a folder.
const PICTURES: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// Up to `most` pictures below `folder`, in a fixed order.
pub(super) fn pictures_below(folder: &Path, most: usize) -> Result<Vec<PathBuf>, BenchError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |error| BenchError::file(&folder, &error);
        let mut entries =
            fs::read_dir(&folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for path in entries.into_iter().map(|entry| entry.path()) {
            let ending = path.extension().and_then(|it| it.to_str()).map(str::to_ascii_lowercase);
            if path.is_dir() {
                folders.push(path);
            } else if ending.is_some_and(|ending| PICTURES.contains(&ending.as_str())) {
                found.push(path);
            }
        }
    }
    found.sort();
    found.truncate(most);
    Ok(found)
}

/// Draws `count` pictures of 640 x 480 as JPEG files: soft colours under noise, about as large as photographs.
pub(super) fn draw_pictures(folder: &Path, count: usize) -> Result<Vec<PathBuf>, BenchError> {
    fs::create_dir_all(folder).map_err(|error| BenchError::file(folder, &error))?;
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let (width, height) = (640, 480);
    (0..count)
        .map(|at| {
            let path = folder.join(format!("{at:05}.jpg"));
            let corner: [u32; 3] = std::array::from_fn(|_| rng.next_u32() % 200);
            let mut rgb = Vec::with_capacity((3 * width * height) as usize);
            for pixel in 0..width * height {
                let light = (pixel % width) * 30 / width + (pixel / width) * 20 / height;
                let noise = rng.next_u32();
                rgb.extend(
                    corner
                        .iter()
                        .enumerate()
                        .map(|(channel, &base)| (base + light + (noise >> (8 * channel)) % 8).min(255) as u8),
                );
            }
            let drawn = Picture::from_rgb(width, height, rgb).and_then(|it| it.thumbnail(width));
            let bytes = drawn.map_err(|error| BenchError::file(&path, &error))?;
            fs::write(&path, bytes).map_err(|error| BenchError::file(&path, &error))?;
            Ok(path)
        })
        .collect()
}
