//! An SVG document, element by element.

use std::fmt::Write;

/// The font that is asked for; whoever opens the SVG without it gets one much like it.
const FAMILY: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";

/// A document under way. Lengths are in points of 1/96 inch, colours as CSS writes them.
pub(crate) struct Svg {
    body: String,
    width: f64,
    height: f64,
}

/// How a text lies at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
    /// Its middle there, reading upwards.
    Upwards,
}

impl Svg {
    /// A white page.
    pub(crate) fn new(width: f64, height: f64) -> Self {
        let mut page = Self { body: String::new(), width, height };
        page.rect(0.0, 0.0, width, height, "#ffffff");
        page
    }

    pub(crate) fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, fill: &str) {
        self.add(format_args!(
            r#"<rect x="{x:.2}" y="{y:.2}" width="{width:.2}" height="{height:.2}" fill="{fill}"/>"#
        ));
    }

    /// Straight lines from place to place; `dash` as in `stroke-dasharray`, empty for none.
    pub(crate) fn path(&mut self, places: &[(f64, f64)], stroke: &str, width: f64, dash: &str) {
        let mut data = String::new();
        for (at, (x, y)) in places.iter().enumerate() {
            let step = if at == 0 { 'M' } else { 'L' };
            let _ = write!(data, "{step}{x:.2} {y:.2}");
        }
        let dash = if dash.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{dash}""#) };
        self.add(format_args!(
            r#"<path d="{data}" fill="none" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round"{dash}/>"#
        ));
    }

    /// A closed shape around a place, in its colour with a white rim.
    pub(crate) fn shape(&mut self, corners: &[(f64, f64)], fill: &str) {
        let places: Vec<String> = corners.iter().map(|(x, y)| format!("{x:.2},{y:.2}")).collect();
        let places = places.join(" ");
        self.add(format_args!(
            r##"<polygon points="{places}" fill="{fill}" stroke="#ffffff" stroke-width="0.8"/>"##
        ));
    }

    pub(crate) fn circle(&mut self, x: f64, y: f64, radius: f64, fill: &str) {
        self.add(format_args!(
            r##"<circle cx="{x:.2}" cy="{y:.2}" r="{radius}" fill="{fill}" stroke="#ffffff" stroke-width="0.8"/>"##
        ));
    }

    pub(crate) fn text(&mut self, x: f64, y: f64, size: f64, anchor: Anchor, fill: &str, text: &str) {
        let (align, turn) = match anchor {
            Anchor::Start => ("start", String::new()),
            Anchor::Middle => ("middle", String::new()),
            Anchor::End => ("end", String::new()),
            Anchor::Upwards => ("middle", format!(r#" transform="rotate(-90 {x:.2} {y:.2})""#)),
        };
        let text = escaped(text);
        self.add(format_args!(
            r#"<text x="{x:.2}" y="{y:.2}" font-size="{size}" text-anchor="{align}" fill="{fill}"{turn}>{text}</text>"#
        ));
    }

    /// The finished document.
    pub(crate) fn finish(self) -> String {
        let Self { body, width, height } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"{FAMILY}\">\n{body}</svg>\n"
        )
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.body, "{element}");
    }
}

/// Text as XML holds it; characters that XML cannot hold become a replacement character.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
