//! `pmirs serve`: the cloud.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use pmirs_cloud::{Config, Limits, Server, TlsFiles, shutdown_signal};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::cli::Serve;
use crate::exit::Exit;
use crate::output::{Answer, DIM, Output, quoted};
use crate::report::Failure;
use crate::secret;

/// What the log says, unless `PMIRS_LOG` asks for more or less.
const LOG_ENV: &str = "PMIRS_LOG";

#[derive(Serialize)]
struct Listening {
    url: String,
    server_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_invite: Option<PathBuf>,
}

impl Answer for Listening {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Cloud at {}; Ctrl-C stops it.", self.url)?;
        writeln!(out, "  {DIM}server key {}{DIM:#}", self.server_key)?;
        match &self.first_invite {
            Some(file) => {
                let file = quoted(&file.display().to_string());
                writeln!(
                    out,
                    "Nobody has an account yet. In another terminal:\n\n  pmirs init\n  pmirs login {} --invite-file {file} --name NAME\n",
                    self.url
                )
            }
            None => Ok(()),
        }
    }
}

pub fn run(args: &Serve, output: Output) -> Result<(), Failure> {
    log(args.log_json)?;
    let server = Server::bind(config(args))?;
    if let Some(file) = &args.new_invite {
        write_invite(&server, file)?;
    }
    let first_invite = server.first_invite().is_some().then(|| args.data.join("first-invite"));
    output.answer(&Listening {
        url: server.url(),
        server_key: server.fingerprint().to_string(),
        first_invite,
    })?;
    runtime()?.block_on(server.run(shutdown_signal()))?;
    Ok(())
}

fn config(args: &Serve) -> Config {
    let tls = args
        .tls_cert
        .clone()
        .zip(args.tls_key.clone())
        .map(|(certificate, key)| TlsFiles { certificate, key });
    Config { data: args.data.clone(), listen: args.listen, tls, limits: Limits::default() }
}

/// Structured lines on standard error; they never hold a secret.
pub fn log(json: bool) -> Result<(), Failure> {
    let filter = EnvFilter::builder()
        .with_env_var(LOG_ENV)
        .with_default_directive(tracing_subscriber::filter::LevelFilter::INFO.into());
    let filter = filter.from_env().map_err(|error| {
        Failure::new(Exit::Usage, format!("{LOG_ENV}: {error}"), "it takes error, warn, info, debug or trace")
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    if json {
        lines.json().init();
    } else {
        lines.init();
    }
    Ok(())
}

fn write_invite(server: &Server, file: &std::path::Path) -> Result<(), Failure> {
    let text = server
        .create_invite()?
        .to_text()
        .map_err(|error| Failure::new(Exit::Failure, error, "a mistake in this program: please report it"))?;
    secret::keep(file, &text)
}

/// Threads for the server's connections, or to wait for Ctrl-C.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Failure::new(Exit::Failure, format!("the system gives no threads: {error}"), "close other programs")
    })
}
