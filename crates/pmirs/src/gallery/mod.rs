//! A small gallery that the program draws itself, so that `pmirs demo` has something to find on any machine.
//!
//! Each picture is a function from a place on the canvas to a colour: gradients, noise, soft light and a few
//! shapes, close enough to a photograph for a model that was trained on photographs. Drawing is
//! deterministic.

mod album;
mod note;
mod paint;
mod scene;

use std::fs;
use std::path::Path;
use std::thread;

use image::RgbImage;

use crate::report::Failure;

pub use album::{Shot, shots};
pub use note::NOTES;

const WIDTH: u32 = 400;
const HEIGHT: u32 = 300;

/// A picture to draw: its file name and how.
struct Drawing {
    name: &'static str,
    paint: fn(paint::Point) -> paint::Color,
}

const fn drawing(name: &'static str, paint: fn(paint::Point) -> paint::Color) -> Drawing {
    Drawing { name, paint }
}

/// Draws every picture into `folder`, and writes the notes beside them.
pub fn write(folder: &Path) -> Result<usize, Failure> {
    let drawings = scene::all();
    shared_out(&drawings, |drawing| save(&paint(drawing), &folder.join(drawing.name)))?;
    for (name, text) in NOTES {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| Failure::file(&path, "write", &error))?;
    }
    Ok(drawings.len() + NOTES.len())
}

/// Does something with each, on every core.
fn shared_out<T: Sync>(all: &[T], each: impl Fn(&T) -> Result<(), Failure> + Sync) -> Result<(), Failure> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = all.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let each = &each;
        let workers: Vec<_> =
            all.chunks(share).map(|share| scope.spawn(move || share.iter().try_for_each(each))).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn paint(drawing: &Drawing) -> RgbImage {
    paint::canvas(WIDTH, HEIGHT, drawing.paint)
}

fn save(picture: &RgbImage, path: &Path) -> Result<(), Failure> {
    picture.save(path).map_err(|error| Failure::file(path, "write", &std::io::Error::other(error)))
}

/// One drawing by its file name, for tests and audits.
#[cfg(test)]
fn draw(name: &str) -> Option<RgbImage> {
    let drawings = scene::all();
    let drawing = drawings.iter().find(|drawing| drawing.name == name)?;
    Some(paint(drawing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawing_is_deterministic() {
        assert_eq!(draw("red-apple.jpg").unwrap().as_raw(), draw("red-apple.jpg").unwrap().as_raw());
    }

    #[test]
    fn every_picture_and_note_is_written_and_differs_from_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let written = write(folder.path()).unwrap();
        let mut contents: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| fs::read(entry.unwrap().path()).unwrap())
            .collect();
        contents.sort();
        contents.dedup();
        assert_eq!(contents.len(), written);
    }
}
