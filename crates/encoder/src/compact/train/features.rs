//! What a frozen trunk sees in each photo, computed once and kept in the work folder.

use std::path::Path;

use rayon::prelude::*;

use super::photos::Views;
use super::rng::stream;
use super::session::Session;
use super::student::Student;
use super::{Progress, TrainError, write_whole};
use crate::compact::trunk::Trunk;

/// Images that go through the trunk together.
pub(crate) const SHARD: usize = 4;

/// Features of each photo's views.
pub(crate) struct Features {
    /// `photos x views x features`.
    values: Vec<f32>,
    views: usize,
    width: usize,
}

impl Features {
    /// Reads `features-KEY.bin` below `work`, or computes it: the whole photo, then random views.
    pub(crate) fn open(
        session: &Session,
        student: &Student,
        (views, size): (usize, usize),
        work: &Path,
        key: &str,
        progress: &mut dyn Progress,
    ) -> Result<Self, TrainError> {
        let trunk = student.image.trunk();
        let width = trunk.features();
        let photos = session.corpus.photos.len();
        let look = Views { least_area: 0.5, jitter: 0.1 };
        let path = work.join(format!("features-{key}.bin"));
        let values = cached(&path, photos * views * width, photos, progress, |photo| {
            let mut pixels = Vec::new();
            session.photos.whole(photo, size, false, &mut pixels);
            let mut rng = stream(session.recipe.seed, "views", photo as u64);
            for _ in 1..views {
                session.photos.random(photo, size, look, &mut rng, &mut pixels);
            }
            trunk.features_of(&student.values, &pixels, size, SHARD)
        })?;
        Ok(Self { values, views, width })
    }

    /// What a trunk sees in these whole photos, computed now.
    pub(crate) fn of(
        session: &Session,
        photos: &[usize],
        size: usize,
        trunk: &Trunk,
        weights: &[f32],
    ) -> Vec<f32> {
        let rows: Vec<Vec<f32>> = photos
            .par_chunks(SHARD)
            .map(|photos| {
                let mut pixels = Vec::new();
                for &photo in photos {
                    session.photos.whole(photo, size, false, &mut pixels);
                }
                trunk.features_of(weights, &pixels, size, SHARD)
            })
            .collect();
        rows.concat()
    }

    pub(crate) fn views(&self) -> usize {
        self.views
    }

    pub(crate) fn row(&self, photo: usize, view: usize) -> &[f32] {
        let row = photo * self.views + view;
        self.values.get(row * self.width..(row + 1) * self.width).unwrap_or_default()
    }

    /// All views of a photo, one after the other.
    pub(crate) fn rows(&self, photo: usize) -> &[f32] {
        let length = self.views * self.width;
        self.values.get(photo * length..(photo + 1) * length).unwrap_or_default()
    }

    /// The whole view of each of these photos, one after the other.
    pub(crate) fn whole(&self, photos: impl Iterator<Item = usize>) -> Vec<f32> {
        photos.flat_map(|photo| self.row(photo, 0)).copied().collect()
    }
}

/// Numbers per photo from a file of the work folder, or computed and written there.
fn cached(
    path: &Path,
    expected: usize,
    photos: usize,
    progress: &mut dyn Progress,
    of: impl Fn(usize) -> Vec<f32> + Sync,
) -> Result<Vec<f32>, TrainError> {
    if let Ok(bytes) = std::fs::read(path)
        && bytes.len() == expected * 4
    {
        let numbers = bytes.chunks_exact(4).filter_map(|bytes| bytes.try_into().ok());
        return Ok(numbers.map(f32::from_le_bytes).collect());
    }
    let mut values: Vec<f32> = Vec::with_capacity(expected);
    progress.stage("features", photos as u64);
    for start in (0..photos).step_by(64) {
        if progress.stop() {
            return Err(TrainError::Stopped);
        }
        let end = photos.min(start + 64);
        let rows: Vec<Vec<f32>> = (start..end).into_par_iter().map(&of).collect();
        values.extend(rows.into_iter().flatten());
        progress.step(end as u64, "");
    }
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    write_whole(path, &bytes)?;
    Ok(values)
}
