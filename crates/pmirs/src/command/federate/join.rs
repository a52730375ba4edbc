//! `pmirs federate join`: what leaves this machine is shown, agreed to, and then done.

use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use pmirs_encoder::{Encoder, EncoderError, Pack};
use pmirs_vault::federate::{
    Consent, Did, Ending, Membership, Prospect, Provenance, Trainer, from_collection, from_table, publish,
};
use pmirs_vault::privacy::DataSource;
use pmirs_vault::{Progress, Vault};
use pmirs_wire::Digest;
use serde::Serialize;

use super::start::not_trainable;
use super::{find, pace};
use crate::cli::{FederateJoin, Global};
use crate::command::{jobs, model};
use crate::exit::Exit;
use crate::models::{Models, check_name};
use crate::output::{Answer, BOLD, DIM, GOOD, Output, bytes, plain, quoted};
use crate::progress::Bar;
use crate::report::Failure;
use crate::{confirm, home, session};

/// Fewest pictures with captions that anything can be learned from.
const LEAST: usize = 2;

pub fn run(args: &FederateJoin, global: &Global, output: Output) -> Result<(), Failure> {
    args.model_name.as_deref().map_or(Ok(()), check_name)?;
    let vault = session::open(global)?;
    let id = find::federation(&vault, Some(&args.federation))?;
    let mut membership = Membership::look(&vault, id)?;
    let encoder = model::encoder(args.model.as_deref())?;
    same_model(&membership, encoder.pack())?;
    if membership.consent()?.is_none_or(|agreed| !covers(&agreed, args)) {
        let consent = consent(&vault, args)?;
        has_enough(&vault, args)?;
        let prospect = membership.prospect(&consent)?;
        if !args.yes && !agrees(&prospect, args)? {
            return Err(Failure::new(
                Exit::Failure,
                "nothing was joined, and nothing left this machine",
                "`--epsilon` and `--least-noise` set limits that this home holds the coordinator to",
            ));
        }
        membership.join(&consent)?;
    }
    if !args.foreground {
        drop(membership);
        return in_background(args, id, global, output);
    }
    take_part(args, &vault, &mut membership, encoder.pack(), global, output)
}

/// The same model on every machine, or sums mean nothing.
fn same_model(membership: &Membership<'_>, pack: &Pack) -> Result<(), Failure> {
    let (base, expected) = (find::base(pack), &membership.chain().charter().base);
    if base == *expected {
        return Ok(());
    }
    let error = format!("the federation begins from the model '{}', and '{base}' is in use", plain(expected));
    Err(Failure::new(
        Exit::Usage,
        error,
        "name the model with --model; ask the owner for its pack if you lack it",
    ))
}

fn covers(agreed: &Consent, args: &FederateJoin) -> bool {
    let limits = (args.epsilon.unwrap_or(f64::INFINITY), args.delta, args.least_noise);
    agreed.source == args.data && (agreed.epsilon, agreed.delta, agreed.least_noise) == limits
}

fn consent(vault: &Vault, args: &FederateJoin) -> Result<Consent, Failure> {
    let source = if let Some(path) = table(args) {
        DataSource::File(path.to_owned())
    } else {
        let collection = vault.collection(&args.data)?;
        DataSource::Collection { id: collection.info().id, name: args.data.clone() }
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Consent {
        source: args.data.clone(),
        data: Digest(vault.privacy().data(&source)?),
        epsilon: args.epsilon.unwrap_or(f64::INFINITY),
        delta: args.delta,
        least_noise: args.least_noise,
        agreed_ms: u64::try_from(now.as_millis()).unwrap_or_default(),
    })
}

/// One picture has nothing to be told from, and who has no more would be waited for in vain.
fn has_enough(vault: &Vault, args: &FederateJoin) -> Result<(), Failure> {
    let found = if let Some(path) = table(args) {
        from_table(path)?.len()
    } else {
        let collection = vault.collection(&args.data)?;
        from_collection(&collection)?.take(LEAST).collect::<Result<Vec<_>, _>>()?.len()
    };
    if found >= LEAST {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Usage,
        format!(
            "{} has {found} pictures with captions, and training takes at least {LEAST}",
            plain(&args.data)
        ),
        "a table has the header `image<TAB>caption`; in a collection a picture's note is its caption",
    ))
}

/// The table that `--data` names, if it names one.
fn table(args: &FederateJoin) -> Option<&Path> {
    let path = Path::new(&args.data);
    path.extension().is_some_and(|extension| extension == "tsv").then_some(path)
}

/// Shows what would leave, and asks.
fn agrees(prospect: &Prospect, args: &FederateJoin) -> Result<bool, Failure> {
    let Prospect { name, base, part, weights, members, quorum, rounds, upload_bytes, clip, .. } = prospect;
    let promise = match (prospect.noise_multiplier, prospect.epsilon) {
        (Some(multiplier), Some(epsilon)) => {
            let total = match prospect.total_epsilon {
                total if total.is_finite() => format!("{total:.2}"),
                _ => "without limit: some of it had no noise".to_owned(),
            };
            format!(
                "Noise, {multiplier:.2} times what you can move: epsilon {epsilon:.2} at delta {:e} for all rounds; with what \
                 this home let out before, {total}",
                prospect.delta
            )
        }
        _ => "No noise: the sums of all members may tell of single ones, and no number bounds how much"
            .to_owned(),
    };
    let question = format!(
        "'{}' trains {part} of {} together: {members} members, {rounds} rounds.\n\n\
         What leaves this machine, in each round you take part in:\n  \
         - one update of {weights} numbers of at most norm {clip} ({}), masked: the coordinator reads only the sum over at least \
         {quorum} members\n  \
         - inside the same sum: whether the norm was reached, your mean loss, your quality on pictures held back\n  \
         - that you take part, and when\n\
         What stays: pictures, captions, your own update, and who of the others is behind what.\n\
         {promise}.\n\n\
         The owner and all members see these words:\n  {}\n\n\
         Take part with '{}'?",
        plain(name),
        plain(base),
        bytes(*upload_bytes as u64),
        prospect.words,
        plain(&args.data),
    );
    confirm::yes(question, "what leaves is agreed to", "read `pmirs federate status`, and add --yes")
}

