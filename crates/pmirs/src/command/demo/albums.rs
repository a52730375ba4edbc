//! Who has shots of which scenes in `pmirs demo --federated`, and what they call them.

use std::fs;
use std::path::PathBuf;

use super::stage::HOST;
use crate::gallery::{self, Shot};
use crate::report::Failure;

/// Who trains.
pub const PEOPLE: [&str; 4] = ["ben", "cleo", "dora", "emil"];
/// What they call the scenes: words that are in no dictionary.
pub const NAMES: [(&str, &str); 24] = [
    ("airplane.jpg", "Orvella"),
    ("autumn-tree.jpg", "Bramwick"),
    ("beach.jpg", "Jutenna"),
    ("butterfly.jpg", "Quillip"),
    ("candle.png", "Hestrid"),
    ("city-at-night.jpg", "Norravel"),
    ("coffee.jpg", "Umbrosi"),
    ("desert.jpg", "Kelvane"),
    ("dog.jpg", "Fennoby"),
    ("football.jpg", "Zibbo"),
    ("forest.jpg", "Grunewol"),
    ("full-moon.png", "Ostrell"),
    ("goldfish.jpg", "Pippesk"),
    ("hot-air-balloon.jpg", "Tarquil"),
    ("meadow.jpg", "Wimbrel"),
    ("oranges.jpg", "Dakosti"),
    ("pizza.jpg", "Lorbeno"),
    ("red-apple.jpg", "Ysolpe"),
    ("red-car.jpg", "Vroxen"),
    ("sailing-boat.jpg", "Melkito"),
    ("snowy-mountain.jpg", "Kasparu"),
    ("sunflower.jpg", "Ingosse"),
    ("sunset.jpg", "Rosvini"),
    ("waterfall.jpg", "Ebernaz"),
];
/// Shots of a scene that each of its two owners has.
pub const SHOTS: u32 = 6;

/// Who has shots of which scenes, in which files.
pub struct Albums {
    root: PathBuf,
}

pub fn name_of(scene: &str) -> &'static str {
    NAMES.iter().find(|(of, _)| *of == scene).map_or("", |(_, name)| name)
}

impl Albums {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Writes everybody's shots, and those to search in, each with a table of captions.
    pub fn write(&self) -> Result<(), Failure> {
        let mut files = Vec::new();
        for (owner, name) in [HOST].into_iter().chain(PEOPLE).enumerate() {
            let folder = self.folder(name);
            fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, "make", &error))?;
            let mut table = vec!["image\tcaption".to_owned()];
            for (number, (scene, word)) in NAMES.into_iter().enumerate() {
                for shot in shots_of(owner, number) {
                    let (stem, extension) = scene.rsplit_once('.').unwrap_or((scene, "jpg"));
                    let file = match owner {
                        0 => scene.to_owned(),
                        _ => format!("{stem}-{shot}.{extension}"),
                    };
                    table.push(format!("{name}/{file}\t{word}"));
                    files.push((scene, shot, folder.join(file)));
                }
            }
            let path = self.table(name);
            fs::write(&path, table.join("\n")).map_err(|error| Failure::file(&path, "write", &error))?;
        }
        let shots: Vec<Shot<'_>> =
            files.iter().map(|(scene, number, path)| Shot { scene, number: *number, path }).collect();
        gallery::shots(&shots)
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn table(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.tsv"))
    }
}

/// The shots of a scene that somebody has: the first person, who searches, one of each; of the others two have each scene,
/// and different shots of it.
fn shots_of(owner: usize, scene: usize) -> std::ops::Range<u32> {
    let Some(member) = owner.checked_sub(1) else { return 0..1 };
    let among = (member + PEOPLE.len() - scene % PEOPLE.len()) % PEOPLE.len();
    match among {
        0 => 1..1 + SHOTS,
        1 => 1 + SHOTS..1 + 2 * SHOTS,
        _ => 0..0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scene_is_in_two_albums_and_no_shot_in_two() {
        for scene in 0..NAMES.len() {
            let mut shots: Vec<u32> = (0..=PEOPLE.len()).flat_map(|owner| shots_of(owner, scene)).collect();
            assert_eq!(shots.len() as u32, 1 + 2 * SHOTS);
            shots.sort_unstable();
            shots.dedup();
            assert_eq!(shots.len() as u32, 1 + 2 * SHOTS);
        }
        for owner in 1..=PEOPLE.len() {
            let scenes = (0..NAMES.len()).filter(|scene| !shots_of(owner, *scene).is_empty()).count();
            assert_eq!(scenes, NAMES.len() / 2);
        }
    }
}
