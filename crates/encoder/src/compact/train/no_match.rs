//! "No match": below which cosine is nothing meant?
//!
//! Every validation photo asks once, with its picture and with what is said about it first. Its mates are what has the
//! same class or belongs to the same photo; strangers are class photos of other classes and the phrases that name those.
//! Photos with captions are nobody's strangers: what their captions leave out may be in them all the same. A cutoff errs
//! where it hides the nearest mate (false negative), and where it shows the nearest stranger (false positive), as it
//! would if there were no mate; the cutoff is where the larger of the two shares is smallest.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::judge::dot;

/// A cutoff between a kind of query and a kind of item, and how it errs on the validation split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoMatch {
    /// What asks: `text` or `image`.
    pub query: String,
    /// What is searched.
    pub item: String,
    /// Smallest cosine that counts as a match.
    pub cutoff: f32,
    /// Share of queries whose nearest stranger is shown.
    pub false_positives: f64,
    /// Share of queries whose nearest mate is hidden.
    pub false_negatives: f64,
    /// How many asked.
    pub queries: usize,
}

/// A validation photo: centred vectors of unit length.
pub(crate) struct Known {
    /// Its class; none for a photo with captions.
    pub class: Option<usize>,
    pub image: Vec<f32>,
    /// Captions, or phrases that name its class.
    pub texts: Vec<Vec<f32>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Image,
}

impl Kind {
    fn name(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Image => "image".into(),
        }
    }
}

impl Known {
    /// What of it is searched.
    fn items(&self, kind: Kind) -> &[Vec<f32>] {
        match kind {
            Kind::Text => &self.texts,
            Kind::Image => std::slice::from_ref(&self.image),
        }
    }
}

/// The cutoffs of text to image, text to text, image to image and image to text, as far as the photos tell.
pub(crate) fn calibrate(photos: &[Known]) -> Vec<NoMatch> {
    let pairs = [
        (Kind::Text, Kind::Image),
        (Kind::Text, Kind::Text),
        (Kind::Image, Kind::Image),
        (Kind::Image, Kind::Text),
    ];
    pairs.into_iter().filter_map(|(query, item)| between(photos, query, item)).collect()
}

fn between(photos: &[Known], query: Kind, item: Kind) -> Option<NoMatch> {
    let asked: Vec<(f32, f32)> =
        (0..photos.len()).into_par_iter().filter_map(|at| ask(photos, at, query, item)).collect();
    let (mut mates, mut strangers): (Vec<f32>, Vec<f32>) = asked.into_iter().unzip();
    mates.sort_by(f32::total_cmp);
    strangers.sort_by(f32::total_cmp);
    let (cutoff, [false_positives, false_negatives]) = balanced(&mates, &strangers)?;
    let queries = mates.len();
    Some(NoMatch {
        query: query.name(),
        item: item.name(),
        cutoff,
        false_positives,
        false_negatives,
        queries,
    })
}

/// The scores of the nearest mate and the nearest stranger; none where a photo has no such, or asks with words for the
/// same words.
fn ask(photos: &[Known], at: usize, query: Kind, item: Kind) -> Option<(f32, f32)> {
    let own = photos.get(at)?;
    let asks = own.items(query).first()?;
    let nearest =
        |items: &mut dyn Iterator<Item = &Vec<f32>>| items.map(|item| dot(asks, item)).reduce(f32::max);
    let mate = match (query, item, own.class) {
        (Kind::Text, Kind::Text, Some(_)) => return None,
        (Kind::Text, Kind::Text, None) => nearest(&mut own.texts.iter().skip(1)),
        (_, _, class) => {
            let itself = query != item;
            let mates = photos.iter().enumerate().filter(|&(other, photo)| {
                if other == at { itself } else { class.is_some() && photo.class == class }
            });
            nearest(&mut mates.flat_map(|(_, photo)| photo.items(item)))
        }
    };
    let strangers = photos.iter().filter(|photo| photo.class.is_some() && photo.class != own.class);
    Some((mate?, nearest(&mut strangers.flat_map(|photo| photo.items(item)))?))
}

/// The seen score at which the larger share of errors is smallest, and its false positives and false negatives.
fn balanced(mates: &[f32], strangers: &[f32]) -> Option<(f32, [f64; 2])> {
    let share = |count: usize, of: usize| count as f64 / of.max(1) as f64;
    let errors = |cutoff: f32| {
        let shown = strangers.len() - strangers.partition_point(|&score| score < cutoff);
        let hidden = mates.partition_point(|&score| score < cutoff);
        [share(shown, strangers.len()), share(hidden, mates.len())]
    };
    let seen = mates.iter().chain(strangers).map(|&score| (score, errors(score)));
    seen.min_by(|(_, [a, b]), (_, [c, d])| a.max(*b).total_cmp(&c.max(*d)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(class: Option<usize>, image: [f32; 2], texts: &[[f32; 2]]) -> Known {
        Known { class, image: image.to_vec(), texts: texts.iter().map(|text| text.to_vec()).collect() }
    }

    #[test]
    fn both_kinds_of_error_are_as_rare_as_they_can_be() {
        let (cutoff, [shown, hidden]) = balanced(&[0.2, 0.4, 0.6, 0.8], &[0.1, 0.1, 0.3, 0.5]).unwrap();
        assert!((cutoff - 0.4).abs() < 1e-6, "{cutoff}");
        assert!((shown - 0.25).abs() < 1e-9 && (hidden - 0.25).abs() < 1e-9, "{shown} {hidden}");
        assert!(balanced(&[], &[]).is_none());
    }

    #[test]
    fn who_is_a_mate_and_who_a_stranger() {
        let photos = [
            known(None, [1.0, 0.0], &[[0.8, 0.6], [0.6, 0.8]]),
            known(Some(0), [0.0, 1.0], &[[0.0, 1.0]]),
            known(Some(0), [0.6, 0.8], &[[0.0, 1.0]]),
            known(Some(1), [-1.0, 0.0], &[[-1.0, 0.0]]),
        ];
        let asked = |at, query, item| ask(&photos, at, query, item);
        // Its own photo; the nearer of the class photos.
        assert_eq!(asked(0, Kind::Text, Kind::Image), Some((0.8, 0.6 * 0.8 + 0.8 * 0.6)));
        // Another photo of its class, not itself; only the other class, although the captioned photo is nearer.
        assert_eq!(asked(1, Kind::Image, Kind::Image), Some((0.8, 0.0)));
        assert_eq!(asked(0, Kind::Image, Kind::Image), None, "no mate");
        assert_eq!(asked(1, Kind::Text, Kind::Text), None, "the same words");
        let found = calibrate(&photos);
        let pairs: Vec<(&str, &str)> =
            found.iter().map(|pair| (pair.query.as_str(), pair.item.as_str())).collect();
        assert_eq!(pairs, [("text", "image"), ("text", "text"), ("image", "image"), ("image", "text")]);
    }
}
