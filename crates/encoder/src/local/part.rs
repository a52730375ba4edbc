//! Which part of a model trains.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most weights that an adapter may have.
pub const MOST_ADAPTER_WEIGHTS: u32 = 500_000;

/// What trains, and what stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Every layer of a compact model.
    All,
    /// The image head and the text tower of a compact model, on the features of its frozen trunk.
    Heads,
    /// A low-rank residual on the frozen unit vectors of any model.
    Adapter {
        /// Most weights that it may have, at most [`MOST_ADAPTER_WEIGHTS`]; its rank follows from them.
        weights: u32,
    },
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Heads => f.write_str("heads"),
            Self::Adapter { weights } => write!(f, "adapter:{weights}"),
        }
    }
}

/// As [`Part`] is displayed; `adapter` alone has as many weights as one may have.
impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || format!("'{text}' is no part of a model; expected all, heads, adapter or adapter:WEIGHTS");
        match text {
            "all" => Ok(Self::All),
            "heads" => Ok(Self::Heads),
            "adapter" => Ok(Self::Adapter { weights: MOST_ADAPTER_WEIGHTS }),
            _ => {
                let weights =
                    text.strip_prefix("adapter:").and_then(|it| it.parse().ok()).ok_or_else(expected)?;
                if weights > MOST_ADAPTER_WEIGHTS {
                    return Err(format!(
                        "an adapter of {weights} weights; expected at most {MOST_ADAPTER_WEIGHTS}"
                    ));
                }
                Ok(Self::Adapter { weights })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_they_are_written() {
        for part in [Part::All, Part::Heads, Part::Adapter { weights: 5000 }] {
            assert_eq!(part.to_string().parse(), Ok(part));
        }
        assert_eq!("adapter".parse(), Ok(Part::Adapter { weights: MOST_ADAPTER_WEIGHTS }));
        for wrong in ["", "trunk", "adapter:", "adapter:-1", "adapter:500001"] {
            assert!(wrong.parse::<Part>().is_err(), "{wrong}");
        }
    }
}
