//! Every training photo decoded once, as 8-bit squares in one file of the work folder, and random views of them.

use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use fast_image_resize as fir;
use rand::RngExt as _;
use rand_core::Rng;
use rayon::prelude::*;

use super::corpus::Photo;
use super::{Progress, TrainError};
use crate::pack::Resample;
use crate::preprocess::resample;
use crate::{Limits, Picture};

const MAGIC: &[u8; 16] = b"pmirs photos  1\n";

/// Squares of `side x side` RGB pixels, one per photo of the corpus, in its order.
pub(crate) struct Photos {
    side: usize,
    pixels: Vec<u8>,
}

/// What a random view may do to a photo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Views {
    /// Smallest share of the photo's area that a view shows.
    pub least_area: f32,
    /// Largest change of brightness and contrast.
    pub jitter: f32,
}

impl Photos {
    /// Opens the cache in `work`, or decodes all photos and writes it; `contents` is the digest of their files.
    pub(crate) fn open(
        work: &Path,
        photos: &[Photo],
        contents: &str,
        side: usize,
        progress: &mut dyn Progress,
    ) -> Result<Self, TrainError> {
        let path = work.join(format!("photos-{side}.bin"));
        let digest = pmirs_crypto::sha256(format!("{contents} {side}").as_bytes());
        if let Some(pixels) = read(&path, &digest, photos.len() * side * side * 3) {
            return Ok(Self { side, pixels });
        }
        let mut pixels = Vec::with_capacity(photos.len() * side * side * 3);
        progress.stage("decode photos", photos.len() as u64);
        for chunk in photos.chunks(256) {
            if progress.stop() {
                return Err(TrainError::Stopped);
            }
            let squares: Vec<_> = chunk.par_iter().map(|photo| square(&photo.path, side)).collect();
            for decoded in squares {
                pixels.extend(decoded?);
            }
            progress.step((pixels.len() / (side * side * 3)) as u64, "");
        }
        write(&path, &digest, &pixels).map_err(|source| TrainError::Io { path, source })?;
        Ok(Self { side, pixels })
    }

    /// The whole photo at `size`, appended as interleaved values in [-1, 1].
    pub(crate) fn whole(&self, photo: usize, size: usize, flip: bool, out: &mut Vec<f32>) {
        let side = self.side as f64;
        self.view(photo, (0.0, 0.0, side, side), size, flip, (1.0, 0.0), out);
    }

    /// A random part of the photo, perhaps mirrored, a little lighter or darker.
    pub(crate) fn random(
        &self,
        photo: usize,
        size: usize,
        views: Views,
        rng: &mut impl Rng,
        out: &mut Vec<f32>,
    ) {
        let side = self.side as f64;
        let area = rng.random_range(f64::from(views.least_area)..=1.0);
        let aspect = rng.random_range(-0.25_f64..0.25).exp();
        let width = (area.sqrt() * aspect).min(1.0) * side;
        let height = (area.sqrt() / aspect).min(1.0) * side;
        let left = rng.random_range(0.0..=1.0) * (side - width);
        let top = rng.random_range(0.0..=1.0) * (side - height);
        let contrast = 1.0 + rng.random_range(-views.jitter..=views.jitter);
        let shift = rng.random_range(-views.jitter..=views.jitter);
        self.view(photo, (left, top, width, height), size, rng.random(), (contrast, shift), out);
    }

    fn view(
        &self,
        photo: usize,
        (left, top, width, height): (f64, f64, f64, f64),
        size: usize,
        flip: bool,
        (contrast, shift): (f32, f32),
        out: &mut Vec<f32>,
    ) {
        let bytes = self.side * self.side * 3;
        let start = out.len();
        let pixels = self.pixels.get(photo * bytes..(photo + 1) * bytes).unwrap_or_default();
        let side = self.side as u32;
        let mut target = fir::images::Image::new(size as u32, size as u32, fir::PixelType::U8x3);
        if let Ok(source) = fir::images::ImageRef::new(side, side, pixels, fir::PixelType::U8x3) {
            let options = fir::ResizeOptions::new()
                .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::CatmullRom))
                .crop(left, top, width, height);
            // The crop lies inside the square by construction; a refusal would leave a black view.
            let _ = fir::Resizer::new().resize(&source, &mut target, &options);
        }
        for row in target.buffer().chunks_exact(size * 3) {
            let value = |&byte: &u8| ((f32::from(byte) / 127.5 - 1.0) * contrast + shift).clamp(-1.0, 1.0);
            if flip {
                out.extend(row.chunks_exact(3).rev().flatten().map(value));
            } else {
                out.extend(row.iter().map(value));
            }
        }
        debug_assert_eq!(out.len() - start, size * size * 3);
    }
}

fn square(path: &Path, side: usize) -> Result<Vec<u8>, TrainError> {
    let bytes = std::fs::read(path).map_err(|source| TrainError::Io { path: path.into(), source })?;
    let broken = |source| TrainError::Picture { path: path.into(), source };
    let picture = Picture::decode(&bytes, &Limits::default()).map_err(broken)?;
    let square = resample(&picture, side as u32, side as u32, Resample::Bicubic).map_err(broken)?;
    Ok(square.rgb().to_vec())
}

fn read(path: &PathBuf, digest: &[u8; 32], expected: usize) -> Option<Vec<u8>> {
    let mut file = File::open(path).ok()?;
    let mut head = [0; 48];
    file.read_exact(&mut head).ok()?;
    let mut pixels = Vec::with_capacity(expected);
    file.read_to_end(&mut pixels).ok()?;
    (head.starts_with(MAGIC) && head.ends_with(digest) && pixels.len() == expected).then_some(pixels)
}

fn write(path: &Path, digest: &[u8; 32], pixels: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension("part");
    let mut file = BufWriter::new(File::create(&unfinished)?);
    file.write_all(MAGIC)?;
    file.write_all(digest)?;
    file.write_all(pixels)?;
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(unfinished, path)
}
