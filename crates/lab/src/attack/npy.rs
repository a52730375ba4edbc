//! Reads embeddings from a NumPy file (`.npy`, version 1 to 3): a matrix of little-endian `f2` or `f4`, one
//! vector per row.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::AttackError;

/// Largest file read, in bytes: two million vectors of 512 components at four bytes.
const MAX_BYTES: u64 = 4 << 30;

/// Reads the rows of `path`.
pub fn read(path: &Path) -> Result<Vec<Vec<f32>>, AttackError> {
    let refuse = |reason: String| AttackError::File { path: path.display().to_string(), reason };
    let file = File::open(path).map_err(|error| refuse(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| refuse(error.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(refuse(format!("more than {MAX_BYTES} bytes")));
    }
    parse(&bytes).map_err(|reason| refuse(reason.to_owned()))
}

fn parse(bytes: &[u8]) -> Result<Vec<Vec<f32>>, &'static str> {
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("not a NumPy file")?;
    let (header_length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        _ => return Err("unknown version of the NumPy format"),
    };
    let (header, data) = rest.split_at_checked(header_length).ok_or("the header is cut off")?;
    let header = std::str::from_utf8(header).map_err(|_| "the header is not text")?;
    if !header.contains("'fortran_order': False") {
        return Err("the rows must be stored one after another (C order)");
    }
    let dim = row_length(header).ok_or("the shape is not a matrix")?;
    let values: Vec<f32> = if header.contains("'<f2'") {
        data.as_chunks().0.iter().map(|pair| half::f16::from_le_bytes(*pair).to_f32()).collect()
    } else if header.contains("'<f4'") {
        data.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
    } else {
        return Err("the numbers must be little-endian f2 or f4");
    };
    if dim == 0 || !values.len().is_multiple_of(dim) {
        return Err("the data does not fill whole rows");
    }
    Ok(values.chunks_exact(dim).map(<[f32]>::to_vec).collect())
}

/// `'shape': (rows, columns)` -> columns.
fn row_length(header: &str) -> Option<usize> {
    let (_, shape) = header.split_once("'shape': (")?;
    let (shape, _) = shape.split_once(')')?;
    let (rows, columns) = shape.split_once(',')?;
    rows.trim().parse::<usize>().ok()?;
    columns.trim().trim_end_matches(',').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn reads_both_precisions() {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }";
        let data: Vec<u8> = [1.0_f32, -2.0, 0.5, 4.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(parse(&file(header, &data)).unwrap(), [[1.0, -2.0], [0.5, 4.0]]);
        let header = header.replace("f4", "f2");
        let data: Vec<u8> =
            [1.0_f32, -2.0, 0.5, 4.0].iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect();
        assert_eq!(parse(&file(&header, &data)).unwrap(), [[1.0, -2.0], [0.5, 4.0]]);
    }

    #[test]
    fn refuses_what_is_not_a_matrix_of_floats() {
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
        for (bytes, reason) in [
            (b"PK\x03\x04".to_vec(), "not a NumPy file"),
            (b"\x93NUMPY\x09\x00".to_vec(), "version"),
            (b"\x93NUMPY\x01\x00\xff\xff{".to_vec(), "cut off"),
            (file(&good.replace("False", "True"), &[0; 8]), "C order"),
            (file(&good.replace("(1, 2)", "(2,)"), &[0; 8]), "not a matrix"),
            (file(&good.replace("<f4", "<i4"), &[0; 8]), "f2 or f4"),
            (file(good, &[0; 12]), "whole rows"),
        ] {
            assert!(parse(&bytes).unwrap_err().contains(reason), "{reason}");
        }
    }
}
