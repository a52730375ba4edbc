//! Figures as a paper prints them: lines and points with error bars, one panel or several side by side, as SVG
//! and as PNG.
//!
//! The SVG is the figure; the PNG is the same SVG in pixels, with a font that travels inside the program, so that
//! every machine draws the same. Colours are those of Okabe and Ito (2008), which colour-blind readers tell apart,
//! and every series has a marker and a dash of its own besides.
//!
//! ```
//! use pmirs_lab::plot::{Axis, Figure, Panel, Point, Series};
//!
//! let points = [(3.4, 0.51), (14.0, 0.56)].map(|(size, recall)| Point::new(size, recall).with_error(0.02));
//! let panel = Panel::new(Axis::log("size / MB"), Axis::linear("R@10").between(0.4, 0.6))
//!     .with(Series::line("compact", points));
//! let figure = Figure::new("Quality against size").with(panel);
//! assert!(figure.to_svg()?.contains("size / MB"));
//! assert!(figure.to_png()?.starts_with(b"\x89PNG"));
//! # Ok::<(), pmirs_lab::plot::PlotError>(())
//! ```

mod axis;
mod draw;
mod pixels;
mod save;
mod svg;

pub use axis::{Axis, Scale};
pub use save::save;

pub(crate) use pixels::{render, width_of};
pub(crate) use svg::{Anchor, Svg};

/// Why a figure cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// Nothing to draw.
    #[error("figure '{0}': it has no panel with a point in it")]
    Empty(String),
    /// A value that has no place on its axis.
    #[error("figure: series '{series}' has the value {value} on the axis '{axis}'")]
    Value {
        /// Which series.
        series: String,
        /// Which axis.
        axis: String,
        /// Not finite, or not positive on a logarithmic axis.
        value: f64,
    },
    /// The SVG could not be turned into pixels.
    #[error("figure: {0}")]
    Pixels(String),
    /// The file could not be written.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why not.
        reason: String,
    },
}

/// A figure: panels side by side under one title, with one legend for all.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    title: String,
    panels: Vec<Panel>,
}

impl Figure {
    /// A figure without panels yet.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), panels: Vec::new() }
    }

    /// Another panel, to the right of those before.
    #[must_use]
    pub fn with(mut self, panel: Panel) -> Self {
        self.panels.push(panel);
        self
    }

    /// The figure as an SVG document.
    ///
    /// # Errors
    /// [`PlotError::Empty`] without a point, [`PlotError::Value`] for one that has no place on its axis.
    pub fn to_svg(&self) -> Result<String, PlotError> {
        draw::figure(self)
    }

    /// The figure as a PNG of twice the SVG's size: about 190 pixels per inch.
    ///
    /// # Errors
    /// As [`Figure::to_svg`], or when the pixels cannot be made.
    pub fn to_png(&self) -> Result<Vec<u8>, PlotError> {
        let picture = render(&self.to_svg()?, 2.0)?;
        picture.to_png().map_err(|error| PlotError::Pixels(error.to_string()))
    }
}

/// One pair of axes and what is drawn between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    title: String,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
    dodge: f64,
}

impl Panel {
    /// An empty pair of axes.
    pub fn new(x: Axis, y: Axis) -> Self {
        Self { title: String::new(), x, y, series: Vec::new(), dodge: 0.0 }
    }

    /// Its own title, above it.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Moves each series this many points to the right of the one before, around the true place, so that series
    /// which coincide can be seen.
    #[must_use]
    pub fn dodged(mut self, points: f64) -> Self {
        self.dodge = points;
        self
    }

    /// Another series, drawn over those before.
    #[must_use]
    pub fn with(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }
}

/// Points that belong together. Series of one name look alike in every panel and share their line of the legend.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    name: String,
    points: Vec<Point>,
    form: Form,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Markers joined by a line.
    Line,
    /// A line alone, for many points.
    Curve,
    /// Markers alone.
    Dots,
    /// A thin grey line to compare with.
    Reference,
}

impl Series {
    /// Markers joined by a line, in the order given.
    pub fn line(name: impl Into<String>, points: impl IntoIterator<Item = Point>) -> Self {
        Self::of(Form::Line, name, points)
    }

    /// A line without markers, for a curve of many points.
    pub fn curve(name: impl Into<String>, points: impl IntoIterator<Item = Point>) -> Self {
        Self::of(Form::Curve, name, points)
    }

    /// Markers that nothing joins.
    pub fn dots(name: impl Into<String>, points: impl IntoIterator<Item = Point>) -> Self {
        Self::of(Form::Dots, name, points)
    }

    /// A thin grey line to compare with, such as what chance gives.
    pub fn reference(name: impl Into<String>, points: impl IntoIterator<Item = Point>) -> Self {
        Self::of(Form::Reference, name, points)
    }

    fn of(form: Form, name: impl Into<String>, points: impl IntoIterator<Item = Point>) -> Self {
        Self { name: name.into(), points: points.into_iter().collect(), form }
    }
}

/// A measured value, and between what it may lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    x: f64,
    y: f64,
    bar: Option<(f64, f64)>,
}

impl Point {
    /// A value without an error bar.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, bar: None }
    }

    /// An error bar of this half length around the value, such as a standard deviation.
    #[must_use]
    pub fn with_error(self, half: f64) -> Self {
        self.with_bar(self.y - half, self.y + half)
    }

    /// An error bar from `low` to `high`, such as a confidence interval.
    #[must_use]
    pub fn with_bar(mut self, low: f64, high: f64) -> Self {
        self.bar = Some((low, high));
        self
    }
}

#[cfg(test)]
mod tests;
