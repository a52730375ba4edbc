//! `pmirs party`: one of the three servers of the split level.

use std::io::{self, Write};

use pmirs_party::{Config, Limits, Server, TlsFiles, describe, read_parties, shutdown_signal};
use pmirs_wire::split::PartyEntry;
use serde::Serialize;

use super::serve::{log, runtime};
use crate::cli::{Global, Party, PartyDescribe, PartyMoved, PartyServe};
use crate::exit::Exit;
use crate::output::{Answer, DIM, Output, plain};
use crate::report::Failure;
use crate::session;

pub fn run(command: &Party, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        Party::Describe(args) => describe_own(args, output),
        Party::Serve(args) => serve(args, output),
        Party::Moved(args) => moved(args, global, output),
    }
}

/// One's own part of the file of parties; three of them after each other are that file.
#[derive(Serialize)]
struct Described {
    party: [PartyEntry; 1],
}

impl Answer for Described {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{}", toml::to_string(self).map_err(io::Error::other)?)
    }
}

fn describe_own(args: &PartyDescribe, output: Output) -> Result<(), Failure> {
    let entry = describe(&args.data, &args.name, &args.url, &args.peer)?;
    output.answer(&Described { party: [entry] })
}

#[derive(Serialize)]
struct Listening {
    name: String,
    place: usize,
    listen: String,
    peer_listen: String,
}

impl Answer for Listening {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { name, place, listen, peer_listen } = self;
        writeln!(
            out,
            "Party {} (P{place}) for clients at {listen}, for the two others at {peer_listen}; Ctrl-C stops it.",
            plain(name)
        )?;
        writeln!(
            out,
            "  {DIM}it holds one share of three: no picture, no query and no score can be told from it alone{DIM:#}"
        )
    }
}

fn serve(args: &PartyServe, output: Output) -> Result<(), Failure> {
    log(args.log_json)?;
    let tls = args.tls_cert.clone().zip(args.tls_key.clone());
    let server = Server::bind(Config {
        data: args.data.clone(),
        listen: args.listen,
        peer_listen: args.peer_listen,
        tls: tls.map(|(certificate, key)| TlsFiles { certificate, key }),
        trio: read_parties(&args.parties)?,
        founders: (!args.founder.is_empty()).then(|| args.founder.clone()),
        limits: Limits::default(),
    })?;
    output.answer(&Listening {
        name: server.entry().name.clone(),
        place: server.place(),
        listen: server.local_addr().to_string(),
        peer_listen: server.peer_addr().to_string(),
    })?;
    runtime()?.block_on(server.run(shutdown_signal()))?;
    Ok(())
}

#[derive(Serialize)]
struct Moved {
    moved: [String; 3],
}

impl Answer for Moved {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let [first, second, third] = self.moved.each_ref().map(|url| plain(url));
        writeln!(out, "From now on the three are asked at {first}, {second} and {third}.")
    }
}

fn moved(args: &PartyMoved, global: &Global, output: Output) -> Result<(), Failure> {
    let parties = read_parties(&args.parties)?;
    session::open(global)?.move_parties(&parties)?;
    output.answer(&Moved { moved: parties.parties.map(|party| party.url) })
}

impl From<pmirs_party::Error> for Failure {
    fn from(error: pmirs_party::Error) -> Self {
        Self::new(
            Exit::Failure,
            error.to_string(),
            "`pmirs party serve --help` shows how three parties are set up",
        )
    }
}
