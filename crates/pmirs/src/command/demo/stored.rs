//! What the cloud holds of one item, as bytes.

use std::io::{self, Write};
use std::path::Path;

use data_encoding::HEXLOWER;
use pmirs_cloud::{Class, StoredField, inspect};
use pmirs_vault::ItemId;

use crate::output::{DIM, GOOD, bytes};
use crate::report::Failure;

/// Bytes of a long field that are shown.
const SHOWN: usize = 48;
const PER_LINE: usize = 16;

/// Every stored field of an item: its row, its veiled vector, its content.
pub fn fields_of(data: &Path, item: ItemId) -> Result<Vec<StoredField>, Failure> {
    let all = inspect(data)?;
    let is_item =
        |field: &&StoredField| field.table == "items" && field.column == "item" && field.bytes == item.0;
    let Some(row) = all.iter().find(is_item).map(|field| field.row.clone()) else { return Ok(Vec::new()) };
    let of_item = |field: &&StoredField| field.table == "items" && field.row == row;
    let column =
        |name: &str| all.iter().filter(of_item).find(|field| field.column == name).map(|field| &field.bytes);
    let (place, number) = (column("place"), column("row"));
    let blob = column("blob").map(|name| hex(name));

    // A veiled vector belongs to the item of the same number in the same collection.
    let veiled = |row: &str, name: &str| {
        all.iter()
            .find(|it| it.table == "veiled" && it.row == row && it.column == name)
            .map(|field| &field.bytes)
    };
    let is_veiled = |field: &StoredField| {
        field.class == Class::Veiled
            && veiled(&field.row, "place") == place
            && veiled(&field.row, "row") == number
    };
    let is_content = |field: &StoredField| {
        field.column == "content"
            && blob.as_deref().is_some_and(|blob| field.row.replace('/', "").ends_with(blob))
    };
    Ok(all.iter().filter(|field| of_item(field) || is_veiled(field) || is_content(field)).cloned().collect())
}

/// Prints numbers as they are, and everything else as the bytes that it is.
pub fn print(fields: &[StoredField], out: &mut dyn Write) -> io::Result<()> {
    for field in fields {
        let class = class_name(field.class);
        write!(out, "  {GOOD}{:<12}{GOOD:#}{DIM}{class:<12}{DIM:#}", field.column)?;
        if field.class == Class::Public || field.column == "scale" {
            writeln!(out, "{}", String::from_utf8_lossy(&field.bytes))?;
            continue;
        }
        for (number, line) in
            field.bytes.iter().take(SHOWN).copied().collect::<Vec<_>>().chunks(PER_LINE).enumerate()
        {
            if number > 0 {
                write!(out, "{:26}", "")?;
            }
            writeln!(out, "{:<48} {DIM}{}{DIM:#}", spaced(line), readable(line))?;
        }
        if field.bytes.len() > SHOWN {
            writeln!(out, "{:26}{DIM}... {} in all{DIM:#}", "", bytes(field.bytes.len() as u64))?;
        }
    }
    Ok(())
}

fn class_name(class: Class) -> &'static str {
    match class {
        Class::Public => "public",
        Class::Identifier => "random id",
        Class::PublicKey => "public key",
        Class::Hash => "hash",
        Class::Signed => "signed",
        Class::ChosenName => "chosen name",
        Class::Sealed => "ciphertext",
        Class::Grant => "wrapped key",
        Class::Veiled => "veiled",
        Class::Token => "filter tokens",
        Class::Federated => "of a round",
        Class::ServerSecret => "server's own",
    }
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn spaced(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| hex(&[byte])).collect::<Vec<_>>().join(" ")
}

/// The bytes as text, where they happen to be any.
fn readable(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| if byte.is_ascii_graphic() { char::from(byte) } else { '.' }).collect()
}