fn in_background(args: &FederateJoin, id: Digest, global: &Global, output: Output) -> Result<(), Failure> {
    let (id, max_cpu, delta, least_noise) =
        (id.to_string(), args.max_cpu.to_string(), args.delta.to_string(), args.least_noise.to_string());
    let (epsilon, model) =
        (args.epsilon.map(|it| it.to_string()), args.model.as_ref().map(|it| it.display().to_string()));
    let mut arguments =
        vec!["federate", "join", id.as_str(), "--data", args.data.as_str(), "--yes", "--foreground"];
    arguments.extend(["--max-cpu", &max_cpu, "--delta", &delta, "--least-noise", &least_noise]);
    arguments.extend(epsilon.iter().flat_map(|epsilon| ["--epsilon", epsilon]));
    arguments.extend(model.iter().flat_map(|model| ["--model", model]));
    arguments.extend(args.model_name.iter().flat_map(|name| ["--model-name", name]));
    arguments.extend(args.idle_only.then_some("--idle-only"));
    jobs::start(global, &arguments, output)
}

#[derive(Serialize)]
struct Finished {
    federation: String,
    rounds: u32,
    model: String,
    name: String,
    folder: String,
}

impl Answer for Finished {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { rounds, name, folder, model, .. } = self;
        writeln!(
            out,
            "{GOOD}All {rounds} rounds are done{GOOD:#}: the model {BOLD}{name}{BOLD:#} lies in {folder}."
        )?;
        writeln!(out, "{DIM}Its numbers are {model}, as the coordinator signed them.{DIM:#}")?;
        writeln!(out, "Next: pmirs model use {}", quoted(name))
    }
}

fn take_part(
    args: &FederateJoin,
    vault: &Vault,
    membership: &mut Membership<'_>,
    pack: &Pack,
    global: &Global,
    output: Output,
) -> Result<(), Failure> {
    let part = find::part(&membership.chain().charter().part)?;
    let pace = pace::pace(args.max_cpu, args.idle_only);
    let bar = Bar::new(output);
    let trainer = if let Some(path) = table(args) {
        Trainer::open(pack, part, from_table(path)?.into_iter().map(Ok), &bar)
    } else {
        let collection = vault.collection(&args.data)?;
        Trainer::open(pack, part, from_collection(&collection)?, &bar)
    };
    let mut trainer = trainer.map_err(|error| not_trainable(&error))?.paced(pace);
    let rounds = membership.chain().charter().terms.rounds;
    bar.start("rounds", Some(rounds.into()));
    bar.advance(membership.chain().next().into());
    let ending = membership.run(&mut trainer, &mut |turn| match turn {
        Ok((Did::Ended(_), _)) => bar.advance(1),
        Ok((Did::Refused { round, reason }, _)) => {
            Output::warn(format_args!("this home takes no part in a try of round {round}: {reason}"));
        }
        Ok(_) => {}
        Err(error) => output.note(format_args!("waiting: {error}")),
    })?;
    bar.finish();
    match ending {
        Ending::Finished(weights) => output.answer(&adopt(args, membership, pack, &weights, global)?),
        Ending::Stopped(reason) => Err(Failure::new(
            Exit::Failure,
            format!("the federation has stopped: {reason}"),
            "ask its owner to start another, with a smaller quorum or longer deadlines",
        )),
    }
}

/// Makes a pack of the last model, in this home.
fn adopt(
    args: &FederateJoin,
    membership: &Membership<'_>,
    pack: &Pack,
    weights: &[f32],
    global: &Global,
) -> Result<Finished, Failure> {
    let chain = membership.chain();
    let (charter, model) = (chain.charter(), chain.model().to_string());
    let part = find::part(&charter.part)?;
    let origin = format!(
        "federation {} after {} rounds of {} members, from {}; records end at {}",
        chain.id(),
        chain.next(),
        chain.group().len(),
        charter.base,
        chain.head()
    );
    let short = model.get(..8).unwrap_or_default();
    // Collections are held to a pack's digest, so it is called the same in every home, whatever its folder is called.
    let provenance = Provenance { name: format!("federated-{short}"), origin };
    let name = args.model_name.clone().unwrap_or_else(|| provenance.name.clone());
    let models = Models::of(&home::folder(global)?);
    let folder = models.place(&name);
    if folder.exists() {
        let there = Pack::open(&folder).map_err(EncoderError::from)?;
        if there.manifest().origin != provenance.origin {
            return Err(Failure::new(
                Exit::Exists,
                format!("the model '{}' is another one", plain(&name)),
                "all rounds are done: choose another name with --model-name",
            ));
        }
    } else {
        models.make(&name, |draft| {
            publish(pack, part, weights, draft, &provenance).map_err(|error| not_trainable(&error))?;
            Ok(Encoder::open(draft).map(drop)?)
        })?;
    }
    Ok(Finished {
        federation: chain.id().to_string(),
        rounds: chain.next(),
        model,
        name,
        folder: folder.display().to_string(),
    })
}
