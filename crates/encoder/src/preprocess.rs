//! From an upright picture of any size to the tensor that an image tower takes.
//!
//! Resampling is done on 8-bit pixels, in two passes, with filters that widen when shrinking: what Pillow
//! does, and so what every CLIP was trained on. Pillow goes along the rows first; with a filter that overshoots, the
//! order shows where the first pass ends at black or white.

use fast_image_resize as fir;

use crate::pack::{ImageSpec, Resample, ResizeMode};
use crate::{EncoderError, Picture, PictureError};

/// A picture as an image tower takes it: normalised values, shape 3 x height x width (R, G, B planes).
#[derive(Clone, PartialEq)]
pub struct Prepared {
    width: u32,
    height: u32,
    values: Vec<f32>,
}

impl Prepared {
    /// Wraps values of shape 3 x height x width.
    ///
    /// # Errors
    /// [`EncoderError::Input`] when there are not exactly 3 x height x width of them.
    pub fn new(width: u32, height: u32, values: Vec<f32>) -> Result<Self, EncoderError> {
        let expected = 3 * width as usize * height as usize;
        if values.len() != expected {
            return Err(EncoderError::Input {
                what: "the length of a prepared image",
                got: values.len().to_string(),
                expected: format!("3 x {height} x {width} = {expected}"),
            });
        }
        Ok(Self { width, height, values })
    }

    /// Shape: channels, height, width.
    pub fn shape(&self) -> [usize; 3] {
        [3, self.height as usize, self.width as usize]
    }

    /// The values, plane by plane, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// The pixels are a person's picture.
impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prepared(3 x {} x {})", self.height, self.width)
    }
}

/// Resizes and normalises pictures for one model. Pure and shareable: pipeline threads call it at once.
#[derive(Clone, Debug)]
pub struct Preprocessor {
    size: [u32; 2],
    resize: ResizeMode,
    resample: Resample,
    scale: [f32; 3],
    offset: [f32; 3],
}

impl Preprocessor {
    /// The preprocessing that `[image]` of a manifest describes.
    pub fn new(spec: &ImageSpec) -> Self {
        // (v/255 - mean) / std as one multiplication and one addition per pixel
        let scale = spec.std.map(|std| 1.0 / (255.0 * std));
        let [r, g, b] = spec.mean;
        let [sr, sg, sb] = spec.std;
        Self {
            size: spec.size,
            resize: spec.resize,
            resample: spec.resample,
            scale,
            offset: [-r / sr, -g / sg, -b / sb],
        }
    }

    /// Width and height that come out.
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    /// Resizes, cuts and normalises.
    ///
    /// # Errors
    /// As [`Preprocessor::resize`].
    pub fn prepare(&self, picture: &Picture) -> Result<Prepared, EncoderError> {
        Ok(self.normalise(&self.resize(picture)?))
    }

    /// Brings a picture to the tower's rectangle, still as 8-bit pixels.
    ///
    /// # Errors
    /// [`EncoderError::Picture`] when the resampler refuses the sizes.
    pub fn resize(&self, picture: &Picture) -> Result<Picture, EncoderError> {
        let [width, height] = self.size;
        match self.resize {
            ResizeMode::Squash => Ok(resample(picture, width, height, self.resample)?),
            ResizeMode::CentreCrop | ResizeMode::CentreCropDown => {
                let (scaled_width, scaled_height) = cover(picture, width, height);
                let scaled = resample(picture, scaled_width, scaled_height, self.resample)?;
                Ok(scaled.centre_crop(width, height, self.resize == ResizeMode::CentreCropDown))
            }
        }
    }

    /// Turns 8-bit pixels into normalised planes; does not resize.
    pub fn normalise(&self, picture: &Picture) -> Prepared {
        let pixels = picture.width() as usize * picture.height() as usize;
        let mut values = vec![0.0; 3 * pixels];
        let (red, rest) = values.split_at_mut(pixels);
        let (green, blue) = rest.split_at_mut(pixels);
        let [sr, sg, sb] = self.scale;
        let [or, og, ob] = self.offset;
        let planes = red.iter_mut().zip(green).zip(blue);
        for (&[r, g, b], ((red, green), blue)) in picture.rgb().as_chunks::<3>().0.iter().zip(planes) {
            *red = f32::from(r) * sr + or;
            *green = f32::from(g) * sg + og;
            *blue = f32::from(b) * sb + ob;
        }
        Prepared { width: picture.width(), height: picture.height(), values }
    }
}

/// Scaled size whose shorter side just covers the target, as torchvision computes it: the longer side is
/// rounded down.
fn cover(picture: &Picture, width: u32, height: u32) -> (u32, u32) {
    let (from_width, from_height) = (u64::from(picture.width()), u64::from(picture.height()));
    let (to_width, to_height) = (u64::from(width), u64::from(height));
    if from_width * to_height <= from_height * to_width {
        (width, (to_width * from_height / from_width).max(to_height) as u32)
    } else {
        ((to_height * from_width / from_height).max(to_width) as u32, height)
    }
}

/// Resamples to exactly `width` x `height`.
///
/// # Errors
/// [`PictureError::Encode`] when the resampler refuses the sizes.
pub fn resample(
    picture: &Picture,
    width: u32,
    height: u32,
    filter: Resample,
) -> Result<Picture, PictureError> {
    if filter == Resample::Bicubic && picture.width() != width && picture.height() != height {
        let rows = pass(picture, width, picture.height(), filter)?;
        return pass(&rows, width, height, filter);
    }
    pass(picture, width, height, filter)
}

/// Resamples along one side; or along both, in whichever order is quicker.
fn pass(picture: &Picture, width: u32, height: u32, filter: Resample) -> Result<Picture, PictureError> {
    if (picture.width(), picture.height()) == (width, height) {
        return Ok(picture.clone());
    }
    let filter = match filter {
        Resample::Bicubic => fir::FilterType::CatmullRom,
        Resample::Bilinear => fir::FilterType::Bilinear,
        Resample::Area => fir::FilterType::Box,
    };
    let refused = |error: &dyn std::fmt::Display| PictureError::Encode(error.to_string());
    let source =
        fir::images::ImageRef::new(picture.width(), picture.height(), picture.rgb(), fir::PixelType::U8x3)
            .map_err(|error| refused(&error))?;
    let mut target = fir::images::Image::new(width, height, fir::PixelType::U8x3);
    let options = fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(filter));
    fir::Resizer::new().resize(&source, &mut target, &options).map_err(|error| refused(&error))?;
    Picture::from_rgb(width, height, target.into_vec())
}
