//! Polynomials over GF(2⁸) through most of the given points.
//!
//! ```text
//! yᵢ E(xᵢ) = Q(xᵢ) for all i     E: monic of degree e, zero where a point is false     Q = P E     P: of degree below t
//! ```
//!
//! The equations are linear in the coefficients of E and Q. With at most e = ⌊(n − t) / 2⌋ of n points false they have a
//! solution, and every solution gives the same P = Q / E.

use super::{invert, multiply};

/// The polynomial with `terms` coefficients, the constant first, on which all points lie but half of those beyond `terms`
/// at most.
pub(super) fn polynomial(points: &[[u8; 2]], terms: usize) -> Option<Vec<u8>> {
    let most = points.len().checked_sub(terms)? / 2;
    [0, most].into_iter().find_map(|wrong| {
        let found = quotient(points, terms, wrong)?;
        let misses = points.iter().filter(|[x, y]| value(&found, *x) != *y).count();
        (misses <= wrong).then_some(found)
    })
}

/// A polynomial's value.
pub(super) fn value(polynomial: &[u8], x: u8) -> u8 {
    polynomial.iter().rev().fold(0, |sum, coefficient| multiply(sum, x) ^ coefficient)
}

/// P = Q / E for E of degree `wrong`, of the first `terms + 2 wrong` points.
fn quotient(points: &[[u8; 2]], terms: usize, wrong: usize) -> Option<Vec<u8>> {
    let rows = points.iter().take(terms + 2 * wrong).map(|[x, y]| {
        let powers = |count: usize| (0..count).scan(1, move |power, _| Some(replace_times(power, *x)));
        let locator = powers(wrong).map(|power| multiply(*y, power));
        let leading = powers(wrong + 1).last().map(|power| multiply(*y, power));
        // Coefficients of Q, of E but its leading one, and what stands on the other side.
        powers(terms + wrong).chain(locator).chain(leading).collect()
    });
    let solution = solve(rows.collect())?;
    let (dividend, locator) = solution.split_at_checked(terms + wrong)?;
    let locator: Vec<u8> = locator.iter().copied().chain([1]).collect();
    divide(dividend.to_vec(), &locator)
}

fn replace_times(power: &mut u8, x: u8) -> u8 {
    std::mem::replace(power, multiply(*power, x))
}

/// A solution of linear equations, each row the coefficients and the constant; what is left open is 0.
fn solve(mut rows: Vec<Vec<u8>>) -> Option<Vec<u8>> {
    let unknowns = rows.first()?.len() - 1;
    let mut pivots: Vec<usize> = Vec::new();
    for column in 0..unknowns {
        let done = pivots.len();
        let entry = |row: &Vec<u8>| row.get(column).copied().unwrap_or_default();
        let Some(found) = (done..rows.len()).find(|at| rows.get(*at).map(entry).unwrap_or_default() != 0)
        else {
            continue;
        };
        rows.swap(done, found);
        let pivot = rows.get_mut(done)?;
        let inverse = invert(entry(pivot));
        for value in pivot.iter_mut() {
            *value = multiply(*value, inverse);
        }
        let pivot = pivot.clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(at, _)| *at != done) {
            let times = entry(row);
            row.iter_mut().zip(&pivot).for_each(|(value, add)| *value ^= multiply(times, *add));
        }
        pivots.push(column);
    }
    let constant = |row: &Vec<u8>| row.last().copied().unwrap_or_default();
    if rows.iter().skip(pivots.len()).any(|row| constant(row) != 0) {
        return None;
    }
    let mut solution = vec![0; unknowns];
    for (column, row) in pivots.iter().zip(&rows) {
        *solution.get_mut(*column)? = constant(row);
    }
    Some(solution)
}

/// The quotient by a monic polynomial, where it leaves no remainder.
fn divide(mut dividend: Vec<u8>, divisor: &[u8]) -> Option<Vec<u8>> {
    let degree = divisor.len() - 1;
    for at in (degree..dividend.len()).rev() {
        let factor = *dividend.get(at)?;
        let below = dividend.get_mut(at - degree..at)?;
        below.iter_mut().zip(divisor).for_each(|(value, subtract)| *value ^= multiply(factor, *subtract));
    }
    let quotient = dividend.split_off(degree);
    dividend.iter().all(|rest| *rest == 0).then_some(quotient)
}
