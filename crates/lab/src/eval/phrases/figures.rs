//! The benchmark's figures.

use super::report::{PhraseReport, PhraseRow};
use crate::plot::{Axis, Figure, Panel, Point, Series};

/// How rules are called in a legend.
const RULES: [(&str, &str); 5] = [
    ("fixed", "fixed K"),
    ("threshold", "paper's threshold on softmax"),
    ("threshold/max", "paper's threshold on softmax / max"),
    ("fitted", "fitted threshold on softmax"),
    ("fitted/max", "fitted threshold on softmax / max"),
];

const LEVELS: [&str; 3] = ["plaintext", "veiled", "sealed"];

/// The rule whose rows compare the protection levels.
const COMPARED: &str = "threshold/max";

impl PhraseReport {
    /// The figures of this report, each with a name for its file.
    pub fn figures(&self) -> Vec<(&'static str, Figure)> {
        let rules = RULES.map(|(rule, name)| {
            (name, move |row: &PhraseRow| row.protection == "plaintext" && row.rule == rule)
        });
        let levels = LEVELS
            .map(|level| (level, move |row: &PhraseRow| row.protection == level && row.rule == COMPARED));
        let share = || Axis::linear("F1").between(0.0, 1.0);
        let f1 = |row: &PhraseRow| Point::new(row.classes as f64, row.f1).with_error(row.f1_std);
        let ms = |row: &PhraseRow| Point::new(row.classes as f64, row.ms.max(1e-4));
        let by_rule =
            format!("Which phrases are right for a picture? Decision rules in plaintext, {}", self.model);
        let by_level = "The same answers at every protection level (paper's threshold on softmax / max)";
        let speed = "From a picture's embedding to the answer, server on loopback";
        vec![
            ("f1-by-rule", self.panels(&by_rule, 4.0, &share, &rules, &f1)),
            ("f1-by-protection", self.panels(by_level, 7.0, &share, &levels, &f1)),
            (
                "latency",
                self.panels(speed, 0.0, &|| Axis::log("latency / ms").between(1e-3, 10.0), &levels, &ms),
            ),
            ("no-match", self.roc()),
        ]
    }

    /// One panel per domain.
    fn panels<S: Fn(&PhraseRow) -> bool>(
        &self,
        title: &str,
        dodge: f64,
        y: &dyn Fn() -> Axis,
        series: &[(&'static str, S)],
        point: &dyn Fn(&PhraseRow) -> Point,
    ) -> Figure {
        let mut domains: Vec<&str> = self.rows.iter().map(|row| row.domain.as_str()).collect();
        domains.dedup();
        let sizes: Vec<f64> = self.rows.iter().map(|row| row.classes as f64).collect();
        domains.into_iter().fold(Figure::new(title), |figure, domain| {
            let x = Axis::linear("classes in the repository").naming(sizes.iter().copied());
            let empty = Panel::new(x, y()).titled(domain).dodged(dodge);
            let panel = series.iter().fold(empty, |panel, (name, belongs)| {
                let rows = self.rows.iter().filter(|row| row.domain == domain && belongs(row));
                panel.with(Series::line(*name, rows.map(point)))
            });
            figure.with(panel)
        })
    }

    /// False positives against true positives, with the cutoffs marked.
    fn roc(&self) -> Figure {
        let found = &self.no_match;
        let curve = found.roc.iter().map(|[positive, right]| Point::new(*positive, *right));
        let mark = |cutoff: &super::Cutoff| {
            [Point::new(cutoff.false_positive_rate, 1.0 - cutoff.false_negative_rate)]
        };
        let share = |title: &str| Axis::linear(title).between(0.0, 1.0);
        let mut panel = Panel::new(share("false-positive rate"), share("true-positive rate"))
            .with(Series::reference("chance", [Point::new(0.0, 0.0), Point::new(1.0, 1.0)]))
            .with(Series::curve("all cutoffs", curve))
            .with(Series::dots("calibrated cutoff", mark(&found.calibrated)));
        if let Some(pack) = &found.pack {
            panel = panel.with(Series::dots("the model pack's cutoff", mark(pack)));
        }
        Figure::new("\u{201c}No match\u{201d} when words look for pictures").with(panel)
    }
}
