//! Many shots of each scene of the gallery, as several people would take them: from nearer, mirrored, in another
//! light.

use std::path::Path;

use image::{RgbImage, imageops};
use pmirs_crypto::Prg;
use rand::RngExt as _;

use super::{Drawing, paint, save, scene, shared_out};
use crate::report::Failure;

/// The least side of a shot, relative to the scene's.
const NEAREST: f32 = 0.6;
/// How far the light of a channel may be from the scene's.
const LIGHT: f32 = 0.2;

/// A shot to take: of the scene drawn as `scene`, the `number`th.
pub struct Shot<'a> {
    /// The scene's file name.
    pub scene: &'a str,
    /// Which of its shots; each is another.
    pub number: u32,
    /// Where it goes.
    pub path: &'a Path,
}

/// Takes shots and writes them; every scene is drawn once.
pub fn shots(wanted: &[Shot<'_>]) -> Result<(), Failure> {
    shared_out(&scene::all(), |drawing: &Drawing| {
        let mut of = wanted.iter().filter(|shot| shot.scene == drawing.name).peekable();
        if of.peek().is_none() {
            return Ok(());
        }
        let drawn = paint(drawing);
        of.try_for_each(|shot| save(&take(&drawn, shot), shot.path))
    })
}

fn take(drawn: &RgbImage, shot: &Shot<'_>) -> RgbImage {
    let mut rng = Prg::new(&[0; 32], format!("{} {}", shot.scene, shot.number).as_bytes());
    let mut within = |least: f32, most: f32| least + (most - least) * rng.random::<f32>();
    let side = within(NEAREST, 1.0);
    let [width, height] = [drawn.width(), drawn.height()].map(|whole| (whole as f32 * side) as u32);
    let [left, top] =
        [drawn.width() - width, drawn.height() - height].map(|room| (room as f32 * within(0.0, 1.0)) as u32);
    let mut shot = imageops::crop_imm(drawn, left, top, width, height).to_image();
    if within(0.0, 1.0) < 0.5 {
        imageops::flip_horizontal_in_place(&mut shot);
    }
    let light = [(); 3].map(|()| within(1.0 - LIGHT, 1.0 + LIGHT));
    for pixel in shot.pixels_mut() {
        pixel.0.iter_mut().zip(light).for_each(|(value, light)| {
            *value = (f32::from(*value) * light).round().clamp(0.0, 255.0) as u8;
        });
    }
    shot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shots_of_a_scene_differ_and_come_out_again() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..4).map(|number| folder.path().join(format!("{number}.png"))).collect();
        let numbers = [0, 1, 2, 1];
        let wanted = paths.iter().zip(numbers).map(|(path, number)| Shot { scene: "dog.jpg", number, path });
        shots(&wanted.collect::<Vec<_>>()).unwrap();
        let written: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        assert_eq!(written[1], written[3]);
        assert!(written[0] != written[1] && written[1] != written[2] && written[0] != written[2]);
    }
}
