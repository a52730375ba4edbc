use crate::best::rescale;
use crate::kernel::{Line, lines_of, prepare};
use crate::{IndexError, MAX_DIM, Quantised};

/// Rows per segment: storage grows by segments, so that a push never copies a whole large matrix.
const SEGMENT_ROWS: usize = 4096;
/// Rows that one worker scores before it looks at the scores: at 512 dimensions 128 KiB, within any second
/// level cache, so that a batch of queries reads memory once.
pub(crate) const BLOCK_ROWS: usize = 256;
const _: () = assert!(SEGMENT_ROWS.is_multiple_of(BLOCK_ROWS), "a block never straddles two segments");

/// Rows of 8-bit vectors of one dimension, each with its scale.
///
/// Rows start on 64-byte boundaries and are padded with zeros to a multiple of 64 dimensions.
#[derive(Debug, Clone)]
pub struct Matrix {
    dim: usize,
    len: usize,
    segments: Vec<Segment>,
}

impl Matrix {
    /// An empty matrix for vectors of `dim` dimensions.
    ///
    /// # Errors
    ///
    /// A `dim` of 0 or above [`MAX_DIM`].
    pub fn new(dim: usize) -> Result<Self, IndexError> {
        Self::with_capacity(dim, 0)
    }

    /// An empty matrix whose first `rows` rows need few further allocations.
    ///
    /// # Errors
    ///
    /// A `dim` of 0 or above [`MAX_DIM`].
    pub fn with_capacity(dim: usize, rows: usize) -> Result<Self, IndexError> {
        if dim == 0 || dim > MAX_DIM {
            return Err(IndexError::DimensionOutOfRange { got: dim });
        }
        let mut segments = Vec::with_capacity(rows.div_ceil(SEGMENT_ROWS));
        if rows > 0 {
            segments.push(Segment::with_capacity(rows.min(SEGMENT_ROWS), lines_of(dim)));
        }
        Ok(Self { dim, len: 0, segments })
    }

    /// How many dimensions each row has.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that one search reads: the padded rows, their scales and their sums.
    pub fn bytes(&self) -> usize {
        self.len * (lines_of(self.dim) * size_of::<Line>() + size_of::<f32>() + size_of::<i32>())
    }

    /// Appends a row and returns its number.
    ///
    /// # Errors
    ///
    /// A vector of another dimension, a scale out of range, or 2^32 rows already.
    pub fn push(&mut self, vector: &Quantised) -> Result<u32, IndexError> {
        vector.check_dim(self.dim)?;
        let row = u32::try_from(self.len).map_err(|_| IndexError::Full)?;
        if self.len == u32::MAX as usize {
            return Err(IndexError::Full);
        }
        self.make_room();
        if let Some(segment) = self.segments.last_mut() {
            segment.push(vector);
        }
        self.len += 1;
        Ok(row)
    }

    /// Removes a row by moving the last one into its place, and returns the number that the moved row had,
    /// or `None` if the removed row was the last.
    ///
    /// # Errors
    ///
    /// A row that does not exist.
    pub fn swap_remove(&mut self, row: u32) -> Result<Option<u32>, IndexError> {
        let absent = IndexError::NoSuchRow { row, len: self.len };
        if row as usize >= self.len {
            return Err(absent);
        }
        let lines = lines_of(self.dim);
        while self.segments.last().is_some_and(Segment::is_empty) {
            self.segments.pop();
        }
        let moved = self.segments.last_mut().and_then(|segment| segment.pop(lines)).ok_or(absent)?;
        self.len -= 1;
        if row as usize == self.len {
            return Ok(None);
        }
        let segment = self.segments.get_mut(row as usize / SEGMENT_ROWS).ok_or(absent)?;
        segment.replace(row as usize % SEGMENT_ROWS, &moved);
        Ok(u32::try_from(self.len).ok())
    }

