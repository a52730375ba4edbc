//! The bytes of a ledger, all integers and floats big-endian.
//!
//! ```text
//! ledger    = version(1) ‖ member's fingerprint(32) ‖ record*
//! record    = length(2) ‖ entry(length) ‖ signature(64)
//! entry     = number(8) ‖ hash before(32) ‖ at_ms(8) ‖ purpose(1) ‖ round(8) ‖ occasion(32) ‖ message(32) ‖ data(32)
//!             ‖ coordinator(32) ‖ model(32) ‖ sampling ‖ mechanism
//! sampling  = 0(1) | 1(1) ‖ rate(f64)
//! mechanism = 1(1) ‖ noise multiplier(f64)
//!           | 2(1) ‖ clip(f64) ‖ scale(f64) ‖ components(4) ‖ survivors(4) ‖ variance(8 ‖ 8)
//!           | 3(1) ‖ ε(f64)
//!           | 4(1)
//! ```

use super::error::LedgerError;
use super::release::{Purpose, Release};
use crate::accountant::Mechanism;
use crate::distributed::{DistributedGaussian, Grid};
use crate::sampler::Variance;
use crate::sampling::SecretRate;

pub(crate) const VERSION: u8 = 2;
/// Bytes before the first record.
pub(crate) const HEADER: usize = 33;
pub(crate) const SIGNATURE: usize = 64;
/// Bytes of the longest entry.
pub(crate) const MAX_ENTRY: usize = 8 + 32 + 8 + 1 + 8 + 5 * 32 + 9 + 41;
/// Entries that a ledger may have.
pub const MAX_ENTRIES: u64 = 1 << 16;
/// Bytes that a ledger may have.
pub const MAX_LEDGER: usize = HEADER + MAX_ENTRIES as usize * (2 + MAX_ENTRY + SIGNATURE);

const GAUSSIAN: u8 = 1;
const DISTRIBUTED: u8 = 2;
const PURE: u8 = 3;
const UNPROTECTED: u8 = 4;

/// A release in its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub number: u64,
    pub before: [u8; 32],
    pub release: Release,
}

impl Entry {
    pub fn to_bytes(&self) -> Vec<u8> {
        let release = &self.release;
        let purpose = Purpose::ALL.iter().position(|purpose| *purpose == release.purpose).unwrap_or_default();
        let mut bytes = Vec::with_capacity(MAX_ENTRY);
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(self.before);
        bytes.extend(release.at_ms.to_be_bytes());
        bytes.push(purpose as u8);
        bytes.extend(release.round.to_be_bytes());
        bytes.extend(release.occasion);
        bytes.extend(release.message);
        bytes.extend(release.data);
        bytes.extend(release.coordinator);
        bytes.extend(release.model);
        bytes.extend(kind(release));
        bytes
    }

    /// Reads one entry, all of it. Whatever is accepted encodes to the same bytes again.
    pub fn from_bytes(bytes: &[u8], number: u64) -> Result<Self, LedgerError> {
        let mut fields = Fields { rest: bytes, entry: number };
        let entry = Self {
            number: fields.u64("number")?,
            before: fields.array("hash before")?,
            release: {
                let at_ms = fields.u64("time")?;
                let purpose = fields.byte("purpose")?;
                Release {
                    purpose: *Purpose::ALL.get(usize::from(purpose)).ok_or(fields.malformed("purpose"))?,
                    round: fields.u64("round")?,
                    occasion: fields.array("occasion")?,
                    message: fields.array("message")?,
                    data: fields.array("data")?,
                    coordinator: fields.array("coordinator")?,
                    model: fields.array("model")?,
                    sampled_at: fields.sampling()?,
                    mechanism: fields.mechanism()?,
                    at_ms,
                }
            },
        };
        if fields.rest.is_empty() { Ok(entry) } else { Err(fields.malformed("bytes after its end")) }
    }
}

