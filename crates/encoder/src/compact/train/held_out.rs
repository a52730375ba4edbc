//! The finished pack on photos that neither training nor selection saw.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;

use super::corpus::{PHRASES, is_held_out, read_text};
use super::judge::{accuracy, centre_of, recall};
use super::{HeldOut, Progress, TrainError};
use crate::{Encoder, Limits, Picture};

/// Measures a pack on `flickr8k/dev.tsv` and on the photos of `caltech101` that training leaves out
/// ([`is_held_out`]), both below `data`; `None` when the first is missing.
///
/// # Errors
/// When a photo is missing or broken, naming it, or the encoder fails; [`TrainError::Stopped`] when `progress` asks
/// for it.
pub fn measure(
    encoder: &Encoder,
    data: &Path,
    progress: &mut dyn Progress,
) -> Result<Option<HeldOut>, TrainError> {
    let file = data.join("flickr8k/dev.tsv");
    if !file.is_file() {
        return Ok(None);
    }
    let text = read_text(&file)?;
    let (mut names, mut captions, mut owners) = (Vec::new(), Vec::new(), Vec::new());
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (image, caption) in text.lines().skip(1).filter_map(|line| line.split_once('\t')) {
        let place = *places.entry(image).or_insert_with(|| {
            names.push(data.join("flickr8k/images").join(image));
            names.len() - 1
        });
        owners.push(place);
        captions.push(caption);
    }
    progress.stage("measure on held-out data", names.len() as u64);
    let images = embed_files(encoder, &names, progress)?;
    let texts = embed_texts(encoder, &captions)?;
    let mut own_captions = vec![Vec::new(); images.len()];
    for (caption, &owner) in owners.iter().enumerate() {
        if let Some(own) = own_captions.get_mut(owner) {
            own.push(caption);
        }
    }
    let owners: Vec<Vec<usize>> = owners.into_iter().map(|owner| vec![owner]).collect();

    let (files, truth, classes) = left_out(data)?;
    progress.stage("measure on left-out classes", files.len() as u64);
    let photos = embed_files(encoder, &files, progress)?;
    let mut names = Vec::new();
    for class in &classes {
        let phrases: Vec<String> = PHRASES.iter().take(4).map(|phrase| phrase.replace("{}", class)).collect();
        let phrases: Vec<&str> = phrases.iter().map(String::as_str).collect();
        names.push(centre_of(&embed_texts(encoder, &phrases)?));
    }
    Ok(Some(HeldOut {
        text_to_image: recall(&texts, &images, &owners),
        image_to_text: recall(&images, &texts, &own_captions),
        accuracy: accuracy(&photos, &names, &truth),
        counts: [images.len(), texts.len(), photos.len()],
    }))
}

type LeftOut = (Vec<std::path::PathBuf>, Vec<usize>, Vec<String>);

/// Left-out photos, the class of each, and the classes' names.
fn left_out(data: &Path) -> Result<LeftOut, TrainError> {
    let (mut files, mut truth, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    for folder in super::corpus::sorted(&data.join("caltech101"))? {
        let class = super::corpus::file_name(&folder);
        for file in super::corpus::sorted(&folder)? {
            if is_held_out(&class, &super::corpus::file_name(&file)) {
                truth.push(classes.len());
                files.push(file);
            }
        }
        classes.push(class.replace('_', " "));
    }
    Ok((files, truth, classes))
}

fn embed_files(
    encoder: &Encoder,
    files: &[std::path::PathBuf],
    progress: &mut dyn Progress,
) -> Result<Vec<Vec<f32>>, TrainError> {
    let mut rows = Vec::with_capacity(files.len());
    for chunk in files.chunks(32) {
        if progress.stop() {
            return Err(TrainError::Stopped);
        }
        let prepared = chunk.par_iter().map(|path| {
            let bytes =
                std::fs::read(path).map_err(|source| TrainError::Io { path: path.clone(), source })?;
            let broken = |source| TrainError::Picture { path: path.clone(), source };
            Ok(encoder.preprocess(&Picture::decode(&bytes, &Limits::default()).map_err(broken)?)?)
        });
        let prepared = prepared.collect::<Result<Vec<_>, TrainError>>()?;
        rows.extend(encoder.embed_prepared(&prepared)?.into_iter().map(crate::Embedding::into_values));
        progress.step(rows.len() as u64, "");
    }
    Ok(rows)
}

fn embed_texts(encoder: &Encoder, texts: &[&str]) -> Result<Vec<Vec<f32>>, TrainError> {
    Ok(encoder.embed_texts(texts)?.into_iter().map(crate::Embedding::into_values).collect())
}
