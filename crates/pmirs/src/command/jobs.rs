//! `pmirs jobs`: work in the background, looked at, stopped and forgotten.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::{Global, Jobs, JobsCommand};
use crate::exit::Exit;
use crate::home;
use crate::job::{self, Job, Progress, State};
use crate::moment::rfc3339;
use crate::output::{Answer, BOLD, DIM, Output, count, plain, quoted};
use crate::report::Failure;
use crate::session;

#[derive(Serialize)]
struct Started {
    job: u64,
}

impl Answer for Started {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Job {} is under way in the background; `pmirs jobs` shows how far it is.", self.job)
    }
}

/// Starts a command in the background, and says so.
pub fn start(global: &Global, arguments: &[&str], output: Output) -> Result<(), Failure> {
    output.answer(&Started { job: begin(global, arguments)? })
}

/// Starts a command in the background, and gives back the job's number.
pub fn begin(global: &Global, arguments: &[&str]) -> Result<u64, Failure> {
    let home = home::folder(global)?;
    let seed = session::seed(global, &home)?;
    let job = job::start(&home, &seed, arguments)
        .map_err(|error| failure(&format_args!("no job could be started: {error}")))?;
    Ok(job.number)
}

#[derive(Serialize)]
struct Listed {
    jobs: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    job: u64,
    command: String,
    state: State,
    started: String,
    phase: String,
    done: u64,
    total: Option<u64>,
    log: String,
    answer: Option<serde_json::Value>,
}

impl From<&Job> for Row {
    fn from(job: &Job) -> Self {
        let order = job.order();
        let Progress { phase, done, total } = job.progress();
        let arguments = order.iter().flat_map(|order| &order.arguments).map(|it| quoted(it));
        Self {
            job: job.number,
            command: arguments.collect::<Vec<_>>().join(" "),
            state: job.state(),
            started: order.map(|order| rfc3339(order.started_ms)).unwrap_or_default(),
            phase,
            done,
            total,
            log: job.log().display().to_string(),
            answer: job.answer(),
        }
    }
}

impl Answer for Listed {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.jobs.is_empty() {
            return writeln!(
                out,
                "Nothing runs in the background, and nothing has since `pmirs jobs clear`."
            );
        }
        for Row { job, command, state, started, phase, done, total, log, .. } in &self.jobs {
            let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
            let state = match state {
                State::Running if phase.is_empty() => "running".to_owned(),
                State::Running => format!("running: {phase}, {done}{of}"),
                State::Done => "done".to_owned(),
                State::Failed => format!("failed; {} says why", plain(log)),
                State::BrokenOff => {
                    "broken off; give the command again, and it goes on where it was".to_owned()
                }
            };
            writeln!(out, "{BOLD}{job}{BOLD:#}  {command}  {DIM}{started}{DIM:#}\n   {state}")?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Stopped {
    stopped: u64,
}

impl Answer for Stopped {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "Stopped job {}; what it did stays, and given again it goes on from there.",
            self.stopped
        )
    }
}

#[derive(Serialize)]
struct Cleared {
    cleared: usize,
}

impl Answer for Cleared {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Forgot {} that ended.", count(self.cleared, "job"))
    }
}

pub fn run(args: &Jobs, global: &Global, output: Output) -> Result<(), Failure> {
    let home = home::folder(global)?;
    let all = Job::all(&home).map_err(|error| failure(&format_args!("jobs cannot be listed: {error}")))?;
    match &args.command {
        None | Some(JobsCommand::List) => {
            output.answer(&Listed { jobs: all.iter().map(Row::from).collect() })
        }
        Some(JobsCommand::Stop { job: number }) => {
            let job = all.iter().find(|job| job.number == *number);
            let stopped = job.map_or(Ok(false), Job::stop);
            if stopped.map_err(|error| failure(&format_args!("job {number} was not stopped: {error}")))? {
                return output.answer(&Stopped { stopped: *number });
            }
            let error = format!("no job {number} is running");
            Err(Failure::new(Exit::NotFound, error, "`pmirs jobs` lists them"))
        }
        Some(JobsCommand::Clear) => {
            let ended: Vec<&Job> = all.iter().filter(|job| job.state() != State::Running).collect();
            let cleared: io::Result<()> = ended.iter().try_for_each(|job| job.clear());
            cleared.map_err(|error| failure(&format_args!("a job was not forgotten: {error}")))?;
            output.answer(&Cleared { cleared: ended.len() })
        }
    }
}

fn failure(error: &std::fmt::Arguments<'_>) -> Failure {
    Failure::new(Exit::Failure, error.to_string(), "look at the folder `jobs` of your home")
}
