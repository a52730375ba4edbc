//! `pmirs party`: one of the three servers of the split level.

use std::io::{self, Write};

use pmirs_party::{Config, Limits, Server, TlsFiles, describe, read_parties, shutdown_signal};
use pmirs_wire::split::PartyEntry;
use serde::Serialize;

use super::serve::{log, runtime};
use crate::cli::{Global, Party, PartyDescribe, PartyMoved, PartyRepair, PartyServe};
use crate::exit::Exit;
use crate::output::{Answer, DIM, Output, count, plain};
use crate::progress::Bar;
use crate::report::Failure;
use crate::session;

pub fn run(command: &Party, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        Party::Describe(args) => describe_own(args, output),
        Party::Serve(args) => serve(args, output),
        Party::Moved(args) => moved(args, global, output),
        Party::Repair(args) => repair(args, global, output),
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

#[derive(Serialize)]
struct Mended {
    repaired: Vec<String>,
    rows: u64,
    ms: f64,
}

impl Answer for Mended {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.repaired.as_slice() {
            [] => writeln!(out, "All three hold the collection.")?,
            names => writeln!(out, "{} holds its shares again.", plain(&names.join(", ")))?,
        }
        if self.rows > 0 {
            writeln!(out, "  {} shared anew", count(self.rows as usize, "row"))?;
        }
        Ok(())
    }
}

fn repair(args: &PartyRepair, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let collection = vault.collection(&args.collection)?;
    let report = collection.repair(args.party.as_deref(), args.rows, &Bar::new(output))?;
    output.answer(&Mended {
        repaired: report.repaired,
        rows: report.rows,
        ms: report.elapsed.as_secs_f64() * 1e3,
    })
}

impl From<pmirs_party::Error> for Failure {
    fn from(error: pmirs_party::Error) -> Self {
        use pmirs_party::Error;
        let (exit, hint) = match &error {
            Error::PlainListen { .. } => (Exit::Usage, "name both with --tls-cert FILE and --tls-key FILE"),
            Error::Tls { .. } => {
                (Exit::Usage, "both are PEM files: the certificate chain, and its private key")
            }
            Error::InUse { .. } => {
                (Exit::Exists, "stop the other party, or name another folder with --data DIR")
            }
            Error::Parties { .. } => (
                Exit::Usage,
                "it is what `pmirs party describe` prints on each of the three servers, one after another",
            ),
            Error::Stranger { .. } => (
                Exit::Usage,
                "run `pmirs party describe --data DIR` for this folder, put what it prints into the file of parties, and give \
                 that to the two others; a folder whose keys were lost can only come back from a backup",
            ),
            Error::Damaged { .. } => (
                Exit::Integrity,
                "bring the file back from a backup: the two others and all clients pin the keys; shares come back by `pmirs \
                 party repair COLLECTION`",
            ),
            Error::File { path, .. } if path.ends_with("party.key") => (
                Exit::Integrity,
                "its keys are what the two others and all clients pin: bring the file back from a backup; without it this party \
                 is another one, and its collections are made anew",
            ),
            Error::File { path, .. } if !path.exists() => {
                (Exit::NotFound, "check the path for a typing mistake")
            }
            Error::File { .. } => (Exit::Failure, "check the path, its permissions and the disk"),
            Error::Bind { .. } => (
                Exit::Network,
                "choose another address or port with --listen ADDR, and for the two others with --peer-listen ADDR",
            ),
            Error::Serve(_) => (Exit::Network, "start it again; the log says more"),
        };
        Self::new(exit, &error, hint)
    }
}
