//! Where a value lies on an axis, and which values it names.

/// About how many values an axis names.
const TICKS: f64 = 5.0;

/// The most values that a logarithmic axis names before it keeps to powers of ten.
const MOST_LOG_TICKS: usize = 7;

/// The fewest values that say how an axis counts.
const FEWEST_LOG_TICKS: usize = 3;

/// How an axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// By equal steps.
    Linear,
    /// By equal factors; positive values only.
    Log,
}

/// One axis: its title with its unit, how it counts, and what of it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    pub(super) title: String,
    pub(super) scale: Scale,
    range: Option<(f64, f64)>,
    ticks: Option<Vec<f64>>,
}

impl Axis {
    /// An axis of equal steps that shows what the data need.
    pub fn linear(title: impl Into<String>) -> Self {
        Self { title: title.into(), scale: Scale::Linear, range: None, ticks: None }
    }

    /// An axis of equal factors that shows what the data need.
    pub fn log(title: impl Into<String>) -> Self {
        Self { scale: Scale::Log, ..Self::linear(title) }
    }

    /// Shows `low` to `high`, and more where the data need it.
    #[must_use]
    pub fn between(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    /// Names exactly these values, each once.
    #[must_use]
    pub fn naming(mut self, ticks: impl IntoIterator<Item = f64>) -> Self {
        let mut ticks: Vec<f64> = ticks.into_iter().collect();
        ticks.sort_by(f64::total_cmp);
        ticks.dedup();
        self.ticks = Some(ticks);
        self
    }

    /// Whether a value has a place on it.
    pub(super) fn holds(&self, value: f64) -> bool {
        value.is_finite() && (self.scale == Scale::Linear || value > 0.0)
    }

    /// The axis laid over values that it [holds](Self::holds).
    pub(super) fn over(&self, values: impl Iterator<Item = f64>) -> Laid {
        let asked = self.range.filter(|&(low, high)| low < high && self.holds(low) && self.holds(high));
        let start = asked.map_or((f64::INFINITY, f64::NEG_INFINITY), |(low, high)| {
            (self.scale.forward(low), self.scale.forward(high))
        });
        let (mut low, mut high) = values
            .map(|value| self.scale.forward(value))
            .fold(start, |(low, high), at| (low.min(at), high.max(at)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        // Values that the axis was not asked to end at keep a distance from its ends.
        let distance = if high > low { 0.06 * (high - low) } else { 0.5 };
        if low < start.0 {
            low -= distance;
        }
        if high > start.1 {
            high += distance;
        }
        let laid = Laid { scale: self.scale, low, high, ticks: Vec::new() };
        let ticks = match &self.ticks {
            Some(ticks) => ticks.clone(),
            None if self.scale == Scale::Log => log_ticks(low, high),
            None => linear_ticks(low, high),
        };
        let shown = |tick: &f64| self.holds(*tick) && (-1e-9..=1.0 + 1e-9).contains(&laid.place(*tick));
        Laid { ticks: ticks.into_iter().filter(shown).collect(), ..laid }
    }
}

impl Scale {
    fn forward(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.log10(),
        }
    }
}

/// An axis with its ends and ticks decided.
pub(super) struct Laid {
    scale: Scale,
    low: f64,
    high: f64,
    pub(super) ticks: Vec<f64>,
}

impl Laid {
    /// Where a value lies: 0 at the axis' start, 1 at its end.
    pub(super) fn place(&self, value: f64) -> f64 {
        (self.scale.forward(value) - self.low) / (self.high - self.low)
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|it| it * power).find(|&it| it >= rough).unwrap_or(rough);
    let first = (low / step - 1e-9).ceil();
    let count = ((high / step + 1e-9).floor() - first).max(0.0) as u32;
    (0..=count).map(|at| (first + f64::from(at)) * step).collect()
}

/// Powers of ten, with their doubles and fivefolds between them where there is room; the ticks of a linear axis where
/// the whole axis lies between two or three of those.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = (low.floor() as i32..=high.ceil() as i32).map(|power| 10_f64.powi(power));
    let within = |value: &f64| (low - 1e-9..=high + 1e-9).contains(&value.log10());
    let fine: Vec<f64> =
        decades.clone().flat_map(|power| [power, 2.0 * power, 5.0 * power]).filter(within).collect();
    match fine.len() {
        0..FEWEST_LOG_TICKS => linear_ticks(10_f64.powf(low), 10_f64.powf(high)),
        FEWEST_LOG_TICKS..=MOST_LOG_TICKS => fine,
        _ => decades.filter(within).collect(),
    }
}

/// A value as an axis names it: without the digits that only floating point adds.
pub(super) fn name(value: f64, ticks: &[f64]) -> String {
    let steps = ticks.windows(2).filter_map(|pair| Some((pair.last()? - pair.first()?).abs()));
    let digits =
        steps.filter(|step| *step > 0.0).reduce(f64::min).map_or(6.0, |step| 2.0 - step.log10().floor());
    let text = format!("{value:.*}", digits.clamp(0.0, 9.0) as usize);
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    short.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(ticks: &[f64]) -> Vec<String> {
        ticks.iter().map(|&tick| name(tick, ticks)).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(named(&linear_ticks(0.0, 1.0)), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(named(&linear_ticks(-3.0, 22.0)), ["0", "5", "10", "15", "20"]);
        assert_eq!(named(&linear_ticks(-0.11, 0.11)), ["\u{2212}0.1", "\u{2212}0.05", "0", "0.05", "0.1"]);
        assert_eq!(named(&log_ticks(-1.0, 1.0)), ["0.1", "0.2", "0.5", "1", "2", "5", "10"]);
        assert_eq!(named(&log_ticks(0.0, 4.0)), ["1", "10", "100", "1000", "10000"]);
    }

    #[test]
    fn a_logarithmic_axis_within_a_decade_has_ticks_too() {
        let between = |low: f64, high: f64| named(&log_ticks(low.log10(), high.log10()));
        assert_eq!(between(7.75, 7.99), ["7.75", "7.8", "7.85", "7.9", "7.95"]);
        assert_eq!(between(55.0, 303.0), ["100", "150", "200", "250", "300"]);
        assert_eq!(between(3.5, 8.2), ["4", "5", "6", "7", "8"]);
        let axis = Axis::log("size / MB").over([7.78, 7.97].into_iter());
        assert!(axis.ticks.len() >= FEWEST_LOG_TICKS, "{:?}", axis.ticks);
    }

    #[test]
    fn places_run_from_nought_to_one() {
        let axis = Axis::log("size").between(1.0, 100.0).over([10.0].into_iter());
        assert!((axis.place(10.0) - 0.5).abs() < 1e-12 && axis.place(1.0).abs() < 1e-12);
        let wider = Axis::linear("share").between(0.0, 1.0).over([-0.5, 0.3].into_iter());
        assert!(wider.place(-0.5) > 0.0 && (wider.place(1.0) - 1.0).abs() < 1e-12);
        let single = Axis::linear("x").over([3.0].into_iter());
        assert!((single.place(3.0) - 0.5).abs() < 1e-12, "a single value lies in the middle");
    }
}
