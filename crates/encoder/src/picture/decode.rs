//! Decoding within limits.
//!
//! The `image` crate's pure-Rust decoders do the work. They are fuzzed upstream, yet a panic in one of them is
//! a known kind of bug; one stranger's file must not end a run over thousands. So decoding runs inside
//! `catch_unwind`: it touches nothing but its arguments and its own result, and nothing of what it was doing
//! is looked at after a panic, which is what makes `AssertUnwindSafe` true here.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::error::{ImageError, LimitErrorKind};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::{Limits, Picture};
use crate::PictureError;

/// Largest side: what a JPEG can express, and far from overflow in any product of sides.
const MAX_SIDE: u32 = 65_535;

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, PictureError> {
    if bytes.len() as u64 > limits.bytes {
        return Err(PictureError::TooManyBytes { got: bytes.len() as u64, limit: limits.bytes });
    }
    let format = recognise(bytes)?;
    if format == ImageFormat::Jpeg && !ends(bytes) {
        let reason = "the file ends before the picture does".into();
        return Err(PictureError::Broken { format: name(format), reason });
    }
    let attempt = catch_unwind(AssertUnwindSafe(|| decode_as(format, bytes, limits)));
    attempt.unwrap_or_else(|_| {
        Err(PictureError::Broken { format: name(format), reason: "the decoder gave up on it".into() })
    })
}

/// The format by its first bytes; a file's name is no evidence.
fn recognise(bytes: &[u8]) -> Result<ImageFormat, PictureError> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    match image::guess_format(bytes) {
        Ok(format @ (Jpeg | Png | WebP | Gif | Bmp | Tiff)) => Ok(format),
        _ => Err(PictureError::UnknownFormat),
    }
}

/// Whether a JPEG's last scan is followed by the marker of its end: the decoder fills what is missing with grey.
/// Within a scan no marker can occur by chance (ITU T.81, B.1.1.5); a thumbnail's lie before the last scan.
fn ends(bytes: &[u8]) -> bool {
    const START_OF_SCAN: [u8; 2] = [0xFF, 0xDA];
    const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    last(END_OF_IMAGE) > last(START_OF_SCAN)
}

fn decode_as(format: ImageFormat, bytes: &[u8], limits: &Limits) -> Result<Picture, PictureError> {
    let refused = |error: ImageError| explain(format, limits, error);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(codec_limits(limits));
    let mut decoder = reader.into_decoder().map_err(refused)?;

    let (width, height) = decoder.dimensions();
    check_size(width, height, limits)?;
    // The decoded pixels, and the RGB that is made of them, live at once.
    let rgb = 3 * u64::from(width) * u64::from(height);
    if decoder.total_bytes().saturating_add(rgb) > limits.memory {
        return Err(PictureError::TooMuchMemory { format: name(format), limit: limits.memory });
    }
    let orientation = decoder.orientation().map_err(refused)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(refused)?;
    image.apply_orientation(orientation);
    over_white(image)
}

fn codec_limits(limits: &Limits) -> image::Limits {
    let mut codec = image::Limits::no_limits();
    codec.max_image_width = Some(MAX_SIDE);
    codec.max_image_height = Some(MAX_SIDE);
    codec.max_alloc = Some(limits.memory);
    codec
}

fn check_size(width: u32, height: u32, limits: &Limits) -> Result<(), PictureError> {
    if width == 0 || height == 0 {
        return Err(PictureError::Empty { width, height });
    }
    if u64::from(width) * u64::from(height) > limits.pixels || width.max(height) > MAX_SIDE {
        return Err(PictureError::TooManyPixels { width, height, limit: limits.pixels });
    }
    Ok(())
}

/// Transparent pixels show what a person sees in a viewer with a white page, not the arbitrary colour that
/// the file keeps under them.
fn over_white(image: DynamicImage) -> Result<Picture, PictureError> {
    let (width, height) = (image.width(), image.height());
    if !image.color().has_alpha() {
        return Picture::from_rgb(width, height, image.into_rgb8().into_raw());
    }
    let rgba = image.into_rgba8();
    let mut rgb = Vec::with_capacity(3 * width as usize * height as usize);
    for &image::Rgba([r, g, b, alpha]) in rgba.pixels() {
        rgb.extend([r, g, b].map(|value| blend(value, alpha)));
    }
    Picture::from_rgb(width, height, rgb)
}

fn blend(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

fn explain(format: ImageFormat, limits: &Limits, error: ImageError) -> PictureError {
    let format = name(format);
    match error {
        ImageError::Limits(limit) if matches!(limit.kind(), LimitErrorKind::InsufficientMemory) => {
            PictureError::TooMuchMemory { format, limit: limits.memory }
        }
        other => PictureError::Broken { format, reason: other.to_string() },
    }
}

fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Gif => "GIF",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Tiff => "TIFF",
        _ => "picture",
    }
}
