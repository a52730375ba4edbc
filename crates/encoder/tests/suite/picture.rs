//! Decoding: every format, every orientation, and bytes that mean harm. All pictures are drawn here.

use std::io::Cursor;

use image::{DynamicImage, Frame, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use pmirs_encoder::{Limits, Picture, PictureError};
use proptest::prelude::*;

const RED: [u8; 3] = [220, 30, 30];
const GREEN: [u8; 3] = [30, 200, 40];
const BLUE: [u8; 3] = [30, 40, 220];
const GREY: [u8; 3] = [128, 128, 128];

const FORMATS: [ImageFormat; 6] = [
    ImageFormat::Jpeg,
    ImageFormat::Png,
    ImageFormat::WebP,
    ImageFormat::Gif,
    ImageFormat::Bmp,
    ImageFormat::Tiff,
];

/// Four quarters: red, green over blue, grey.
fn quarters(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb(match (2 * x < width, 2 * y < height) {
            (true, true) => RED,
            (false, true) => GREEN,
            (true, false) => BLUE,
            (false, false) => GREY,
        })
    })
}

fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn decode(bytes: &[u8]) -> Result<Picture, PictureError> {
    Picture::decode(bytes, &Limits::default())
}

/// The colour in the middle of each quarter: top left, top right, bottom left, bottom right.
fn corners(picture: &Picture) -> [[u8; 3]; 4] {
    let (w, h) = (picture.width(), picture.height());
    [(w / 4, h / 4), (3 * w / 4, h / 4), (w / 4, 3 * h / 4), (3 * w / 4, 3 * h / 4)].map(|(x, y)| {
        let at = 3 * (y * w + x) as usize;
        picture.rgb().get(at..at + 3).unwrap().try_into().unwrap()
    })
}

fn assert_like(got: [[u8; 3]; 4], expected: [[u8; 3]; 4], what: &str) {
    let off = got.as_flattened().iter().zip(expected.as_flattened()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(off <= Some(8), "{what}: got {got:?}, expected {expected:?}");
}

#[test]
fn every_format_is_read() {
    for format in FORMATS {
        let file = encode(&quarters(40, 24).into(), format);
        let picture = decode(&file).unwrap();
        assert_eq!((picture.width(), picture.height()), (40, 24), "{format:?}");
        assert_like(corners(&picture), [RED, GREEN, BLUE, GREY], &format!("{format:?}"));
    }
}

#[test]
fn grey_and_deep_pictures_become_eight_bit_rgb() {
    let rgb = DynamicImage::from(quarters(16, 16));
    for image in [rgb.to_rgb16().into(), rgb.to_rgba16().into(), rgb.to_rgba8().into()] {
        let picture = decode(&encode(&image, ImageFormat::Png)).unwrap();
        assert_like(corners(&picture), [RED, GREEN, BLUE, GREY], "PNG of another depth");
    }
    let grey = decode(&encode(&rgb.to_luma8().into(), ImageFormat::Jpeg)).unwrap();
    assert!(grey.rgb().chunks_exact(3).all(|pixel| matches!(pixel, [r, g, b] if r == g && g == b)));
}

#[test]
fn transparency_shows_white() {
    let image =
        RgbaImage::from_fn(8, 8, |x, _| if x < 4 { Rgba([0, 0, 0, 0]) } else { Rgba([200, 0, 0, 128]) });
    let picture = decode(&encode(&image.into(), ImageFormat::Png)).unwrap();
    assert_eq!(picture.rgb().get(..3), Some(&[255, 255, 255][..]));
    assert_eq!(picture.rgb().get(21..24), Some(&[227, 127, 127][..]));
}

#[test]
fn a_gif_is_its_first_frame() {
    let mut file = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut file);
    for colour in [RED, BLUE] {
        let [r, g, b] = colour;
        encoder.encode_frame(Frame::new(RgbaImage::from_pixel(9, 7, Rgba([r, g, b, 255])))).unwrap();
    }
    drop(encoder);
    assert_like(corners(&decode(&file).unwrap()), [RED; 4], "first frame");
}

