//! A figure to SVG: title, legend, then the panels from left to right.

use super::axis::{self, Laid};
use super::svg::{Anchor, Svg};
use super::{Figure, Form, Panel, PlotError, Point, Series, width_of};

/// Lengths in points.
const MARGIN: f64 = 14.0;
const SINGLE: (f64, f64) = (430.0, 290.0);
const ONE_OF_SEVERAL: (f64, f64) = (290.0, 230.0);
/// Left of a panel: its numbers and its axis' title.
const LEFT: f64 = 56.0;
/// Below a panel: the same.
const BELOW: f64 = 44.0;
const TITLE: f64 = 15.0;
const TEXT: f64 = 12.0;
const SMALL: f64 = 11.0;
const LEGEND_LINE: f64 = 20.0;
const LEGEND_SAMPLE: f64 = 30.0;
const MARKER: f64 = 4.0;

const INK: &str = "#222222";
const FRAME: &str = "#555555";
const GRID: &str = "#e4e4e4";
const REFERENCE: &str = "#999999";

/// Okabe and Ito (2008), without the yellow, which white paper swallows.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
const DASHES: [&str; 4] = ["", "6 3", "2 2.5", "8 3 2 3"];

/// How a series looks: by its place in the legend.
#[derive(Clone, Copy)]
struct Look {
    colour: &'static str,
    dash: &'static str,
    marker: usize,
}

impl Look {
    fn of(at: usize) -> Self {
        let pick = |list: &[&'static str]| list.get(at % list.len()).copied().unwrap_or_default();
        Self { colour: pick(&COLOURS), dash: pick(&DASHES), marker: at % 5 }
    }
}

/// Where a panel's axes enclose its data.
#[derive(Clone, Copy)]
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

pub(super) fn figure(figure: &Figure) -> Result<String, PlotError> {
    check(figure)?;
    let legend = Legend::of(figure);
    let (width, height) = if figure.panels.len() == 1 { SINGLE } else { ONE_OF_SEVERAL };
    let page_width = figure.panels.len() as f64 * (LEFT + width + MARGIN) + MARGIN;
    let mut top = MARGIN;
    let title_base = top + TITLE;
    if !figure.title.is_empty() {
        top += TITLE + 10.0;
    }
    let rows = legend.rows(page_width - 2.0 * MARGIN);
    let legend_top = top;
    top += rows.len() as f64 * LEGEND_LINE + 4.0;
    if figure.panels.iter().any(|panel| !panel.title.is_empty()) {
        top += TEXT + 8.0;
    }

    let mut svg = Svg::new(page_width, top + height + BELOW + 4.0);
    svg.text(page_width / 2.0, title_base, TITLE, Anchor::Middle, INK, &figure.title);
    legend.draw(&mut svg, &rows, page_width, legend_top);
    for (at, panel) in figure.panels.iter().enumerate() {
        let left = MARGIN + LEFT + at as f64 * (LEFT + width + MARGIN);
        draw_panel(&mut svg, panel, Frame { left, top, width, height }, &legend);
    }
    Ok(svg.finish())
}

/// Every point has a place, and there is one.
fn check(figure: &Figure) -> Result<(), PlotError> {
    for panel in &figure.panels {
        for series in &panel.series {
            for (axis, value) in series.points.iter().flat_map(|point| values(panel, point)) {
                if !axis.holds(value) {
                    let (series, axis) = (series.name.clone(), axis.title.clone());
                    return Err(PlotError::Value { series, axis, value });
                }
            }
        }
    }
    let drawn = |panel: &Panel| panel.series.iter().any(|series| !series.points.is_empty());
    if figure.panels.is_empty() || !figure.panels.iter().all(drawn) {
        return Err(PlotError::Empty(figure.title.clone()));
    }
    Ok(())
}

/// A point's numbers, each with the axis that it lies on.
fn values<'p>(panel: &'p Panel, point: &Point) -> impl Iterator<Item = (&'p axis::Axis, f64)> + use<'p> {
    let (low, high) = point.bar.unwrap_or((point.y, point.y));
    let (x, y) = (point.x, point.y);
    std::iter::once((&panel.x, x)).chain([y, low, high].map(|value| (&panel.y, value)))
}

fn draw_panel(svg: &mut Svg, panel: &Panel, frame: Frame, legend: &Legend<'_>) {
    let points = || panel.series.iter().flat_map(|series| &series.points);
    let x = panel.x.over(points().map(|point| point.x));
    let y = panel.y.over(points().flat_map(|point| {
        let (low, high) = point.bar.unwrap_or((point.y, point.y));
        [point.y, low, high]
    }));
    draw_axes(svg, panel, frame, &x, &y);
    let shown: Vec<&Series> = panel.series.iter().filter(|series| series.form != Form::Reference).collect();
    for series in panel.series.iter().filter(|series| series.form == Form::Reference) {
        let places: Vec<(f64, f64)> =
            series.points.iter().map(|point| frame.place(&x, &y, point.x, point.y)).collect();
        svg.path(&places, REFERENCE, 1.0, "4 3");
    }
    for (at, series) in shown.iter().enumerate() {
        let aside = panel.dodge * (at as f64 - (shown.len() as f64 - 1.0) / 2.0);
        draw_series(svg, series, legend.look(&series.name), |point_x, point_y| {
            let (left, top) = frame.place(&x, &y, point_x, point_y);
            (left + aside, top)
        });
    }
}

impl Frame {
    fn place(self, x: &Laid, y: &Laid, at_x: f64, at_y: f64) -> (f64, f64) {
        (self.left + x.place(at_x) * self.width, self.top + (1.0 - y.place(at_y)) * self.height)
    }
}

fn draw_axes(svg: &mut Svg, panel: &Panel, frame: Frame, x: &Laid, y: &Laid) {
    let Frame { left, top, width, height } = frame;
    let (right, bottom) = (left + width, top + height);
    for &tick in &y.ticks {
        let at = bottom - y.place(tick) * height;
        svg.path(&[(left, at), (right, at)], GRID, 1.0, "");
        svg.path(&[(left - 4.0, at), (left, at)], FRAME, 1.0, "");
        svg.text(left - 7.0, at + 0.35 * SMALL, SMALL, Anchor::End, INK, &axis::name(tick, &y.ticks));
    }
    for &tick in &x.ticks {
        let at = left + x.place(tick) * width;
        svg.path(&[(at, bottom), (at, bottom + 4.0)], FRAME, 1.0, "");
        svg.text(at, bottom + 6.0 + SMALL, SMALL, Anchor::Middle, INK, &axis::name(tick, &x.ticks));
    }
    svg.path(&[(left, top), (left, bottom), (right, bottom)], FRAME, 1.2, "");
    svg.text(left + width / 2.0, bottom + BELOW - 8.0, TEXT, Anchor::Middle, INK, &panel.x.title);
    svg.text(left - LEFT + TEXT, top + height / 2.0, TEXT, Anchor::Upwards, INK, &panel.y.title);
    svg.text(left + width / 2.0, top - 7.0, TEXT, Anchor::Middle, INK, &panel.title);
}

fn draw_series(svg: &mut Svg, series: &Series, look: Look, place: impl Fn(f64, f64) -> (f64, f64)) {
    let places: Vec<(f64, f64)> = series.points.iter().map(|point| place(point.x, point.y)).collect();
    for point in &series.points {
        let Some((low, high)) = point.bar else { continue };
        let ((x, bottom), (_, top)) = (place(point.x, low), place(point.x, high));
        svg.path(&[(x, bottom), (x, top)], look.colour, 1.0, "");
        for end in [bottom, top] {
            svg.path(&[(x - 3.0, end), (x + 3.0, end)], look.colour, 1.0, "");
        }
    }
    if matches!(series.form, Form::Line | Form::Curve) {
        svg.path(&places, look.colour, 1.7, look.dash);
    }
    if matches!(series.form, Form::Line | Form::Dots) {
        for &(x, y) in &places {
            draw_marker(svg, x, y, look);
        }
    }
}

fn draw_marker(svg: &mut Svg, x: f64, y: f64, look: Look) {
    let r = MARKER;
    let around =
        |corners: &[(f64, f64)]| corners.iter().map(|(dx, dy)| (x + r * dx, y + r * dy)).collect::<Vec<_>>();
    match look.marker {
        0 => svg.circle(x, y, r, look.colour),
        1 => svg.shape(&around(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]), look.colour),
        2 => svg.shape(&around(&[(0.0, -1.2), (1.1, 0.9), (-1.1, 0.9)]), look.colour),
        3 => svg.shape(&around(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]), look.colour),
        _ => svg.shape(&around(&[(0.0, 1.2), (1.1, -0.9), (-1.1, -0.9)]), look.colour),
    }
}

