//! Medical pictures: only what is to be seen leaves a DICOM file, with a few tags that identify nobody.
//!
//! A DICOM file names the patient, the physician, the hospital and the day in its headers. None of these is read, let
//! alone embedded or stored: the pixel data becomes a PNG, and of the headers only those that say what kind of picture
//! it is become tags. Names that are burned into the picture stay in it, so a file that says of itself that it has such
//! is refused. (Basic profile of PS3.15 annex E, but stricter: what is not listed here is dropped.)

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dicom_dictionary_std::{tags, uids};
use dicom_object::file::ReadPreamble;
use dicom_object::{DefaultDicomObject, OpenFileOptions, Tag};
use dicom_pixeldata::{ConvertOptions, PixelDecoder};
use pmirs_encoder::{Limits, Picture};

/// The media type of such a file; what is stored of it is a PNG.
pub(crate) const MEDIA_TYPE: &str = "application/dicom";

/// Headers that say what kind of picture it is and nothing of whom.
const KEPT: [(Tag, &str); 5] = [
    (tags::MODALITY, "modality"),
    (tags::BODY_PART_EXAMINED, "body part"),
    (tags::VIEW_POSITION, "view"),
    (tags::IMAGE_LATERALITY, "laterality"),
    (tags::PATIENT_ORIENTATION, "orientation"),
];
/// The longest value of a kept header; each is a code by the standard, and text by accident.
const LONGEST_VALUE: usize = 16;

/// What is kept of a file.
pub(super) struct Extract {
    /// The middle frame.
    pub(super) picture: Picture,
    /// Sorted, each once.
    pub(super) tags: Vec<String>,
}

/// Reads a DICOM file.
pub(super) fn extract(content: &[u8]) -> Result<Extract, String> {
    // Its decoders see whatever a file holds; a mistake in one of them costs this file alone.
    catch_unwind(AssertUnwindSafe(|| read(content)))
        .unwrap_or_else(|_| Err("not a DICOM file that can be read".to_owned()))
}

fn read(content: &[u8]) -> Result<Extract, String> {
    let file = OpenFileOptions::new()
        .read_preamble(ReadPreamble::Auto)
        .from_reader(Cursor::new(content))
        .map_err(|error| format!("not a DICOM file: {error}"))?;
    let burned_in = text(&file, tags::BURNED_IN_ANNOTATION).is_some_and(|value| value == "YES");
    if burned_in {
        return Err("it says that names are burned into the picture".to_owned());
    }
    let (rows, columns) = (number(&file, tags::ROWS)?, number(&file, tags::COLUMNS)?);
    let limits = Limits::default();
    if rows == 0 || columns == 0 || u64::from(rows) * u64::from(columns) > limits.pixels {
        return Err(format!("it has {columns} x {rows} pixels"));
    }
    let frames = number(&file, tags::NUMBER_OF_FRAMES).unwrap_or(1).max(1);
    let syntax = file.meta().transfer_syntax().trim_end_matches('\0').to_owned();
    let picture = match syntax.as_str() {
        uids::JPEG_BASELINE8_BIT => jpeg(&file, frames / 2, &limits)?,
        _ => pixels(&file, frames / 2)?,
    };
    let mut kept: Vec<String> = KEPT
        .iter()
        .filter_map(|&(tag, name)| text(&file, tag).map(|value| format!("{name}: {value}")))
        .collect();
    kept.sort();
    kept.dedup();
    Ok(Extract { picture, tags: kept })
}

/// Native and run-length encoded pixels, through the file's own look-up tables.
fn pixels(file: &DefaultDicomObject, frame: u32) -> Result<Picture, String> {
    let undecodable = |error: &dyn std::fmt::Display| format!("its pixels cannot be decoded: {error}");
    let decoded = file.decode_pixel_data_frame(frame).map_err(|error| undecodable(&error))?;
    let image = decoded
        .to_dynamic_image_with_options(0, &ConvertOptions::new().force_8bit())
        .map_err(|error| undecodable(&error))?
        .to_rgb8();
    let (width, height) = image.dimensions();
    Picture::from_rgb(width, height, image.into_raw()).map_err(|error| undecodable(&error))
}

/// A frame that is a JPEG in itself.
fn jpeg(file: &DefaultDicomObject, frame: u32, limits: &Limits) -> Result<Picture, String> {
    let element = file.element(tags::PIXEL_DATA).map_err(|_| "it has no pixels".to_owned())?;
    let fragments = element.fragments().ok_or_else(|| "its pixels are not in fragments".to_owned())?;
    let fragment = fragments
        .get(frame as usize)
        .or_else(|| fragments.first())
        .ok_or_else(|| "it has no pixels".to_owned())?;
    Picture::decode(fragment, limits).map_err(|error| format!("its pixels cannot be decoded: {error}"))
}

fn number(file: &DefaultDicomObject, tag: Tag) -> Result<u32, String> {
    let element = file.element(tag).map_err(|_| format!("it does not say its {tag}"))?;
    element.to_int().map_err(|_| format!("its {tag} is not a number"))
}

/// A header's value, if it is a code.
fn text(file: &DefaultDicomObject, tag: Tag) -> Option<String> {
    let value = file.element(tag).ok()?.to_str().ok()?.trim().trim_end_matches('\0').to_uppercase();
    let code = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '\\');
    (!value.is_empty() && value.len() <= LONGEST_VALUE && value.chars().all(code)).then_some(value)
}