/// A JPEG with an EXIF segment that says nothing but the orientation.
fn oriented(orientation: u8) -> Vec<u8> {
    let jpeg = encode(&quarters(48, 32).into(), ImageFormat::Jpeg);
    let (start, rest) = jpeg.split_at(2);
    let tiff =
        [b'M', b'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0];
    let length = (2 + 6 + tiff.len() as u16).to_be_bytes();
    [start, &[0xFF, 0xE1], &length, b"Exif\0\0", &tiff, rest].concat()
}

#[test]
fn pictures_stand_upright() {
    let (a, b, c, d) = (RED, GREEN, BLUE, GREY);
    let expected = [
        [a, b, c, d],
        [b, a, d, c],
        [d, c, b, a],
        [c, d, a, b],
        [a, c, b, d],
        [c, a, d, b],
        [d, b, c, a],
        [b, d, a, c],
    ];
    for (orientation, expected) in (1..).zip(expected) {
        let picture = decode(&oriented(orientation)).unwrap();
        let size = if orientation < 5 { (48, 32) } else { (32, 48) };
        assert_eq!((picture.width(), picture.height()), size, "orientation {orientation}");
        assert_like(corners(&picture), expected, &format!("orientation {orientation}"));
    }
    assert_eq!(decode(&oriented(99)).unwrap().width(), 48, "an unknown orientation is none");
}

#[test]
fn thumbnails_fit_and_keep_their_shape() {
    let picture = decode(&encode(&quarters(400, 100).into(), ImageFormat::Png)).unwrap();
    let thumbnail = decode(&picture.thumbnail(64).unwrap()).unwrap();
    assert_eq!((thumbnail.width(), thumbnail.height()), (64, 16));
    assert_like(corners(&thumbnail), [RED, GREEN, BLUE, GREY], "thumbnail");
    let same = decode(&picture.thumbnail(9_999).unwrap()).unwrap();
    assert_eq!((same.width(), same.height()), (400, 100), "never enlarged");
    let thin = Picture::from_rgb(1000, 1, vec![7; 3000]).unwrap();
    assert_eq!(decode(&thin.thumbnail(10).unwrap()).unwrap().height(), 1);
}

#[test]
fn what_is_no_picture_says_so() {
    for bytes in [&b""[..], b"hello", b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>", &[0; 64]] {
        assert!(matches!(decode(bytes), Err(PictureError::UnknownFormat)), "{bytes:?}");
    }
}

#[test]
fn limits_hold_before_pixels_are_decoded() {
    let file = encode(&quarters(40, 24).into(), ImageFormat::Png);
    let limits = |bytes, pixels, memory| Picture::decode(&file, &Limits { bytes, pixels, memory });
    let fine = Limits::default();
    assert!(matches!(
        limits(10, fine.pixels, fine.memory),
        Err(PictureError::TooManyBytes { limit: 10, .. })
    ));
    assert!(matches!(
        limits(fine.bytes, 959, fine.memory),
        Err(PictureError::TooManyPixels { width: 40, height: 24, limit: 959 })
    ));
    assert!(limits(fine.bytes, 960, fine.memory).is_ok());
    assert!(matches!(limits(fine.bytes, fine.pixels, 4_000), Err(PictureError::TooMuchMemory { .. })));
}

/// Headers that promise four billion pixels over a few bytes of data.
#[test]
fn bombs_are_refused_by_their_header() {
    let patched = |format, at: usize, bytes: &[u8]| {
        let mut file = encode(&quarters(16, 16).into(), format);
        file.get_mut(at..at + bytes.len()).unwrap().copy_from_slice(bytes);
        file
    };
    let jpeg = encode(&quarters(16, 16).into(), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
    let bombs = [
        patched(ImageFormat::Jpeg, frame + 5, &[0xFF; 4]),
        patched(ImageFormat::Gif, 6, &[0xFF; 4]),
        patched(ImageFormat::Bmp, 18, &[0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 0, 0]),
    ];
    for bomb in bombs {
        let error = decode(&bomb).unwrap_err();
        assert!(matches!(error, PictureError::TooManyPixels { .. }), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Flipped, cut and repeated bytes: a picture within the limits or an error, and bounded memory.
    #[test]
    fn mutated_files_never_panic(
        format in 0..FORMATS.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        header in prop::collection::vec((0usize..64, prop::sample::select(vec![0u8, 1, 0x7F, 0x80, 0xFF])), 0..3),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let format = *FORMATS.get(format).unwrap();
        let mut file = encode(&quarters(24, 20).into(), format);
        for (at, byte) in edits {
            *at.get_mut(&mut file) = byte;
        }
        for (at, byte) in header {
            if let Some(slot) = file.get_mut(at) {
                *slot = byte;
            }
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        let limits = Limits { bytes: 1 << 20, pixels: 1_000_000, memory: 32 << 20 };
        if let Ok(picture) = Picture::decode(&file, &limits) {
            prop_assert!(u64::from(picture.width()) * u64::from(picture.height()) <= limits.pixels);
            prop_assert_eq!(picture.rgb().len() as u64, 3 * u64::from(picture.width()) * u64::from(picture.height()));
        }
        prop_assert!(peak_memory() < 512 << 20, "{} bytes resident after {:?}", peak_memory(), format);
    }
}

#[test]
fn a_jpeg_that_ends_early_is_broken() {
    let file = encode(&quarters(64, 48).into(), ImageFormat::Jpeg);
    assert!(Picture::decode(&file, &Limits::default()).is_ok());
    let followed = [&file[..], b"what a camera adds"].concat();
    assert!(Picture::decode(&followed, &Limits::default()).is_ok());
    for cut in [file.len() - 2, file.len() * 3 / 4] {
        let early = Picture::decode(&file[..cut], &Limits::default());
        assert!(matches!(early, Err(PictureError::Broken { .. })), "{early:?}");
    }
}

/// Most memory that this process ever held, in bytes, where the system tells.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) << 10
}