/// Sampling and mechanism: releases in which these agree cost the same.
pub(crate) fn kind(release: &Release) -> Vec<u8> {
    let mut bytes = match release.sampled_at {
        None => vec![0],
        Some(rate) => [&[1], rate.value().to_be_bytes().as_slice()].concat(),
    };
    write_mechanism(&release.mechanism, &mut bytes);
    bytes
}

fn write_mechanism(mechanism: &Mechanism, bytes: &mut Vec<u8>) {
    match mechanism {
        Mechanism::Gaussian { noise_multiplier } => {
            bytes.push(GAUSSIAN);
            bytes.extend(noise_multiplier.to_be_bytes());
        }
        Mechanism::Distributed(noise) => {
            bytes.push(DISTRIBUTED);
            bytes.extend(noise.grid().clip.to_be_bytes());
            bytes.extend(noise.grid().scale.to_be_bytes());
            bytes.extend(noise.grid().components.to_be_bytes());
            bytes.extend(noise.survivors().to_be_bytes());
            bytes.extend(noise.variance().numerator().to_be_bytes());
            bytes.extend(noise.variance().denominator().to_be_bytes());
        }
        Mechanism::Pure { epsilon } => {
            bytes.push(PURE);
            bytes.extend(epsilon.to_be_bytes());
        }
        Mechanism::Unprotected => bytes.push(UNPROTECTED),
    }
}

/// A cursor over one entry: every field is taken off the front, and what is missing or absurd is named.
struct Fields<'a> {
    rest: &'a [u8],
    entry: u64,
}

impl Fields<'_> {
    fn malformed(&self, field: &'static str) -> LedgerError {
        LedgerError::Malformed { entry: self.entry, field }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], LedgerError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(self.malformed(field))?;
        self.rest = rest;
        Ok(*head)
    }

    fn byte(&mut self, field: &'static str) -> Result<u8, LedgerError> {
        let [byte] = self.array(field)?;
        Ok(byte)
    }

    fn u32(&mut self, field: &'static str) -> Result<u32, LedgerError> {
        self.array(field).map(u32::from_be_bytes)
    }

    fn u64(&mut self, field: &'static str) -> Result<u64, LedgerError> {
        self.array(field).map(u64::from_be_bytes)
    }

    fn f64(&mut self, field: &'static str) -> Result<f64, LedgerError> {
        self.array(field).map(f64::from_be_bytes)
    }

    fn sampling(&mut self) -> Result<Option<SecretRate>, LedgerError> {
        const FIELD: &str = "sampling";
        match self.byte(FIELD)? {
            0 => Ok(None),
            1 => {
                let rate = self.f64(FIELD)?;
                // The member vouched for it when they signed.
                SecretRate::assume_poisson_and_hidden(rate).map(Some).map_err(|_| self.malformed(FIELD))
            }
            _ => Err(self.malformed(FIELD)),
        }
    }

    /// Through the constructors, so that nothing is read that could not have been made.
    fn mechanism(&mut self) -> Result<Mechanism, LedgerError> {
        const FIELD: &str = "mechanism";
        let read = match self.byte(FIELD)? {
            GAUSSIAN => Mechanism::gaussian(self.f64(FIELD)?),
            PURE => Mechanism::pure(self.f64(FIELD)?),
            UNPROTECTED => Ok(Mechanism::Unprotected),
            DISTRIBUTED => {
                let (clip, scale) = (self.f64(FIELD)?, self.f64(FIELD)?);
                let grid = Grid { clip, scale, components: self.u32(FIELD)? };
                let survivors = self.u32(FIELD)?;
                let (numerator, denominator) = (self.u64(FIELD)?, self.u64(FIELD)?);
                Variance::new(numerator, denominator)
                    .and_then(|variance| DistributedGaussian::new(grid, survivors, variance))
                    .map(Mechanism::Distributed)
            }
            _ => return Err(self.malformed(FIELD)),
        };
        read.map_err(|_| self.malformed(FIELD))
    }
}