#[cfg(test)]
mod tests {
    use dicom_core::VR;
    use dicom_core::value::{PixelFragmentSequence, PrimitiveValue, Value};
    use dicom_object::InMemDicomObject;
    use dicom_object::meta::FileMetaTableBuilder;
    use dicom_pixeldata::PixelDecoder as _;

    use super::*;

    type Element = dicom_object::mem::InMemElement;

    /// A chest film of 8 x 6 pixels that names its patient in every way.
    fn film(change: impl FnOnce(&mut InMemDicomObject)) -> Vec<u8> {
        let mut object = InMemDicomObject::new_empty();
        let mut text = |tag, vr, value: &str| {
            object.put(Element::new(tag, vr, PrimitiveValue::from(value)));
        };
        text(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.1");
        text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4.5");
        text(tags::PATIENT_NAME, VR::PN, "Doe^Jane");
        text(tags::PATIENT_ID, VR::LO, "SECRET-4711");
        text(tags::STUDY_DESCRIPTION, VR::LO, "Thorax of Jane Doe");
        text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, "House^Gregory");
        text(tags::STUDY_DATE, VR::DA, "20260131");
        text(tags::MODALITY, VR::CS, "CR");
        text(tags::BODY_PART_EXAMINED, VR::CS, "CHEST");
        text(tags::VIEW_POSITION, VR::CS, "PA");
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
        for (tag, value) in [
            (tags::ROWS, 6_u16),
            (tags::COLUMNS, 8),
            (tags::SAMPLES_PER_PIXEL, 1),
            (tags::BITS_ALLOCATED, 8),
            (tags::BITS_STORED, 8),
            (tags::HIGH_BIT, 7),
            (tags::PIXEL_REPRESENTATION, 0),
        ] {
            object.put(Element::new(tag, VR::US, PrimitiveValue::from(value)));
        }
        let pixels: Vec<u8> = (0..48).map(|at| at * 5).collect();
        object.put(Element::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::from(pixels)));
        change(&mut object);
        let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
        let mut bytes = Vec::new();
        object.with_meta(meta).unwrap().write_all(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_picture_comes_out_and_nobodys_name() {
        let Extract { picture, tags: kept } = extract(&film(|_| {})).unwrap();
        assert_eq!((picture.width(), picture.height()), (8, 6));
        assert_eq!(kept, ["body part: CHEST", "modality: CR", "view: PA"]);
        let png = picture.to_png().unwrap();
        for secret in ["Doe", "Jane", "SECRET", "House", "20260131"] {
            assert!(!png.windows(secret.len()).any(|it| it == secret.as_bytes()), "{secret}");
            assert!(kept.iter().all(|tag| !tag.contains(secret)), "{secret}");
        }
        assert!(film(|_| {}).windows(4).any(|it| it == b"Jane"), "the file itself has it");
    }

    #[test]
    fn text_in_the_place_of_a_code_is_dropped() {
        let named = film(|object| {
            let value = PrimitiveValue::from("chest of Jane Doe, born 1970");
            object.put(Element::new(tags::BODY_PART_EXAMINED, VR::CS, value));
        });
        assert_eq!(extract(&named).unwrap().tags, ["modality: CR", "view: PA"]);
        let burned = film(|object| {
            object.put(Element::new(tags::BURNED_IN_ANNOTATION, VR::CS, PrimitiveValue::from("YES")));
        });
        assert!(extract(&burned).err().unwrap().contains("burned into"));
        let large = film(|object| {
            object.put(Element::new(tags::ROWS, VR::US, PrimitiveValue::from(65_535_u16)));
            object.put(Element::new(tags::COLUMNS, VR::US, PrimitiveValue::from(65_535_u16)));
        });
        assert!(extract(&large).err().unwrap().contains("65535 x 65535"));
    }

    #[test]
    fn a_frame_that_is_a_jpeg_is_one() {
        let mut jpeg = Vec::new();
        let gray = image::RgbImage::from_pixel(8, 6, image::Rgb([120; 3]));
        gray.write_to(&mut Cursor::new(&mut jpeg), image::ImageFormat::Jpeg).unwrap();
        let mut object = dicom_object::from_reader(Cursor::new(film(|_| {}))).unwrap().into_inner();
        let fragments = PixelFragmentSequence::new(vec![], vec![jpeg]);
        object.put(Element::new(tags::PIXEL_DATA, VR::OB, Value::from(fragments)));
        let meta = FileMetaTableBuilder::new().transfer_syntax(uids::JPEG_BASELINE8_BIT);
        let mut bytes = Vec::new();
        object.with_meta(meta).unwrap().write_all(&mut bytes).unwrap();
        let picture = extract(&bytes).unwrap().picture;
        assert_eq!((picture.width(), picture.height()), (8, 6));
    }

    #[test]
    fn broken_files_are_reported() {
        let whole = film(|_| {});
        for cut in (0..whole.len()).step_by(7) {
            // A film cut within its pixels may still show some; nothing may panic or hang.
            drop(extract(&whole[..cut]));
        }
        for at in (0..whole.len()).step_by(3) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0xff;
            drop(extract(&flipped));
        }
        assert!(extract(b"").is_err());
        assert!(extract(b"not a DICOM file").is_err());
        assert!(dicom_object::from_reader(Cursor::new(&whole)).unwrap().decode_pixel_data().is_ok());
    }
}
