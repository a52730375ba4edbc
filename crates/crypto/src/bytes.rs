//! Reading fixed formats: every field is taken off the front, and what is missing is named.

use crate::Error;

/// A cursor over the bytes of one named thing.
pub(crate) struct Reader<'a> {
    what: &'static str,
    expected: usize,
    total: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Bytes that must be exactly this many.
    pub(crate) fn exact(what: &'static str, bytes: &'a [u8], expected: usize) -> Result<Self, Error> {
        if bytes.len() != expected {
            return Err(Error::Length { what, expected, got: bytes.len() });
        }
        Ok(Self { what, expected, total: bytes.len(), rest: bytes })
    }

    /// Bytes that must be at least `least` and at most `most`.
    pub(crate) fn between(
        what: &'static str,
        bytes: &'a [u8],
        least: usize,
        most: usize,
    ) -> Result<Self, Error> {
        if bytes.len() < least {
            return Err(Error::Length { what, expected: least, got: bytes.len() });
        }
        if bytes.len() > most {
            return Err(Error::TooLong { what, limit: most, got: bytes.len() });
        }
        Ok(Self { what, expected: least, total: bytes.len(), rest: bytes })
    }

    /// The version byte, which must be the known one.
    pub(crate) fn version(&mut self, expected: u8) -> Result<(), Error> {
        let [got] = *self.array::<1>()?;
        if got == expected { Ok(()) } else { Err(Error::Version { what: self.what, expected, got }) }
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Error> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(Error::Length {
            what: self.what,
            expected: self.expected,
            got: self.total,
        })?;
        self.rest = rest;
        Ok(head)
    }

    /// All that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }
}
