//! Which class folders belong to which domain, and what a class is called.
//!
//! ```toml
//! [[domain]]
//! name = "natural scenes and animals"
//! classes = ["ant", "Leopards", "water_lilly"]
//!
//! [words]                      # where the folder's name is not what a person would say
//! Leopards = "a leopard"
//! ```

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::super::files::{self, Class};
use super::super::{EvalError, Selection};

/// The most classes, and the longest words for one.
const MOST_CLASSES: usize = 10_000;
const LONGEST_WORDS: usize = 200;

/// What a picture can be said to show.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Label {
    /// With its article: `an ant`.
    pub(super) words: String,
    pub(super) domain: usize,
    pub(super) pictures: Vec<PathBuf>,
}

/// All labels, by domain.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) domains: Vec<String>,
    pub(super) labels: Vec<Label>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    #[serde(rename = "domain")]
    domains: Vec<Domain>,
    #[serde(default)]
    words: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Domain {
    name: String,
    classes: Vec<String>,
}

impl Labels {
    /// Reads the description in `file` over the class folders in `root`. Folders whose words are equal are one
    /// label; labels without a selected picture are left out.
    pub(super) fn read(file: &Path, root: &Path, selection: Selection) -> Result<Self, EvalError> {
        let text = files::text(file)?;
        let description: Description = toml::from_str(&text)
            .map_err(|error| EvalError::file(file, &error.to_string().trim_end().replace('\n', " ")))?;
        let folders: HashMap<String, Class> =
            files::classes(root, selection)?.into_iter().map(|class| (class.name.clone(), class)).collect();
        let wrong = |field: String, reason: String| EvalError::Field { path: file.to_owned(), field, reason };
        check(&description, &folders, root).map_err(|(field, reason)| wrong(field, reason))?;

        let mut labels: Vec<Label> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for (domain, Domain { classes, .. }) in description.domains.iter().enumerate() {
            for class in classes.iter().filter_map(|class| folders.get(class)) {
                let words =
                    description.words.get(&class.name).cloned().unwrap_or_else(|| with_article(class));
                let at = *known.entry(words.clone()).or_insert(labels.len());
                match labels.get_mut(at) {
                    Some(label) if label.domain == domain => {
                        label.pictures.extend_from_slice(&class.pictures);
                    }
                    Some(_) => {
                        let reason = format!("'{words}' is in another domain already");
                        return Err(wrong(format!("words of {}", class.name), reason));
                    }
                    None => labels.push(Label { words, domain, pictures: class.pictures.clone() }),
                }
            }
        }
        labels.retain(|label| !label.pictures.is_empty());
        let domains: Vec<String> = description.domains.into_iter().map(|domain| domain.name).collect();
        if let Some(empty) = (0..domains.len()).find(|at| labels.iter().all(|label| label.domain != *at)) {
            let field = format!("domain[{empty}].classes");
            return Err(wrong(field, "none of its folders holds a selected picture".to_owned()));
        }
        Ok(Self { domains, labels })
    }
}

/// Every name leads to one folder; what is wrong comes with its field.
fn check(
    description: &Description,
    folders: &HashMap<String, Class>,
    root: &Path,
) -> Result<(), (String, String)> {
    let Description { domains, words } = description;
    if domains.is_empty() {
        return Err(("domain".into(), "there is none".into()));
    }
    let classes: usize = domains.iter().map(|domain| domain.classes.len()).sum();
    if classes > MOST_CLASSES {
        return Err(("domain".into(), format!("{classes} classes are more than {MOST_CLASSES}")));
    }
    let unknown = |class: &str| format!("'{class}' is no folder in {}", root.display());
    let mut seen = HashMap::new();
    for (at, Domain { name, classes }) in domains.iter().enumerate() {
        if name.trim().is_empty() || domains.iter().take(at).any(|other| other.name == *name) {
            return Err((format!("domain[{at}].name"), format!("'{name}' is empty or not the only one")));
        }
        for (place, class) in classes.iter().enumerate() {
            let field = format!("domain[{at}].classes[{place}]");
            if !folders.contains_key(class) {
                return Err((field, unknown(class)));
            }
            if let Some(other) = seen.insert(class, field.clone()) {
                return Err((field, format!("'{class}' is at {other} already")));
            }
        }
    }
    for (class, words) in words {
        let field = format!("words.{class}");
        if !seen.contains_key(class) {
            return Err((field, format!("'{class}' is in no domain")));
        }
        if words.trim().is_empty() || words.chars().count() > LONGEST_WORDS {
            return Err((field, format!("expected 1 to {LONGEST_WORDS} characters")));
        }
    }
    Ok(())
}

fn with_article(class: &Class) -> String {
    let words = class.words();
    let article = if words.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[[domain]]\nname = 'nature'\nclasses = ['ant', 'cat_face', 'cat']\n\
                        [[domain]]\nname = 'things'\nclasses = ['car_side']\n[words]\ncat_face = 'a cat'\n";

    fn read(description: &str) -> Result<Labels, String> {
        let folder = tempfile::tempdir().unwrap();
        for class in ["ant", "cat", "cat_face", "car_side", "unlisted"] {
            std::fs::create_dir_all(folder.path().join("data").join(class)).unwrap();
            std::fs::write(folder.path().join("data").join(class).join("1.jpg"), b"x").unwrap();
        }
        std::fs::create_dir(folder.path().join("data/hollow")).unwrap();
        let file = folder.path().join("domains.toml");
        std::fs::write(&file, description).unwrap();
        let place = format!("{}", folder.path().display());
        Labels::read(&file, &folder.path().join("data"), Selection::All)
            .map_err(|error| error.to_string().replace(&place, ""))
    }

    #[test]
    fn classes_become_labels_and_equal_words_one_label() {
        let Labels { domains, labels } = read(GOOD).unwrap();
        assert_eq!(domains, ["nature", "things"]);
        let told: Vec<_> =
            labels.iter().map(|it| (it.words.as_str(), it.domain, it.pictures.len())).collect();
        assert_eq!(told, [("an ant", 0, 1), ("a cat", 0, 2), ("a car side", 1, 1)]);
    }

    #[test]
    fn what_is_wrong_is_told_with_file_and_field() {
        let with = |from: &str, to: &str| read(&GOOD.replace(from, to)).unwrap_err();
        assert_eq!(
            with("'ant'", "'aunt'"),
            "/domains.toml: domain[0].classes[0]: 'aunt' is no folder in /data"
        );
        assert_eq!(
            with("'car_side'", "'ant'"),
            "/domains.toml: domain[1].classes[0]: 'ant' is at domain[0].classes[0] already"
        );
        assert_eq!(
            with("cat_face = ", "unlisted = "),
            "/domains.toml: words.unlisted: 'unlisted' is in no domain"
        );
        assert!(with("'a cat'", "''").contains("words.cat_face: expected 1 to 200 characters"));
        assert!(
            with("'a cat'", "'a car side'").contains("words of car_side: 'a car side' is in another domain")
        );
        assert!(
            with("'things'", "'nature'").contains("domain[1].name: 'nature' is empty or not the only one")
        );
        assert!(with("['car_side']", "['hollow']").contains("domain[1].classes: none of its folders"));
        assert!(with("[words]", "[wrods]").contains("/domains.toml: TOML parse error"));
        assert!(read("domain = []").unwrap_err().contains("domain: there is none"));
    }
}
