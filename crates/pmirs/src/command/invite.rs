//! `pmirs invite`: one more person at the cloud.

use std::io::{self, Write};

use pmirs_vault::VaultError;
use pmirs_wire::problem::ProblemKind;
use serde::Serialize;

use crate::cli::{Global, Invite};
use crate::exit::Exit;
use crate::output::{Answer, Output, quoted};
use crate::report::Failure;
use crate::{secret, session};

#[derive(Serialize)]
#[serde(untagged)]
enum Invited {
    Printed { invite: String },
    Kept { file: String, url: Option<String> },
}

impl Answer for Invited {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Printed { invite } => writeln!(out, "{invite}"),
            Self::Kept { file, url } => {
                let url = url.as_deref().unwrap_or("URL");
                writeln!(out, "Wrote an invite into {file}. Whoever holds that file gets the account:\n")?;
                writeln!(out, "  pmirs init")?;
                writeln!(out, "  pmirs login {url} --invite-file {} --name NAME", quoted(file))
            }
        }
    }
}

pub fn run(args: &Invite, global: &Global, output: Output) -> Result<(), Failure> {
    if let Some(file) = args.out.as_deref().filter(|file| file.exists()) {
        return Err(Failure::new(
            Exit::Exists,
            format!("{} exists already", file.display()),
            "name another file",
        ));
    }
    let vault = session::open(global)?;
    let invite = vault.invite().map_err(refused)?.to_text().map_err(VaultError::from)?;
    output.answer(&match &args.out {
        None => Invited::Printed { invite },
        Some(file) => {
            secret::keep(file, &invite)?;
            Invited::Kept { file: file.display().to_string(), url: vault.status()?.url }
        }
    })
}

fn refused(error: VaultError) -> Failure {
    if error.refusal() != Some(ProblemKind::Forbidden) {
        return error.into();
    }
    Failure::new(
        Exit::NotAllowed,
        "only an administrator of the cloud may invite",
        "ask whoever runs it: the first account is the administrator, and `pmirs serve --new-invite FILE` makes one too",
    )
}
