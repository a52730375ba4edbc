//! The loop of a learning step: batches, updates, judgements and checkpoints.

use std::path::Path;

use super::checkpoint::Checkpoint;
use super::corpus::{PHRASES, Says};
use super::judge::{accuracy, centre_of, centred, recall};
use super::optimiser::State;
use super::recipe::StagePlan;
use super::session::Session;
use super::student::Student;
use super::{Judgement, Progress, TrainError, write_whole};
use crate::compact::parameters::Layout;

/// What differs between the learning steps.
pub(crate) trait Learner {
    /// Order of the tensors in each state.
    fn layout(&self) -> &Layout;

    /// What each state starts from.
    fn start(&self) -> Vec<Vec<f32>>;

    /// Each state's loss and gradient at a step.
    fn slopes(&mut self, step: u64, states: &[State]) -> Result<Vec<(f32, Vec<f32>)>, TrainError>;

    /// The network that the averages make, and what it sees in the validation photos.
    fn network(&self, averages: &[&[f32]]) -> Result<(Student, Vec<Vec<f32>>), TrainError>;
}

/// Where one step of the recipe keeps its state, and what it belongs to.
pub(crate) struct Place<'a> {
    pub session: &'a Session,
    pub work: &'a Path,
    /// Number and name of the step.
    pub name: String,
    /// Digest of everything that shaped this step's numbers.
    pub identity: String,
}

impl Place<'_> {
    /// Runs a learner from its checkpoint or its start to the end of its plan; returns the weights of the best
    /// network.
    pub(crate) fn run(
        &self,
        learner: &mut dyn Learner,
        plan: &StagePlan,
        judgements: &mut Vec<Judgement>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<f32>, TrainError> {
        // Another recipe's state in the same folder is another file.
        let key: String = self.identity.chars().take(12).collect();
        let path = self.work.join(format!("{}-{key}.safetensors", self.name));
        let log = self.work.join(format!("{}-{key}.json", self.name));
        let mut own: Vec<Judgement> = Vec::new();
        let mut checkpoint = match Checkpoint::read(&path, &self.identity)? {
            Some(checkpoint) => {
                own = read_log(&log, checkpoint.step());
                checkpoint
            }
            None => Checkpoint {
                states: learner.start().into_iter().map(State::new).collect(),
                best_score: f64::NEG_INFINITY,
                ..Checkpoint::default()
            },
        };
        progress.stage(&self.name, plan.rates.steps);
        while checkpoint.step() < plan.rates.steps {
            let step = checkpoint.step();
            if progress.stop() {
                checkpoint.write(&path, &self.identity)?;
                return Err(TrainError::Stopped);
            }
            let slopes = learner.slopes(step, &checkpoint.states)?;
            let loss = slopes.iter().map(|(loss, _)| *loss).sum::<f32>() / slopes.len().max(1) as f32;
            if !loss.is_finite() {
                return Err(TrainError::Diverged(loss, step));
            }
            for (state, (_, gradient)) in checkpoint.states.iter_mut().zip(&slopes) {
                state.update(learner.layout(), gradient, &plan.rates);
            }
            checkpoint.losses = (checkpoint.losses.0 + f64::from(loss), checkpoint.losses.1 + 1);
            let done = step + 1;
            if done % plan.judge_every == 0 || done == plan.rates.steps {
                let judgement = self.judge(learner, &mut checkpoint)?;
                progress.step(done, &judgement.to_string());
                progress.judged(&judgement);
                own.push(judgement);
                write_whole(&log, &serde_json::to_vec(&own).unwrap_or_default())?;
            } else {
                progress.step(done, &format!("loss {loss:.3}"));
            }
            if done % plan.save_every == 0 || done == plan.rates.steps {
                checkpoint.write(&path, &self.identity)?;
            }
        }
        judgements.extend(own);
        Ok(checkpoint.best)
    }

    fn judge(&self, learner: &dyn Learner, checkpoint: &mut Checkpoint) -> Result<Judgement, TrainError> {
        let averages: Vec<&[f32]> = checkpoint.states.iter().map(|state| state.average.as_slice()).collect();
        let (network, images) = learner.network(&averages)?;
        let (sum, count) = std::mem::take(&mut checkpoint.losses);
        let judgement = Judgement {
            stage: self.name.clone(),
            step: checkpoint.step(),
            loss: sum / count.max(1) as f64,
            ..judge(self.session, &network, &images)
        };
        if judgement.score() > checkpoint.best_score {
            checkpoint.best_score = judgement.score();
            checkpoint.best = network.values;
        }
        Ok(judgement)
    }
}

/// Judges a network, by its raw vectors of the validation photos, against captions and class names.
pub(crate) fn judge(session: &Session, network: &Student, images: &[Vec<f32>]) -> Judgement {
    let embed = |sentence: &str| network.embed_tokens(&session.tokens(sentence));
    let (mut queries, mut answers, mut captioned) = (Vec::new(), Vec::new(), Vec::new());
    let (mut classed, mut truth) = (Vec::new(), Vec::new());
    for (&photo, image) in session.validate.iter().zip(images) {
        match session.corpus.photos.get(photo).map(|photo| &photo.says) {
            Some(Says::Captions(captions)) => {
                queries.extend(captions.iter().map(|caption| embed(caption)));
                answers.extend(captions.iter().map(|_| vec![captioned.len()]));
                captioned.push(image.clone());
            }
            Some(Says::Class(class)) => {
                classed.push(image.clone());
                truth.push(*class);
            }
            None => {}
        }
    }
    let all_images: Vec<Vec<f32>> = captioned.iter().chain(&classed).cloned().collect();
    let image_centre = centre_of(&all_images);
    let phrases = |class: &String| -> Vec<Vec<f32>> {
        PHRASES.iter().take(4).map(|phrase| embed(&phrase.replace("{}", class))).collect()
    };
    let named: Vec<Vec<Vec<f32>>> = session.corpus.classes.iter().map(phrases).collect();
    // Without captions, the centre of words is that of what names the classes.
    let text_centre = if queries.is_empty() { centre_of(&named.concat()) } else { centre_of(&queries) };
    let classes: Vec<Vec<f32>> =
        named.iter().map(|phrases| centre_of(&centred(phrases, &text_centre))).collect();
    Judgement {
        stage: String::new(),
        step: 0,
        loss: 0.0,
        text_to_image: recall(
            &centred(&queries, &text_centre),
            &centred(&captioned, &image_centre),
            &answers,
        ),
        accuracy: accuracy(&centred(&classed, &image_centre), &classes, &truth),
    }
}

fn read_log(path: &Path, until: u64) -> Vec<Judgement> {
    let known: Option<Vec<Judgement>> =
        std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    known.unwrap_or_default().into_iter().filter(|judgement| judgement.step <= until).collect()
}
