//! SVG to pixels, with the font that travels inside the program.

use std::sync::{Arc, LazyLock};

use pmirs_encoder::Picture;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};

use super::PlotError;
use super::svg::{Anchor, Svg};

/// The name of the font.
const FONT: &str = "DejaVu Sans";

static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_data(include_bytes!("../../assets/DejaVuSans-subset.ttf").to_vec());
    Arc::new(fonts)
});

/// Renders an SVG document, enlarged by `scale`, over white.
pub(crate) fn render(svg: &str, scale: f32) -> Result<Picture, PlotError> {
    let failed = |reason: &dyn std::fmt::Display| PlotError::Pixels(reason.to_string());
    let tree = parse(svg)?;
    let size = tree.size().to_int_size().scale_by(scale).ok_or_else(|| failed(&"it has no size"))?;
    let mut canvas =
        Pixmap::new(size.width(), size.height()).ok_or_else(|| failed(&"it is too large to draw"))?;
    canvas.fill(resvg::tiny_skia::Color::WHITE);
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut canvas.as_mut());
    let rgb = canvas.pixels().iter().flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]).collect();
    Picture::from_rgb(size.width(), size.height(), rgb).map_err(|error| failed(&error))
}

/// How wide a text of this size will be.
pub(crate) fn width_of(text: &str, size: f64) -> f64 {
    let mut page = Svg::new(1.0, 1.0);
    page.text(0.0, 0.0, size, Anchor::Start, "#000000", text);
    let tree = parse(&page.finish());
    // The page itself is one point wide, which no text is narrower than.
    tree.map_or(0.6 * size * text.chars().count() as f64, |it| {
        f64::from(it.root().abs_bounding_box().right())
    })
}

fn parse(svg: &str) -> Result<Tree, PlotError> {
    let options = Options { fontdb: FONTS.clone(), font_family: FONT.to_owned(), ..Options::default() };
    Tree::from_str(svg, &options).map_err(|error| PlotError::Pixels(error.to_string()))
}