/// The names of all series, in the order in which they first appear.
struct Legend<'f> {
    entries: Vec<(&'f str, Form)>,
}

impl<'f> Legend<'f> {
    fn of(figure: &'f Figure) -> Self {
        let mut entries: Vec<(&str, Form)> = Vec::new();
        for series in figure.panels.iter().flat_map(|panel| &panel.series) {
            if entries.iter().all(|(name, _)| *name != series.name) {
                entries.push((&series.name, series.form));
            }
        }
        Self { entries }
    }

    /// Reference lines take no colour away from the others.
    fn look(&self, name: &str) -> Look {
        let coloured = self.entries.iter().filter(|(_, form)| *form != Form::Reference);
        Look::of(coloured.take_while(|(other, _)| *other != name).count())
    }

    /// Entries with their widths, as many to a row as fit.
    fn rows(&self, width: f64) -> Vec<Vec<(&'f str, Form, f64)>> {
        let mut rows: Vec<Vec<(&str, Form, f64)>> = Vec::new();
        let mut left = 0.0;
        for &(name, form) in self.entries.iter().filter(|(name, _)| !name.is_empty()) {
            let needed = LEGEND_SAMPLE + 6.0 + width_of(name, TEXT) + 18.0;
            match rows.last_mut() {
                Some(row) if needed <= left => row.push((name, form, needed)),
                _ => {
                    rows.push(vec![(name, form, needed)]);
                    left = width;
                }
            }
            left -= needed;
        }
        rows
    }

    fn draw(&self, svg: &mut Svg, rows: &[Vec<(&str, Form, f64)>], page_width: f64, top: f64) {
        for (at, row) in rows.iter().enumerate() {
            let middle = top + (at as f64 + 0.5) * LEGEND_LINE;
            let mut left = (page_width - row.iter().map(|(_, _, width)| width).sum::<f64>()) / 2.0 + 9.0;
            for &(name, form, width) in row {
                let ends = [(left, middle), (left + LEGEND_SAMPLE, middle)];
                let look = self.look(name);
                match form {
                    Form::Reference => svg.path(&ends, REFERENCE, 1.0, "4 3"),
                    Form::Line | Form::Curve => svg.path(&ends, look.colour, 1.7, look.dash),
                    Form::Dots => {}
                }
                if matches!(form, Form::Line | Form::Dots) {
                    draw_marker(svg, left + LEGEND_SAMPLE / 2.0, middle, look);
                }
                svg.text(left + LEGEND_SAMPLE + 6.0, middle + 0.36 * TEXT, TEXT, Anchor::Start, INK, name);
                left += width;
            }
        }
    }
}
