//! `pmirs login`: an account at a cloud.

use std::io::{self, Write};

use pmirs_vault::{AccountInfo, Invite, LoginOptions};
use serde::Serialize;

use crate::cli::{Global, Login};
use crate::exit::Exit;
use crate::output::{Answer, Output};
use crate::report::Failure;
use crate::{secret, session};

#[derive(Serialize)]
struct LoggedIn {
    url: String,
    account: String,
    server_key: String,
    registered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl Answer for LoggedIn {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let what = if self.registered { "New account at" } else { "Logged in at" };
        writeln!(out, "{what} {}.", self.url)?;
        writeln!(out, "  account     {}", self.account)?;
        writeln!(out, "  server key  {}, pinned", self.server_key)?;
        match &self.name {
            Some(name) => writeln!(out, "  name        {name}")?,
            None if self.registered => {
                writeln!(
                    out,
                    "  name        none, so that nobody finds you here; an account takes one with --name"
                )?;
            }
            None => {}
        }
        writeln!(out, "Next: `pmirs collection new NAME --protection sealed|veiled`.")
    }
}

pub fn run(args: &Login, global: &Global, output: Output) -> Result<(), Failure> {
    let invite = match secret::invite(args.invite_file.as_deref())? {
        Some(text) => Some(Invite::from_text(&text).map_err(|error| {
            Failure::new(Exit::Usage, error, "take the invite exactly as the cloud's operator sent it")
        })?),
        None => None,
    };
    let vault = session::open(global)?;
    let info =
        vault.login(&args.url, &LoginOptions { invite, name: args.name.clone(), ca: args.ca.clone() })?;
    let AccountInfo { account, url, server, first_sight, registered } = info;
    if first_sight {
        Output::warn(
            "the cloud's key was taken on first sight; compare it with the operator's, or log in with an invite",
        );
    }
    let name = args.name.clone().filter(|_| registered);
    if args.name.is_some() && !registered {
        Output::warn("the account was there before, and keeps the name that it has or has not");
    }
    let (account, server_key) = (account.to_string(), server.to_string());
    output.answer(&LoggedIn { url, account, server_key, registered, name })
}
