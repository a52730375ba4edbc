use pmirs_encoder::{Limits, Picture};

use super::*;

fn two_panels() -> Figure {
    let panel = |title: &str| {
        Panel::new(Axis::linear("classes").naming([10.0, 20.0]), Axis::linear("F1").between(0.0, 1.0))
            .titled(title)
            .dodged(3.0)
            .with(Series::line("plaintext", [Point::new(10.0, 0.8).with_error(0.1), Point::new(20.0, 0.6)]))
            .with(Series::line("sealed < veiled & \u{1}", [Point::new(10.0, 0.8), Point::new(20.0, 0.6)]))
            .with(Series::reference("chance", [Point::new(10.0, 0.1), Point::new(20.0, 0.05)]))
    };
    Figure::new("Quality").with(panel("left")).with(panel("right"))
}

#[test]
fn a_figure_names_its_axes_panels_and_series_once() {
    let svg = two_panels().to_svg().unwrap();
    for (text, times) in [(">classes<", 2), (">F1<", 2), (">left<", 1), (">plaintext<", 1), (">chance<", 1)] {
        assert_eq!(svg.matches(text).count(), times, "{text}");
    }
    assert!(svg.contains("sealed &lt; veiled &amp; \u{fffd}"), "text from outside cannot break the document");
    // One error bar in each panel has two caps and a stem, all in the first colour.
    assert_eq!(svg.matches(r##"stroke="#0072b2" stroke-width="1""##).count(), 6);
}

#[test]
fn the_png_is_the_svg_in_pixels_and_the_same_every_time() {
    let figure = two_panels();
    let png = figure.to_png().unwrap();
    let picture = Picture::decode(&png, &Limits::default()).unwrap();
    let svg = figure.to_svg().unwrap();
    assert!(svg.contains(&format!(r#"viewBox="0 0 {} {}""#, picture.width() / 2, picture.height() / 2)));
    let blue = picture.rgb().chunks_exact(3).filter(|pixel| **pixel == [0x00, 0x72, 0xb2]).count();
    assert!(blue > 200, "{blue} pixels of the first series");
    assert_eq!(png, figure.to_png().unwrap());
}

#[test]
fn text_is_drawn_with_the_font_inside() {
    assert!(width_of("mmmm", 12.0) > 1.5 * width_of("iiii", 12.0));
    assert!((width_of("pmirs", 24.0) / width_of("pmirs", 12.0) - 2.0).abs() < 0.05);
}

#[test]
fn what_cannot_be_drawn_is_named() {
    let on = |x: Axis, points: &[(f64, f64)]| {
        let points: Vec<Point> = points.iter().map(|&(x, y)| Point::new(x, y)).collect();
        let panel = Panel::new(x, Axis::linear("recall")).with(Series::dots("models", points));
        Figure::new("Sizes").with(panel).to_svg().map_err(|error| error.to_string())
    };
    assert_eq!(
        on(Axis::linear("size"), &[]),
        Err("figure 'Sizes': it has no panel with a point in it".to_owned())
    );
    let nought = on(Axis::log("size"), &[(0.0, 1.0)]).unwrap_err();
    assert_eq!(nought, "figure: series 'models' has the value 0 on the axis 'size'");
    assert!(on(Axis::linear("size"), &[(1.0, f64::NAN)]).unwrap_err().contains("on the axis 'recall'"));
    assert!(on(Axis::linear("size"), &[(1.0, 1.0)]).is_ok(), "one point is a figure");
    assert!(Figure::new("nothing").to_png().is_err());
}

#[test]
fn a_saved_figure_is_two_files() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("made/for it");
    save(&two_panels(), &inner, "quality").unwrap();
    assert!(inner.join("quality.svg").is_file() && inner.join("quality.png").is_file());
    assert!(save(&two_panels(), &inner.join("quality.svg"), "x").is_err());
}
