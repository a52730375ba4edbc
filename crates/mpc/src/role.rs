//! Which of the three parties one is, and who stands beside it.

/// One of the three parties. They stand in a ring: each has a next and a previous one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// P0.
    First,
    /// P1.
    Second,
    /// P2.
    Third,
}

impl Role {
    /// All three, in order.
    pub const ALL: [Self; 3] = [Self::First, Self::Second, Self::Third];

    /// The party after this one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::Third,
            Self::Third => Self::First,
        }
    }

    /// The party before this one.
    #[must_use]
    pub fn previous(self) -> Self {
        self.next().next()
    }

    /// 0, 1 or 2.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The party of this number.
    pub fn from_index(index: u8) -> Option<Self> {
        Self::ALL.get(usize::from(index)).copied()
    }

    /// The party at one side of this one.
    #[must_use]
    pub fn neighbour(self, side: Side) -> Self {
        match side {
            Side::Previous => self.previous(),
            Side::Next => self.next(),
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "P{}", self.index())
    }
}

/// The two sides of a party in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Towards the party before.
    Previous,
    /// Towards the party after.
    Next,
}
