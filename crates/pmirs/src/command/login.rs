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
}

impl Answer for LoggedIn {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let what = if self.registered { "New account at" } else { "Logged in at" };
        writeln!(out, "{what} {}.", self.url)?;
        writeln!(out, "  account     {}", self.account)?;
        writeln!(out, "  server key  {}, pinned", self.server_key)?;
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
    let info = vault.login(&args.url, &LoginOptions { invite, ca: args.ca.clone() })?;
    let AccountInfo { account, url, server, first_sight, registered } = info;
    if first_sight {
        Output::warn(
            "the cloud's key was taken on first sight; compare it with the operator's, or log in with an invite",
        );
    }
    output.answer(&LoggedIn { url, account: account.to_string(), server_key: server.to_string(), registered })
}
