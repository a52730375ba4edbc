//! Plain Rust, for machines without one of the other kernels, and the reference that those are tested against.

use super::{Line, Scorer};

struct Query(Vec<Line>);

pub(super) fn boxed(values: &[i8]) -> Box<dyn Scorer> {
    Box::new(Query(Line::pad(values).collect()))
}

impl Scorer for Query {
    fn dots(&self, rows: &[Line], _sums: &[i32], dots: &mut [i32]) {
        for (row, dot) in rows.chunks_exact(self.0.len()).zip(dots) {
            *dot = self.0.iter().zip(row).map(|(query, line)| line_dot(query, line)).sum();
        }
    }

    fn read(&self, lines: &[Line]) -> u64 {
        let words = lines.iter().flat_map(|line| line.0.as_chunks::<8>().0);
        words.fold(0, |all, word| all ^ u64::from_ne_bytes(word.map(|byte| byte as u8)))
    }
}

fn line_dot(query: &Line, line: &Line) -> i32 {
    query.0.iter().zip(line.0).map(|(&q, r)| i32::from(q) * i32::from(r)).sum()
}
