//! `pmirs man`: one page per command, as section 1 of the manual expects them.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use serde::Serialize;

use crate::cli::{Cli, Man};
use crate::output::{Answer, Output, count};
use crate::report::Failure;

#[derive(Serialize)]
struct Pages {
    pages: Vec<PathBuf>,
}

impl Answer for Pages {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Wrote {}.", count(self.pages.len(), "man page"))
    }
}

pub fn run(args: &Man, output: Output) -> Result<(), Failure> {
    fs::create_dir_all(&args.dir).map_err(|error| Failure::file(&args.dir, "make", &error))?;
    let mut command = Cli::command().flatten_help(false);
    command.build();
    let mut pages = Vec::new();
    write(&command, &args.dir, &mut pages)?;
    output.answer(&Pages { pages })
}

fn write(command: &clap::Command, dir: &Path, pages: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let page = clap_mangen::Man::new(command.clone());
    let path = dir.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)
        .and_then(|()| fs::write(&path, &text))
        .map_err(|error| Failure::file(&path, "write", &error))?;
    pages.push(path);
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        write(subcommand, dir, pages)?;
    }
    Ok(())
}
