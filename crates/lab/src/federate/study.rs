//! Several federations side by side, described in a file.

use std::collections::BTreeMap;
use std::path::Path;

use pmirs_encoder::Pack;
use pmirs_encoder::pack::sha256_hex;
use pmirs_vault::Progress;
use pmirs_vault::federate::Part;
use serde::{Deserialize, Serialize};

use super::{Data, Outcome, Setting, SimulateError, Watch, outcome, pooled, run, saved, simulate};
use crate::plot::Figure;

/// The largest description that is read.
const MOST_TEXT: u64 = 1 << 20;

/// What a study runs: a TOML file of tables `[[run]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// The runs, in the order in which they are reported.
    #[serde(rename = "run")]
    pub runs: Vec<Run>,
}

/// One federation.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Run {
    /// What reports call it.
    pub name: String,
    /// The figure that it is drawn in.
    pub figure: String,
    /// What trains, as [`Part`] is written.
    pub part: String,
    /// The first round's learning rate at which the same examples are also trained on in one hand; it falls as the
    /// members' does. What suits many short courses suits one long one badly.
    #[serde(default)]
    pub pooled: Option<f64>,
    /// An earlier run that its weights are compared with.
    #[serde(default)]
    pub against: Option<String>,
    /// What it is like, where it differs from the usual.
    #[serde(default)]
    pub setting: Setting,
}

/// A run's result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudyRow {
    /// Its name.
    pub name: String,
    /// The figure that it is drawn in.
    pub figure: String,
    /// What trained.
    pub part: String,
    /// What it was like.
    pub setting: Setting,
    /// R@10 before the first round.
    pub before: f64,
    /// R@10 after the last.
    pub r10: f64,
    /// R@10 of the same examples in one hand.
    pub pooled: Option<f64>,
    /// How far the weights are from those of the run that they are compared with, relative to how far those went.
    pub difference: Option<f64>,
    /// Its rounds, and what was promised.
    pub outcome: Outcome,
}

/// What a study gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudyReport {
    /// The model that every run began from.
    pub model: String,
    /// Pictures to learn from, and to judge by.
    pub pictures: [usize; 2],
    /// The runs.
    pub runs: Vec<StudyRow>,
}