    /// A copy of a row, or `None` if there is no such row.
    pub fn row(&self, row: u32) -> Option<Quantised> {
        let block = self.one_row(row)?;
        let values = block.lines.iter().flat_map(|line| line.0).take(self.dim).collect();
        Some(Quantised { scale: *block.scales.first()?, values })
    }

    /// The score of one row, bit for bit what a search would give it.
    ///
    /// # Errors
    ///
    /// A query of another dimension or with a scale out of range, or a row that does not exist.
    pub fn score(&self, row: u32, query: &Quantised) -> Result<f32, IndexError> {
        query.check_dim(self.dim)?;
        let absent = IndexError::NoSuchRow { row, len: self.len };
        let block = self.one_row(row).ok_or(absent)?;
        let mut dot = [0];
        prepare(&query.values).dots(block.lines, block.sums, &mut dot);
        Ok(rescale(query.scale, *block.scales.first().ok_or(absent)?, dot[0]))
    }

    /// The rows of one block, or `None` past the end.
    pub(crate) fn block(&self, block: usize) -> Option<Block<'_>> {
        let first_row = block * BLOCK_ROWS;
        let rows = BLOCK_ROWS.min(self.len.checked_sub(first_row).filter(|&rows| rows > 0)?);
        self.rows(first_row, rows)
    }

    /// As many of these rows as lie beside each other from the first on, at most a block of them.
    pub(crate) fn run(&self, rows: &[u32]) -> Option<Block<'_>> {
        let first = *rows.first()?;
        let room = BLOCK_ROWS.min(SEGMENT_ROWS - first as usize % SEGMENT_ROWS);
        let count = rows.iter().zip(first..).take(room).take_while(|&(&row, next)| row == next).count();
        self.rows(first as usize, count)
    }

    fn one_row(&self, row: u32) -> Option<Block<'_>> {
        self.rows(row as usize, 1)
    }

    fn rows(&self, first: usize, count: usize) -> Option<Block<'_>> {
        let segment = self.segments.get(first / SEGMENT_ROWS)?;
        segment.rows(first % SEGMENT_ROWS, count, lines_of(self.dim)).map(|(lines, scales, sums)| Block {
            first_row: first as u32,
            lines,
            scales,
            sums,
        })
    }

    /// Makes the last segment one that has room for a row.
    fn make_room(&mut self) {
        if self.segments.last().is_none_or(|segment| segment.scales.len() == SEGMENT_ROWS) {
            // The first segment starts small, since most collections are; a later one has its final size.
            let rows = if self.segments.is_empty() { 0 } else { SEGMENT_ROWS };
            self.segments.push(Segment::with_capacity(rows, lines_of(self.dim)));
        }
    }
}

/// Consecutive rows of one segment, as a kernel takes them.
pub(crate) struct Block<'a> {
    pub(crate) first_row: u32,
    pub(crate) lines: &'a [Line],
    pub(crate) scales: &'a [f32],
    pub(crate) sums: &'a [i32],
}

/// Up to [`SEGMENT_ROWS`] rows. All segments but the last are full.
#[derive(Debug, Clone)]
struct Segment {
    lines: Vec<Line>,
    scales: Vec<f32>,
    /// Each row's sum of integers, which the AVX-512 kernel subtracts.
    sums: Vec<i32>,
}

/// A row taken out of its segment.
struct Row {
    lines: Vec<Line>,
    scale: f32,
    sum: i32,
}

impl Segment {
    fn with_capacity(rows: usize, lines_per_row: usize) -> Self {
        Self {
            lines: Vec::with_capacity(rows * lines_per_row),
            scales: Vec::with_capacity(rows),
            sums: Vec::with_capacity(rows),
        }
    }

    fn is_empty(&self) -> bool {
        self.scales.is_empty()
    }

    fn push(&mut self, vector: &Quantised) {
        self.lines.extend(Line::pad(&vector.values));
        self.scales.push(vector.scale);
        self.sums.push(vector.values.iter().map(|&value| i32::from(value)).sum());
    }

