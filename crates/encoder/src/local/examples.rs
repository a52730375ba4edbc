//! Pictures with captions, reduced to what the part that does not train makes of them.

use serde::{Deserialize, Serialize};

use crate::compact::train::objective::Rows;

/// What a learner keeps of pictures and captions. As private as they are.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Examples {
    pub(super) seen: Vec<Seen>,
    pub(super) said: Vec<Vec<Said>>,
}

/// One picture.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Seen {
    /// The trunk's features, or the model's unit vector.
    Vector(Vec<f32>),
    /// Pixels at the model's size, interleaved, where the trunk trains.
    Pixels(Vec<u8>),
}

/// One caption.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Said {
    /// Tokens without start and end.
    Tokens(Vec<u32>),
    /// The model's unit vector.
    Vector(Vec<f32>),
}

impl Examples {
    /// Pictures.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Captions of a picture.
    pub fn captions(&self, picture: usize) -> usize {
        self.said.get(picture).map_or(0, Vec::len)
    }

    /// Puts others behind these.
    pub fn append(&mut self, mut others: Self) {
        self.seen.append(&mut others.seen);
        self.said.append(&mut others.said);
    }

    /// The vectors of these pictures.
    pub(super) fn rows(&self, pictures: &[usize]) -> Rows {
        let vector = |picture: &usize| match self.seen.get(*picture) {
            Some(Seen::Vector(vector)) => vector.as_slice(),
            _ => &[],
        };
        rows(pictures.iter().map(vector))
    }

    pub(super) fn pixels(&self, picture: usize) -> &[u8] {
        match self.seen.get(picture) {
            Some(Seen::Pixels(pixels)) => pixels,
            _ => &[],
        }
    }

    fn caption(&self, (picture, number): (usize, usize)) -> Option<&Said> {
        self.said.get(picture)?.get(number)
    }

    /// The tokens of captions, each by its picture and number.
    pub(super) fn tokens(&self, captions: &[(usize, usize)]) -> Vec<Vec<u32>> {
        let tokens = |at: &(usize, usize)| match self.caption(*at) {
            Some(Said::Tokens(tokens)) => tokens.clone(),
            _ => Vec::new(),
        };
        captions.iter().map(tokens).collect()
    }

    /// The vectors of captions.
    pub(super) fn vectors(&self, captions: &[(usize, usize)]) -> Rows {
        let vector = |at: &(usize, usize)| match self.caption(*at) {
            Some(Said::Vector(vector)) => vector.as_slice(),
            _ => &[],
        };
        rows(captions.iter().map(vector))
    }

    /// Every caption of these pictures.
    pub(super) fn all_captions(&self, pictures: &[usize]) -> Vec<(usize, usize)> {
        let of = |picture: &usize| {
            let picture = *picture;
            (0..self.captions(picture)).map(move |number| (picture, number))
        };
        pictures.iter().flat_map(of).collect()
    }
}

fn rows<'a>(rows: impl Iterator<Item = &'a [f32]> + Clone) -> Rows {
    let width = rows.clone().next().map_or(0, <[f32]>::len);
    Rows { values: rows.flatten().copied().collect(), width }
}

impl std::fmt::Debug for Examples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Examples({} pictures, redacted)", self.len())
    }
}
