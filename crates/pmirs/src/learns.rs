//! The "who learns what" table: what a protection level tells the cloud, in one place for every page that
//! says it.

use std::fmt;

use pmirs_vault::Protection;

/// One row: what a level means for the person who chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The level's name, as typed.
    pub level: &'static str,
    /// Where pictures and queries are compared.
    pub matching: &'static str,
    /// What the operator of the cloud can find out.
    pub cloud_learns: &'static str,
    /// What the level is good for.
    pub fits: &'static str,
}

/// `sealed`: the cloud stores, the client matches.
pub const SEALED: Row = Row {
    level: "sealed",
    matching: "on your computer, over a synced encrypted index",
    cloud_learns: "sizes, counts, timing, which blobs are fetched; of each collection who is a member with which role, \
                   who shared it with whom and when, and who added or removed how many items when",
    fits: "personal and team archives up to about 1,000,000 items",
};

/// `veiled`: the cloud matches over obfuscated embeddings.
pub const VEILED: Row = Row {
    level: "veiled",
    matching: "on the cloud server, over obfuscated embeddings",
    cloud_learns: "the above, which items share a tag or a kind, how many do and which tags go together (a former member \
                   can test guesses at those of their time), plus every query's scores up to a factor and, past some tens of \
                   thousands of items or a few dozen known pairs, the geometry of the embeddings (measured by `pmirs audit`)",
    fits: "thin clients, large shared collections, stock vector databases",
};

/// `split`: three servers match over secret shares.
pub const SPLIT: Row = Row {
    level: "split",
    matching: "on three servers of different operators, over secret shares",
    cloud_learns: "what it learns at `sealed`, and which items each search opens; no one of the three servers learns an \
                   embedding, a query, a score or a rank: each sees who asks, how many items there are and how many are \
                   wanted, their random identifiers, and when, and of a search with `--index tree` which slots of a padded and \
                   shuffled table it touches; any two of them together learn all embeddings and queries",
    fits: "medical and regulated data, where three operators can be found who do not conspire",
};

/// Every level, the most private first.
pub const TABLE: [Row; 3] = [SEALED, VEILED, SPLIT];

/// The row of a level.
pub fn row(level: Protection) -> Row {
    match level {
        Protection::Sealed => SEALED,
        Protection::Veiled => VEILED,
        Protection::Split => SPLIT,
    }
}

impl Row {
    /// What the cloud learns, outside the table: "the above" only makes sense below its first row.
    pub fn all_that_the_cloud_learns(&self) -> String {
        let referring = ["the above", "what it learns at `sealed`"];
        match referring.iter().find_map(|words| self.cloud_learns.strip_prefix(words)) {
            Some(rest) => format!("{}{rest}", SEALED.cloud_learns),
            None => self.cloud_learns.to_owned(),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let learns = self.all_that_the_cloud_learns();
        writeln!(f, "  protection    {}", self.level)?;
        writeln!(f, "  matching      {}", self.matching)?;
        writeln!(f, "  cloud learns  {}", hang(&learns, 16, 100))?;
        write!(f, "  it fits       {}", self.fits)
    }
}

/// The table as README and ARCHITECTURE carry it.
pub fn markdown() -> String {
    let mut table =
        String::from("| level | where matching happens | the cloud learns | it fits |\n|---|---|---|---|\n");
    table.extend(TABLE.map(|Row { level, matching, cloud_learns, fits }| {
        format!("| `{level}` | {matching} | {cloud_learns} | {fits} |\n")
    }));
    table
}

/// Breaks `text` at spaces so that no line passes `width`, later lines starting at column `indent`.
fn hang(text: &str, indent: usize, width: usize) -> String {
    let mut lines = String::new();
    let mut column = indent;
    for word in text.split(' ') {
        if column > indent && column + 1 + word.len() > width {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            column = indent;
        } else if column > indent {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += word.len();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_alone_does_not_refer_to_the_row_above() {
        let veiled = VEILED.to_string();
        assert!(!veiled.contains("the above"), "{veiled}");
        assert!(veiled.contains(SEALED.cloud_learns.split(',').next().unwrap()), "{veiled}");
        assert!(veiled.lines().all(|line| line.len() <= 100), "{veiled}");
    }

    #[test]
    fn the_markdown_table_has_a_row_per_level() {
        assert_eq!(markdown().lines().count(), 2 + TABLE.len());
    }

    #[test]
    fn the_documents_carry_the_table() {
        for document in [include_str!("../../../README.md"), include_str!("../../../ARCHITECTURE.md")] {
            assert!(document.contains(&markdown()), "`pmirs table` prints what belongs there");
        }
    }
}