    fn pop(&mut self, lines_per_row: usize) -> Option<Row> {
        let (scale, sum) = (self.scales.pop()?, self.sums.pop()?);
        let lines = self.lines.split_off(self.lines.len().checked_sub(lines_per_row)?);
        Some(Row { lines, scale, sum })
    }

    fn replace(&mut self, row: usize, with: &Row) {
        let lines = self.lines.chunks_exact_mut(with.lines.len()).nth(row);
        if let (Some(lines), Some(scale), Some(sum)) =
            (lines, self.scales.get_mut(row), self.sums.get_mut(row))
        {
            lines.copy_from_slice(&with.lines);
            *scale = with.scale;
            *sum = with.sum;
        }
    }

    fn rows(&self, first: usize, count: usize, lines_per_row: usize) -> Option<(&[Line], &[f32], &[i32])> {
        let rows = first..first + count;
        let lines = self.lines.get(rows.start * lines_per_row..rows.end * lines_per_row)?;
        Some((lines, self.scales.get(rows.clone())?, self.sums.get(rows)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(dim: usize, number: i32) -> Quantised {
        let values = (0..dim as i32).map(|i| ((number * 31 + i * 7) % 251 - 125) as i8).collect();
        Quantised { scale: number as f32 + 0.5, values }
    }

    #[test]
    fn rows_come_back_as_they_went_in_across_segments() {
        let mut matrix = Matrix::new(65).unwrap();
        let rows = SEGMENT_ROWS as i32 * 2 + 10;
        for number in 0..rows {
            assert_eq!(matrix.push(&numbered(65, number)).unwrap(), number as u32);
        }
        for number in 0..rows {
            assert_eq!(matrix.row(number as u32), Some(numbered(65, number)));
        }
        assert_eq!(matrix.row(rows as u32), None);
        assert_eq!(matrix.bytes(), rows as usize * (128 + 8));
    }

    #[test]
    fn swap_remove_behaves_as_that_of_a_vec() {
        let rows = SEGMENT_ROWS as i32 + 3;
        let mut matrix = Matrix::with_capacity(3, 8).unwrap();
        let mut model = Vec::new();
        for number in 0..rows {
            matrix.push(&numbered(3, number)).unwrap();
            model.push(numbered(3, number));
        }
        for step in 0..rows {
            let row = ((step * 7919) as usize) % model.len();
            let moved = matrix.swap_remove(row as u32).unwrap();
            model.swap_remove(row);
            assert_eq!(moved, (row < model.len()).then_some(model.len() as u32));
            assert_eq!(matrix.row(row as u32).as_ref(), model.get(row));
            if step % 500 == 0 {
                let again = numbered(3, -step);
                let again = Quantised { scale: 1.0, ..again };
                assert_eq!(matrix.push(&again).unwrap() as usize, model.len());
                model.push(again);
            }
        }
        assert_eq!(matrix.len(), model.len());
        for (row, expected) in model.iter().enumerate() {
            assert_eq!(matrix.row(row as u32).as_ref(), Some(expected));
        }
    }

    #[test]
    fn misuse_is_named() {
        assert_eq!(Matrix::new(0).unwrap_err(), IndexError::DimensionOutOfRange { got: 0 });
        let mut matrix = Matrix::new(4).unwrap();
        let error = matrix.push(&numbered(5, 1)).unwrap_err();
        assert_eq!(error, IndexError::DimensionMismatch { got: 5, expected: 4 });
        for scale in [-1.0, f32::NAN, f32::INFINITY] {
            let bad = Quantised { scale, values: vec![0; 4] };
            assert!(matches!(matrix.push(&bad), Err(IndexError::ScaleOutOfRange { .. })));
        }
        assert_eq!(matrix.swap_remove(0), Err(IndexError::NoSuchRow { row: 0, len: 0 }));
        assert_eq!(matrix.score(0, &numbered(4, 1)), Err(IndexError::NoSuchRow { row: 0, len: 0 }));
    }
}
