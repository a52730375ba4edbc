//! `pmirs status`: identity, cloud, collections. Asks no question.

use std::io::{self, Write};

use pmirs_vault::{Vault, VaultError};
use serde::Serialize;

use super::collection::{self, Offered, Summary};
use crate::cli::Global;
use crate::output::{Answer, BOLD, DIM, Output, count, plain};
use crate::report::Failure;
use crate::{agent, home, session};

#[derive(Serialize)]
struct Standing {
    home: String,
    identity: Identity,
    safety_words: Option<String>,
    agent_seconds: Option<u64>,
    cloud: Option<String>,
    cloud_error: Option<String>,
    collections: Vec<Summary>,
    offered: Vec<Offered>,
}

#[derive(Serialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Identity {
    Missing,
    Locked,
    Unlocked,
}

impl Answer for Standing {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{BOLD}home{BOLD:#}      {}", self.home)?;
        match (self.identity, self.agent_seconds) {
            (Identity::Missing, _) => {
                return writeln!(out, "{BOLD}identity{BOLD:#}  none; make one with `pmirs init`");
            }
            (Identity::Locked, _) => {
                return writeln!(
                    out,
                    "{BOLD}identity{BOLD:#}  locked; `pmirs unlock` asks for the passphrase"
                );
            }
            (Identity::Unlocked, Some(left)) => {
                writeln!(out, "{BOLD}identity{BOLD:#}  unlocked for {} min without use", left.div_ceil(60))?;
            }
            (Identity::Unlocked, None) => {
                writeln!(out, "{BOLD}identity{BOLD:#}  opened with the given passphrase")?;
            }
        }
        if let Some(words) = &self.safety_words {
            writeln!(out, "          {DIM}{words}{DIM:#}")?;
        }
        match (&self.cloud, &self.cloud_error) {
            (None, _) => writeln!(out, "{BOLD}cloud{BOLD:#}     none; `pmirs login URL --invite-file FILE`")?,
            (Some(url), None) => writeln!(out, "{BOLD}cloud{BOLD:#}     {url}")?,
            (Some(_), Some(error)) => writeln!(out, "{BOLD}cloud{BOLD:#}     {}", plain(error))?,
        }
        if !self.collections.is_empty() {
            writeln!(out, "{BOLD}collections{BOLD:#}")?;
        }
        self.collections.iter().try_for_each(|summary| summary.print(out))?;
        match self.offered.len() {
            0 => Ok(()),
            offered => {
                writeln!(out, "{} offered to you: `pmirs collection list`", count(offered, "collection"))
            }
        }
    }
}

pub fn run(global: &Global, output: Output) -> Result<(), Failure> {
    let home = home::folder(global)?;
    let identity = if Vault::exists(&home) { Identity::Locked } else { Identity::Missing };
    let mut standing = Standing {
        home: home.display().to_string(),
        identity,
        safety_words: None,
        agent_seconds: None,
        cloud: None,
        cloud_error: None,
        collections: Vec::new(),
        offered: Vec::new(),
    };
    if identity == Identity::Locked
        && let Some(vault) = session::open_silently(global)?
    {
        standing.identity = Identity::Unlocked;
        standing.agent_seconds = agent::remaining(&home).map(|left| left.as_secs());
        ask(&vault, &mut standing)?;
    }
    output.answer(&standing)
}

/// A cloud that does not answer is part of the answer.
fn ask(vault: &Vault, standing: &mut Standing) -> Result<(), Failure> {
    let status = vault.status()?;
    standing.safety_words = Some(status.safety_words);
    standing.cloud = status.url;
    if standing.cloud.is_none() {
        return Ok(());
    }
    match vault.collections() {
        Ok(collections) => {
            collections.damaged.iter().for_each(collection::warn_of);
            collections.unlisted.iter().for_each(collection::warn_of_unlisted);
            standing.collections = collections.readable.into_iter().map(Summary::from).collect();
            standing.offered = collections.offered.into_iter().map(Offered::from).collect();
        }
        Err(error @ (VaultError::Unreachable { .. } | VaultError::Refused { .. })) => {
            standing.cloud_error = Some(error.to_string());
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
