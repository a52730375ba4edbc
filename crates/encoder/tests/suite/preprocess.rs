//! Resizing and normalising, against Pillow's filters.

use pmirs_encoder::pack::{ImageSpec, Resample, ResizeMode};
use pmirs_encoder::preprocess::resample;
use pmirs_encoder::{Picture, Preprocessor};
use serde::Deserialize;

/// One case of `resampling.json`, made by `scripts/golden_clip.py`.
#[derive(Deserialize)]
struct Golden {
    filter: Resample,
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

fn drawn(width: u32, height: u32) -> Picture {
    let pixel = |x: u32, y: u32, c: u32| ((x * 7 + y * 13 + c * 50 + x * y / 3) % 256) as u8;
    let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| (0..3).map(move |c| pixel(x, y, c))));
    Picture::from_rgb(width, height, rgb.collect()).unwrap()
}

fn spec(size: [u32; 2], resize: ResizeMode) -> ImageSpec {
    ImageSpec {
        weights: Vec::new(),
        size,
        resize,
        resample: Resample::Bicubic,
        mean: [0.5, 0.4, 0.3],
        std: [0.25, 0.5, 1.0],
        centre: Vec::new(),
    }
}

#[test]
fn every_filter_is_pillows_to_one_step_of_255() {
    let golden: Vec<Golden> = serde_json::from_str(include_str!("golden/resampling.json")).unwrap();
    assert_eq!(golden.len(), 9);
    for case in golden {
        let got = resample(&drawn(41, 29), case.width, case.height, case.filter).unwrap();
        let worst = got.rgb().iter().zip(&case.rgb).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(1), "{:?} to {}x{}: {worst:?}", case.filter, case.width, case.height);
    }
}

#[test]
fn centre_crop_scales_the_shorter_side_then_cuts_the_middle() {
    // 60 x 20 at half size is 30 x 10; its middle 10 columns come from the middle third.
    let mut rgb = vec![0; 60 * 20 * 3];
    for (at, pixel) in rgb.chunks_exact_mut(3).enumerate() {
        let colour = if (20..40).contains(&(at % 60)) { [0, 255, 0] } else { [255, 0, 0] };
        pixel.copy_from_slice(&colour);
    }
    let wide = Picture::from_rgb(60, 20, rgb).unwrap();
    let cut = Preprocessor::new(&spec([10, 10], ResizeMode::CentreCrop)).resize(&wide).unwrap();
    assert_eq!((cut.width(), cut.height()), (10, 10));
    let green = cut.rgb().chunks_exact(3).filter(|pixel| matches!(pixel, [0..=9, 246..=255, _])).count();
    assert!(green >= 80, "{green} of 100 pixels are green");
}

#[test]
fn squash_keeps_everything_in_view() {
    let squashed = Preprocessor::new(&spec([8, 8], ResizeMode::Squash)).resize(&drawn(64, 16)).unwrap();
    assert_eq!((squashed.width(), squashed.height()), (8, 8));
}

#[test]
fn both_modes_give_exactly_the_towers_size_for_any_shape() {
    for (width, height) in [(1, 1), (1, 300), (300, 1), (7, 5), (224, 224), (223, 225), (1000, 3)] {
        for resize in [ResizeMode::Squash, ResizeMode::CentreCrop] {
            for size in [[32, 32], [48, 32], [32, 48]] {
                let prepared = Preprocessor::new(&spec(size, resize)).prepare(&drawn(width, height)).unwrap();
                let [w, h] = size.map(|side| side as usize);
                assert_eq!(prepared.shape(), [3, h, w], "{width}x{height} {resize:?}");
            }
        }
    }
}

#[test]
fn normalising_gives_planes_of_value_minus_mean_over_deviation() {
    let picture = Picture::from_rgb(2, 1, vec![255, 0, 51, 0, 255, 102]).unwrap();
    let prepared = Preprocessor::new(&spec([2, 1], ResizeMode::Squash)).prepare(&picture).unwrap();
    let expected = [2.0, -2.0, -0.8, 1.2, -0.1, 0.1];
    for (got, expected) in prepared.values().iter().zip(expected) {
        assert!((got - expected).abs() < 1e-6, "{got} is not {expected}");
    }
}
