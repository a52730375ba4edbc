//! The models of a home: packs in its folder `models`, and which one is used where none is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pmirs_encoder::Encoder;
use pmirs_encoder::pack::MANIFEST;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::report::Failure;

/// The model of those in the program that is used where nobody chose.
pub const BUILT_IN: &str = "compact";

/// Names of the project's own models, whether this program was built with them or not.
const RESERVED: [&str; 2] = [BUILT_IN, "compact-lite"];

const FOLDER: &str = "models";
const CHOICE: &str = "default.toml";
const CHOICE_FORMAT: u32 = 1;
const MAX_CHOICE_BYTES: u64 = 16 << 10;
const MAX_NAME: usize = 64;

/// The models of one home.
pub struct Models {
    folder: PathBuf,
}

/// A model that somebody names, or chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The one of this name in the program.
    BuiltIn(&'static str),
    /// The one of this name in the home.
    Named(String),
    /// A pack elsewhere.
    Folder(PathBuf),
}

/// `default.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Earlier versions left a folder where it lay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folder: Option<PathBuf>,
}

impl Models {
    /// The models of `home`.
    pub fn of(home: &Path) -> Self {
        Self { folder: home.join(FOLDER) }
    }

    /// Where the pack of this name lies, or would lie.
    pub fn place(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Names of the models in this home, sorted; the built-in ones are not among them.
    pub fn names(&self) -> Result<Vec<String>, Failure> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Failure::file(&self.folder, "read", &error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| Failure::file(&self.folder, "read", &error))?.path();
            if let Some(name) = path.file_name().and_then(|name| name.to_str())
                && check_name(name).is_ok()
                && path.join(MANIFEST).is_file()
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// What `named` means: a model of this home by its name, or else a folder.
    pub fn find(&self, named: &Path) -> Result<Choice, Failure> {
        if let Some(name) = named.to_str() {
            if let Some(name) = built_in(name) {
                return Ok(Choice::BuiltIn(name));
            }
            if check_name(name).is_ok() && self.place(name).join(MANIFEST).is_file() {
                return Ok(Choice::Named(name.to_owned()));
            }
        }
        if named.join(MANIFEST).is_file() {
            return Ok(Choice::Folder(named.to_owned()));
        }
        let named = named.display();
        Err(Failure::new(
            Exit::NotFound,
            format!("{named} is neither a model of this home nor a folder with {MANIFEST}"),
            "`pmirs model list` shows the models; `pmirs model add DIR` makes a pack of what others publish",
        ))
    }

    /// The model to use where none is named.
    pub fn chosen(&self) -> Result<Choice, Failure> {
        let path = self.folder.join(CHOICE);
        let size = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Choice::BuiltIn(BUILT_IN));
            }
            Err(error) => return Err(Failure::file(&path, "read", &error)),
        };
        let odd = |reason: &str| {
            let error = format!("{} {reason}", path.display());
            Failure::new(Exit::Integrity, error, "`pmirs model use compact` writes it anew")
        };
        if size > MAX_CHOICE_BYTES {
            return Err(odd("is too large"));
        }
        let text = fs::read_to_string(&path).map_err(|error| Failure::file(&path, "read", &error))?;
        let stored: Stored = toml::from_str(&text).map_err(|error| odd(error.message()))?;
        match stored {
            Stored { format: CHOICE_FORMAT, name: Some(name), folder: None }
                if built_in(&name).is_some() || check_name(&name).is_ok() =>
            {
                Ok(built_in(&name).map_or(Choice::Named(name), Choice::BuiltIn))
            }
            Stored { format: CHOICE_FORMAT, name: None, folder: Some(folder) } => Ok(Choice::Folder(folder)),
            _ => Err(odd("names no model in a way that this version knows")),
        }
    }

    /// Makes the pack of this name: `fill` writes it beside its place, and it is moved there whole. What fails leaves
    /// nothing behind.
    pub fn make<T>(&self, name: &str, fill: impl FnOnce(&Path) -> Result<T, Failure>) -> Result<T, Failure> {
        check_name(name)?;
        let failed = |error: std::io::Error| Failure::file(&self.folder, "write", &error);
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let draft = tempfile::Builder::new().prefix(".adding-").tempdir_in(&self.folder).map_err(failed)?;
        let made = fill(draft.path())?;
        let place = self.place(name);
        fs::rename(draft.path(), &place).map_err(|error| Failure::file(&place, "write", &error))?;
        // Moved, so that there is nothing left to remove.
        drop(draft.keep());
        Ok(made)
    }

    /// Uses the model of this name from now on: one of this home, or a built-in one.
    pub fn choose(&self, name: &str) -> Result<(), Failure> {
        let path = self.folder.join(CHOICE);
        let failed = |error: std::io::Error| Failure::file(&path, "write", &error);
        if name == BUILT_IN {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(()),
            };
        }
        let stored = Stored { format: CHOICE_FORMAT, name: Some(name.to_owned()), folder: None };
        let text = toml::to_string(&stored).map_err(|error| failed(std::io::Error::other(error)))?;
        fs::create_dir_all(&self.folder).map_err(failed)?;
        // Whole or not at all
        let file = tempfile::NamedTempFile::new_in(&self.folder).map_err(failed)?;
        fs::write(file.path(), text).map_err(failed)?;
        file.persist(&path).map(drop).map_err(|error| failed(error.error))
    }

    /// Opens a model.
    pub fn open(&self, choice: &Choice) -> Result<Arc<Encoder>, Failure> {
        let folder = match choice {
            Choice::BuiltIn(name) => return Ok(Arc::new(Encoder::builtin(name)?)),
            Choice::Named(name) => self.place(name),
            Choice::Folder(folder) => folder.clone(),
        };
        if !folder.join(MANIFEST).is_file() {
            let error = format!("the model in use, {}, is not there any more", folder.display());
            let hint =
                "choose another with `pmirs model use NAME`; `pmirs model use compact` is the built-in one";
            return Err(Failure::new(Exit::NotFound, error, hint));
        }
        Ok(Arc::new(Encoder::open(&folder)?))
    }
}

