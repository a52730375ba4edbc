//! Repeated timing that a busy machine disturbs little: medians of runs that take turns.

use std::time::{Duration, Instant};

/// How long to keep repeating a pair of measurements.
const ENOUGH: Duration = Duration::from_millis(1500);
/// The fewest and the most repetitions within that time.
const REPEATS: std::ops::RangeInclusive<usize> = 15..=2000;

/// The median seconds that `first` and `second` take, run in turns after one warm-up each, so that what else
/// the machine does meets both alike.
pub(super) fn median_of_turns(mut first: impl FnMut(), mut second: impl FnMut()) -> (f64, f64) {
    first();
    second();
    let begun = Instant::now();
    let (mut firsts, mut seconds) = (Vec::new(), Vec::new());
    while firsts.len() < *REPEATS.start() || (begun.elapsed() < ENOUGH && firsts.len() < *REPEATS.end()) {
        firsts.push(seconds_of(&mut first));
        seconds.push(seconds_of(&mut second));
    }
    (median(firsts), median(seconds))
}

/// The wall-clock seconds of one run.
pub(super) fn seconds_of(mut run: impl FnMut()) -> f64 {
    let begun = Instant::now();
    run();
    begun.elapsed().as_secs_f64()
}

/// The middle value, the upper one of two; 0 without values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).total_cmp(&2.0), std::cmp::Ordering::Equal);
        assert_eq!(median(vec![]).total_cmp(&0.0), std::cmp::Ordering::Equal);
    }

    #[test]
    fn turns_alternate_and_repeat_at_least_as_often_as_promised() {
        let order = std::cell::RefCell::new(Vec::new());
        median_of_turns(|| order.borrow_mut().push(1), || order.borrow_mut().push(2));
        let order = order.into_inner();
        assert!(order.len() >= 2 * REPEATS.start());
        assert!(order.chunks_exact(2).all(|turn| turn == [1, 2]));
    }
}
