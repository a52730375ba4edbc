//! A small world: a cloud on loopback, a person with a home, and a folder of drawn pictures and notes.

use std::fs;
use std::path::PathBuf;

use pmirs_cloud::{Config, Embedded, Limits, Rate};
use pmirs_crypto::Argon2Params;
use pmirs_encoder::Picture;
use pmirs_vault::{LoginOptions, Vault};
use tempfile::TempDir;

/// A cloud and one person who is logged in to it.
pub struct World {
    pub folder: TempDir,
    pub cloud: Embedded,
    pub vault: Vault,
    pub words: String,
}

pub const PASSPHRASE: &str = "a passphrase for tests";

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Some tests ask as fast as the machine can; how fast that is must not decide whether they pass.
        let any = Rate::new(u32::MAX, u32::MAX);
        let limits = Limits { account_rate: any, peer_rate: any, login_rate: any, ..Limits::default() };
        let config = Config { limits, ..Config::loopback(folder.path().join("cloud")) };
        let cloud = Embedded::start(config).unwrap();
        let home = folder.path().join("home");
        let (vault, words) = Vault::create_with(&home, PASSPHRASE, &Argon2Params::insecure_fast()).unwrap();
        let invite = cloud.first_invite();
        let name = Some("owner".to_owned());
        vault.login(cloud.url(), &LoginOptions { invite, name, ..LoginOptions::default() }).unwrap();
        Self { words: words.as_str().to_owned(), folder, cloud, vault }
    }

    /// A folder with four plain pictures and two notes.
    pub fn pictures(&self) -> PathBuf {
        let folder = self.folder.path().join("pictures");
        fs::create_dir_all(folder.join("notes")).unwrap();
        for (name, rgb) in [("red", [200, 30, 30]), ("green", [30, 160, 40]), ("blue", [30, 60, 200])] {
            fs::write(folder.join(name).with_extension("png"), plain(64, 48, rgb)).unwrap();
        }
        fs::write(folder.join("stripes.png"), stripes(64, 48)).unwrap();
        fs::write(folder.join("notes/dog.txt"), "A brown dog runs along the beach in the evening.").unwrap();
        fs::write(folder.join("notes/invoice.md"), "# Invoice\n\nTwo bicycles, paid in March.").unwrap();
        folder
    }
}

/// A picture of one colour, as PNG.
pub fn plain(width: u32, height: u32, rgb: [u8; 3]) -> Vec<u8> {
    let pixels = rgb.repeat((width * height) as usize);
    Picture::from_rgb(width, height, pixels).unwrap().to_png().unwrap()
}

fn stripes(width: u32, height: u32) -> Vec<u8> {
    let pixels = (0..width * height)
        .flat_map(|at| if (at % width / 8).is_multiple_of(2) { [240; 3] } else { [15; 3] })
        .collect();
    Picture::from_rgb(width, height, pixels).unwrap().to_png().unwrap()
}
