//! `pmirs devices` and `pmirs join`: several devices of one person.

use std::io::{self, BufRead, IsTerminal, Write};

use pmirs_vault::{DeviceInfo, LoginOptions, NewDevice, Vault, VaultError};
use serde::Serialize;

use crate::cli::{Devices, DevicesApprove, DevicesCommand, DevicesRevoke, Global, Join};
use crate::exit::Exit;
use crate::moment::rfc3339;
use crate::output::{Answer, BOLD, DIM, Output};
use crate::report::Failure;
use crate::{confirm, home, secret, session};

pub fn run(args: &Devices, global: &Global, output: Output) -> Result<(), Failure> {
    match &args.command {
        None | Some(DevicesCommand::List) => list(global, output),
        Some(DevicesCommand::Approve(args)) => approve(args, global, output),
        Some(DevicesCommand::Revoke(args)) => revoke(args, global, output),
    }
}

#[derive(Serialize)]
struct List {
    devices: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    this: bool,
    since: String,
    revoked: Option<String>,
}

impl From<DeviceInfo> for Row {
    fn from(device: DeviceInfo) -> Self {
        Self {
            id: device.id.to_string(),
            this: device.this,
            since: rfc3339(device.created_ms),
            revoked: device.revoked_ms.map(rfc3339),
        }
    }
}

impl Answer for Row {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { id, this, since, revoked } = self;
        let state = match (revoked, this) {
            (Some(revoked), _) => format!("revoked {revoked}"),
            (None, true) => "this device".to_owned(),
            (None, false) => String::new(),
        };
        writeln!(out, "  {id}  {DIM}since {since}{DIM:#}  {state}")
    }
}

impl Answer for List {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        self.devices.iter().try_for_each(|row| row.print(out))
    }
}

fn list(global: &Global, output: Output) -> Result<(), Failure> {
    let devices = session::open(global)?.devices()?;
    output.answer(&List { devices: devices.into_iter().map(Row::from).collect() })
}

fn revoke(args: &DevicesRevoke, global: &Global, output: Output) -> Result<(), Failure> {
    output.answer(&Row::from(session::open(global)?.revoke_device(&args.device)?))
}

#[derive(Serialize)]
struct Approved {
    approved: bool,
}

impl Answer for Approved {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "The new device has your identity. `pmirs devices` lists it once it logged in.")
    }
}

fn approve(args: &DevicesApprove, global: &Global, output: Output) -> Result<(), Failure> {
    let home = home::folder(global)?;
    let vault = session::open(global)?;
    let seed = session::seed(global, &home)?;
    output.note("Waiting for the new device...");
    let approval = vault.answer_device(&args.code)?;
    // The words are not shown first: whoever reads them off this screen has compared nothing.
    let typed = match &args.words_file {
        Some(file) => secret::words_of_others(file)?.to_string(),
        None => typed_words()?,
    };
    if approval.words() != typed.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ") {
        return Err(Failure::new(
            Exit::Integrity,
            format!("the new device shows other words than this one: '{}'", approval.words()),
            "somebody may stand between the two devices: nothing was handed over; try again on another network",
        ));
    }
    approval.approve(&typed, &seed)?;
    output.answer(&Approved { approved: true })
}

fn typed_words() -> Result<String, Failure> {
    let failed = |reason: String| {
        Failure::new(Exit::Usage, reason, "run it in a terminal, or give the words with --words-file FILE")
    };
    if !io::stdin().is_terminal() {
        return Err(failed("there is no terminal to ask for the words".to_owned()));
    }
    eprint!("Type the four words that the new device shows: ");
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| failed(format!("cannot read the words: {error}")))?;
    Ok(line)
}

#[derive(Serialize)]
struct Joined {
    home: String,
    url: String,
    safety_words: String,
}

impl Answer for Joined {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "Your identity lies in {}, under your passphrase, and is logged in at {}.",
            self.home, self.url
        )?;
        writeln!(out, "{BOLD}Safety words{BOLD:#}: {}", self.safety_words)
    }
}

pub fn join(args: &Join, global: &Global, output: Output) -> Result<(), Failure> {
    let home = home::folder(global)?;
    if Vault::exists(&home) {
        return Err(VaultError::HomeExists(home).into());
    }
    let passphrase = secret::new_passphrase(global.passphrase_file.as_deref())?;
    let options = LoginOptions { ca: args.ca.clone(), ..LoginOptions::default() };
    let device = NewDevice::begin(&args.url, &options)?;
    let (first, second) = device.code().split_at(device.code().len() / 2);
    // Not a remark: without it nothing goes on.
    eprintln!("On your other device: pmirs devices approve {first}-{second}");
    let arriving = device.wait()?;
    eprintln!("Words: {}", arriving.words());
    let question = "Type these words on your other device. Did it take them?";
    if !args.yes && !confirm::yes(question, "the other device took the words", "run it with --yes")? {
        return Err(Failure::new(Exit::Failure, "nothing was taken over", "run it again for other words"));
    }
    let seed = arriving.receive_after_words_agreed()?;
    let vault = Vault::adopt_identity(&home, &seed, &passphrase)?;
    let info = vault.login(&args.url, &options)?;
    output.answer(&Joined {
        home: home.display().to_string(),
        url: info.url,
        safety_words: vault.public_identity().safety_words(),
    })
}
