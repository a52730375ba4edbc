//! What a model costs: weights, and the work for one picture and one sentence.

use crate::compact::image::ImageTower;
use crate::compact::text::TextTower;
use crate::compact::{CompactArchitecture, CompactTowers};
use crate::pack::{CostSpec, Pack, PackKind};
use crate::{PackError, import};

/// Counts a pack's cost: of a compact one from its architecture; of an ONNX pair as it was counted when it was
/// added, or else its weights alone.
///
/// # Errors
/// When the architecture is none, or a file of weights is missing or altered.
pub fn cost(pack: &Pack) -> Result<CostSpec, PackError> {
    let manifest = pack.manifest();
    match (manifest.kind, manifest.cost) {
        (_, Some(cost)) => Ok(cost),
        (PackKind::Compact, None) => {
            // Opening checks every size before anything is laid out by it.
            CompactTowers::open(pack)?;
            let wrong = |error: toml::de::Error| PackError::Field {
                field: "architecture".into(),
                problem: error.message().to_owned(),
            };
            let architecture: CompactArchitecture =
                toml::Value::Table(manifest.architecture.clone()).try_into().map_err(wrong)?;
            let [side, _] = manifest.image.size;
            let trunk = architecture.trunk.cost(side as usize);
            let image = ImageTower::new(&architecture.trunk, architecture.head_hidden, manifest.dim);
            let text = TextTower::new(architecture.text);
            // Start and end token are not looked at.
            let tokens = manifest.text.context_length.saturating_sub(2);
            let features = architecture.trunk.features;
            let head = features * (manifest.dim + architecture.head_hidden)
                + architecture.head_hidden * manifest.dim;
            Ok(CostSpec {
                parameters: (image.layout().len() + text.layout().len()) as u64,
                image_multiply_adds: Some((trunk.multiply_adds + head) as u64),
                text_multiply_adds: Some(text.multiply_adds(tokens) as u64),
                relus: Some((trunk.relus + architecture.head_hidden) as u64),
            })
        }
        (PackKind::Onnx, None) => {
            let graphs = [&manifest.image.weights, &manifest.text.weights]
                .into_iter()
                .filter_map(|files| files.first());
            let parameters = graphs
                .map(|file| Ok(import::parameters(&pack.read(file)?)))
                .sum::<Result<u64, PackError>>()?;
            Ok(CostSpec { parameters, image_multiply_adds: None, text_multiply_adds: None, relus: None })
        }
    }
}