impl Study {
    /// Reads a study.
    ///
    /// # Errors
    /// When the file cannot be read, or describes none.
    pub fn read(path: &Path) -> Result<Self, SimulateError> {
        let size = std::fs::metadata(path).map_err(|error| SimulateError::file(path, &error))?.len();
        if size > MOST_TEXT {
            return Err(SimulateError::file(path, &format!("it is larger than {MOST_TEXT} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| SimulateError::file(path, &error))?;
        toml::from_str(&text).map_err(|error| SimulateError::file(path, &error.message()))
    }
}

/// The tables that a study learns from and judges by, and where it keeps what it found.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'a> {
    /// Captions to learn from.
    pub train: &'a Path,
    /// Captions to judge by.
    pub dev: &'a Path,
    /// Folder for examples, and for where runs stand.
    pub work: &'a Path,
}

/// Runs a study; `told` hears each run's name before it begins.
///
/// # Errors
/// As [`simulate()`]; for a run that is compared with none before it.
pub fn study(
    study: &Study,
    pack: &Pack,
    tables: Tables<'_>,
    progress: &dyn Progress,
    watch: Watch<'_>,
) -> Result<StudyReport, SimulateError> {
    let mut parts: BTreeMap<String, Data> = BTreeMap::new();
    let mut rows: Vec<StudyRow> = Vec::new();
    let mut pictures = [0; 2];
    for run in &study.runs {
        if !parts.contains_key(&run.part) {
            let part: Part = run.part.parse().map_err(|reason| SimulateError::Setting {
                what: "part",
                got: run.part.clone(),
                expected: reason,
            })?;
            let data = Data::open(pack, part, tables.train, tables.dev, Some(tables.work), progress)?;
            pictures = [data.train.len(), data.dev.len()];
            parts.insert(run.part.clone(), data);
        }
        if let Some(data) = parts.get(&run.part) {
            rows.push(one(run, data, tables.work, &rows, watch)?);
        }
    }
    let manifest = pack.manifest();
    Ok(StudyReport { model: format!("{} {}", manifest.name, manifest.version), pictures, runs: rows })
}

fn one(
    run: &Run,
    data: &Data,
    work: &Path,
    before: &[StudyRow],
    watch: Watch<'_>,
) -> Result<StudyRow, SimulateError> {
    let state = work.join(format!("{}.run", plain(&run.name)));
    let outcome = simulate(data, &run.setting, Some(&state), watch)?;
    let setting = &run.setting;
    let in_one_hand = |rate: f64| {
        let last_rate = rate * setting.last_rate / setting.rate;
        pooled_once(data, &Setting { rate, last_rate, ..setting.clone() }, work, watch)
    };
    let pooled = run.pooled.map(in_one_hand).transpose()?;
    let difference = match &run.against {
        None => None,
        Some(name) => {
            let other = before.iter().find(|row| row.name == *name);
            let other = other.ok_or_else(|| SimulateError::Setting {
                what: "against",
                got: name.clone(),
                expected: "the name of an earlier run".into(),
            })?;
            Some(outcome.difference(&other.outcome))
        }
    };
    let [first, last] = outcome.r10();
    Ok(StudyRow {
        name: run.name.clone(),
        figure: run.figure.clone(),
        part: run.part.clone(),
        setting: run.setting.clone(),
        before: first,
        r10: last,
        pooled: pooled.map(|outcome| outcome.r10()[1]),
        difference,
        outcome,
    })
}

/// Runs that differ in nothing that the pooled one sees share it.
fn pooled_once(
    data: &Data,
    setting: &Setting,
    work: &Path,
    watch: Watch<'_>,
) -> Result<Outcome, SimulateError> {
    let manifest = pmirs_vault::federate::manifest(&data.learner).digest(&data.learner.initial())?;
    let seen = (run::pooled_steps(data, setting)?, setting.training(), setting.rounds, setting.seed);
    let digest = saved::digest(&manifest, &seen);
    let hex: String = sha256_hex(&digest.0).chars().take(16).collect();
    let path = work.join(format!("pooled-{hex}.json"));
    if let Ok(bytes) = std::fs::read(&path)
        && let Ok(outcome) = serde_json::from_slice(&bytes)
    {
        return Ok(outcome);
    }
    let outcome = pooled(data, setting, watch)?;
    saved::write(&path, &serde_json::to_vec(&outcome).unwrap_or_default())?;
    Ok(outcome)
}

fn plain(name: &str) -> String {
    name.replace(|c: char| !c.is_ascii_alphanumeric(), "-").to_lowercase()
}

impl StudyReport {
    /// The figures, each with a name for its file.
    pub fn figures(&self) -> Vec<(String, Figure)> {
        let mut names: Vec<&str> = Vec::new();
        for row in &self.runs {
            if !names.contains(&row.figure.as_str()) {
                names.push(&row.figure);
            }
        }
        let figure = |name: &str| {
            let runs = self.runs.iter().filter(|row| row.figure == name);
            let runs: Vec<(&str, &Outcome)> = runs.map(|row| (row.name.as_str(), &row.outcome)).collect();
            (plain(name), outcome::figure(name, &runs))
        };
        names.into_iter().map(figure).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_study_names_what_differs_from_the_usual_setting() {
        let text = "[[run]]\nname = \"a\"\nfigure = \"f\"\npart = \"heads\"\n[run.setting]\nclients = 100\nsplit = { dirichlet = { alpha = 0.3 } }\n\
                    privacy = { epsilon = 8.0, delta = 1e-5 }\nrule = { FedAvg = { rate = 0.5 } }\n";
        let study: Study = toml::from_str(text).unwrap();
        let setting = &study.runs[0].setting;
        assert_eq!((setting.clients, setting.rounds), (100, Setting::default().rounds));
        assert_eq!(setting.split, super::super::Split::Dirichlet { alpha: 0.3 });
    }
}
