//! `pmirs federate simulate`: one federation, or a study of several.

use std::io::{self, Write};
use std::path::Path;

use indicatif::ProgressBar;
use pmirs_lab::eval::Step;
use pmirs_lab::federate::{
    self, Aggregation, Data, Outcome, Privacy, Setting, SimulateError, Split, Study, StudyReport, StudyRow,
    Tables,
};
use pmirs_lab::plot::{self, Figure};
use pmirs_vault::federate::{LocalError, Part};
use serde::Serialize;

use super::rules;
use crate::cli::{AggregationArg, FederateSimulate};
use crate::command::model;
use crate::exit::Exit;
use crate::output::{Answer, BOLD, DIM, Output};
use crate::progress::{Bar, steps};
use crate::report::Failure;

pub fn run(args: &FederateSimulate, output: Output) -> Result<(), Failure> {
    let failed = |error| Failure::file(&args.out, "write", &error);
    std::fs::create_dir_all(&args.out).map_err(failed)?;
    let encoder = model::encoder(args.model.as_deref())?;
    let work = args.work.as_deref().unwrap_or(&args.out);
    if let Some(file) = &args.study {
        let study = Study::read(file)?;
        let tables = Tables { train: &args.data, dev: &args.dev, work };
        let bar = steps(output, 0);
        let report =
            federate::study(&study, encoder.pack(), tables, &Bar::new(output), &mut |it| show(&bar, it))?;
        bar.finish_and_clear();
        keep(&args.out, "study", &report, &report.figures())?;
        return output.answer(&Studied(report));
    }
    let part: Part = args.part.parse().map_err(|reason: String| {
        Failure::new(Exit::Usage, reason, "`pmirs federate simulate --help` lists the parts")
    })?;
    let setting = setting(args);
    let data = Data::open(encoder.pack(), part, &args.data, &args.dev, Some(work), &Bar::new(output))?;
    let bar = steps(output, u64::from(setting.rounds));
    let state = work.join("simulation.run");
    let outcome = federate::simulate(&data, &setting, Some(&state), &mut |step| show(&bar, step))?;
    let mut pooled = None;
    if args.pooled {
        pooled = Some(federate::pooled(&data, &setting, &mut |step| show(&bar, step))?);
    }
    bar.finish_and_clear();
    let figure = outcome.figure(pooled.as_ref());
    let answer = Simulated { model: format!("{encoder:?}"), setting, outcome, pooled };
    keep(&args.out, "simulation", &answer, &[("rounds".to_owned(), figure)])?;
    output.answer(&answer)
}

fn show(bar: &ProgressBar, step: Step) {
    bar.set_message(step.what);
    bar.set_length(step.total as u64);
    bar.set_position(step.done as u64);
}

fn setting(args: &FederateSimulate) -> Setting {
    Setting {
        clients: args.clients as u32,
        split: args.alpha.map_or(Split::Iid, |alpha| Split::Dirichlet { alpha }),
        rounds: args.rounds as u32,
        cohort: args.cohort.unwrap_or(0) as u32,
        rule: rules::rule(&args.rules),
        steps: args.steps as u32,
        batch: args.batch as u32,
        rate: args.rate,
        last_rate: args.rate / 10.0,
        proximal: rules::proximal(&args.rules),
        clip: args.clip,
        privacy: args.epsilon.map(|epsilon| Privacy { epsilon, delta: args.delta }),
        aggregation: match args.aggregation {
            AggregationArg::Secure => Aggregation::Secure,
            AggregationArg::Plain => Aggregation::Plain,
            AggregationArg::Exact => Aggregation::Exact,
        },
        compression: rules::compression(&args.rules),
        dropout: args.dropout,
        corrupt: args.corrupt,
        seed: args.seed,
    }
}