/// The name of a model in the program.
pub fn built_in(name: &str) -> Option<&'static str> {
    Encoder::builtin_names().find(|known| *known == name)
}

/// A name that is also a plain name of a folder.
pub fn check_name(name: &str) -> Result<(), Failure> {
    let plain = !name.is_empty()
        && name.len() <= MAX_NAME
        && !name.starts_with(['.', '-'])
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        && !RESERVED.contains(&name)
        && name != CHOICE;
    if plain {
        return Ok(());
    }
    let error = format!("'{name}' cannot be the name of a model");
    let hint = "choose up to 64 letters, digits, `-`, `_` and `.`; `compact` and `compact-lite` are built in";
    Err(Failure::new(Exit::Usage, error, hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(MANIFEST), "").unwrap();
    }

    #[test]
    fn a_name_goes_before_a_folder_and_a_choice_is_remembered() {
        let home = tempfile::tempdir().unwrap();
        let models = Models::of(home.path());
        assert_eq!(models.chosen().unwrap(), Choice::BuiltIn(BUILT_IN));
        assert!(models.names().unwrap().is_empty());
        pack(&models.place("clip"));
        fs::create_dir(models.place("no-pack")).unwrap();
        assert_eq!(models.names().unwrap(), ["clip"]);
        let named = models.find(Path::new("clip")).unwrap();
        assert_eq!(named, Choice::Named("clip".into()));
        models.choose("clip").unwrap();
        assert_eq!(models.chosen().unwrap(), named);
        let elsewhere = home.path().join("elsewhere");
        pack(&elsewhere);
        assert_eq!(models.find(&elsewhere).unwrap(), Choice::Folder(elsewhere));
        for name in Encoder::builtin_names() {
            assert_eq!(models.find(Path::new(name)).unwrap(), Choice::BuiltIn(name));
            models.choose(name).unwrap();
            assert_eq!(models.chosen().unwrap(), Choice::BuiltIn(name));
        }
        models.choose(BUILT_IN).unwrap();
        assert!(models.find(Path::new("unheard-of")).is_err());
    }

    #[test]
    fn a_choice_of_another_version_or_shape_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let models = Models::of(home.path());
        fs::create_dir(&models.folder).unwrap();
        for bad in [
            "format = 2\nname = \"clip\"",
            "format = 1\nname = \"../up\"",
            "format = 1",
            "=",
            &"#".repeat(20_000),
        ] {
            fs::write(models.folder.join(CHOICE), bad).unwrap();
            assert!(models.chosen().is_err(), "{bad:.40}");
        }
    }

    #[test]
    fn names_are_plain() {
        for bad in ["", ".hidden", "-x", "a/b", "a b", "compact", "compact-lite", "..", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        check_name("clip-vit-b-32_v1.0").unwrap();
    }
}
