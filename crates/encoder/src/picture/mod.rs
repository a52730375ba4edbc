//! Pictures: from a file that anyone may have made to upright 8-bit RGB, and to a thumbnail.

mod decode;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};

use crate::PictureError;
use crate::pack::Resample;
use crate::preprocess::resample;

/// Quality of thumbnails: small, and without visible blocks at the size at which they are shown.
const THUMBNAIL_QUALITY: u8 = 80;

/// How much a stranger's file may cost. Everything is checked before the memory is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest file, in bytes.
    pub bytes: u64,
    /// Largest picture, width times height.
    pub pixels: u64,
    /// Most memory that decoding may claim at once, in bytes.
    pub memory: u64,
}

/// 256 MiB of file, 100 megapixels, 1 GiB of memory: the largest cameras fit, bombs do not.
impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 256 << 20, pixels: 100_000_000, memory: 1 << 30 }
    }
}

/// An upright picture: 8-bit sRGB, three bytes per pixel, rows from the top.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// Decodes JPEG, PNG, WebP, GIF (first frame), BMP or TIFF, told apart by their first bytes; turns the
    /// picture as its EXIF orientation asks; lays transparent pixels over white.
    ///
    /// # Errors
    /// A [`PictureError`] that says what is wrong with the bytes; never panics, and never claims memory
    /// beyond `limits`.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, PictureError> {
        decode::decode(bytes, limits)
    }

    /// Wraps pixels that are there already.
    ///
    /// # Errors
    /// [`PictureError::Empty`] without pixels, [`PictureError::WrongLength`] unless there are exactly
    /// 3 x `width` x `height` bytes.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self, PictureError> {
        if width == 0 || height == 0 {
            return Err(PictureError::Empty { width, height });
        }
        let expected = 3 * u64::from(width) * u64::from(height);
        if rgb.len() as u64 != expected {
            return Err(PictureError::WrongLength { width, height, expected, got: rgb.len() as u64 });
        }
        Ok(Self { width, height, rgb })
    }

    /// Width in pixels, at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels: R, G, B, from left to right and top to bottom.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// A JPEG of this picture whose longer side is at most `max_side` pixels (never enlarged).
    ///
    /// # Errors
    /// [`PictureError::Encode`] when the codec fails.
    pub fn thumbnail(&self, max_side: u32) -> Result<Vec<u8>, PictureError> {
        let longer = self.width.max(self.height);
        let side = max_side.clamp(1, longer);
        let shrink = |length: u32| {
            let exact = u64::from(length) * u64::from(side);
            ((exact + u64::from(longer) / 2) / u64::from(longer)).max(1) as u32
        };
        let small = resample(self, shrink(self.width), shrink(self.height), Resample::Area)?;
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, THUMBNAIL_QUALITY)
            .encode(&small.rgb, small.width, small.height, ExtendedColorType::Rgb8)
            .map_err(|error| PictureError::Encode(error.to_string()))?;
        Ok(jpeg)
    }

    /// This picture as a PNG, without loss.
    ///
    /// # Errors
    /// [`PictureError::Encode`] when the codec fails.
    pub fn to_png(&self) -> Result<Vec<u8>, PictureError> {
        let mut png = Vec::new();
        PngEncoder::new(&mut png)
            .write_image(&self.rgb, self.width, self.height, ExtendedColorType::Rgb8)
            .map_err(|error| PictureError::Encode(error.to_string()))?;
        Ok(png)
    }

    /// The middle `width` x `height` pixels; sides that are smaller already stay. An odd margin is rounded down,
    /// or half to even as torchvision does.
    pub(crate) fn centre_crop(self, width: u32, height: u32, down: bool) -> Self {
        let (width, height) = (width.min(self.width), height.min(self.height));
        if (width, height) == (self.width, self.height) {
            return self;
        }
        let margin = |from: u32, to: u32| {
            let exact = f64::from(from - to) / 2.0;
            (if down { exact.floor() } else { exact.round_ties_even() }) as usize
        };
        let (left, top) = (margin(self.width, width), margin(self.height, height));
        let rows = self.rgb.chunks_exact(3 * self.width as usize).skip(top).take(height as usize);
        let rgb = rows.flat_map(|row| row.iter().skip(3 * left).take(3 * width as usize)).copied().collect();
        Self { width, height, rgb }
    }
}

/// The pixels are a person's picture.
impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} x {})", self.width, self.height)
    }
}
