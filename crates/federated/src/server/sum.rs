//! Step 4: masked vectors are added up as they come, and not kept.

use std::collections::BTreeMap;

use pmirs_wire::{Digest, Message};
use rayon::prelude::*;

use super::gather::Table;
use super::share::Graph;
use super::{Confirming, Heard, Register};
use crate::Error;
use crate::message::{Step, Survivors, UPLOAD_HEAD, UploadBody, frame};
use crate::pair::upload_statement;

const STEP: Step = Step::Upload;
/// Words that one core adds at a time.
const BLOCK: usize = 64 << 10;

/// Sums masked vectors: one vector of memory, however many come.
#[derive(Debug)]
pub struct Summing {
    table: Table,
    graph: Graph,
    sharers: Vec<u32>,
    view: Digest,
    heard: Register,
    statements: BTreeMap<u32, [u8; 64]>,
    sum: Vec<u32>,
}

/// An upload that was found good; only [`Summing::check`] makes one.
pub struct Checked<'b> {
    member: u32,
    digest: Digest,
    body: UploadBody<'b>,
}

/// What is kept of an upload once its words are in the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Whose it was.
    pub member: u32,
    /// The digest of its frame, by which its member may send it again.
    pub digest: Digest,
    /// With whom it was masked, signed.
    pub statement: [u8; 64],
}

impl Checked<'_> {
    /// What is to be kept of it.
    pub fn counted(&self) -> Counted {
        Counted { member: self.member, digest: self.digest, statement: self.body.statement }
    }
}

impl std::fmt::Debug for Checked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checked(member {}, {} words)", self.member, self.body.words.len())
    }
}

impl Summing {
    pub(super) fn new(table: Table, graph: Graph, sharers: Vec<u32>, view: Digest) -> Self {
        let sum = vec![0; table.round.layout().words()];
        Self { table, graph, sharers, view, heard: Register::default(), statements: BTreeMap::new(), sum }
    }

    /// Takes a member's upload: [`check`](Self::check) and [`add`](Self::add).
    ///
    /// # Errors
    /// As `check` and `add`.
    pub fn accept(&mut self, bytes: &[u8]) -> Result<Heard, Error> {
        let checked = self.check(bytes)?;
        self.add(checked)
    }

    /// Checks an upload's signatures, view and length. Several can be checked at once.
    ///
    /// # Errors
    /// For a message that is not one, of someone who has not shared, or who masked for other sharers.
    pub fn check<'b>(&self, bytes: &'b [u8]) -> Result<Checked<'b>, Error> {
        let round = &self.table.round;
        let expected = round.layout().words();
        let opened = frame::open(round, STEP, UPLOAD_HEAD + 4 * expected, bytes)?;
        let member = opened.member;
        if self.sharers.binary_search(&member).is_err() {
            return Err(Error::Stranger { member, step: STEP });
        }
        let body = UploadBody::read(opened.body)?;
        if body.words.len() != expected {
            return Err(Error::Length { what: "a masked vector", expected, got: body.words.len() });
        }
        for (got, known, what) in
            [(body.roster, self.table.roster, "roster"), (body.sharers, self.view, "list of sharers")]
        {
            if got != known {
                return Err(Error::OtherView { member, step: STEP, what });
            }
        }
        let stated = upload_statement(round, &self.table.roster, &self.view, member);
        round.group().verify(member, STEP, "an upload", &stated, &body.statement)?;
        Ok(Checked { member, digest: opened.digest, body })
    }

    /// Adds a checked upload to the sum.
    ///
    /// # Errors
    /// [`Error::Repeated`] for a member's second, different one.
    pub fn add(&mut self, checked: Checked<'_>) -> Result<Heard, Error> {
        let Checked { member, digest, body } = checked;
        if self.heard.check(member, STEP, &digest)? == Heard::Again {
            return Ok(Heard::Again);
        }
        let one = |(sum, words): (&mut [u32], &[[u8; 4]])| {
            for (sum, word) in sum.iter_mut().zip(words) {
                *sum = sum.wrapping_add(u32::from_le_bytes(*word));
            }
        };
        if self.sum.len() <= BLOCK {
            one((&mut self.sum, body.words));
        } else {
            self.sum.par_chunks_mut(BLOCK).zip(body.words.par_chunks(BLOCK)).for_each(one);
        }
        self.heard.insert(member, digest);
        self.statements.insert(member, body.statement);
        Ok(Heard::New)
    }

    /// Goes on from a sum that was kept with the list of whose uploads are in it.
    ///
    /// # Errors
    /// For a sum of another length, and members that have not shared.
    pub fn resume(&mut self, sum: Vec<u32>, counted: &[Counted]) -> Result<(), Error> {
        if sum.len() != self.sum.len() {
            return Err(Error::Length { what: "the sum", expected: self.sum.len(), got: sum.len() });
        }
        for Counted { member, digest, statement } in counted {
            if self.sharers.binary_search(member).is_err() {
                return Err(Error::Stranger { member: *member, step: STEP });
            }
            self.heard.insert(*member, *digest);
            self.statements.insert(*member, *statement);
        }
        self.sum = sum;
        Ok(())
    }

    /// The masked sum so far.
    pub fn sum(&self) -> &[u32] {
        &self.sum
    }

    /// Members who may upload: all that shared.
    pub fn expected(&self) -> &[u32] {
        &self.sharers
    }

    pub(super) fn needed(&self) -> usize {
        self.table.needed()
    }

    /// Members whose vectors arrived.
    pub fn members(&self) -> Vec<u32> {
        self.heard.members()
    }

    /// Ends the step: the list of survivors, which goes to each of them.
    ///
    /// # Errors
    /// [`Error::TooFew`] where too few uploaded.
    pub fn close(self) -> Result<(Confirming, Vec<u8>), Error> {
        self.heard.close(STEP, self.table.needed())?;
        let survivors = Survivors { members: self.heard.members() };
        debug_assert!(Survivors::MAX_BYTES > 5 * survivors.members.len(), "a group is no longer than that");
        let bytes = frame::announce(&self.table.round, Step::Survivors, &survivors)?;
        let summed = Summed {
            table: self.table,
            graph: self.graph,
            sharers: self.sharers,
            view: self.view,
            survivors: survivors.members,
            statements: self.statements,
            sum: self.sum,
        };
        Ok((Confirming::new(summed), bytes))
    }
}

/// The masked sum and all that is needed to unmask it, but for the shares.
#[derive(Debug)]
pub(super) struct Summed {
    pub(super) table: Table,
    pub(super) graph: Graph,
    pub(super) sharers: Vec<u32>,
    pub(super) view: Digest,
    pub(super) survivors: Vec<u32>,
    pub(super) statements: BTreeMap<u32, [u8; 64]>,
    pub(super) sum: Vec<u32>,
}