/// Writes an answer as `NAME.json`, and its figures beside it.
fn keep(
    folder: &Path,
    name: &str,
    answer: &impl Serialize,
    figures: &[(String, Figure)],
) -> Result<(), Failure> {
    let mut json = serde_json::to_vec_pretty(answer)
        .map_err(|error| Failure::new(Exit::Failure, &error, "this is a bug; please report it"))?;
    json.push(b'\n');
    let path = folder.join(format!("{name}.json"));
    std::fs::write(&path, &json).map_err(|error| Failure::file(&path, "write", &error))?;
    for (name, figure) in figures {
        plot::save(figure, folder, name).map_err(SimulateError::from)?;
    }
    Ok(())
}

/// One federation.
#[derive(Serialize)]
struct Simulated {
    model: String,
    setting: Setting,
    #[serde(flatten)]
    outcome: Outcome,
    pooled: Option<Outcome>,
}

impl Answer for Simulated {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Setting { clients, rounds, .. } = self.setting;
        let Outcome { weights, shown, epsilon, .. } = &self.outcome;
        writeln!(out, "{clients} members, {rounds} rounds, {weights} weights, {shown} pictures shown")?;
        writeln!(out, "{DIM}  round    loss    R@10{DIM:#}")?;
        for row in &self.outcome.rounds {
            writeln!(out, "  {:>5}  {:>6.3}  {BOLD}{:>6.3}{BOLD:#}", row.round, row.loss, row.r10)?;
        }
        if let Some(pooled) = &self.pooled {
            let [_, r10] = pooled.r10();
            writeln!(
                out,
                "  in one hand: R@10 {r10:.3}, of which this is {:.1}%",
                100.0 * self.outcome.r10()[1] / r10
            )?;
        }
        match epsilon {
            Some(epsilon) => writeln!(out, "  every member's privacy: epsilon {epsilon:.2}"),
            None => writeln!(out, "  no noise, and so no promise of privacy against the sums"),
        }
    }
}

/// Several.
#[derive(Serialize)]
#[serde(transparent)]
struct Studied(StudyReport);

impl Answer for Studied {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let StudyReport { model, pictures: [train, dev], runs } = &self.0;
        writeln!(out, "from {model}: {train} pictures to learn from, {dev} to judge by")?;
        let mut figure = "";
        for row in runs {
            if row.figure != figure {
                figure = &row.figure;
                writeln!(out, "\n{BOLD}{figure}{BOLD:#}")?;
                writeln!(
                    out,
                    "  {DIM}{:<34} {:>8} {:>7} {:>6} {:>6} {:>7} {:>8} {:>9}{DIM:#}",
                    "", "weights", "members", "before", "R@10", "pooled", "epsilon", "differs"
                )?;
            }
            print_row(out, row)?;
        }
        Ok(())
    }
}

fn print_row(out: &mut dyn Write, row: &StudyRow) -> io::Result<()> {
    let share = row.pooled.map_or(String::new(), |pooled| format!("{:.1}%", 100.0 * row.r10 / pooled));
    let epsilon = row.outcome.epsilon.map_or("none".to_owned(), |epsilon| format!("{epsilon:.2}"));
    let difference = row.difference.map_or(String::new(), |difference| format!("{difference:.1e}"));
    writeln!(
        out,
        "  {:<34} {:>8} {:>7} {:>6.3} {BOLD}{:>6.3}{BOLD:#} {share:>7} {epsilon:>8} {difference:>9}",
        row.name, row.outcome.weights, row.setting.clients, row.before, row.r10
    )
}

impl From<SimulateError> for Failure {
    fn from(error: SimulateError) -> Self {
        let hint = match error {
            SimulateError::Vault(error) => return error.into(),
            SimulateError::Local(LocalError::Encoder(error)) => return error.into(),
            SimulateError::File { ref path, .. } if !path.exists() => {
                return Self::new(Exit::NotFound, &error, "check the path for a typing mistake");
            }
            SimulateError::File { .. } => "check the file and the disk",
            SimulateError::Plot(_) => "check the path and the disk",
            SimulateError::Round(_) | SimulateError::Plan(_) => {
                "`pmirs federate simulate --help` lists the options"
            }
            _ => "choose another value; `pmirs federate simulate --help` lists the options",
        };
        Self::new(Exit::Usage, &error, hint)
    }
}
