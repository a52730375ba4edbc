//! What simulated members learn from, and what the model is judged by.

use std::path::Path;
use std::sync::Arc;

use pmirs_crypto::sha256;
use pmirs_encoder::Pack;
use pmirs_encoder::pack::sha256_hex;
use pmirs_vault::Progress;
use pmirs_vault::federate::{Examples, Learner, Part, from_table, reduce};
use pmirs_wire::Message;
use serde::{Deserialize, Serialize};

use super::SimulateError;
use super::kmeans::clusters;

/// Clusters of captions that uneven splits are drawn over.
const CLUSTERS: usize = 20;

/// A model's part, and pictures with captions reduced to what the frozen rest makes of them.
pub struct Data {
    /// The part that learns.
    pub learner: Arc<Learner>,
    /// To learn from.
    pub train: Arc<Examples>,
    /// To judge by.
    pub dev: Examples,
    /// The cluster of each picture to learn from.
    pub clusters: Vec<u32>,
}

/// Examples as they are kept between runs.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Kept(Examples);

impl Message for Kept {
    const NAME: &'static str = "examples";
    const MAX_BYTES: usize = 4 << 30;
}

impl Data {
    /// Reads two tables of captions ([`from_table`]) for a part of a model. What the frozen part makes of the pictures
    /// is kept in the folder `cache` under a digest of model and table, if there is one.
    ///
    /// # Errors
    /// When the model has no such part; when a table or a picture cannot be read.
    pub fn open(
        pack: &Pack,
        part: Part,
        train: &Path,
        dev: &Path,
        cache: Option<&Path>,
        progress: &dyn Progress,
    ) -> Result<Self, SimulateError> {
        let learner = Arc::new(Learner::open(pack, part)?);
        let train = examples(&learner, train, cache, progress)?;
        let dev = examples(&learner, dev, cache, progress)?;
        let clusters = caption_clusters(&learner, &train)?;
        Ok(Self { learner, train: Arc::new(train), dev, clusters })
    }
}

fn examples(
    learner: &Learner,
    table: &Path,
    cache: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Examples, SimulateError> {
    let kept =
        cache.map(|folder| Ok::<_, SimulateError>(folder.join(file_name(learner, table)?))).transpose()?;
    if let Some(path) = &kept
        && let Ok(bytes) = std::fs::read(path)
        && let Ok(Kept(examples)) = pmirs_wire::decode(&bytes)
    {
        return Ok(examples);
    }
    let examples = reduce(learner, from_table(table)?.into_iter().map(Ok), progress)?;
    let Some(path) = kept else { return Ok(examples) };
    let kept = Kept(examples);
    let bytes = pmirs_wire::encode(&kept).map_err(|error| SimulateError::file(&path, &error))?;
    super::saved::write(&path, &bytes)?;
    Ok(kept.0)
}

/// An adapter's weights change nothing about what it is trained on.
fn file_name(learner: &Learner, table: &Path) -> Result<String, SimulateError> {
    let part = match learner.part() {
        Part::Adapter { .. } => "adapter".to_owned(),
        part => part.to_string(),
    };
    let rows = std::fs::read(table).map_err(|error| SimulateError::file(table, &error))?;
    let key = sha256_hex(
        &[learner.pack().digest().unwrap_or_default().as_slice(), part.as_bytes(), &sha256(&rows)].concat(),
    );
    let hex: String = key.chars().take(16).collect();
    Ok(format!("examples-{part}-{hex}.cbor"))
}

/// Clusters of the pictures' captions: of the mean vector of each picture's captions.
fn caption_clusters(learner: &Learner, examples: &Examples) -> Result<Vec<u32>, SimulateError> {
    let (_, said) = learner.embed(&learner.initial(), examples)?;
    let mut said = said.into_iter();
    let mean = |picture: usize| {
        let captions: Vec<Vec<f32>> = said.by_ref().take(examples.captions(picture)).collect();
        let mut mean = vec![0.0_f32; captions.first().map_or(0, Vec::len)];
        for caption in &captions {
            mean.iter_mut().zip(caption).for_each(|(mean, value)| *mean += value / captions.len() as f32);
        }
        mean
    };
    let means: Vec<Vec<f32>> = (0..examples.len()).map(mean).collect();
    Ok(clusters(&means, CLUSTERS, 1))
}
